/* Filling, copying, joining and padding: one work-item per element that is written. */
#include "opencl.clh"

kernel void fill(TENSOR(float, y), ulong n, float value)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    y[y0 + i] = value;
}

kernel void copy(TENSOR(float, x), TENSOR(float, y), ulong n, int accumulate)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    PUT(y[y0 + i], x[x0 + i]);
}

/* Rows of `width` elements, `from` and `to` elements from one to the next: along dimension 0 elements
 * of a row, along 1 rows, which work-items stride over. */
kernel void copy_rows(TENSOR(float, x), TENSOR(float, y), ulong rows, ulong width, ulong from,
                      ulong to, int accumulate)
{
    size_t k = get_global_id(0);
    if (k >= width) return;
    for (ulong row = get_global_id(1); row < rows; row += get_global_size(1))
        PUT(y[y0 + row * to + k], x[x0 + row * from + k]);
}

/* y, [n, h, w, c], from x, [n, x_h, x_w, c], moved by top and left; `value` where x has nothing. Along
 * dimension 0 elements of a row, along 1 rows of all pictures, which work-items stride over. */
kernel void move_rows(TENSOR(float, x), TENSOR(float, y), ulong rows, int h, int w, int c, int x_h,
                      int x_w, long top, long left, float value, int accumulate)
{
    const ulong k = get_global_id(0), width = (ulong)w * (ulong)c;
    if (k >= width) return;
    const long from = (long)k + left * c, x_width = (long)x_w * c;
    const int in_row = from >= 0 && from < x_width;
    for (ulong row = get_global_id(1); row < rows; row += get_global_size(1)) {
        const long b = (long)(row / (ulong)h), i = (long)(row % (ulong)h) + top;
        const int inside = in_row && i >= 0 && i < x_h;
        PUT(y[y0 + row * width + k], inside ? x[x0 + (b * x_h + i) * x_width + from] : value);
    }
}
