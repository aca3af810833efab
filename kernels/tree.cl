/* Sums over the rows of matrices [m, c] as trees (clade/ops.h): blocks, levels, totals. */
#include "opencl.clh"
#include "norm_sums.clh"

/* The sum of each block of each column, [matrices, blocks, width], or where there is one block and
 * one lane factor times it. Reads 4 matrices m c bytes; on a narrow core a work-item has 64 of a
 * column's floats, 8 in flight, and its neighbours theirs beside. */
kernel void tree_sums(TENSOR(float, x), TENSOR(float, to), ulong matrices, ulong floats,
                      float factor, int accumulate, ulong rows, int tail, int blocks, int c,
                      int width)
{
    const int whole = blocks == 1 && width == c;
    FOR_SUMS(matrices, blocks, width)
    {
        V sum[NV], product[NV];
        const global float *from = x + x0 + matrix * floats;
        norm_block(sum, product, from, from, 0, block, k, rows, tail, c, width, NORM_PLAIN);
        EACH_VECTOR(v)
        {
            global float *p = to + to0 + of * width + k + v * VW;
            const V value = whole ? V_SPLAT(factor) * (V_SPLAT(0.0f) + sum[v]) : sum[v];
            lanes_put(p, value, whole && accumulate, VW);
        }
    }
}

/* target[matrix, k] = factor times a channel's total, of whose columns `left` rows are left. */
kernel void tree_totals(TENSOR(float, from), TENSOR(float, target), ulong matrices, float factor,
                        int accumulate, int left, int c, int width)
{
    TREE_LOCAL(local_);
    for (ulong of = get_group_id(1); of < matrices; of += get_num_groups(1)) {
        const global float *p = from + from0 + of * left * width;
        const float total = tree_total(p, c, width, left, local_);
        if (TREE_WRITES(c)) PUT(target[target0 + of * c + get_global_id(0)], factor * total);
    }
}

/* [matrices, n, width] to [matrices, segments, width]: each `fold` rows, a power of two of
 * TREE_FOLD at most, are added to one. Groups of columns (dimension 0 of the grid) and segments of
 * matrices (1). Reads 4 matrices n width bytes, 16 rows of a column at a time by each work-item. */
kernel void tree_fold(TENSOR(float, from), TENSOR(float, to), ulong matrices, int n, int width,
                      int fold)
{
    TREE_LOCAL(sums);
    const ulong segments = (n + fold - 1) / fold;
    for (ulong of = get_group_id(1); of < matrices * segments; of += get_num_groups(1)) {
        const int first = (int)(of % segments) * fold;
        const global float *p = from + from0 + (of / segments * n + first) * (size_t)width;
        const float sum = tree_column(p, width, min(n - first, fold), sums);
        if (TREE_WRITES(width)) to[to0 + of * width + get_global_id(0)] = sum;
    }
}
