/* Pooling. Work-items stride over a plane: along dimension 1 over rows of all images, along
 * dimension 0 over the VW-wide vectors of a row, channels fastest. So one work-item may do a whole
 * row (few wide cores) or one vector (many lanes). VW divides c. With -DPOOL_TWO the window is 2 x
 * 2, its stride 2, and there is no padding. */
#include "opencl.clh"
#include "pool.clh"

/* A pool_shape as arguments. */
#define POOL_ARGUMENTS                                                                             \
    int n, int h, int w, int c, int oh, int ow, int rows, int columns, int down, int across,       \
        int top, int left, float reciprocal

#ifdef POOL_TWO
#define POOL_SHAPE                                                                                 \
    {                                                                                              \
        h, w, c, oh, ow, 2, 2, 2, 2, 0, 0, 0.25f                                                   \
    }
#define POOL_INSIDE 1
#else
#define POOL_SHAPE                                                                                 \
    {                                                                                              \
        h, w, c, oh, ow, rows, columns, down, across, top, left, reciprocal                        \
    }
#define POOL_INSIDE 0
#endif

/* Runs a body for each vector of a plane of n images, `height` rows and `width` columns: b, i, j
 * is image, row, column; k the first channel. */
#define FOR_PLANE(height, width)                                                                   \
    const pool_shape p = POOL_SHAPE;                                                               \
    const uint vectors = (uint)(c / VW), items = (uint)(width)*vectors;                            \
    for (uint row = get_global_id(1); row < (uint)n * (uint)(height); row += get_global_size(1))   \
        for (uint item = get_global_id(0), b = row / (uint)(height), i = row % (uint)(height);     \
             item < items; item += get_global_size(0))                                             \
            for (uint j = item / vectors, k = item % vectors * VW, once = 1; once; once = 0)

kernel void maxpool2d(TENSOR(stored, x), TENSOR(stored, y), TENSOR(uchar, index), int has_index,
                      POOL_ARGUMENTS)
{
    FOR_PLANE(oh, ow)
    {
        V_mask at;
        V best = pool_max(x + x0 + pool_at(b * h, 0, w, c) + k, p, i, j, POOL_INSIDE, VW, &at);
        size_t to = pool_at(b * oh + i, j, ow, c) + k;
        SV_STORE(y + y0 + to, best);
        if (has_index) LANES_STORE_U8(index + index0 + to, at, VW);
    }
}

/* The windows tile dx: one vector is a whole window, of (h + top) / rows by (w + left) / columns,
 * both rounded up. */
kernel void maxpool2d_unpool(TENSOR(stored, dy), TENSOR(uchar, index), TENSOR(stored, dx),
                             POOL_ARGUMENTS, int accumulate)
{
    const int tiles_down = (h + top + rows - 1) / rows,
              tiles_across = (w + left + columns - 1) / columns;
    FOR_PLANE(tiles_down, tiles_across)
    {
        size_t from = pool_at(b * oh, 0, ow, c) + k, to = pool_at(b * h, 0, w, c) + k;
        int inside = POOL_INSIDE && i < (uint)oh && j < (uint)ow;
        pool_max_unpool(dy + dy0 + from, index + index0 + from, dx + dx0 + to, p, i, j, inside,
                        accumulate, VW);
    }
}

kernel void maxpool2d_gather(TENSOR(stored, dy), TENSOR(uchar, index), TENSOR(stored, dx),
                             POOL_ARGUMENTS, int accumulate)
{
    FOR_PLANE(h, w)
    {
        size_t from = pool_at(b * oh, 0, ow, c) + k;
        V sum = pool_max_gather(dy + dy0 + from, index + index0 + from, p, i, j, VW);
        lanes_put(dx + dx0 + pool_at(b * h + i, j, w, c) + k, sum, accumulate, VW);
    }
}

kernel void avgpool2d(TENSOR(stored, x), TENSOR(stored, y), POOL_ARGUMENTS, int count_pad)
{
    FOR_PLANE(oh, ow)
    {
        V mean = pool_mean(x + x0 + pool_at(b * h, 0, w, c) + k, p, i, j, count_pad, VW);
        SV_STORE(y + y0 + pool_at(b * oh + i, j, ow, c) + k, mean);
    }
}

kernel void avgpool2d_dx(TENSOR(stored, dy), TENSOR(stored, dx), POOL_ARGUMENTS, int count_pad,
                         int accumulate)
{
    FOR_PLANE(h, w)
    {
        V sum = pool_mean_gather(dy + dy0 + pool_at(b * oh, 0, ow, c) + k, p, i, j, count_pad, VW);
        lanes_put(dx + dx0 + pool_at(b * h + i, j, w, c) + k, sum, accumulate, VW);
    }
}

/* Rows are those of all images, of w columns. */
kernel void global_avgpool_dx(TENSOR(stored, dy), TENSOR(stored, dx), int n, int h, int w, int c,
                              int accumulate)
{
    const uint vectors = (uint)(c / VW), items = (uint)w * vectors;
    const V weight = V_SPLAT(math_rcp((float)((ulong)h * (ulong)w)));
    for (size_t row = get_global_id(1); row < (size_t)n * h; row += get_global_size(1))
        for (uint item = get_global_id(0); item < items; item += get_global_size(0)) {
            uint k = item % vectors * VW;
            V g = SV_LOAD(dy + dy0 + row / h * c + k) * weight;
            lanes_put(dx + dx0 + row * w * c + (size_t)item * VW, g, accumulate, VW);
        }
}

/* Rows are images, and a vector's item walks over the image's area = h w. x: [n, h, w, c]; y and
 * index: [n, c]. Reads x once and writes y and index: 4 n c (h w + 2) bytes. */
kernel void global_maxpool(TENSOR(stored, x), TENSOR(stored, y), TENSOR(int, index), int has_index,
                           int n, int area, int c)
{
    const int vectors = c / VW;
    for (size_t b = get_global_id(1); b < (size_t)n; b += get_global_size(1))
        for (int v = get_global_id(0); v < vectors; v += get_global_size(0)) {
            V_mask at;
            size_t to = b * c + v * VW;
            V best = pool_global_max(x + x0 + b * area * c + v * VW, area, c, VW, &at);
            SV_STORE(y + y0 + to, best);
            if (has_index) LANES_STORE_I32(index + index0 + to, at, VW);
        }
}

/* Rows are those of all images, of w columns; an item writes one vector of a pixel. dy and index:
 * [n, c], read for each pixel, mostly from a cache; dx: [n, h, w, c], 4 n h w c bytes written. */
kernel void global_maxpool_dx(TENSOR(stored, dy), TENSOR(int, index), TENSOR(stored, dx), int n,
                              int h, int w, int c, int accumulate)
{
    const uint vectors = (uint)(c / VW), items = (uint)w * vectors;
    for (size_t row = get_global_id(1); row < (size_t)n * h; row += get_global_size(1))
        for (uint item = get_global_id(0); item < items; item += get_global_size(0)) {
            size_t from = row / h * c + item % vectors * VW;
            int pixel = (int)(row % h) * w + (int)(item / vectors);
            V g = pool_global_max_dx(dy + dy0 + from, index + index0 + from, pixel, VW);
            lanes_put(dx + dx0 + row * w * c + (size_t)item * VW, g, accumulate, VW);
        }
}
