/* Filling, copying, joining, splitting and padding. fill, copy: elements.clh. The others:
 * work-items (blocks of the vectors of a row, blocks of rows), VW dividing a row. */
#include "elements.clh"
#include "stored.clh"

kernel void fill(TENSOR(stored, y), float value, ELEMENTS)
{
    FOR_EACH(i) S_STORE(y + y0 + i, value);
}

kernel void copy(TENSOR(stored, x), TENSOR(stored, y), int accumulate, ELEMENTS)
{
    FOR_EACH(i) S_PUT(y + y0 + i, S_LOAD(x + x0 + i));
}

#define BLOCKS ulong rows, ulong row_block, ulong vectors, ulong vector_block
#define FOR_EACH_VECTOR                                                                            \
    ulong row = get_global_id(1) * row_block, row_end = min(row + row_block, rows);                \
    const ulong first = get_global_id(0) * vector_block;                                           \
    const ulong end = min(first + vector_block, vectors);                                          \
    for (; row < row_end; row++)                                                                   \
        for (ulong v = first; v < end; v++)

/* Rows lie `from` and `to` elements apart. */
kernel void copy_rows(TENSOR(stored, x), TENSOR(stored, y), ulong from, ulong to, int accumulate,
                      BLOCKS)
{
    FOR_EACH_VECTOR
    {
        V value = SV_LOAD(x + x0 + row * from + v * VW);
        global stored *at = y + y0 + row * to + v * VW;
        SV_STORE(at, accumulate ? SV_LOAD(at) + value : value);
    }
}

/* Rows of y are x's, `width` elements, from `start` on, and 0 elsewhere; VW divides both, too.
 * Reads x and writes y once. */
kernel void place_rows(TENSOR(stored, x), TENSOR(stored, y), ulong start, ulong width, BLOCKS)
{
    FOR_EACH_VECTOR
    {
        const ulong k = v * VW - start; /* beyond width where it is before the start, too */
        V value = V_SPLAT(0.0f);
        if (k < width) value = SV_LOAD(x + x0 + row * width + k);
        SV_STORE(y + y0 + (row * vectors + v) * VW, value);
    }
}

/* y, [n, h, w, c], from x, [n, x_h, x_w, c], moved by top and left; `value` where x has nothing.
 * Rows are those of all images; VW divides c. */
kernel void move_rows(TENSOR(stored, x), TENSOR(stored, y), int h, int c, int x_h, int x_w,
                      long top, long left, float value, int accumulate, BLOCKS)
{
    const long x_width = (long)x_w * c;
    FOR_EACH_VECTOR
    {
        const long b = (long)(row / (ulong)h), i = (long)(row % (ulong)h) + top;
        const long k = (long)(v * VW) + left * c;
        const int inside = i >= 0 && i < x_h && k >= 0 && k < x_width;
        V moved = V_SPLAT(value);
        if (inside) moved = SV_LOAD(x + x0 + ((b * x_h + i) * x_width + k));
        global stored *at = y + y0 + (row * vectors + v) * VW;
        SV_STORE(at, accumulate ? SV_LOAD(at) + moved : moved);
    }
}
