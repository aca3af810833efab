/* A convolution followed by 2 x 2 max pooling, split into its ops: its full size and the ops'
 * arguments. For reference and backends. */
#ifndef CLADE_OP_CONV_POOL_H
#define CLADE_OP_CONV_POOL_H

#include "op/conv.h"

/* The index where relu drops the gradient; smaller ones are 2 r + s. */
enum { conv_pool_cut = 4 };

/* Outputs of the convolution along an axis; the shape rule ensures at least two. */
static inline int32_t conv_outputs(int32_t size, int64_t pads, int32_t window, int32_t stride,
                                   int32_t dilation)
{
    return (int32_t)((size + pads - (int64_t)dilation * (window - 1) - 1) / stride + 1);
}

/* The convolution's output, [n, oh, ow, k], for x and w. The caller sets its buffer. */
static inline clade_tensor conv_pool_full(const clade_tensor *x, const clade_tensor *w,
                                          const conv_geometry *g)
{
    clade_tensor full = {.dtype = CLADE_F32, .rank = 4};
    full.dim[0] = x->dim[0];
    full.dim[1] = conv_outputs(x->dim[1], (int64_t)g->pad[0] + g->pad[2], w->dim[0], g->stride[0],
                               g->dilation[0]);
    full.dim[2] = conv_outputs(x->dim[2], (int64_t)g->pad[1] + g->pad[3], w->dim[1], g->stride[1],
                               g->dilation[1]);
    full.dim[3] = w->dim[3];
    return full;
}

#define CONV_POOL_GEOMETRY(a)                                                                      \
    .stride = {(a)->stride[0], (a)->stride[1]},                                                    \
    .pad = {(a)->pad[0], (a)->pad[1], (a)->pad[2], (a)->pad[3]},                                   \
    .dilation = {(a)->dilation[0], (a)->dilation[1]}, .groups = (a)->groups,                       \
    .products = (a)->products

static inline clade_conv2d_args conv_pool_conv(const clade_conv2d_maxpool_args *a,
                                               clade_tensor full)
{
    return (clade_conv2d_args){
        .x = a->x, .w = a->w, .b = a->b, .y = full, CONV_POOL_GEOMETRY(a), .act = a->act};
}

static inline clade_conv2d_dx_args conv_pool_conv_dx(const clade_conv2d_maxpool_dx_args *a,
                                                     clade_tensor full)
{
    return (clade_conv2d_dx_args){
        .dy = full, .w = a->w, .dx = a->dx, CONV_POOL_GEOMETRY(a), .accumulate = a->accumulate};
}

static inline clade_conv2d_dw_args conv_pool_conv_dw(const clade_conv2d_maxpool_dw_args *a,
                                                     clade_tensor full)
{
    return (clade_conv2d_dw_args){.x = a->x,
                                  .dy = full,
                                  .dw = a->dw,
                                  .db = a->db,
                                  CONV_POOL_GEOMETRY(a),
                                  .accumulate = a->accumulate};
}

/* Gives the full gradient from the pooled one. */
static inline clade_maxpool2d_dx_args conv_pool_unpool(const clade_tensor *dy,
                                                       const clade_tensor *index, clade_tensor full)
{
    return (clade_maxpool2d_dx_args){.dy = *dy, .index = *index, .dx = full, .window = {2, 2}};
}

#endif
