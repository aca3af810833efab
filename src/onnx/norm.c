/* ONNX's BatchNormalization and LRN, both ways. */
#include "onnx/export.h"
#include "onnx/onnx.h"

#include <float.h>

clade_status clade_onnx_read_batchnorm(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    const clade_onnx_constant *w[4];
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = x.rank == 2 ? clade_onnx_vector(r, &x) : clade_onnx_image(r, &x);
    for (size_t k = 0; k < 4 && !status; k++) {
        status = clade_onnx_input_constant(r, node, k + 1, &w[k]);
        if (!status && (!w[k] || !w[k]->real || w[k]->rank != 1 || w[k]->dim[0] != x.dim[1]))
            status = clade_fail(CLADE_EFORMAT, "input %zu is not a row of %lld numbers", k + 1,
                                (long long)x.dim[1]);
    }
    if (status) return status;
    if (!clade_onnx_int(node, "spatial", 1)) return clade_fail(CLADE_EUNSUPPORTED, "spatial 0");
    clade_layer layer = {.kind = CLADE_LAYER_BATCHNORM, .input_count = 1, .input = {x.layer}};
    float eps = clade_onnx_float(node, "epsilon", 1e-5F),
          momentum = clade_onnx_float(node, "momentum", 0.9F);
    layer.as.batchnorm =
        (clade_batchnorm_layer){/* 0 stands for a layer's default; the nearest to it are these */
                                .eps = eps == 0 ? FLT_MIN : eps,
                                .momentum = momentum == 0 ? FLT_MIN : momentum};
    if (momentum >= 1) { /* the statistics never change */
        layer.as.batchnorm.momentum = 0;
        layer.as.batchnorm.frozen = true;
    }
    int32_t number;
    status = clade_onnx_add(r, node, &layer, &number);
    for (int k = 0; k < 4 && !status; k++) {
        status = clade_onnx_set_weight(r, number, k, w[k]->f, w[k]->count);
        for (size_t i = 0; i < w[k]->count && !status && x.chw[0]; i++)
            r->layer[number].weight[k][clade_onnx_channel(&x, i)] = w[k]->f[i];
    }
    if (!status) status = clade_onnx_set_stem(r, number, node->input[1]);
    x.layer = number;
    return status ? status : clade_onnx_output(r, node, &x);
}

clade_status clade_onnx_read_lrn(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_image(r, &x);
    if (status) return status;
    clade_layer layer = {.kind = CLADE_LAYER_LRN, .input_count = 1, .input = {x.layer}};
    int64_t size = clade_onnx_int(node, "size", 0);
    if (size < 1 || size > INT32_MAX)
        return clade_fail(CLADE_EFORMAT, "size is %lld", (long long)size);
    layer.as.lrn = (clade_lrn_layer){.size = (int32_t)size,
                                     .k = clade_onnx_float(node, "bias", 1),
                                     .alpha = clade_onnx_float(node, "alpha", 1e-4F),
                                     .beta = clade_onnx_float(node, "beta", 0.75F)};
    status = clade_onnx_add(r, node, &layer, &x.layer);
    return status ? status : clade_onnx_output(r, node, &x);
}

/* --- writing --- */

void clade_onnx_write_batchnorm(clade_onnx_exporter *e, int32_t number)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    if (node->rank == 2) {
        clade_onnx_export_refuse(e, number);
        return;
    }
    const clade_batchnorm_layer l = clade_layer_complete(&node->layer).as.batchnorm;
    char *inputs[5] = {clade_onnx_export_input(e, number)};
    for (int k = 0; k < 4; k++) inputs[k + 1] = clade_onnx_export_weight(e, number, k);
    Onnx__Node *norm = clade_onnx_export_last(e, number, "BatchNormalization", 5, inputs);
    clade_onnx_put_float(&e->w, norm, "epsilon", l.eps);
    clade_onnx_put_float(&e->w, norm, "momentum", l.momentum);
}

void clade_onnx_write_lrn(clade_onnx_exporter *e, int32_t number)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    if (node->rank != 3) {
        clade_onnx_export_refuse(e, number);
        return;
    }
    const clade_lrn_layer l = clade_layer_complete(&node->layer).as.lrn;
    char *x = clade_onnx_export_input(e, number);
    Onnx__Node *lrn = clade_onnx_export_last(e, number, "LRN", 1, &x);
    clade_onnx_put_int(&e->w, lrn, "size", l.size);
    clade_onnx_put_float(&e->w, lrn, "bias", l.k);
    clade_onnx_put_float(&e->w, lrn, "alpha", l.alpha);
    clade_onnx_put_float(&e->w, lrn, "beta", l.beta);
}
