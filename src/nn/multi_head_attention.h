/* Multi-head self-attention (Vaswani et al. 2017): queries, keys and values of each pixel, the
 * attention of each head, and a projection of all heads. It consists of three layers: a 1 × 1
 * convolution NAME.qkv, the attention NAME.attention, and another convolution NAME. */
#ifndef CLADE_NN_MULTI_HEAD_ATTENTION_H
#define CLADE_NN_MULTI_HEAD_ATTENTION_H

#include "nn/layer.h"

enum { CLADE_MULTI_HEAD_ATTENTION_LAYERS = 3 };

/* The record of its settings in recipes; it has a key and fields, but no kind. */
extern const clade_layer_record clade_multi_head_attention_record;

/* Gives the layers for the image that layer `from` outputs, to be added to the graph in this order,
 * before anything else. Errors: EINVAL (not an image, a name that is too long). */
clade_status clade_multi_head_attention_layers(const clade_graph *graph, int32_t from,
                                               const char *name,
                                               const clade_multi_head_attention_layer *settings,
                                               clade_layer out[CLADE_MULTI_HEAD_ATTENTION_LAYERS]);

#endif
