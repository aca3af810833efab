/* ONNX's Flatten, Reshape, Squeeze, Unsqueeze, Transpose and Pad, both ways: flatten, reshape,
 * zero_padding2d. What only changes how ONNX sees a layer's output adds no layer. */
#include "onnx/export.h"
#include "onnx/onnx.h"

#include <math.h>
#include <string.h>

/* Sizes other than 1, after the batch, and where they lie. */
typedef struct sizes {
    int32_t count;
    int64_t dim[clade_onnx_max_rank];
    int32_t axis[clade_onnx_max_rank];
} sizes;

static sizes sizes_of(const int64_t *dim, int32_t rank)
{
    sizes s = {0};
    for (int32_t k = 1; k < rank; k++) {
        if (dim[k] == 1) continue;
        s.dim[s.count] = dim[k];
        s.axis[s.count++] = k;
    }
    return s;
}

static bool same_sizes(const sizes *a, const sizes *b)
{
    return a->count == b->count && !memcmp(a->dim, b->dim, (size_t)a->count * sizeof *a->dim);
}

/* Adds a reshape to the sizes, in their order. */
static clade_status add_reshape(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_value *v,
                                const int64_t *dim, int32_t count)
{
    clade_layer layer = {.kind = count == 1 ? CLADE_LAYER_FLATTEN : CLADE_LAYER_RESHAPE,
                         .input_count = 1,
                         .input = {v->layer}};
    if (count != 1) layer.as.reshape.rank = count;
    for (int32_t k = 0; k < count && count != 1; k++) {
        if (dim[k] > INT32_MAX) return clade_fail(CLADE_EUNSUPPORTED, "too large a dimension");
        layer.as.reshape.dim[k] = (int32_t)dim[k];
    }
    return clade_onnx_add(r, node, &layer, &v->layer);
}

/* v seen with the new dimensions, to[0] being the batch. */
static clade_status reshape(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_value *v,
                            const int64_t *to, int32_t rank)
{
    sizes from = sizes_of(v->dim, v->rank), want = sizes_of(to, rank);
    if (to[0] != r->batch)
        return clade_fail(CLADE_EUNSUPPORTED, "moves the batch: its first dimension would be %lld",
                          (long long)to[0]);
    clade_onnx_value y = *v;
    y.rank = rank;
    for (int32_t k = 0; k < rank; k++) {
        y.dim[k] = to[k];
        y.order[k] = k ? -1 : 0;
    }
    if (same_sizes(&from, &want)) { /* sizes of 1 come or go */
        for (int32_t k = 0; k < want.count; k++) y.order[want.axis[k]] = v->order[from.axis[k]];
        *v = y;
        return CLADE_OK;
    }
    bool ascending = !v->chw[0];
    for (int32_t k = 1; k < from.count; k++)
        ascending = ascending && v->order[from.axis[k]] > v->order[from.axis[k - 1]];
    if (ascending && want.count >= 1 && want.count <= 3) {
        for (int32_t k = 0; k < want.count; k++) y.order[want.axis[k]] = (int8_t)(k + 1);
        *v = y;
        return add_reshape(r, node, v, want.dim, want.count);
    }
    if (v->chw[0]) { /* a flattened image becomes one again */
        int64_t chw[4] = {r->batch, v->chw[0], v->chw[1], v->chw[2]};
        sizes image = sizes_of(chw, 4);
        if (!same_sizes(&image, &want)) goto unsupported;
        static const int8_t order[] = {0, 3, 1, 2};
        for (int32_t k = 0; k < want.count; k++) y.order[want.axis[k]] = order[image.axis[k]];
        memset(y.chw, 0, sizeof y.chw);
        *v = y;
        return add_reshape(r, node, v, (int64_t[]){chw[2], chw[3], chw[1]}, 3);
    }
    if (want.count == 1 && v->rank == 4) { /* an image becomes a vector: in another order */
        clade_status status = clade_onnx_image(r, v);
        if (status) return status;
        y.order[want.axis[0]] = 1;
        y.layer = v->layer;
        for (int k = 0; k < 3; k++) y.chw[k] = (int32_t)v->dim[k + 1];
        *v = y;
        return add_reshape(r, node, v, want.dim, 1);
    }
unsupported:
    return clade_fail(CLADE_EUNSUPPORTED,
                      "a change of shape that would need the layout [n, c, h, w]");
}

static int64_t product(const int64_t *dim, int32_t first, int32_t last)
{
    int64_t n = 1;
    for (int32_t k = first; k < last; k++) n *= dim[k];
    return n;
}

/* Fills in what Reshape leaves open: 0 is copied, −1 is what remains. */
static clade_status resolve(const clade_onnx_value *v, int64_t *to, int32_t rank, bool zeros)
{
    int64_t total = product(v->dim, 0, v->rank), known = 1;
    int32_t open = -1;
    for (int32_t k = 0; k < rank; k++) {
        if (to[k] == 0 && !zeros && k < v->rank) to[k] = v->dim[k];
        if (to[k] == -1 && open < 0) {
            open = k;
            continue;
        }
        if (to[k] < 1 || known > total / to[k])
            return clade_fail(CLADE_EFORMAT, "dimension %d of its shape is %lld", k,
                              (long long)to[k]);
        known *= to[k];
    }
    if (open >= 0 && total % known == 0) to[open] = total / known;
    if (open >= 0 ? total % known != 0 : known != total)
        return clade_fail(CLADE_EFORMAT, "its shape has a different number of elements");
    return CLADE_OK;
}

clade_status clade_onnx_reshape_target(clade_onnx_reader *r, const Onnx__Node *node,
                                       const clade_onnx_value *v, int64_t to[clade_onnx_max_rank],
                                       int32_t *rank)
{
    clade_status status = clade_onnx_ints(r, node, "shape", 1, to, rank);
    return status ? status : resolve(v, to, *rank, clade_onnx_int(node, "allowzero", 0) != 0);
}

static clade_status target_of_flatten(const Onnx__Node *node, const clade_onnx_value *v,
                                      int64_t *to)
{
    int64_t axis = clade_onnx_int(node, "axis", 1);
    if (axis < 0) axis += v->rank;
    if (axis < 0 || axis > v->rank) return clade_fail(CLADE_EFORMAT, "axis out of range");
    to[0] = product(v->dim, 0, (int32_t)axis);
    to[1] = product(v->dim, (int32_t)axis, v->rank);
    return CLADE_OK;
}

/* Squeeze takes sizes of 1 out (without axes: all), Unsqueeze puts them in. */
static clade_status target_of_squeeze(clade_onnx_reader *r, const Onnx__Node *node,
                                      const clade_onnx_value *v, int64_t *to, int32_t *rank)
{
    int64_t axis[clade_onnx_max_rank];
    int32_t count;
    bool in = !strcmp(node->op_type, "Unsqueeze"), named[clade_onnx_max_rank] = {false};
    clade_status status = clade_onnx_ints(r, node, "axes", 1, axis, &count);
    if (status) return status;
    int32_t whole = v->rank + (in ? count : 0), next = 0;
    if (whole > clade_onnx_max_rank) return clade_fail(CLADE_EUNSUPPORTED, "%d dimensions", whole);
    for (int32_t k = 0; k < count; k++) {
        if (axis[k] < 0) axis[k] += whole;
        if (axis[k] < 0 || axis[k] >= whole || named[axis[k]])
            return clade_fail(CLADE_EFORMAT, "axes out of range");
        named[axis[k]] = true;
    }
    *rank = 0;
    for (int32_t k = 0; k < whole; k++) {
        if (in) {
            to[(*rank)++] = named[k] ? 1 : v->dim[next++];
            continue;
        }
        if (named[k] && v->dim[k] != 1) return clade_fail(CLADE_EFORMAT, "a size that is not 1");
        if (named[k] || (count == 0 && v->dim[k] == 1)) continue;
        to[(*rank)++] = v->dim[k];
    }
    return *rank ? CLADE_OK : clade_fail(CLADE_EUNSUPPORTED, "takes the batch away");
}

clade_status clade_onnx_read_reshape(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value v;
    int64_t to[clade_onnx_max_rank] = {1};
    int32_t rank = 2;
    clade_status status = clade_onnx_input(r, node, 0, &v);
    if (status) return status;
    if (!strcmp(node->op_type, "Reshape"))
        status = clade_onnx_reshape_target(r, node, &v, to, &rank);
    else if (!strcmp(node->op_type, "Flatten"))
        status = target_of_flatten(node, &v, to);
    else
        status = target_of_squeeze(r, node, &v, to, &rank);
    if (!status) status = reshape(r, node, &v, to, rank);
    return status ? status : clade_onnx_output(r, node, &v);
}

clade_status clade_onnx_read_transpose(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value v, y;
    int64_t perm[clade_onnx_max_rank];
    int32_t count;
    bool seen[clade_onnx_max_rank] = {false};
    clade_status status = clade_onnx_input(r, node, 0, &v);
    if (!status) status = clade_onnx_ints(r, node, "perm", SIZE_MAX, perm, &count);
    if (status) return status;
    if (count == 0)
        for (; count < v.rank; count++) perm[count] = v.rank - 1 - count;
    if (count != v.rank) return clade_fail(CLADE_EFORMAT, "perm has %d numbers", count);
    y = v;
    for (int32_t k = 0; k < count; k++) {
        if (perm[k] < 0 || perm[k] >= count || seen[perm[k]])
            return clade_fail(CLADE_EFORMAT, "perm is not a permutation");
        seen[perm[k]] = true;
        y.dim[k] = v.dim[perm[k]];
        y.order[k] = v.order[perm[k]];
    }
    if (perm[0] != 0) return clade_fail(CLADE_EUNSUPPORTED, "moves the batch");
    return clade_onnx_output(r, node, &y);
}

/* The number that Pad fills with: an attribute, or later the third input. */
static clade_status check_pad_value(clade_onnx_reader *r, const Onnx__Node *node)
{
    const clade_onnx_constant *c = NULL;
    char mode[32];
    clade_onnx_text(node, "mode", mode);
    if (*mode && strcmp(mode, "constant") != 0)
        return clade_fail(CLADE_EUNSUPPORTED, "mode '%s'", mode);
    clade_status status = r->file.opset < 11 ? CLADE_OK : clade_onnx_input_constant(r, node, 2, &c);
    double value =
        c && c->count == 1 ? clade_onnx_number(c, 0) : (double)clade_onnx_float(node, "value", 0);
    if (!status && !(value == 0))
        status = clade_fail(CLADE_EUNSUPPORTED, "with %g; expected zeros", value);
    return status;
}

/* What is added before each of x's dimensions, then after each: an attribute or an input, from
 * opset 18 on of those dimensions alone that another input names. */
static clade_status read_pads(clade_onnx_reader *r, const Onnx__Node *node,
                              const clade_onnx_value *x, int64_t pad[2 * clade_onnx_max_rank])
{
    const Onnx__Attribute *a = clade_onnx_attribute(node, "pads");
    const clade_onnx_constant *c = NULL;
    int64_t axis[clade_onnx_max_rank];
    int32_t axes, rank = x->rank;
    clade_status status = a ? CLADE_OK : clade_onnx_input_constant(r, node, 1, &c);
    if (!status) status = clade_onnx_ints(r, node, "axes", 3, axis, &axes);
    if (status) return status;
    if (axes == 0)
        for (; axes < rank; axes++) axis[axes] = axes;
    size_t count = a ? a->n_ints : c ? c->count : 0;
    if (count != 2 * (size_t)axes || (c && c->real))
        return clade_fail(CLADE_EUNSUPPORTED, "%zu pads for %d dimensions", count, axes);
    for (size_t k = 0; k < count; k++) {
        int64_t value = a ? a->ints[k] : c->i[k], at = axis[k % (size_t)axes];
        if (at < 0) at += rank;
        if (at < 0 || at >= rank) return clade_fail(CLADE_EFORMAT, "axes out of range");
        if (value < 0 || value > INT32_MAX)
            return clade_fail(CLADE_EUNSUPPORTED, "pads of %lld", (long long)value);
        pad[at + (k < (size_t)axes ? 0 : rank)] = value;
    }
    return CLADE_OK;
}

clade_status clade_onnx_read_pad(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    int64_t pad[2 * clade_onnx_max_rank] = {0};
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = read_pads(r, node, &x, pad);
    if (!status) status = check_pad_value(r, node);
    if (status) return status;
    bool none = true;
    for (int32_t k = 0; k < 2 * x.rank; k++) none = none && pad[k] == 0;
    if (none) return clade_onnx_output(r, node, &x);
    /* by the layer's dimensions: rows and columns may be padded, whatever ONNX calls them */
    clade_layer layer = {.kind = CLADE_LAYER_ZERO_PADDING2D, .input_count = 1};
    int64_t dim[4];
    if (clade_onnx_dims(r, x.layer, dim) != 4) status = clade_onnx_image(r, &x);
    if (status) return status;
    for (int32_t k = 0; k < x.rank; k++) {
        if (pad[k] == 0 && pad[k + x.rank] == 0) continue;
        int32_t at = x.order[k] - 1;
        if (at != 0 && at != 1)
            return clade_fail(CLADE_EUNSUPPORTED, "of dimensions other than height and width");
        layer.as.pad2d.pad[at] = (int32_t)pad[k];
        layer.as.pad2d.pad[at + 2] = (int32_t)pad[k + x.rank];
        x.dim[k] += pad[k] + pad[k + x.rank];
    }
    layer.input[0] = x.layer;
    status = clade_onnx_add(r, node, &layer, &x.layer);
    return status ? status : clade_onnx_output(r, node, &x);
}

/* --- writing --- */

/* Through [n, h, w, c], in which our order of elements is. */
void clade_onnx_write_reshape(clade_onnx_exporter *e, int32_t number)
{
    static const int32_t to_last[] = {0, 2, 3, 1}, to_second[] = {0, 3, 1, 2};
    const clade_node *node = clade_onnx_export_node(e, number);
    const clade_node *from = clade_node_input(e->network->graph, node, 0);
    char *x = clade_onnx_export_input(e, number);
    bool turn = from->rank == 3 && from->dim[2] > 1 && from->dim[0] * (int64_t)from->dim[1] > 1;
    bool back = node->rank == 3;
    if (turn) x = clade_onnx_export_transpose(e, x, clade_onnx_export_part(e, number), to_last, 4);
    int64_t to[4] = {0};
    for (int32_t k = 0; k < node->rank; k++) to[k + 1] = node->dim[k];
    char *inputs[] = {x, clade_onnx_export_numbers(e, number, (size_t)node->rank + 1, to)};
    char *y = back ? clade_onnx_export_part(e, number) : e->value[number];
    clade_onnx_put_node(&e->w, "Reshape", node->layer.name, y, 2, inputs);
    if (back) clade_onnx_export_transpose(e, y, e->value[number], to_second, 4);
}

void clade_onnx_write_flatten(clade_onnx_exporter *e, int32_t number)
{
    clade_onnx_write_reshape(e, number);
}

void clade_onnx_write_zero_padding2d(clade_onnx_exporter *e, int32_t number)
{
    const int32_t *p = clade_onnx_export_node(e, number)->layer.as.pad2d.pad;
    const int64_t pads[] = {0, 0, p[0], p[1], 0, 0, p[2], p[3]};
    char *inputs[] = {clade_onnx_export_input(e, number),
                      clade_onnx_export_numbers(e, number, 8, pads)};
    clade_onnx_export_last(e, number, "Pad", 2, inputs);
}
