/* Cuts a graph after its frozen part. */
#include "nn/layer.h"

#include <stdlib.h>
#include <string.h>

/* Returns whether the layer gives the same in every step, for the same inputs. */
static bool is_constant(const clade_node *node)
{
    const clade_layer_record *record = clade_layer_record_of(node->layer.kind);
    if (record->random && record->random(&node->layer)) return false;
    for (int32_t i = 0; i < node->weight_count; i++)
        if (node->weight[i].trained) return false;
    return true; /* a batchnorm layer that is not trained keeps its statistics too */
}

int32_t clade_graph_find_cut(const clade_graph *graph)
{
    int32_t constant = 0, cut = 0, weights = 0;
    while (constant + 1 < graph->count && is_constant(&graph->node[constant + 1])) constant++;
    /* the first layer that anything after layer i reads, for decreasing i */
    int32_t first = graph->count;
    for (int32_t i = graph->count - 1; i > 0 && !cut; i--) {
        if (i <= constant && i < graph->count - 1 && first >= i) cut = i;
        const clade_layer *layer = &graph->node[i].layer;
        for (int32_t k = 0; k < layer->input_count; k++)
            if (layer->input[k] < first) first = layer->input[k];
    }
    for (int32_t i = 1; i <= cut; i++) weights += graph->node[i].weight_count;
    return weights ? cut : 0;
}

clade_status clade_graph_split(const clade_graph *graph, int32_t cut, clade_graph **head,
                               clade_graph **tail)
{
    *head = *tail = NULL;
    clade_status status = clade_graph_copy(graph, head);
    if (!status) status = clade_graph_copy(graph, tail);
    if (status) {
        clade_graph_destroy(head);
        return status;
    }
    (*head)->count = cut + 1;
    clade_graph *t = *tail;
    t->count = graph->count - cut;
    t->offset = graph->offset + cut;
    memmove(t->node + 1, t->node + cut + 1, (size_t)(t->count - 1) * sizeof *t->node);
    const clade_node *last = &graph->node[cut];
    t->node[0] = (clade_node){.layer = {.kind = CLADE_LAYER_INPUT, .name = "input"},
                              .rank = last->rank,
                              .dim = {last->dim[0], last->dim[1], last->dim[2]}};
    for (int32_t i = 1; i < t->count; i++)
        for (int32_t k = 0; k < t->node[i].layer.input_count; k++) t->node[i].layer.input[k] -= cut;
    return CLADE_OK;
}
