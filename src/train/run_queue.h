/* Which device computes which shards of a batch: runs of them, taken by whoever is free. */
#ifndef CLADE_TRAIN_RUN_QUEUE_H
#define CLADE_TRAIN_RUN_QUEUE_H

#include "train/replica.h"

typedef struct clade_run_queue {
    clade_shard_run *run;
    enum clade_run_state { CLADE_RUN_WAITS, CLADE_RUN_TAKEN, CLADE_RUN_DONE } * state;
    int32_t runs, left; /* of the batch; those that are not done */
    int32_t images, shard_size;
} clade_run_queue;

/* For at most so many shards. */
clade_status clade_run_queue_create(int32_t shards, clade_run_queue *out);
void clade_run_queue_clear(clade_run_queue *queue);

/* The longest run is 2^level shards, with so many devices and shards. */
int32_t clade_run_queue_level(size_t devices, int32_t shards);
/* Cuts the shards from `first` to before `end`, of `shards` in a batch of `images`. */
void clade_run_queue_fill(clade_run_queue *queue, size_t devices, int32_t first, int32_t end,
                          int32_t shards, int32_t images, int32_t shard_size);
int32_t clade_run_queue_images(const clade_run_queue *queue, int32_t run);

/* What one of the devices had better take: the next run that waits, unless the others would have
 * done all that wait before it had done this one. -1: none. Each device's seconds for an image are
 * 0 where they are not known, and infinite where it computes no more. */
int32_t clade_run_queue_find(const clade_run_queue *queue, const double *seconds, size_t devices,
                             size_t own);

#endif
