/* Writing ONNX: each layer of a network as nodes of opset 13. Values are NCHW: what a layer gives
 * as [h, w, c] is [n, c, h, w] here; vectors and [a, b] are as they are. */
#include "config.h"
#include "format/network.h"
#include "format/onnx_write.h"
#include "nn/layer.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

enum { opset = 13, ir_version = 7, type_float = 1, type_uint8 = 2 };

typedef struct exporter {
    clade_onnx_writer w;
    const clade_network *network;
    char **value;  /* [layers]: the name of each output */
    int32_t parts; /* of the layer under way: nodes with names of their own */
} exporter;

static const clade_node *node_of(const exporter *e, int32_t number)
{
    return &e->network->graph->node[number];
}

static const clade_network_weight *weight_of(const exporter *e, int32_t number, int k)
{
    return &e->network->weights[e->network->first[number] + (size_t)k];
}

/* A name for a value, or a constant, inside of a layer. */
static char *part(exporter *e, int32_t number)
{
    return clade_onnx_format(&e->w, "%s:%d", node_of(e, number)->layer.name, ++e->parts);
}

/* A node within the layer; its output. */
static char *put(exporter *e, int32_t number, const char *op, char *x, char *y)
{
    char *out = part(e, number), *inputs[] = {x, y};
    clade_onnx_put_node(&e->w, op, NULL, out, y ? 2 : 1, inputs);
    return out;
}

/* The node that is the layer, or ends it. */
static Onnx__Node *put_last(exporter *e, int32_t number, const char *op, size_t inputs,
                            char *const *input)
{
    return clade_onnx_put_node(&e->w, op, node_of(e, number)->layer.name, e->value[number], inputs,
                               input);
}

static char *put_number(exporter *e, int32_t number, float value)
{
    float *data = clade_onnx_keep(&e->w, 1, sizeof *data);
    if (data) *data = value;
    return clade_onnx_put_floats(&e->w, part(e, number), 0, NULL, data);
}

static char *put_numbers(exporter *e, int32_t number, size_t count, const int64_t *values)
{
    return clade_onnx_put_numbers(&e->w, part(e, number), count, values);
}

static char *put_weight(exporter *e, int32_t number, int k)
{
    const clade_network_weight *weight = weight_of(e, number, k);
    int64_t dim[CLADE_MAX_RANK];
    for (int32_t d = 0; d < weight->rank; d++) dim[d] = weight->dim[d];
    return clade_onnx_put_floats(&e->w, (char *)weight->name, weight->rank, dim, weight->data);
}

/* [h, w, c, m] as [m, c, h, w]. */
static char *put_kernel(exporter *e, int32_t number)
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
static void put_activation(exporter *e, int32_t number, clade_activation act, float alpha, char *x,
                           bool named)
{
    static const char *const plain[CLADE_ACTIVATIONS] = {
        [CLADE_LINEAR] = "Identity",         [CLADE_RELU] = "Relu",
        [CLADE_LEAKY_RELU] = "LeakyRelu",    [CLADE_RELU6] = "Clip",
        [CLADE_SIGMOID] = "Sigmoid",         [CLADE_TANH] = "Tanh",
        [CLADE_HARD_SIGMOID] = "HardSigmoid"};
    const char *name = named ? node_of(e, number)->layer.name : NULL;
    char *inputs[3] = {x}, *y = e->value[number];
    size_t count = 1;
    Onnx__Node *node;
    switch (act) {
    case CLADE_SILU:
        inputs[1] = put(e, number, "Sigmoid", x, NULL);
        clade_onnx_put_node(&e->w, "Mul", name, y, 2, inputs);
        return;
    case CLADE_HARD_SWISH:
        inputs[1] = part(e, number);
        node = clade_onnx_put_node(&e->w, "HardSigmoid", NULL, inputs[1], 1, &x);
        clade_onnx_put_float(&e->w, node, "alpha", 1 / 6.0F);
        clade_onnx_put_float(&e->w, node, "beta", 0.5F);
        clade_onnx_put_node(&e->w, "Mul", name, y, 2, inputs);
        return;
    case CLADE_GELU:
        inputs[1] = put(e, number, "Mul", x, put_number(e, number, 0.70710678F));
        inputs[1] = put(e, number, "Erf", inputs[1], NULL);
        inputs[1] = put(e, number, "Add", inputs[1], put_number(e, number, 1));
        inputs[0] = put(e, number, "Mul", x, inputs[1]);
        inputs[1] = put_number(e, number, 0.5F);
        clade_onnx_put_node(&e->w, "Mul", name, y, 2, inputs);
        return;
    default: break;
    }
    if (act == CLADE_RELU6) {
        inputs[1] = put_number(e, number, 0);
        inputs[2] = put_number(e, number, 6);
        count = 3;
    }
    node = clade_onnx_put_node(&e->w, plain[act], name, y, count, inputs);
    if (act == CLADE_LEAKY_RELU)
        clade_onnx_put_float(&e->w, node, "alpha", clade_activation_alpha(act, alpha));
    if (act == CLADE_HARD_SIGMOID) {
        clade_onnx_put_float(&e->w, node, "alpha", 1 / 6.0F);
        clade_onnx_put_float(&e->w, node, "beta", 0.5F);
    }
}

/* --- layers --- */

static clade_window window_of(const exporter *e, int32_t number, clade_padding padding,
                              const int32_t *size, const int32_t *stride, const int32_t *dilation,
                              const int32_t *pad)
{
    const clade_node *node = node_of(e, number);
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

static void put_window(exporter *e, Onnx__Node *node, const clade_window *v)
{
    clade_onnx_put_ints(&e->w, node, "kernel_shape", v->size, 2);
    clade_onnx_put_ints(&e->w, node, "strides", v->stride, 2);
    clade_onnx_put_ints(&e->w, node, "pads", v->pad, 4);
}

static void put_conv(exporter *e, int32_t number, char *x)
{
    const clade_node *node = node_of(e, number);
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
    char *z = linear ? e->value[number] : part(e, number);
    Onnx__Node *conv =
        clade_onnx_put_node(&e->w, "Conv", node->layer.name, z, l->no_bias ? 2 : 3, inputs);
    put_window(e, conv, &v);
    clade_onnx_put_ints(&e->w, conv, "dilations", v.dilation, 2);
    clade_onnx_put_int(&e->w, conv, "group", depthwise ? channels : l->groups ? l->groups : 1);
    if (!linear) put_activation(e, number, l->activation, l->alpha, z, false);
}

static void put_dense(exporter *e, int32_t number, char *x)
{
    const clade_layer *layer = &node_of(e, number)->layer;
    const clade_dense_layer *l = &layer->as.dense;
    char *inputs[] = {x, put_weight(e, number, 0), NULL};
    if (!l->no_bias) inputs[2] = put_weight(e, number, 1);
    bool linear = l->activation == CLADE_LINEAR && !l->softmax;
    char *z = linear ? e->value[number] : part(e, number);
    clade_onnx_put_node(&e->w, "Gemm", layer->name, z, l->no_bias ? 2 : 3, inputs);
    if (l->softmax)
        clade_onnx_put_node(&e->w, "Softmax", NULL, e->value[number], 1, &z);
    else if (!linear)
        put_activation(e, number, l->activation, l->alpha, z, false);
}

static void put_pool(exporter *e, int32_t number, char *x)
{
    const clade_layer *layer = &node_of(e, number)->layer;
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

static void put_global_pool(exporter *e, int32_t number, char *x)
{
    char *mean = part(e, number);
    clade_onnx_put_node(&e->w, "GlobalAveragePool", node_of(e, number)->layer.name, mean, 1, &x);
    clade_onnx_put_node(&e->w, "Flatten", NULL, e->value[number], 1, &mean);
}

static void put_batchnorm(exporter *e, int32_t number, char *x)
{
    const clade_batchnorm_layer *l = &node_of(e, number)->layer.as.batchnorm;
    char *inputs[5] = {x};
    for (int k = 0; k < 4; k++) inputs[k + 1] = put_weight(e, number, k);
    Onnx__Node *node = put_last(e, number, "BatchNormalization", 5, inputs);
    clade_onnx_put_float(&e->w, node, "epsilon", l->eps != 0 ? l->eps : 0.001F);
    clade_onnx_put_float(&e->w, node, "momentum", l->momentum != 0 ? l->momentum : 0.99F);
}

static void put_lrn(exporter *e, int32_t number, char *x)
{
    const clade_lrn_layer *l = &node_of(e, number)->layer.as.lrn;
    Onnx__Node *node = put_last(e, number, "LRN", 1, &x);
    clade_onnx_put_int(&e->w, node, "size", l->size ? l->size : 5);
    clade_onnx_put_float(&e->w, node, "bias", l->k != 0 ? l->k : 1);
    clade_onnx_put_float(&e->w, node, "alpha", l->alpha != 0 ? l->alpha : 1e-4F);
    clade_onnx_put_float(&e->w, node, "beta", l->beta != 0 ? l->beta : 0.75F);
}

static char *put_transpose(exporter *e, char *x, char *out, const int32_t *perm, size_t rank)
{
    Onnx__Node *node = clade_onnx_put_node(&e->w, "Transpose", NULL, out, 1, &x);
    clade_onnx_put_ints(&e->w, node, "perm", perm, rank);
    return out;
}

/* Flatten and Reshape go through [n, h, w, c], in which our order of elements is. */
static void put_reshape(exporter *e, int32_t number, char *x)
{
    static const int32_t to_last[] = {0, 2, 3, 1}, to_second[] = {0, 3, 1, 2};
    const clade_node *node = node_of(e, number);
    const clade_node *from = clade_node_input(e->network->graph, node, 0);
    bool turn = from->rank == 3 && from->dim[2] > 1 && from->dim[0] * (int64_t)from->dim[1] > 1;
    bool back = node->rank == 3;
    if (turn) x = put_transpose(e, x, part(e, number), to_last, 4);
    int64_t to[4] = {0};
    for (int32_t k = 0; k < node->rank; k++) to[k + 1] = node->dim[k];
    char *inputs[] = {x, put_numbers(e, number, (size_t)node->rank + 1, to)};
    char *y = back ? part(e, number) : e->value[number];
    clade_onnx_put_node(&e->w, "Reshape", node->layer.name, y, 2, inputs);
    if (back) put_transpose(e, y, e->value[number], to_second, 4);
}

static void put_padding(exporter *e, int32_t number, char *x)
{
    const int32_t *p = node_of(e, number)->layer.as.pad2d.pad;
    const int64_t pads[] = {0, 0, p[0], p[1], 0, 0, p[2], p[3]};
    char *inputs[] = {x, put_numbers(e, number, 8, pads)};
    put_last(e, number, "Pad", 2, inputs);
}

static void put_dropout(exporter *e, int32_t number, char *x)
{
    char *inputs[] = {x, put_number(e, number, node_of(e, number)->layer.as.dropout.rate)};
    put_last(e, number, "Dropout", 2, inputs);
}

static void put_softmax(exporter *e, int32_t number, char *x)
{
    Onnx__Node *node = put_last(e, number, "Softmax", 1, &x);
    clade_onnx_put_int(&e->w, node, "axis", node_of(e, number)->rank == 2 ? 2 : 1);
}

/* --- layers with several inputs --- */

/* An input seen with as many dimensions as the output has: those of size 1 come after the batch in
 * [n, h, w, c]. */
static char *put_widened(exporter *e, int32_t number, int32_t i)
{
    const clade_node *node = node_of(e, number);
    const clade_node *from = clade_node_input(e->network->graph, node, i);
    char *x = e->value[node->layer.input[i]];
    if (from->rank == node->rank) return x;
    static const int32_t swap[] = {0, 2, 1};
    static const int64_t middle[] = {1}, end[] = {2, 3}, rows[] = {2};
    if (node->rank == 2) return put(e, number, "Unsqueeze", x, put_numbers(e, number, 1, middle));
    if (from->rank == 1) return put(e, number, "Unsqueeze", x, put_numbers(e, number, 2, end));
    x = put_transpose(e, x, part(e, number), swap, 3); /* [w, c] to [c, 1, w] */
    return put(e, number, "Unsqueeze", x, put_numbers(e, number, 1, rows));
}

static void put_merge(exporter *e, int32_t number)
{
    const clade_layer *layer = &node_of(e, number)->layer;
    const char *op = layer->kind == CLADE_LAYER_ADD ? "Add" : "Mul";
    char *x = put_widened(e, number, 0);
    for (int32_t i = 1; i < layer->input_count; i++) {
        char *inputs[] = {x, put_widened(e, number, i)};
        if (i == layer->input_count - 1)
            put_last(e, number, op, 2, inputs);
        else
            x = put(e, number, op, inputs[0], inputs[1]);
    }
}

static void put_concat(exporter *e, int32_t number)
{
    const clade_node *node = node_of(e, number);
    char *inputs[CLADE_MAX_INPUTS];
    for (int32_t i = 0; i < node->layer.input_count; i++)
        inputs[i] = e->value[node->layer.input[i]];
    Onnx__Node *concat = put_last(e, number, "Concat", (size_t)node->layer.input_count, inputs);
    clade_onnx_put_int(&e->w, concat, "axis", node->rank == 2 ? 2 : 1);
}

static void put_layer(exporter *e, int32_t number)
{
    const clade_node *node = node_of(e, number);
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

/* --- the model around them --- */

/* A layer's output as ONNX sees it, the batch open. */
static int32_t shape_of(const clade_node *node, int64_t dim[4])
{
    static const int order[] = {2, 0, 1};
    dim[0] = -1;
    for (int32_t k = 0; k < node->rank; k++) dim[k + 1] = node->dim[node->rank == 3 ? order[k] : k];
    return node->rank + 1;
}

/* The input, and what takes pixels to it. */
static Onnx__ValueInfo *put_input(exporter *e, bool pixels)
{
    const clade_node *node = node_of(e, 0);
    int64_t dim[4] = {-1, node->dim[0], node->dim[1], node->dim[2]}, channels = node->dim[2];
    char *input = clade_onnx_format(&e->w, "input");
    e->value[0] = input;
    if (!pixels) {
        shape_of(node, dim);
        return clade_onnx_make_info(&e->w, input, type_float, 4, dim);
    }
    static const int32_t to_second[] = {0, 3, 1, 2};
    const clade_preprocessing *p = &e->network->preprocessing;
    char *x = part(e, 0);
    Onnx__Node *cast = clade_onnx_put_node(&e->w, "Cast", "preprocessing", x, 1, &input);
    clade_onnx_put_int(&e->w, cast, "to", type_float);
    x = put(e, 0, "Mul", x,
            clade_onnx_put_floats(&e->w, clade_onnx_format(&e->w, "preprocessing/scale"), 1,
                                  &channels, p->scale));
    x = put(e, 0, "Add", x,
            clade_onnx_put_floats(&e->w, clade_onnx_format(&e->w, "preprocessing/shift"), 1,
                                  &channels, p->shift));
    e->value[0] = put_transpose(e, x, part(e, 0), to_second, 4);
    return clade_onnx_make_info(&e->w, input, type_uint8, 4, dim);
}

static void put_json(exporter *e, const char *key, cJSON *value)
{
    char *text = value ? cJSON_PrintUnformatted(value) : NULL;
    if (text)
        clade_onnx_put_property(&e->w, key, clade_onnx_format(&e->w, "%s", text));
    else if (!e->w.status)
        e->w.status = clade_fail(CLADE_ENOMEM, "out of memory for an ONNX file");
    cJSON_free(text);
    cJSON_Delete(value);
}

static void put_metadata(exporter *e, bool pixels)
{
    const clade_network *n = e->network;
    int32_t channels = node_of(e, 0)->dim[2];
    clade_onnx_put_property(&e->w, "layout", clade_onnx_format(&e->w, pixels ? "NHWC" : "NCHW"));
    if (n->class_count)
        put_json(e, "classes",
                 cJSON_CreateStringArray((const char *const *)n->classes, n->class_count));
    if (!n->has_preprocessing) return;
    const clade_preprocessing *p = &n->preprocessing;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "formula", pixels ? "in the graph" : "scale * pixel + shift");
    cJSON_AddItemToObject(object, "scale", cJSON_CreateFloatArray(p->scale, channels));
    cJSON_AddItemToObject(object, "shift", cJSON_CreateFloatArray(p->shift, channels));
    cJSON_AddStringToObject(object, "interpolation",
                            p->interpolation == CLADE_BILINEAR ? "bilinear" : "nearest");
    put_json(e, "preprocessing", object);
}

static void put_all(exporter *e, bool pixels)
{
    clade_onnx_writer *w = &e->w;
    int32_t layers = clade_graph_layers(e->network->graph), last = layers - 1;
    Onnx__ValueInfo **info = clade_onnx_keep(w, 2, sizeof(Onnx__ValueInfo *));
    Onnx__OperatorSet *set = clade_onnx_keep(w, 1, sizeof *set);
    Onnx__OperatorSet **sets = clade_onnx_keep(w, 1, sizeof(Onnx__OperatorSet *));
    e->value = clade_onnx_keep(w, (size_t)layers, sizeof *e->value);
    if (w->status) return;
    info[0] = put_input(e, pixels);
    for (int32_t i = 1; i < layers && !w->status; i++) {
        e->value[i] = i == last ? clade_onnx_format(w, "output")
                                : clade_onnx_format(w, "%s:0", node_of(e, i)->layer.name);
        put_layer(e, i);
    }
    if (w->status) return;
    int64_t dim[4];
    int32_t rank = shape_of(node_of(e, last), dim);
    info[1] = clade_onnx_make_info(w, e->value[last], type_float, rank, dim);
    put_metadata(e, pixels);
    onnx__operator_set__init(set);
    set->domain = clade_onnx_format(w, "%s", "");
    set->has_version = true;
    set->version = opset;
    sets[0] = set;
    w->graph.input = info;
    w->graph.output = info + 1;
    w->graph.n_input = w->graph.n_output = 1;
    w->graph.name = e->network->name;
    w->model.has_ir_version = true;
    w->model.ir_version = ir_version;
    w->model.producer_name = clade_onnx_format(w, "clade");
    w->model.producer_version = clade_onnx_format(w, "%s", CLADE_VERSION);
    w->model.opset_import = sets;
    w->model.n_opset_import = 1;
}

clade_status clade_network_write_onnx(const clade_network *network,
                                      const clade_onnx_options *options, const char *path)
{
    if (!network || !path) return clade_fail(CLADE_EINVAL, "no net or no path to write to");
    bool pixels = options && options->preprocessing;
    if (pixels && !network->has_preprocessing)
        return clade_fail(CLADE_EINVAL, "%s: the net's preprocessing is not known", path);
    exporter e = {.network = network};
    clade_onnx_writer_start(&e.w);
    put_all(&e, pixels);
    clade_status status =
        e.w.status ? clade_context(e.w.status, "%s", path) : clade_onnx_writer_save(&e.w, path);
    clade_onnx_writer_clear(&e.w);
    return status;
}
