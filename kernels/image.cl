/* affine_sample: one work-item per pixel of the output y [n, oh, ow, C]. Dimension 0 is the column j,
 * padded to whole work-groups; dimension 1 the row i; dimension 2 the picture, counted from `first`.
 * Built for C channels (-DC=1 … 4). */
#include "opencl.clh"
#include "image.clh"

#ifndef C
#define C 3
#endif

/* Pixel (row, column), each a tap's place or -1 for outside; `picture` is at the wanted channel. */
INLINE float fetch(const global uchar *picture, int row, int column, int w, float value)
{
    if (row < 0 || column < 0) return value;
    return (float)picture[((ulong)row * w + column) * C];
}

/* x is [pictures, h, w, C]. Element k of scale and shift is channel k's. */
kernel void affine_sample(TENSOR(const uchar, x), TENSOR(const int, index),
                          TENSOR(const float, matrix), TENSOR(float, y), ulong first, int pictures,
                          int h, int w, int ow, int nearest, int fill, float value, float4 scale,
                          float4 shift)
{
    const ulong j = get_global_id(0), i = get_global_id(1), p = first + get_global_id(2);
    if (j >= (ulong)ow) return;
    const global float *m = matrix + matrix0 + p * 8;
    const float column = image_coordinate(m[0], m[1], m[2], (float)i, (float)j);
    const float row = image_coordinate(m[3], m[4], m[5], (float)i, (float)j);
    const int taken = index ? clamp(index[index0 + p], 0, pictures - 1) : (int)p;
    const global uchar *picture = x + x0 + (ulong)taken * h * w * C;
    float v[C];
    /* most pictures are only converted: the pixel itself */
    const int copies = m[0] == 1 && m[1] == 0 && m[2] == 0 && m[3] == 0 && m[4] == 1 && m[5] == 0;
    if (copies && i < (ulong)h && j < (ulong)w) {
        for (int k = 0; k < C; k++) v[k] = (float)picture[(i * w + j) * C + k];
    } else if (nearest) {
        const int r = image_tap(image_floor(row + 0.5f), h, fill);
        const int s = image_tap(image_floor(column + 0.5f), w, fill);
        for (int k = 0; k < C; k++) v[k] = fetch(picture + k, r, s, w, value);
    } else {
        const int r = image_floor(row), s = image_floor(column);
        const int top = image_tap(r, h, fill), bottom = image_tap(r + 1, h, fill);
        const int left = image_tap(s, w, fill), right = image_tap(s + 1, w, fill);
        const float fx = column - (float)s, fy = row - (float)r;
        for (int k = 0; k < C; k++)
            v[k] = image_blend(fetch(picture + k, top, left, w, value),
                               fetch(picture + k, top, right, w, value),
                               fetch(picture + k, bottom, left, w, value),
                               fetch(picture + k, bottom, right, w, value), fx, fy);
    }
    const float a[4] = {scale.x, scale.y, scale.z, scale.w};
    const float b[4] = {shift.x, shift.y, shift.z, shift.w};
    global float *out = y + y0 + ((p * get_global_size(1) + i) * ow + j) * C;
    for (int k = 0; k < C; k++) out[k] = FMA(a[k], image_bright(v[k], m[6], m[7]), b[k]);
}
