/* ONNX's Add, Sub, Mul, Div, Neg, Sum and Concat, both ways: add, multiply, concat. */
#include "onnx/export.h"
#include "onnx/onnx.h"

#include <string.h>

/* --- with a constant --- */

/* Which values a constant has for the channels of x: *count 1 or as many as there are. */
static clade_status find_channels(const clade_onnx_reader *r, const clade_onnx_value *x,
                                  const clade_onnx_constant *c, size_t *count)
{
    int64_t dim[4];
    int32_t last = clade_onnx_dims(r, x->layer, dim) - 1, axis = -1;
    bool equal = c->count > 0;
    for (size_t k = 1; k < c->count && equal; k++)
        equal = clade_onnx_number(c, k) == clade_onnx_number(c, 0);
    *count = 1;
    if (c->rank > x->rank || c->count == 0)
        return clade_fail(CLADE_EUNSUPPORTED, "a constant of %d dimensions", c->rank);
    for (int32_t k = 0; k < c->rank; k++) {
        int32_t at = k + x->rank - c->rank;
        if (c->dim[k] == 1) continue;
        if (c->dim[k] != x->dim[at])
            return clade_fail(CLADE_EUNSUPPORTED, "a constant that broadcasts the other input");
        if (axis >= 0 || x->order[at] != last || (at == 0 && !equal)) axis = clade_onnx_max_rank;
        if (axis < 0) axis = at;
    }
    if (equal) return CLADE_OK;
    if (axis == clade_onnx_max_rank)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "a constant with more than one value for each channel");
    *count = c->count;
    return CLADE_OK;
}

/* x op c, or with `reversed` c op x. */
static clade_status with_constant(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_value *x,
                                  const clade_onnx_constant *c, bool reversed)
{
    size_t count;
    clade_status status = find_channels(r, x, c, &count);
    if (status == CLADE_EUNSUPPORTED && !strcmp(node->op_type, "Mul") && c->real) {
        status = clade_onnx_add_prelu(r, node, x, c);
        if (!status) r->layer[x->layer].role = CLADE_ONNX_SCALE;
        return status ? status : clade_onnx_output(r, node, x);
    }
    if (status == CLADE_EUNSUPPORTED && !strcmp(node->op_type, "Add") &&
        clade_onnx_is_position(x, c)) {
        status = clade_onnx_add_position(r, node, x, c);
        return status ? status : clade_onnx_output(r, node, x);
    }
    if (status) return status;
    bool sub = !strcmp(node->op_type, "Sub"), mul = !strcmp(node->op_type, "Mul");
    bool div = !strcmp(node->op_type, "Div");
    if (div && reversed) return clade_fail(CLADE_EUNSUPPORTED, "a constant divided by an input");
    float *v = clade_onnx_take(&r->file, count, sizeof *v);
    if (!v) return CLADE_ENOMEM;
    for (size_t k = 0; k < count; k++) {
        double number = clade_onnx_number(c, k);
        v[k] = (float)(div ? 1 / number : sub && !reversed ? -number : number);
    }
    static const float minus = -1;
    if (mul || div)
        status = clade_onnx_add_affine(r, node, x, v, NULL, count);
    else if (sub && reversed) {
        status = clade_onnx_add_affine(r, node, x, &minus, NULL, 1);
        if (!status) status = clade_onnx_add_affine(r, node, x, NULL, v, count);
    } else
        status = clade_onnx_add_affine(r, node, x, NULL, v, count);
    clade_onnx_give(&r->file, v);
    return status ? status : clade_onnx_output(r, node, x);
}

/* --- two tensors --- */

/* Which dimension of the wider layer each of x lies along, when ranks are made equal at the front.
 */
static int32_t place(const clade_onnx_value *x, int32_t rank, int32_t widest, int32_t k)
{
    return x->order[k] < 1 ? x->order[k] : x->order[k] + widest - rank;
}

/* The size of a layer along a dimension of the wider one. */
static int64_t size_at(const int64_t dim[4], int32_t rank, int32_t widest, int32_t at)
{
    int32_t k = at - (widest - rank);
    return k < 1 ? 1 : dim[k];
}

/* Do a and b, seen as ONNX does, meet in the layers' dimensions too? Then y has their order. */
static bool joins(const clade_onnx_reader *r, const clade_onnx_value *a, const clade_onnx_value *b,
                  clade_onnx_value *y)
{
    int64_t da[4], db[4];
    int32_t ra = clade_onnx_dims(r, a->layer, da), rb = clade_onnx_dims(r, b->layer, db);
    int32_t widest = ra > rb ? ra : rb;
    *y = (clade_onnx_value){.kind = CLADE_ONNX_LAYER, .rank = a->rank, .dim = {r->batch}};
    for (int32_t k = 1; k < a->rank; k++) {
        int32_t pa = place(a, ra, widest, k), pb = place(b, rb, widest, k);
        bool one_a = a->dim[k] == 1, one_b = b->dim[k] == 1;
        y->dim[k] = one_a ? b->dim[k] : a->dim[k];
        y->order[k] = -1;
        if (one_a && one_b) continue;
        if (!one_a && !one_b && (a->dim[k] != b->dim[k] || pa != pb)) return false;
        if (one_b && size_at(db, rb, widest, pa) != 1) return false;
        if (one_a && size_at(da, ra, widest, pb) != 1) return false;
        y->order[k] = (int8_t)(one_a ? pb : pa);
    }
    return true;
}

static clade_status merge(clade_onnx_reader *r, const Onnx__Node *node, clade_layer_kind kind,
                          clade_onnx_value *a, clade_onnx_value *b, clade_onnx_value *y)
{
    if (a->rank != b->rank)
        return clade_fail(CLADE_EUNSUPPORTED, "inputs of %d and %d dimensions", a->rank, b->rank);
    if (memcmp(a->chw, b->chw, sizeof a->chw) != 0)
        return clade_fail(CLADE_EUNSUPPORTED, "a flattened image together with another vector");
    if (!joins(r, a, b, y)) {
        clade_status status = clade_onnx_image(r, a);
        if (!status) status = clade_onnx_image(r, b);
        if (status) return status;
        if (!joins(r, a, b, y))
            return clade_fail(CLADE_EFORMAT, "the shapes of its inputs do not agree");
    }
    memcpy(y->chw, a->chw, sizeof y->chw);
    clade_layer layer = {.kind = kind, .input_count = 2, .input = {a->layer, b->layer}};
    return clade_onnx_add(r, node, &layer, &y->layer);
}

clade_status clade_onnx_read_arithmetic(clade_onnx_reader *r, const Onnx__Node *node)
{
    bool sum = !strcmp(node->op_type, "Sum");
    if (node->n_input < 1 || (!sum && node->n_input != 2))
        return clade_fail(CLADE_EFORMAT, "has %zu inputs", node->n_input);
    clade_onnx_value x, next, y;
    for (size_t i = 0; i < 2 && !sum; i++) {
        const clade_onnx_value *v = clade_onnx_find(r, clade_onnx_string(node->input[i]));
        if (!v || v->kind == CLADE_ONNX_LAYER) continue; /* what is missing is said below */
        const clade_onnx_constant *c;
        clade_status status = clade_onnx_input_constant(r, node, i, &c);
        if (!status) status = clade_onnx_input(r, node, 1 - i, &x);
        return status ? status : with_constant(r, node, &x, c, i == 0);
    }
    bool mul = !strcmp(node->op_type, "Mul");
    if (!strcmp(node->op_type, "Div"))
        return clade_fail(CLADE_EUNSUPPORTED, "of two inputs that both vary");
    clade_status status = clade_onnx_input(r, node, 0, &x);
    for (size_t i = 1; i < node->n_input && !status; i++) {
        static const float minus = -1;
        status = clade_onnx_input(r, node, i, &next);
        if (!status && !strcmp(node->op_type, "Sub"))
            status = clade_onnx_add_affine(r, node, &next, &minus, NULL, 1);
        if (!status)
            status = merge(r, node, mul ? CLADE_LAYER_MULTIPLY : CLADE_LAYER_ADD, &x, &next, &y);
        x = y;
    }
    return status ? status : clade_onnx_output(r, node, &x);
}

clade_status clade_onnx_read_neg(clade_onnx_reader *r, const Onnx__Node *node)
{
    static const float minus = -1;
    clade_onnx_value x;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_add_affine(r, node, &x, &minus, NULL, 1);
    return status ? status : clade_onnx_output(r, node, &x);
}

/* --- concat --- */

/* Can all be joined along the axis as they are? */
static bool aligned(const clade_onnx_reader *r, const clade_onnx_value *x, size_t count,
                    int64_t axis)
{
    int64_t dim[4];
    for (size_t i = 0; i < count; i++) {
        if (x[i].chw[0] ||
            clade_onnx_dims(r, x[i].layer, dim) != clade_onnx_dims(r, x[0].layer, dim) ||
            memcmp(x[i].order, x[0].order, sizeof x[i].order) != 0)
            return false;
    }
    return x[0].order[axis] == clade_onnx_dims(r, x[0].layer, dim) - 1;
}

clade_status clade_onnx_read_concat(clade_onnx_reader *r, const Onnx__Node *node)
{
    size_t count = node->n_input;
    if (count < 1) return clade_fail(CLADE_EFORMAT, "has no inputs");
    clade_onnx_value *x = clade_onnx_take(&r->file, count, sizeof *x);
    if (!x) return CLADE_ENOMEM;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i++) {
        status = clade_onnx_input(r, node, i, &x[i]);
        if (!status && x[i].rank != x[0].rank)
            status = clade_fail(CLADE_EFORMAT, "its inputs have different ranks");
    }
    int64_t axis = clade_onnx_int(node, "axis", 1);
    if (!status && axis < 0) axis += x[0].rank;
    if (!status && (axis < 1 || axis >= x[0].rank))
        status = clade_fail(CLADE_EUNSUPPORTED, "along dimension %lld", (long long)axis);
    if (!status && !aligned(r, x, count, axis)) {
        for (size_t i = 0; i < count && !status; i++) status = clade_onnx_image(r, &x[i]);
        if (!status && !aligned(r, x, count, axis))
            status = clade_fail(CLADE_EUNSUPPORTED, "along a dimension other than the channels");
    }
    /* a layer takes 8 inputs; what is joined so far is the first of the next */
    clade_onnx_value y = x[0];
    for (size_t i = 1; i < count && !status;) {
        clade_layer layer = {.kind = CLADE_LAYER_CONCAT, .input_count = 1, .input = {y.layer}};
        for (; i < count && layer.input_count < CLADE_MAX_INPUTS; i++) {
            layer.input[layer.input_count++] = x[i].layer;
            y.dim[axis] += x[i].dim[axis];
        }
        status = clade_onnx_add(r, node, &layer, &y.layer);
    }
    clade_onnx_give(&r->file, x);
    return status ? status : clade_onnx_output(r, node, &y);
}

/* --- writing --- */

/* An input seen with as many dimensions as the output has: those of size 1 come after the batch in
 * [n, h, w, c]. */
static char *put_widened(clade_onnx_exporter *e, int32_t number, int32_t i)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    const clade_node *from = clade_node_input(e->network->graph, node, i);
    char *x = e->value[node->layer.input[i]];
    if (from->rank == node->rank) return x;
    static const int32_t swap[] = {0, 2, 1};
    static const int64_t middle[] = {1}, end[] = {2, 3}, rows[] = {2};
    if (node->rank == 2)
        return clade_onnx_export_put(e, number, "Unsqueeze", x,
                                     clade_onnx_export_numbers(e, number, 1, middle));
    if (from->rank == 1)
        return clade_onnx_export_put(e, number, "Unsqueeze", x,
                                     clade_onnx_export_numbers(e, number, 2, end));
    x = clade_onnx_export_transpose(e, x, clade_onnx_export_part(e, number), swap,
                                    3); /* [w, c] to [c, 1, w] */
    return clade_onnx_export_put(e, number, "Unsqueeze", x,
                                 clade_onnx_export_numbers(e, number, 1, rows));
}

static void write_merge(clade_onnx_exporter *e, int32_t number, const char *op)
{
    const clade_layer *layer = &clade_onnx_export_node(e, number)->layer;
    char *x = put_widened(e, number, 0);
    for (int32_t i = 1; i < layer->input_count; i++) {
        char *inputs[] = {x, put_widened(e, number, i)};
        if (i == layer->input_count - 1)
            clade_onnx_export_last(e, number, op, 2, inputs);
        else
            x = clade_onnx_export_put(e, number, op, inputs[0], inputs[1]);
    }
}

void clade_onnx_write_add(clade_onnx_exporter *e, int32_t number) { write_merge(e, number, "Add"); }

void clade_onnx_write_multiply(clade_onnx_exporter *e, int32_t number)
{
    write_merge(e, number, "Mul");
}

void clade_onnx_write_concat(clade_onnx_exporter *e, int32_t number)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    char *inputs[CLADE_MAX_INPUTS];
    for (int32_t i = 0; i < node->layer.input_count; i++)
        inputs[i] = e->value[node->layer.input[i]];
    Onnx__Node *concat =
        clade_onnx_export_last(e, number, "Concat", (size_t)node->layer.input_count, inputs);
    clade_onnx_put_int(&e->w, concat, "axis", node->rank == 2 ? 2 : 1);
}
