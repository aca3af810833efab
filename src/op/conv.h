/* A convolution's geometry with its defaults filled in; for reference and backends. */
#ifndef CLADE_OP_CONV_H
#define CLADE_OP_CONV_H

#include <clade/ops.h>

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

#endif
