/* Where those who compute the shards of a batch meet, at each layer that normalises by the
 * statistics of the whole batch: they bring sums and go on with means. */
#ifndef CLADE_TRAIN_MEETING_H
#define CLADE_TRAIN_MEETING_H

#include "nn/sync.h"
#include "train/exchange.h"

typedef struct clade_meeting clade_meeting;

/* As often as the model's training pass stops, for at most so many shards. `exchange`: the other
 * ranks come, too; NULL: there are none. */
clade_status clade_meeting_create(const clade_model *model, int32_t shards,
                                  clade_exchange *exchange, clade_meeting **out);
void clade_meeting_destroy(clade_meeting **meeting);

/* A batch begins. */
void clade_meeting_start(clade_meeting *meeting, clade_sharding batch);
/* So many devices of this rank begin with its shards; or those that are left begin again, after one
 * was lost: means that were found by then stay. */
void clade_meeting_begin(clade_meeting *meeting, size_t devices);
/* Called when the means of a stop are found, while the devices go on. */
typedef clade_status clade_meeting_found(void *user, size_t stop);
/* For the caller, while the devices' threads come: returns when all means are found, or *lost.
 * Errors: EIO (a rank that does not answer), those of `found` (may be NULL). */
clade_status clade_meeting_hold(clade_meeting *meeting, clade_meeting_found *found, void *user,
                                bool *lost);
/* Running statistics take in the batch. */
clade_status clade_meeting_end(const clade_meeting *meeting);

/* ---- for devices, stop by stop ---- */

/* Where the sums of that shard belong; NULL: the means are there already. */
float *clade_meeting_sums(clade_meeting *meeting, size_t stop, int32_t shard);
/* Waits for the means, and adds the seconds to *waited. NULL: a device was lost. */
const float *clade_meeting_wait(clade_meeting *meeting, size_t stop, double *waited);
/* A device is lost: the others get no further. */
void clade_meeting_leave(clade_meeting *meeting);

#endif
