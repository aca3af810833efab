/* Sums over the rows of matrices [m, c] as trees (clade/ops.h): blocks, levels, totals. */
#include "opencl.clh"
#include "norm_sums.clh"

/* Element `at` of a target, which is of the programs' 16 bits where `narrow`, else float32. */
#define TARGET_PUT(target, at, value)                                                              \
    do {                                                                                           \
        if (narrow)                                                                                \
            S_PUT((global stored *)(target) + (at), value);                                        \
        else                                                                                       \
            PUT(((global float *)(target))[at], value);                                            \
    } while (0)

/* What is summed: x, or with has_b x b, with `below` of b that are not above 0. */
INLINE_FOR void sum_block(V *sum, const global stored *x, const global stored *b, int has_b,
                          int below, size_t block, size_t k, ulong rows, int tail, ulong c,
                          ulong width)
{
    V product[NV];
    if (!has_b)
        norm_block(sum, product, x, x, 0, block, k, rows, tail, c, width, NORM_PLAIN);
    else if (below)
        norm_block(sum, product, x, b, 0, block, k, rows, tail, c, width, NORM_PRODUCTS_BELOW);
    else
        norm_block(sum, product, x, b, 0, block, k, rows, tail, c, width, NORM_PRODUCTS);
}

/* The sum of each block of each column, [matrices, blocks, width], or where there is one block and
 * one lane factor times it. Reads 4 matrices m c bytes, with b twice as many; on a narrow core a
 * work-item has 64 of a column's floats, 8 or 16 in flight, and its neighbours theirs beside. */
kernel void tree_sums(TENSOR(stored, x), TENSOR(stored, b), TENSOR(void, to), int narrow, int has_b,
                      int below, ulong matrices, ulong floats, float factor, int accumulate,
                      ulong rows, int tail, int blocks, ulong c, ulong width)
{
    const int whole = blocks == 1 && width == c;
    FOR_SUMS(matrices, blocks, width)
    {
        V sum[NV];
        sum_block(sum, x + x0 + matrix * floats, b + b0 + matrix * floats, has_b, below, block, k,
                  rows, tail, c, width);
        EACH_VECTOR(v)
        {
            const size_t at = to0 + of * width + k + v * VW;
            const V value = whole ? V_SPLAT(factor) * (V_SPLAT(0.0f) + sum[v]) : sum[v];
            global float *p = (global float *)to + at;
            if (narrow)
                lanes_put((global stored *)to + at, value, accumulate, VW);
            else
                V_STORE(p, whole && accumulate ? V_LOAD(p) + value : value);
        }
    }
}

/* Matrices of one block and several lanes, at most 4096 floats, in one launch: target[matrix, k] =
 * factor times the sum. A group has TREE_TEAMS matrices at a time, a work-item a column, so that
 * neighbours read what lies together; without groups a work-item has a matrix. Reads as much as
 * tree_sums. */
kernel void tree_small(TENSOR(stored, x), TENSOR(stored, b), TENSOR(void, target), int narrow,
                       int has_b, int below, ulong matrices, ulong floats, float factor,
                       int accumulate, ulong rows, int tail, int c, int width)
{
#if TREE_TEAMS
    local float sums[TREE_TEAMS * TREE_COLUMNS];
    const int k = get_local_id(0), team = get_local_id(1);
    local float *own = sums + team * TREE_COLUMNS + k;
    for (ulong base = get_group_id(1) * TREE_TEAMS; base < matrices;
         base += get_num_groups(1) * TREE_TEAMS) {
        const ulong matrix = base + team, first = matrix * floats;
        V sum[1] = {0.0f};
        if (matrix < matrices && k < width)
            sum_block(sum, x + x0 + first, b + b0 + first, has_b, below, 0, k, rows, tail, c,
                      width);
        *own = sum[0];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int half_ = width / 2; half_ >= c; half_ /= 2) {
            if (k < half_) *own += own[half_];
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (matrix < matrices && k < c)
            TARGET_PUT(target, target0 + matrix * c + k, factor * (0.0f + *own));
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#else
    for (ulong matrix = get_global_id(0); matrix < matrices; matrix += get_global_size(0)) {
        const ulong first = matrix * floats;
        float sums[TREE_COLUMNS];
        for (int k = 0; k < width; k += NV * VW) {
            V sum[NV];
            sum_block(sum, x + x0 + first, b + b0 + first, has_b, below, 0, k, rows, tail, c,
                      width);
            EACH_VECTOR(v) V_STORE(sums + k + v * VW, sum[v]);
        }
        for (int half_ = width / 2; half_ >= c; half_ /= 2)
            for (int k = 0; k < half_; k++) sums[k] += sums[k + half_];
        for (int k = 0; k < c; k++)
            TARGET_PUT(target, target0 + matrix * c + k, factor * (0.0f + sums[k]));
    }
#endif
}

/* target[matrix, k] = factor times a channel's total, of whose columns `left` rows are left. */
kernel void tree_totals(TENSOR(float, from), TENSOR(void, target), int narrow, ulong matrices,
                        float factor, int accumulate, int left, ulong c, ulong width)
{
    TREE_LOCAL(local_);
    for (ulong of = get_group_id(1); of < matrices; of += get_num_groups(1)) {
        const global float *p = from + from0 + of * left * width;
        const float total = tree_total(p, c, width, left, local_);
        if (TREE_WRITES(c)) TARGET_PUT(target, target0 + of * c + get_global_id(0), factor * total);
    }
}

/* [matrices, n, width] to [matrices, segments, width]: each `fold` rows, a power of two of
 * TREE_FOLD at most, are added to one. Groups of columns (dimension 0 of the grid) and segments of
 * matrices (1). Reads 4 matrices n width bytes, 16 rows of a column at a time by each work-item. */
kernel void tree_fold(TENSOR(float, from), TENSOR(float, to), ulong matrices, int n, ulong width,
                      int fold)
{
    TREE_LOCAL(sums);
    const ulong segments = (n + fold - 1) / fold;
    for (ulong of = get_group_id(1); of < matrices * segments; of += get_num_groups(1)) {
        const int first = (int)(of % segments) * fold;
        const global float *p = from + from0 + (of / segments * n + first) * width;
        const float sum = tree_column(p, width, min(n - first, fold), sums);
        if (TREE_WRITES(width)) to[to0 + of * width + get_global_id(0)] = sum;
    }
}
