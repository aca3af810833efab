/* Squeeze and excite (Hu et al. 2018): each channel of an image is scaled by what a small net makes
 * of all channels' means. It is four layers: a global average NAME.avgpool, two dense ones NAME.fc1
 * and NAME.fc2, and the product NAME. */
#ifndef CLADE_NN_SQUEEZE_EXCITE_H
#define CLADE_NN_SQUEEZE_EXCITE_H

#include "nn/layer.h"

enum { CLADE_SQUEEZE_EXCITE_LAYERS = 4 };

/* What recipes may say of it: its settings' record, which has a key and fields, and no kind. */
extern const clade_layer_record clade_squeeze_excite_record;

/* The layers for the image that layer `from` gives, to be added to the graph one after the other
 * and before anything else. Errors: EINVAL (not an image, a name that is too long). */
clade_status clade_squeeze_excite_layers(const clade_graph *graph, int32_t from, const char *name,
                                         const clade_squeeze_excite_layer *settings,
                                         clade_layer out[CLADE_SQUEEZE_EXCITE_LAYERS]);

#endif
