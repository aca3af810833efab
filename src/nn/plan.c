/* The memory planner: greedy best fit, by size or by size times live range, whichever needs
 * less. */
#include "nn/plan.h"

#include <stdlib.h>

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + CLADE_PLAN_ALIGN - 1) / CLADE_PLAN_ALIGN * CLADE_PLAN_ALIGN;
}

/* Larger first; ties by index, so that the order is fixed. */
static int by_size(const void *a, const void *b)
{
    const clade_plan_block *x = *(clade_plan_block *const *)a, *y = *(clade_plan_block *const *)b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x < y ? -1 : 1;
}

static uint64_t area_of(const clade_plan_block *b)
{
    return b->bytes * (uint64_t)(b->last - b->first + 1);
}

/* Larger size times live range first; ties as above. */
static int by_area(const void *a, const void *b)
{
    const uint64_t x = area_of(*(clade_plan_block *const *)a),
                   y = area_of(*(clade_plan_block *const *)b);
    return x != y ? (x > y ? -1 : 1) : by_size(a, b);
}

/* Returns the smallest gap that holds `block` between the placed blocks (in ascending offset) with
 * overlapping live ranges; else the end of them all. */
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

/* Places `count` blocks in the order of `compare`; `order` has room for twice as many; returns the
 * end of the last. */
static uint64_t place_all(clade_plan_block *block, size_t count, clade_plan_block **order,
                          int (*compare)(const void *, const void *))
{
    clade_plan_block **placed = order + count;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) order[i] = &block[i];
    qsort(order, count, sizeof(clade_plan_block *), compare);
    for (size_t i = 0; i < count; i++) {
        clade_plan_block *b = order[i];
        b->offset = best_place(b, placed, i);
        size_t at = i;
        for (; at > 0 && placed[at - 1]->offset > b->offset; at--) placed[at] = placed[at - 1];
        placed[at] = b;
        uint64_t end = b->offset + round_up(b->bytes);
        if (end > total) total = end;
    }
    return total;
}

clade_status clade_plan_place(clade_plan_block *block, size_t count, uint64_t *total)
{
    *total = 0;
    if (!count) return CLADE_OK;
    clade_plan_block **order = malloc(2 * count * sizeof(clade_plan_block *));
    if (!order) return clade_fail(CLADE_ENOMEM, "out of memory to plan %zu blocks", count);
    *total = place_all(block, count, order, by_area);
    const uint64_t sized = place_all(block, count, order, by_size);
    if (sized > *total)
        place_all(block, count, order, by_area);
    else
        *total = sized;
    free(order);
    return CLADE_OK;
}
