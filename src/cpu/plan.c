/* What the families' plans and runs are made of. */
#include "cpu/cpu.h"

#include <stdlib.h>

/* What lies before a state. */
typedef union state_head {
    union state_head *next; /* that is freed with it */
    max_align_t align;
} state_head;

static state_head *head_of(void *state) { return (state_head *)state - 1; }

void *clade_cpu_state(clade_plan *plan, size_t bytes)
{
    state_head *head = calloc(1, sizeof *head + bytes);
    plan->state = head ? head + 1 : NULL;
    if (!head) clade_fail(CLADE_ENOMEM, "out of memory for a plan");
    return plan->state;
}

void clade_cpu_state_join(clade_plan *plan, const clade_plan *inner)
{
    if (!inner->state) return;
    state_head *last = head_of(plan->state);
    while (last->next) last = last->next;
    last->next = head_of(inner->state);
}

void clade_cpu_state_free(void *state)
{
    for (state_head *head = head_of(state), *next; head; head = next) {
        next = head->next;
        free(head);
    }
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
