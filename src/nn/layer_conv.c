/* Convolutions: conv2d and depthwise_conv2d. */
#include "nn/fuse.h"
#include "nn/layer.h"
#include "nn/precision.h"

/* A layer's settings as parameters of the op. */
typedef struct conv_layer_geometry {
    clade_window window;
    int32_t groups, channels, outputs;
} conv_layer_geometry;

static clade_status read_geometry(const clade_node *node, const clade_node *x,
                                  conv_layer_geometry *out)
{
    const clade_layer all = clade_layer_complete(&node->layer);
    const clade_conv2d_layer *layer = &all.as.conv2d;
    bool depthwise = all.kind == CLADE_LAYER_DEPTHWISE_CONV2D;
    *out = (conv_layer_geometry){.channels = x->dim[2]};
    for (int i = 0; i < 2; i++) {
        out->window.size[i] = layer->kernel[i];
        out->window.stride[i] = layer->stride[i];
        out->window.dilation[i] = layer->dilation[i];
    }
    int64_t outputs = (int64_t)layer->filters * (depthwise ? out->channels : 1);
    if (outputs > INT32_MAX) return clade_fail(CLADE_EINVAL, "has more than 2^31 filters");
    out->outputs = (int32_t)outputs;
    out->groups = depthwise ? out->channels : layer->groups;
    if (depthwise && layer->groups && layer->groups != out->channels)
        return clade_fail(CLADE_EINVAL, "groups is %d: leave it out", layer->groups);
    if (out->groups < 1 || out->channels % out->groups || out->outputs % out->groups)
        return clade_fail(CLADE_EINVAL,
                          "%d groups divide neither %d channels nor %d filters evenly", out->groups,
                          out->channels, out->outputs);
    return clade_window_set_pad(&out->window, layer->padding, layer->pad, x);
}

#define GEOMETRY(g)                                                                                \
    .stride = {(g).window.stride[0], (g).window.stride[1]},                                        \
    .pad = {(g).window.pad[0], (g).window.pad[1], (g).window.pad[2], (g).window.pad[3]},           \
    .dilation = {(g).window.dilation[0], (g).window.dilation[1]}, .groups = (g).groups

/* Checks that the layer suits an initialiser of convolutions only. */
static clade_status check_init(const clade_node *node, const clade_tensor *w, int32_t groups)
{
    const clade_conv2d_layer *layer = &node->layer.as.conv2d;
    const bool whitening = layer->init == CLADE_INIT_WHITENING;
    if (layer->init != CLADE_INIT_DIRAC && !whitening) return CLADE_OK;
    const char *word = clade_conv_initializer_words[layer->init];
    if (groups != 1)
        return clade_fail(CLADE_EINVAL, "groups is %d: expected 1 with init: %s", groups, word);
    if (!whitening) return CLADE_OK;
    if (node->layer.input[0] != 0)
        return clade_fail(CLADE_EINVAL, "init: whitening is for a layer that reads the input");
    if (layer->dilation[0] > 1 || layer->dilation[1] > 1)
        return clade_fail(CLADE_EINVAL, "dilation: expected 1 with init: whitening");
    const int64_t patch = (int64_t)w->dim[0] * w->dim[1] * w->dim[2];
    if (patch > CLADE_WHITENING_MOST)
        return clade_fail(CLADE_EINVAL,
                          "a patch of %d × %d with %d channels: expected at most %d values with "
                          "init: whitening",
                          w->dim[0], w->dim[1], w->dim[2], CLADE_WHITENING_MOST);
    if (w->dim[3] != 2 * patch)
        return clade_fail(CLADE_EINVAL,
                          "filters is %d: expected %lld with init: whitening, two for each value "
                          "of a patch",
                          w->dim[3], (long long)(2 * patch));
    return CLADE_OK;
}

static clade_status shape(const clade_graph *graph, clade_node *node)
{
    const clade_node *x = clade_node_input(graph, node, 0);
    const clade_conv2d_layer *layer = &node->layer.as.conv2d;
    bool depthwise = node->layer.kind == CLADE_LAYER_DEPTHWISE_CONV2D;
    conv_layer_geometry g;
    clade_status status = clade_expect_image(x);
    if (!status) status = read_geometry(node, x, &g);
    if (status) return status;
    clade_tensor w =
        clade_shape(4, g.window.size[0], g.window.size[1], g.channels / g.groups, g.outputs);
    clade_args args = {.conv2d = {.x = clade_node_tensor(x, 1), .w = w, GEOMETRY(g)}};
    char text[64];
    status = clade_op_shape(CLADE_OP_conv2d, &args);
    if (status) return clade_context(status, "input %s", clade_node_text(x, text));
    status = depthwise ? CLADE_OK : check_init(node, &w, g.groups);
    if (status) return status;
    clade_node_set_shape(node, &args.conv2d.y);

    clade_weight *kernel =
        clade_node_add_weight(node, depthwise ? "depthwise_kernel" : "kernel", w, layer->init);
    int64_t area = (int64_t)g.window.size[0] * g.window.size[1];
    /* Keras stores a depthwise kernel as [kh, kw, channels, multiplier], which determines its
     * fans */
    kernel->fan_in = area * (depthwise ? g.channels : w.dim[2]);
    kernel->fan_out = area * (depthwise ? g.outputs / g.channels : w.dim[3]);
    if (layer->init == CLADE_INIT_WHITENING) kernel->trained = false;
    if (!layer->no_bias)
        clade_node_add_weight(node, "bias", clade_shape(1, g.outputs), CLADE_INIT_ZEROS);
    return CLADE_OK;
}

static conv_layer_geometry geometry_of(const clade_build *build, int32_t number)
{
    const clade_graph *graph = build->blueprint->graph;
    const clade_node *node = &graph->node[number];
    conv_layer_geometry g;
    read_geometry(node, clade_node_input(graph, node, 0), &g); /* cannot fail: it succeeded when the
                                                                * layer was added */
    return g;
}

clade_window clade_conv_window(const clade_graph *graph, const clade_node *node)
{
    conv_layer_geometry g;
    read_geometry(node, clade_node_input(graph, node, 0), &g);
    return g.window;
}

/* Gives the gradients of the layer's weights; both absent: none is trained. Ops compute the
 * kernel's gradient together with the bias's; if the kernel is not trained, its gradient is a value
 * that nothing reads. */
static void weight_gradients(clade_build *build, int32_t number, clade_tensor *dw, clade_tensor *db)
{
    const clade_parameter *kernel = clade_build_weight(build, number, 0);
    *dw = kernel->gradient;
    *db = (clade_tensor){0};
    if (!clade_build_layer(build, number)->as.conv2d.no_bias)
        *db = clade_build_weight(build, number, 1)->gradient;
    if (clade_tensor_present(db) && !clade_tensor_present(dw))
        *dw = clade_build_float(build, &kernel->value);
}

/* ---- ---- with the max pooling after it ---- ---- */

/* Between forward and backward, the index takes a quarter of y's memory in float32 but half of it
 * in 16 bits, where three of its bytes are packed into one. */
static bool packs_index(const clade_build *build)
{
    return clade_precision_dtype(build->blueprint->precision) != CLADE_F32;
}

static clade_tensor new_index(clade_build *build, int32_t pool)
{
    clade_tensor index = clade_node_tensor(&build->blueprint->graph->node[pool], build->n);
    index.dtype = CLADE_U8;
    return clade_build_like(build, &index);
}

static clade_tensor kept_index(clade_build *build, int32_t number, const clade_tensor *index)
{
    if (!packs_index(build)) return *index;
    clade_tensor packed = clade_shape(1, (int32_t)((clade_tensor_count(index) + 2) / 3));
    packed.dtype = CLADE_U8;
    packed = clade_build_like(build, &packed);
    CLADE_BUILD_CALL(build, number, index_pack, .x = *index, .y = packed);
    return packed;
}

static clade_tensor index_again(clade_build *build, int32_t number, int32_t pool)
{
    const clade_tensor *kept = &build->node[pool].saved[0];
    if (!packs_index(build)) return *kept;
    const clade_tensor index = new_index(build, pool);
    CLADE_BUILD_CALL(build, number, index_unpack, .x = *kept, .y = index);
    return index;
}

static void pooled_forward(clade_build *build, int32_t number, int32_t pool)
{
    clade_build_node *node = &build->node[pool];
    conv_layer_geometry g = geometry_of(build, number);
    float alpha;
    clade_activation act = clade_fuse_activation(build, number, &alpha);
    clade_tensor b = {0}, index = {0}, y = clade_build_output(build, pool);
    if (!clade_build_layer(build, number)->as.conv2d.no_bias)
        b = clade_build_weight(build, number, 1)->value;
    if (clade_build_needs(build, pool)) index = new_index(build, pool);
    node->y = y;
    CLADE_BUILD_CALL(build, number, conv2d_maxpool, .x = clade_build_input(build, number, 0),
                     .w = clade_build_weight(build, number, 0)->value, .b = b, .y = y,
                     .index = index, GEOMETRY(g), .act = act);
    if (clade_tensor_present(&index)) node->saved[0] = kept_index(build, number, &index);
}

static void pooled_backward(clade_build *build, int32_t number, int32_t pool)
{
    const clade_layer *layer = clade_build_layer(build, number);
    const clade_build_node *node = &build->node[pool];
    conv_layer_geometry g = geometry_of(build, number);
    const clade_parameter *kernel = clade_build_weight(build, number, 0);
    const clade_tensor index = index_again(build, number, pool);
    clade_tensor dw, db;
    weight_gradients(build, number, &dw, &db);
    if (clade_tensor_present(&dw))
        CLADE_BUILD_CALL(build, number, conv2d_maxpool_dw, .x = clade_build_input(build, number, 0),
                         .dy = node->dy, .index = index, .dw = dw, .db = db, GEOMETRY(g));
    if (!clade_build_needs(build, layer->input[0])) return;
    int32_t accumulate;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, conv2d_maxpool_dx, .dy = node->dy, .index = index,
                     .w = kernel->value, .dx = dx, GEOMETRY(g), .accumulate = accumulate);
}

/* Returns what layer `add` adds to the normalised convolution. */
static clade_tensor added(const clade_build *build, const clade_fusion *f)
{
    bool first = clade_build_layer(build, f->add)->input[0] == f->norm;
    return clade_build_input(build, f->add, first ? 1 : 0);
}

/* Adds a convolution fused with batch normalisation, and with what follows that. */
static void normed_forward(clade_build *build, int32_t number)
{
    const clade_fusion *f = &build->node[number].fused;
    conv_layer_geometry g = geometry_of(build, number);
    float alpha;
    clade_activation act = clade_fuse_activation(build, number, &alpha);
    const clade_parameter *norm = clade_build_weight(build, f->norm, 0); /* in Keras' order */
    clade_tensor b = {0}, z = {0}, y = clade_build_output(build, f->last);
    if (!clade_build_layer(build, number)->as.conv2d.no_bias)
        b = clade_build_weight(build, number, 1)->value;
    if (f->add) z = added(build, f);
    build->node[f->last].y = y;
    CLADE_BUILD_CALL(build, number, conv2d_norm, .x = clade_build_input(build, number, 0),
                     .w = clade_build_weight(build, number, 0)->value, .b = b,
                     .gamma = norm[0].value, .beta = norm[1].value, .mean = norm[2].value,
                     .var = norm[3].value, .z = z, .y = y, GEOMETRY(g),
                     .eps =
                         clade_layer_complete(clade_build_layer(build, f->norm)).as.batchnorm.eps,
                     .act = act, .alpha = clade_activation_alpha(act, alpha));
}

static void forward(clade_build *build, int32_t number)
{
    const clade_fusion *f = &build->node[number].fused;
    if (f->pool) {
        pooled_forward(build, number, f->pool);
        return;
    }
    if (f->norm) {
        normed_forward(build, number);
        return;
    }
    const clade_conv2d_layer *layer = &clade_build_layer(build, number)->as.conv2d;
    conv_layer_geometry g = geometry_of(build, number);
    float alpha;
    clade_activation act = clade_fuse_activation(build, number, &alpha);
    clade_fused fused = clade_fused_start(build, f->last, act, alpha);
    clade_tensor b = {0};
    if (!layer->no_bias) b = clade_build_weight(build, number, 1)->value;
    CLADE_BUILD_CALL(build, number, conv2d, .x = clade_build_input(build, number, 0),
                     .w = clade_build_weight(build, number, 0)->value, .b = b, .y = fused.z,
                     GEOMETRY(g), .act = fused.inside, .alpha = fused.alpha);
    clade_fused_finish(build, f->last, &fused);
}

static void backward(clade_build *build, int32_t number)
{
    int32_t pool = build->node[number].fused.pool;
    if (pool) {
        pooled_backward(build, number, pool);
        return;
    }
    const clade_layer *layer = clade_build_layer(build, number);
    conv_layer_geometry g = geometry_of(build, number);
    const clade_parameter *kernel = clade_build_weight(build, number, 0);
    clade_tensor dw, db,
        dz = clade_fused_backward(build, number, layer->as.conv2d.activation,
                                  layer->as.conv2d.alpha);
    weight_gradients(build, number, &dw, &db);
    if (clade_tensor_present(&dw))
        CLADE_BUILD_CALL(build, number, conv2d_dw, .x = clade_build_input(build, number, 0),
                         .dy = dz, .dw = dw, .db = db, GEOMETRY(g));
    if (!clade_build_needs(build, layer->input[0])) return;
    int32_t accumulate;
    clade_tensor dx = clade_build_gradient(build, layer->input[0], &accumulate);
    CLADE_BUILD_CALL(build, number, conv2d_dx, .dy = dz, .w = kernel->value, .dx = dx, GEOMETRY(g),
                     .accumulate = accumulate);
}

#define FIELD(...) CLADE_FIELD(clade_conv2d_layer, __VA_ARGS__)

#define WINDOW_FIELDS                                                                              \
    FIELD(kernel, PAIR, "kernel", .alias = "kernel_size", .required = true,                        \
          .about = "the filters' size"),                                                           \
        FIELD(stride, PAIR, "stride", .alias = "strides", .standard = 1,                           \
              .about = "how far the filters move"),                                                \
        FIELD(dilation, PAIR, "dilation", .alias = "dilation_rate", .standard = 1,                 \
              .about = "how far apart the filters' taps lie")

#define OTHER_FIELDS(init_field)                                                                   \
    FIELD(padding, PADDING, "padding", .more = offsetof(clade_conv2d_layer, pad),                  \
          .about = "zeros around the image"),                                                      \
        CLADE_ACTIVATION_FIELD(clade_conv2d_layer, 0), CLADE_ALPHA_FIELD(clade_conv2d_layer),      \
        CLADE_BIAS_FIELD(clade_conv2d_layer), init_field, CLADE_L2_FIELD(clade_conv2d_layer)

#define INIT_FIELD                                                                                 \
    FIELD(init, WORD, "init", .alias = "kernel_initializer",                                       \
          .words = clade_conv_initializer_words, .otherwise = "glorot_uniform",                    \
          .about =                                                                                 \
              "initial values of the kernel; dirac: each of the first filters passes one channel " \
              "through; whitening: computed from training images and never trained (training.md)")

static const clade_layer_field fields[] = {
    FIELD(filters, INT, "filters", .required = true, .about = "channels of the output"),
    WINDOW_FIELDS,
    FIELD(groups, INT, "groups", .standard = 1,
          .about = "number of groups, each with its own share of the channels and filters"),
    OTHER_FIELDS(INIT_FIELD),
    {0},
};

static const clade_layer_field depthwise_fields[] = {
    FIELD(filters, INT, "multiplier", .alias = "depth_multiplier", .standard = 1,
          .about = "filters for each channel"),
    WINDOW_FIELDS,
    OTHER_FIELDS(CLADE_INIT_FIELD(clade_conv2d_layer)),
    {0},
};

const clade_layer_record clade_conv2d_record = {
    .key = "conv2d",
    .name = "conv2d",
    .type = "Conv2D",
    .about = "A convolution.",
    .field = fields,
    .features = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};

const clade_layer_record clade_depthwise_conv2d_record = {
    .key = "depthwise_conv2d",
    .name = "depthwise_conv2d",
    .type = "DepthwiseConv2D",
    .about = "A convolution of each channel with filters of its own.",
    .main = "kernel",
    .field = depthwise_fields,
    .features = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
