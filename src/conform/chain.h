/* Chains of layers: ops wired together, with the backward derived from the naming rule of
 * ops.def. */
#ifndef CLADE_CONFORM_CHAIN_H
#define CLADE_CONFORM_CHAIN_H

#include "conform/conform.h"

/* An op, the variables in its slots (NULL: absent), and the words of its call. A variable that no
 * earlier step writes is a leaf: its shape is in `text`, its data are drawn from its slot's
 * domain. */
typedef struct chain_step {
    clade_op op;
    const char *slot[conform_slots];
    const char *text;
} chain_step;

/* The steps run forward; then their gradients, from the last to the first; then `after`: optimizer
 * steps, in which "d:NAME" is the gradient of NAME. The gradient of `loss` is drawn. */
typedef struct chain {
    const char *name, *loss;
    bool full; /* left out of quick runs */
    const chain_step *steps, *after;
    size_t step_count, after_count;
} chain;

/* Judges the run's devices on a chain. */
clade_status clade_conform_chain(conform_run *run, const chain *source,
                                 clade_conform_result *result, conform_failure *failure);

extern const chain clade_chains[];
extern const size_t clade_chain_count;

#endif
