/* What ranks tell each other of a batch whose shards they have computed. */
#ifndef CLADE_TRAIN_EXCHANGE_H
#define CLADE_TRAIN_EXCHANGE_H

#include "dist/ranks.h"
#include "train/replica.h"

typedef struct clade_exchange clade_exchange;

/* For gradients in these buckets, which are kept. */
clade_status clade_exchange_create(clade_ranks *ranks, const clade_bucket *buckets, size_t count,
                                   clade_exchange **out);
void clade_exchange_destroy(clade_exchange **exchange);

/* The shards of a rank, of `shards` in all: from *first to before *end. */
void clade_exchange_part(const clade_ranks *ranks, int32_t rank, int32_t shards, int32_t *first,
                         int32_t *end);

/* A batch, and how it is cut. */
typedef struct clade_sharding {
    int32_t images, shard_size, shards;
} clade_sharding;

/* The sum of all ranks' gradients in a bucket, pairwise in the order of shards, to its place in
 * `sum`, which may be where this rank's own lie. Each rank sends and receives the bucket's bytes
 * twice, but for one part in as many as there are ranks: every one adds up a slice, and gives the
 * sum to the others. */
clade_status clade_exchange_bucket(clade_exchange *exchange, clade_sharding batch, size_t bucket,
                                   float *sum);
/* A batch's sums, [shards, width], to everyone: of each rank those of its shards. */
clade_status clade_exchange_sums(clade_exchange *exchange, clade_sharding batch, float *sums,
                                 size_t width);
/* Everyone's statistics into results->statistics, and for rank 0 outputs and losses. *stop: was
 * this rank asked to stop, and then, was any? */
clade_status clade_exchange_results(clade_exchange *exchange, clade_sharding batch,
                                    const clade_shard_results *results, bool *stop);

#endif
