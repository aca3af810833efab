/* The sum of the gradients of a batch's shards, on one device. */
#ifndef CLADE_DIST_SUM_H
#define CLADE_DIST_SUM_H

#include <clade/device.h>

/* Adds pairwise in the order of the shards: those from 0 to n are the sum of the first 2^k, the
 * largest power of two below n, plus the sum of the others, each in the same way. Which shards are
 * at hand when therefore makes no difference, and an aligned run of 2^k shards is a term of its
 * own wherever it was computed. */
typedef struct clade_shard_sum clade_shard_sum;

/* For at most so many shards; `g`, flat, is where each one's gradient comes and where the sum is
 * left. Takes memory for as many gradients as the number has binary digits; of 1 shard, none. */
clade_status clade_shard_sum_create(clade_device *device, const clade_tensor *g, int32_t shards,
                                    clade_shard_sum **out);
void clade_shard_sum_destroy(clade_shard_sum **sum);
/* What it takes of the device's memory. */
uint64_t clade_shard_sum_bytes(const clade_shard_sum *sum);
/* Queues taking in shard `shard`, from 0 in ascending order; after the last one g is the sum. */
clade_status clade_shard_sum_add(clade_shard_sum *sum, int32_t shard, bool last);

#endif
