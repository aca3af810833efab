/* A device that computes shards of a batch: a model on it, and what its input needs. */
#ifndef CLADE_TRAIN_REPLICA_H
#define CLADE_TRAIN_REPLICA_H

#include "dist/sum.h"
#include "dist/tree.h"
#include "nn/ready.h"
#include "nn/running.h"
#include "train/upload.h"

typedef struct clade_replica {
    clade_device *device;
    clade_model *model;
    clade_upload *upload;
    clade_model *own_model; /* these two, where they are this replica's to destroy */
    clade_upload *own_upload;
    clade_shard_sum **sum; /* of each bucket */
    void **point;          /* of each, when it is final on the device: NULL but in the run's last
                            * shard, on devices that copy while they compute */
    size_t buckets;
    clade_running *running;
    size_t runnings;
} clade_replica;

/* A part of the flat gradients, which is added up on its own. */
typedef struct clade_bucket {
    uint64_t first, count;
    clade_tree *sum;
} clade_bucket;

/* Where a batch's shards are put together, in host memory. */
typedef struct clade_shard_results {
    clade_bucket *bucket; /* from the end of the gradients to their beginning: as they get ready */
    size_t buckets;
    bool lent; /* there is one run: its gradients stay in memory that the host shares, where there
                * is such, and are not copied */
    /* Called with each bucket that a run has added to. */
    void (*added)(void *user, size_t bucket);
    void *user;
    float *y, *loss;   /* [batch, outputs], [batch] */
    float *statistics; /* [shards, statistics]: what each shard gives to running ones */
    size_t outputs, statistics_count;
} clade_shard_results;

/* Shards `first` to `end` of a batch: an aligned run of 2^level, or up to the last one. */
typedef struct clade_shard_run {
    int32_t first, end, level;
    size_t added; /* buckets of its gradients that are part of the results */
} clade_shard_run;

/* The model itself, whose upload is `feeds`, or one like it on another device, for which `upload`
 * says what its input is made of; its model, and whether the split is resident, do not count. At
 * most `shards` are added up on the device, in these buckets. */
clade_status clade_replica_create(clade_model *model, const clade_model_options *options,
                                  clade_device *device, const clade_upload_options *upload,
                                  clade_upload *feeds, int32_t shards, const clade_bucket *buckets,
                                  size_t count, clade_replica *out);
void clade_replica_clear(clade_replica *replica);
/* Computes a run of shards and waits for it: what has not been added of it is, bucket by bucket, as
 * the backward pass goes on. Running statistics of the model are overwritten. After an error
 * another replica may go on with the same run. */
clade_status clade_replica_run(clade_replica *replica, const clade_batch *batch, uint32_t step,
                               clade_shard_run *run, const clade_shard_results *results);
/* All running statistics one after the other, to and from host memory. */
clade_status clade_replica_read_running(const clade_replica *replica, float *values);
clade_status clade_replica_write_running(const clade_replica *replica, const float *values);

#endif
