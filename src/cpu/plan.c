/* What the families' plans and runs are made of. */
#include "cpu/cpu.h"

#include <stdlib.h>

void *clade_cpu_state(clade_plan *plan, size_t bytes)
{
    plan->state = calloc(1, bytes);
    if (!plan->state) clade_fail(CLADE_ENOMEM, "out of memory for a plan");
    return plan->state;
}

static void run_block(void *user, size_t i, int thread)
{
    (void)thread;
    const cpu_range *range = user;
    size_t first = i * range->grain, end = first + range->grain;
    range->body(range->user, first, end < range->n ? end : range->n);
}

void clade_cpu_range(cpu_context *cpu, cpu_range range)
{
    if (range.grain > cpu->limits.grain) range.grain = cpu->limits.grain;
    clade_pool_for(cpu->pool, (range.n + range.grain - 1) / range.grain, run_block, &range);
}
