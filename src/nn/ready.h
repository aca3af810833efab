/* When gradients are ready: backward goes from the last layer to the first, so that the end of a
 * model's flat gradients is final long before its beginning. */
#ifndef CLADE_NN_READY_H
#define CLADE_NN_READY_H

#include "nn/build.h"

/* After the call of that number, the gradients from element `first` on do not change any more, and
 * the parameters that they are of are not read any more. */
typedef struct clade_ready {
    size_t call;
    uint64_t first;
} clade_ready;

/* All such points of a schedule's calls, in their order; `first` descends to 0. `trained` and
 * `gradients`: where these lie, at the same places. `out` is the caller's to free. */
clade_status clade_ready_list(const clade_layer_call *calls, size_t count,
                              const clade_buffer *trained, const clade_buffer *gradients,
                              clade_ready **out, size_t *points);

/* clade_model_gradient, which calls `ready` at each of these points; an error of that ends it. */
typedef clade_status clade_ready_call(void *user, uint64_t first);
clade_status clade_model_gradient_in_parts(clade_model *model, int32_t n, uint32_t step,
                                           int32_t first, clade_ready_call *ready, void *user);

#endif
