/* Dense layers, and the activation inside dense layers and convolutions. */
#include "nn/layer.h"

clade_fused clade_fused_start(clade_build *build, int32_t number, clade_activation activation,
                              float alpha)
{
    if (build->bare == number) activation = CLADE_LINEAR;
    clade_fused f = {.inside = activation,
                     .after = CLADE_LINEAR,
                     .alpha = clade_activation_alpha(activation, alpha),
                     .y = clade_build_output(build, number)};
    f.z = f.y;
    if (clade_activation_reads_x(activation) && clade_build_needs(build, number)) {
        f.inside = CLADE_LINEAR;
        f.after = activation;
        f.z = clade_build_like(build, &f.y);
    }
    return f;
}

void clade_fused_finish(clade_build *build, int32_t number, const clade_fused *fused)
{
    clade_build_node *node = &build->node[number];
    node->y = fused->y;
    node->saved[0] = fused->z;
    if (fused->after != CLADE_LINEAR)
        CLADE_BUILD_CALL(build, number, activation, .x = fused->z, .y = fused->y,
                         .act = fused->after, .alpha = fused->alpha);
}

clade_tensor clade_fused_backward(clade_build *build, int32_t number, clade_activation activation,
                                  float alpha)
{
    const clade_build_node *node = &build->node[number];
    if (activation == CLADE_LINEAR || build->bare == number) return node->dy;
    static const clade_tensor absent;
    bool reads_x = clade_activation_reads_x(activation);
    clade_tensor dy = node->dy, dz = clade_build_like(build, &dy);
    CLADE_BUILD_CALL(build, number, activation_dx, .x = reads_x ? node->saved[0] : absent,
                     .y = reads_x ? absent : node->y, .dy = dy, .dx = dz, .act = activation,
                     .alpha = clade_activation_alpha(activation, alpha));
    return dz;
}

static clade_status shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    const clade_dense_layer *layer = &node->layer.as.dense;
    char text[64];
    if (x->rank != 1)
        return clade_fail(CLADE_EINVAL, "needs a flat input, got %s; put a flatten before it",
                          clade_node_text(x, text));
    clade_tensor w = clade_shape(2, x->dim[0], layer->units);
    clade_args args = {.dense = {.x = clade_node_tensor(x, 1), .w = w}};
    clade_status status = clade_op_shape(CLADE_OP_dense, &args);
    if (status) return status;
    clade_node_set_shape(node, &args.dense.y);
    clade_weight *kernel = clade_node_add_weight(node, "kernel", w, layer->init);
    kernel->fan_in = w.dim[0];
    kernel->fan_out = w.dim[1];
    if (!layer->no_bias)
        clade_node_add_weight(node, "bias", clade_shape(1, layer->units), CLADE_INIT_ZEROS);
    return CLADE_OK;
}

static void forward(clade_build *build, int32_t number)
{
    const clade_dense_layer *layer = &clade_build_layer(build, number)->as.dense;
    clade_fused fused = clade_fused_start(build, number, layer->activation, layer->alpha);
    bool softmax = layer->softmax && build->bare != number;
    if (softmax) fused.z = clade_build_like(build, &fused.y);
    clade_tensor b = {0};
    if (!layer->no_bias) b = clade_build_weight(build, number, 1)->value;
    CLADE_BUILD_CALL(build, number, dense, .x = clade_build_input(build, number, 0),
                     .w = clade_build_weight(build, number, 0)->value, .b = b, .y = fused.z,
                     .act = fused.inside, .alpha = fused.alpha);
    clade_fused_finish(build, number, &fused);
    if (softmax) CLADE_BUILD_CALL(build, number, softmax, .x = fused.z, .y = fused.y);
}

static void backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const clade_parameter *kernel = clade_build_weight(build, number, 0);
    clade_tensor db = {0}, dz = clade_fused_backward(build, number, layer->as.dense.activation,
                                                     layer->as.dense.alpha);
    if (layer->as.dense.softmax && build->bare != number) {
        dz = clade_build_like(build, &dz);
        CLADE_BUILD_CALL(build, number, softmax_dx, .y = build->node[number].y,
                         .dy = build->node[number].dy, .dx = dz);
    }
    if (!layer->as.dense.no_bias) db = clade_build_weight(build, number, 1)->gradient;
    if (!layer->frozen)
        CLADE_BUILD_CALL(build, number, dense_dw, .x = clade_build_input(build, number, 0),
                         .dy = dz, .dw = kernel->gradient, .db = db);
    if (!clade_build_needs(build, layer->input[0])) return;
    int32_t accumulate;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, dense_dx, .dy = dz, .w = kernel->value, .dx = dx,
                     .accumulate = accumulate);
}

static const clade_layer_field fields[] = {
    CLADE_FIELD(clade_dense_layer, units, INT, "units", .required = true, .classes = true,
                .about = "number of outputs"),
    CLADE_ACTIVATION_FIELD(clade_dense_layer, offsetof(clade_dense_layer, softmax)),
    CLADE_ALPHA_FIELD(clade_dense_layer),
    CLADE_BIAS_FIELD(clade_dense_layer),
    CLADE_INIT_FIELD(clade_dense_layer),
    CLADE_L2_FIELD(clade_dense_layer),
    {0},
};

const clade_layer_record clade_dense_record = {
    .key = "dense",
    .name = "dense",
    .type = "Dense",
    .about = "Weighted sums of all values of a flat input.",
    .main = "units",
    .field = fields,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
