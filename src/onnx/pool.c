/* ONNX's pools, both ways: maxpool2d, avgpool2d, global_avgpool2d, global_maxpool2d. */
#include "onnx/export.h"
#include "onnx/onnx.h"

#include <string.h>

/* With ceil_mode there are windows that begin inside and end outside: more padding below and on the
 * right, which is not counted in means. */
static clade_status pad_to_ceil(clade_onnx_window *v, const clade_onnx_value *x,
                                bool counts_padding)
{
    for (int k = 0; k < 2; k++) {
        int64_t size = x->dim[2 + k] + v->pad[k] + v->pad[2 + k] - v->size[k];
        if (size < 0) continue; /* an error, found later */
        int64_t rest = size % v->stride[k];
        if (!rest) continue;
        int64_t start = (size / v->stride[k] + 1) * v->stride[k];
        if (start >= x->dim[2 + k] + v->pad[k]) continue;
        if (counts_padding)
            return clade_fail(CLADE_EUNSUPPORTED, "ceil_mode together with count_include_pad");
        v->pad[2 + k] += v->stride[k] - rest;
        v->padding = CLADE_PADDING_EXPLICIT;
    }
    return CLADE_OK;
}

clade_status clade_onnx_read_pool(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_onnx_window v = {.padding = CLADE_PADDING_VALID};
    bool max = !strcmp(node->op_type, "MaxPool");
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_image(r, &x);
    if (!status) status = clade_onnx_read_pair(r, node, "kernel_shape", 2, 1, v.size);
    if (!status && !v.size[0]) status = clade_fail(CLADE_EFORMAT, "has no kernel_shape");
    if (!status) status = clade_onnx_read_window(r, node, &x, &v);
    if (status) return status;
    if (v.dilation[0] != 1 || v.dilation[1] != 1)
        return clade_fail(CLADE_EUNSUPPORTED, "dilations other than 1");
    if (node->n_output > 1 && *clade_onnx_string(node->output[1]))
        return clade_fail(CLADE_EUNSUPPORTED, "the second output, indices");
    bool counts =
        !max && clade_onnx_int(node, "count_include_pad", 0) && v.padding != CLADE_PADDING_VALID;
    if (clade_onnx_int(node, "ceil_mode", 0) && v.padding != CLADE_PADDING_SAME)
        status = pad_to_ceil(&v, &x, counts);
    if (status) return status;
    clade_layer layer = {.kind = max ? CLADE_LAYER_MAXPOOL2D : CLADE_LAYER_AVGPOOL2D,
                         .input_count = 1,
                         .input = {x.layer}};
    clade_pool2d_layer *l = &layer.as.pool2d;
    l->padding = v.padding;
    l->count_pad = counts;
    clade_onnx_set_ints(l->window, v.size, 2);
    clade_onnx_set_ints(l->stride, v.stride, 2);
    if (v.padding == CLADE_PADDING_EXPLICIT) clade_onnx_set_ints(l->pad, v.pad, 4);
    /* a window as large as the image has layers of its own, which take any size */
    bool whole = v.padding == CLADE_PADDING_VALID && v.size[0] == x.dim[2] && v.size[1] == x.dim[3];
    if (whole && v.size[0] * v.size[1] > 255) return clade_onnx_read_global_pool(r, node);
    int32_t number;
    status = clade_onnx_add(r, node, &layer, &number);
    return status ? status : clade_onnx_output_image(r, node, number);
}

/* The means or maxima of an image. */
static clade_status add_global(clade_onnx_reader *r, const Onnx__Node *node, clade_layer_kind kind,
                               int32_t input, int32_t *number)
{
    clade_layer layer = {.kind = kind, .input_count = 1, .input = {input}};
    return clade_onnx_add(r, node, &layer, number);
}

/* A global pool, or one whose window is the image. */
clade_status clade_onnx_read_global_pool(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_image(r, &x);
    if (status) return status;
    bool max = !strcmp(node->op_type, "GlobalMaxPool") || !strcmp(node->op_type, "MaxPool");
    clade_onnx_value y = {.kind = CLADE_ONNX_LAYER,
                          .rank = 4,
                          .dim = {r->batch, x.dim[1], 1, 1},
                          .order = {0, 1, -1, -1}};
    status = add_global(r, node, max ? CLADE_LAYER_GLOBAL_MAXPOOL2D : CLADE_LAYER_GLOBAL_AVGPOOL2D,
                        x.layer, &y.layer);
    return status ? status : clade_onnx_output(r, node, &y);
}

/* The mean or the largest over those of an image's rows and columns that are taken: `flat`, [n, c],
 * where none are left, else a pool with a window of one row or column. */
static clade_status add_reduction(clade_onnx_reader *r, const Onnx__Node *node, int32_t input,
                                  const bool taken[4], int32_t *number, bool *flat)
{
    int64_t dim[4];
    bool max = !strcmp(node->op_type, "ReduceMax");
    if (clade_onnx_dims(r, input, dim) != 4 || taken[3] || !(taken[1] || taken[2]))
        return clade_fail(CLADE_EUNSUPPORTED, "over dimensions other than height and width");
    *flat = (taken[1] || dim[1] == 1) && (taken[2] || dim[2] == 1);
    if (*flat)
        return add_global(r, node,
                          max ? CLADE_LAYER_GLOBAL_MAXPOOL2D : CLADE_LAYER_GLOBAL_AVGPOOL2D, input,
                          number);
    clade_layer layer = {.kind = max ? CLADE_LAYER_MAXPOOL2D : CLADE_LAYER_AVGPOOL2D,
                         .input_count = 1,
                         .input = {input}};
    for (int k = 0; k < 2; k++) layer.as.pool2d.window[k] = taken[k + 1] ? (int32_t)dim[k + 1] : 1;
    return clade_onnx_add(r, node, &layer, number);
}

/* The mean or the largest over height, width or both. */
clade_status clade_onnx_read_reduce(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    int64_t axis[clade_onnx_max_rank];
    int32_t count;
    bool reduced[clade_onnx_max_rank] = {false}, keep = clade_onnx_int(node, "keepdims", 1) != 0;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_ints(r, node, "axes", 1, axis, &count);
    if (status) return status;
    for (int32_t k = 0; k < count; k++) {
        if (axis[k] < 0) axis[k] += x.rank;
        if (axis[k] < 0 || axis[k] >= x.rank) return clade_fail(CLADE_EFORMAT, "axes out of range");
        reduced[axis[k]] = true;
    }
    if (count == 0 || reduced[0] || x.chw[0])
        return clade_fail(CLADE_EUNSUPPORTED, "over dimensions other than height and width");
    bool taken[4] = {false}, nothing = true, flat = false;
    for (int32_t k = 0; k < x.rank; k++) {
        if (!reduced[k] || x.dim[k] == 1) continue;
        taken[x.order[k]] = true;
        nothing = false;
    }
    clade_onnx_value y = {.kind = CLADE_ONNX_LAYER, .layer = x.layer};
    if (!nothing) status = add_reduction(r, node, x.layer, taken, &y.layer, &flat);
    for (int32_t k = 0; k < x.rank; k++) {
        if (reduced[k] && !keep) continue;
        y.dim[y.rank] = reduced[k] ? 1 : x.dim[k];
        y.order[y.rank] = k == 0                         ? 0
                          : reduced[k] || x.order[k] < 0 ? -1
                          : !flat                        ? x.order[k]
                          : x.order[k] == 3              ? 1
                                                         : -1;
        y.rank++;
    }
    return status ? status : clade_onnx_output(r, node, &y);
}

/* --- writing --- */

static Onnx__Node *write_pool(clade_onnx_exporter *e, int32_t number, const char *op)
{
    clade_window v = clade_pool_window(e->network->graph, clade_onnx_export_node(e, number));
    char *x = clade_onnx_export_input(e, number);
    Onnx__Node *node = clade_onnx_export_last(e, number, op, 1, &x);
    clade_onnx_export_window(e, node, &v);
    return node;
}

void clade_onnx_write_maxpool2d(clade_onnx_exporter *e, int32_t number)
{
    write_pool(e, number, "MaxPool");
}

void clade_onnx_write_avgpool2d(clade_onnx_exporter *e, int32_t number)
{
    Onnx__Node *node = write_pool(e, number, "AveragePool");
    if (clade_onnx_export_node(e, number)->layer.as.pool2d.count_pad)
        clade_onnx_put_int(&e->w, node, "count_include_pad", 1);
}

/* Images stay images in ONNX's global pools: [n, c, 1, 1]. */
static void write_global_pool(clade_onnx_exporter *e, int32_t number, const char *op)
{
    char *x = clade_onnx_export_input(e, number);
    char *pooled = clade_onnx_export_part(e, number);
    clade_onnx_put_node(&e->w, op, clade_onnx_export_node(e, number)->layer.name, pooled, 1, &x);
    clade_onnx_put_node(&e->w, "Flatten", NULL, e->value[number], 1, &pooled);
}

void clade_onnx_write_global_avgpool2d(clade_onnx_exporter *e, int32_t number)
{
    write_global_pool(e, number, "GlobalAveragePool");
}

void clade_onnx_write_global_maxpool2d(clade_onnx_exporter *e, int32_t number)
{
    write_global_pool(e, number, "GlobalMaxPool");
}
