/* Layers that work element by element or row by row: activation, prelu, layer_scale, softmax,
 * log_softmax. */
#include "nn/layer.h"

static clade_status same_shape(const clade_graph *graph, clade_node *node)
{
    clade_tensor x = clade_node_tensor(clade_node_input(graph, node, 0), 1);
    clade_node_set_shape(node, &x);
    return CLADE_OK;
}

/* Creates y; false if the layer passes its input through (`passes`). */
static bool make_output(clade_build *build, int32_t number, bool passes, clade_tensor *y)
{
    if (passes)
        clade_build_view(build, number);
    else
        *y = build->node[number].y = clade_build_output(build, number);
    return !passes;
}

/* Finds dx; false if the layer passes its gradient through. */
static bool find_gradient(clade_build *build, int32_t number, bool passes, clade_tensor *dx,
                          int32_t *accumulate)
{
    int32_t input = clade_build_layer(build, number)->input[0];
    if (passes)
        clade_build_pass_back(build, number, input);
    else
        *dx = clade_build_gradient(build, input, accumulate);
    return !passes;
}

static bool activation_passes(const clade_build *build, int32_t number)
{
    const clade_activation_layer *layer = &clade_build_layer(build, number)->as.activation;
    return layer->activation == CLADE_LINEAR || build->bare == number;
}

static void activation_forward(clade_build *build, int32_t number)
{
    const clade_activation_layer *layer = &clade_build_layer(build, number)->as.activation;
    clade_tensor y;
    if (make_output(build, number, activation_passes(build, number), &y))
        CLADE_BUILD_CALL(build, number, activation, .x = clade_build_input(build, number, 0),
                         .y = y, .act = layer->activation,
                         .alpha = clade_activation_alpha(layer->activation, layer->alpha));
}

static void activation_backward(clade_build *build, int32_t number)
{
    const clade_activation_layer *layer = &clade_build_layer(build, number)->as.activation;
    clade_activation act = layer->activation;
    clade_tensor x = {0}, y = {0}, dx;
    int32_t accumulate;
    if (!find_gradient(build, number, activation_passes(build, number), &dx, &accumulate)) return;
    if (clade_activation_reads_x(act))
        x = clade_build_input(build, number, 0);
    else
        y = build->node[number].y;
    CLADE_BUILD_CALL(build, number, activation_dx, .x = x, .y = y, .dy = build->node[number].dy,
                     .dx = dx, .act = act, .alpha = clade_activation_alpha(act, layer->alpha),
                     .accumulate = accumulate);
}

static clade_status prelu_shape(const clade_graph *graph, clade_node *node)
{
    const clade_prelu_layer *layer = &node->layer.as.prelu;
    const clade_node *x = clade_node_input(graph, node, 0);
    clade_tensor alpha = {.dtype = CLADE_F32, .rank = x->rank};
    char text[64];
    if (layer->shared < 0 || layer->shared > 3)
        return clade_fail(CLADE_EINVAL, "shared_axes has %d dimensions: expected 3 at most",
                          layer->shared);
    for (int32_t d = 0; d < x->rank; d++) alpha.dim[d] = x->dim[d];
    for (int32_t i = 0; i < layer->shared; i++) {
        int32_t axis = layer->shared_axis[i] == -1 ? x->rank : layer->shared_axis[i];
        if (axis < 1 || axis > x->rank)
            return clade_fail(CLADE_EINVAL, "shared_axes: expected dimensions of %s, 1 to %d or -1",
                              clade_node_text(x, text), x->rank);
        alpha.dim[axis - 1] = 1;
    }
    clade_node_add_weight(node, "alpha", alpha, CLADE_INIT_ONES)->scale = layer->alpha;
    return same_shape(graph, node);
}

/* Returns the weight, or its gradient, in the op's shape: the same for all images. */
static clade_tensor for_images(const clade_tensor *alpha)
{
    clade_tensor t = *alpha;
    if (!clade_tensor_present(&t)) return t;
    t.dim[0] = 1;
    for (int32_t d = 0; d < t.rank; d++) t.dim[d + 1] = alpha->dim[d];
    t.rank++;
    return t;
}

static void prelu_forward(clade_build *build, int32_t number)
{
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, prelu, .x = clade_build_input(build, number, 0),
                     .alpha = for_images(&clade_build_weight(build, number, 0)->value), .y = y);
}

/* dx and dalpha share the op's `accumulate`, but only dx may have to accumulate. */
static void prelu_backward(clade_build *build, int32_t number)
{
    int32_t input = clade_build_layer(build, number)->input[0], accumulate = 0;
    const clade_parameter *alpha = clade_build_weight(build, number, 0);
    clade_prelu_dx_args args = {.x = clade_build_input(build, number, 0),
                                .dy = build->node[number].dy,
                                .alpha = for_images(&alpha->value),
                                .dalpha = for_images(&alpha->gradient)};
    clade_tensor dx = {0};
    if (clade_build_needs(build, input)) dx = clade_build_gradient(build, input, &accumulate);
    if (!accumulate) args.dx = dx;
    if (clade_tensor_present(&args.dalpha) || !accumulate)
        clade_build_add(build, number, CLADE_OP_prelu_dx, &(clade_args){.prelu_dx = args});
    if (!accumulate) return;
    args.dx = dx;
    args.dalpha = (clade_tensor){0};
    args.accumulate = 1;
    clade_build_add(build, number, CLADE_OP_prelu_dx, &(clade_args){.prelu_dx = args});
}

static clade_status layer_scale_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    const float value = clade_layer_complete(&node->layer).as.layer_scale.value;
    clade_tensor factors = clade_shape(1, x->dim[x->rank - 1]);
    clade_node_add_weight(node, "scale", factors, CLADE_INIT_ONES)->scale = value;
    return same_shape(graph, node);
}

/* Returns the factors, or their gradient, in a shape that broadcasts to y: [1, …, c]. */
static clade_tensor for_rows(const clade_tensor *factors, int32_t rank)
{
    clade_tensor t = *factors;
    if (!clade_tensor_present(&t)) return t;
    for (int32_t d = 0; d < rank; d++) t.dim[d] = d < rank - 1 ? 1 : factors->dim[0];
    t.rank = rank;
    return t;
}

static void layer_scale_forward(clade_build *build, int32_t number)
{
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, mul, .a = clade_build_input(build, number, 0),
                     .b = for_rows(&clade_build_weight(build, number, 0)->value, y.rank), .y = y);
}

static void layer_scale_backward(clade_build *build, int32_t number)
{
    int32_t input = clade_build_layer(build, number)->input[0], accumulate;
    const clade_parameter *w = clade_build_weight(build, number, 0);
    const clade_tensor dy = build->node[number].dy, x = clade_build_input(build, number, 0);
    const clade_tensor factors = for_rows(&w->value, dy.rank),
                       gradient = for_rows(&w->gradient, dy.rank);
    if (clade_tensor_present(&gradient))
        CLADE_BUILD_CALL(build, number, mul_dx, .dy = dy, .a = x, .b = factors, .db = gradient);
    if (!clade_build_needs(build, input)) return;
    const clade_tensor dx = clade_build_gradient(build, input, &accumulate);
    CLADE_BUILD_CALL(build, number, mul_dx, .dy = dy, .a = x, .b = factors, .da = dx,
                     .accumulate = accumulate);
}

/* If a loss computes softmax itself, log_softmax is passed through, too: its softmax is that of its
 * input. */
static void softmax_forward(clade_build *build, int32_t number)
{
    clade_tensor y;
    if (make_output(build, number, build->bare == number, &y))
        CLADE_BUILD_CALL(build, number, softmax, .x = clade_build_input(build, number, 0), .y = y);
}

static void softmax_backward(clade_build *build, int32_t number)
{
    clade_tensor dx;
    int32_t accumulate;
    if (find_gradient(build, number, build->bare == number, &dx, &accumulate))
        CLADE_BUILD_CALL(build, number, softmax_dx, .y = build->node[number].y,
                         .dy = build->node[number].dy, .dx = dx, .accumulate = accumulate);
}

static void log_softmax_forward(clade_build *build, int32_t number)
{
    clade_tensor y;
    if (make_output(build, number, build->bare == number, &y))
        CLADE_BUILD_CALL(build, number, log_softmax, .x = clade_build_input(build, number, 0),
                         .y = y);
}

static void log_softmax_backward(clade_build *build, int32_t number)
{
    clade_tensor dx;
    int32_t accumulate;
    if (find_gradient(build, number, build->bare == number, &dx, &accumulate))
        CLADE_BUILD_CALL(build, number, log_softmax_dx, .y = build->node[number].y,
                         .dy = build->node[number].dy, .dx = dx, .accumulate = accumulate);
}

static const clade_layer_field activation_fields[] = {
    CLADE_FIELD(clade_activation_layer, activation, FUNCTION, "function", .required = true,
                .about = "the function; softmax makes this a softmax layer"),
    CLADE_ALPHA_FIELD(clade_activation_layer),
    {0},
};

static const clade_layer_field prelu_fields[] = {
    CLADE_FIELD(clade_prelu_layer, shared, LIST, "shared_axes", .otherwise = "none, as in Keras",
                .about =
                    "the dimensions along which all values share one alpha, where 1 is the first "
                    "after the batch; [1, 2]: one alpha per channel, like PyTorch's num_parameters "
                    "of channels; [1, 2, 3]: a single alpha, PyTorch's default"),
    CLADE_FIELD(clade_prelu_layer, alpha, REAL, "alpha",
                .about = "initial value of alpha; PyTorch's is 0.25"),
    {0},
};

static const clade_layer_field layer_scale_fields[] = {
    CLADE_FIELD(clade_layer_scale_layer, value, REAL, "value", .alias = "init_values",
                .standard = 1e-6F, .about = "initial value of the factors"),
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

const clade_layer_record clade_prelu_record = {
    .key = "prelu",
    .name = "p_re_lu",
    .type = "PReLU",
    .about = "Keeps values above 0 and multiplies the others by a trained alpha.",
    .field = prelu_fields,
    .features = true,
    .shape = prelu_shape,
    .forward = prelu_forward,
    .backward = prelu_backward,
};

const clade_layer_record clade_layer_scale_record = {
    .key = "layer_scale",
    .name = "layer_scale",
    .type = "LayerScale",
    .about = "Multiplies each channel by a trained factor (from ConvNeXt).",
    .main = "value",
    .field = layer_scale_fields,
    .features = true,
    .shape = layer_scale_shape,
    .forward = layer_scale_forward,
    .backward = layer_scale_backward,
};

const clade_layer_record clade_softmax_record = {
    .key = "softmax",
    .name = "softmax",
    .type = "Softmax",
    .about = "Probabilities, over the channels.",
    .activation = "softmax",
    .shape = same_shape,
    .forward = softmax_forward,
    .backward = softmax_backward,
};

const clade_layer_record clade_log_softmax_record = {
    .key = "log_softmax",
    .name = "log_softmax",
    .alias = "logsoftmax",
    .type = "LogSoftmax",
    .about = "Logarithms of probabilities, over the channels; predictions, metrics and "
             "cross-entropy use the probabilities.",
    .activation = "log_softmax",
    .shape = same_shape,
    .forward = log_softmax_forward,
    .backward = log_softmax_backward,
};
