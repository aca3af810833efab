/* The draft of a net that is read from ONNX: values by name, layers with their shapes. */
#include "onnx/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { max_layers = 20000 };

void clade_onnx_reader_clear(clade_onnx_reader *r)
{
    for (int32_t i = 0; i < r->layers; i++) {
        for (int k = 0; k < 4; k++) clade_onnx_give(&r->file, r->layer[i].weight[k]);
        clade_onnx_give(&r->file, r->layer[i].scale);
        clade_onnx_give(&r->file, r->layer[i].shift);
        clade_onnx_give(&r->file, (char *)r->layer[i].stem);
    }
    for (size_t i = 0; i < r->values; i++) clade_onnx_constant_clear(&r->file, &r->value[i].known);
    clade_onnx_drop_held(r);
    clade_graph_destroy(&r->draft);
    clade_onnx_give(&r->file, r->layer);
    clade_onnx_give(&r->file, r->value);
    clade_onnx_give(&r->file, r->slot);
    clade_onnx_file_close(&r->file);
}

/* --- values --- */

static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261U;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 16777619U;
    return h;
}

/* The slot in which the name is, or an empty one. */
static uint32_t *slot_of(const clade_onnx_reader *r, const char *name)
{
    size_t at = hash(name) & (r->slots - 1);
    while (r->slot[at] && strcmp(r->value[r->slot[at] - 1].name, name) != 0)
        at = (at + 1) & (r->slots - 1);
    return &r->slot[at];
}

clade_onnx_value *clade_onnx_find(const clade_onnx_reader *r, const char *name)
{
    if (!r->slots) return NULL;
    uint32_t number = *slot_of(r, name);
    return number ? &r->value[number - 1] : NULL;
}

static clade_status grow_values(clade_onnx_reader *r)
{
    if (r->values < r->value_capacity) return CLADE_OK;
    size_t capacity = r->value_capacity ? 2 * r->value_capacity : 256;
    clade_onnx_value *value = clade_onnx_take(&r->file, capacity, sizeof *value);
    uint32_t *slot = value ? clade_onnx_take(&r->file, 2 * capacity, sizeof *slot) : NULL;
    if (!slot) {
        clade_onnx_give(&r->file, value);
        return CLADE_ENOMEM;
    }
    if (r->values) memcpy(value, r->value, r->values * sizeof *value);
    clade_onnx_give(&r->file, r->value);
    clade_onnx_give(&r->file, r->slot);
    r->value = value;
    r->slot = slot;
    r->slots = 2 * capacity;
    r->value_capacity = capacity;
    for (size_t i = 0; i < r->values; i++) *slot_of(r, r->value[i].name) = (uint32_t)i + 1;
    return CLADE_OK;
}

clade_status clade_onnx_define(clade_onnx_reader *r, const char *name,
                               const clade_onnx_value *value)
{
    clade_status status = grow_values(r);
    if (status) return status;
    uint32_t *slot = slot_of(r, name);
    if (*slot) return clade_fail(CLADE_EFORMAT, "'%.200s' is defined twice", name);
    r->value[r->values] = *value;
    r->value[r->values].name = name;
    *slot = (uint32_t)++r->values;
    return CLADE_OK;
}

/* --- layers --- */

clade_status clade_onnx_add(clade_onnx_reader *r, const Onnx__Node *node, const clade_layer *layer,
                            int32_t *number)
{
    if (r->layers >= max_layers)
        return clade_fail(CLADE_EFORMAT, "more than %d layers", max_layers);
    if (r->layers == r->capacity) {
        int32_t capacity = 2 * r->capacity;
        clade_onnx_layer *grown = clade_onnx_take(&r->file, (uint64_t)capacity, sizeof *grown);
        if (!grown) return CLADE_ENOMEM;
        memcpy(grown, r->layer, (size_t)r->layers * sizeof *grown);
        clade_onnx_give(&r->file, r->layer);
        r->layer = grown;
        r->capacity = capacity;
    }
    clade_layer copy = *layer;
    snprintf(copy.name, sizeof copy.name, "layer %d", r->layers);
    clade_status status = clade_graph_add(r->draft, &copy, number);
    if (status == CLADE_EINVAL) status = CLADE_EUNSUPPORTED; /* its error text says what */
    if (!status)
        r->layer[r->layers++] =
            (clade_onnx_layer){.layer = *clade_graph_layer(r->draft, *number), .node = node};
    return status;
}

int32_t clade_onnx_dims(const clade_onnx_reader *r, int32_t layer, int64_t dim[4])
{
    int32_t own[3], rank = clade_graph_shape(r->draft, layer, own);
    dim[0] = r->batch;
    for (int k = 0; k < 3; k++) dim[k + 1] = own[k];
    return rank + 1;
}

clade_status clade_onnx_set_weight(clade_onnx_reader *r, int32_t layer, int k, const float *data,
                                   size_t count)
{
    clade_onnx_layer *l = &r->layer[layer];
    l->weight[k] = clade_onnx_take(&r->file, count, sizeof *data);
    if (!l->weight[k]) return CLADE_ENOMEM;
    memcpy(l->weight[k], data, count * sizeof *data);
    l->weight_count[k] = count;
    return CLADE_OK;
}

clade_status clade_onnx_set_stem(clade_onnx_reader *r, int32_t layer, const char *tensor)
{
    static const char *const ends[] = {".weight", "_weight",   "/kernel",  "/depthwise_kernel",
                                       "/gamma",  "_gamma",    ".gamma",   "_kernel",
                                       ".kernel", "/kernel:0", "/gamma:0", "/depthwise_kernel:0"};
    size_t size = strlen(tensor);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t end = strlen(ends[i]);
        if (size <= end || strcmp(tensor + size - end, ends[i]) != 0) continue;
        char *stem = clade_onnx_take(&r->file, size - end + 1, 1);
        if (!stem) return CLADE_ENOMEM;
        memcpy(stem, tensor, size - end);
        r->layer[layer].stem = stem;
        return CLADE_OK;
    }
    return CLADE_OK;
}

/* --- a node's inputs --- */

static const char *input_name(const Onnx__Node *node, size_t i)
{
    return i < node->n_input ? clade_onnx_string(node->input[i]) : "";
}

clade_status clade_onnx_input_constant(clade_onnx_reader *r, const Onnx__Node *node, size_t i,
                                       const clade_onnx_constant **out)
{
    const char *name = input_name(node, i);
    *out = NULL;
    if (!*name) return CLADE_OK;
    clade_status status = clade_onnx_find_constant(r, name, out);
    return status ? clade_context(status, "input %zu", i) : CLADE_OK;
}

void clade_onnx_drop_held(clade_onnx_reader *r)
{
    for (int32_t i = 0; i < r->held_count; i++) clade_onnx_constant_clear(&r->file, &r->held[i]);
    r->held_count = 0;
}

clade_status clade_onnx_find_constant(clade_onnx_reader *r, const char *name,
                                      const clade_onnx_constant **out)
{
    clade_onnx_value *value = clade_onnx_find(r, name); /* was checked: it is there */
    if (value->kind >= CLADE_ONNX_LAYER)
        return clade_fail(CLADE_EUNSUPPORTED, "'%.60s' is not constant", name);
    if (value->kind == CLADE_ONNX_KNOWN) {
        *out = &value->known;
        return CLADE_OK;
    }
    if (r->held_count == sizeof r->held / sizeof *r->held)
        return clade_fail(CLADE_EUNSUPPORTED, "more than %d constant inputs", r->held_count);
    clade_status status = clade_onnx_tensor_read(&r->file, value->stored, &r->held[r->held_count]);
    if (!status) *out = &r->held[r->held_count++];
    return status;
}

clade_status clade_onnx_expect_real(const clade_onnx_constant *c, int32_t rank, const char *what)
{
    if (!c) return clade_fail(CLADE_EFORMAT, "has no %s", what);
    if (!c->real || c->rank != rank || c->count == 0)
        return clade_fail(CLADE_EUNSUPPORTED, "%s has %d dimensions%s: expected %d of real numbers",
                          what, c->rank, c->real ? "" : " of whole numbers", rank);
    return CLADE_OK;
}

clade_status clade_onnx_ints(clade_onnx_reader *r, const Onnx__Node *node, const char *name,
                             size_t i, int64_t out[clade_onnx_max_rank], int32_t *count)
{
    const Onnx__Attribute *a = clade_onnx_attribute(node, name);
    const clade_onnx_constant *c = NULL;
    *count = 0;
    if (!a) {
        clade_status status = clade_onnx_input_constant(r, node, i, &c);
        if (status || !c) return status;
    }
    size_t n = a ? a->n_ints : c->count;
    if (n > clade_onnx_max_rank || (c && c->real))
        return clade_fail(CLADE_EUNSUPPORTED, "%s: %zu %s: expected at most %d whole numbers", name,
                          n, c && c->real ? "real numbers" : "values", clade_onnx_max_rank);
    for (size_t k = 0; k < n; k++) out[k] = a ? a->ints[k] : c->i[k];
    *count = (int32_t)n;
    return CLADE_OK;
}

clade_status clade_onnx_input(clade_onnx_reader *r, const Onnx__Node *node, size_t i,
                              clade_onnx_value *out)
{
    const char *name = input_name(node, i);
    if (!*name) return clade_fail(CLADE_EFORMAT, "input %zu is missing", i);
    *out = *clade_onnx_find(r, name);
    if (out->kind == CLADE_ONNX_LAYER) return CLADE_OK;
    return clade_fail(CLADE_EUNSUPPORTED, "input %zu ('%.60s') is constant", i, name);
}

clade_status clade_onnx_image(clade_onnx_reader *r, clade_onnx_value *v)
{
    static const int8_t order[] = {0, 3, 1, 2};
    int64_t dim[4];
    if (v->rank != 4 || v->chw[0])
        return clade_fail(CLADE_EUNSUPPORTED, "takes %d dimensions%s; expected [n, c, h, w]",
                          v->rank, v->chw[0] ? " from a flattened image" : "");
    for (int k = 1; k < 4; k++)
        if (v->dim[k] > INT32_MAX) return clade_fail(CLADE_EUNSUPPORTED, "too large an image");
    bool same = clade_onnx_dims(r, v->layer, dim) == 4;
    int last = 0;
    bool ascending = true; /* the sizes that are not 1 */
    static const int nhwc[] = {2, 3, 1};
    for (int k = 0; k < 3; k++) {
        int axis = nhwc[k];
        if (v->dim[axis] == 1) continue;
        same = same && v->order[axis] == order[axis];
        ascending = ascending && v->order[axis] > last;
        last = v->order[axis];
    }
    for (int k = 1; k < 4; k++) same = same && dim[order[k]] == v->dim[k];
    if (!same && !ascending)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "takes an image whose dimensions a Transpose has reordered");
    if (!same) {
        clade_layer reshape = {.kind = CLADE_LAYER_RESHAPE, .input_count = 1, .input = {v->layer}};
        reshape.as.reshape = (clade_reshape_layer){
            .rank = 3, .dim = {(int32_t)v->dim[2], (int32_t)v->dim[3], (int32_t)v->dim[1]}};
        clade_status status = clade_onnx_add(r, NULL, &reshape, &v->layer);
        if (status) return status;
    }
    memcpy(v->order, order, sizeof order);
    return CLADE_OK;
}

clade_status clade_onnx_vector(clade_onnx_reader *r, clade_onnx_value *v)
{
    int64_t dim[4];
    if (v->rank != 2)
        return clade_fail(CLADE_EUNSUPPORTED, "takes %d dimensions; expected [n, c]", v->rank);
    if (clade_onnx_dims(r, v->layer, dim) != 2) {
        clade_layer flatten = {.kind = CLADE_LAYER_FLATTEN, .input_count = 1, .input = {v->layer}};
        clade_status status = clade_onnx_add(r, NULL, &flatten, &v->layer);
        if (status) return status;
    }
    v->order[0] = 0;
    v->order[1] = 1;
    return CLADE_OK;
}

clade_status clade_onnx_output(clade_onnx_reader *r, const Onnx__Node *node,
                               const clade_onnx_value *value)
{
    if (node->n_output < 1 || !*clade_onnx_string(node->output[0]))
        return clade_fail(CLADE_EFORMAT, "has no output");
    return clade_onnx_define(r, node->output[0], value);
}

clade_status clade_onnx_output_image(clade_onnx_reader *r, const Onnx__Node *node, int32_t layer)
{
    clade_onnx_value v = {
        .kind = CLADE_ONNX_LAYER, .layer = layer, .rank = 4, .order = {0, 3, 1, 2}};
    int64_t dim[4];
    clade_onnx_dims(r, layer, dim);
    for (int k = 0; k < 4; k++) v.dim[k] = dim[v.order[k]];
    return clade_onnx_output(r, node, &v);
}

void clade_onnx_add_fault(clade_onnx_reader *r, const Onnx__Node *node, const char *reason)
{
    char what[160];
    size_t used = strlen(r->faults), room = sizeof r->faults - used;
    r->fault_count++;
    if (room < 320) return; /* the count says that there are more */
    snprintf(r->faults + used, room, "%s%s%s%.140s", used ? "; " : "",
             clade_onnx_describe(node, what), *reason ? ": " : "", reason);
}
