/* Squeeze and excite (Hu et al. 2018): a small net computes a factor for each channel of an image
 * from all channels' means. It consists of four layers: a global average NAME.avgpool, two dense
 * layers NAME.fc1 and NAME.fc2, and the product NAME. */
#ifndef CLADE_NN_SQUEEZE_EXCITE_H
#define CLADE_NN_SQUEEZE_EXCITE_H

#include "nn/layer.h"

enum { CLADE_SQUEEZE_EXCITE_LAYERS = 4 };

/* The record of its settings in recipes; it has a key and fields, but no kind. */
extern const clade_layer_record clade_squeeze_excite_record;

/* Gives the layers for the image that layer `from` outputs, to be added to the graph in this order,
 * before anything else. Errors: EINVAL (not an image, a name that is too long). */
clade_status clade_squeeze_excite_layers(const clade_graph *graph, int32_t from, const char *name,
                                         const clade_squeeze_excite_layer *settings,
                                         clade_layer out[CLADE_SQUEEZE_EXCITE_LAYERS]);

#endif
