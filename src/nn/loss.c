/* Losses: what they ask of a graph, and their calls. */
#include "nn/loss.h"
#include "nn/layer.h"

bool clade_loss_takes_activation(clade_loss loss)
{
    return loss == CLADE_LOSS_BINARY_CROSSENTROPY || loss == CLADE_LOSS_CATEGORICAL_CROSSENTROPY;
}

/* The last layer's activation as a word. */
static const char *last_activation(const clade_layer *layer)
{
    switch (layer->kind) {
    case CLADE_LAYER_SOFTMAX: return "softmax";
    case CLADE_LAYER_DENSE:
        return layer->as.dense.softmax ? "softmax"
                                       : clade_activation_name(layer->as.dense.activation);
    case CLADE_LAYER_ACTIVATION: return clade_activation_name(layer->as.activation.activation);
    case CLADE_LAYER_CONV2D:
    case CLADE_LAYER_DEPTHWISE_CONV2D: return clade_activation_name(layer->as.conv2d.activation);
    default: return "linear";
    }
}

static bool is_sigmoid(const clade_layer *layer)
{
    if (layer->kind == CLADE_LAYER_DENSE) return layer->as.dense.activation == CLADE_SIGMOID;
    return layer->kind == CLADE_LAYER_ACTIVATION &&
           layer->as.activation.activation == CLADE_SIGMOID;
}

static bool is_softmax(const clade_layer *layer)
{
    return layer->kind == CLADE_LAYER_SOFTMAX ||
           (layer->kind == CLADE_LAYER_DENSE && layer->as.dense.softmax);
}

clade_status clade_loss_check(const clade_graph *graph, clade_loss loss)
{
    const clade_node *last = &graph->node[graph->count - 1];
    const clade_layer *layer = &last->layer;
    char text[64];
    switch (loss) {
    case CLADE_LOSS_NONE: return CLADE_OK;
    case CLADE_LOSS_BINARY_CROSSENTROPY:
        if (last->rank == 1 && last->dim[0] == 1 && is_sigmoid(layer)) return CLADE_OK;
        return clade_fail(
            CLADE_EINVAL,
            "%s gives %s, %s: binary_crossentropy expects one sigmoid output as the last "
            "layer, dense: {units: 1, activation: sigmoid}",
            layer->name, clade_node_text(last, text), last_activation(layer));
    case CLADE_LOSS_CATEGORICAL_CROSSENTROPY:
        if (last->rank == 1 && last->dim[0] > 1 && is_softmax(layer)) return CLADE_OK;
        return clade_fail(
            CLADE_EINVAL,
            "%s gives %s, %s: categorical_crossentropy expects a softmax over two or more "
            "classes as the last layer, dense: {units: classes, activation: softmax}",
            layer->name, clade_node_text(last, text), last_activation(layer));
    case CLADE_LOSS_MSE:
        if (last->rank == 1) return CLADE_OK;
        return clade_fail(CLADE_EINVAL,
                          "%s gives %s: mse expects a flat output, one number per class",
                          layer->name, clade_node_text(last, text));
    }
    return clade_fail(CLADE_EINVAL, "there is no loss %d", (int)loss);
}

/* The labels as numbers, one-hot or for one output 0 and 1, smoothed: the gradient of
 * cross-entropy, dloss (y − t), at y = 0 and dloss = −1. */
static clade_tensor one_hot(clade_build *build, int32_t layer)
{
    const clade_blueprint *b = build->blueprint;
    clade_tensor zeros = clade_build_rows(build, &b->zeros), t = clade_build_like(build, &zeros);
    clade_tensor label = clade_build_rows(build, &b->label);
    clade_tensor minus_ones = clade_build_rows(build, &b->minus_ones);
    if (t.dim[1] == 1)
        CLADE_BUILD_CALL(build, layer, sigmoid_bce_dx, .y = zeros, .label = label,
                         .dloss = minus_ones, .dx = t, .smoothing = b->label_smoothing);
    else
        CLADE_BUILD_CALL(build, layer, softmax_xent_dx, .y = zeros, .label = label,
                         .dloss = minus_ones, .dx = t, .smoothing = b->label_smoothing);
    return t;
}

void clade_loss_forward(clade_build *build)
{
    const clade_blueprint *b = build->blueprint;
    int32_t last = b->graph->count - 1;
    clade_build_node *node = &build->node[last];
    clade_tensor label = clade_build_rows(build, &b->label);
    clade_tensor y = clade_build_rows(build, &b->output);
    clade_tensor loss = clade_build_rows(build, &b->losses);
    if (b->loss == CLADE_LOSS_BINARY_CROSSENTROPY) {
        CLADE_BUILD_CALL(build, last, sigmoid_bce, .x = node->y, .label = label, .y = y,
                         .loss = loss, .smoothing = b->label_smoothing);
    } else if (b->loss == CLADE_LOSS_CATEGORICAL_CROSSENTROPY) {
        CLADE_BUILD_CALL(build, last, softmax_xent, .x = node->y, .label = label, .y = y,
                         .loss = loss, .smoothing = b->label_smoothing);
    } else {
        build->target = one_hot(build, last);
        CLADE_BUILD_CALL(build, last, mse, .x = y, .target = build->target, .loss = loss);
    }
}

void clade_loss_backward(clade_build *build)
{
    const clade_blueprint *b = build->blueprint;
    int32_t last = b->graph->count - 1, accumulate;
    clade_tensor label = clade_build_rows(build, &b->label);
    clade_tensor y = clade_build_rows(build, &b->output);
    clade_tensor weight = clade_build_rows(build, &b->weight);
    clade_tensor dx = clade_build_gradient(build, last, &accumulate);
    if (b->watch) { /* that of the labelled score */
        clade_tensor score = one_hot(build, last);
        CLADE_BUILD_CALL(build, last, copy, .x = score, .y = dx);
        return;
    }
    if (b->loss == CLADE_LOSS_BINARY_CROSSENTROPY)
        CLADE_BUILD_CALL(build, last, sigmoid_bce_dx, .y = y, .label = label, .dloss = weight,
                         .dx = dx, .smoothing = b->label_smoothing);
    else if (b->loss == CLADE_LOSS_CATEGORICAL_CROSSENTROPY)
        CLADE_BUILD_CALL(build, last, softmax_xent_dx, .y = y, .label = label, .dloss = weight,
                         .dx = dx, .smoothing = b->label_smoothing);
    else
        CLADE_BUILD_CALL(build, last, mse_dx, .x = y, .target = build->target, .dloss = weight,
                         .dx = dx);
}
