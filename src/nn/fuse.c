/* Layer fusion. A convolution, linear or with relu, and max pooling over 2 x 2 windows become one
 * op, also with relu as a layer in between. In passes without gradients, a linear convolution,
 * batch normalisation with given statistics, an addition and an activation become one op, and so do
 * a linear convolution and an activation. No other layer may read the output of these layers,
 * except that of the last. */
#include "nn/fuse.h"
#include "nn/layer.h"

/* Returns the layer that reads layer `number`, if there is only one and it reads it once; else
 * 0. */
static int32_t only_reader(const clade_graph *graph, int32_t number)
{
    int32_t reader = 0, reads = 0;
    for (int32_t i = number + 1; i < graph->count; i++)
        for (int32_t k = 0; k < graph->node[i].layer.input_count; k++) {
            if (graph->node[i].layer.input[k] != number) continue;
            reader = i;
            reads++;
        }
    return reads == 1 ? reader : 0;
}

static bool is_relu(const clade_layer *layer)
{
    return layer->kind == CLADE_LAYER_ACTIVATION && layer->as.activation.activation == CLADE_RELU;
}

/* Returns whether windows are 2 x 2, side by side, and inside the image. */
static bool is_two_by_two(const clade_graph *graph, int32_t number)
{
    const clade_node *node = &graph->node[number];
    if (node->layer.kind != CLADE_LAYER_MAXPOOL2D) return false;
    clade_window v = clade_pool_window(graph, node);
    const int32_t *x = clade_node_input(graph, node, 0)->dim, *y = node->dim;
    for (int i = 0; i < 2; i++) {
        if (v.size[i] != 2 || v.stride[i] != 2) return false;
        if (v.pad[i] || v.pad[i + 2] || y[i] != x[i] / 2) return false;
    }
    return true;
}

static bool find_pool(const clade_build *build, int32_t conv, clade_fusion *out)
{
    const clade_graph *graph = build->blueprint->graph;
    clade_activation act = graph->node[conv].layer.as.conv2d.activation;
    int32_t reader = only_reader(graph, conv), relu = 0;
    if (!build->blueprint->pools || graph->node[conv].layer.kind != CLADE_LAYER_CONV2D ||
        (act != CLADE_LINEAR && act != CLADE_RELU))
        return false;
    if (reader && act == CLADE_LINEAR && is_relu(&graph->node[reader].layer)) {
        relu = reader;
        reader = only_reader(graph, reader);
    }
    if (!reader || !is_two_by_two(graph, reader)) return false;
    *out = (clade_fusion){.activation = relu, .pool = reader, .last = reader};
    return true;
}

/* Returns the layer after `number` if it is of this kind and can be fused: no gradient passes, and
 * no other convolution has it; else 0. */
static int32_t next_of_kind(const clade_build *build, int32_t number, clade_layer_kind kind)
{
    const clade_graph *graph = build->blueprint->graph;
    int32_t next = only_reader(graph, number);
    bool fits = next && graph->node[next].layer.kind == kind && next != build->bare &&
                !clade_build_needs(build, next) && !build->node[next].absorbed;
    return fits ? next : 0;
}

/* Returns whether layer `add` adds two tensors of the same shape. */
static bool adds_two(const clade_graph *graph, int32_t add)
{
    const clade_node *node = &graph->node[add];
    if (node->layer.input_count != 2) return false;
    for (int32_t i = 0; i < 2; i++) {
        const clade_node *x = clade_node_input(graph, node, i);
        if (x->rank != node->rank) return false;
        for (int32_t d = 0; d < x->rank; d++)
            if (x->dim[d] != node->dim[d]) return false;
    }
    return true;
}

static void find_chain(const clade_build *build, int32_t conv, clade_fusion *f)
{
    const clade_graph *graph = build->blueprint->graph;
    if (graph->node[conv].layer.as.conv2d.activation != CLADE_LINEAR) return;
    int32_t norm = next_of_kind(build, conv, CLADE_LAYER_BATCHNORM);
    if (norm && build->blueprint->norms && !clade_batchnorm_uses_batch(build, norm))
        f->last = f->norm = norm;
    int32_t add = f->norm ? next_of_kind(build, norm, CLADE_LAYER_ADD) : 0;
    if (add && adds_two(graph, add)) f->last = f->add = add;
    int32_t act = next_of_kind(build, f->last, CLADE_LAYER_ACTIVATION);
    if (act) f->last = f->activation = act;
}

static bool is_convolution(const clade_layer *layer)
{
    return layer->kind == CLADE_LAYER_CONV2D || layer->kind == CLADE_LAYER_DEPTHWISE_CONV2D;
}

void clade_fuse(clade_build *build)
{
    const clade_graph *graph = build->blueprint->graph;
    for (int32_t i = 1; i < graph->count; i++) build->node[i].runs = i;
    for (int32_t i = 1; i < graph->count; i++) {
        clade_fusion *f = &build->node[i].fused;
        f->last = i;
        if (build->blueprint->tapped || !is_convolution(&graph->node[i].layer)) continue;
        if (!find_pool(build, i, f)) find_chain(build, i, f);
        const int32_t taken[] = {f->norm, f->add, f->activation, f->pool};
        build->node[i].runs = 0;
        for (size_t k = 0; k < sizeof taken / sizeof *taken; k++) {
            if (!taken[k]) continue;
            build->node[taken[k]].absorbed = true;
            build->node[taken[k]].runs = 0;
        }
        build->node[f->last].runs = i;
    }
}

clade_activation clade_fuse_activation(const clade_build *build, int32_t conv, float *alpha)
{
    int32_t number = build->node[conv].fused.activation;
    if (number) {
        const clade_activation_layer *layer = &clade_build_layer(build, number)->as.activation;
        *alpha = layer->alpha;
        return layer->activation;
    }
    const clade_conv2d_layer *layer = &clade_build_layer(build, conv)->as.conv2d;
    *alpha = layer->alpha;
    return layer->activation;
}
