/* A batch whose shards go through it together: batch normalisation takes the statistics of all. */
#ifndef CLADE_TRAIN_LOCKSTEP_H
#define CLADE_TRAIN_LOCKSTEP_H

#include "train/team_state.h"

/* Gives each device its shards of a batch of so many. */
void clade_lockstep_deal(clade_team *team, int32_t shards);
/* A device's part of the batch under way. With the mutex, which is free while it computes. */
void clade_lockstep_take_part(clade_team *team, member *m);
/* Computes a batch. Where a device is lost, the others begin it again. */
clade_status clade_lockstep_run(clade_team *team, const clade_batch *batch,
                                const clade_team_step *step, clade_sharding cut_as);

#endif
