/* Layer kinds: a table entry for each, and what the families share. */
#ifndef CLADE_NN_LAYER_H
#define CLADE_NN_LAYER_H

#include "nn/build.h"
#include "nn/graph.h"

/* How a kind of layer behaves. */
typedef struct clade_layer_rule {
    const char *name, *type; /* Keras' name for a layer without one, and its class */
    int32_t least_inputs, most_inputs;
    /* Checks the layer against its inputs, sets the output's shape and the weights. Errors: EINVAL,
     * without the layer's name, which the caller puts before the text. */
    clade_status (*shape)(const clade_graph *graph, clade_node *node);
    /* Adds the calls that compute y of layer `number`, and those that take its dy to the gradients
     * of its weights and inputs. */
    void (*forward)(clade_build *build, int32_t number);
    void (*backward)(clade_build *build, int32_t number);
} clade_layer_rule;

/* layer_conv.c */
extern const clade_layer_rule clade_conv2d_rule, clade_depthwise_conv2d_rule;
/* layer_dense.c */
extern const clade_layer_rule clade_dense_rule;
/* layer_pool.c */
extern const clade_layer_rule clade_maxpool2d_rule, clade_avgpool2d_rule,
    clade_global_avgpool2d_rule;
/* layer_norm.c */
extern const clade_layer_rule clade_batchnorm_rule, clade_lrn_rule;
/* layer_activation.c */
extern const clade_layer_rule clade_activation_rule, clade_softmax_rule, clade_dropout_rule;
/* layer_shape.c */
extern const clade_layer_rule clade_flatten_rule, clade_reshape_rule, clade_zero_padding2d_rule;
/* layer_merge.c */
extern const clade_layer_rule clade_add_rule, clade_multiply_rule, clade_concat_rule;

/* Never NULL for a kind in the enum. */
const clade_layer_rule *clade_layer_rule_of(clade_layer_kind kind);

/* The node that input i of `node` comes from. */
static inline const clade_node *clade_node_input(const clade_graph *graph, const clade_node *node,
                                                 int32_t i)
{
    return &graph->node[node->layer.input[i]];
}

/* Takes the output's shape from a tensor with batch. */
void clade_node_set_shape(clade_node *node, const clade_tensor *y);
/* Adds a weight; the default initialiser is Glorot's uniform. */
clade_weight *clade_node_add_weight(clade_node *node, const char *name, clade_tensor shape,
                                    clade_initializer init);

/* EINVAL unless the input is an image [h, w, c]. */
clade_status clade_expect_image(const clade_node *input);
clade_status clade_expect_activation(clade_activation activation, float alpha);
clade_status clade_expect_initializer(clade_initializer init);

/* A window that moves over an image: the layer's words turned into an op's parameters. */
typedef struct clade_window {
    int32_t size[2], stride[2], dilation[2], pad[4];
} clade_window;

/* Fills in `pad` from Keras' words: 'same' gives ceil(size / stride) outputs, the odd zero at the
 * bottom and right. Strides and dilations must be set. */
clade_status clade_window_set_pad(clade_window *window, clade_padding padding,
                                  const int32_t given[4], const clade_node *input);

/* The slope to give to ops: Keras' 0.3 where none is said. */
static inline float clade_activation_alpha(clade_activation activation, float alpha)
{
    return alpha == 0 ? clade_activation_describe((int32_t)activation)->alpha : alpha;
}

/* Does a batchnorm layer take the batch's own statistics in this pass? And its eps. */
bool clade_batchnorm_uses_batch(const clade_build *build, int32_t number);
float clade_batchnorm_eps(const clade_layer *layer);

/* What dense and convolutions do around their activation. `z` is the sum before it, which is kept
 * for the gradient where the derivative needs it; else z and y are the same and the op applies the
 * activation itself. */
typedef struct clade_fused {
    clade_activation inside, after; /* one of them is the layer's, the other CLADE_LINEAR */
    float alpha;
    clade_tensor z, y;
} clade_fused;

clade_fused clade_fused_start(clade_build *build, int32_t number, clade_activation activation,
                              float alpha);
/* Adds the call that takes z to y, if there is one. */
void clade_fused_finish(clade_build *build, int32_t number, const clade_fused *fused);
/* The gradient of z from that of y. */
clade_tensor clade_fused_backward(clade_build *build, int32_t number, clade_activation activation,
                                  float alpha);

#endif
