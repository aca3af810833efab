/* affine_sample: one work-item per element of the output. Dimension 0 is the position in a row, j c +
 * channel, padded to whole work-groups; dimension 1 the row i; dimension 2 the picture p, counted from
 * `first`, of y [n, oh, ow, c]. */
#include "opencl.clh"
#include "image.clh"

/* Pixel (row, column), each a tap's place or -1 for outside; `picture` is at the wanted channel. */
INLINE float fetch(const global uchar *picture, int row, int column, int w, int c, float value)
{
    if (row < 0 || column < 0) return value;
    return (float)picture[((ulong)row * w + column) * c];
}

kernel void affine_sample(TENSOR(const uchar, x), TENSOR(const int, index),
                          TENSOR(const float, matrix), TENSOR(float, y), ulong first, int pictures,
                          int h, int w, int c, int ow, int nearest, int fill, float value, float4 scale,
                          float4 shift)
{
    const ulong place = get_global_id(0), i = get_global_id(1), p = first + get_global_id(2);
    if (place >= (ulong)ow * c) return;
    const int j = (int)place / c, channel = (int)place % c;
    const global float *m = matrix + matrix0 + p * 8;
    const float column = image_coordinate(m[0], m[1], m[2], (float)i, (float)j);
    const float row = image_coordinate(m[3], m[4], m[5], (float)i, (float)j);
    const int taken = index ? clamp(index[index0 + p], 0, pictures - 1) : (int)p;
    const global uchar *picture = x + x0 + (ulong)taken * h * w * c + channel;
    float v;
    if (nearest) {
        v = fetch(picture, image_tap(image_floor(row + 0.5f), h, fill),
                  image_tap(image_floor(column + 0.5f), w, fill), w, c, value);
    } else {
        const int r = image_floor(row), s = image_floor(column);
        const int top = image_tap(r, h, fill), bottom = image_tap(r + 1, h, fill);
        const int left = image_tap(s, w, fill), right = image_tap(s + 1, w, fill);
        v = image_blend(fetch(picture, top, left, w, c, value),
                        fetch(picture, top, right, w, c, value),
                        fetch(picture, bottom, left, w, c, value),
                        fetch(picture, bottom, right, w, c, value), column - (float)s,
                        row - (float)r);
    }
    v = image_bright(v, m[6], m[7]);
    const float a = channel == 0 ? scale.x : channel == 1 ? scale.y : channel == 2 ? scale.z : scale.w;
    const float b = channel == 0 ? shift.x : channel == 1 ? shift.y : channel == 2 ? shift.z : shift.w;
    y[y0 + ((p * get_global_size(1) + i) * ow) * c + place] = FMA(a, v, b);
}
