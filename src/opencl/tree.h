/* Ground floor: sums over the rows of [m, c] as trees (clade/ops.h, kernels/tree.clh). A family's
 * kernel sums the blocks; levels are added here as long as many sums are left of a column; the last
 * ones are added by the kernel that uses the totals. */
#ifndef CLADE_OPENCL_TREE_H
#define CLADE_OPENCL_TREE_H

#include "opencl/grid.h"

/* `rows` whole rows of `width` columns, which are the lanes' channels, and `tail` floats of
 * another; in blocks. */
typedef struct opencl_tree {
    uint64_t rows, c, width;
    int32_t tail, blocks;
} opencl_tree;

opencl_tree clade_opencl_tree(int64_t m, int64_t c);

/* A kernel of a program that includes norm_sums.clh, with vectors of `lanes` of rows of `width`
 * floats: wide cores mostly have one program for all of a family's kernels. */
opencl_launch clade_opencl_begin_tree(opencl_plan *plan, const char *family, const char *kernel,
                                      uint64_t width, int32_t lanes);
/* The same with the vectors that suit the tree's sums. */
opencl_launch clade_opencl_begin_sums(opencl_plan *plan, const char *family, const char *kernel,
                                      const opencl_tree *t);
/* Its last arguments, rows, tail, blocks, c and width, and its launch, where it sums the blocks of
 * so many matrices. */
void clade_opencl_run_sums(opencl_launch *l, const opencl_tree *t, uint64_t matrices);
/* Its launch where it adds what is left of sums: for `columns` columns or channels of each of so
 * many matrices. */
void clade_opencl_run_tree(opencl_launch *l, uint64_t columns, uint64_t matrices);

/* Sums [matrices, n, width]: what is left to add of blocks' sums `sums`, n of them at most
 * TREE_FOLD. */
typedef struct opencl_sums {
    clade_tensor at;
    int32_t n;
} opencl_sums;
opencl_sums clade_opencl_fold_tree(opencl_plan *plan, const opencl_tree *t, uint64_t matrices,
                                   const clade_tensor *sums);

/* target [matrices, c], or what is there more = factor times the totals of sums s. */
void clade_opencl_tree_totals(opencl_plan *plan, const opencl_tree *t, uint64_t matrices,
                              const opencl_sums *s, const clade_tensor *target, float factor,
                              int32_t accumulate);

/* What is summed: x, or where there is a b of x's shape x b, with `below` of b that are not above
 * 0. */
typedef struct opencl_terms {
    const clade_tensor *x, *b;
    bool below;
} opencl_terms;

/* target [matrices, c], or what is there more = factor times the sums over m of terms
 * [matrices, m, c]. */
void clade_opencl_sum_rows(opencl_plan *plan, opencl_terms terms, uint64_t matrices, int64_t m,
                           int64_t c, const clade_tensor *target, float factor, int32_t accumulate);

#endif
