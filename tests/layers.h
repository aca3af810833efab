/* A layer of each kind with every setting away from its default; two where some exclude each other.
 * Settings are listed by place: clang says where a new one is missing. */
#ifndef CLADE_TEST_LAYERS_H
#define CLADE_TEST_LAYERS_H

#include <clade/model.h>

#include <stdio.h>

static const clade_layer layer_samples[] = {
    {.kind = CLADE_LAYER_CONV2D,
     .as.conv2d = {6,
                   {3, 2},
                   {2, 3},
                   {2, 4},
                   2,
                   {1, 0, 2, 1},
                   CLADE_PADDING_EXPLICIT,
                   CLADE_LEAKY_RELU,
                   0.2F,
                   true,
                   CLADE_INIT_HE_NORMAL,
                   0.25F}},
    {.kind = CLADE_LAYER_DEPTHWISE_CONV2D, /* which has no groups and, with `same`, no sides */
     .as.conv2d = {2,
                   {3, 2},
                   {2, 3},
                   {2, 4},
                   0,
                   {0},
                   CLADE_PADDING_SAME,
                   CLADE_GELU,
                   0.2F,
                   true,
                   CLADE_INIT_ONES,
                   0.25F}},
    {.kind = CLADE_LAYER_DENSE,
     .as.dense = {3, CLADE_LEAKY_RELU, 0.2F, false, true, CLADE_INIT_LECUN_UNIFORM, 0.5F}},
    {.kind = CLADE_LAYER_DENSE,
     .as.dense = {5, CLADE_LINEAR, 0.2F, true, true, CLADE_INIT_LECUN_NORMAL, 0.5F}},
    {.kind = CLADE_LAYER_MAXPOOL2D, /* which has no count_pad */
     .as.pool2d = {{3, 4}, {1, 2}, {1, 0, 2, 1}, CLADE_PADDING_EXPLICIT, false}},
    {.kind = CLADE_LAYER_AVGPOOL2D,
     .as.pool2d = {{3, 4}, {1, 2}, {1, 0, 2, 1}, CLADE_PADDING_EXPLICIT, true}},
    {.kind = CLADE_LAYER_GLOBAL_AVGPOOL2D},
    {.kind = CLADE_LAYER_GLOBAL_MAXPOOL2D},
    {.kind = CLADE_LAYER_UPSAMPLE2D, .as.upsample2d = {{2, 3}, CLADE_BILINEAR, true}},
    {.kind = CLADE_LAYER_BATCHNORM, .as.batchnorm = {0.5F, 0.125F, true, true}},
    {.kind = CLADE_LAYER_GROUP_NORM, .as.group_norm = {2, 0.125F}},
    {.kind = CLADE_LAYER_GROUP_NORM, .as.group_norm = {-1, 0.125F}},
    {.kind = CLADE_LAYER_LAYER_NORM, .as.layer_norm = {1, {3}, 0.125F}},
    {.kind = CLADE_LAYER_LAYER_NORM, .as.layer_norm = {3, {1, 2, 3}, 0.125F}},
    {.kind = CLADE_LAYER_ACTIVATION, .as.activation = {CLADE_LEAKY_RELU, 0.2F}},
    {.kind = CLADE_LAYER_ACTIVATION, .as.activation = {CLADE_ELU, 0.5F}},
    {.kind = CLADE_LAYER_ACTIVATION, .as.activation = {CLADE_SOFTPLUS, 0}},
    {.kind = CLADE_LAYER_ACTIVATION, .as.activation = {CLADE_MISH, 0}},
    {.kind = CLADE_LAYER_PRELU, .as.prelu = {2, {1, 2}, 1}}, /* not bent where it begins */
    {.kind = CLADE_LAYER_SOFTMAX},
    {.kind = CLADE_LAYER_LOG_SOFTMAX},
    {.kind = CLADE_LAYER_DROPOUT, .as.dropout = {0.25F}},
    {.kind = CLADE_LAYER_STOCHASTIC_DEPTH, .as.dropout = {0.25F}},
    {.kind = CLADE_LAYER_LAYER_SCALE, .as.layer_scale = {0.5F}},
    {.kind = CLADE_LAYER_ATTENTION, .as.attention = {2}},
    {.kind = CLADE_LAYER_CLASS_TOKEN},
    {.kind = CLADE_LAYER_POSITION_EMBEDDING},
    {.kind = CLADE_LAYER_FLATTEN},
    {.kind = CLADE_LAYER_RESHAPE, .as.reshape = {2, {-1, 24}}},
    {.kind = CLADE_LAYER_ADD, .input_count = 2},
    {.kind = CLADE_LAYER_MULTIPLY, .input_count = 3},
    {.kind = CLADE_LAYER_CONCAT, .input_count = 2},
    {.kind = CLADE_LAYER_SPLIT, .as.split = {1, 2}},
    {.kind = CLADE_LAYER_ZERO_PADDING2D, .as.pad2d = {{1, 0, 2, 3}}},
    {.kind = CLADE_LAYER_LRN, .as.lrn = {3, 2, 0.5F, 0.25F}},
};
enum { LAYER_SAMPLES = sizeof layer_samples / sizeof *layer_samples };

/* Adds the layer, named "sample"; all its inputs are `input`, or a flatten of it, or places of 6
 * channels, where it needs that. */
static inline clade_status layer_add(clade_graph *graph, const clade_layer *sample, int32_t input)
{
    clade_layer layer = *sample;
    const clade_layer flatten = {.kind = CLADE_LAYER_FLATTEN, .input_count = 1, .input = {input}};
    clade_layer places = {.kind = CLADE_LAYER_RESHAPE, .input_count = 1, .input = {input}};
    clade_status status = CLADE_OK;
    places.as.reshape = (clade_reshape_layer){2, {-1, 6}};
    if (layer.kind == CLADE_LAYER_ATTENTION) status = clade_graph_add(graph, &places, &input);
    if (layer.kind == CLADE_LAYER_DENSE) status = clade_graph_add(graph, &flatten, &input);
    if (!layer.input_count) layer.input_count = 1;
    for (int32_t i = 0; i < layer.input_count; i++) layer.input[i] = input;
    snprintf(layer.name, sizeof layer.name, "sample");
    return status ? status : clade_graph_add(graph, &layer, NULL);
}

/* A graph that ends with the layer and begins with an image [12, 12, 4]. */
static inline clade_status layer_graph(const clade_layer *sample, clade_graph **out)
{
    clade_status status = clade_graph_create(12, 12, 4, out);
    return status ? status : layer_add(*out, sample, 0);
}

#endif
