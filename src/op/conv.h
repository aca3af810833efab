/* A convolution's geometry, for reference and backends: its defaults filled in, and its directions.
 */
#ifndef CLADE_OP_CONV_H
#define CLADE_OP_CONV_H

#include <clade/ops.h>

#include "../../kernels/conv_axis.clh"

typedef struct conv_geometry {
    int32_t stride[2], pad[4], dilation[2], groups;
} conv_geometry;

/* Of clade_conv2d_args, clade_conv2d_dx_args or clade_conv2d_dw_args. */
#define CONV_GEOMETRY(a)                                                                           \
    {                                                                                              \
        .stride = {(a)->stride[0] ? (a)->stride[0] : 1, (a)->stride[1] ? (a)->stride[1] : 1},      \
        .pad = {(a)->pad[0], (a)->pad[1], (a)->pad[2], (a)->pad[3]},                               \
        .dilation = {(a)->dilation[0] ? (a)->dilation[0] : 1,                                      \
                     (a)->dilation[1] ? (a)->dilation[1] : 1},                                     \
        .groups = (a)->groups ? (a)->groups : 1,                                                   \
    }

/* One filter per channel. */
static inline bool conv_is_depthwise(const clade_tensor *w, int32_t groups)
{
    return groups > 1 && w->dim[2] == 1 && w->dim[3] == groups;
}

/* A 1×1 convolution of every pixel alike. */
static inline bool conv_is_pointwise(const clade_tensor *x, const clade_tensor *w,
                                     const clade_tensor *y, const conv_geometry *g)
{
    return w->dim[0] == 1 && w->dim[1] == 1 && g->groups == 1 && x->dim[1] == y->dim[1] &&
           x->dim[2] == y->dim[2] && !g->pad[0] && !g->pad[1] && g->stride[0] == 1 &&
           g->stride[1] == 1 && (int64_t)x->dim[0] * x->dim[1] * x->dim[2] <= INT32_MAX;
}

/* Of the convolution itself. */
static inline conv_axis conv_axis_forward(int32_t size, int32_t out, int32_t window, int32_t stride,
                                          int32_t pad, int32_t dilation)
{
    return (conv_axis){.size = size,
                       .count = out,
                       .spread = 1,
                       .stride = stride,
                       .base = -pad,
                       .reach = dilation,
                       .taps = window,
                       .tap_step = 1};
}

static inline int32_t conv_gcd(int32_t a, int32_t b) { return b ? conv_gcd(b, a % b) : a; }

/* Of the input gradient, for the inputs at `phase` + j · stride: they share their taps. Weights are
 * taken as packed in reverse (tap window − 1 first), so that tap_step is positive. */
static inline conv_axis conv_axis_backward(int32_t size, int32_t out, int32_t window,
                                           int32_t stride, int32_t pad, int32_t dilation,
                                           int32_t phase)
{
    conv_axis axis = {.size = out,
                      .count = size > phase ? (size - phase + stride - 1) / stride : 0,
                      .first = phase,
                      .spread = stride,
                      .stride = 1,
                      .reach = 1,
                      .tap_step = 1};
    int32_t step = stride / conv_gcd(stride, dilation); /* between taps of the same phase */
    for (int32_t r = window - 1; r >= 0; r--) {
        if ((phase + pad - r * dilation) % stride) continue;
        axis.base = (phase + pad - r * dilation) / stride;
        axis.first_tap = window - 1 - r;
        axis.taps = r / step + 1;
        axis.tap_step = step;
        axis.reach = step * dilation / stride;
        break;
    }
    return axis;
}

#endif
