/* The geometry of convolutions, for reference and backends: with defaults filled in, and for both
 * directions. */
#ifndef CLADE_OP_CONV_H
#define CLADE_OP_CONV_H

#include <clade/ops.h>

#include "../../kernels/conv_axis.clh"
#include "../../kernels/depthwise_job.clh"
#include "../../kernels/winograd_job.clh"

typedef struct conv_geometry {
    int32_t stride[2], pad[4], dilation[2], groups;
} conv_geometry;

/* Works on clade_conv2d_args, clade_conv2d_dx_args and clade_conv2d_dw_args. */
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

/* A 1×1 convolution that treats all pixels alike. */
static inline bool conv_is_pointwise(const clade_tensor *x, const clade_tensor *w,
                                     const clade_tensor *y, const conv_geometry *g)
{
    return w->dim[0] == 1 && w->dim[1] == 1 && g->groups == 1 && x->dim[1] == y->dim[1] &&
           x->dim[2] == y->dim[2] && !g->pad[0] && !g->pad[1] && g->stride[0] == 1 &&
           g->stride[1] == 1 && (int64_t)x->dim[0] * x->dim[1] * x->dim[2] <= INT32_MAX / 2;
}

/* The number of 4×4 tiles that an image of `out` is cut into. */
static inline int64_t conv_image_tiles(const clade_tensor *out)
{
    return (int64_t)((out->dim[1] + 3) / 4) * ((out->dim[2] + 3) / 4);
}

/* Returns whether a convolution with filters `w`, or its input gradient, is computed by Winograd's
 * F(4×4, 3×3). `out` is the tensor whose pixels are cut into tiles, y or dx. The bits of exact mode
 * depend on this. It depends on shapes alone, and not on the number of images, so that an image has
 * the same bits in any batch. */
static inline bool conv_is_winograd(const conv_geometry *g, const clade_tensor *w,
                                    const clade_tensor *out)
{
    if (w->dim[0] != 3 || w->dim[1] != 3 || g->stride[0] != 1 || g->stride[1] != 1 ||
        g->dilation[0] != 1 || g->dilation[1] != 1 || g->groups != 1)
        return false;
    int64_t pixels = (int64_t)out->dim[1] * out->dim[2], tiles = conv_image_tiles(out);
    /* Enough channels for the products to outweigh the transforms, enough tiles to outweigh the
     * filters' transform, and at least half of the computed pixels needed. Measured with AVX-512,
     * relative to the direct algorithm: 1.0 to 1.7 times the speed at 4 tiles of 32 channels, 32
     * tiles of which half is needed, and 512 channels of 4 tiles; a third of the speed from 3
     * channels; the same speed from 12. */
    return w->dim[2] >= 16 && w->dim[3] >= 16 && tiles >= 4 &&
           tiles * out->dim[0] <= INT32_MAX / 2 && pixels * 2 >= tiles * 16;
}

/* The same for a weight gradient whose output gradient is dy. */
static inline bool conv_is_winograd_dw(const conv_geometry *g, const clade_tensor *w,
                                       const clade_tensor *dy)
{
    /* Taking 36 sums for each weight pays off with enough tiles, and weights few enough for the
     * sums to stay in caches: twice the speed of the direct algorithm at 128 channels and filters,
     * less at 256. */
    return conv_is_winograd(g, w, dy) && (int64_t)w->dim[2] * w->dim[3] <= 1 << 15 &&
           conv_image_tiles(dy) * dy->dim[0] >= 32;
}

/* A convolution by tiles, and likewise its gradients; the device's part of the plan is left
 * open. */
static inline winograd_job winograd_of(const int32_t source[4], const int32_t results[4],
                                       int32_t top, int32_t left)
{
    winograd_job job = {.h = source[1],
                        .w = source[2],
                        .c = source[3],
                        .oh = results[1],
                        .ow = results[2],
                        .k = results[3],
                        .top = top,
                        .left = left,
                        .rows = (results[1] + 3) / 4,
                        .columns = (results[2] + 3) / 4};
    job.tiles = results[0] * job.rows * job.columns;
    return job;
}
static inline winograd_job winograd_forward(const clade_conv2d_args *a)
{
    winograd_job job = winograd_of(a->x.dim, a->y.dim, a->pad[0], a->pad[1]);
    job.act = a->act;
    job.alpha = a->alpha;
    return job;
}
static inline winograd_job winograd_dx(const clade_conv2d_dx_args *a)
{
    winograd_job job = winograd_of(a->dy.dim, a->dx.dim, 2 - a->pad[0], 2 - a->pad[1]);
    job.reversed = 1;
    job.accumulate = a->accumulate;
    return job;
}
static inline winograd_job winograd_dw(const clade_conv2d_dw_args *a)
{
    winograd_job job = winograd_of(a->x.dim, a->dy.dim, a->pad[0], a->pad[1]);
    int64_t per_chunk;
    job.chunks = clade_winograd_chunks(job.tiles, job.c, job.k, &per_chunk);
    job.per_chunk = (int32_t)per_chunk;
    job.accumulate = a->accumulate;
    return job;
}

/* For the convolution itself. */
static inline conv_axis conv_axis_forward(int32_t size, int32_t out, int32_t window, int32_t stride,
                                          int32_t pad, int32_t dilation)
{
    return (conv_axis){.size = size,
                       .count = out,
                       .out_stride = 1,
                       .stride = stride,
                       .base = -pad,
                       .reach = dilation,
                       .taps = window,
                       .tap_step = 1};
}

static inline int32_t conv_gcd(int32_t a, int32_t b) { return b ? conv_gcd(b, a % b) : a; }

/* For the input gradient, for the inputs at `phase` + j · stride, which share their taps. Weights
 * must be packed in reverse (tap window − 1 first), so that tap_step is positive. */
static inline conv_axis conv_axis_backward(int32_t size, int32_t out, int32_t window,
                                           int32_t stride, int32_t pad, int32_t dilation,
                                           int32_t phase)
{
    conv_axis axis = {.size = out,
                      .count = size > phase ? (size - phase + stride - 1) / stride : 0,
                      .first = phase,
                      .out_stride = stride,
                      .stride = 1,
                      .reach = 1,
                      .tap_step = 1};
    int32_t common = conv_gcd(stride, dilation);
    int32_t step = stride / common; /* between taps of the same phase */
    for (int32_t r = window - 1; r >= 0; r--) {
        if ((phase + pad - r * dilation) % stride) continue;
        axis.base = (phase + pad - r * dilation) / stride;
        axis.first_tap = window - 1 - r;
        axis.taps = r / step + 1;
        axis.tap_step = step;
        axis.reach = dilation / common;
        break;
    }
    return axis;
}

/* Phases of an input gradient along an axis; phases beyond the image have no results. */
static inline int32_t conv_phases(const conv_geometry *g, const clade_tensor *dx, int axis)
{
    return g->stride[axis] < dx->dim[1 + axis] ? g->stride[axis] : dx->dim[1 + axis];
}

/* Results low … high − 1 have all their taps inside the source. */
static inline void conv_axis_interior(conv_axis axis, int32_t *low, int32_t *high)
{
    int64_t last = axis.size - 1 - (axis.taps - 1) * (int64_t)axis.reach - axis.base;
    int64_t end = last < 0 ? 0 : last / axis.stride + 1;
    int64_t begin = axis.base < 0 ? (axis.stride - 1 - (int64_t)axis.base) / axis.stride : 0;
    *low = 0;
    *high = axis.count;
    if (axis.taps == 0) return;
    if (end < *high) *high = (int32_t)end;
    if (begin < *high)
        *low = (int32_t)begin;
    else
        *low = *high = axis.count;
}

/* A depthwise convolution and its input gradient, whose results are divided by strides;
 * conv_axis_backward() gives the directions of each part. */
static inline depthwise_job depthwise_of(const int32_t results[4], const int32_t w[4])
{
    return (depthwise_job){.images = results[0],
                           .out_h = results[1],
                           .out_w = results[2],
                           .c = results[3],
                           .kh = w[0],
                           .kw = w[1]};
}
static inline depthwise_job depthwise_forward(const clade_conv2d_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->x.dim, *w = a->w.dim, *y = a->y.dim;
    depthwise_job job = depthwise_of(y, w);
    job.row = conv_axis_forward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0]);
    job.column = conv_axis_forward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1]);
    conv_axis_interior(job.column, &job.low, &job.high);
    return job;
}
static inline depthwise_job depthwise_dx(const clade_conv2d_dx_args *a, int32_t row, int32_t column)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->dx.dim, *w = a->w.dim, *y = a->dy.dim;
    depthwise_job job = depthwise_of(x, w);
    job.row = conv_axis_backward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0], row);
    job.column = conv_axis_backward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1], column);
    job.backward = 1;
    job.accumulate = a->accumulate;
    conv_axis_interior(job.column, &job.low, &job.high);
    return job;
}

#endif
