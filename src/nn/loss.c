/* Losses: their requirements on a graph, and their calls. */
#include "nn/loss.h"
#include "nn/layer.h"

#include <string.h>

#define ONE_OR_MORE                                                                                \
    .activation = {"sigmoid"}, .outputs = {1, 1},                                                  \
    .last = "one sigmoid output as the last layer, dense: {units: 1, activation: sigmoid}",        \
    .last_of_several = "a sigmoid output for each class as the last layer, dense: {units: "        \
                       "classes, activation: sigmoid}"
#define SOFTMAX                                                                                    \
    .activation = {"softmax", "log_softmax"}, .outputs = {2, INT32_MAX},                           \
    .last = "a softmax over two or more classes as the last layer, dense: {units: classes, "       \
            "activation: softmax}"
#define NUMBERS .outputs = {1, INT32_MAX}, .last = "a flat output, one number per class"

const clade_loss_rule clade_loss_rules[CLADE_LOSSES] = {
    [CLADE_LOSS_BINARY_CROSSENTROPY] = {.word = {"binary_crossentropy"}, ONE_OR_MORE},
    [CLADE_LOSS_CATEGORICAL_CROSSENTROPY] = {.word = {"categorical_crossentropy",
                                                      "sparse_categorical_crossentropy"},
                                             SOFTMAX},
    [CLADE_LOSS_MSE] = {.word = {"mse", "mean_squared_error"}, NUMBERS},
    [CLADE_LOSS_MAE] = {.word = {"mae", "mean_absolute_error", "l1"}, NUMBERS},
    [CLADE_LOSS_HUBER] = {.word = {"huber", "huber_loss"}, NUMBERS, .option = {"delta"}},
    [CLADE_LOSS_BINARY_FOCAL] = {.word = {"binary_focal_crossentropy"},
                                 ONE_OR_MORE,
                                 .option = {"gamma", "alpha", "apply_class_balancing"}},
    [CLADE_LOSS_CATEGORICAL_FOCAL] = {.word = {"categorical_focal_crossentropy"},
                                      SOFTMAX,
                                      .option = {"gamma", "alpha"}},
    [CLADE_LOSS_ORDINAL] =
        {
            .word = {"ordinal_crossentropy"},
            .activation = {"sigmoid"},
            .outputs = {1, INT32_MAX},
            .last = "a sigmoid output for each step from a class to the next as the last layer, "
                    "dense: {units: steps, activation: sigmoid}",
        },
};

bool clade_loss_takes_activation(clade_loss loss) { return clade_loss_rules[loss].activation[0]; }
bool clade_loss_takes_several(clade_loss loss) { return clade_loss_rules[loss].last_of_several; }
bool clade_loss_takes_numbers(clade_loss loss)
{
    return loss == CLADE_LOSS_MSE || loss == CLADE_LOSS_MAE || loss == CLADE_LOSS_HUBER;
}

clade_loss_numbers clade_loss_numbers_resolve(clade_loss loss, clade_loss_numbers n)
{
    if (n.gamma == 0) n.gamma = 2;
    if (n.alpha == 0 && loss == CLADE_LOSS_CATEGORICAL_FOCAL) n.alpha = 0.25f;
    if (n.delta == 0) n.delta = 1;
    return n;
}

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

/* Returns the labels as numbers, one-hot or for one output 0 and 1, smoothed. Computed as the
 * gradient of cross-entropy, dloss (y − t), at y = 0 and dloss = −1. */
static clade_tensor one_hot(clade_build *build, int32_t layer)
{
    const clade_blueprint *b = build->blueprint;
    clade_tensor zeros = clade_build_rows(build, &b->zeros), t = clade_build_float(build, &zeros);
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

/* Binary losses: returns whether to use the focal loss, which handles gamma and the weights of
 * labels; the latter apply in training only. */
static bool is_focal(const clade_build *build, clade_tensor *weight, clade_loss_numbers *n)
{
    const clade_blueprint *b = build->blueprint;
    const bool weighted = b->label_weights && build->pass == CLADE_PASS_TRAIN;
    *weight = weighted ? b->label_weight : (clade_tensor){0};
    *n = b->loss == CLADE_LOSS_BINARY_FOCAL ? clade_loss_numbers_resolve(b->loss, b->numbers)
                                            : (clade_loss_numbers){0};
    return weighted || b->loss == CLADE_LOSS_BINARY_FOCAL;
}

/* The weight of each loss in the total, that of float16 scaled. */
static clade_tensor shares(clade_build *build)
{
    const clade_blueprint *b = build->blueprint;
    const clade_tensor share = clade_build_rows(build, &b->weight);
    if (!clade_tensor_present(&b->loss_scale)) return share;
    const clade_tensor scaled = clade_build_float(build, &share);
    CLADE_BUILD_CALL(build, b->graph->count - 1, mul, .a = share, .b = b->loss_scale, .y = scaled);
    return scaled;
}

/* Of the losses that give their gradient with them: what they need for it. */
static void with_slope(clade_build *build, clade_tensor *share, clade_tensor *slope)
{
    int32_t accumulate;
    *share = *slope = (clade_tensor){0};
    if (build->pass != CLADE_PASS_TRAIN || build->blueprint->watch) return;
    *share = shares(build);
    *slope = clade_build_gradient(build, build->blueprint->graph->count - 1, &accumulate);
}

void clade_loss_forward(clade_build *build)
{
    const clade_blueprint *b = build->blueprint;
    int32_t last = b->graph->count - 1;
    clade_build_node *node = &build->node[last];
    clade_tensor label = clade_build_rows(build, &b->label);
    clade_tensor y = clade_build_rows(build, &b->output);
    clade_tensor loss = clade_build_rows(build, &b->losses), weight, share, slope;
    clade_loss_numbers n = clade_loss_numbers_resolve(b->loss, b->numbers);
    if (clade_loss_takes_numbers(b->loss))
        build->target = b->soft_labels && b->label_smoothing == 0 ? label : one_hot(build, last);
    switch (b->loss) {
    case CLADE_LOSS_BINARY_CROSSENTROPY:
    case CLADE_LOSS_BINARY_FOCAL:
    case CLADE_LOSS_ORDINAL:
        if (is_focal(build, &weight, &n)) {
            CLADE_BUILD_CALL(build, last, sigmoid_focal, .x = node->y, .label = label,
                             .weight = weight, .y = y, .loss = loss, .gamma = n.gamma,
                             .alpha = n.alpha, .smoothing = b->label_smoothing);
            return;
        }
        with_slope(build, &share, &slope);
        CLADE_BUILD_CALL(build, last, sigmoid_bce, .x = node->y, .label = label, .y = y,
                         .loss = loss, .share = share, .slope = slope,
                         .smoothing = b->label_smoothing);
        return;
    case CLADE_LOSS_CATEGORICAL_CROSSENTROPY:
        with_slope(build, &share, &slope);
        CLADE_BUILD_CALL(build, last, softmax_xent, .x = node->y, .label = label, .y = y,
                         .loss = loss, .share = share, .slope = slope,
                         .smoothing = b->label_smoothing);
        return;
    case CLADE_LOSS_CATEGORICAL_FOCAL:
        CLADE_BUILD_CALL(build, last, softmax_focal, .x = node->y, .label = label, .y = y,
                         .loss = loss, .gamma = n.gamma, .alpha = n.alpha,
                         .smoothing = b->label_smoothing);
        return;
    case CLADE_LOSS_MAE:
        CLADE_BUILD_CALL(build, last, mae, .x = y, .target = build->target, .loss = loss);
        return;
    case CLADE_LOSS_HUBER:
        CLADE_BUILD_CALL(build, last, huber, .x = y, .target = build->target, .loss = loss,
                         .delta = n.delta);
        return;
    default: CLADE_BUILD_CALL(build, last, mse, .x = y, .target = build->target, .loss = loss);
    }
}

void clade_loss_backward(clade_build *build)
{
    const clade_blueprint *b = build->blueprint;
    int32_t last = b->graph->count - 1, accumulate;
    clade_tensor label = clade_build_rows(build, &b->label);
    clade_tensor y = clade_build_rows(build, &b->output);
    if (clade_tensor_present(&build->node[last].dy)) return; /* the loss gave it */
    clade_tensor dloss = shares(build), weight;
    clade_tensor dx = clade_build_gradient(build, last, &accumulate);
    clade_loss_numbers n = clade_loss_numbers_resolve(b->loss, b->numbers);
    if (b->watch) { /* the gradient of the labelled score */
        clade_tensor score = one_hot(build, last);
        CLADE_BUILD_CALL(build, last, copy, .x = score, .y = dx);
        return;
    }
    switch (b->loss) {
    case CLADE_LOSS_BINARY_CROSSENTROPY:
    case CLADE_LOSS_BINARY_FOCAL:
    case CLADE_LOSS_ORDINAL:
        is_focal(build, &weight, &n);
        CLADE_BUILD_CALL(build, last, sigmoid_focal_dx, .y = y, .label = label, .weight = weight,
                         .dloss = dloss, .dx = dx, .gamma = n.gamma, .alpha = n.alpha,
                         .smoothing = b->label_smoothing);
        return;
    case CLADE_LOSS_CATEGORICAL_FOCAL:
        CLADE_BUILD_CALL(build, last, softmax_focal_dx, .y = y, .label = label, .dloss = dloss,
                         .dx = dx, .gamma = n.gamma, .alpha = n.alpha,
                         .smoothing = b->label_smoothing);
        return;
    case CLADE_LOSS_MAE:
        CLADE_BUILD_CALL(build, last, mae_dx, .x = y, .target = build->target, .dloss = dloss,
                         .dx = dx);
        return;
    case CLADE_LOSS_HUBER:
        CLADE_BUILD_CALL(build, last, huber_dx, .x = y, .target = build->target, .dloss = dloss,
                         .dx = dx, .delta = n.delta);
        return;
    default:
        CLADE_BUILD_CALL(build, last, mse_dx, .x = y, .target = build->target, .dloss = dloss,
                         .dx = dx);
    }
}
