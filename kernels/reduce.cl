/* Sums over stretched dimensions, and their gradient. */
#include "opencl.clh"
#include "lanes.clh"
#include "broadcast.clh"

#define STRIP 4 /* vectors of outputs that a work-item sums at the same time */

/* Runs what follows for the first `count` of them; see EACH_PIXEL in conv.clh. */
#define EACH_SUM(u, count)                                                                         \
    UNROLL                                                                                         \
    for (int u = 0; u < STRIP; u++)                                                                \
        if (u < (int)(count))

/* sum[u] += the terms at p, or their products with those at q that are not above `most`, for
 * `count` vectors side by side. */
INLINE_FOR void sum_terms(V *sum, const int count, const global float *p, ulong p_step,
                          const global float *q, ulong q_step, int has_b, float most, ulong terms)
{
    for (ulong j = 0; has_b && j < terms; j++, p += p_step, q += q_step) {
        EACH_SUM(u, count)
        {
            V factor = ALONG(B_ALONG, q, (ulong)u);
            sum[u] =
                V_SELECT(factor > V_SPLAT(most), sum[u], V_FMA(V_LOAD(p + u * VW), factor, sum[u]));
        }
    }
    IN_ORDER for (ulong j = 0; !has_b && j < terms; j++, p += p_step)
    {
        EACH_SUM(u, count) sum[u] = sum[u] + V_LOAD(p + u * VW);
    }
}

/* target = factor Σ x, or where has_b factor Σ x b without the terms whose b is above `most`.
 * Work-items (vectors of a row of outputs, rows of each chunk); a row's outputs lie side by side in
 * x. Terms are in two dimensions, `inner` the size of the second; the steps of x and b along them
 * follow. Several chunks go to `part`, [chunks, outputs]. */
kernel void sum_chunks(TENSOR(float, x), TENSOR(float, b), TENSOR(float, target),
                       global float *part, int has_b, float most, float factor, int accumulate,
                       ulong chunks, ulong chunk_terms, ulong terms, ulong inner, ulong x_outer,
                       ulong x_inner, ulong b_outer, ulong b_inner, ulong outputs,
                       BROADCAST_ARGUMENTS)
{
    row_walk w = BROADCAST_WALK;
    ulong unit = get_global_id(1) * row_block, unit_end = min(unit + row_block, rows * chunks);
    const ulong first = get_global_id(0) * vector_block, end = min(first + vector_block, vectors);
    if (unit < unit_end) walk_to(&w, unit % rows);
    for (; unit < unit_end; unit++, walk_next(&w))
        for (ulong v = first, count; v < end; v += count) {
            const ulong chunk = unit / rows, at = (unit % rows * vectors + v) * VW;
            const ulong stop = min((chunk + 1) * chunk_terms, terms);
            V sum[STRIP];
            count = end - v < STRIP ? 1 : STRIP;
            EACH_SUM(u, STRIP) sum[u] = V_SPLAT(0.0f);
            for (ulong i = chunk * chunk_terms; i < stop;) {
                const ulong outer = i / inner, k = i % inner, m = min(inner - k, stop - i);
                const global float *p = x + x0 + w.a + v * VW + outer * x_outer + k * x_inner;
                const global float *q =
                    b + b0 + w.b + (B_ALONG ? v * VW : 0) + outer * b_outer + k * b_inner;
                if (count == STRIP)
                    sum_terms(sum, STRIP, p, x_inner, q, b_inner, has_b, most, m);
                else
                    sum_terms(sum, 1, p, x_inner, q, b_inner, has_b, most, m);
                i += m;
            }
            EACH_SUM(u, count)
            {
                if (chunks > 1) {
                    V_STORE(part + chunk * outputs + at + u * VW, sum[u]);
                } else {
                    V value = V_SPLAT(factor) * sum[u];
                    global float *to = target + target0 + at + u * VW;
                    V_STORE(to, accumulate ? V_LOAD(to) + value : value);
                }
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
    IN_ORDER for (ulong j = 0; j < chunks; j++) sum += part[j * n + i];
    PUT(target[target0 + i], factor * sum);
}

/* y = factor a, a stretched. Work-items (vectors of a row, rows). */
kernel void broadcast_rows(TENSOR(float, a), TENSOR(float, y), float factor, int accumulate,
                           BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR
    {
        global float *to = y + y0 + (row * vectors + v) * VW;
        V value = ALONG(A_ALONG, a + a0 + w.a, v) * V_SPLAT(factor);
        V_STORE(to, accumulate ? V_LOAD(to) + value : value);
    }
}
