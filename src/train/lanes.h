/* A device that computes several shards of a batch side by side, so that they can stop together
 * where batch normalisation needs the sums of all: a model with parameters of its own, and siblings
 * of it. */
#ifndef CLADE_TRAIN_LANES_H
#define CLADE_TRAIN_LANES_H

#include "train/meeting.h"
#include "train/replica.h"

/* A shard's place on the device. */
typedef struct clade_lane {
    clade_model *model;
    clade_upload *upload;
    clade_call *add; /* [buckets, levels]: its gradients to those of the lane 2^k before */
    int32_t levels;
} clade_lane;

typedef struct clade_lanes {
    const clade_replica *first; /* whose model and upload are the first lane's */
    clade_upload_options upload;
    const clade_bucket *bucket;
    size_t buckets;
    clade_lane *lane;
    int32_t count;
} clade_lanes;

/* A first lane; `upload` says what the others' input is made of, as in clade_replica_create.
 * Gradients are added up in these buckets, which are kept. */
clade_status clade_lanes_create(const clade_replica *first, const clade_upload_options *upload,
                                const clade_bucket *buckets, size_t count, clade_lanes *out);
void clade_lanes_clear(clade_lanes *lanes);
/* Has at least so many lanes from then on. Errors: ENOMEM, EDEVICE. */
clade_status clade_lanes_reserve(clade_lanes *lanes, int32_t count);

/* Computes shards `first` to `end` of a batch of `shards` and waits for them. Their gradients go to
 * the buckets, but for the first `done`: each before the stop that comes after
 * clade_model_ready_part of it. Seconds of waiting for others are added to *waited. *left: others
 * were lost, and there are no results. */
clade_status clade_lanes_run(const clade_lanes *lanes, const clade_batch *batch, uint32_t step,
                             int32_t first, int32_t end, int32_t shards, size_t done,
                             clade_meeting *meeting, const clade_shard_results *results,
                             double *waited, bool *left);

#endif
