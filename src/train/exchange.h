/* What ranks tell each other of a batch whose shards they have computed. */
#ifndef CLADE_TRAIN_EXCHANGE_H
#define CLADE_TRAIN_EXCHANGE_H

#include "dist/ranks.h"
#include "train/replica.h"

typedef struct clade_exchange clade_exchange;

/* For gradients of `length` floats. */
clade_status clade_exchange_create(clade_ranks *ranks, size_t length, clade_exchange **out);
void clade_exchange_destroy(clade_exchange **exchange);

/* The shards of a rank, of `shards` in all: from *first to before *end. */
void clade_exchange_part(const clade_ranks *ranks, int32_t rank, int32_t shards, int32_t *first,
                         int32_t *end);

/* Of a batch of `images` in shards of `shard_size`: the sums of all ranks' gradients, pairwise in
 * the order of shards, to `sum` [length]; everyone's statistics into results->statistics, and for
 * rank 0 outputs and losses. *stop: one of them was asked to stop. Each rank sends and receives its
 * gradients' bytes twice, but for one part in as many as there are ranks: every one adds up a slice
 * of the gradients, and gives the sum to the others. */
clade_status clade_exchange_run(clade_exchange *exchange, const clade_shard_results *results,
                                int32_t images, int32_t shard_size, float *sum, bool *stop);

#endif
