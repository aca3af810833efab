/* When gradients are ready: backward runs from the last layer to the first, so that the end of a
 * model's flat gradients is final long before the beginning. */
#ifndef CLADE_NN_READY_H
#define CLADE_NN_READY_H

#include "nn/build.h"

/* After this call, the gradients from element `first` on no longer change, and their parameters are
 * no longer read. */
typedef struct clade_ready {
    size_t call;
    uint64_t first;
} clade_ready;

/* Lists all such points of a schedule's calls, in order; `first` descends to 0. `trained` and
 * `gradients`: where these lie, at the same offsets. The caller frees `out`. */
clade_status clade_ready_list(const clade_layer_call *calls, size_t count,
                              const clade_buffer *trained, const clade_buffer *gradients,
                              clade_ready **out, size_t *points);

/* Does the same as clade_model_gradient, and calls `ready` at each of these points; an error from
 * it ends the pass. */
typedef clade_status clade_ready_call(void *user, uint64_t first);
clade_status clade_model_gradient_in_parts(clade_model *model, int32_t n, uint32_t step,
                                           int32_t first, clade_ready_call *ready, void *user);

#endif
