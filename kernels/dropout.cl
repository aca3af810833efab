/* Dropout and its gradient. Four elements share one call of Philox; work-items stride over rows of
 * `quads` such fours (dimension 1) and over a row's fours (dimension 0). */
#include "opencl.clh"
#include "dropout.clh"

kernel void dropout(TENSOR(float, x), TENSOR(float, y), ulong n, ulong quads, float rate,
                    float scale, ulong seed, uint stream, uint step, int accumulate)
{
    for (ulong row = get_global_id(1); row * quads * 4 < n; row += get_global_size(1))
        for (ulong item = get_global_id(0); item < quads; item += get_global_size(0)) {
            ulong i = 4 * (row * quads + item);
            if (i >= n) break;
            philox4 words = dropout_words(seed, i / 4, stream, step);
            global const float *from = x + x0 + i;
            global float *to = y + y0 + i;
            uint left = (uint)min(n - i, (ulong)4);
            PUT(to[0], dropout_value(from[0], words.v[0], rate, scale));
            if (left > 1) PUT(to[1], dropout_value(from[1], words.v[1], rate, scale));
            if (left > 2) PUT(to[2], dropout_value(from[2], words.v[2], rate, scale));
            if (left > 3) PUT(to[3], dropout_value(from[3], words.v[3], rate, scale));
        }
}
