/* Layers that act element by element or row by row: activation, softmax, dropout. */
#include "nn/layer.h"

static clade_status same_shape(const clade_graph *graph, clade_node *node)
{
    clade_tensor x = clade_node_tensor(clade_node_input(graph, node, 0), 1);
    clade_node_set_shape(node, &x);
    return CLADE_OK;
}

static void activation_forward(clade_build *build, int32_t number)
{
    const clade_activation_layer *layer = &clade_build_layer(build, number)->as.activation;
    if (layer->activation == CLADE_LINEAR || build->bare == number) {
        clade_build_view(build, number);
        return;
    }
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, activation, .x = clade_build_input(build, number, 0), .y = y,
                     .act = layer->activation,
                     .alpha = clade_activation_alpha(layer->activation, layer->alpha));
}

static void activation_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    clade_activation act = layer->as.activation.activation;
    if (act == CLADE_LINEAR || build->bare == number) {
        clade_build_pass_back(build, number, layer->input[0]);
        return;
    }
    clade_tensor x = {0}, y = {0};
    if (clade_activation_reads_x(act))
        x = clade_build_input(build, number, 0);
    else
        y = build->node[number].y;
    int32_t accumulate;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, activation_dx, .x = x, .y = y, .dy = build->node[number].dy,
                     .dx = dx, .act = act,
                     .alpha = clade_activation_alpha(act, layer->as.activation.alpha),
                     .accumulate = accumulate);
}

static void softmax_forward(clade_build *build, int32_t number)
{
    if (build->bare == number) {
        clade_build_view(build, number);
        return;
    }
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, softmax, .x = clade_build_input(build, number, 0), .y = y);
}

static void softmax_backward(clade_build *build, int32_t number)
{
    int32_t input = clade_build_layer(build, number)->input[0], accumulate;
    if (build->bare == number) {
        clade_build_pass_back(build, number, input);
        return;
    }
    clade_tensor dx = clade_build_gradient(build, input, &accumulate);
    CLADE_BUILD_CALL(build, number, softmax_dx, .y = build->node[number].y,
                     .dy = build->node[number].dy, .dx = dx, .accumulate = accumulate);
}

static bool is_random(const clade_layer *layer) { return layer->as.dropout.rate > 0; }

static bool drops(const clade_build *build, const clade_layer *layer)
{
    return build->pass == CLADE_PASS_TRAIN && !build->blueprint->watch && is_random(layer);
}

/* The layer's number in the graph that was made, of which this may be the tail. */
static uint32_t stream_of(const clade_build *build, int32_t number)
{
    return (uint32_t)(build->blueprint->graph->offset + number);
}

static void dropout_forward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    if (!drops(build, layer)) {
        clade_build_view(build, number);
        return;
    }
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, dropout, .x = clade_build_input(build, number, 0), .y = y,
                     .rate = layer->as.dropout.rate, .seed = build->blueprint->seed,
                     .stream = stream_of(build, number));
}

static void dropout_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    if (!drops(build, layer)) {
        clade_build_pass_back(build, number, layer->input[0]);
        return;
    }
    int32_t accumulate;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, dropout_dx, .dy = build->node[number].dy, .dx = dx,
                     .rate = layer->as.dropout.rate, .seed = build->blueprint->seed,
                     .stream = stream_of(build, number), .accumulate = accumulate);
}

static const clade_layer_field activation_fields[] = {
    CLADE_FIELD(clade_activation_layer, activation, FUNCTION, "function", .required = true,
                .about = "of each value; softmax makes it that layer"),
    CLADE_ALPHA_FIELD(clade_activation_layer),
    {0},
};

static const clade_layer_field dropout_fields[] = {
    CLADE_FIELD(clade_dropout_layer, rate, REAL, "rate", .range = CLADE_RANGE_RATE,
                .required = true, .about = "the share of values that are dropped"),
    {0},
};

const clade_layer_record clade_activation_record = {
    .key = "activation",
    .name = "activation",
    .type = "Activation",
    .about = "A function of each value.",
    .main = "function",
    .field = activation_fields,
    .features = true,
    .shape = same_shape,
    .forward = activation_forward,
    .backward = activation_backward,
};

const clade_layer_record clade_softmax_record = {
    .key = "softmax",
    .name = "softmax",
    .type = "Softmax",
    .about = "Probabilities, over the channels.",
    .shape = same_shape,
    .forward = softmax_forward,
    .backward = softmax_backward,
};

const clade_layer_record clade_dropout_record = {
    .key = "dropout",
    .name = "dropout",
    .type = "Dropout",
    .about = "In training, zeros in random places, and the rest scaled up.",
    .main = "rate",
    .field = dropout_fields,
    .random = is_random,
    .shape = same_shape,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
