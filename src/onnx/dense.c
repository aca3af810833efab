/* ONNX's Gemm and MatMul, both ways: dense. */
#include "onnx/export.h"
#include "onnx/onnx.h"

/* w: [in, out], or with `transposed` [out, in]. */
static clade_status add_dense(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_value *x,
                              const clade_onnx_constant *w, bool transposed, float alpha,
                              const float *b)
{
    size_t in = (size_t)w->dim[transposed], out = (size_t)w->dim[!transposed];
    if (x->dim[1] != (int64_t)in || out > INT32_MAX)
        return clade_fail(CLADE_EFORMAT, "takes %lld values, its kernel has %zu",
                          (long long)x->dim[1], in);
    clade_layer layer = {.kind = CLADE_LAYER_DENSE, .input_count = 1, .input = {x->layer}};
    layer.as.dense = (clade_dense_layer){.units = (int32_t)out, .no_bias = !b};
    int32_t number;
    clade_status status = clade_onnx_add(r, node, &layer, &number);
    if (status) return status;
    clade_onnx_layer *l = &r->layer[number];
    float *to = l->weight[0] = clade_onnx_take(&r->file, w->count, sizeof *to);
    if (!to) return CLADE_ENOMEM;
    l->weight_count[0] = w->count;
    for (size_t i = 0; i < in; i++) {
        size_t row = clade_onnx_channel(x, i);
        for (size_t o = 0; o < out; o++)
            to[row * out + o] = alpha * w->f[transposed ? o * in + i : i * out + o];
    }
    if (b) status = clade_onnx_set_weight(r, number, 1, b, out);
    if (!status) status = clade_onnx_set_stem(r, number, node->input[1]);
    clade_onnx_value y = {.kind = CLADE_ONNX_LAYER,
                          .layer = number,
                          .rank = 2,
                          .dim = {r->batch, (int64_t)out},
                          .order = {0, 1}};
    return status ? status : clade_onnx_output(r, node, &y);
}

clade_status clade_onnx_read_gemm(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    const clade_onnx_constant *w, *c;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_vector(r, &x);
    if (!status) status = clade_onnx_input_constant(r, node, 1, &w);
    if (!status) status = clade_onnx_expect_real(w, 2, "its kernel");
    if (!status) status = clade_onnx_input_constant(r, node, 2, &c);
    if (status) return status;
    if (clade_onnx_int(node, "transA", 0))
        return clade_fail(CLADE_EUNSUPPORTED, "transA is not supported");
    bool transposed = clade_onnx_int(node, "transB", 0) != 0;
    size_t out = (size_t)w->dim[!transposed];
    bool fits = !c || (c->real && c->rank <= 2 && (c->count == 1 || c->count == out) &&
                       (c->rank < 2 || c->dim[0] == 1));
    if (!fits) return clade_fail(CLADE_EUNSUPPORTED, "its bias is not a row of %zu numbers", out);
    float beta = clade_onnx_float(node, "beta", 1), *b = NULL;
    if (c) {
        b = clade_onnx_take(&r->file, out, sizeof *b);
        if (!b) return CLADE_ENOMEM;
        for (size_t k = 0; k < out; k++) b[k] = beta * c->f[c->count == 1 ? 0 : k];
    }
    status = add_dense(r, node, &x, w, transposed, clade_onnx_float(node, "alpha", 1), b);
    clade_onnx_give(&r->file, b);
    return status;
}

clade_status clade_onnx_read_matmul(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    const clade_onnx_constant *w;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_vector(r, &x);
    if (!status) status = clade_onnx_input_constant(r, node, 1, &w);
    if (!status) status = clade_onnx_expect_real(w, 2, "its kernel");
    return status ? status : add_dense(r, node, &x, w, false, 1, NULL);
}

/* --- writing --- */

void clade_onnx_write_dense(clade_onnx_exporter *e, int32_t number)
{
    const clade_layer *layer = &clade_onnx_export_node(e, number)->layer;
    const clade_dense_layer *l = &layer->as.dense;
    const clade_network_weight *weight = clade_onnx_export_find_weight(e, number, 0);
    const int64_t dim[] = {weight->dim[0], weight->dim[1]};
    char *inputs[] = {clade_onnx_export_input(e, number),
                      clade_onnx_export_kernel(e, number, 2, dim, weight->data, 1), NULL};
    if (!l->no_bias) inputs[2] = clade_onnx_export_bias(e, number);
    bool linear = l->activation == CLADE_LINEAR && !l->softmax;
    char *z = linear ? e->value[number] : clade_onnx_export_part(e, number);
    clade_onnx_put_node(&e->w, "Gemm", layer->name, z, l->no_bias ? 2 : 3, inputs);
    if (l->softmax) z = clade_onnx_export_logits(e, number, z);
    if (l->softmax)
        clade_onnx_put_node(&e->w, "Softmax", NULL, e->value[number], 1, &z);
    else if (!linear)
        clade_onnx_export_activation(e, number, l->activation, l->alpha, z, false);
}
