/* The memory planner: places blocks that live for a while in one arena. */
#ifndef CLADE_NN_PLAN_H
#define CLADE_NN_PLAN_H

#include <clade/status.h>

#include <stddef.h>
#include <stdint.h>

enum { CLADE_PLAN_ALIGN = 64 };

typedef struct clade_plan_block {
    uint64_t bytes;
    int64_t first, last; /* the first and the last moment of its life, both included */
    uint64_t offset;     /* result: a multiple of CLADE_PLAN_ALIGN */
} clade_plan_block;

/* Places the blocks so that no two that live at the same moment overlap: the largest first, or
 * those whose size times life is, where the arena is smaller then; each into the smallest gap among
 * those already placed that it fits into. `total` is the size of the arena. Errors: ENOMEM. */
clade_status clade_plan_place(clade_plan_block *block, size_t count, uint64_t *total);

#endif
