/* Models for inference that show what each layer gives, and let it be changed. */
#ifndef CLADE_NN_TAP_H
#define CLADE_NN_TAP_H

#include <clade/model.h>

/* Gets the output of a layer, F32 [batch, …], which the layers after it have not read yet. */
typedef clade_status clade_tap(void *user, int32_t layer, const clade_tensor *y);

/* A model whose layers are not fused, and each of which takes the whole batch at once. */
clade_status clade_model_create_tapped(const clade_graph *graph, clade_device *device,
                                       int32_t batch, clade_model **out);
/* Inference on the full batch, with a tap on the input and on each layer that computes something: a
 * flattened image, or an image that nothing was dropped from, is its input in the same memory. */
clade_status clade_model_infer_tapped(clade_model *model, clade_tap *tap, void *user);

#endif
