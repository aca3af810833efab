/* Dropout and its gradient: one work-item for each four elements, which share one call of Philox. */
#include "opencl.clh"
#include "dropout.clh"

kernel void dropout(TENSOR(float, x), TENSOR(float, y), ulong n, float rate, float scale, ulong seed,
                    uint stream, uint step, int accumulate)
{
    size_t quad = get_global_id(0);
    if (4 * quad >= n) return;
    philox4 words = dropout_words(seed, quad, stream, step);
    for (int j = 0; j < 4; j++) {
        size_t i = 4 * quad + j;
        if (i < n) PUT(y[y0 + i], dropout_value(x[x0 + i], words.v[j], rate, scale));
    }
}
