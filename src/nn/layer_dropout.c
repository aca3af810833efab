/* Layers that drop something in training: dropout drops values, stochastic_depth images. */
#include "nn/layer.h"

static clade_status same_shape(const clade_graph *graph, clade_node *node)
{
    clade_tensor x = clade_node_tensor(clade_node_input(graph, node, 0), 1);
    clade_node_set_shape(node, &x);
    return CLADE_OK;
}

static bool is_random(const clade_layer *layer) { return layer->as.dropout.rate > 0; }

static bool drops(const clade_build *build, const clade_layer *layer)
{
    return build->pass == CLADE_PASS_TRAIN && !build->blueprint->watch && is_random(layer);
}

/* Returns the layer's number in the original graph, of which this may be the tail. */
static uint32_t stream_of(const clade_build *build, int32_t number)
{
    return (uint32_t)(build->blueprint->graph->offset + number);
}

static void forward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    if (!drops(build, layer)) {
        clade_build_view(build, number);
        return;
    }
    build->node[number].y = clade_build_output(build, number);
    CLADE_BUILD_CALL(build, number, dropout, .x = clade_build_input(build, number, 0),
                     .y = build->node[number].y, .rate = layer->as.dropout.rate,
                     .rows = layer->kind == CLADE_LAYER_STOCHASTIC_DEPTH,
                     .seed = build->blueprint->seed, .stream = stream_of(build, number));
}

static void backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    int32_t accumulate;
    if (!drops(build, layer)) {
        clade_build_pass_back(build, number, layer->input[0]);
        return;
    }
    const clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, dropout_dx, .dy = build->node[number].dy, .dx = dx,
                     .rate = layer->as.dropout.rate,
                     .rows = layer->kind == CLADE_LAYER_STOCHASTIC_DEPTH,
                     .seed = build->blueprint->seed, .stream = stream_of(build, number),
                     .accumulate = accumulate);
}

static const clade_layer_field dropout_fields[] = {
    CLADE_FIELD(clade_dropout_layer, rate, REAL, "rate", .range = CLADE_RANGE_RATE,
                .required = true, .about = "the share of values to drop"),
    {0},
};

static const clade_layer_field stochastic_depth_fields[] = {
    CLADE_FIELD(clade_dropout_layer, rate, REAL, "rate", .range = CLADE_RANGE_RATE,
                .required = true, .about = "the share of images to set to 0"),
    {0},
};

const clade_layer_record clade_dropout_record = {
    .key = "dropout",
    .name = "dropout",
    .type = "Dropout",
    .about = "In training, sets random values to 0 and scales up the rest.",
    .main = "rate",
    .field = dropout_fields,
    .random = is_random,
    .shape = same_shape,
    .forward = forward,
    .backward = backward,
};

const clade_layer_record clade_stochastic_depth_record = {
    .key = "stochastic_depth",
    .name = "stochastic_depth",
    .type = "StochasticDepth",
    .about = "In training, sets all values of random images to 0 and scales up the others; before "
             "an add, this skips a branch.",
    .main = "rate",
    .field = stochastic_depth_fields,
    .random = is_random,
    .shape = same_shape,
    .forward = forward,
    .backward = backward,
};
