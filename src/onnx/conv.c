/* ONNX's Conv, both ways: conv2d and depthwise_conv2d. */
#include "onnx/export.h"
#include "onnx/onnx.h"

/* [m, c, h, w] to [h, w, c, m]. */
static clade_status set_kernel(clade_onnx_reader *r, int32_t layer, const clade_onnx_constant *w)
{
    clade_onnx_layer *l = &r->layer[layer];
    float *to = l->weight[0] = clade_onnx_take(&r->file, w->count, sizeof *to);
    if (!to) return CLADE_ENOMEM;
    l->weight_count[0] = w->count;
    size_t m = (size_t)w->dim[0], c = (size_t)w->dim[1], area = (size_t)(w->dim[2] * w->dim[3]);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < c; j++)
            for (size_t k = 0; k < area; k++)
                to[(k * c + j) * m + i] = w->f[(i * c + j) * area + k];
    return CLADE_OK;
}

clade_status clade_onnx_read_conv(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    const clade_onnx_constant *w, *b;
    clade_onnx_window v = {.padding = CLADE_PADDING_VALID};
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_image(r, &x);
    if (!status) status = clade_onnx_input_constant(r, node, 1, &w);
    if (!status) status = clade_onnx_expect_real(w, 4, "its kernel");
    if (!status) status = clade_onnx_input_constant(r, node, 2, &b);
    if (!status && b) status = clade_onnx_expect_real(b, 1, "its bias");
    if (status) return status;
    for (int k = 0; k < 4; k++)
        if (w->dim[k] < 1 || w->dim[k] > INT32_MAX)
            return clade_fail(CLADE_EFORMAT, "dimension %d of its kernel is %lld", k,
                              (long long)w->dim[k]);
    int64_t groups = clade_onnx_int(node, "group", 1), given[2] = {w->dim[2], w->dim[3]};
    v.size[0] = w->dim[2];
    v.size[1] = w->dim[3];
    status = clade_onnx_read_pair(r, node, "kernel_shape", 2, 1, given);
    if (!status) status = clade_onnx_read_window(r, node, &x, &v);
    if (status) return status;
    if (given[0] != v.size[0] || given[1] != v.size[1])
        return clade_fail(CLADE_EFORMAT, "kernel_shape is not the kernel's shape");
    if (groups < 1 || groups > INT32_MAX || w->dim[1] > INT32_MAX / groups ||
        w->dim[1] * groups != x.dim[1] || w->dim[0] % groups || (b && b->dim[0] != w->dim[0]))
        return clade_fail(
            CLADE_EFORMAT,
            "%lld channels, %lld groups, %lld filters of %lld channels and %lld biases "
            "do not agree",
            (long long)x.dim[1], (long long)groups, (long long)w->dim[0], (long long)w->dim[1],
            (long long)(b ? b->dim[0] : w->dim[0]));
    bool depthwise = groups == x.dim[1] && groups > 1;
    clade_layer layer = {.kind = depthwise ? CLADE_LAYER_DEPTHWISE_CONV2D : CLADE_LAYER_CONV2D,
                         .input_count = 1,
                         .input = {x.layer}};
    clade_conv2d_layer *l = &layer.as.conv2d;
    l->filters = (int32_t)(depthwise ? w->dim[0] / groups : w->dim[0]);
    l->groups = depthwise || groups == 1 ? 0 : (int32_t)groups;
    l->padding = v.padding;
    l->no_bias = !b;
    clade_onnx_set_ints(l->kernel, v.size, 2);
    clade_onnx_set_ints(l->stride, v.stride, 2);
    clade_onnx_set_ints(l->dilation, v.dilation, 2);
    if (v.padding == CLADE_PADDING_EXPLICIT) clade_onnx_set_ints(l->pad, v.pad, 4);
    int32_t number;
    status = clade_onnx_add(r, node, &layer, &number);
    if (!status) status = set_kernel(r, number, w);
    if (!status && b) status = clade_onnx_set_weight(r, number, 1, b->f, b->count);
    if (!status) status = clade_onnx_set_stem(r, number, node->input[1]);
    return status ? status : clade_onnx_output_image(r, node, number);
}

/* --- writing --- */

/* [h, w, c, m] as [m, c, h, w]. */
static char *put_kernel(clade_onnx_exporter *e, int32_t number)
{
    const clade_network_weight *weight = clade_onnx_export_find_weight(e, number, 0);
    const int32_t *d = weight->dim;
    int64_t dim[] = {d[3], d[2], d[0], d[1]};
    size_t area = (size_t)d[0] * (size_t)d[1], c = (size_t)d[2], m = (size_t)d[3];
    float *data = clade_onnx_keep(&e->w, area * c * m, sizeof *data);
    for (size_t i = 0; i < m && data; i++)
        for (size_t j = 0; j < c; j++)
            for (size_t k = 0; k < area; k++)
                data[(i * c + j) * area + k] = weight->data[(k * c + j) * m + i];
    return clade_onnx_export_kernel(e, number, 4, dim, data, 0);
}

static void write_conv(clade_onnx_exporter *e, int32_t number, int32_t groups)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    const clade_conv2d_layer *l = &node->layer.as.conv2d;
    clade_window v = clade_conv_window(e->network->graph, node);
    char *inputs[] = {clade_onnx_export_input(e, number), put_kernel(e, number), NULL};
    if (!l->no_bias) inputs[2] = clade_onnx_export_bias(e, number);
    bool linear = l->activation == CLADE_LINEAR;
    char *z = linear ? e->value[number] : clade_onnx_export_part(e, number);
    Onnx__Node *conv =
        clade_onnx_put_node(&e->w, "Conv", node->layer.name, z, l->no_bias ? 2 : 3, inputs);
    clade_onnx_export_window(e, conv, &v);
    clade_onnx_put_ints(&e->w, conv, "dilations", v.dilation, 2);
    clade_onnx_put_int(&e->w, conv, "group", groups);
    if (!linear) clade_onnx_export_activation(e, number, l->activation, l->alpha, z, false);
}

void clade_onnx_write_conv2d(clade_onnx_exporter *e, int32_t number)
{
    int32_t groups = clade_onnx_export_node(e, number)->layer.as.conv2d.groups;
    write_conv(e, number, groups ? groups : 1);
}

void clade_onnx_write_depthwise_conv2d(clade_onnx_exporter *e, int32_t number)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    write_conv(e, number, clade_node_input(e->network->graph, node, 0)->dim[2]);
}
