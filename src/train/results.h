/* Outputs and losses on their way from the device: kept there for some batches, then read at once,
 * so that the host does not wait for every batch. */
#ifndef CLADE_TRAIN_RESULTS_H
#define CLADE_TRAIN_RESULTS_H

#include <clade/train.h>

typedef struct clade_results clade_results;

/* What one batch gave. y: [count, outputs]; loss: [count]. */
typedef struct clade_result {
    uint64_t batch; /* the number that push was given */
    int32_t count;
    const float *y, *loss;
    const int32_t *label;
    const float *weight;
} clade_result;

clade_status clade_results_create(const clade_model *model, clade_results **out);
void clade_results_destroy(clade_results **results);
/* Queues a copy of what the model gives for the batch that was queued last; labels and
 * weights are copied. There must be room. */
clade_status clade_results_push(clade_results *results, uint64_t batch, int32_t count,
                                const int32_t *label, const float *weight);
bool clade_results_full(const clade_results *results);
/* Waits for all that was pushed and gives it, in order, to `take`; an error of that ends it. */
clade_status clade_results_flush(clade_results *results,
                                 clade_status (*take)(void *user, const clade_result *result),
                                 void *user);
/* Forgets what was pushed and not yet flushed. */
void clade_results_drop(clade_results *results);

#endif
