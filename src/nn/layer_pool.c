/* Pooling: maxpool2d, avgpool2d, global_avgpool2d, global_maxpool2d. */
#include "nn/layer.h"

static clade_status read_window(const clade_node *node, const clade_node *x, clade_window *out)
{
    const clade_layer all = clade_layer_complete(&node->layer);
    const clade_pool2d_layer *layer = &all.as.pool2d;
    *out = (clade_window){.dilation = {1, 1}};
    for (int i = 0; i < 2; i++) {
        out->size[i] = layer->window[i];
        out->stride[i] = layer->stride[i] ? layer->stride[i] : layer->window[i];
    }
    return clade_window_set_pad(out, layer->padding, layer->pad, x);
}

#define GEOMETRY(v)                                                                                \
    .window = {(v).size[0], (v).size[1]}, .stride = {(v).stride[0], (v).stride[1]},                \
    .pad = {(v).pad[0], (v).pad[1], (v).pad[2], (v).pad[3]}

static clade_status shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    clade_window v;
    clade_status status = clade_expect_image(x);
    if (!status) status = read_window(node, x, &v);
    if (status) return status;
    bool max = node->layer.kind == CLADE_LAYER_MAXPOOL2D;
    clade_args args;
    if (max)
        args = (clade_args){.maxpool2d = {.x = clade_node_tensor(x, 1), GEOMETRY(v)}};
    else
        args = (clade_args){.avgpool2d = {.x = clade_node_tensor(x, 1), GEOMETRY(v)}};
    char text[64];
    status = clade_op_shape(max ? CLADE_OP_maxpool2d : CLADE_OP_avgpool2d, &args);
    if (status) return clade_context(status, "input %s", clade_node_text(x, text));
    clade_node_set_shape(node, max ? &args.maxpool2d.y : &args.avgpool2d.y);
    return CLADE_OK;
}

clade_window clade_pool_window(const clade_graph *graph, const clade_node *node)
{
    clade_window v;
    read_window(node, clade_node_input(graph, node, 0), &v); /* cannot fail: it succeeded when the
                                                              * layer was added */
    return v;
}

static clade_window window_of(const clade_build *build, int32_t number)
{
    const clade_graph *graph = build->blueprint->graph;
    return clade_pool_window(graph, &graph->node[number]);
}

/* Returns where max pooling stores the elements it took, in the shape of y; absent if training
 * needs no gradient. */
static clade_tensor index_of(clade_build *build, int32_t number, clade_tensor y, clade_dtype dtype)
{
    if (!clade_build_needs(build, number)) return (clade_tensor){0};
    y.dtype = dtype;
    return clade_build_like(build, &y);
}

static void max_forward(clade_build *build, int32_t number)
{
    clade_window v = window_of(build, number);
    clade_build_node *node = &build->node[number];
    clade_tensor y = clade_build_output(build, number);
    clade_tensor index = index_of(build, number, y, CLADE_U8);
    node->y = y;
    node->saved[0] = index;
    CLADE_BUILD_CALL(build, number, maxpool2d, .x = clade_build_input(build, number, 0), .y = y,
                     .index = index, GEOMETRY(v));
}

static void max_backward(clade_build *build, int32_t number)
{
    clade_window v = window_of(build, number);
    int32_t accumulate;
    clade_tensor dx =
        clade_build_gradient(build, clade_build_layer(build, number)->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, maxpool2d_dx, .dy = build->node[number].dy,
                     .index = build->node[number].saved[0], .dx = dx, GEOMETRY(v),
                     .accumulate = accumulate);
}

static void average_forward(clade_build *build, int32_t number)
{
    clade_window v = window_of(build, number);
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, avgpool2d, .x = clade_build_input(build, number, 0), .y = y,
                     GEOMETRY(v),
                     .count_pad = clade_build_layer(build, number)->as.pool2d.count_pad);
}

static void average_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    clade_window v = window_of(build, number);
    int32_t accumulate;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, avgpool2d_dx, .dy = build->node[number].dy, .dx = dx,
                     GEOMETRY(v), .count_pad = layer->as.pool2d.count_pad,
                     .accumulate = accumulate);
}

static clade_status global_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    clade_status status = clade_expect_image(x);
    node->rank = 1;
    node->dim[0] = x->dim[2];
    return status;
}

static void global_forward(clade_build *build, int32_t number)
{
    clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, global_avgpool, .x = clade_build_input(build, number, 0),
                     .y = y);
}

static void global_backward(clade_build *build, int32_t number)
{
    int32_t accumulate;
    clade_tensor dx =
        clade_build_gradient(build, clade_build_layer(build, number)->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, global_avgpool_dx, .dy = build->node[number].dy, .dx = dx,
                     .accumulate = accumulate);
}

static void global_max_forward(clade_build *build, int32_t number)
{
    clade_tensor y = clade_build_output(build, number);
    clade_tensor index = index_of(build, number, y, CLADE_I32);
    build->node[number].y = y;
    build->node[number].saved[0] = index;
    CLADE_BUILD_CALL(build, number, global_maxpool, .x = clade_build_input(build, number, 0),
                     .y = y, .index = index);
}

static void global_max_backward(clade_build *build, int32_t number)
{
    int32_t accumulate;
    clade_tensor dx =
        clade_build_gradient(build, clade_build_layer(build, number)->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, global_maxpool_dx, .dy = build->node[number].dy,
                     .index = build->node[number].saved[0], .dx = dx, .accumulate = accumulate);
}

#define FIELD(...) CLADE_FIELD(clade_pool2d_layer, __VA_ARGS__)

#define WINDOW_FIELDS                                                                              \
    FIELD(window, PAIR, "window", .alias = "pool_size", .standard = 2,                             \
          .about = "the windows' size"),                                                           \
        FIELD(stride, PAIR, "stride", .alias = "strides", .otherwise = "the window",               \
              .about = "how far the windows move"),                                                \
        FIELD(padding, PADDING, "padding", .more = offsetof(clade_pool2d_layer, pad),              \
              .about = "rows and columns around the image")

static const clade_layer_field max_fields[] = {WINDOW_FIELDS, {0}};

static const clade_layer_field average_fields[] = {
    WINDOW_FIELDS,
    FIELD(count_pad, ON, "count_pad", .about = "include the zeros around the image in the means"),
    {0},
};

const clade_layer_record clade_maxpool2d_record = {
    .key = "maxpool2d",
    .name = "max_pooling2d",
    .alias = "maxpooling2d",
    .type = "MaxPooling2D",
    .about = "The maximum of each window.",
    .main = "window",
    .field = max_fields,
    .keeps_values = true,
    .shape = shape,
    .forward = max_forward,
    .backward = max_backward,
};

const clade_layer_record clade_avgpool2d_record = {
    .key = "avgpool2d",
    .name = "average_pooling2d",
    .alias = "averagepooling2d",
    .type = "AveragePooling2D",
    .about = "The mean of each window.",
    .main = "window",
    .field = average_fields,
    .shape = shape,
    .forward = average_forward,
    .backward = average_backward,
};

const clade_layer_record clade_global_avgpool2d_record = {
    .key = "global_avgpool2d",
    .name = "global_average_pooling2d",
    .alias = "globalaveragepooling2d",
    .type = "GlobalAveragePooling2D",
    .about = "The mean of each channel.",
    .shape = global_shape,
    .forward = global_forward,
    .backward = global_backward,
};

const clade_layer_record clade_global_maxpool2d_record = {
    .key = "global_maxpool2d",
    .name = "global_max_pooling2d",
    .alias = "globalmaxpooling2d",
    .type = "GlobalMaxPooling2D",
    .about = "The maximum of each channel.",
    .keeps_values = true,
    .shape = global_shape,
    .forward = global_max_forward,
    .backward = global_max_backward,
};
