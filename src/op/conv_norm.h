/* A convolution followed by batch normalisation, split into its ops. For reference and backends. */
#ifndef CLADE_OP_CONV_NORM_H
#define CLADE_OP_CONV_NORM_H

#include "op/conv.h"

/* The convolution alone, without activation. */
static inline clade_conv2d_args conv_norm_conv(const clade_conv2d_norm_args *a)
{
    return (clade_conv2d_args){
        .x = a->x,
        .w = a->w,
        .b = a->b,
        .y = a->y,
        .stride = {a->stride[0], a->stride[1]},
        .pad = {a->pad[0], a->pad[1], a->pad[2], a->pad[3]},
        .dilation = {a->dilation[0], a->dilation[1]},
        .groups = a->groups,
        .products = a->products,
    };
}

#endif
