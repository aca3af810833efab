/* Going back from a call that was found wrong: to the state some steps before it. */
#ifndef CLADE_TRAIN_VERIFY_H
#define CLADE_TRAIN_VERIFY_H

#include "train/learner.h"
#include "train/run.h"

/* Parameters, statistics, moments, and where training was. */
typedef struct clade_snapshot {
    float *values;
    size_t count;
    clade_progress progress;
} clade_snapshot;

enum { CLADE_SNAPSHOT_STEPS = 64 }; /* from one to the next */

/* Of a learner whose results have all been taken in. Waits. */
clade_status clade_snapshot_take(clade_snapshot *snapshot, const clade_learner *learner,
                                 const clade_progress *progress);
/* The way back, to the same learner. */
clade_status clade_snapshot_restore(const clade_snapshot *snapshot, const clade_learner *learner,
                                    clade_progress *progress);
void clade_snapshot_clear(clade_snapshot *snapshot);

#endif
