/* Dropout and its gradient, of elements or of whole rows. */
#include "elements.clh"
#include "dropout.clh"
#include "stored.clh"

/* elements.clh, an element being four neighbours in x and y, of `count`, which share one call of
 * Philox, or two where the `first` rows of `row` elements before them do not end with a call. */
kernel void dropout(TENSOR(stored, x), TENSOR(stored, y), ulong count, float rate, float scale,
                    ulong seed, uint stream, uint step, uint first, ulong row, int accumulate,
                    ELEMENTS)
{
    const ulong start = first * row;
    philox4 words;
    x += x0;
    y += y0;
    if (start % 4 == 0) {
        FOR_EACH_BELOW(quad, count / 4)
        {
            philox4 own;
            dropout_words(&own, seed, (uint)(start / 4) + (uint)quad, stream, step);
            UNROLL for (int j = 0; j < 4; j++) S_PUT(
                y + 4 * quad + j, dropout_value(S_LOAD(x + 4 * quad + j), own.v[j], rate, scale));
        }
    } else {
        FOR_EACH_OWN(quad, count / 4)
        {
            dropout_words_at(&words, seed, start + 4 * quad, stream, step);
            UNROLL for (int j = 0; j < 4; j++) S_PUT(
                y + 4 * quad + j, dropout_value(S_LOAD(x + 4 * quad + j), words.v[j], rate, scale));
        }
    }
    if ((n - 1) / block != get_global_id(0)) return;
    dropout_words_at(&words, seed, start + 4 * (n - 1), stream, step);
    for (ulong i = count / 4 * 4; i < count; i++)
        S_PUT(y + i, dropout_value(S_LOAD(x + i), dropout_word(&words, i % 4), rate, scale));
}

/* elements.clh: each element makes its row's word itself. `count` is n. */
kernel void dropout_rows(TENSOR(stored, x), TENSOR(stored, y), ulong count, float rate, float scale,
                         ulong seed, uint stream, uint step, uint first, ulong row, int accumulate,
                         ELEMENTS)
{
    x += x0;
    y += y0;
    FOR_EACH_OWN(i, n)
    {
        philox4 words;
        const ulong number = first + i / row;
        dropout_words(&words, seed, number / 4, stream, step);
        S_PUT(y + i, dropout_value(S_LOAD(x + i), dropout_word(&words, number & 3), rate, scale));
    }
}
