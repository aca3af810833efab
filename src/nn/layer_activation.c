/* Layers that act element by element or row by row: activation, softmax, dropout. */
#include "nn/layer.h"

static clade_status same_shape(const clade_graph *graph, clade_node *node)
{
    clade_tensor x = clade_node_tensor(clade_node_input(graph, node, 0), 1);
    clade_node_set_shape(node, &x);
    return CLADE_OK;
}

static clade_status activation_shape(const clade_graph *graph, clade_node *node)
{
    const clade_activation_layer *layer = &node->layer.as.activation;
    clade_status status = clade_expect_activation(layer->activation, layer->alpha);
    return status ? status : same_shape(graph, node);
}

static clade_status dropout_shape(const clade_graph *graph, clade_node *node)
{
    float rate = node->layer.as.dropout.rate;
    if (!(rate >= 0 && rate < 1))
        return clade_fail(CLADE_EINVAL, "rate is %g, expected 0 to less than 1", (double)rate);
    return same_shape(graph, node);
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

static bool drops(const clade_build *build, const clade_layer *layer)
{
    return build->pass == CLADE_PASS_TRAIN && layer->as.dropout.rate > 0;
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

const clade_layer_rule clade_activation_rule = {
    "activation", "Activation", 1, 1, activation_shape, activation_forward, activation_backward};
const clade_layer_rule clade_softmax_rule = {"softmax",       "Softmax",       1, 1, same_shape,
                                             softmax_forward, softmax_backward};
const clade_layer_rule clade_dropout_rule = {"dropout",       "Dropout",       1, 1, dropout_shape,
                                             dropout_forward, dropout_backward};
