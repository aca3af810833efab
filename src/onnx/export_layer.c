/* Writing ONNX: each layer of a network as nodes of opset 13. Values are NCHW: what a layer gives
 * as [h, w, c] is [n, c, h, w] here; vectors and [a, b] are as they are. */
#include "onnx/export.h"

static const clade_network_weight *weight_of(const clade_onnx_exporter *e, int32_t number, int k)
{
    return &e->network->weights[e->network->first[number] + (size_t)k];
}

/* The node that is the layer, or ends it. */
static Onnx__Node *put_last(clade_onnx_exporter *e, int32_t number, const char *op, size_t inputs,
                            char *const *input)
{
    return clade_onnx_put_node(&e->w, op, clade_onnx_export_node(e, number)->layer.name,
                               e->value[number], inputs, input);
}

static char *put_number(clade_onnx_exporter *e, int32_t number, float value)
{
    float *data = clade_onnx_keep(&e->w, 1, sizeof *data);
    if (data) *data = value;
    return clade_onnx_put_floats(&e->w, clade_onnx_export_part(e, number), 0, NULL, data);
}

static char *put_numbers(clade_onnx_exporter *e, int32_t number, size_t count,
                         const int64_t *values)
{
    return clade_onnx_put_numbers(&e->w, clade_onnx_export_part(e, number), count, values);
}

static char *put_weight(clade_onnx_exporter *e, int32_t number, int k)
{
    const clade_network_weight *weight = weight_of(e, number, k);
    int64_t dim[CLADE_MAX_RANK];
    for (int32_t d = 0; d < weight->rank; d++) dim[d] = weight->dim[d];
    return clade_onnx_put_floats(&e->w, (char *)weight->name, weight->rank, dim, weight->data);
}

/* [h, w, c, m] as [m, c, h, w]. */
static char *put_kernel(clade_onnx_exporter *e, int32_t number)
{
    const clade_network_weight *weight = weight_of(e, number, 0);
    const int32_t *d = weight->dim;
    int64_t dim[] = {d[3], d[2], d[0], d[1]};
    size_t area = (size_t)d[0] * (size_t)d[1], c = (size_t)d[2], m = (size_t)d[3];
    float *data = clade_onnx_keep(&e->w, area * c * m, sizeof *data);
    for (size_t i = 0; i < m && data; i++)
        for (size_t j = 0; j < c; j++)
            for (size_t k = 0; k < area; k++)
                data[(i * c + j) * area + k] = weight->data[(k * c + j) * m + i];
    return clade_onnx_put_floats(&e->w, (char *)weight->name, 4, dim, data);
}

/* --- activations --- */

/* act(x) as the layer's output; its last node has the layer's name where `named`. */
static void put_activation(clade_onnx_exporter *e, int32_t number, clade_activation act,
                           float alpha, char *x, bool named)
{
    const clade_activation_info *info = clade_activation_describe((int32_t)act);
    const char *op = info->onnx;
    const char *name = named ? clade_onnx_export_node(e, number)->layer.name : NULL;
    char *inputs[3] = {x}, *y = e->value[number];
    size_t count = 1;
    Onnx__Node *node;
    switch (act) {
    case CLADE_SILU:
        inputs[1] = clade_onnx_export_put(e, number, "Sigmoid", x, NULL);
        clade_onnx_put_node(&e->w, "Mul", name, y, 2, inputs);
        return;
    case CLADE_HARD_SWISH:
        inputs[1] = clade_onnx_export_part(e, number);
        node = clade_onnx_put_node(&e->w, "HardSigmoid", NULL, inputs[1], 1, &x);
        clade_onnx_put_float(&e->w, node, "alpha", 1 / 6.0F);
        clade_onnx_put_float(&e->w, node, "beta", 0.5F);
        clade_onnx_put_node(&e->w, "Mul", name, y, 2, inputs);
        return;
    case CLADE_GELU:
        inputs[1] = clade_onnx_export_put(e, number, "Mul", x, put_number(e, number, 0.70710678F));
        inputs[1] = clade_onnx_export_put(e, number, "Erf", inputs[1], NULL);
        inputs[1] = clade_onnx_export_put(e, number, "Add", inputs[1], put_number(e, number, 1));
        inputs[0] = clade_onnx_export_put(e, number, "Mul", x, inputs[1]);
        inputs[1] = put_number(e, number, 0.5F);
        clade_onnx_put_node(&e->w, "Mul", name, y, 2, inputs);
        return;
    default: break;
    }
    if (act == CLADE_HARD_SIGMOID) op = "HardSigmoid";
    if (act == CLADE_RELU6) {
        op = "Clip";
        inputs[1] = put_number(e, number, 0);
        inputs[2] = put_number(e, number, 6);
        count = 3;
    }
    node = clade_onnx_put_node(&e->w, op, name, y, count, inputs);
    if (info->alpha > 0)
        clade_onnx_put_float(&e->w, node, "alpha", clade_activation_alpha(act, alpha));
    if (act == CLADE_HARD_SIGMOID) {
        clade_onnx_put_float(&e->w, node, "alpha", 1 / 6.0F);
        clade_onnx_put_float(&e->w, node, "beta", 0.5F);
    }
}

/* --- layers --- */

static clade_window window_of(const clade_onnx_exporter *e, int32_t number, clade_padding padding,
                              const int32_t *size, const int32_t *stride, const int32_t *dilation,
                              const int32_t *pad)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    clade_window v = {.pad = {0}};
    for (int k = 0; k < 2; k++) {
        v.size[k] = size[k];
        v.stride[k] = stride[k];
        v.dilation[k] = dilation[k];
    }
    /* succeeded when the layer was added */
    clade_window_set_pad(&v, padding, pad, clade_node_input(e->network->graph, node, 0));
    return v;
}

static void put_window(clade_onnx_exporter *e, Onnx__Node *node, const clade_window *v)
{
    clade_onnx_put_ints(&e->w, node, "kernel_shape", v->size, 2);
    clade_onnx_put_ints(&e->w, node, "strides", v->stride, 2);
    clade_onnx_put_ints(&e->w, node, "pads", v->pad, 4);
}

static void put_conv(clade_onnx_exporter *e, int32_t number, char *x)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    const clade_conv2d_layer *l = &node->layer.as.conv2d;
    bool depthwise = node->layer.kind == CLADE_LAYER_DEPTHWISE_CONV2D;
    const int32_t stride[] = {l->stride[0] ? l->stride[0] : 1, l->stride[1] ? l->stride[1] : 1};
    const int32_t dilation[] = {l->dilation[0] ? l->dilation[0] : 1,
                                l->dilation[1] ? l->dilation[1] : 1};
    clade_window v = window_of(e, number, l->padding, l->kernel, stride, dilation, l->pad);
    int32_t channels = clade_node_input(e->network->graph, node, 0)->dim[2];
    char *inputs[] = {x, put_kernel(e, number), NULL};
    if (!l->no_bias) inputs[2] = put_weight(e, number, 1);
    bool linear = l->activation == CLADE_LINEAR;
    char *z = linear ? e->value[number] : clade_onnx_export_part(e, number);
    Onnx__Node *conv =
        clade_onnx_put_node(&e->w, "Conv", node->layer.name, z, l->no_bias ? 2 : 3, inputs);
    put_window(e, conv, &v);
    clade_onnx_put_ints(&e->w, conv, "dilations", v.dilation, 2);
    clade_onnx_put_int(&e->w, conv, "group", depthwise ? channels : l->groups ? l->groups : 1);
    if (!linear) put_activation(e, number, l->activation, l->alpha, z, false);
}

static void put_dense(clade_onnx_exporter *e, int32_t number, char *x)
{
    const clade_layer *layer = &clade_onnx_export_node(e, number)->layer;
    const clade_dense_layer *l = &layer->as.dense;
    char *inputs[] = {x, put_weight(e, number, 0), NULL};
    if (!l->no_bias) inputs[2] = put_weight(e, number, 1);
    bool linear = l->activation == CLADE_LINEAR && !l->softmax;
    char *z = linear ? e->value[number] : clade_onnx_export_part(e, number);
    clade_onnx_put_node(&e->w, "Gemm", layer->name, z, l->no_bias ? 2 : 3, inputs);
    if (l->softmax)
        clade_onnx_put_node(&e->w, "Softmax", NULL, e->value[number], 1, &z);
    else if (!linear)
        put_activation(e, number, l->activation, l->alpha, z, false);
}

static void put_pool(clade_onnx_exporter *e, int32_t number, char *x)
{
    const clade_layer *layer = &clade_onnx_export_node(e, number)->layer;
    const clade_pool2d_layer *l = &layer->as.pool2d;
    bool max = layer->kind == CLADE_LAYER_MAXPOOL2D;
    const int32_t stride[] = {l->stride[0] ? l->stride[0] : l->window[0],
                              l->stride[1] ? l->stride[1] : l->window[1]};
    static const int32_t dilation[] = {1, 1};
    clade_window v = window_of(e, number, l->padding, l->window, stride, dilation, l->pad);
    Onnx__Node *node = put_last(e, number, max ? "MaxPool" : "AveragePool", 1, &x);
    put_window(e, node, &v);
    if (!max && l->count_pad) clade_onnx_put_int(&e->w, node, "count_include_pad", 1);
}

static void put_global_pool(clade_onnx_exporter *e, int32_t number, char *x)
{
    char *mean = clade_onnx_export_part(e, number);
    clade_onnx_put_node(&e->w, "GlobalAveragePool", clade_onnx_export_node(e, number)->layer.name,
                        mean, 1, &x);
    clade_onnx_put_node(&e->w, "Flatten", NULL, e->value[number], 1, &mean);
}

static void put_batchnorm(clade_onnx_exporter *e, int32_t number, char *x)
{
    const clade_batchnorm_layer *l = &clade_onnx_export_node(e, number)->layer.as.batchnorm;
    char *inputs[5] = {x};
    for (int k = 0; k < 4; k++) inputs[k + 1] = put_weight(e, number, k);
    Onnx__Node *node = put_last(e, number, "BatchNormalization", 5, inputs);
    clade_onnx_put_float(&e->w, node, "epsilon", l->eps != 0 ? l->eps : 0.001F);
    clade_onnx_put_float(&e->w, node, "momentum", l->momentum != 0 ? l->momentum : 0.99F);
}

static void put_lrn(clade_onnx_exporter *e, int32_t number, char *x)
{
    const clade_lrn_layer *l = &clade_onnx_export_node(e, number)->layer.as.lrn;
    Onnx__Node *node = put_last(e, number, "LRN", 1, &x);
    clade_onnx_put_int(&e->w, node, "size", l->size ? l->size : 5);
    clade_onnx_put_float(&e->w, node, "bias", l->k != 0 ? l->k : 1);
    clade_onnx_put_float(&e->w, node, "alpha", l->alpha != 0 ? l->alpha : 1e-4F);
    clade_onnx_put_float(&e->w, node, "beta", l->beta != 0 ? l->beta : 0.75F);
}

/* Flatten and Reshape go through [n, h, w, c], in which our order of elements is. */
static void put_reshape(clade_onnx_exporter *e, int32_t number, char *x)
{
    static const int32_t to_last[] = {0, 2, 3, 1}, to_second[] = {0, 3, 1, 2};
    const clade_node *node = clade_onnx_export_node(e, number);
    const clade_node *from = clade_node_input(e->network->graph, node, 0);
    bool turn = from->rank == 3 && from->dim[2] > 1 && from->dim[0] * (int64_t)from->dim[1] > 1;
    bool back = node->rank == 3;
    if (turn) x = clade_onnx_export_transpose(e, x, clade_onnx_export_part(e, number), to_last, 4);
    int64_t to[4] = {0};
    for (int32_t k = 0; k < node->rank; k++) to[k + 1] = node->dim[k];
    char *inputs[] = {x, put_numbers(e, number, (size_t)node->rank + 1, to)};
    char *y = back ? clade_onnx_export_part(e, number) : e->value[number];
    clade_onnx_put_node(&e->w, "Reshape", node->layer.name, y, 2, inputs);
    if (back) clade_onnx_export_transpose(e, y, e->value[number], to_second, 4);
}

static void put_padding(clade_onnx_exporter *e, int32_t number, char *x)
{
    const int32_t *p = clade_onnx_export_node(e, number)->layer.as.pad2d.pad;
    const int64_t pads[] = {0, 0, p[0], p[1], 0, 0, p[2], p[3]};
    char *inputs[] = {x, put_numbers(e, number, 8, pads)};
    put_last(e, number, "Pad", 2, inputs);
}

static void put_dropout(clade_onnx_exporter *e, int32_t number, char *x)
{
    char *inputs[] = {
        x, put_number(e, number, clade_onnx_export_node(e, number)->layer.as.dropout.rate)};
    put_last(e, number, "Dropout", 2, inputs);
}

static void put_softmax(clade_onnx_exporter *e, int32_t number, char *x)
{
    Onnx__Node *node = put_last(e, number, "Softmax", 1, &x);
    clade_onnx_put_int(&e->w, node, "axis", clade_onnx_export_node(e, number)->rank == 2 ? 2 : 1);
}

/* --- layers with several inputs --- */

/* An input seen with as many dimensions as the output has: those of size 1 come after the batch in
 * [n, h, w, c]. */
static char *put_widened(clade_onnx_exporter *e, int32_t number, int32_t i)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    const clade_node *from = clade_node_input(e->network->graph, node, i);
    char *x = e->value[node->layer.input[i]];
    if (from->rank == node->rank) return x;
    static const int32_t swap[] = {0, 2, 1};
    static const int64_t middle[] = {1}, end[] = {2, 3}, rows[] = {2};
    if (node->rank == 2)
        return clade_onnx_export_put(e, number, "Unsqueeze", x, put_numbers(e, number, 1, middle));
    if (from->rank == 1)
        return clade_onnx_export_put(e, number, "Unsqueeze", x, put_numbers(e, number, 2, end));
    x = clade_onnx_export_transpose(e, x, clade_onnx_export_part(e, number), swap,
                                    3); /* [w, c] to [c, 1, w] */
    return clade_onnx_export_put(e, number, "Unsqueeze", x, put_numbers(e, number, 1, rows));
}

static void put_merge(clade_onnx_exporter *e, int32_t number)
{
    const clade_layer *layer = &clade_onnx_export_node(e, number)->layer;
    const char *op = layer->kind == CLADE_LAYER_ADD ? "Add" : "Mul";
    char *x = put_widened(e, number, 0);
    for (int32_t i = 1; i < layer->input_count; i++) {
        char *inputs[] = {x, put_widened(e, number, i)};
        if (i == layer->input_count - 1)
            put_last(e, number, op, 2, inputs);
        else
            x = clade_onnx_export_put(e, number, op, inputs[0], inputs[1]);
    }
}

static void put_concat(clade_onnx_exporter *e, int32_t number)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    char *inputs[CLADE_MAX_INPUTS];
    for (int32_t i = 0; i < node->layer.input_count; i++)
        inputs[i] = e->value[node->layer.input[i]];
    Onnx__Node *concat = put_last(e, number, "Concat", (size_t)node->layer.input_count, inputs);
    clade_onnx_put_int(&e->w, concat, "axis", node->rank == 2 ? 2 : 1);
}

void clade_onnx_export_layer(clade_onnx_exporter *e, int32_t number)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    char *x = e->value[node->layer.input[0]];
    e->parts = 0;
    switch (node->layer.kind) {
    case CLADE_LAYER_CONV2D:
    case CLADE_LAYER_DEPTHWISE_CONV2D: put_conv(e, number, x); return;
    case CLADE_LAYER_DENSE: put_dense(e, number, x); return;
    case CLADE_LAYER_MAXPOOL2D:
    case CLADE_LAYER_AVGPOOL2D: put_pool(e, number, x); return;
    case CLADE_LAYER_GLOBAL_AVGPOOL2D: put_global_pool(e, number, x); return;
    case CLADE_LAYER_BATCHNORM:
        if (node->rank != 2) {
            put_batchnorm(e, number, x);
            return;
        }
        break;
    case CLADE_LAYER_ACTIVATION:
        put_activation(e, number, node->layer.as.activation.activation,
                       node->layer.as.activation.alpha, x, true);
        return;
    case CLADE_LAYER_SOFTMAX: put_softmax(e, number, x); return;
    case CLADE_LAYER_DROPOUT: put_dropout(e, number, x); return;
    case CLADE_LAYER_FLATTEN:
    case CLADE_LAYER_RESHAPE: put_reshape(e, number, x); return;
    case CLADE_LAYER_ADD:
    case CLADE_LAYER_MULTIPLY: put_merge(e, number); return;
    case CLADE_LAYER_CONCAT: put_concat(e, number); return;
    case CLADE_LAYER_ZERO_PADDING2D: put_padding(e, number, x); return;
    case CLADE_LAYER_LRN:
        if (node->rank == 3) {
            put_lrn(e, number, x);
            return;
        }
        break;
    default: break;
    }
    char shape[64];
    if (!e->w.status)
        e->w.status = clade_fail(CLADE_EUNSUPPORTED, "%s: a %s of %s cannot be said in ONNX",
                                 node->layer.name, clade_layer_type(node->layer.kind),
                                 clade_node_text(node, shape));
}
