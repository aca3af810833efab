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

/* A range of a model's flat parameters, and of their gradients. */
typedef struct clade_range {
    uint64_t first, count;
} clade_range;

/* The part of a bucket that this rank adds up. */
clade_range clade_exchange_slice(const clade_exchange *exchange, size_t bucket);
/* The sum of all ranks' gradients in a bucket, pairwise in the order of shards: this rank's slice
 * of it to its place in `sum` [gradients], which may be where its own lie. The bucket's tree is of
 * memory of clade_ranks_memory, what is lent to it, too: other ranks on this host read their slices
 * of it there, until the bucket, or the batch's results, have come back. Ranks on other hosts are
 * sent the bucket's bytes, and received, but for one part in as many as there are ranks. */
clade_status clade_exchange_reduce(clade_exchange *exchange, clade_sharding batch, size_t bucket,
                                   float *sum);
/* Everyone's slices of a bucket of values [parameters], in memory of clade_ranks_memory, to
 * everyone; as many bytes again. They are there after the next call that exchanges anything, which
 * waits for both at once, or after settle: until then that bucket of values is in use. This rank's
 * slice is until the results of the batch have been exchanged. */
clade_status clade_exchange_spread(clade_exchange *exchange, size_t bucket, float *values);
clade_status clade_exchange_settle(clade_exchange *exchange);
/* Everyone's slices of values [parameters], in any memory, to everyone. */
clade_status clade_exchange_gather(clade_exchange *exchange, float *values);
/* A batch's sums, [shards, width], to everyone: of each rank those of its shards. */
clade_status clade_exchange_sums(clade_exchange *exchange, clade_sharding batch, float *sums,
                                 size_t width);
/* Everyone's statistics into results->statistics, and for rank 0 outputs and losses. *stop: was
 * this rank asked to stop, and then, was any? */
clade_status clade_exchange_results(clade_exchange *exchange, clade_sharding batch,
                                    const clade_shard_results *results, bool *stop);

#endif
