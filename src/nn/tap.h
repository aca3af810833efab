/* Inference that shows the output of each layer, and allows changing it. */
#ifndef CLADE_NN_TAP_H
#define CLADE_NN_TAP_H

#include <clade/model.h>

/* Receives the output of a layer, F32 [batch, …], before the layers after it read it. */
typedef clade_status clade_tap(void *user, int32_t layer, const clade_tensor *y);

/* Creates a model whose layers are not fused and process the whole batch at once. */
clade_status clade_model_create_tapped(const clade_graph *graph, clade_device *device,
                                       int32_t batch, clade_model **out);
/* Runs inference on the full batch, with a tap on the input and on each layer that computes
 * something. Layers such as flatten and dropout, whose output is their input in the same memory,
 * have none. */
clade_status clade_model_infer_tapped(clade_model *model, clade_tap *tap, void *user);

#endif
