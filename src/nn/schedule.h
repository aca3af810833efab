/* Schedules: the prepared calls of one pass over a number of images. */
#ifndef CLADE_NN_SCHEDULE_H
#define CLADE_NN_SCHEDULE_H

#include "nn/build.h"

typedef struct clade_schedule {
    int32_t n; /* images */
    clade_layer_call *call;
    size_t count;
    struct {
        uint32_t *step, *first;
    } * random; /* of the calls that go by the training step and the image's place in its batch */
    size_t randoms;
} clade_schedule;

/* Takes the calls out of `build`, puts its values at their offsets in the arena, and prepares
 * everything. Errors: those of clade_call_prepare, with the layer's name. */
clade_status clade_schedule_create(clade_build *build, clade_device *device, clade_buffer *arena,
                                   const uint64_t *offset, clade_schedule **out);
void clade_schedule_destroy(clade_schedule **schedule);

/* Queues all calls; `step` and `first`, the images of its batch before these, are for dropout.
 * Allocates nothing. */
clade_status clade_schedule_run(clade_schedule *schedule, const clade_graph *graph, uint32_t step,
                                uint32_t first);

#endif
