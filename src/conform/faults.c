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
        .op = CLADE_OP_##o, .part = "oracle", .name = "oracle-" text, .kind = FAULT_PARAM_##how,   \
        .slot = param, .index = i, .value = v, .place = FAULT_IN_ORACLE                            \
    }
/* In the output of a gradient. */
#define ORACLE_SLOT(o, text, how, name_of_slot, i, v)                                              \
    {                                                                                              \
        .op = CLADE_OP_##o, .part = "oracle", .name = "oracle-" text, .kind = FAULT_##how,         \
        .slot = name_of_slot, .index = i, .value = v, .place = FAULT_IN_ORACLE                     \
    }
/* In a whole: which check must see it. */
#define WHOLE(where, is_fast, o, text, how, name_of_slot, v, seen_by)                              \
    {                                                                                              \
        .op = CLADE_OP_##o, .part = #where, .name = text, .kind = FAULT_##how,                     \
        .slot = name_of_slot, .value = v, .place = FAULT_IN_##where, .fast = is_fast,              \
        .check = seen_by                                                                           \
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
    SLOT(conv2d, "forward", "call-fails", STATUS, "y", 0),
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
    /* upsampling */
    PARAM(upsample2d, "forward", "corners-for-centres", FLIP, "align_corners", 0, 0),
    SLOT(upsample2d, "forward", "order-of-additions", LAST_BIT, "y", 0),
    SLOT(upsample2d, "tail", "last-output-unwritten", KEEP_TAIL, "y", 0),
    PARAM(upsample2d_dx, "dx", "nearest-for-bilinear", SET, "bilinear", 0, 0),
    PARAM(upsample2d_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
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
    SLOT(batchnorm_sum, "sums", "order-of-additions", LAST_BIT, "sum", 0),
    SLOT(batchnorm_sum, "sums", "last-channel-unwritten", KEEP_TAIL, "sum", 0),
    PARAM(batchnorm_sync_dx, "dx", "epsilon-forgotten", SET, "eps", 0, 0),
    PARAM(batchnorm_sync_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
    PARAM(batchnorm_infer, "forward", "epsilon-forgotten", SET, "eps", 0, 0),
    PARAM(group_norm, "forward", "one-group-of-all", SET, "groups", 0, 1),
    PARAM(group_norm, "forward", "wrong-epsilon", SCALE, "eps", 0, 10),
    SLOT(group_norm, "statistics", "saved-rstd-wrong", SCALE, "rstd", 1.0001),
    SLOT(group_norm_dx, "dx", "last-gradient-unwritten", KEEP_TAIL, "dx", 0),
    {.op = CLADE_OP_group_norm_dx,
     .part = "dx",
     .name = "wrong-without-dgamma",
     .kind = FAULT_WITHOUT,
     .slot = "dx",
     .also = "dgamma"},
    SLOT(group_norm_dx, "dgamma", "order-of-images", LAST_BIT, "dgamma", 0),
    PARAM(layer_norm, "forward", "wrong-epsilon", SCALE, "eps", 0, 10),
    SLOT(layer_norm, "forward", "order-of-chains", LAST_BIT, "y", 0),
    SLOT(layer_norm, "statistics", "last-mean-unwritten", KEEP_TAIL, "mean", 0),
    SLOT(layer_norm_dx, "dx", "half-precision", ROUND, "dx", 11),
    SLOT(layer_norm_dx, "dgamma", "last-element-unwritten", KEEP_TAIL, "dgamma", 0),
    PARAM(layer_norm_dx, "dbeta", "accumulate-ignored", SET, "accumulate", 0, 0),
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
    SLOT(prelu, "forward", "nan-swallowed", SWALLOW, "y", 0),
    SLOT(prelu, "tail", "last-output-unwritten", KEEP_TAIL, "y", 0),
    PARAM(prelu_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
    SLOT(prelu_dx, "dalpha", "unwritten", KEEP, "dalpha", 0),
    PARAM(reduce, "forward", "sum-for-mean", FLIP, "mean", 0, 0),
    SLOT(copy, "tail", "last-element-unwritten", KEEP_TAIL, "y", 0),
    SLOT(concat, "stray", "write-beyond-its-part", STRAY_AFTER, "y", 0),
    PARAM(concat_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
    PARAM(split, "forward", "start-ignored", SET, "start", 0, 0),
    PARAM(split_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
    SLOT(split_dx, "tail", "last-gradient-unwritten", KEEP_TAIL, "dx", 0),
    PARAM(pad, "forward", "value-ignored", SET, "value", 0, -7),
    /* losses */
    SLOT(softmax, "forward", "does-not-sum-to-one", SCALE, "y", 1.00001),
    SLOT(log_softmax, "forward", "logarithm-of-another-base", SCALE, "y", 1.00001),
    PARAM(log_softmax_dx, "dx", "accumulate-ignored", SET, "accumulate", 0, 0),
    PARAM(softmax_xent, "forward", "smoothing-ignored", ADD, "smoothing", 0, 0.01),
    SLOT(softmax_xent, "forward", "loss-of-last-row-unwritten", KEEP_TAIL, "loss", 0),
    PARAM(softmax_xent_dx, "dx", "smoothing-ignored", ADD, "smoothing", 0, 0.01),
    SLOT(sigmoid_bce_dx, "dx", "doubled", SCALE, "dx", 2),
    SLOT(mse_dx, "dx", "factor-two-forgotten", SCALE, "dx", 0.5),
    PARAM(topk_count, "forward", "one-too-many", ADD, "k", 0, 1),
    PARAM(dropout, "forward", "same-mask-every-step", ADD, "step", 0, 1),
    PARAM(dropout, "rows", "elements-instead-of-rows", SET, "rows", 0, 0),
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
    ORACLE(upsample2d_dx, "corners-for-centres", FLIP, "align_corners", 0, 0),
    ORACLE(activation_dx, "wrong-function", ADD, "act", 0, -1),
    ORACLE(batchnorm_infer_dx, "epsilon-forgotten", SET, "eps", 0, 0),
    ORACLE(lrn_dx, "wrong-exponent", SCALE, "beta", 0, 1.001),
    ORACLE_SLOT(dense_dw, "just-beyond-the-tolerance", SCALE, "dw", 0, 1 + 1e-5),
    ORACLE_SLOT(activation_dx, "gradient-nan", NAN, "dx", 0, 0),
    ORACLE_SLOT(activation_dx, "above-both-slopes-of-a-kink", KINK, "dx", 0, 1.001),
    ORACLE_SLOT(activation_dx, "below-both-slopes-of-a-kink", KINK, "dx", 0, -0.001),
    ORACLE_SLOT(activation_dx, "one-element-wrong", ELEMENT, "dx", 100, 1.5),
    /* ops in fast mode, where no reference tells */
    WHOLE(OP, true, dense, "race-within-the-bound", FLICKER, "y", 0, "repeat"),
    /* chains of layers */
    WHOLE(CHAIN, false, dense_dw, "chain-last-bit", LAST_BIT, "db", 0, "bits"),
    WHOLE(CHAIN, false, maxpool2d, "chain-index-off-by-one", NEXT, "index", 0, "bound"),
    WHOLE(CHAIN, false, dense, "chain-depends-on-threads", VARIANT, "y", 0, "threads"),
    WHOLE(CHAIN, false, softmax_xent, "chain-call-fails", STATUS, "y", 0, "status"),
    WHOLE(CHAIN, true, conv2d, "chain-output-scaled", SCALE, "y", 1.0001, "bound"),
    WHOLE(CHAIN, true, conv2d_dx, "chain-gradient-nan", NAN, "dx", 0, "bound"),
    WHOLE(CHAIN, true, adam, "chain-weights-stale", KEEP, "w", 0, "bound"),
    /* whole nets in training */
    WHOLE(TRAINING, false, adam, "training-last-bit", LAST_BIT, "w", 0, "bits"),
    WHOLE(TRAINING, false, softmax_xent, "training-last-bit-of-loss", LAST_BIT, "loss", 0, "loss"),
    WHOLE(TRAINING, false, dense_dx, "training-call-fails", STATUS, "dx", 0, "status"),
    WHOLE(TRAINING, false, batchnorm, "training-last-bit-of-statistics", LAST_BIT, "running_var", 0,
          "bits"),
    WHOLE(TRAINING, true, softmax_xent, "training-loss-scaled", SCALE, "loss", 1.01, "loss"),
    WHOLE(TRAINING, true, softmax_xent, "training-loss-nan", NAN, "loss", 0, "loss"),
    WHOLE(TRAINING, true, adam, "training-weights-stale", KEEP, "w", 0, "bound"),
    WHOLE(TRAINING, true, batchnorm, "training-statistics-nan", NAN, "running_var", 0, "bound"),
    /* nets from files */
    WHOLE(FORWARD, false, softmax, "forward-last-bit", LAST_BIT, "y", 0, "bits"),
    WHOLE(FORWARD, false, softmax, "forward-call-fails", STATUS, "y", 0, "status"),
    WHOLE(FORWARD, true, dense, "forward-output-scaled", SCALE, "y", 1.01, "bound"),
    WHOLE(FORWARD, true, softmax, "forward-output-nan", NAN, "y", 0, "bound"),
    WHOLE(GRADIENT, false, conv2d_dw, "gradient-last-bit", LAST_BIT, "dw", 0, "bits"),
    WHOLE(GRADIENT, false, softmax_xent, "gradient-last-bit-of-loss", LAST_BIT, "loss", 0, "bits"),
    WHOLE(GRADIENT, false, dense_dw, "gradient-call-fails", STATUS, "dw", 0, "status"),
    WHOLE(GRADIENT, true, dense_dw, "gradient-scaled", SCALE, "dw", 1.01, "bound"),
    WHOLE(GRADIENT, true, dense_dw, "gradient-nan", NAN, "db", 0, "bound"),
    WHOLE(GRADIENT, true, batchnorm, "gradient-statistics-scaled", SCALE, "running_mean", 1.01,
          "bound"),
};
const size_t clade_fault_count = sizeof clade_faults / sizeof *clade_faults;
