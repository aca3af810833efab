/* The sum of shards' gradients in host memory, wherever they were computed and whenever they come:
 * by the same pairwise tree as sum.h. */
#ifndef CLADE_DIST_TREE_H
#define CLADE_DIST_TREE_H

#include "dist/ranks.h"

#include <stdbool.h>

typedef struct clade_tree clade_tree;

/* For vectors of `length` floats. Any thread may add and take; buffers are made as they are
 * needed, one for each thread at work and for each part that waits for its neighbour, and kept.
 * They are in memory of `ranks`; NULL: in any. */
clade_status clade_tree_create(size_t length, clade_ranks *ranks, clade_tree **out);
void clade_tree_destroy(clade_tree **tree);

/* Begins a sum of n terms; forgets one that was not finished. */
void clade_tree_start(clade_tree *tree, int32_t terms);
/* A buffer of `length` floats to be filled, and then given to add or give_back. NULL: out of
 * memory, with the error set. */
float *clade_tree_take(clade_tree *tree);
void clade_tree_give_back(clade_tree *tree, float *buffer);
/* Adds the sum of the terms from `first` on, 2^level of them or those up to the end; `first` is a
 * multiple of 2^level. Errors: ENOMEM. */
clade_status clade_tree_add(clade_tree *tree, int32_t first, int32_t level, float *buffer);

/* Add what lies in memory of the caller's, which is only read: there and then, or also later, until
 * the next start. Errors: ENOMEM. */
clade_status clade_tree_add_copy(clade_tree *tree, int32_t first, int32_t level,
                                 const float *values);
clade_status clade_tree_lend(clade_tree *tree, int32_t first, int32_t level, const float *values);
/* Adds the last part of the sum, which goes to `out`: memory of the caller's, perhaps `values`. */
void clade_tree_finish(clade_tree *tree, int32_t first, int32_t level, const float *values,
                       float *out);

/* A part of the sum that has no neighbour yet: terms from `first` on, 2^level or up to the end. */
typedef struct clade_tree_part {
    int32_t first, level;
    const float *sum; /* lives until the next start */
    bool lent;        /* it is the caller's */
} clade_tree_part;
/* The parts at hand, in no order; when all terms were added it is one. Not while others add. */
const clade_tree_part *clade_tree_parts(const clade_tree *tree, size_t *count);

/* The level of the longest aligned run that begins at `first` and does not go beyond `end`; a run
 * that ends with the last of all terms counts as full. */
int32_t clade_tree_level(int32_t first, int32_t end, int32_t terms);

#endif
