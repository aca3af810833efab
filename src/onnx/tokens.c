/* Read from ONNX in the pieces in which attention.c writes them: attention, class_token; and
 * position_embedding. */
#include "onnx/onnx.h"

#include <math.h>
#include <string.h>

/* A node of a row of nodes, and which of the row make its first inputs; −1: none does. */
typedef struct step {
    const char *op;
    int32_t input[2];
} step;

static const step attention_steps[] = {
    {"Reshape", {-1, -1}},  {"Slice", {0, -1}}, {"Slice", {0, -1}},  {"Slice", {0, -1}},
    {"Transpose", {1, -1}}, {"MatMul", {4, 2}}, {"Mul", {5, -1}},    {"Softmax", {6, -1}},
    {"Transpose", {7, -1}}, {"MatMul", {3, 8}}, {"Reshape", {9, -1}}};
static const step token_steps[] = {{"Reshape", {-1, -1}}, {"Pad", {0, -1}}, {"Add", {1, -1}}};
enum {
    attention_count = sizeof attention_steps / sizeof *attention_steps,
    token_count = sizeof token_steps / sizeof *token_steps
};

/* Is a node that step of the row? Its other inputs are known before the row begins. */
static bool is_step(const clade_onnx_reader *r, Onnx__Node *const *row, const step *s,
                    const Onnx__Node *node)
{
    const size_t least = s->input[1] < 0 ? 1 : 2;
    if (strcmp(clade_onnx_string(node->op_type), s->op) != 0 || node->n_input < least ||
        node->n_output != 1)
        return false;
    for (size_t k = 0; k < node->n_input; k++) {
        const char *name = clade_onnx_string(node->input[k]);
        const int32_t from = k < 2 ? s->input[k] : -1;
        if (from < 0 ? !clade_onnx_find(r, name)
                     : strcmp(name, clade_onnx_string(row[from]->output[0])) != 0)
            return false;
    }
    return true;
}

/* Are the nodes from the one under way on such a row? */
static bool follow(const clade_onnx_reader *r, const step *steps, size_t count)
{
    const Onnx__Graph *g = r->file.graph;
    Onnx__Node *const *row = g->node + r->node;
    bool good = g->n_node - r->node >= count;
    for (size_t i = 0; i < count && good; i++) good = is_step(r, row, &steps[i], row[i]);
    return good;
}

/* What the row is about: a layer's output as [n, c, places]. */
static bool find_input(const clade_onnx_reader *r, clade_onnx_value *x)
{
    int64_t dim[4];
    const clade_onnx_value *v =
        clade_onnx_find(r, clade_onnx_string(r->file.graph->node[r->node]->input[0]));
    if (!v || v->kind != CLADE_ONNX_LAYER || v->chw[0] || v->rank < 3) return false;
    *x = *v;
    bool good = clade_onnx_dims(r, x->layer, dim) == x->rank && x->order[1] == x->rank - 1;
    for (int32_t k = 2; k < x->rank; k++) good = good && x->order[k] == k - 1;
    return good;
}

/* *same stays true where the node's input i is these whole numbers. Errors: ENOMEM, EFORMAT. */
static clade_status compare(clade_onnx_reader *r, const Onnx__Node *node, size_t i,
                            const int64_t *want, int32_t count, bool *same)
{
    const clade_onnx_constant *c = NULL;
    clade_status status = CLADE_OK;
    const clade_onnx_value *v =
        i < node->n_input ? clade_onnx_find(r, clade_onnx_string(node->input[i])) : NULL;
    *same = *same && v && (v->kind == CLADE_ONNX_STORED || v->kind == CLADE_ONNX_KNOWN);
    if (*same) status = clade_onnx_input_constant(r, node, i, &c);
    if (status || !*same) return status;
    *same = !c->real && c->count == (size_t)count;
    for (int32_t k = 0; k < count && *same; k++) *same = c->i[k] == want[k];
    clade_onnx_drop_held(r);
    return CLADE_OK;
}

/* The node's second input, where it is real numbers; else NULL. */
static clade_status find_numbers(clade_onnx_reader *r, const Onnx__Node *node,
                                 const clade_onnx_constant **out)
{
    *out = NULL;
    const clade_onnx_value *v =
        node->n_input == 2 ? clade_onnx_find(r, clade_onnx_string(node->input[1])) : NULL;
    if (!v || (v->kind != CLADE_ONNX_STORED && v->kind != CLADE_ONNX_KNOWN)) return CLADE_OK;
    clade_status status = clade_onnx_input_constant(r, node, 1, out);
    if (!status && !(*out)->real) *out = NULL;
    return status;
}

static bool swaps_last(const Onnx__Node *node)
{
    static const int64_t last_two[] = {0, 1, 3, 2};
    const Onnx__Attribute *a = clade_onnx_attribute(node, "perm");
    return a && a->n_ints == 4 && !memcmp(a->ints, last_two, sizeof last_two);
}

/* The number of heads, into which the first node cuts the channels; 0: it does not. */
static clade_status find_heads(clade_onnx_reader *r, const Onnx__Node *node,
                               const clade_onnx_value *x, int32_t *heads)
{
    int64_t to[clade_onnx_max_rank] = {0};
    int32_t rank;
    *heads = 0;
    clade_status status = clade_onnx_reshape_target(r, node, x, to, &rank);
    clade_onnx_drop_held(r);
    if (status) return status == CLADE_ENOMEM ? status : CLADE_OK;
    if (rank == 4 && to[0] == x->dim[0] && to[1] % 3 == 0 && to[1] * to[2] == x->dim[1] &&
        to[1] <= INT32_MAX)
        *heads = (int32_t)(to[1] / 3);
    return CLADE_OK;
}

/* *done false: it is something else. */
static clade_status read_attention(clade_onnx_reader *r, Onnx__Node *const *node, bool *done)
{
    clade_onnx_value x;
    clade_layer layer = {.kind = CLADE_LAYER_ATTENTION, .input_count = 1};
    int32_t heads;
    if (!find_input(r, &x)) return CLADE_OK;
    clade_status status = find_heads(r, node[0], &x, &heads);
    if (status || !heads) return status;
    const int64_t c = x.dim[1] / 3, one = 1, softmax = clade_onnx_int(node[7], "axis", -1);
    bool same = swaps_last(node[4]) && swaps_last(node[8]) && r->file.opset >= 13 &&
                (softmax == -1 || softmax == 3);
    for (int32_t k = 0; k < 3 && !status; k++) {
        const int64_t start = (int64_t)k * heads, end = start + heads;
        same = same && node[1 + k]->n_input == 4;
        status = compare(r, node[1 + k], 1, &start, 1, &same);
        if (!status) status = compare(r, node[1 + k], 2, &end, 1, &same);
        if (!status) status = compare(r, node[1 + k], 3, &one, 1, &same);
    }
    const clade_onnx_constant *scale = NULL;
    if (!status) status = find_numbers(r, node[6], &scale);
    same = same && scale && scale->count == 1 &&
           fabs((double)scale->f[0] * sqrt((double)(c / heads)) - 1) < 1e-6;
    clade_onnx_drop_held(r);
    if (status || !same) return status;
    int64_t to[clade_onnx_max_rank];
    int32_t rank;
    clade_onnx_value y = x, pieces = {.rank = 4, .dim = {x.dim[0], heads, c / heads, 1}};
    y.dim[1] = c;
    for (int32_t k = 2; k < x.rank; k++) pieces.dim[3] *= x.dim[k];
    status = clade_onnx_reshape_target(r, node[10], &pieces, to, &rank);
    clade_onnx_drop_held(r);
    if (status) return status == CLADE_ENOMEM ? status : CLADE_OK;
    if (rank != y.rank || memcmp(to, y.dim, (size_t)rank * sizeof *to) != 0) return CLADE_OK;
    layer.as.attention.heads = heads;
    layer.input[0] = x.layer;
    status = clade_onnx_add(r, node[10], &layer, &y.layer);
    *done = !status;
    return status ? status : clade_onnx_output(r, node[10], &y);
}

/* Are all but the first of each row of so many zero? */
static bool is_first_alone(const float *data, size_t count, size_t row)
{
    for (size_t i = 0; i < count; i++)
        if (i % row && data[i] != 0) return false;
    return true;
}

static clade_status read_class_token(clade_onnx_reader *r, Onnx__Node *const *node, bool *done)
{
    static const int64_t pads[] = {0, 0, 0, 1, 0, 0, 0, 0};
    clade_onnx_value x;
    const clade_onnx_constant *token = NULL;
    if (!find_input(r, &x) || x.rank != 4) return CLADE_OK;
    const int64_t c = x.dim[1], tokens = x.dim[2] * x.dim[3] + 1, row[] = {0, c, 1, -1};
    const int64_t dim[] = {1, c, 1, tokens};
    bool same = node[1]->n_input == 2 && node[1]->n_attribute == 0;
    clade_status status = compare(r, node[0], 1, row, 4, &same);
    if (!status) status = compare(r, node[1], 1, pads, 8, &same);
    if (!status && same) status = find_numbers(r, node[2], &token);
    if (status || !token || token->rank != 4 || memcmp(token->dim, dim, sizeof dim) != 0 ||
        !is_first_alone(token->f, token->count, (size_t)tokens))
        return status;
    clade_layer layer = {.kind = CLADE_LAYER_CLASS_TOKEN, .input_count = 1, .input = {x.layer}};
    int32_t number;
    status = clade_onnx_add(r, node[2], &layer, &number);
    if (status) return status;
    float *data = clade_onnx_take(&r->file, (uint64_t)c, sizeof *data);
    if (!data) return CLADE_ENOMEM;
    for (int64_t k = 0; k < c; k++) data[k] = token->f[k * tokens];
    r->layer[number].weight[0] = data;
    r->layer[number].weight_count[0] = (size_t)c;
    *done = true;
    return clade_onnx_output_image(r, node[2], number);
}

clade_status clade_onnx_read_tokens(clade_onnx_reader *r, size_t *nodes)
{
    Onnx__Node *const *node = r->file.graph->node + r->node;
    bool done = false;
    clade_status status = CLADE_OK;
    *nodes = 0;
    if (follow(r, attention_steps, attention_count)) {
        status = read_attention(r, node, &done);
        if (done) *nodes = attention_count;
    } else if (follow(r, token_steps, token_count)) {
        status = read_class_token(r, node, &done);
        if (done) *nodes = token_count;
    }
    clade_onnx_drop_held(r);
    return status;
}

bool clade_onnx_is_position(const clade_onnx_value *x, const clade_onnx_constant *c)
{
    bool same = c->real && !x->chw[0] && x->rank <= 4 && c->rank <= x->rank &&
                c->rank >= x->rank - 1 && (c->rank < x->rank || c->dim[0] == 1);
    for (int32_t k = 1; k < x->rank && same; k++) same = c->dim[k - x->rank + c->rank] == x->dim[k];
    return same;
}

clade_status clade_onnx_add_position(clade_onnx_reader *r, const Onnx__Node *node,
                                     clade_onnx_value *x, const clade_onnx_constant *c)
{
    int64_t dim[4];
    size_t stride[4], elements = 1;
    for (int32_t k = clade_onnx_dims(r, x->layer, dim) - 1; k > 0; k--) {
        stride[k] = elements;
        elements *= (size_t)dim[k];
    }
    clade_layer layer = {
        .kind = CLADE_LAYER_POSITION_EMBEDDING, .input_count = 1, .input = {x->layer}};
    float *data = clade_onnx_take(&r->file, c->count, sizeof *data);
    if (!data) return CLADE_ENOMEM;
    for (size_t i = 0; i < c->count; i++) {
        size_t rest = i, at = 0;
        for (int32_t k = x->rank - 1; k > 0; k--) {
            const size_t size = (size_t)x->dim[k];
            if (x->order[k] > 0) at += rest % size * stride[x->order[k]];
            rest /= size;
        }
        data[at] = c->f[i];
    }
    clade_status status = clade_onnx_add(r, node, &layer, &x->layer);
    if (status) {
        clade_onnx_give(&r->file, data);
        return status;
    }
    r->layer[x->layer].weight[0] = data;
    r->layer[x->layer].weight_count[0] = c->count;
    return CLADE_OK;
}
