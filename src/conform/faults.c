/* The table of planted faults. */
#include "conform/fault.h"

#define PARAM(o, what, text, how, param, i, v)                                                     \
    {                                                                                              \
        .op = CLADE_OP_##o, .part = what, .name = text, .kind = FAULT_PARAM_##how, .slot = param,  \
        .index = i, .value = v                                                                     \
    }
#define SLOT(o, what, text, how, name_of_slot, v)                                                  \
    {                                                                                              \
        .op = CLADE_OP_##o, .part = what, .name = text, .kind = FAULT_##how, .slot = name_of_slot, \
        .value = v                                                                                 \
    }
#define SHRINK(o, what, text, one, other, dimension)                                               \
    {                                                                                              \
        .op = CLADE_OP_##o, .part = what, .name = text, .kind = FAULT_SHRINK, .slot = one,         \
        .also = other, .index = dimension                                                          \
    }
#define ORACLE(o, text, how, param, i, v)                                                          \
    {                                                                                              \
        .op = CLADE_OP_##o, .part = "oracle", .name = text, .kind = FAULT_PARAM_##how,             \
        .slot = param, .index = i, .value = v, .oracle = true                                      \
    }

const conform_fault clade_faults[] = {
    /* convolution */
    PARAM(conv2d, "forward", "padding-off-by-one", ADD, "pad", 0, 1),
    PARAM(conv2d, "forward", "strides-swapped", SWAP, "stride", 0, 0),
    PARAM(conv2d, "forward", "dilation-ignored", SET, "dilation", 0, 1),
    PARAM(conv2d, "forward", "activation-forgotten", SET, "act", 0, CLADE_LINEAR),
    SHRINK(conv2d, "forward", "last-row-of-taps-dropped", "w", NULL, 0),
    SLOT(conv2d, "forward", "bias-forgotten", ABSENT, "b", 0),
    SLOT(conv2d, "forward", "half-precision", ROUND, "y", 11),
    SLOT(conv2d, "forward", "order-of-additions", LAST_BIT, "y", 0),
    SLOT(conv2d, "tail", "last-output-unwritten", KEEP_TAIL, "y", 0),
    SLOT(conv2d, "stray", "write-beyond-the-end", STRAY_AFTER, "y", 0),
    SLOT(conv2d, "stray", "write-before-the-start", STRAY_BEFORE, "y", 0),
    SLOT(conv2d, "stray", "input-overwritten", CLOBBER, "x", 0),
    SLOT(conv2d, "forward", "adds-to-its-output", ADD_PRIOR, "y", 0),
    SLOT(conv2d, "forward", "race", FLICKER, "y", 0),
    SLOT(conv2d, "forward", "depends-on-threads", VARIANT, "y", 0),
    SLOT(conv2d, "forward", "needs-alignment", UNALIGNED, "y", 0),
    SLOT(conv2d, "forward", "one-buffer-for-all", SEPARATE, "y", 0),
    SLOT(conv2d, "forward", "last-pixel-a-copy", NEIGHBOUR, "y", 0),
    SLOT(conv2d, "forward", "wrong-transform-constant", TILE_ROW, "y", 1.0001),
    SLOT(conv2d, "forward", "tile-dropped", TILE_DROPPED, "y", 0),
    SLOT(conv2d, "forward", "tiles-at-the-edge-empty", TILE_EDGE, "y", 0),
    PARAM(conv2d_dx, "dx", "padding-off-by-one", ADD, "pad", 1, 1),
    SLOT(conv2d_dx, "dx", "wrong-transform-constant", TILE_ROW, "dx", 1.0001),
    SLOT(conv2d_dx, "dx", "tiles-at-the-edge-empty", TILE_EDGE, "dx", 0),
    PARAM(conv2d_dx, "dx", "strides-swapped", SWAP, "stride", 0, 0),
    PARAM(conv2d_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
    PARAM(conv2d_dx, "dx", "always-accumulates", SET, "accumulate", 0, 1),
    SLOT(conv2d_dx, "tail", "last-gradient-unwritten", KEEP_TAIL, "dx", 0),
    SHRINK(conv2d_dw, "dw", "last-image-left-out", "x", "dy", 0),
    PARAM(conv2d_dw, "dw", "accumulate-ignored", SET, "accumulate", 0, 0),
    SLOT(conv2d_dw, "dw", "order-of-chunks", LAST_BIT, "dw", 0),
    SLOT(conv2d_dw, "dw", "tile-missing-in-its-sums", TILE_SUM, "dw", 0.97),
    SLOT(conv2d_dw, "db", "bias-gradient-missing", ABSENT, "db", 0),
    SLOT(conv2d_dw, "db", "bias-gradient-doubled", SCALE, "db", 2),
    {.op = CLADE_OP_conv2d_dw,
     .part = "dw",
     .name = "wrong-without-bias",
     .kind = FAULT_WITHOUT,
     .slot = "dw",
     .also = "db"},
    PARAM(conv2d_norm, "forward", "wrong-epsilon", SCALE, "eps", 0, 10),
    PARAM(conv2d_norm, "forward", "activation-forgotten", SET, "act", 0, CLADE_LINEAR),
    SLOT(conv2d_norm, "forward", "bias-forgotten", ABSENT, "b", 0),
    SLOT(conv2d_norm, "forward", "addition-forgotten", ABSENT, "z", 0),
    SLOT(conv2d_norm, "forward", "order-of-additions", LAST_BIT, "y", 0),
    SLOT(conv2d_norm, "tail", "last-output-unwritten", KEEP_TAIL, "y", 0),
    PARAM(conv2d_maxpool, "forward", "activation-forgotten", SET, "act", 0, CLADE_LINEAR),
    PARAM(conv2d_maxpool, "forward", "padding-off-by-one", ADD, "pad", 0, 1),
    SLOT(conv2d_maxpool, "forward", "starts-at-zero", FLOOR, "y", 0),
    SLOT(conv2d_maxpool, "forward", "index-off-by-one", NEXT, "index", 0),
    SLOT(conv2d_maxpool, "forward", "last-index-unwritten", KEEP_TAIL, "index", 0),
    {.op = CLADE_OP_conv2d_maxpool,
     .part = "forward",
     .name = "wrong-without-index",
     .kind = FAULT_WITHOUT,
     .slot = "y",
     .also = "index"},
    PARAM(conv2d_maxpool_dx, "dx", "padding-off-by-one", ADD, "pad", 1, 1),
    PARAM(conv2d_maxpool_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
    PARAM(conv2d_maxpool_dw, "dw", "strides-swapped", SWAP, "stride", 0, 0),
    SLOT(conv2d_maxpool_dw, "db", "bias-gradient-missing", ABSENT, "db", 0),
    /* dense */
    SLOT(dense, "forward", "bias-forgotten", ABSENT, "b", 0),
    SLOT(dense, "forward", "bfloat16", ROUND, "y", 8),
    SHRINK(dense_dx, "dx", "last-row-left-out", "dy", NULL, 0),
    SHRINK(dense_dw, "dw", "last-row-left-out", "x", "dy", 0),
    SLOT(dense_dw, "db", "bias-gradient-missing", ABSENT, "db", 0),
    PARAM(dense_dw, "dw", "accumulate-ignored", SET, "accumulate", 0, 0),
    /* pooling */
    SLOT(maxpool2d, "forward", "starts-at-zero", FLOOR, "y", 0),
    SLOT(maxpool2d, "forward", "nan-swallowed", SWALLOW, "y", 0),
    SLOT(maxpool2d, "forward", "index-off-by-one", NEXT, "index", 0),
    {.op = CLADE_OP_maxpool2d,
     .part = "forward",
     .name = "wrong-without-index",
     .kind = FAULT_WITHOUT,
     .slot = "y",
     .also = "index"},
    PARAM(maxpool2d_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
    PARAM(maxpool2d_dx, "dx", "padding-off-by-one", ADD, "pad", 0, 1),
    PARAM(avgpool2d, "forward", "padding-counted", FLIP, "count_pad", 0, 0),
    PARAM(avgpool2d_dx, "dx", "padding-counted", FLIP, "count_pad", 0, 0),
    SHRINK(global_avgpool, "forward", "last-column-left-out", "x", NULL, 2),
    SHRINK(global_maxpool, "forward", "last-column-left-out", "x", NULL, 2),
    SLOT(global_maxpool, "forward", "starts-at-zero", FLOOR, "y", 0),
    SLOT(global_maxpool, "forward", "nan-swallowed", SWALLOW, "y", 0),
    SLOT(global_maxpool, "forward", "index-off-by-one", NEXT, "index", 0),
    SLOT(global_maxpool, "forward", "last-index-unwritten", KEEP_TAIL, "index", 0),
    {.op = CLADE_OP_global_maxpool,
     .part = "forward",
     .name = "wrong-without-index",
     .kind = FAULT_WITHOUT,
     .slot = "y",
     .also = "index"},
    PARAM(global_maxpool_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
    SLOT(global_maxpool_dx, "tail", "last-gradient-unwritten", KEEP_TAIL, "dx", 0),
    /* normalisation */
    PARAM(batchnorm, "forward", "wrong-epsilon", SCALE, "eps", 0, 10),
    PARAM(batchnorm, "statistics", "wrong-momentum", SCALE, "momentum", 0, 0.99),
    PARAM(batchnorm, "statistics", "biased-for-unbiased", FLIP, "unbiased", 0, 0),
    SLOT(batchnorm, "statistics", "running-mean-stale", KEEP, "running_mean", 0),
    SLOT(batchnorm, "statistics", "running-variance-stale", KEEP, "running_var", 0),
    SLOT(batchnorm, "statistics", "saved-rstd-wrong", SCALE, "rstd", 1.0001),
    SLOT(batchnorm_dx, "dx", "statistics-taken-for-constants", FROZEN, "dx", 0),
    SLOT(batchnorm_dx, "dgamma", "unwritten", KEEP, "dgamma", 0),
    SLOT(batchnorm_dx, "dbeta", "last-channel-unwritten", KEEP_TAIL, "dbeta", 0),
    PARAM(batchnorm_infer, "forward", "epsilon-forgotten", SET, "eps", 0, 0),
    PARAM(lrn, "forward", "window-one-short", ADD, "size", 0, -1),
    PARAM(lrn_dx, "dx", "wrong-exponent", SCALE, "beta", 0, 1.001),
    /* activations and element-wise ops */
    PARAM(activation, "forward", "slope-ignored", SET, "alpha", 0, 0),
    SLOT(activation, "forward", "nan-swallowed", SWALLOW, "y", 0),
    SLOT(activation, "forward", "wrong-in-place", IN_PLACE, "y", 0),
    PARAM(activation_dx, "dx", "slope-ignored", SET, "alpha", 0, 0),
    PARAM(add, "forward", "factor-ignored", SET, "beta", 0, 3),
    PARAM(add_dx, "dx", "factor-ignored", SET, "alpha", 0, 3),
    SLOT(mul_dx, "dx", "second-gradient-missing", KEEP, "db", 0),
    PARAM(reduce, "forward", "sum-for-mean", FLIP, "mean", 0, 0),
    SLOT(copy, "tail", "last-element-unwritten", KEEP_TAIL, "y", 0),
    SLOT(concat, "stray", "write-beyond-its-part", STRAY_AFTER, "y", 0),
    PARAM(concat_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
    PARAM(pad, "forward", "value-ignored", SET, "value", 0, -7),
    /* losses */
    SLOT(softmax, "forward", "does-not-sum-to-one", SCALE, "y", 1.00001),
    PARAM(softmax_xent, "forward", "smoothing-ignored", ADD, "smoothing", 0, 0.01),
    SLOT(softmax_xent, "forward", "loss-of-last-row-unwritten", KEEP_TAIL, "loss", 0),
    PARAM(softmax_xent_dx, "dx", "smoothing-ignored", ADD, "smoothing", 0, 0.01),
    SLOT(sigmoid_bce_dx, "dx", "doubled", SCALE, "dx", 2),
    SLOT(mse_dx, "dx", "factor-two-forgotten", SCALE, "dx", 0.5),
    PARAM(topk_count, "forward", "one-too-many", ADD, "k", 0, 1),
    PARAM(dropout, "forward", "same-mask-every-step", ADD, "step", 0, 1),
    PARAM(dropout_dx, "dx", "another-mask", ADD, "stream", 0, 1),
    /* optimizers */
    PARAM(norm_clip, "optimizer", "wrong-limit", SCALE, "limit", 0, 0.999),
    PARAM(sgd, "optimizer", "wrong-momentum", SCALE, "momentum", 0, 0.999),
    PARAM(sgd, "optimizer", "nesterov-ignored", FLIP, "nesterov", 0, 0),
    SLOT(sgd, "optimizer", "velocity-stale", KEEP, "v", 0),
    SLOT(sgd, "optimizer", "clipping-ignored", ABSENT, "scale", 0),
    PARAM(rmsprop, "optimizer", "wrong-epsilon", ADD, "eps", 0, 1e-3),
    SLOT(rmsprop, "optimizer", "mean-square-stale", KEEP, "s", 0),
    PARAM(adam, "optimizer", "wrong-beta2", SCALE, "beta2", 0, 0.999),
    PARAM(adam, "optimizer", "decay-ignored", ADD, "decay", 0, 0.01),
    SLOT(adam, "optimizer", "first-moment-stale", KEEP, "m", 0),
    SLOT(adam, "optimizer", "last-weight-not-updated", KEEP_TAIL, "w", 0),
    /* images */
    PARAM(affine_sample, "forward", "nearest-for-bilinear", FLIP, "nearest", 0, 0),
    PARAM(affine_sample, "forward", "shift-ignored", ADD, "shift", 0, 0.5),
    /* the oracle's gradients */
    ORACLE(conv2d_dx, "padding-off-by-one", ADD, "pad", 0, 1),
    ORACLE(conv2d_dw, "strides-swapped", SWAP, "stride", 0, 0),
    ORACLE(conv2d_maxpool_dx, "padding-off-by-one", ADD, "pad", 0, 1),
    ORACLE(avgpool2d_dx, "padding-counted", FLIP, "count_pad", 0, 0),
    ORACLE(activation_dx, "wrong-function", ADD, "act", 0, -1),
    ORACLE(batchnorm_infer_dx, "epsilon-forgotten", SET, "eps", 0, 0),
    ORACLE(lrn_dx, "wrong-exponent", SCALE, "beta", 0, 1.001),
};
const size_t clade_fault_count = sizeof clade_faults / sizeof *clade_faults;
