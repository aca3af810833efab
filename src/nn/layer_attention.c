/* Further layers of transformers: attention, class_token, position_embedding. Tokens are the pixels
 * of an image. */
#include "nn/layer.h"

static clade_status attention_shape(const clade_graph *graph, clade_node *node)
{
    clade_args args = {.attention = {.qkv = clade_node_tensor(clade_node_input(graph, node, 0), 1),
                                     .heads = node->layer.as.attention.heads}};
    clade_status status = clade_op_shape(CLADE_OP_attention, &args);
    if (!status) clade_node_set_shape(node, &args.attention.y);
    return status;
}

static void attention_forward(clade_build *build, int32_t number)
{
    const int32_t heads = clade_build_layer(build, number)->as.attention.heads;
    clade_build_node *node = &build->node[number];
    const clade_tensor qkv = clade_build_input(build, number, 0);
    clade_tensor lse = clade_shape(3, qkv.dim[0], heads, 1);
    for (int32_t k = 1; k < qkv.rank - 1; k++) lse.dim[2] *= qkv.dim[k];
    node->y = clade_build_output(build, number);
    node->saved[0] = clade_build_float(build, &lse);
    CLADE_BUILD_CALL(build, number, attention, .qkv = qkv, .y = node->y, .lse = node->saved[0],
                     .heads = heads);
}

static void attention_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const clade_build_node *node = &build->node[number];
    int32_t accumulate;
    const clade_tensor dqkv = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, attention_dqkv, .qkv = clade_build_input(build, number, 0),
                     .y = node->y, .lse = node->saved[0], .dy = node->dy, .dqkv = dqkv,
                     .heads = layer->as.attention.heads, .accumulate = accumulate);
}

/* ---- class_token ---- */

static clade_status class_token_shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    clade_status status = clade_expect_image(x);
    if (status) return status;
    const int64_t tokens = (int64_t)x->dim[0] * x->dim[1] + 1;
    char text[64];
    if (tokens > INT32_MAX)
        return clade_fail(CLADE_EINVAL, "%s has too many pixels", clade_node_text(x, text));
    const clade_tensor y = clade_shape(4, 1, 1, (int32_t)tokens, x->dim[2]);
    clade_node_set_shape(node, &y);
    clade_node_add_weight(node, "token", clade_shape(1, x->dim[2]), CLADE_INIT_ZEROS);
    return CLADE_OK;
}

/* Returns an image, or its gradient, as one row. */
static clade_tensor as_row(clade_tensor image)
{
    image.dim[2] *= image.dim[1];
    image.dim[1] = 1;
    return image;
}

/* Returns the shape of one token per image. */
static clade_tensor for_tokens(const clade_tensor *y)
{
    return clade_shape(4, y->dim[0], 1, 1, y->dim[3]);
}

/* Returns the weight, or its gradient, in a shape that broadcasts to those. */
static clade_tensor for_images(clade_tensor token)
{
    const int32_t c = token.dim[0];
    const clade_tensor shape = clade_shape(4, 1, 1, 1, c);
    token.rank = shape.rank;
    for (int32_t k = 0; k < shape.rank; k++) token.dim[k] = shape.dim[k];
    return token;
}

/* Puts a zero before each image's tokens, adds the weight to it, and copies the result back. */
static void class_token_forward(clade_build *build, int32_t number)
{
    const clade_tensor y = clade_build_output(build, number), shape = for_tokens(&y);
    const clade_tensor zero = clade_build_like(build, &shape);
    const clade_tensor token = clade_build_like(build, &shape);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, pad, .x = as_row(clade_build_input(build, number, 0)), .y = y,
                     .pad = {0, 1, 0, 0});
    CLADE_BUILD_CALL(build, number, split, .x = y, .y = zero, .axis = 2);
    CLADE_BUILD_CALL(build, number, add, .a = zero,
                     .b = for_images(clade_build_weight(build, number, 0)->value), .y = token,
                     .alpha = 1, .beta = 1);
    CLADE_BUILD_CALL(build, number, concat, .x = token, .y = y, .axis = 2);
}

static void class_token_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const clade_tensor dy = build->node[number].dy, shape = for_tokens(&dy);
    if (!layer->frozen) {
        const clade_tensor token = clade_build_like(build, &shape);
        CLADE_BUILD_CALL(build, number, split, .x = dy, .y = token, .axis = 2);
        CLADE_BUILD_CALL(build, number, add_dx, .dy = token,
                         .db = for_images(clade_build_weight(build, number, 0)->gradient),
                         .alpha = 1, .beta = 1);
    }
    if (!clade_build_needs(build, layer->input[0])) return;
    int32_t accumulate;
    const clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, pad_dx, .dy = dy, .dx = as_row(dx), .pad = {0, 1, 0, 0},
                     .accumulate = accumulate);
}

/* ---- position_embedding ---- */

static clade_status position_shape(const clade_graph *graph, clade_node *node)
{
    enum { fan_in = 2500 }; /* a deviation of 0.02 */
    const clade_tensor x = clade_node_tensor(clade_node_input(graph, node, 0), 1);
    clade_tensor w = x;
    for (int32_t k = 1; k < x.rank; k++) w.dim[k - 1] = x.dim[k];
    w.rank--;
    clade_node_set_shape(node, &x);
    clade_node_add_weight(node, "position", w, CLADE_INIT_LECUN_NORMAL)->fan_in = fan_in;
    return CLADE_OK;
}

/* Returns the weight, or its gradient, in a shape that broadcasts over images. */
static clade_tensor over_images(clade_tensor w)
{
    if (!clade_tensor_present(&w)) return w;
    for (int32_t k = w.rank; k > 0; k--) w.dim[k] = w.dim[k - 1];
    w.dim[0] = 1;
    w.rank++;
    return w;
}

static void position_forward(clade_build *build, int32_t number)
{
    const clade_tensor y = clade_build_output(build, number);
    build->node[number].y = y;
    CLADE_BUILD_CALL(build, number, add, .a = clade_build_input(build, number, 0),
                     .b = over_images(clade_build_weight(build, number, 0)->value), .y = y,
                     .alpha = 1, .beta = 1);
}

static void position_backward(clade_build *build, int32_t number)
{
    const clade_layer *layer = clade_build_layer(build, number);
    if (!layer->frozen)
        CLADE_BUILD_CALL(build, number, add_dx, .dy = build->node[number].dy,
                         .db = over_images(clade_build_weight(build, number, 0)->gradient),
                         .alpha = 1, .beta = 1);
    if (clade_build_needs(build, layer->input[0]))
        clade_build_pass_back(build, number, layer->input[0]);
}

/* ---- records ---- */

static const clade_layer_field attention_fields[] = {
    CLADE_FIELD(clade_attention_layer, heads, INT, "heads", .alias = "num_heads", .required = true,
                .about = "number of groups of channels, each with its own weights; must divide a "
                         "third of the input's channels"),
    {0},
};

const clade_layer_record clade_attention_record = {
    .key = "attention",
    .name = "attention",
    .type = "ScaledDotProductAttention",
    .about = "For each pixel, the mean of all pixels' values, weighted by the softmax of its query "
             "times their keys: the first third of the input's channels are queries, the second "
             "keys, the last values.",
    .main = "heads",
    .field = attention_fields,
    .shape = attention_shape,
    .forward = attention_forward,
    .backward = attention_backward,
};

const clade_layer_record clade_class_token_record = {
    .key = "class_token",
    .name = "class_token",
    .type = "ClassToken",
    .about = "The image's pixels in one row, after a trained one.",
    .shape = class_token_shape,
    .forward = class_token_forward,
    .backward = class_token_backward,
};

const clade_layer_record clade_position_embedding_record = {
    .key = "position_embedding",
    .name = "position_embedding",
    .type = "PositionEmbedding",
    .about = "Adds a trained number to each value.",
    .shape = position_shape,
    .forward = position_forward,
    .backward = position_backward,
};
