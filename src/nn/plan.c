/* The memory planner: greedy by size, best fit. */
#include "nn/plan.h"

#include <stdlib.h>

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + CLADE_PLAN_ALIGN - 1) / CLADE_PLAN_ALIGN * CLADE_PLAN_ALIGN;
}

/* Larger first; of equals the earlier, so that the order is fixed. */
static int by_size(const void *a, const void *b)
{
    const clade_plan_block *x = *(clade_plan_block *const *)a, *y = *(clade_plan_block *const *)b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x < y ? -1 : 1;
}

/* The smallest gap between the placed blocks (in ascending offset) alive at the same time that
 * holds `block`, else behind them all. */
static uint64_t best_place(const clade_plan_block *block, clade_plan_block *const *placed,
                           size_t count)
{
    uint64_t need = round_up(block->bytes), end = 0, place = 0, least = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        const clade_plan_block *p = placed[i];
        if (p->last < block->first || p->first > block->last) continue;
        if (p->offset > end && p->offset - end >= need && p->offset - end < least) {
            least = p->offset - end;
            place = end;
        }
        uint64_t p_end = p->offset + round_up(p->bytes);
        if (p_end > end) end = p_end;
    }
    return least < UINT64_MAX ? place : end;
}

clade_status clade_plan_place(clade_plan_block *block, size_t count, uint64_t *total)
{
    *total = 0;
    if (!count) return CLADE_OK;
    clade_plan_block **order = malloc(2 * count * sizeof(clade_plan_block *));
    if (!order) return clade_fail(CLADE_ENOMEM, "out of memory to plan %zu blocks", count);
    clade_plan_block **placed = order + count;
    for (size_t i = 0; i < count; i++) order[i] = &block[i];
    qsort(order, count, sizeof(clade_plan_block *), by_size);
    for (size_t i = 0; i < count; i++) {
        clade_plan_block *b = order[i];
        b->offset = best_place(b, placed, i);
        size_t at = i;
        for (; at > 0 && placed[at - 1]->offset > b->offset; at--) placed[at] = placed[at - 1];
        placed[at] = b;
        uint64_t end = b->offset + round_up(b->bytes);
        if (end > *total) *total = end;
    }
    free(order);
    return CLADE_OK;
}
