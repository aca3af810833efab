/* Normalisations that exporters write in pieces. Each step is a value of its own that says what it
 * is of which x; what ends in (x − mean) / deviation, times gamma, plus beta becomes a layer when
 * something else reads it.
 *
 * PyTorch's LayerNorm before opset 17, ConvNeXt's over channels, ours:
 *     d = x − ReduceMean(x);  d / Sqrt(ReduceMean(d²) + eps) gamma + beta
 * Keras' LayerNormalization, as moments and batch normalisation:
 *     i = Reciprocal(Sqrt(variance + eps)) gamma;  x i + (beta − mean i)
 * PyTorch's GroupNorm: InstanceNormalization of [n, groups, …] between Reshapes, gamma, beta; and
 * Keras': its LayerNormalization of [n, h, w, groups, c / groups] between Reshapes. */
#include "onnx/onnx.h"

#include <string.h>

/* What a node's inputs are: a step or NULL, and a constant or NULL. */
typedef struct operands {
    const char *name[2];
    const clade_onnx_value *value[2];
    const clade_onnx_part *part[2];
    const clade_onnx_constant *constant[2];
} operands;

static bool is_step(const clade_onnx_part *p, clade_onnx_step step) { return p && p->step == step; }

/* Are both steps of one normalisation? */
static bool same_norm(const clade_onnx_part *a, const clade_onnx_part *b)
{
    return !strcmp(a->x, b->x) && a->groups == b->groups && a->axes == b->axes;
}

/* Is input i what is normalised by `of`: x itself, or x in groups? */
static bool is_x(const operands *o, int i, const clade_onnx_part *of)
{
    const clade_onnx_part *p = o->part[i];
    if (is_step(p, CLADE_ONNX_GROUPED)) return !strcmp(p->x, of->x) && p->groups == of->groups;
    return o->name[i] && !of->groups && !strcmp(o->name[i], of->x);
}

static clade_onnx_norm norm_of(const clade_onnx_part *p)
{
    return (clade_onnx_norm){
        .groups = p->groups, .axes = p->axes, .listed = p->listed, .eps = p->eps};
}

/* Could input i be gamma or beta of it? */
static bool fits(const clade_onnx_reader *r, const operands *o, int i, const clade_onnx_part *of)
{
    clade_onnx_norm norm = norm_of(of);
    return o->constant[i] &&
           clade_onnx_norm_fits(r, clade_onnx_find(r, of->x), &norm, o->constant[i]);
}

static bool is_number(const clade_onnx_constant *c, double number)
{
    return c && c->count == 1 && clade_onnx_number(c, 0) == number;
}

/* --- rules: the step that a node of two operands makes, or that of one --- */

static bool add(const clade_onnx_reader *r, const operands *o, int i, clade_onnx_part *y)
{
    const clade_onnx_part *a = o->part[i], *b = o->part[1 - i];
    const clade_onnx_constant *c = o->constant[1 - i];
    *y = *a;
    switch (a->step) {
    case CLADE_ONNX_VARIANCE:
        y->step = CLADE_ONNX_SHIFTED;
        y->eps = c ? (float)clade_onnx_number(c, 0) : 0;
        return c && c->count == 1 && y->eps >= 0;
    case CLADE_ONNX_SCALED_MEAN:
        y->step = CLADE_ONNX_REST;
        y->beta = o->name[1 - i];
        return a->negative && fits(r, o, 1 - i, a);
    case CLADE_ONNX_SCALED_X:
        y->step = CLADE_ONNX_NORMAL;
        if (!b || !same_norm(a, b) || a->gamma != b->gamma) return false;
        y->beta = b->beta;
        return b->step == CLADE_ONNX_REST || (b->step == CLADE_ONNX_SCALED_MEAN && b->negative);
    case CLADE_ONNX_NORMAL: y->beta = o->name[1 - i]; return !a->beta && fits(r, o, 1 - i, a);
    default: return false;
    }
}

static bool subtract(const clade_onnx_reader *r, const operands *o, clade_onnx_part *y)
{
    const clade_onnx_part *a = o->part[0], *b = o->part[1];
    if (!b || b->negative) return false;
    *y = *b;
    if (b->step == CLADE_ONNX_MEAN && is_x(o, 0, b)) {
        y->step = CLADE_ONNX_DIFFERENCE;
        return true;
    }
    if (b->step != CLADE_ONNX_SCALED_MEAN) return false;
    y->step = CLADE_ONNX_REST;
    y->beta = o->name[0];
    if (fits(r, o, 0, b)) return true;
    y->step = CLADE_ONNX_NORMAL;
    y->beta = NULL;
    return is_step(a, CLADE_ONNX_SCALED_X) && same_norm(a, b) && a->gamma == b->gamma;
}

static bool multiply(const clade_onnx_reader *r, const operands *o, int i, clade_onnx_part *y)
{
    const clade_onnx_part *a = o->part[i], *b = o->part[1 - i];
    *y = *a;
    if (is_step(b, CLADE_ONNX_INVERSE) && same_norm(a, b)) {
        *y = *b;
        y->negative = a->negative;
        y->step = a->step == CLADE_ONNX_DIFFERENCE ? CLADE_ONNX_NORMAL : CLADE_ONNX_SCALED_MEAN;
        return a->step == CLADE_ONNX_DIFFERENCE || a->step == CLADE_ONNX_MEAN;
    }
    switch (a->step) {
    case CLADE_ONNX_DIFFERENCE: y->step = CLADE_ONNX_SQUARE; return !strcmp(o->name[0], o->name[1]);
    case CLADE_ONNX_INVERSE:
        if (is_x(o, 1 - i, a)) {
            y->step = CLADE_ONNX_SCALED_X;
            return true;
        }
        y->gamma = o->name[1 - i];
        return !a->gamma && fits(r, o, 1 - i, a);
    case CLADE_ONNX_NORMAL:
        y->gamma = o->name[1 - i];
        return !a->gamma && !a->beta && fits(r, o, 1 - i, a);
    default: return false;
    }
}

static bool divide(const operands *o, clade_onnx_part *y)
{
    const clade_onnx_part *a = o->part[0], *b = o->part[1];
    if (!is_step(b, CLADE_ONNX_DEVIATION)) return false;
    *y = *b;
    y->step = CLADE_ONNX_INVERSE;
    if (is_number(o->constant[0], 1)) return true;
    y->step = CLADE_ONNX_NORMAL;
    return is_step(a, CLADE_ONNX_DIFFERENCE) && same_norm(a, b);
}

/* Of one operand, or of x to a constant power. */
static bool single(const operands *o, const char *op, clade_onnx_part *y)
{
    static const struct {
        const char *op;
        clade_onnx_step from, to;
    } rules[] = {
        {"Pow", CLADE_ONNX_DIFFERENCE, CLADE_ONNX_SQUARE},
        {"Sqrt", CLADE_ONNX_SHIFTED, CLADE_ONNX_DEVIATION},
        {"Reciprocal", CLADE_ONNX_DEVIATION, CLADE_ONNX_INVERSE},
        {"Neg", CLADE_ONNX_MEAN, CLADE_ONNX_MEAN},
        {"Neg", CLADE_ONNX_SCALED_MEAN, CLADE_ONNX_SCALED_MEAN},
    };
    if (!o->part[0] || (!strcmp(op, "Pow") && !is_number(o->constant[1], 2))) return false;
    *y = *o->part[0];
    if (!strcmp(op, "Identity")) return true;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(op, rules[i].op) != 0 || y->step != rules[i].from) continue;
        y->step = rules[i].to;
        if (!strcmp(op, "Neg")) y->negative = !y->negative;
        return true;
    }
    return false;
}

static bool apply(const clade_onnx_reader *r, const operands *o, const char *op, clade_onnx_part *y)
{
    bool done = false;
    if (!strcmp(op, "Sub")) return subtract(r, o, y);
    if (!strcmp(op, "Div")) return divide(o, y);
    bool sum = !strcmp(op, "Add"), product = !strcmp(op, "Mul");
    for (int i = 0; i < 2 && !done && (sum || product); i++)
        done = o->part[i] && (sum ? add(r, o, i, y) : multiply(r, o, i, y));
    return done || single(o, op, y);
}

/* --- operators of their own kind --- */

static clade_status read_axes(clade_onnx_reader *r, const Onnx__Node *node, int32_t rank,
                              unsigned *axes)
{
    int64_t axis[clade_onnx_max_rank];
    int32_t count;
    clade_status status = clade_onnx_ints(r, node, "axes", 1, axis, &count);
    *axes = 0;
    for (int32_t k = 0; k < count && !status; k++) {
        if (axis[k] < 0) axis[k] += rank;
        if (axis[k] < 0 || axis[k] >= rank)
            status = clade_fail(CLADE_EFORMAT, "axes out of range");
        else
            *axes |= 1U << axis[k];
    }
    return status;
}

/* Are the channels among the axes? The means of each channel are a layer of their own. */
static bool takes_channels(const clade_onnx_reader *r, const clade_onnx_value *v, unsigned axes)
{
    int64_t dim[4];
    int32_t last = clade_onnx_dims(r, v->layer, dim) - 1;
    for (int32_t k = 1; k < v->rank; k++)
        if (axes >> k & 1 && v->order[k] == last) return true;
    return false;
}

/* The mean of x over what can be normalised, or of the squares. */
static clade_status read_mean(clade_onnx_reader *r, const Onnx__Node *node, const operands *o,
                              clade_onnx_part *y, bool *done)
{
    const clade_onnx_value *v = o->value[0];
    const clade_onnx_part *p = o->part[0];
    unsigned axes;
    clade_status status = read_axes(r, node, v->rank, &axes);
    if (status || !clade_onnx_int(node, "keepdims", 1)) return status;
    if (is_step(p, CLADE_ONNX_SQUARE)) {
        *y = *p;
        y->step = CLADE_ONNX_VARIANCE;
        *done = axes == p->axes;
    } else if (is_step(p, CLADE_ONNX_GROUPED)) {
        *y = *p;
        y->step = CLADE_ONNX_MEAN;
        y->axes = axes;
        *done = v->rank == 5 && axes == (1U << 1 | 1U << 2 | 1U << 4);
    } else if (v->kind == CLADE_ONNX_LAYER && takes_channels(r, v, axes)) {
        *y = (clade_onnx_part){.step = CLADE_ONNX_MEAN, .x = v->name, .axes = axes};
        clade_onnx_norm norm = norm_of(y);
        static float one = 1;
        const clade_onnx_constant any = {.real = true, .count = 1, .f = &one};
        *done = !(axes & 1) && clade_onnx_norm_fits(r, v, &norm, &any);
    }
    return CLADE_OK;
}

/* Is the node's output read by one of that kind, among those that follow? */
static bool leads_to(const clade_onnx_reader *r, const Onnx__Node *node, const char *op)
{
    enum { near = 16 };
    const Onnx__Graph *g = r->file.graph;
    for (size_t i = r->node + 1; i < g->n_node && i < r->node + near; i++)
        for (size_t k = 0; k < g->node[i]->n_input; k++)
            if (!strcmp(clade_onnx_string(g->node[i]->op_type), op) &&
                !strcmp(clade_onnx_string(g->node[i]->input[k]), node->output[0]))
                return true;
    return false;
}

/* An image to groups of its channels, [n, groups, …] or [n, h, w, groups, c / groups]; and the way
 * back. */
static clade_status read_groups(clade_onnx_reader *r, const Onnx__Node *node, const operands *o,
                                clade_onnx_value *y, bool *done)
{
    static const int8_t nchw[] = {0, 3, 1, 2}, nhwc[] = {0, 1, 2, 3};
    const clade_onnx_value *v = o->value[0];
    int64_t to[clade_onnx_max_rank] = {0}, dim[4];
    int32_t rank;
    bool normal = is_step(o->part[0], CLADE_ONNX_NORMAL) && o->part[0]->groups;
    if (!node->n_output || (!normal && (v->kind != CLADE_ONNX_LAYER || v->chw[0]))) return CLADE_OK;
    clade_status status = clade_onnx_reshape_target(r, node, v, to, &rank);
    if (status) return status;
    y->rank = rank;
    memcpy(y->dim, to, sizeof to);
    if (normal) {
        const clade_onnx_value *x = clade_onnx_find(r, o->part[0]->x);
        y->part = *o->part[0];
        *done = v->rank != x->rank && rank == x->rank &&
                !memcmp(to, x->dim, (size_t)rank * sizeof *to) &&
                (y->part.listed || (!y->part.gamma && !y->part.beta));
        return CLADE_OK;
    }
    const int32_t own = clade_onnx_dims(r, v->layer, dim);
    const int64_t c = dim[own - 1];
    if (to[0] != v->dim[0]) return CLADE_OK;
    bool image = own == 4 && v->rank == 4, vector = own == 2 && v->rank == 2;
    bool channels_first =
        rank == 3 && c % to[1] == 0 && (vector || (image && !memcmp(v->order, nchw, sizeof nchw)));
    bool channels_last = rank == 5 && image && !memcmp(v->order, nhwc, sizeof nhwc) &&
                         to[1] == dim[1] && to[2] == dim[2] && to[3] * to[4] == c;
    *done = (channels_first && leads_to(r, node, "InstanceNormalization")) ||
            (channels_last && leads_to(r, node, "ReduceMean"));
    y->part = (clade_onnx_part){.step = CLADE_ONNX_GROUPED,
                                .x = v->name,
                                .groups = (int32_t)to[rank == 3 ? 1 : 3],
                                .listed = rank == 5};
    return CLADE_OK;
}

/* Of groups; its own scale and bias must be 1 and 0. */
static clade_status read_instance(clade_onnx_reader *r, const Onnx__Node *node, const operands *o,
                                  clade_onnx_part *y, bool *done)
{
    const clade_onnx_constant *c[2];
    if (!is_step(o->part[0], CLADE_ONNX_GROUPED) || o->value[0]->rank != 3) return CLADE_OK;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < 2 && !status; i++) {
        status = clade_onnx_input_constant(r, node, i + 1, &c[i]);
        if (!status) status = clade_onnx_expect_real(c[i], 1, i ? "bias" : "scale");
        for (size_t k = 0; !status && k < c[i]->count; k++)
            if (c[i]->f[k] != (i ? 0 : 1))
                return clade_fail(CLADE_EUNSUPPORTED,
                                  "of groups, with a scale other than 1 or a bias other than 0");
    }
    *y = *o->part[0];
    y->step = CLADE_ONNX_NORMAL;
    y->eps = clade_onnx_float(node, "epsilon", 1e-5F);
    *done = !status;
    return status;
}

/* --- all of it --- */

static clade_status find_operands(clade_onnx_reader *r, const Onnx__Node *node, operands *o)
{
    clade_status status = CLADE_OK;
    *o = (operands){0};
    for (size_t i = 0; i < 2 && i < node->n_input && !status; i++) {
        o->name[i] = clade_onnx_string(node->input[i]);
        if (*o->name[i]) o->value[i] = clade_onnx_find(r, o->name[i]);
        if (!o->value[i]) continue;
        if (o->value[i]->kind == CLADE_ONNX_PART) o->part[i] = &o->value[i]->part;
    }
    for (size_t i = 0; i < 2 && (o->part[0] || o->part[1]) && !status; i++)
        if (o->value[i] && o->value[i]->kind < CLADE_ONNX_LAYER)
            status = clade_onnx_input_constant(r, node, i, &o->constant[i]);
    return status;
}

/* The dimensions of what the node makes of its operands: those of x, or 1 where there is a mean. */
static void set_dims(const operands *o, clade_onnx_value *y)
{
    for (int i = 0; i < 2; i++) {
        const clade_onnx_value *v = o->value[i];
        if (!v || v->kind < CLADE_ONNX_LAYER || v->rank < y->rank) continue;
        y->rank = v->rank;
        for (int32_t k = 0; k < v->rank; k++)
            if (v->dim[k] > y->dim[k]) y->dim[k] = v->dim[k];
    }
    bool mean = y->part.step == CLADE_ONNX_MEAN || y->part.step == CLADE_ONNX_VARIANCE;
    for (int32_t k = 0; k < y->rank && mean; k++)
        if (y->part.axes >> k & 1) y->dim[k] = 1;
}

clade_status clade_onnx_finish_part(clade_onnx_reader *r, const char *name)
{
    const clade_onnx_part p = clade_onnx_find(r, name)->part;
    clade_onnx_norm norm = norm_of(&p);
    clade_onnx_value x = *clade_onnx_find(r, p.x);
    if (p.step != CLADE_ONNX_NORMAL || clade_onnx_find(r, name)->rank != x.rank)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "takes '%.60s', a step of a normalisation that is not read alone", name);
    clade_status status = CLADE_OK;
    if (p.gamma) status = clade_onnx_find_constant(r, p.gamma, &norm.gamma);
    if (!status && p.beta) status = clade_onnx_find_constant(r, p.beta, &norm.beta);
    if (!status) status = clade_onnx_add_norm(r, p.node, &x, &norm);
    if (!status && p.gamma) status = clade_onnx_set_stem(r, x.layer, p.gamma);
    x.name = name;
    if (!status) *clade_onnx_find(r, name) = x;
    return status;
}

/* May the node be the first of the next normalisation, of the output of this one? */
static bool begins_norm(const clade_onnx_reader *r, const operands *o, const char *op)
{
    bool whole = o->value[0]->rank == clade_onnx_find(r, o->part[0]->x)->rank;
    return whole && (!strcmp(op, "ReduceMean") || !strcmp(op, "Reshape"));
}

clade_status clade_onnx_read_part(clade_onnx_reader *r, const Onnx__Node *node, bool *done)
{
    const char *op = clade_onnx_string(node->op_type);
    clade_onnx_value y = {.kind = CLADE_ONNX_PART};
    operands o;
    clade_status status = find_operands(r, node, &o);
    if (status || !o.value[0]) return status;
    if (is_step(o.part[0], CLADE_ONNX_NORMAL) && begins_norm(r, &o, op)) {
        status = clade_onnx_finish_part(r, o.name[0]);
        if (!status) status = find_operands(r, node, &o);
        if (status) return status;
    }
    if (!strcmp(op, "ReduceMean"))
        status = read_mean(r, node, &o, &y.part, done);
    else if (!strcmp(op, "Reshape"))
        status = read_groups(r, node, &o, &y, done);
    else if (!strcmp(op, "InstanceNormalization"))
        status = read_instance(r, node, &o, &y.part, done);
    else if (o.part[0] || o.part[1])
        *done = apply(r, &o, op, &y.part);
    if (status) return status;
    if (*done) {
        if (!y.rank) set_dims(&o, &y);
        y.part.node = node;
        return clade_onnx_output(r, node, &y);
    }
    for (size_t i = 0; i < node->n_input && !status; i++) {
        const char *name = clade_onnx_string(node->input[i]);
        if (*name && clade_onnx_find(r, name)->kind == CLADE_ONNX_PART)
            status = clade_onnx_finish_part(r, name);
    }
    return status;
}
