/* Losses: what they ask of a graph, and their calls. */
#include "nn/loss.h"
#include "nn/layer.h"

#include <string.h>

const clade_loss_rule clade_loss_rules[CLADE_LOSSES] = {
    [CLADE_LOSS_BINARY_CROSSENTROPY] =
        {
            .word = {"binary_crossentropy"},
            .activation = {"sigmoid"},
            .outputs = {1, 1},
            .last = "one sigmoid output as the last layer, dense: {units: 1, activation: sigmoid}",
            .last_of_several = "a sigmoid output for each class as the last layer, dense: {units: "
                               "classes, activation: sigmoid}",
        },
    [CLADE_LOSS_CATEGORICAL_CROSSENTROPY] =
        {
            .word = {"categorical_crossentropy", "sparse_categorical_crossentropy"},
            .activation = {"softmax", "log_softmax"},
            .outputs = {2, INT32_MAX},
            .last = "a softmax over two or more classes as the last layer, dense: {units: "
                    "classes, activation: softmax}",
        },
    [CLADE_LOSS_MSE] =
        {
            .word = {"mse", "mean_squared_error"},
            .outputs = {1, INT32_MAX},
            .last = "a flat output, one number per class",
        },
};

bool clade_loss_takes_activation(clade_loss loss) { return clade_loss_rules[loss].activation[0]; }

clade_status clade_loss_check(const clade_graph *graph, clade_loss loss, bool several)
{
    if ((unsigned)loss >= CLADE_LOSSES)
        return clade_fail(CLADE_EINVAL, "there is no loss %d", (int)loss);
    if (loss == CLADE_LOSS_NONE) return CLADE_OK;
    const clade_loss_rule *rule = &clade_loss_rules[loss];
    const clade_node *last = &graph->node[graph->count - 1];
    const char *activation = clade_layer_last_activation(&last->layer);
    if (several && !rule->last_of_several)
        return clade_fail(
            CLADE_EINVAL,
            "%s is for one class of each image, data.task: multi_label for any number "
            "of them: expected loss: binary_crossentropy and %s",
            rule->word[0], clade_loss_rules[CLADE_LOSS_BINARY_CROSSENTROPY].last_of_several);
    bool counts = last->rank == 1 && last->dim[0] >= rule->outputs[0] &&
                  (several || last->dim[0] <= rule->outputs[1]);
    bool right = !rule->activation[0];
    for (int i = 0; i < 2; i++)
        right = right || (rule->activation[i] && !strcmp(activation, rule->activation[i]));
    if (counts && right) return CLADE_OK;
    char text[64];
    return clade_fail(CLADE_EINVAL, "%s gives %s, %s: %s expects %s", last->layer.name,
                      clade_node_text(last, text), activation, rule->word[0],
                      several ? rule->last_of_several : rule->last);
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
