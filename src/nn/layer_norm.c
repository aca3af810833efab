/* Normalisation: batchnorm and lrn. */
#include "nn/layer.h"

enum { GAMMA, BETA, MEAN, VARIANCE }; /* the weights of batchnorm, in Keras' order */

static clade_status batchnorm_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    clade_tensor xt = clade_node_tensor(x, 1);
    clade_node_set_shape(node, &xt);
    clade_tensor channels = clade_shape(1, x->dim[x->rank - 1]);
    clade_node_add_weight(node, "gamma", channels, CLADE_INIT_ONES);
    clade_node_add_weight(node, "beta", channels, CLADE_INIT_ZEROS);
    clade_node_add_weight(node, "moving_mean", channels, CLADE_INIT_ZEROS)->trained = false;
    clade_node_add_weight(node, "moving_variance", channels, CLADE_INIT_ONES)->trained = false;
    return CLADE_OK;
}

/* As in Keras, a layer whose weights are not trained does not change its statistics either. */
bool clade_batchnorm_uses_batch(const clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    return build->pass == CLADE_PASS_TRAIN && !layer->frozen && !layer->as.batchnorm.frozen;
}

static clade_batchnorm_layer settings_of(const clade_build *build, int32_t number)
{
    return clade_layer_complete(clade_build_layer(build, number)).as.batchnorm;
}

static void batchnorm_forward(clade_build *build, int32_t number)
{
    const clade_batchnorm_layer settings = settings_of(build, number);
    clade_build_node *node = &build->node[number];
    const clade_parameter *w = clade_build_weight(build, number, 0);
    clade_tensor x = clade_build_input(build, number, 0), y = clade_build_output(build, number);
    node->y = y;
    if (!clade_batchnorm_uses_batch(build, number)) {
        CLADE_BUILD_CALL(build, number, batchnorm_infer, .x = x, .gamma = w[GAMMA].value,
                         .beta = w[BETA].value, .mean = w[MEAN].value, .var = w[VARIANCE].value,
                         .y = y, .eps = settings.eps);
        return;
    }
    clade_tensor mean = clade_build_like(build, &w[MEAN].value);
    clade_tensor rstd = clade_build_like(build, &w[MEAN].value);
    node->saved[0] = mean;
    node->saved[1] = rstd;
    CLADE_BUILD_CALL(build, number, batchnorm, .x = x, .gamma = w[GAMMA].value,
                     .beta = w[BETA].value, .running_mean = w[MEAN].value,
                     .running_var = w[VARIANCE].value, .y = y, .mean = mean, .rstd = rstd,
                     .eps = settings.eps, .momentum = settings.momentum, .unbiased = 1);
}

/* dx and the weights' gradients share the op's `accumulate`, but only dx may have to be added to.
 */
static void batch_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const clade_build_node *node = &build->node[number];
    const clade_parameter *w = clade_build_weight(build, number, 0);
    clade_tensor x = clade_build_input(build, number, 0), dx = {0}, target = {0};
    int32_t accumulate = 0;
    if (clade_build_needs(build, layer->input[0]))
        target = clade_build_gradient(build, layer->input[0], &accumulate);
    dx = clade_tensor_present(&target) && !accumulate ? target : clade_build_like(build, &x);
    CLADE_BUILD_CALL(build, number, batchnorm_dx, .x = x, .dy = node->dy, .gamma = w[GAMMA].value,
                     .mean = node->saved[0], .rstd = node->saved[1], .dx = dx,
                     .dgamma = w[GAMMA].gradient, .dbeta = w[BETA].gradient);
    if (accumulate) CLADE_BUILD_CALL(build, number, copy, .x = dx, .y = target, .accumulate = 1);
}

static void fixed_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const clade_parameter *w = clade_build_weight(build, number, 0);
    clade_batchnorm_infer_dx_args args = {.x = clade_build_input(build, number, 0),
                                          .dy = build->node[number].dy,
                                          .gamma = w[GAMMA].value,
                                          .mean = w[MEAN].value,
                                          .var = w[VARIANCE].value,
                                          .dgamma = w[GAMMA].gradient,
                                          .dbeta = w[BETA].gradient,
                                          .eps = settings_of(build, number).eps};
    clade_tensor dx = {0};
    int32_t accumulate = 0;
    if (clade_build_needs(build, layer->input[0]))
        dx = clade_build_gradient(build, layer->input[0], &accumulate);
    bool weights = clade_tensor_present(&args.dgamma);
    if (!accumulate) args.dx = dx;
    if (weights || !accumulate)
        clade_build_add(build, number, CLADE_OP_batchnorm_infer_dx,
                        &(clade_args){.batchnorm_infer_dx = args});
    if (!accumulate) return;
    args.dx = dx;
    args.dgamma = args.dbeta = (clade_tensor){0};
    args.accumulate = 1;
    clade_build_add(build, number, CLADE_OP_batchnorm_infer_dx,
                    &(clade_args){.batchnorm_infer_dx = args});
}

static void batchnorm_backward(clade_build *build, int32_t number)
{
    if (clade_batchnorm_uses_batch(build, number))
        batch_backward(build, number);
    else
        fixed_backward(build, number);
}

static clade_status lrn_shape(const clade_graph *graph, clade_node *node)
{
    clade_tensor x = clade_node_tensor(clade_node_input(graph, node, 0), 1);
    clade_lrn_layer lrn = clade_layer_complete(&node->layer).as.lrn;
    clade_args args = {
        .lrn = {.x = x, .size = lrn.size, .k = lrn.k, .alpha = lrn.alpha, .beta = lrn.beta}};
    clade_node_set_shape(node, &x);
    return clade_op_shape(CLADE_OP_lrn, &args);
}

static void lrn_forward(clade_build *build, int32_t number)
{
    clade_lrn_layer lrn = clade_layer_complete(clade_build_layer(build, number)).as.lrn;
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, lrn, .x = clade_build_input(build, number, 0), .y = y,
                     .size = lrn.size, .k = lrn.k, .alpha = lrn.alpha, .beta = lrn.beta);
}

static void lrn_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    clade_lrn_layer lrn = clade_layer_complete(layer).as.lrn;
    int32_t accumulate;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, lrn_dx, .x = clade_build_input(build, number, 0),
                     .dy = build->node[number].dy, .dx = dx, .size = lrn.size, .k = lrn.k,
                     .alpha = lrn.alpha, .beta = lrn.beta, .accumulate = accumulate);
}

static const clade_layer_field batchnorm_fields[] = {
    CLADE_FIELD(clade_batchnorm_layer, momentum, REAL, "momentum", .range = CLADE_RANGE_RATE,
                .standard = 0.99F, .about = "how much of the running statistics stays in a step"),
    CLADE_FIELD(clade_batchnorm_layer, eps, REAL, "eps", .alias = "epsilon",
                .range = CLADE_RANGE_POSITIVE, .standard = 0.001F,
                .about = "added to the variance"),
    CLADE_FIELD(clade_batchnorm_layer, frozen, ON, "frozen",
                .about = "always use the running statistics, and never change them"),
    {0},
};

/* ONNX's defaults, and 5 channels. */
static const clade_layer_field lrn_fields[] = {
    CLADE_FIELD(clade_lrn_layer, size, INT, "size", .standard = 5,
                .about = "channels whose squares are summed"),
    CLADE_FIELD(clade_lrn_layer, k, REAL, "k", .range = CLADE_RANGE_POSITIVE, .standard = 1,
                .about = "what the sum is added to"),
    CLADE_FIELD(clade_lrn_layer, alpha, REAL, "alpha", .standard = 1e-4F,
                .about = "the sum's factor"),
    CLADE_FIELD(clade_lrn_layer, beta, REAL, "beta", .standard = 0.75F,
                .about = "the power of all that, by which values are divided"),
    {0},
};

const clade_layer_record clade_batchnorm_record = {
    .key = "batchnorm",
    .name = "batch_normalization",
    .alias = "batchnormalization",
    .type = "BatchNormalization",
    .about = "Batch normalisation of each channel.",
    .field = batchnorm_fields,
    .features = true,
    .shape = batchnorm_shape,
    .forward = batchnorm_forward,
    .backward = batchnorm_backward,
};

const clade_layer_record clade_lrn_record = {
    .key = "lrn",
    .name = "lrn",
    .type = "LRN",
    .about = "Local response normalisation across neighbouring channels.",
    .main = "size",
    .field = lrn_fields,
    .shape = lrn_shape,
    .forward = lrn_forward,
    .backward = lrn_backward,
};
