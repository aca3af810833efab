/* Broadcasting as index spaces with as few dimensions as possible, for backends. Neighbouring
 * dimensions that every operand traverses in the same way are merged, and those of size 1 are
 * dropped. */
#ifndef CLADE_OP_BROADCAST_H
#define CLADE_OP_BROADCAST_H

#include <clade/ops.h>

#include <stdbool.h>

/* The elements of y, row-major, and the positions of their operands. */
typedef struct broadcast_space {
    uint64_t size[4]; /* padded with 1 in front; the last is a row */
    uint64_t a[4];    /* elements of a from one index to the next; 0 where a is broadcast */
    uint64_t b[4];    /* the same for b; all 0 without b */
} broadcast_space;

/* Ranks are equal; each size of a and b is y's or 1; b may be NULL. */
void clade_broadcast_space(const clade_tensor *y, const clade_tensor *a, const clade_tensor *b,
                           broadcast_space *space);

/* For each element of a target, the elements of x that are summed into it, as the tree of a column
 * (clade/ops.h). `b`: the factor of x. */
typedef struct broadcast_sum {
    uint64_t kept[4]; /* the target's elements, row-major; along the last, x's step is 1, or its
                       * size is */
    uint64_t x_kept[4], b_kept[4];
    uint64_t summed[2], x_summed[2], b_summed[2];
    uint64_t outputs, terms, columns;
    bool dense; /* x is [outputs / columns, terms, columns], and b, if present, has the same
                 * layout */
} broadcast_sum;

/* Ranks are equal; each size of the target is x's or 1. b, which may be NULL, has x's size wherever
 * the target does not. */
void clade_broadcast_sum(const clade_tensor *x, const clade_tensor *b, const clade_tensor *target,
                         broadcast_sum *sum);

#endif
