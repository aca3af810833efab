/* The chains of layers that devices are judged on: the recipes' patterns, small. */
#include "conform/chain.h"

#define STEP(id, names, words)                                                                     \
    {                                                                                              \
        .op = CLADE_OP_##id, .slot = SLOTS names, .text = words                                    \
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
    STEP(conv2d, ("x", "w1", "b1", "c1"), "x=3x12x13x3 w=3x3x3x16 b=16"),
    STEP(activation, ("c1", "r1"), "act=relu"),
    STEP(maxpool2d, ("r1", "p1", "i1"), "window=2,2"),
    STEP(conv2d, ("p1", "w2", "b2", "c2"), "w=3x3x16x24 b=24 pad=1,1,1,1"),
    STEP(activation, ("c2", "r2"), "act=relu"),
    STEP(maxpool2d, ("r2", "p2", "i2"), "window=2,2"),
    STEP(copy, ("p2", "flat"), "y=3x96"),
    STEP(dense, ("flat", "w3", "b3", "h"), "w=96x32 b=32"),
    STEP(activation, ("h", "r3"), "act=relu"),
    STEP(dropout, ("r3", "d3"), "rate=0.5 seed=7 stream=2 step=3"),
    STEP(dense, ("d3", "w4", "b4", "scores"), "w=32x10 b=10"),
    STEP(softmax_xent, ("scores", "label", "p", "loss"), "label=3 smoothing=0.1"),
};
static const chain_step classes_after[] = {
    STEP(norm_clip, ("d:w1", "scale", "norm"), "limit=0.5"),
    STEP(adam, ("w1", "d:w1", "m1", "v1", "scale"),
         "m=3x3x3x16 v=3x3x3x16 lr=0.01 beta1=0.9 beta2=0.999 eps=1e-7"),
    STEP(adam, ("b4", "d:b4", "m4", "v4"),
         "m=10 v=10 lr=0.01 beta1=0.9 beta2=0.999 eps=1e-7 decay=0.001"),
};

/* A residual block with batch normalisation: a tensor is read twice, so that gradients add up. */
static const chain_step residual[] = {
    STEP(conv2d, ("x", "w0", NULL, "c0"), "x=4x9x9x3 w=3x3x3x16 stride=2,2 pad=1,1,1,1"),
    STEP(batchnorm, ("c0", "g0", "s0", "m0", "v0", "n0", "mean0", "rstd0"),
         "gamma=16 beta=16 running_mean=16 running_var=16 eps=0.001 momentum=0.9"),
    STEP(activation, ("n0", "a0"), "act=silu"),
    STEP(conv2d, ("a0", "w1", NULL, "c1"), "w=3x3x16x16 pad=1,1,1,1"),
    STEP(batchnorm, ("c1", "g1", "s1", "m1", "v1", "n1", "mean1", "rstd1"),
         "gamma=16 beta=16 running_mean=16 running_var=16 eps=0.001 momentum=0.9 unbiased=1"),
    STEP(add, ("n1", "a0", "sum"), "alpha=1 beta=1"),
    STEP(activation, ("sum", "a1"), "act=relu"),
    STEP(global_avgpool, ("a1", "pool"), ""),
    STEP(dense, ("pool", "w2", "b2", "score"), "w=16x1 b=1"),
    STEP(sigmoid_bce, ("score", "label", "p", "loss"), "label=4"),
};
static const chain_step residual_after[] = {
    STEP(sgd, ("w1", "d:w1", "u1"), "v=3x3x16x16 lr=0.1 momentum=0.9 nesterov=1 decay=0.0001"),
    STEP(sgd, ("w0", "d:w0", "u0"), "v=3x3x3x16 lr=0.1 momentum=0.9 of_gradients=1"),
    STEP(rmsprop, ("w2", "d:w2", "q2"), "s=16x1 lr=0.001 rho=0.9 eps=1e-7"),
};

/* A mobile block: depthwise, squeeze and excite, joined branches; a mean square error. */
static const chain_step mobile[] = {
    STEP(pad, ("x", "xp"), "x=2x7x6x8 pad=0,1,1,1"),
    STEP(conv2d, ("xp", "w0", "b0", "c0"), "w=1x1x8x24 b=24"),
    STEP(activation, ("c0", "a0"), "act=hard_swish"),
    STEP(conv2d, ("a0", "w1", "b1", "c1"), "w=3x3x1x24 b=24 pad=1,1,1,1 groups=24"),
    STEP(activation, ("c1", "a1"), "act=leaky_relu alpha=0.1"),
    STEP(reduce, ("a1", "squeezed"), "y=2x1x1x24 mean=1"),
    STEP(activation, ("squeezed", "gate"), "act=sigmoid"),
    STEP(mul, ("a1", "gate", "excited"), ""),
    STEP(avgpool2d, ("excited", "pooled"), "window=3,3 stride=2,2 pad=1,1,1,1"),
    STEP(maxpool2d, ("excited", "peaks", "i"), "window=3,3 stride=2,2 pad=1,1,1,1"),
    STEP(concat, ("pooled", "joined"), "y=2x4x4x48 axis=3"),
    STEP(concat, ("peaks", "joined"), "axis=3 start=24"),
    STEP(lrn, ("joined", "normal"), "size=5 k=2 alpha=0.01 beta=0.75"),
    STEP(copy, ("normal", "flat"), "y=2x768"),
    STEP(dense, ("flat", "w2", NULL, "scores"), "w=768x6"),
    STEP(softmax, ("scores", "p"), ""),
    STEP(mse, ("p", "target", "loss"), "target=2x6"),
};
static const chain_step mobile_after[] = {
    STEP(sgd, ("w0", "d:w0"), "lr=0.1"),
};

/* The shapes of a first layer of 44 by 46 images. */
static const chain_step wide[] = {
    STEP(conv2d, ("x", "w1", "b1", "c1"), "x=4x44x46x3 w=3x3x3x32 b=32"),
    STEP(activation, ("c1", "r1"), "act=relu"),
    STEP(maxpool2d, ("r1", "p1", "i1"), "window=2,2"),
    STEP(conv2d, ("p1", "w2", "b2", "c2"), "w=3x3x32x32 b=32"),
    STEP(batchnorm, ("c2", "g2", "s2", "m2", "v2", "n2", "mean2", "rstd2"),
         "gamma=32 beta=32 running_mean=32 running_var=32 eps=0.001 momentum=0.99"),
    STEP(activation, ("n2", "r2"), "act=relu6"),
    STEP(maxpool2d, ("r2", "p2", "i2"), "window=2,2"),
    STEP(copy, ("p2", "flat"), "y=4x2880"),
    STEP(dense, ("flat", "w3", "b3", "h"), "w=2880x64 b=64"),
    STEP(activation, ("h", "r3"), "act=tanh"),
    STEP(dense, ("r3", "w4", "b4", "scores"), "w=64x2 b=2"),
    STEP(softmax_xent, ("scores", "label", "p", "loss"), "label=4"),
};
static const chain_step wide_after[] = {
    STEP(rmsprop, ("w3", "d:w3", "q3", "u3"),
         "s=2880x64 v=2880x64 lr=0.001 rho=0.9 momentum=0.5 eps=1e-7"),
};

const chain clade_chains[] = {
    CHAIN("conv-pool-dense-softmax", "loss", classes, classes_after, false),
    CHAIN("residual-batchnorm-sigmoid", "loss", residual, residual_after, false),
    CHAIN("mobile-excite-concat-mse", "loss", mobile, mobile_after, false),
    CHAIN("conv-batchnorm-pool-dense", "loss", wide, wide_after, true),
};
const size_t clade_chain_count = sizeof clade_chains / sizeof *clade_chains;
