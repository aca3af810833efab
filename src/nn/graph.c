/* Graphs: adding layers, their names, inputs and shapes. */
#include "nn/graph.h"
#include "nn/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

clade_status clade_graph_create(int32_t height, int32_t width, int32_t channels, clade_graph **out)
{
    *out = NULL;
    if (height < 1 || width < 1 || channels < 1 ||
        (int64_t)height * width > (INT64_C(1) << 31) / channels)
        return clade_fail(
            CLADE_EINVAL,
            "input: an image of %d × %d with %d channels: expected 1 or more of each and "
            "at most 2^31 values",
            height, width, channels);
    clade_graph *graph = calloc(1, sizeof *graph);
    if (graph) graph->node = calloc(16, sizeof *graph->node);
    if (!graph || !graph->node) {
        free(graph);
        return clade_fail(CLADE_ENOMEM, "out of memory for a graph");
    }
    graph->capacity = 16;
    graph->count = 1;
    graph->node[0] = (clade_node){.layer = {.kind = CLADE_LAYER_INPUT, .name = "input"},
                                  .rank = 3,
                                  .dim = {height, width, channels}};
    *out = graph;
    return CLADE_OK;
}

void clade_graph_destroy(clade_graph **handle)
{
    if (!*handle) return;
    free((*handle)->node);
    free(*handle);
    *handle = NULL;
}

clade_status clade_graph_copy(const clade_graph *graph, clade_graph **out)
{
    *out = NULL;
    clade_graph *copy = malloc(sizeof *copy);
    clade_node *node = malloc((size_t)graph->count * sizeof *node);
    if (!copy || !node) {
        free(copy);
        free(node);
        return clade_fail(CLADE_ENOMEM, "out of memory for a graph");
    }
    memcpy(node, graph->node, (size_t)graph->count * sizeof *node);
    *copy = (clade_graph){
        .node = node, .count = graph->count, .capacity = graph->count, .offset = graph->offset};
    *out = copy;
    return CLADE_OK;
}

static clade_status grow(clade_graph *graph)
{
    if (graph->count < graph->capacity) return CLADE_OK;
    int32_t capacity = 2 * graph->capacity;
    clade_node *node = realloc(graph->node, (size_t)capacity * sizeof *node);
    if (!node) return clade_fail(CLADE_ENOMEM, "out of memory for a graph of %d layers", capacity);
    graph->node = node;
    graph->capacity = capacity;
    return CLADE_OK;
}

static bool taken(const clade_graph *graph, const char *name)
{
    for (int32_t i = 0; i < graph->count; i++)
        if (!strcmp(graph->node[i].layer.name, name)) return true;
    return false;
}

/* Keras' name of a layer that has none: the kind's, with a number from the second on. */
static clade_status set_name(const clade_graph *graph, clade_layer *layer)
{
    if (!memchr(layer->name, 0, sizeof layer->name))
        return clade_fail(CLADE_EINVAL, "a layer's name has more than %d bytes",
                          CLADE_NAME_SIZE - 1);
    if (layer->name[0]) {
        if (taken(graph, layer->name))
            return clade_fail(CLADE_EINVAL, "%s: there is a layer of this name already",
                              layer->name);
        return CLADE_OK;
    }
    const char *base = clade_layer_record_of(layer->kind)->name;
    snprintf(layer->name, sizeof layer->name, "%s", base);
    for (int i = 1; taken(graph, layer->name); i++)
        snprintf(layer->name, sizeof layer->name, "%s_%d", base, i);
    return CLADE_OK;
}

static clade_status set_inputs(const clade_graph *graph, clade_layer *layer)
{
    const int32_t *inputs = clade_layer_record_of(layer->kind)->inputs;
    int32_t least = inputs[0] ? inputs[0] : 1, most = inputs[1] ? inputs[1] : 1;
    if (layer->input_count == 0) {
        layer->input_count = 1;
        layer->input[0] = graph->count - 1;
    }
    if (layer->input_count < least || layer->input_count > most)
        return clade_fail(CLADE_EINVAL, "has %d input%s, expected %d%s%.0d", layer->input_count,
                          layer->input_count == 1 ? "" : "s", least, most > least ? " to " : "",
                          most > least ? most : 0);
    for (int32_t i = 0; i < layer->input_count; i++)
        if (layer->input[i] < 0 || layer->input[i] >= graph->count)
            return clade_fail(CLADE_EINVAL, "input %d is layer %d, but there are only 0 to %d", i,
                              layer->input[i], graph->count - 1);
    return CLADE_OK;
}

clade_status clade_graph_add(clade_graph *graph, const clade_layer *layer, int32_t *number)
{
    if ((unsigned)layer->kind >= CLADE_LAYER_KINDS || layer->kind == CLADE_LAYER_INPUT)
        return clade_fail(CLADE_EINVAL, "there is no kind of layer %d to add", (int)layer->kind);
    clade_status status = grow(graph);
    if (status) return status;
    clade_node *node = &graph->node[graph->count];
    *node = (clade_node){.layer = *layer};
    status = set_name(graph, &node->layer);
    if (status) return status;
    status = set_inputs(graph, &node->layer);
    if (!status) status = clade_layer_check(&node->layer);
    if (!status) status = clade_layer_record_of(layer->kind)->shape(graph, node);
    if (status) return clade_context(status, "%s", node->layer.name);
    if (number) *number = graph->count;
    graph->count++;
    return CLADE_OK;
}

int32_t clade_graph_layers(const clade_graph *graph) { return graph->count; }

const clade_layer *clade_graph_layer(const clade_graph *graph, int32_t number)
{
    return &graph->node[number].layer;
}

int32_t clade_graph_shape(const clade_graph *graph, int32_t number, int32_t dim[3])
{
    const clade_node *node = &graph->node[number];
    for (int i = 0; i < 3; i++) dim[i] = i < node->rank ? node->dim[i] : 0;
    return node->rank;
}

void clade_graph_parameters(const clade_graph *graph, int32_t number, uint64_t *trained,
                            uint64_t *fixed)
{
    const clade_node *node = &graph->node[number];
    *trained = *fixed = 0;
    for (int32_t i = 0; i < node->weight_count; i++)
        *(node->weight[i].trained ? trained : fixed) += clade_tensor_count(&node->weight[i].shape);
}

clade_tensor clade_node_tensor(const clade_node *node, int32_t n)
{
    clade_tensor t = {.dtype = CLADE_F32, .rank = node->rank + 1, .dim = {n}};
    for (int32_t i = 0; i < node->rank; i++) t.dim[i + 1] = node->dim[i];
    return t;
}

const char *clade_node_text(const clade_node *node, char text[64])
{
    clade_tensor t = {.rank = node->rank, .dim = {node->dim[0], node->dim[1], node->dim[2]}};
    return clade_shape_text(&t, text);
}

void clade_node_set_shape(clade_node *node, const clade_tensor *y)
{
    node->rank = y->rank - 1;
    for (int32_t i = 0; i < node->rank; i++) node->dim[i] = y->dim[i + 1];
}

clade_weight *clade_node_add_weight(clade_node *node, const char *name, clade_tensor shape,
                                    clade_initializer init)
{
    clade_weight *weight = &node->weight[node->weight_count++];
    *weight = (clade_weight){.name = name,
                             .shape = shape,
                             .init = init ? init : CLADE_INIT_GLOROT_UNIFORM,
                             .trained = !node->layer.frozen};
    return weight;
}

clade_status clade_expect_image(const clade_node *input)
{
    char text[64];
    if (input->rank == 3) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "needs an image [height, width, channels], got %s",
                      clade_node_text(input, text));
}

clade_status clade_window_set_pad(clade_window *window, clade_padding padding,
                                  const int32_t given[4], const clade_node *input)
{
    for (int i = 0; i < 2; i++) {
        if (padding == CLADE_PADDING_EXPLICIT) {
            window->pad[i] = given[i];
            window->pad[i + 2] = given[i + 2];
            continue;
        }
        if (given[i] || given[i + 2])
            return clade_fail(CLADE_EINVAL, "zeros to add are given, but padding is '%s'",
                              padding == CLADE_PADDING_SAME ? "same" : "valid");
        if (padding == CLADE_PADDING_VALID) continue;
        int64_t stride = window->stride[i], size = input->dim[i];
        int64_t extent = (int64_t)window->dilation[i] * (window->size[i] - 1) + 1;
        int64_t total = ((size + stride - 1) / stride - 1) * stride + extent - size;
        if (total > INT32_MAX)
            return clade_fail(CLADE_EINVAL, "a window of %lld is too large", (long long)extent);
        if (total < 0) total = 0;
        window->pad[i] = (int32_t)(total / 2);
        window->pad[i + 2] = (int32_t)(total - total / 2);
    }
    return CLADE_OK;
}
