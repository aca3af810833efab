/* affine_sample: a work-item computes `columns` pixels of a row of the output y [n, oh, ow, C]: one
 * on a GPU, so that neighbours' reads and writes are joined, the whole row on a CPU. Away from the
 * image's edge the channels are lanes of one vector. Dimension 0 is the group of columns, padded
 * to whole work-groups; dimension 1 the row i; dimension 2 the image, counted from `first`. Built
 * for C channels
 * (-DC=1 … 4). */
#include "opencl.clh"
#include "image.clh"

#ifndef C
#define C 3
#endif

/* Pixel (row, column), each a tap's place or -1 for outside; `image` is at the wanted channel. */
INLINE float fetch(const global uchar *image, int row, int column, int w, float value)
{
    if (row < 0 || column < 0) return value;
    return (float)image[((ulong)row * w + column) * C];
}

INLINE void sample_nearest(const global uchar *image, float row, float column, int h, int w,
                           int fill, float value, float v[C])
{
    const int r = image_tap(image_floor(row + 0.5f), h, fill);
    const int s = image_tap(image_floor(column + 0.5f), w, fill);
    for (int k = 0; k < C; k++) v[k] = fetch(image + k, r, s, w, value);
}

INLINE void sample_edge(const global uchar *image, int r, int s, float fy, float fx, int h, int w,
                        int fill, float value, float v[C])
{
    const int top = image_tap(r, h, fill), bottom = image_tap(r + 1, h, fill);
    const int left = image_tap(s, w, fill), right = image_tap(s + 1, w, fill);
    for (int k = 0; k < C; k++)
        v[k] = image_blend(fetch(image + k, top, left, w, value),
                           fetch(image + k, top, right, w, value),
                           fetch(image + k, bottom, left, w, value),
                           fetch(image + k, bottom, right, w, value), fx, fy);
}

/* The first C of v. */
INLINE void store(global float *y, float4 v)
{
#if C == 1
    *y = v.x;
#elif C == 2
    vstore2(v.xy, 0, y);
#elif C == 3
    vstore3(v.xyz, 0, y);
#else
    vstore4(v, 0, y);
#endif
}

/* x is [images, h, w, C]. Element k of scale and shift is channel k's. */
kernel void affine_sample(TENSOR(const uchar, x), TENSOR(const int, index),
                          TENSOR(const float, matrix), TENSOR(float, y), ulong first, int images,
                          int h, int w, int ow, ulong columns, int nearest, int fill, float value,
                          float4 scale, float4 shift)
{
    const ulong i = get_global_id(1), p = first + get_global_id(2);
    const ulong j0 = get_global_id(0) * columns, end = min(j0 + columns, (ulong)ow);
    const global float *m = matrix + matrix0 + p * 8;
    const int taken = index ? clamp(index[index0 + p], 0, images - 1) : (int)p;
    const global uchar *image = x + x0 + (ulong)taken * h * w * C;
    global float *out = y + y0 + (p * get_global_size(1) + i) * ow * C;
    const float a[4] = {scale.x, scale.y, scale.z, scale.w};
    const float b[4] = {shift.x, shift.y, shift.z, shift.w};
    /* most images are only converted */
    const int copies = m[0] == 1 && m[1] == 0 && m[2] == 0 && m[3] == 0 && m[4] == 1 && m[5] == 0 &&
                       m[6] == 1 && m[7] == 0;
    if (copies && i < (ulong)h && ow <= w) {
        for (ulong j = j0; j < end; j++)
            for (int k = 0; k < C; k++)
                out[j * C + k] = FMA(a[k], (float)image[(i * w + j) * C + k], b[k]);
        return;
    }
    for (ulong j = j0; j < end; j++) {
        const float column = image_coordinate(m[0], m[1], m[2], (float)i, (float)j);
        const float row = image_coordinate(m[3], m[4], m[5], (float)i, (float)j);
        const int r = image_floor(row), s = image_floor(column);
        const float fy = row - (float)r, fx = column - (float)s;
        if (!nearest && image_is_inside(r, s, h, w)) {
            const global uchar *top = image + ((ulong)r * w + s) * C;
            const float4 v = image_blend_inside(top, top + (ulong)w * C, C, fx, fy);
            store(out + j * C, FMA(scale, image_bright_all(v, m[6], m[7]), shift));
            continue;
        }
        float v[C];
        if (nearest)
            sample_nearest(image, row, column, h, w, fill, value, v);
        else
            sample_edge(image, r, s, fy, fx, h, w, fill, value, v);
        for (int k = 0; k < C; k++)
            out[j * C + k] = FMA(a[k], image_bright(v[k], m[6], m[7]), b[k]);
    }
}
