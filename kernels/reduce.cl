/* Sums over stretched dimensions, and their gradient. */
#include "opencl.clh"
#include "vector.clh"
#include "broadcast.clh"

/* target = factor Σ x, or factor Σ x b where has_b. Work-items (vectors of a row of outputs, rows
 * of each chunk); a row's outputs lie side by side in x. Terms are in two dimensions, `inner` the
 * size of the second; the steps of x and b along them follow. Several chunks go to `part`, [chunks,
 * outputs]. */
kernel void sum_chunks(TENSOR(float, x), TENSOR(float, b), TENSOR(float, target),
                       global float *part, int has_b, float factor, int accumulate, ulong chunks,
                       ulong chunk_terms, ulong terms, ulong inner, ulong x_outer, ulong x_inner,
                       ulong b_outer, ulong b_inner, ulong outputs, BROADCAST_ARGUMENTS)
{
    row_walk w = BROADCAST_WALK;
    ulong unit = get_global_id(1) * row_block, unit_end = min(unit + row_block, rows * chunks);
    const ulong first = get_global_id(0) * vector_block, end = min(first + vector_block, vectors);
    if (unit < unit_end) walk_to(&w, unit % rows);
    for (; unit < unit_end; unit++, walk_next(&w))
        for (ulong v = first; v < end; v++) {
            const ulong chunk = unit / rows, at = (unit % rows * vectors + v) * VW;
            ulong i = chunk * chunk_terms, stop = min(i + chunk_terms, terms);
            ulong outer = i / inner, k = i % inner;
            V sum = V_SPLAT(0.0f);
            for (; i < stop; outer++, k = 0) {
                const ulong m = min(inner - k, stop - i);
                global const float *p = x + x0 + w.a + v * VW + outer * x_outer + k * x_inner;
                if (has_b) {
                    global const float *q = b + b0 + w.b + outer * b_outer + k * b_inner;
                    for (ulong j = 0; j < m; j++, p += x_inner, q += b_inner)
                        sum = V_FMA(V_LOAD(p), ALONG(q, v, b_step3), sum);
                } else {
                    for (ulong j = 0; j < m; j++, p += x_inner) sum = sum + V_LOAD(p);
                }
                i += m;
            }
            if (chunks > 1) {
                V_STORE(part + chunk * outputs + at, sum);
            } else {
                V value = V_SPLAT(factor) * sum;
                global float *to = target + target0 + at;
                V_STORE(to, accumulate ? V_LOAD(to) + value : value);
            }
        }
}

/* One work-item per output. */
kernel void sum_add_chunks(global const float *part, TENSOR(float, target), ulong n, ulong chunks,
                           float factor, int accumulate)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    float sum = 0.0f;
    for (ulong j = 0; j < chunks; j++) sum += part[j * n + i];
    PUT(target[target0 + i], factor * sum);
}

/* y = factor a, a stretched. Work-items (vectors of a row, rows). */
kernel void spread_rows(TENSOR(float, a), TENSOR(float, y), float factor, int accumulate,
                        BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR
    {
        global float *to = y + y0 + (row * vectors + v) * VW;
        V value = ALONG(a + a0 + w.a, v, a_step3) * V_SPLAT(factor);
        V_STORE(to, accumulate ? V_LOAD(to) + value : value);
    }
}
