/* ONNX's Split, Slice and Gather, both ways: split. Each output is a layer. */
#include "onnx/export.h"
#include "onnx/onnx.h"

static bool are_channels(const clade_onnx_reader *r, const clade_onnx_value *x, int64_t axis)
{
    int64_t dim[4];
    return axis > 0 && !x->chw[0] && x->order[axis] == clade_onnx_dims(r, x->layer, dim) - 1;
}

/* EUNSUPPORTED unless dimension `axis` of x is the layer's channels; adds a reshape where that
 * makes it so. */
static clade_status expect_channels(clade_onnx_reader *r, clade_onnx_value *x, int64_t axis)
{
    clade_status status = CLADE_OK;
    if (!are_channels(r, x, axis) && x->rank == 4) status = clade_onnx_image(r, x);
    if (!status && !are_channels(r, x, axis))
        status = clade_fail(CLADE_EUNSUPPORTED, "along a dimension other than the channels");
    return status;
}

/* x with elements start … start + count − 1 along the axis; all of them need no layer. */
static clade_status add_part(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_value *x,
                             int64_t axis, int64_t start, int64_t count)
{
    if (start == 0 && count == x->dim[axis]) return CLADE_OK;
    clade_status status = expect_channels(r, x, axis);
    if (status) return status;
    clade_layer layer = {.kind = CLADE_LAYER_SPLIT, .input_count = 1, .input = {x->layer}};
    layer.as.split = (clade_split_layer){.start = (int32_t)start, .channels = (int32_t)count};
    x->dim[axis] = count;
    return clade_onnx_add(r, node, &layer, &x->layer);
}

/* Sizes are an attribute, or from opset 13 on an input; without either they are equal, the last one
 * smaller where they cannot be. */
clade_status clade_onnx_read_split(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    const Onnx__Attribute *a = clade_onnx_attribute(node, "split");
    const clade_onnx_constant *c = NULL;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status && !a) status = clade_onnx_input_constant(r, node, 1, &c);
    if (status) return status;
    int64_t axis = clade_onnx_int(node, "axis", 0), start = 0, n = (int64_t)node->n_output;
    if (axis < 0) axis += x.rank;
    if (axis < 0 || axis >= x.rank) return clade_fail(CLADE_EFORMAT, "axis out of range");
    size_t sizes = a ? a->n_ints : c ? c->count : node->n_output;
    if (n < 1 || sizes != node->n_output || (c && c->real))
        return clade_fail(CLADE_EFORMAT, "has %zu sizes for %zu outputs", sizes, node->n_output);
    for (size_t i = 0; i < node->n_output && !status; i++) {
        int64_t rest = x.dim[axis] - start, each = (x.dim[axis] + n - 1) / n;
        int64_t size = a ? a->ints[i] : c ? c->i[i] : each < rest ? each : rest;
        if (size < 1 || size > rest)
            return clade_fail(CLADE_EFORMAT, "output %zu has %lld of %lld elements", i,
                              (long long)size, (long long)x.dim[axis]);
        clade_onnx_value y = x;
        const char *name = clade_onnx_string(node->output[i]);
        if (*name) status = add_part(r, node, &y, axis, start, size);
        if (*name && !status) status = clade_onnx_define(r, name, &y);
        start += size;
    }
    return status;
}

/* Within 0 … size, counted from the end where it is negative. */
static int64_t place_in(int64_t at, int64_t size)
{
    if (at < 0) at += size;
    return at < 0 ? 0 : at > size ? size : at;
}

clade_status clade_onnx_read_slice(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    int64_t starts[clade_onnx_max_rank], ends[clade_onnx_max_rank], axes[clade_onnx_max_rank],
        steps[clade_onnx_max_rank];
    int32_t count, end_count, axis_count, step_count;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_ints(r, node, "starts", 1, starts, &count);
    if (!status) status = clade_onnx_ints(r, node, "ends", 2, ends, &end_count);
    if (!status) status = clade_onnx_ints(r, node, "axes", 3, axes, &axis_count);
    if (!status) status = clade_onnx_ints(r, node, "steps", 4, steps, &step_count);
    if (status) return status;
    if (count != end_count || (axis_count && axis_count != count) ||
        (step_count && step_count != count) || count > x.rank)
        return clade_fail(CLADE_EFORMAT, "%d starts, %d ends, %d axes, %d steps", count, end_count,
                          axis_count, step_count);
    for (int32_t k = 0; k < count && !status; k++) {
        int64_t axis = axis_count ? axes[k] : k;
        if (axis < 0) axis += x.rank;
        if (axis < 0 || axis >= x.rank) return clade_fail(CLADE_EFORMAT, "axes out of range");
        if (step_count && steps[k] != 1)
            return clade_fail(CLADE_EUNSUPPORTED, "in steps of %lld", (long long)steps[k]);
        int64_t start = place_in(starts[k], x.dim[axis]), end = place_in(ends[k], x.dim[axis]);
        if (end <= start) return clade_fail(CLADE_EUNSUPPORTED, "of nothing");
        status = add_part(r, node, &x, axis, start, end - start);
    }
    return status ? status : clade_onnx_output(r, node, &x);
}

/* One element along the axis, which goes where the index is a number and not a list. */
clade_status clade_onnx_read_gather(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    const clade_onnx_constant *index = NULL;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_input_constant(r, node, 1, &index);
    if (status) return status;
    int64_t axis = clade_onnx_int(node, "axis", 0);
    if (axis < 0) axis += x.rank;
    if (axis < 0 || axis >= x.rank) return clade_fail(CLADE_EFORMAT, "axis out of range");
    if (axis == 0) return clade_fail(CLADE_EUNSUPPORTED, "of images");
    if (!index || index->real || index->count != 1 || index->rank > 1)
        return clade_fail(CLADE_EUNSUPPORTED, "of other than one element");
    int64_t start = index->i[0] < 0 ? index->i[0] + x.dim[axis] : index->i[0];
    if (start < 0 || start >= x.dim[axis]) return clade_fail(CLADE_EFORMAT, "index out of range");
    status = add_part(r, node, &x, axis, start, 1);
    if (!status && index->rank == 0) {
        x.rank--;
        for (int32_t k = (int32_t)axis; k < x.rank; k++) {
            x.dim[k] = x.dim[k + 1];
            x.order[k] = x.order[k + 1];
        }
        x.dim[x.rank] = x.order[x.rank] = 0;
    }
    return status ? status : clade_onnx_output(r, node, &x);
}

/* --- writing --- */

/* As Slice: a layer has one output. */
void clade_onnx_write_split(clade_onnx_exporter *e, int32_t number)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    const int64_t start = node->layer.as.split.start, end = start + node->dim[node->rank - 1],
                  axis = node->rank == 2 ? 2 : 1;
    char *inputs[] = {clade_onnx_export_input(e, number),
                      clade_onnx_export_numbers(e, number, 1, &start),
                      clade_onnx_export_numbers(e, number, 1, &end),
                      clade_onnx_export_numbers(e, number, 1, &axis)};
    clade_onnx_export_last(e, number, "Slice", 4, inputs);
}
