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
    } * random; /* of the calls that go by the training step and the image's place in its batch */
    size_t randoms;
    clade_ready *ready; /* of a training pass */
    size_t ready_count;
    clade_sync *sync; /* where a training pass stops; mostly nowhere */
    size_t sync_count;
} clade_schedule;

/* Takes the calls out of `build`, puts its values at their offsets in the arena, and prepares
 * everything. `trained` and `gradients`: where the parameters and gradients of a training pass lie.
 * Errors: those of clade_call_prepare, with the layer's name. */
clade_status clade_schedule_create(clade_build *build, clade_device *device, clade_buffer *arena,
                                   const clade_buffer *trained, const clade_buffer *gradients,
                                   const uint64_t *offset, clade_schedule **out);
void clade_schedule_destroy(clade_schedule **schedule);

/* Queues all calls; `step` and `first`, the images of its batch before these, are for dropout.
 * `ready` (may be NULL) is called where gradients are. Allocates nothing. */
clade_status clade_schedule_run(clade_schedule *schedule, const clade_graph *graph, uint32_t step,
                                uint32_t first, clade_ready_call *ready, void *user);
/* The calls from one stop to the next, or before the first or after the last. */
clade_status clade_schedule_run_part(clade_schedule *schedule, const clade_graph *graph,
                                     uint32_t step, uint32_t first, size_t part);

#endif
