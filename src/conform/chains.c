/* The chains of layers that devices are judged on: the recipes' patterns, small. */
#include "conform/chain.h"

#define STEP(id, names, ...)                                                                       \
    {                                                                                              \
        .op = CLADE_OP_##id, .slot = SLOTS names, .args = {.id = {__VA_ARGS__} }                   \
    }
#define PLAIN(id, names)                                                                           \
    {                                                                                              \
        .op = CLADE_OP_##id, .slot = SLOTS names                                                   \
    }
#define SLOTS(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define CHAIN(title, end, forward, optimizer, left_out)                                            \
    {                                                                                              \
        .name = title, .loss = end, .full = left_out, .steps = forward,                            \
        .step_count = sizeof forward / sizeof *forward, .after = optimizer,                        \
        .after_count = sizeof optimizer / sizeof *optimizer                                        \
    }

/* Convolutions with maximum pooling, dense layers, cross-entropy over classes, Adam. */
static const chain_step classes[] = {
    STEP(conv2d, ("x", "w1", "b1", "c1"), .x = F32_4(3, 12, 13, 3), .w = F32_4(3, 3, 3, 16),
         .b = F32_1(16)),
    STEP(activation, ("c1", "r1"), .act = CLADE_RELU),
    STEP(maxpool2d, ("r1", "p1", "i1"), .window = {2, 2}),
    STEP(conv2d, ("p1", "w2", "b2", "c2"), .w = F32_4(3, 3, 16, 24), .b = F32_1(24),
         .pad = {1, 1, 1, 1}),
    STEP(activation, ("c2", "r2"), .act = CLADE_RELU),
    STEP(maxpool2d, ("r2", "p2", "i2"), .window = {2, 2}),
    STEP(copy, ("p2", "flat"), .y = F32_2(3, 96)),
    STEP(dense, ("flat", "w3", "b3", "h"), .w = F32_2(96, 32), .b = F32_1(32)),
    STEP(activation, ("h", "r3"), .act = CLADE_RELU),
    STEP(dropout, ("r3", "d3"), .rate = 0.5f, .seed = 7, .stream = 2, .step = 3),
    STEP(dense, ("d3", "w4", "b4", "scores"), .w = F32_2(32, 10), .b = F32_1(10)),
    STEP(softmax_xent, ("scores", "label", "p", "loss"), .label = I32_1(3), .smoothing = 0.1f),
};
static const chain_step classes_after[] = {
    STEP(norm_clip, ("d:w1", "scale", "norm"), .limit = 0.5f),
    STEP(adam, ("w1", "d:w1", "m1", "v1", "scale"), .m = F32_4(3, 3, 3, 16),
         .v = F32_4(3, 3, 3, 16), .lr = 0.01f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-7f),
    STEP(adam, ("b4", "d:b4", "m4", "v4"), .m = F32_1(10), .v = F32_1(10), .lr = 0.01f,
         .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-7f, .decay = 1e-3f),
};

/* A residual block with batch normalisation: a tensor is read twice, so that gradients add up. */
static const chain_step residual[] = {
    STEP(conv2d, ("x", "w0", NULL, "c0"), .x = F32_4(4, 9, 9, 3), .w = F32_4(3, 3, 3, 16),
         .stride = {2, 2}, .pad = {1, 1, 1, 1}),
    STEP(batchnorm, ("c0", "g0", "s0", "m0", "v0", "n0", "mean0", "rstd0"), .gamma = F32_1(16),
         .beta = F32_1(16), .running_mean = F32_1(16), .running_var = F32_1(16), .eps = 1e-3f,
         .momentum = 0.9f),
    STEP(activation, ("n0", "a0"), .act = CLADE_SILU),
    STEP(conv2d, ("a0", "w1", NULL, "c1"), .w = F32_4(3, 3, 16, 16), .pad = {1, 1, 1, 1}),
    STEP(batchnorm, ("c1", "g1", "s1", "m1", "v1", "n1", "mean1", "rstd1"), .gamma = F32_1(16),
         .beta = F32_1(16), .running_mean = F32_1(16), .running_var = F32_1(16), .eps = 1e-3f,
         .momentum = 0.9f, .unbiased = 1),
    STEP(add, ("n1", "a0", "sum"), .alpha = 1, .beta = 1),
    STEP(activation, ("sum", "a1"), .act = CLADE_RELU),
    PLAIN(global_avgpool, ("a1", "pool")),
    STEP(dense, ("pool", "w2", "b2", "score"), .w = F32_2(16, 1), .b = F32_1(1)),
    STEP(sigmoid_bce, ("score", "label", "p", "loss"), .label = I32_1(4)),
};
static const chain_step residual_after[] = {
    STEP(sgd, ("w1", "d:w1", "u1"), .v = F32_4(3, 3, 16, 16), .lr = 0.1f, .momentum = 0.9f,
         .nesterov = 1, .decay = 1e-4f),
    STEP(rmsprop, ("w2", "d:w2", "q2"), .s = F32_2(16, 1), .lr = 1e-3f, .rho = 0.9f, .eps = 1e-7f),
};

/* A mobile block: depthwise, squeeze and excite, joined branches; a mean square error. */
static const chain_step mobile[] = {
    STEP(pad, ("x", "xp"), .x = F32_4(2, 7, 6, 8), .pad = {0, 1, 1, 1}),
    STEP(conv2d, ("xp", "w0", "b0", "c0"), .w = F32_4(1, 1, 8, 24), .b = F32_1(24)),
    STEP(activation, ("c0", "a0"), .act = CLADE_HARD_SWISH),
    STEP(conv2d, ("a0", "w1", "b1", "c1"), .w = F32_4(3, 3, 1, 24), .b = F32_1(24), .groups = 24,
         .pad = {1, 1, 1, 1}),
    STEP(activation, ("c1", "a1"), .act = CLADE_LEAKY_RELU, .alpha = 0.1f),
    STEP(reduce, ("a1", "squeezed"), .y = F32_4(2, 1, 1, 24), .mean = 1),
    STEP(activation, ("squeezed", "gate"), .act = CLADE_SIGMOID),
    PLAIN(mul, ("a1", "gate", "excited")),
    STEP(avgpool2d, ("excited", "pooled"), .window = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}),
    STEP(maxpool2d, ("excited", "peaks", "i"), .window = {3, 3}, .stride = {2, 2},
         .pad = {1, 1, 1, 1}),
    STEP(concat, ("pooled", "joined"), .y = F32_4(2, 4, 4, 48), .axis = 3, .start = 0),
    STEP(concat, ("peaks", "joined"), .axis = 3, .start = 24),
    STEP(lrn, ("joined", "normal"), .size = 5, .k = 2, .alpha = 1e-2f, .beta = 0.75f),
    STEP(copy, ("normal", "flat"), .y = F32_2(2, 768)),
    STEP(dense, ("flat", "w2", NULL, "scores"), .w = F32_2(768, 6)),
    PLAIN(softmax, ("scores", "p")),
    STEP(mse, ("p", "target", "loss"), .target = F32_2(2, 6)),
};
static const chain_step mobile_after[] = {
    STEP(sgd, ("w0", "d:w0", NULL), .lr = 0.1f),
};

/* The shapes of a first layer of 44 by 46 images. */
static const chain_step wide[] = {
    STEP(conv2d, ("x", "w1", "b1", "c1"), .x = F32_4(4, 44, 46, 3), .w = F32_4(3, 3, 3, 32),
         .b = F32_1(32)),
    STEP(activation, ("c1", "r1"), .act = CLADE_RELU),
    STEP(maxpool2d, ("r1", "p1", "i1"), .window = {2, 2}),
    STEP(conv2d, ("p1", "w2", "b2", "c2"), .w = F32_4(3, 3, 32, 32), .b = F32_1(32)),
    STEP(batchnorm, ("c2", "g2", "s2", "m2", "v2", "n2", "mean2", "rstd2"), .gamma = F32_1(32),
         .beta = F32_1(32), .running_mean = F32_1(32), .running_var = F32_1(32), .eps = 1e-3f,
         .momentum = 0.99f),
    STEP(activation, ("n2", "r2"), .act = CLADE_RELU6),
    STEP(maxpool2d, ("r2", "p2", "i2"), .window = {2, 2}),
    STEP(copy, ("p2", "flat"), .y = F32_2(4, 2880)),
    STEP(dense, ("flat", "w3", "b3", "h"), .w = F32_2(2880, 64), .b = F32_1(64)),
    STEP(activation, ("h", "r3"), .act = CLADE_TANH),
    STEP(dense, ("r3", "w4", "b4", "scores"), .w = F32_2(64, 2), .b = F32_1(2)),
    STEP(softmax_xent, ("scores", "label", "p", "loss"), .label = I32_1(4)),
};
static const chain_step wide_after[] = {
    STEP(rmsprop, ("w3", "d:w3", "q3", "u3"), .s = F32_2(2880, 64), .v = F32_2(2880, 64),
         .lr = 1e-3f, .rho = 0.9f, .momentum = 0.5f, .eps = 1e-7f),
};

const chain clade_chains[] = {
    CHAIN("conv-pool-dense-softmax", "loss", classes, classes_after, false),
    CHAIN("residual-batchnorm-sigmoid", "loss", residual, residual_after, false),
    CHAIN("mobile-excite-concat-mse", "loss", mobile, mobile_after, false),
    CHAIN("conv-batchnorm-pool-dense", "loss", wide, wide_after, true),
};
const size_t clade_chain_count = sizeof clade_chains / sizeof *clade_chains;
