/* A level of sums as trees: tree.clh. */
#include "opencl.clh"
#include "tree.clh"

/* [matrices, n, width] to [matrices, segments, width]: each TREE_FOLD rows are added to one. Groups
 * of columns (dimension 0 of the grid) and segments of matrices (1). Reads 4 matrices n width
 * bytes, 16 rows of a column at a time by each work-item. */
kernel void tree_fold(TENSOR(float, from), TENSOR(float, to), ulong matrices, int n, int width)
{
    TREE_LOCAL(sums);
    const ulong segments = (n + TREE_FOLD - 1) / TREE_FOLD;
    for (ulong of = get_group_id(1); of < matrices * segments; of += get_num_groups(1)) {
        const int first = (int)(of % segments) * TREE_FOLD;
        const global float *p = from + from0 + (of / segments * n + first) * (size_t)width;
        const float sum = tree_column(p, width, min(n - first, TREE_FOLD), sums);
        if (TREE_WRITES(width)) to[to0 + of * width + get_global_id(0)] = sum;
    }
}
