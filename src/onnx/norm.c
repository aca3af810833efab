/* ONNX's BatchNormalization, GroupNormalization, InstanceNormalization, LayerNormalization and LRN,
 * both ways. */
#include "onnx/export.h"
#include "onnx/onnx.h"

#include <float.h>
#include <string.h>

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
    r->trained_norms += clade_onnx_int(node, "training_mode", 0) || node->n_output > 1;
    return status ? status : clade_onnx_output(r, node, &x);
}

/* --- group_norm, layer_norm --- */

/* The first of the layer's dimensions that are normalised; 0 where those are not its last. */
static int32_t first_dim(const clade_onnx_reader *r, const clade_onnx_value *x,
                         const clade_onnx_norm *norm)
{
    int64_t dim[4];
    int32_t rank = clade_onnx_dims(r, x->layer, dim), first = rank;
    bool taken[4] = {false};
    if (norm->groups) return rank - 1;
    for (int32_t k = 0; k < x->rank; k++) {
        if (!(norm->axes >> k & 1) || x->dim[k] == 1) continue;
        if (x->order[k] < 1) return 0;
        taken[x->order[k]] = true;
        if (x->order[k] < first) first = x->order[k];
    }
    for (int32_t d = first; d < rank; d++)
        if (dim[d] != 1 && !taken[d]) return 0;
    return first < rank ? first : 0;
}

/* How far apart the constant's numbers are along each of the layer's dimensions. */
static bool find_steps(const clade_onnx_value *x, const clade_onnx_constant *c, int32_t first,
                       size_t step[4])
{
    size_t stride = 1;
    memset(step, 0, 4 * sizeof *step);
    if (c->rank > x->rank) return false;
    for (int32_t k = c->rank - 1; k >= 0; k--) {
        int32_t at = k + x->rank - c->rank;
        if (c->dim[k] == 1) continue;
        if (c->dim[k] != x->dim[at] || x->order[at] < first) return false;
        step[x->order[at]] = stride;
        stride *= (size_t)c->dim[k];
    }
    return true;
}

bool clade_onnx_norm_fits(const clade_onnx_reader *r, const clade_onnx_value *x,
                          const clade_onnx_norm *norm, const clade_onnx_constant *c)
{
    int64_t dim[4];
    size_t step[4], channels = (size_t)dim[clade_onnx_dims(r, x->layer, dim) - 1];
    int32_t first = first_dim(r, x, norm);
    if (!c->real || c->count == 0 || !first) return false;
    if (norm->listed) return c->count == channels || c->count == (size_t)norm->groups;
    return find_steps(x, c, first, step);
}

/* gamma or beta, of which NULL has `otherwise` everywhere, as the layer's weight k. */
static clade_status set_norm_weight(clade_onnx_reader *r, const clade_onnx_value *x,
                                    const clade_onnx_norm *norm, int32_t number, int k,
                                    const clade_onnx_constant *c, float otherwise)
{
    int64_t dim[4];
    size_t step[4] = {0}, count = 1;
    int32_t rank = clade_onnx_dims(r, x->layer, dim), first = first_dim(r, x, norm);
    for (int32_t d = first; d < rank; d++) count *= (size_t)dim[d];
    if (c && !clade_onnx_norm_fits(r, x, norm, c))
        return clade_fail(CLADE_EUNSUPPORTED, "its %s differs in shape from what is normalised",
                          k ? "bias" : "scale");
    float *to = clade_onnx_take(&r->file, count, sizeof *to);
    if (!to) return CLADE_ENOMEM;
    if (c && !norm->listed) find_steps(x, c, first, step);
    for (size_t i = 0; i < count; i++) {
        size_t from = norm->listed && c ? i * c->count / count : 0, rest = i;
        for (int32_t d = rank - 1; d >= first; d--) {
            from += rest % (size_t)dim[d] * step[d];
            rest /= (size_t)dim[d];
        }
        to[clade_onnx_channel(x, i)] = c ? c->f[from] : otherwise;
    }
    r->layer[number].weight[k] = to;
    r->layer[number].weight_count[k] = count;
    return CLADE_OK;
}

clade_status clade_onnx_add_norm(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_value *x,
                                 const clade_onnx_norm *norm)
{
    int64_t dim[4];
    int32_t rank = clade_onnx_dims(r, x->layer, dim), first = first_dim(r, x, norm), number;
    if (norm->groups && x->chw[0])
        return clade_fail(CLADE_EUNSUPPORTED, "groups of a flattened image");
    if (!first)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "over dimensions other than the channels or the whole image");
    clade_layer layer = {.kind = norm->groups ? CLADE_LAYER_GROUP_NORM : CLADE_LAYER_LAYER_NORM,
                         .input_count = 1,
                         .input = {x->layer}};
    const float eps = norm->eps == 0 ? FLT_MIN : norm->eps; /* 0 stands for the layer's default */
    if (norm->groups)
        layer.as.group_norm = (clade_group_norm_layer){norm->groups, eps};
    else
        layer.as.layer_norm.eps = eps;
    if (!norm->groups && first < rank - 1)
        for (int32_t d = first; d < rank; d++)
            layer.as.layer_norm.axis[layer.as.layer_norm.axes++] = d;
    clade_status status = clade_onnx_add(r, node, &layer, &number);
    if (!status) status = set_norm_weight(r, x, norm, number, 0, norm->gamma, 1);
    if (!status) status = set_norm_weight(r, x, norm, number, 1, norm->beta, 0);
    x->layer = number;
    return status;
}

/* GroupNormalization and InstanceNormalization. */
clade_status clade_onnx_read_group_norm(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_onnx_norm norm = {.listed = true, .eps = clade_onnx_float(node, "epsilon", 1e-5F)};
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = x.rank == 2 ? clade_onnx_vector(r, &x) : clade_onnx_image(r, &x);
    if (!status) status = clade_onnx_input_constant(r, node, 1, &norm.gamma);
    if (!status) status = clade_onnx_expect_real(norm.gamma, 1, "scale");
    if (!status) status = clade_onnx_input_constant(r, node, 2, &norm.beta);
    if (!status) status = clade_onnx_expect_real(norm.beta, 1, "bias");
    if (status) return status;
    int64_t channels = x.dim[1], groups = channels;
    if (!strcmp(node->op_type, "GroupNormalization"))
        groups = clade_onnx_int(node, "num_groups", 0);
    if (groups < 1 || groups > INT32_MAX || channels % groups)
        return clade_fail(CLADE_EFORMAT, "%lld groups of %lld channels", (long long)groups,
                          (long long)channels);
    norm.groups = (int32_t)groups;
    status = clade_onnx_add_norm(r, node, &x, &norm);
    if (!status) status = clade_onnx_set_stem(r, x.layer, node->input[1]);
    return status ? status : clade_onnx_output(r, node, &x);
}

clade_status clade_onnx_read_layer_norm(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_onnx_norm norm = {.eps = clade_onnx_float(node, "epsilon", 1e-5F)};
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_input_constant(r, node, 1, &norm.gamma);
    if (!status) status = clade_onnx_input_constant(r, node, 2, &norm.beta);
    if (!status && !norm.gamma) status = clade_fail(CLADE_EFORMAT, "has no scale");
    if (status) return status;
    int64_t axis = clade_onnx_int(node, "axis", -1);
    if (axis < 0) axis += x.rank;
    if (axis < 0 || axis >= x.rank) return clade_fail(CLADE_EFORMAT, "axis out of range");
    for (int32_t k = (int32_t)axis; k < x.rank; k++) norm.axes |= 1U << k;
    if (norm.axes & 1) return clade_fail(CLADE_EUNSUPPORTED, "over the batch");
    status = clade_onnx_add_norm(r, node, &x, &norm);
    if (!status) status = clade_onnx_set_stem(r, x.layer, node->input[1]);
    return status ? status : clade_onnx_output(r, node, &x);
}

/* --- lrn --- */

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

/* x gamma + beta, which end the layer: gamma and beta have the dimensions that are given, and the
 * data of the weights or, where these lie in another order, those that are given. */
static void write_scaled(clade_onnx_exporter *e, int32_t number, char *x, int32_t rank,
                         const int64_t *dim, const float *const data[2])
{
    char *weight[2];
    for (int k = 0; k < 2; k++)
        weight[k] = clade_onnx_put_floats(
            &e->w, (char *)clade_onnx_export_find_weight(e, number, k)->name, rank, dim, data[k]);
    char *inputs[] = {clade_onnx_export_put(e, number, "Mul", x, weight[0]), weight[1]};
    clade_onnx_export_last(e, number, "Add", 2, inputs);
}

/* n times a number. */
static char *put_filled(clade_onnx_exporter *e, int32_t number, int64_t n, float value)
{
    float *data = clade_onnx_keep(&e->w, (size_t)n, sizeof *data);
    for (int64_t k = 0; data && k < n; k++) data[k] = value;
    return clade_onnx_put_floats(&e->w, clade_onnx_export_part(e, number), 1, &n, data);
}

/* Opset 13 normalises single channels: groups are made the channels of a view. */
void clade_onnx_write_group_norm(clade_onnx_exporter *e, int32_t number)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    if (node->rank == 2) {
        clade_onnx_export_refuse(e, number);
        return;
    }
    const clade_group_norm_layer l = clade_layer_complete(&node->layer).as.group_norm;
    const int64_t c = node->dim[node->rank - 1], groups = l.groups == -1 ? c : l.groups;
    char *x = clade_onnx_export_input(e, number);
    if (node->rank == 3 && groups == c) {
        char *inputs[] = {x, clade_onnx_export_weight(e, number, 0),
                          clade_onnx_export_weight(e, number, 1)};
        Onnx__Node *norm = clade_onnx_export_last(e, number, "InstanceNormalization", 3, inputs);
        clade_onnx_put_float(&e->w, norm, "epsilon", l.eps);
        return;
    }
    const int64_t grouped[] = {0, groups, -1}, back[] = {0, c, node->dim[0], node->dim[1]};
    const size_t rank = (size_t)node->rank + 1;
    x = clade_onnx_export_put(e, number, "Reshape", x,
                              clade_onnx_export_numbers(e, number, 3, grouped));
    char *inputs[] = {x, put_filled(e, number, groups, 1), put_filled(e, number, groups, 0)};
    x = clade_onnx_export_part(e, number);
    Onnx__Node *norm = clade_onnx_put_node(&e->w, "InstanceNormalization", NULL, x, 3, inputs);
    clade_onnx_put_float(&e->w, norm, "epsilon", l.eps);
    x = clade_onnx_export_put(e, number, "Reshape", x,
                              clade_onnx_export_numbers(e, number, rank, back));
    const float *const data[] = {clade_onnx_export_find_weight(e, number, 0)->data,
                                 clade_onnx_export_find_weight(e, number, 1)->data};
    write_scaled(e, number, x, node->rank, (const int64_t[]){c, 1, 1}, data);
}

/* A weight of [h, w, c], of which sizes may be 1, as [c, h, w]. */
static const float *channels_first(clade_onnx_exporter *e, const float *from, const int64_t chw[3])
{
    const size_t c = (size_t)chw[0], area = (size_t)(chw[1] * chw[2]);
    float *to = clade_onnx_keep(&e->w, c * area, sizeof *to);
    for (size_t i = 0; to && i < c * area; i++) to[i % c * area + i / c] = from[i];
    return to;
}

static char *put_mean(clade_onnx_exporter *e, int32_t number, char *x, const int32_t *axes,
                      size_t count)
{
    char *y = clade_onnx_export_part(e, number);
    Onnx__Node *mean = clade_onnx_put_node(&e->w, "ReduceMean", NULL, y, 1, &x);
    clade_onnx_put_ints(&e->w, mean, "axes", axes, count);
    return y;
}

/* In pieces: it is an operator from opset 17 on, and of the last dimensions in ONNX's order. */
void clade_onnx_write_layer_norm(clade_onnx_exporter *e, int32_t number)
{
    static const int order[] = {1, 2, 0}; /* of h, w, c in [c, h, w] */
    const clade_node *node = clade_onnx_export_node(e, number);
    const clade_network_weight *gamma = clade_onnx_export_find_weight(e, number, 0);
    const float eps = clade_layer_complete(&node->layer).as.layer_norm.eps;
    const float *data[] = {gamma->data, clade_onnx_export_find_weight(e, number, 1)->data};
    int64_t dim[3] = {1, 1, 1};
    int32_t axes[3], count = 0;
    for (int32_t k = node->rank - gamma->rank; k < node->rank; k++) {
        int at = node->rank == 3 ? order[k] : k;
        dim[at] = node->dim[k];
        axes[count++] = at + 1;
    }
    if (node->rank == 3)
        for (int k = 0; k < 2; k++) data[k] = channels_first(e, data[k], dim);
    char *x = clade_onnx_export_input(e, number);
    x = clade_onnx_export_put(e, number, "Sub", x, put_mean(e, number, x, axes, (size_t)count));
    char *y = clade_onnx_export_put(e, number, "Mul", x, x);
    y = put_mean(e, number, y, axes, (size_t)count);
    y = clade_onnx_export_put(e, number, "Add", y, clade_onnx_export_number(e, number, eps));
    y = clade_onnx_export_put(e, number, "Sqrt", y, NULL);
    y = clade_onnx_export_put(e, number, "Div", x, y);
    write_scaled(e, number, y, node->rank, dim, data);
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
