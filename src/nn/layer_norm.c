/* Normalisation: batchnorm, group_norm, layer_norm and lrn. */
#include "nn/layer.h"

#include <string.h>

/* Weights in Keras' order: the first two for all layers but lrn, all for batchnorm. */
enum { GAMMA, BETA, MEAN, VARIANCE };

static clade_status batchnorm_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    clade_tensor xt = clade_node_tensor(x, 1);
    clade_node_set_shape(node, &xt);
    clade_tensor channels = clade_shape(1, x->dim[x->rank - 1]);
    clade_weight *gamma = clade_node_add_weight(node, "gamma", channels, CLADE_INIT_ONES);
    if (node->layer.as.batchnorm.no_scale) gamma->trained = false;
    clade_node_add_weight(node, "beta", channels, CLADE_INIT_ZEROS);
    clade_node_add_weight(node, "moving_mean", channels, CLADE_INIT_ZEROS)->trained = false;
    clade_node_add_weight(node, "moving_variance", channels, CLADE_INIT_ONES)->trained = false;
    return CLADE_OK;
}

/* As in Keras, a layer whose weights are not trained does not update its statistics either. */
bool clade_batchnorm_uses_batch(const clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    return build->pass == CLADE_PASS_TRAIN && !layer->frozen && !layer->as.batchnorm.frozen;
}

static clade_batchnorm_layer settings_of(const clade_build *build, int32_t number)
{
    return clade_layer_complete(clade_build_layer(build, number)).as.batchnorm;
}

/* Adds the sums for `running`, and returns the value that receives the mean over all models'
 * sums. */
static clade_tensor add_sum(clade_build *build, int32_t number, const clade_tensor *running,
                            clade_sync_kind kind, clade_tensor mean)
{
    const clade_tensor x = clade_build_input(build, number, 0);
    clade_sync sync = {.kind = kind,
                       .sums = clade_build_float(build, running),
                       .means = clade_build_float(build, running),
                       .running = *running,
                       .momentum = settings_of(build, number).momentum};
    sync.rows = (int64_t)(clade_tensor_count(&x) / clade_tensor_count(running)) / build->n;
    CLADE_BUILD_CALL(build, number, batchnorm_sum, .x = x, .mean = mean, .sum = sync.sums);
    clade_build_sync(build, &sync);
    return sync.means;
}

static void synced_forward(clade_build *build, int32_t number)
{
    clade_build_node *node = &build->node[number];
    const clade_parameter *w = clade_build_weight(build, number, 0);
    clade_tensor mean = add_sum(build, number, &w[MEAN].value, CLADE_SYNC_MEAN, (clade_tensor){0});
    clade_tensor var = add_sum(build, number, &w[VARIANCE].value, CLADE_SYNC_VARIANCE, mean);
    node->saved[0] = mean;
    node->saved[1] = var;
    CLADE_BUILD_CALL(build, number, batchnorm_infer, .x = clade_build_input(build, number, 0),
                     .gamma = w[GAMMA].value, .beta = w[BETA].value, .mean = mean, .var = var,
                     .y = node->y, .eps = settings_of(build, number).eps);
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
    if (build->blueprint->synced) {
        synced_forward(build, number);
        return;
    }
    clade_tensor mean = clade_build_float(build, &w[MEAN].value);
    clade_tensor rstd = clade_build_float(build, &w[MEAN].value);
    node->saved[0] = mean;
    node->saved[1] = rstd;
    CLADE_BUILD_CALL(build, number, batchnorm, .x = x, .gamma = w[GAMMA].value,
                     .beta = w[BETA].value, .running_mean = w[MEAN].value,
                     .running_var = w[VARIANCE].value, .y = y, .mean = mean, .rstd = rstd,
                     .eps = settings.eps, .momentum = settings.momentum, .unbiased = 1);
}

/* dx and the weights' gradients share an op's `accumulate`, but only dx may have to accumulate. In
 * that case dx is a separate value first, and `sum` the gradient that it is added to. Absent if the
 * input needs no gradient. */
static clade_tensor start_dx(clade_build *build, int32_t number, clade_tensor *sum)
{
    const clade_layer *layer = clade_build_layer(build, number);
    int32_t accumulate;
    *sum = (clade_tensor){0};
    if (!clade_build_needs(build, layer->input[0])) return *sum;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    if (!accumulate) return dx;
    *sum = dx;
    return clade_build_like(build, &dx);
}

static void finish_dx(clade_build *build, int32_t number, clade_tensor dx, clade_tensor sum)
{
    if (clade_tensor_present(&sum))
        CLADE_BUILD_CALL(build, number, copy, .x = dx, .y = sum, .accumulate = 1);
}

/* Returns the gradient of gamma; if only gamma is not trained, a value that nothing reads. */
static clade_tensor gamma_gradient(clade_build *build, const clade_parameter *w)
{
    const bool unread =
        clade_tensor_present(&w[BETA].gradient) && !clade_tensor_present(&w[GAMMA].gradient);
    return unread ? clade_build_float(build, &w[GAMMA].value) : w[GAMMA].gradient;
}

static void batch_backward(clade_build *build, int32_t number)
{
    const clade_build_node *node = &build->node[number];
    const clade_parameter *w = clade_build_weight(build, number, 0);
    clade_tensor x = clade_build_input(build, number, 0), sum, dx = start_dx(build, number, &sum);
    const clade_tensor dgamma = gamma_gradient(build, w);
    if (!clade_tensor_present(&dx)) dx = clade_build_like(build, &x);
    CLADE_BUILD_CALL(build, number, batchnorm_dx, .x = x, .dy = node->dy, .gamma = w[GAMMA].value,
                     .mean = node->saved[0], .rstd = node->saved[1], .dx = dx, .dgamma = dgamma,
                     .dbeta = w[BETA].gradient);
    finish_dx(build, number, dx, sum);
}

/* Returns the gradients of gamma and beta as [2, c]: if both are trained they are contiguous. */
static clade_tensor join_gradients(clade_build *build, int32_t number, const clade_tensor *dgamma,
                                   const clade_tensor *dbeta, const clade_tensor *two)
{
    clade_tensor joined = *dgamma;
    if (dgamma->buffer == dbeta->buffer) {
        joined.rank = 2;
        memcpy(joined.dim, two->dim, sizeof two->dim);
        return joined;
    }
    joined = clade_build_float(build, two);
    for (int32_t i = 0; i < 2; i++) {
        clade_tensor row = i ? *dbeta : *dgamma;
        row.rank = 2;
        row.dim[1] = row.dim[0];
        row.dim[0] = 1;
        CLADE_BUILD_CALL(build, number, concat, .x = row, .y = joined, .axis = 0, .start = i);
    }
    return joined;
}

static void synced_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const clade_build_node *node = &build->node[number];
    const clade_parameter *w = clade_build_weight(build, number, 0);
    const clade_tensor x = clade_build_input(build, number, 0);
    const clade_tensor mean = node->saved[0], var = node->saved[1];
    const clade_tensor dgamma = gamma_gradient(build, w), dbeta = w[BETA].gradient;
    const float eps = settings_of(build, number).eps;
    int32_t accumulate;
    CLADE_BUILD_CALL(build, number, batchnorm_infer_dx, .x = x, .dy = node->dy,
                     .gamma = w[GAMMA].value, .mean = mean, .var = var, .dgamma = dgamma,
                     .dbeta = dbeta, .eps = eps);
    if (!clade_build_needs(build, layer->input[0])) return;
    const clade_tensor two = clade_shape(2, 2, w[GAMMA].value.dim[0]);
    clade_sync sync = {.kind = CLADE_SYNC_GRADIENT,
                       .sums = join_gradients(build, number, &dgamma, &dbeta, &two),
                       .means = clade_build_float(build, &two)};
    sync.rows = (int64_t)(clade_tensor_count(&x) * 2 / clade_tensor_count(&two)) / build->n;
    clade_build_sync(build, &sync);
    const clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, batchnorm_sync_dx, .x = x, .dy = node->dy,
                     .gamma = w[GAMMA].value, .mean = mean, .var = var, .means = sync.means,
                     .dx = dx, .eps = eps, .accumulate = accumulate);
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
                                          .dgamma = gamma_gradient(build, w),
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
    if (!clade_batchnorm_uses_batch(build, number))
        fixed_backward(build, number);
    else if (build->blueprint->synced)
        synced_backward(build, number);
    else
        batch_backward(build, number);
}

/* ---- group_norm ---- */

/* Returns the layer's settings, with the number of groups for an input of c channels. */
static clade_group_norm_layer group_settings(const clade_layer *layer, int32_t c)
{
    clade_group_norm_layer settings = clade_layer_complete(layer).as.group_norm;
    if (settings.groups == -1) settings.groups = c;
    return settings;
}

static clade_status group_norm_shape(const clade_graph *graph, clade_node *node)
{
    const clade_tensor x = clade_node_tensor(clade_node_input(graph, node, 0), 1);
    const int32_t c = x.dim[x.rank - 1], groups = group_settings(&node->layer, c).groups;
    if (c % groups)
        return clade_fail(CLADE_EINVAL, "groups is %d, which does not divide %d channels evenly",
                          groups, c);
    clade_node_set_shape(node, &x);
    clade_node_add_weight(node, "gamma", clade_shape(1, c), CLADE_INIT_ONES);
    clade_node_add_weight(node, "beta", clade_shape(1, c), CLADE_INIT_ZEROS);
    return CLADE_OK;
}

static void group_norm_forward(clade_build *build, int32_t number)
{
    clade_build_node *node = &build->node[number];
    const clade_parameter *w = clade_build_weight(build, number, 0);
    clade_tensor x = clade_build_input(build, number, 0), y = clade_build_output(build, number);
    const clade_group_norm_layer settings =
        group_settings(clade_build_layer(build, number), x.dim[x.rank - 1]);
    const clade_tensor statistics = clade_shape(2, x.dim[0], settings.groups);
    node->y = y;
    node->saved[0] = clade_build_float(build, &statistics);
    node->saved[1] = clade_build_float(build, &statistics);
    CLADE_BUILD_CALL(build, number, group_norm, .x = x, .gamma = w[GAMMA].value,
                     .beta = w[BETA].value, .y = y, .mean = node->saved[0], .rstd = node->saved[1],
                     .groups = settings.groups, .eps = settings.eps);
}

static void group_norm_backward(clade_build *build, int32_t number)
{
    const clade_build_node *node = &build->node[number];
    const clade_parameter *w = clade_build_weight(build, number, 0);
    clade_tensor sum, dx = start_dx(build, number, &sum);
    CLADE_BUILD_CALL(build, number, group_norm_dx, .x = clade_build_input(build, number, 0),
                     .dy = node->dy, .gamma = w[GAMMA].value, .mean = node->saved[0],
                     .rstd = node->saved[1], .dx = dx, .dgamma = w[GAMMA].gradient,
                     .dbeta = w[BETA].gradient);
    finish_dx(build, number, dx, sum);
}

/* ---- layer_norm ---- */

/* Checks that the axes are the input's last dimensions; *count receives their number. */
static clade_status check_axes(const clade_layer_norm_layer *settings, const clade_node *x,
                               int32_t *count)
{
    char text[64];
    *count = settings->axes ? settings->axes : 1;
    if (*count < 1 || *count > 3)
        return clade_fail(CLADE_EINVAL, "axis has %d dimensions: expected 1 to 3", *count);
    for (int32_t i = 0; i < settings->axes; i++) {
        int32_t axis = settings->axis[i] == -1 ? x->rank : settings->axis[i];
        if (axis != x->rank - *count + 1 + i)
            return clade_fail(CLADE_EINVAL,
                              "axis is %d: expected the last dimensions of %s in order, of which "
                              "the first is 1; or -1",
                              axis, clade_node_text(x, text));
    }
    return CLADE_OK;
}

static clade_status layer_norm_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    int32_t count = 0;
    clade_status status = check_axes(&node->layer.as.layer_norm, x, &count);
    if (status) return status;
    const clade_tensor xt = clade_node_tensor(x, 1);
    clade_tensor last = {.dtype = CLADE_F32, .rank = count};
    for (int32_t k = 0; k < count; k++) last.dim[k] = x->dim[x->rank - count + k];
    clade_node_set_shape(node, &xt);
    clade_node_add_weight(node, "gamma", last, CLADE_INIT_ONES);
    clade_node_add_weight(node, "beta", last, CLADE_INIT_ZEROS);
    return CLADE_OK;
}

static void layer_norm_forward(clade_build *build, int32_t number)
{
    clade_build_node *node = &build->node[number];
    const clade_parameter *w = clade_build_weight(build, number, 0);
    clade_tensor x = clade_build_input(build, number, 0), y = clade_build_output(build, number);
    clade_tensor statistics = x;
    statistics.rank -= w[GAMMA].value.rank;
    node->y = y;
    node->saved[0] = clade_build_float(build, &statistics);
    node->saved[1] = clade_build_float(build, &statistics);
    CLADE_BUILD_CALL(build, number, layer_norm, .x = x, .gamma = w[GAMMA].value,
                     .beta = w[BETA].value, .y = y, .mean = node->saved[0], .rstd = node->saved[1],
                     .eps =
                         clade_layer_complete(clade_build_layer(build, number)).as.layer_norm.eps);
}

static void layer_norm_backward(clade_build *build, int32_t number)
{
    const clade_build_node *node = &build->node[number];
    const clade_parameter *w = clade_build_weight(build, number, 0);
    clade_tensor sum, dx = start_dx(build, number, &sum);
    CLADE_BUILD_CALL(build, number, layer_norm_dx, .x = clade_build_input(build, number, 0),
                     .dy = node->dy, .gamma = w[GAMMA].value, .mean = node->saved[0],
                     .rstd = node->saved[1], .dx = dx, .dgamma = w[GAMMA].gradient,
                     .dbeta = w[BETA].gradient);
    finish_dx(build, number, dx, sum);
}

/* ---- lrn ---- */

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

#define EPS_FIELD(settings)                                                                        \
    CLADE_FIELD(settings, eps, REAL, "eps", .alias = "epsilon", .range = CLADE_RANGE_POSITIVE,     \
                .standard = 0.001F, .about = "added to the variance")

static const clade_layer_field batchnorm_fields[] = {
    CLADE_FIELD(clade_batchnorm_layer, momentum, REAL, "momentum", .range = CLADE_RANGE_RATE,
                .standard = 0.99F,
                .about = "the share of the running statistics that each step keeps"),
    EPS_FIELD(clade_batchnorm_layer),
    CLADE_FIELD(clade_batchnorm_layer, frozen, ON, "frozen",
                .about = "always use the running statistics, and never change them"),
    CLADE_FIELD(clade_batchnorm_layer, no_scale, OFF, "scale",
                .about = "multiply by gamma, which is trained; false: gamma stays 1"),
    {0},
};

static const clade_layer_field group_norm_fields[] = {
    CLADE_FIELD(clade_group_norm_layer, groups, INT, "groups", .all = true, .standard = 32,
                .about = "number of groups of neighbouring channels; −1: one group per channel"),
    EPS_FIELD(clade_group_norm_layer),
    {0},
};

static const clade_layer_field layer_norm_fields[] = {
    CLADE_FIELD(clade_layer_norm_layer, axes, LIST, "axis", .otherwise = "−1",
                .about =
                    "the last dimensions of the input, counted with the batch: −1 the channels "
                    "of each pixel, [1, 2, 3] the whole image"),
    EPS_FIELD(clade_layer_norm_layer),
    {0},
};

/* ONNX's defaults, and 5 channels. */
static const clade_layer_field lrn_fields[] = {
    CLADE_FIELD(clade_lrn_layer, size, INT, "size", .standard = 5,
                .about = "channels whose squares are summed"),
    CLADE_FIELD(clade_lrn_layer, k, REAL, "k", .range = CLADE_RANGE_POSITIVE, .standard = 1,
                .about = "constant added to the sum"),
    CLADE_FIELD(clade_lrn_layer, alpha, REAL, "alpha", .standard = 1e-4F,
                .about = "factor of the sum"),
    CLADE_FIELD(clade_lrn_layer, beta, REAL, "beta", .standard = 0.75F,
                .about = "exponent of the result, by which values are divided"),
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

const clade_layer_record clade_group_norm_record = {
    .key = "group_norm",
    .name = "group_normalization",
    .alias = "groupnormalization",
    .type = "GroupNormalization",
    .about = "Normalisation of groups of each image's channels.",
    .main = "groups",
    .field = group_norm_fields,
    .features = true,
    .shape = group_norm_shape,
    .forward = group_norm_forward,
    .backward = group_norm_backward,
};

const clade_layer_record clade_layer_norm_record = {
    .key = "layer_norm",
    .name = "layer_normalization",
    .alias = "layernormalization",
    .type = "LayerNormalization",
    .about = "Normalisation over the channels of each pixel, or over the whole image.",
    .main = "axis",
    .field = layer_norm_fields,
    .features = true,
    .shape = layer_norm_shape,
    .forward = layer_norm_forward,
    .backward = layer_norm_backward,
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
