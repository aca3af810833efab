/* Writing ONNX: what layers are written with. */
#include "onnx/export.h"

const clade_node *clade_onnx_export_node(const clade_onnx_exporter *e, int32_t number)
{
    return &e->network->graph->node[number];
}

char *clade_onnx_export_input(const clade_onnx_exporter *e, int32_t number)
{
    return e->value[clade_onnx_export_node(e, number)->layer.input[0]];
}

char *clade_onnx_export_part(clade_onnx_exporter *e, int32_t number)
{
    return clade_onnx_format(&e->w, "%s:%d", clade_onnx_export_node(e, number)->layer.name,
                             ++e->parts);
}

char *clade_onnx_export_put(clade_onnx_exporter *e, int32_t number, const char *op, char *x,
                            char *y)
{
    char *out = clade_onnx_export_part(e, number), *inputs[] = {x, y};
    clade_onnx_put_node(&e->w, op, NULL, out, y ? 2 : 1, inputs);
    return out;
}

char *clade_onnx_export_transpose(clade_onnx_exporter *e, char *x, char *out, const int32_t *perm,
                                  size_t rank)
{
    Onnx__Node *node = clade_onnx_put_node(&e->w, "Transpose", NULL, out, 1, &x);
    clade_onnx_put_ints(&e->w, node, "perm", perm, rank);
    return out;
}

const clade_network_weight *clade_onnx_export_find_weight(const clade_onnx_exporter *e,
                                                          int32_t number, int k)
{
    return &e->network->weights[e->network->first[number] + (size_t)k];
}

Onnx__Node *clade_onnx_export_last(clade_onnx_exporter *e, int32_t number, const char *op,
                                   size_t inputs, char *const *input)
{
    return clade_onnx_put_node(&e->w, op, clade_onnx_export_node(e, number)->layer.name,
                               e->value[number], inputs, input);
}

char *clade_onnx_export_number(clade_onnx_exporter *e, int32_t number, float value)
{
    float *data = clade_onnx_keep(&e->w, 1, sizeof *data);
    if (data) *data = value;
    return clade_onnx_put_floats(&e->w, clade_onnx_export_part(e, number), 0, NULL, data);
}

char *clade_onnx_export_numbers(clade_onnx_exporter *e, int32_t number, size_t count,
                                const int64_t *values)
{
    return clade_onnx_put_numbers(&e->w, clade_onnx_export_part(e, number), count, values);
}

char *clade_onnx_export_weight(clade_onnx_exporter *e, int32_t number, int k)
{
    const clade_network_weight *weight = clade_onnx_export_find_weight(e, number, k);
    int64_t dim[CLADE_MAX_RANK];
    for (int32_t d = 0; d < weight->rank; d++) dim[d] = weight->dim[d];
    return clade_onnx_put_floats(&e->w, (char *)weight->name, weight->rank, dim, weight->data);
}

char *clade_onnx_export_logits(clade_onnx_exporter *e, int32_t number, char *x)
{
    const clade_network *n = e->network;
    if (number != clade_graph_layers(n->graph) - 1 || n->temperature == 1) return x;
    return clade_onnx_export_put(e, number, "Div", x,
                                 clade_onnx_export_number(e, number, (float)n->temperature));
}

void clade_onnx_export_window(clade_onnx_exporter *e, Onnx__Node *node, const clade_window *v)
{
    clade_onnx_put_ints(&e->w, node, "kernel_shape", v->size, 2);
    clade_onnx_put_ints(&e->w, node, "strides", v->stride, 2);
    clade_onnx_put_ints(&e->w, node, "pads", v->pad, 4);
}

void clade_onnx_export_refuse(clade_onnx_exporter *e, int32_t number)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    char shape[64];
    if (!e->w.status)
        e->w.status =
            clade_fail(CLADE_EUNSUPPORTED, "%s: ONNX cannot express %s of %s", node->layer.name,
                       clade_layer_type(node->layer.kind), clade_node_text(node, shape));
}
