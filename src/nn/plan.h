/* The memory planner: places blocks with limited live ranges in one arena. */
#ifndef CLADE_NN_PLAN_H
#define CLADE_NN_PLAN_H

#include <clade/status.h>

#include <stddef.h>
#include <stdint.h>

enum { CLADE_PLAN_ALIGN = 64 };

typedef struct clade_plan_block {
    uint64_t bytes;
    int64_t first, last; /* its live range: the first and the last moment, inclusive */
    uint64_t offset;     /* result: a multiple of CLADE_PLAN_ALIGN */
} clade_plan_block;

/* Places the blocks so that no two with overlapping live ranges overlap in memory. Takes blocks by
 * descending size, or by size times live range if that gives a smaller arena, and puts each into
 * the smallest gap that it fits into. `total` is the size of the arena. Errors: ENOMEM. */
clade_status clade_plan_place(clade_plan_block *block, size_t count, uint64_t *total);

#endif
