/* Upsampling. Work-items stride over a plane: along dimension 1 over rows of all images, along
 * dimension 0 over the VW-wide vectors of a row, channels fastest. So one work-item may do a whole
 * row (few wide cores) or one vector (many lanes). VW divides c. x and dx: [n, h, w, c]; y and dy:
 * [n, rows h, columns w, c]. With -DBILINEAR=1 bilinear, else nearest. */
#include "opencl.clh"
#include "upsample.clh"

#ifndef BILINEAR
#define BILINEAR 0
#endif
#ifndef NV
#define NV 1
#endif

#define UPSAMPLE_ARGUMENTS int n, int h, int w, int c, int rows, int columns, int align_corners

/* Reads x, each pixel for several outputs and mostly from a cache, and writes y:
 * 4 n h w c (1 + rows columns) bytes. */
kernel void upsample2d(TENSOR(stored, x), TENSOR(stored, y), UPSAMPLE_ARGUMENTS)
{
#if BILINEAR
    const upsample_shape p = upsample_shape_of(h, w, c, rows, columns, align_corners);
#endif
    const uint oh = (uint)(h * rows), ow = (uint)(w * columns);
    const uint vectors = (uint)(c / VW), items = ow * vectors;
    for (uint row = get_global_id(1); row < (uint)n * oh; row += get_global_size(1)) {
        global const stored *image = x + x0 + upsample_at((int)(row / oh) * h, 0, w, c);
        const int i = (int)(row % oh);
#if BILINEAR
        const upsample_taps taps = upsample_taps_of(p.row, i);
#endif
        for (uint item = get_global_id(0); item < items; item += get_global_size(0)) {
            const int j = (int)(item / vectors), k = (int)(item % vectors) * VW;
#if BILINEAR
            V v = upsample_bilinear(image + k, p, taps, upsample_taps_of(p.column, j), VW);
#else
            V v = SV_LOAD(image + upsample_at(i / rows, j / columns, w, c) + k);
#endif
            SV_STORE(y + y0 + ((size_t)row * items + item) * VW, v);
        }
    }
}

/* An item gathers NV vectors of a pixel from rows x columns of dy, or bilinear from up to four
 * times as many, mostly from a cache: 4 n h w c (1 + rows columns) bytes. NV VW divides c. */
kernel void upsample2d_dx(TENSOR(stored, dy), TENSOR(stored, dx), UPSAMPLE_ARGUMENTS,
                          int accumulate)
{
    const upsample_shape p = upsample_shape_of(h, w, c, rows, columns, align_corners);
    const uint blocks = (uint)(c / (NV * VW)), items = (uint)w * blocks;
    for (uint row = get_global_id(1); row < (uint)n * (uint)h; row += get_global_size(1)) {
        const int b = (int)(row / (uint)h), i = (int)(row % (uint)h);
        global const stored *image = dy + dy0 + upsample_at(b * h * rows, 0, w * columns, c);
        for (uint item = get_global_id(0); item < items; item += get_global_size(0)) {
            const int j = (int)(item / blocks), k = (int)(item % blocks) * (NV * VW);
            upsample_gather(image + k, dx + dx0 + ((size_t)row * items + item) * (NV * VW), p, i, j,
                            BILINEAR, accumulate, NV, VW);
        }
    }
}
