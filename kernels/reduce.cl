/* Sums over stretched dimensions, and their gradient. */
#include "opencl.clh"
#include "lanes.clh"
#include "broadcast.clh"
#include "tree.clh"

/* The blocks of trees (clade/ops.h) over terms that lie apart, in two dimensions, `inner` the size
 * of the second, for kernels/tree.cl to go on with: part[matrix, block, lane, column] is the sum of
 * terms block 64 lanes + lane, that + lanes, …; their steps of x and b follow `inner`. Of each row
 * of outputs, `columns` of which are a matrix, blocks and lanes are rows of work-items (dimension
 * 1), vectors of VW outputs the other dimension. Reads 4 bytes of each term, with has_b 8. */
kernel void sum_apart(TENSOR(stored, x), TENSOR(stored, b), TENSOR(float, part), int has_b,
                      int below, ulong terms, ulong inner, ulong x_outer, ulong x_inner,
                      ulong b_outer, ulong b_inner, ulong columns, ulong lanes, ulong blocks,
                      BROADCAST_ARGUMENTS)
{
    row_walk w = BROADCAST_WALK;
    ulong unit = get_global_id(1) * row_block, unit_end = min(unit + row_block, rows);
    const ulong first = get_global_id(0) * vector_block, end = min(first + vector_block, vectors);
    const ulong of_row = blocks * lanes;
    ulong row = unit / of_row;
    if (unit < unit_end) walk_to(&w, row);
    for (; unit < unit_end; unit++) {
        if (unit / of_row != row) row++, walk_next(&w);
        const ulong lane = unit % lanes, block = unit / lanes % blocks;
        for (ulong v = first; v < end; v++) {
            V sum = V_SPLAT(0.0f);
            ulong i = block * TREE_ROWS * lanes + lane;
            const ulong stop = min(i + TREE_ROWS * lanes, terms);
            const global stored *p = x + x0 + w.a + v * VW, *q = b + b0 + w.b;
            IN_ORDER for (; i < stop; i += lanes)
            {
                const ulong outer = i / inner, k = i % inner;
                const V value = SV_LOAD(p + outer * x_outer + k * x_inner);
                if (!has_b) {
                    sum = sum + value;
                    continue;
                }
                const V factor = S_ALONG(B_ALONG, q + outer * b_outer + k * b_inner, v);
                const V more = V_FMA(value, factor, sum);
                sum = below ? V_SELECT(factor > V_SPLAT(0.0f), sum, more) : more;
            }
            const ulong output = (row * vectors + v) * VW, matrix = output / columns;
            V_STORE(part + part0 + ((matrix * blocks + block) * lanes + lane) * columns +
                        output % columns,
                    sum);
        }
    }
}

/* y = factor a, a stretched. Work-items (vectors of a row, rows). */
kernel void broadcast_rows(TENSOR(stored, a), TENSOR(stored, y), float factor, int accumulate,
                           BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR
    {
        global stored *to = y + y0 + (row * vectors + v) * VW;
        V value = S_ALONG(A_ALONG, a + a0 + w.a, v) * V_SPLAT(factor);
        SV_STORE(to, accumulate ? SV_LOAD(to) + value : value);
    }
}
