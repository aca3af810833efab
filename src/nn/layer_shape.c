/* Layers that change the shape: flatten, reshape, split, zero_padding2d. */
#include "nn/layer.h"

static int64_t count_of(const clade_node *node)
{
    int64_t n = 1;
    for (int32_t i = 0; i < node->rank; i++) n *= node->dim[i];
    return n;
}

static clade_status flatten_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    int64_t count = count_of(x);
    char text[64];
    if (count > INT32_MAX)
        return clade_fail(CLADE_EINVAL, "%s has too many elements: over 2^31",
                          clade_node_text(x, text));
    node->rank = 1;
    node->dim[0] = (int32_t)count;
    return CLADE_OK;
}

static clade_status reshape_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    const clade_reshape_layer *layer = &node->layer.as.reshape;
    if (layer->rank < 1 || layer->rank > 3)
        return clade_fail(CLADE_EINVAL, "%d dimensions: expected 1 to 3", layer->rank);
    int64_t count = count_of(x), known = 1;
    int32_t open = -1;
    node->rank = layer->rank;
    for (int32_t i = 0; i < layer->rank; i++) {
        node->dim[i] = layer->dim[i];
        if (layer->dim[i] == -1 && open < 0) {
            open = i;
        } else if (layer->dim[i] < 1) {
            return clade_fail(CLADE_EINVAL, "dimension %d is %d, expected 1 or more, or -1 once", i,
                              layer->dim[i]);
        } else if (__builtin_mul_overflow(known, (int64_t)layer->dim[i], &known)) {
            return clade_fail(CLADE_EINVAL, "dimension %d is %d, which makes too many elements", i,
                              layer->dim[i]);
        }
    }
    char from[64], to[64];
    if (open < 0 ? known != count : count % known != 0 || count / known > INT32_MAX)
        return clade_fail(CLADE_EINVAL, "%s does not fit into %s", clade_node_text(x, from),
                          clade_node_text(node, to));
    if (open >= 0) node->dim[open] = (int32_t)(count / known);
    return CLADE_OK;
}

static void view_backward(clade_build *build, int32_t number)
{
    clade_build_pass_back(build, number, clade_build_layer(build, number)->input[0]);
}

static clade_status split_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    const clade_split_layer *layer = &node->layer.as.split;
    clade_tensor y = clade_node_tensor(x, 1);
    int32_t *channels = &y.dim[y.rank - 1], given = layer->channels ? layer->channels : 1;
    char text[64];
    if ((int64_t)layer->start + given > *channels)
        return clade_fail(CLADE_EINVAL, "takes channels %d to %lld of %s", layer->start,
                          (long long)layer->start + given - 1, clade_node_text(x, text));
    *channels = layer->channels ? layer->channels : *channels - layer->start;
    clade_node_set_shape(node, &y);
    return CLADE_OK;
}

static void split_forward(clade_build *build, int32_t number)
{
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, split, .x = clade_build_input(build, number, 0), .y = y,
                     .axis = y.rank - 1, .start = clade_build_layer(build, number)->as.split.start);
}

static void split_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    int32_t accumulate;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, split_dx, .dy = build->node[number].dy, .dx = dx,
                     .axis = dx.rank - 1, .start = layer->as.split.start, .accumulate = accumulate);
}

static clade_status padding_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    const int32_t *p = node->layer.as.pad2d.pad;
    clade_status status = clade_expect_image(x);
    if (status) return status;
    clade_args args = {.pad = {.x = clade_node_tensor(x, 1), .pad = {p[0], p[1], p[2], p[3]}}};
    status = clade_op_shape(CLADE_OP_pad, &args);
    if (!status) clade_node_set_shape(node, &args.pad.y);
    return status;
}

static void padding_forward(clade_build *build, int32_t number)
{
    const int32_t *p = clade_build_layer(build, number)->as.pad2d.pad;
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, pad, .x = clade_build_input(build, number, 0), .y = y,
                     .pad = {p[0], p[1], p[2], p[3]});
}

static void padding_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const int32_t *p = layer->as.pad2d.pad;
    int32_t accumulate;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, pad_dx, .dy = build->node[number].dy, .dx = dx,
                     .pad = {p[0], p[1], p[2], p[3]}, .accumulate = accumulate);
}

static const clade_layer_field reshape_fields[] = {
    CLADE_FIELD(clade_reshape_layer, rank, LIST, "shape", .alias = "target_shape", .required = true,
                .about =
                    "the new sizes, without the batch; one may be −1, which means what remains"),
    {0},
};

static const clade_layer_field split_fields[] = {
    CLADE_FIELD(clade_split_layer, start, INDEX, "start", .about = "the first channel"),
    CLADE_FIELD(clade_split_layer, channels, INT, "channels", .otherwise = "to the last",
                .about = "number of channels"),
    {0},
};

static const clade_layer_field padding_fields[] = {
    CLADE_FIELD(clade_pad2d_layer, pad, SIDES, "padding", .required = true,
                .about = "rows and columns of zeros"),
    {0},
};

const clade_layer_record clade_flatten_record = {
    .key = "flatten",
    .name = "flatten",
    .type = "Flatten",
    .about = "All values in one row.",
    .keeps_values = true,
    .shape = flatten_shape,
    .forward = clade_build_view,
    .backward = view_backward,
};

const clade_layer_record clade_reshape_record = {
    .key = "reshape",
    .name = "reshape",
    .type = "Reshape",
    .about = "The same values in another shape.",
    .main = "shape",
    .field = reshape_fields,
    .keeps_values = true,
    .shape = reshape_shape,
    .forward = clade_build_view,
    .backward = view_backward,
};

const clade_layer_record clade_split_record = {
    .key = "split",
    .name = "split",
    .type = "Split",
    .about = "A range of its input's channels.",
    .field = split_fields,
    .features = true,
    .keeps_values = true,
    .shape = split_shape,
    .forward = split_forward,
    .backward = split_backward,
};

const clade_layer_record clade_zero_padding2d_record = {
    .key = "zero_padding2d",
    .name = "zero_padding2d",
    .alias = "zeropadding2d",
    .type = "ZeroPadding2D",
    .about = "Zeros around the image.",
    .main = "padding",
    .field = padding_fields,
    .keeps_values = true,
    .shape = padding_shape,
    .forward = padding_forward,
    .backward = padding_backward,
};
