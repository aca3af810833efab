/* Sums as trees (clade/ops.h), for references: term by term. */
#ifndef CLADE_OP_TREE_H
#define CLADE_OP_TREE_H

#include "op/op.h"

/* Returns `sum` plus the term of row i of one column of an [m, c] matrix. */
typedef REAL (*tree_term)(const void *column, int64_t i, REAL sum);

typedef struct tree_sum {
    tree_term add;
    const void *column;
    int64_t m, lanes;
} tree_sum;

/* Sums a lane over blocks, from `first` on. */
static inline REAL tree_of_blocks(const tree_sum *t, int64_t lane, int64_t first, int64_t blocks)
{
    if (blocks == 1) {
        REAL sum = 0;
        for (int64_t row = first * CLADE_TREE_ROWS; row < (first + 1) * CLADE_TREE_ROWS; row++) {
            int64_t i = row * t->lanes + lane;
            if (i < t->m) sum = t->add(t->column, i, sum);
        }
        return sum;
    }
    int64_t half = 1;
    while (2 * half < blocks) half *= 2;
    return tree_of_blocks(t, lane, first, half) +
           tree_of_blocks(t, lane, first + half, blocks - half);
}

/* Sums every `step`-th lane, from `lane` on. */
static inline REAL tree_of_lanes(const tree_sum *t, int64_t lane, int64_t step)
{
    if (step < t->lanes)
        return tree_of_lanes(t, lane, 2 * step) + tree_of_lanes(t, lane + step, 2 * step);
    const int64_t rows = (t->m + t->lanes - 1) / t->lanes;
    return tree_of_blocks(t, lane, 0, (rows + CLADE_TREE_ROWS - 1) / CLADE_TREE_ROWS);
}

static inline REAL tree_total(tree_term add, const void *column, int64_t m, int32_t c)
{
    const tree_sum t = {add, column, m, clade_tree_lanes(c)};
    return 0 + tree_of_lanes(&t, 0, 1);
}

#endif
