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

/* Sets Keras' name for a layer without one: the kind's, with a number from the second on. */
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
