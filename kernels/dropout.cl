/* Dropout and its gradient: elements.clh, an element being four neighbours in x and y, of `count`,
 * which share one call of Philox. */
#include "elements.clh"
#include "dropout.clh"

kernel void dropout(TENSOR(float, x), TENSOR(float, y), ulong count, float rate, float scale,
                    ulong seed, uint stream, uint step, int accumulate, ELEMENTS)
{
    x += x0;
    y += y0;
    FOR_EACH_BELOW(quad, count / 4)
    {
        philox4 words;
        dropout_words(&words, seed, quad, stream, step);
        UNROLL for (int j = 0; j < 4; j++)
            PUT(y[4 * quad + j], dropout_value(x[4 * quad + j], words.v[j], rate, scale));
    }
    if ((n - 1) / block != get_global_id(0)) return;
    philox4 words;
    dropout_words(&words, seed, n - 1, stream, step);
    for (ulong i = count / 4 * 4; i < count; i++)
        PUT(y[i], dropout_value(x[i], words.v[i % 4], rate, scale));
}
