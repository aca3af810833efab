/* Several devices that compute the shards of a batch together. Which of them computes which shard
 * goes by how fast they are, and makes no difference to the result. */
#ifndef CLADE_TRAIN_TEAM_H
#define CLADE_TRAIN_TEAM_H

#include "dist/ranks.h"
#include "train/optimizer.h"
#include "train/replica.h"

typedef struct clade_team_options {
    clade_model *model;           /* holds the parameters */
    clade_model_options like;     /* how that model was made */
    clade_device *const *devices; /* that of the model among them */
    size_t count;
    clade_ranks *ranks;          /* each computes a part of the shards; NULL: this process alone */
    clade_upload *feeds;         /* the model */
    clade_upload_options upload; /* and how it was made */
    int32_t batch;
    const clade_updater *updater; /* of the model */
    int threads;                  /* on which ranks take its step; 0: one for each processor */
    clade_device_share *share; /* [count]: a device of which it says that it failed is left out. The
                                * caller's, who keeps it for further teams of these devices */
} clade_team_options;

typedef struct clade_team clade_team;

/* Is this the end of a device, and others may do what it could not? */
bool clade_team_is_device_failure(clade_status status);

/* A device on which the model cannot be made is one that fails. Errors: those of models. */
clade_status clade_team_create(const clade_team_options *options, clade_team **out);
void clade_team_destroy(clade_team **team);

/* Which step it is, and what the optimizer's would be. */
typedef struct clade_team_step {
    uint32_t step;
    double lr;
    uint64_t update; /* from 1 */
} clade_team_step;

/* Does it take the optimizer's step? Ranks do, each for its slices, where that goes element by
 * element; else the gradients are left for it. */
bool clade_team_takes_steps(const clade_team *team);
/* The sum of the gradients of a batch's shards becomes the model's, or the step is taken, and its
 * running statistics take the shards in order. A device that fails is left out from then on, and
 * `note`, which then is not NULL, says so until the next call. *stop is whether this rank was asked
 * to, and then whether any was. Errors: those of the model's own device, EIO (a rank that does not
 * answer). */
clade_status clade_team_run(clade_team *team, const clade_batch *batch, const clade_team_step *step,
                            bool *stop, const char **note);
/* Makes the updater's moments whole on each rank, where the team takes the steps; called by all of
 * them. Errors: EIO likewise. */
clade_status clade_team_gather(clade_team *team);
/* Are they, since the last step? */
bool clade_team_is_gathered(const clade_team *team);
/* Of the last batch: [count, outputs] and [count]; of ranks, only the first one has them all. */
const float *clade_team_outputs(const clade_team *team);
const float *clade_team_losses(const clade_team *team);

#endif
