/* Bytes of less than 5, three in a byte. elements.clh, of m packed bytes; each reads and writes
 * m + n bytes. */
#include "elements.clh"

/* x: [all]; y: [n]. */
kernel void index_pack(TENSOR(uchar, x), TENSOR(uchar, y), ulong all, ELEMENTS)
{
    FOR_EACH(i)
    {
        uint sum = x[x0 + i];
        if (i + n < all) sum += 5 * x[x0 + i + n];
        if (i + 2 * n < all) sum += 25 * x[x0 + i + 2 * n];
        y[y0 + i] = (uchar)sum;
    }
}

/* x: [n]; y: [all]. */
kernel void index_unpack(TENSOR(uchar, x), TENSOR(uchar, y), ulong all, ELEMENTS)
{
    FOR_EACH(i)
    {
        uint packed = x[x0 + i];
        y[y0 + i] = (uchar)(packed % 5);
        if (i + n < all) y[y0 + i + n] = (uchar)(packed / 5 % 5);
        if (i + 2 * n < all) y[y0 + i + 2 * n] = (uchar)(packed / 25 % 5);
    }
}
