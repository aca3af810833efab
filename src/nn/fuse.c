/* Fusing layers: a convolution, relu and a maximum over 2 x 2 windows are one op. */
#include "nn/fuse.h"

/* The only layer that reads layer `number`, or -1. */
static int32_t only_reader(const clade_graph *graph, int32_t number)
{
    int32_t reader = -1, reads = 0;
    for (int32_t i = number + 1; i < graph->count; i++)
        for (int32_t k = 0; k < graph->node[i].layer.input_count; k++) {
            if (graph->node[i].layer.input[k] != number) continue;
            reader = i;
            reads++;
        }
    return reads == 1 ? reader : -1;
}

static bool is_relu(const clade_layer *layer)
{
    return layer->kind == CLADE_LAYER_ACTIVATION && layer->as.activation.activation == CLADE_RELU;
}

/* 2 x 2 windows side by side, none of which reaches over an edge. */
static bool is_two_by_two(const clade_graph *graph, int32_t number)
{
    const clade_layer *layer = &graph->node[number].layer;
    if (layer->kind != CLADE_LAYER_MAXPOOL2D) return false;
    const clade_pool2d_layer *pool = &layer->as.pool2d;
    const int32_t *x = graph->node[layer->input[0]].dim, *y = graph->node[number].dim;
    for (int i = 0; i < 2; i++) {
        if (pool->window[i] != 2 || (pool->stride[i] && pool->stride[i] != 2)) return false;
        if (pool->pad[i] || pool->pad[i + 2] || y[i] != x[i] / 2) return false;
    }
    return true;
}

/* The pool that the ops of convolution `number` may go up to, and the relu on the way or -1; the
 * convolution itself where there is none. */
static int32_t find_pool(const clade_graph *graph, int32_t number, int32_t *relu)
{
    const clade_layer *layer = &graph->node[number].layer;
    clade_activation act = layer->as.conv2d.activation;
    int32_t reader = only_reader(graph, number);
    *relu = -1;
    if (act != CLADE_LINEAR && act != CLADE_RELU) return number;
    if (reader >= 0 && act == CLADE_LINEAR && is_relu(&graph->node[reader].layer)) {
        *relu = reader;
        reader = only_reader(graph, reader);
    }
    return reader >= 0 && is_two_by_two(graph, reader) ? reader : number;
}

void clade_fuse_pools(clade_build *build)
{
    const clade_graph *graph = build->blueprint->graph;
    for (int32_t i = 1; i < graph->count; i++) {
        clade_layer_kind kind = graph->node[i].layer.kind;
        int32_t relu = -1, pool = i;
        if (build->blueprint->pools && kind == CLADE_LAYER_CONV2D)
            pool = find_pool(graph, i, &relu);
        build->node[i].pool = pool;
        if (pool == i) continue;
        build->node[pool].absorbed = true;
        if (relu >= 0) build->node[relu].absorbed = true;
    }
}

clade_activation clade_fuse_activation(const clade_build *build, int32_t conv)
{
    const clade_layer *layer = clade_build_layer(build, conv);
    bool direct = clade_build_layer(build, build->node[conv].pool)->input[0] == conv;
    return direct ? layer->as.conv2d.activation : CLADE_RELU;
}
