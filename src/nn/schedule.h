/* Schedules: the prepared calls of one pass over a number of images. */
#ifndef CLADE_NN_SCHEDULE_H
#define CLADE_NN_SCHEDULE_H

#include "nn/ready.h"

typedef struct clade_schedule {
    int32_t n; /* images */
    clade_layer_call *call;
    size_t count;
    struct {
        uint32_t *step, *first;
    } * random; /* calls that depend on the training step and the image's position in its batch */
    size_t randoms;
    clade_ready *ready; /* for a training pass */
    size_t ready_count;
    clade_sync *sync; /* where a training pass is divided into parts; usually none */
    size_t sync_count;
} clade_schedule;

/* Takes the calls out of `build`, places its values in the arena, and prepares everything.
 * `trained` and `gradients`: where the parameters and gradients of a training pass lie. Errors:
 * those of clade_call_prepare, with the layer's name. */
clade_status clade_schedule_create(clade_build *build, clade_device *device, clade_buffer *arena,
                                   const clade_buffer *trained, const clade_buffer *gradients,
                                   const uint64_t *offset, clade_schedule **out);
void clade_schedule_destroy(clade_schedule **schedule);

/* Queues all calls. Dropout uses `step` and `first`, the number of images of the batch before
 * these. `ready` (may be NULL) is called when gradients are final. Allocates nothing. */
clade_status clade_schedule_run(clade_schedule *schedule, const clade_graph *graph, uint32_t step,
                                uint32_t first, clade_ready_call *ready, void *user);
/* Queues the calls of one part: between two stops, before the first or after the last. */
clade_status clade_schedule_run_part(clade_schedule *schedule, const clade_graph *graph,
                                     uint32_t step, uint32_t first, size_t part);

#endif
