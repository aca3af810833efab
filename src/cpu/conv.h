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

/* Floats of a thread's copy of what two rows of results that are pooled read. */
static inline size_t conv_pair_floats(const clade_conv2d_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    return conv_copy_floats(a->w.dim, a->x.dim[3], 2, a->y.dim[2], g.stride, g.dilation);
}

/* ---- weight gradients: x and dw, and y of dy, are dimensions ---- */

/* Columns of x, padding included, that a row of dy reads. */
static inline int32_t conv_dw_span(const int32_t w[4], const int32_t y[4], const conv_geometry *g)
{
    return (y[2] - 1) * g->stride[1] + (w[1] - 1) * g->dilation[1] + 1;
}

/* Floats of a thread's copies for `rows` rows of dy, each pixel of which has `filters`. */
static inline size_t conv_dw_floats(const int32_t x[4], const int32_t w[4], const int32_t y[4],
                                    const conv_geometry *g, size_t filters, int32_t rows)
{
    size_t height =
        (size_t)(rows - 1) * (size_t)g->stride[0] + (size_t)(w[0] - 1) * (size_t)g->dilation[0] + 1;
    return (size_t)rows * (size_t)y[2] * filters +
           height * (size_t)conv_dw_span(w, y, g) * (size_t)x[3];
}

/* Rows of dy taken at once. */
static inline int32_t conv_dw_block(const int32_t x[4], const int32_t w[4], const int32_t y[4],
                                    const conv_geometry *g, size_t filters)
{
    int32_t rows = band_most;
    while (rows > 1 && conv_dw_floats(x, w, y, g, filters, rows) > (size_t)band_floats) rows--;
    return rows;
}

#endif
