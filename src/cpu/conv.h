/* How a convolution on the CPU is cut up; independent of the instruction set. */
#ifndef CLADE_CPU_CONV_H
#define CLADE_CPU_CONV_H

#include "op/conv.h"

enum { most_lanes = 32 }; /* filters in one block of packed weights, for the widest vectors */

/* Floats of one thread's copy of the source rows that `count` results read, `stride` apart. */
static inline size_t conv_row_floats(int32_t kh, int32_t kw, int32_t channels, int32_t dilation,
                                     int32_t count, int32_t stride)
{
    size_t span = (size_t)(count - 1) * (size_t)stride + (size_t)(kw - 1) * (size_t)dilation + 1;
    return (size_t)kh * span * (size_t)channels;
}

#endif
