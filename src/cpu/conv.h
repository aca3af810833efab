/* How a convolution on the CPU is cut up; independent of the instruction set. */
#ifndef CLADE_CPU_CONV_H
#define CLADE_CPU_CONV_H

#include "op/conv.h"

enum { most_lanes = 32 }; /* filters in one block of packed weights, for the widest vectors */

enum { band_most = 8, band_floats = 1 << 16 }; /* rows of results; 256 KiB of copies */

/* Floats of a thread's copy of the source rows that `rows` rows of `count` results read through
 * weights w, `stride` apart. */
static inline size_t conv_copy_floats(const int32_t w[4], int32_t channels, int32_t rows,
                                      int32_t count, const int32_t stride[2],
                                      const int32_t dilation[2])
{
    size_t height =
        (size_t)(rows - 1) * (size_t)stride[0] + (size_t)(w[0] - 1) * (size_t)dilation[0];
    size_t width =
        (size_t)(count - 1) * (size_t)stride[1] + (size_t)(w[1] - 1) * (size_t)dilation[1];
    return (height + 1) * (width + 1) * (size_t)channels;
}

/* Rows of results that share copied source rows. */
static inline int32_t conv_band_rows(const int32_t w[4], int32_t channels, int32_t count,
                                     const int32_t stride[2], const int32_t dilation[2])
{
    int32_t rows = band_most;
    while (rows > 1 &&
           conv_copy_floats(w, channels, rows, count, stride, dilation) > (size_t)band_floats)
        rows--;
    return rows;
}

static inline size_t conv_band_floats(const int32_t w[4], int32_t channels, int32_t count,
                                      const int32_t stride[2], const int32_t dilation[2])
{
    int32_t rows = conv_band_rows(w, channels, count, stride, dilation);
    return conv_copy_floats(w, channels, rows, count, stride, dilation);
}

#endif
