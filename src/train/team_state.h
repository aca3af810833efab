/* What a team is made of: for team.c, team_ranks.c and lockstep.c. */
#ifndef CLADE_TRAIN_TEAM_STATE_H
#define CLADE_TRAIN_TEAM_STATE_H

#include "train/exchange.h"
#include "train/lanes.h"
#include "train/run_queue.h"
#include "train/slices.h"
#include "train/team.h"

#include <pthread.h>

typedef struct member {
    clade_replica replica;
    clade_team *team;
    pthread_t thread;
    bool started;
    uint64_t seen; /* the last batch that the thread took up */
    double busy;   /* seconds of this batch */
    bool warm;     /* has done a run: the first one compiles kernels and tells no speed */
    clade_status status;
    char *text;         /* what its error says */
    clade_lanes lanes;  /* in lockstep */
    int32_t first, end; /* its shards of this batch */
} member;

struct clade_team {
    member *member;
    size_t count;
    member *own;               /* of the model's device, at work in the caller's thread */
    clade_device_share *share; /* the caller's */
    clade_shard_results results;
    clade_ranks *ranks;
    clade_exchange *exchange; /* NULL: no ranks */
    clade_slices *slices;     /* NULL: the optimizer's step is not taken here */
    bool gathered;            /* its moments, since the last step */
    clade_sharding cut_as;    /* the batch under way, where its shards go through it together, */
    size_t exchanged;         /* and buckets that were exchanged */
    clade_meeting *meeting;   /* NULL: shards need nothing of each other */
    int32_t *added;           /* to each bucket: runs of this batch */
    float *weights, *running;
    float *sum, *w;             /* of ranks: of all gradients; with slices, all parameters */
    bool in_place;              /* these are the model's own */
    bool one_copy;              /* w is that of all ranks */
    clade_buffer *moved[2];     /* the model's that lie in memory of ranks: g, w */
    float scale;                /* of the loss, where it has one */
    int32_t shards, shard_size; /* most in a batch; images in one */
    bool synced;                /* their batch statistics are those of the batch */
    char *note;

    pthread_mutex_t mutex; /* of all below, and of the members' figures */
    pthread_cond_t changed;
    uint64_t number; /* of the batch under way, from 1 */
    const clade_batch *batch;
    const clade_team_step *step;
    clade_run_queue queue;
    double *seconds; /* each device's for an image, as of late */
    size_t at_work;  /* threads */
    bool stop;
};

/* The device is left out from now on. With the mutex. */
void clade_team_fail(member *m, clade_status status);
/* Gives a device of its own the parameters of this batch. */
clade_status clade_team_bring_weights(const clade_team *team, const member *m);
/* A batch took so long. */
void clade_team_note_times(clade_team *team, double seconds);

/* ---- of ranks ---- */

/* The exchange with them, and what it takes. */
clade_status clade_team_make_exchange(clade_team *team, const clade_team_options *options);
void clade_team_clear_exchange(clade_team *team);
/* Before a batch of so many shards. */
clade_status clade_team_await_readers(clade_team *team, int32_t shards);
/* A bucket that all devices have added to: its sum, or the parameters after the step, to and from
 * the other ranks, where it is complete after the next one, or settle. */
clade_status clade_team_exchange_bucket(clade_team *team, clade_sharding batch, size_t bucket);
clade_status clade_team_settle_exchange(clade_team *team);
/* After the last one: what came becomes the model's. */
clade_status clade_team_take_exchanged(const clade_team *team);

#endif
