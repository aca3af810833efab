/* ONNX's activations and what else keeps the shape, both ways: activation, prelu, softmax,
 * log_softmax, dropout, stochastic_depth, layer_scale. */
#include "onnx/export.h"
#include "onnx/onnx.h"

#include <float.h>
#include <math.h>
#include <string.h>

static clade_status add_activation(clade_onnx_reader *r, const Onnx__Node *node,
                                   clade_onnx_value *x, clade_activation activation, float alpha,
                                   clade_onnx_role role)
{
    clade_layer layer = {.kind = CLADE_LAYER_ACTIVATION, .input_count = 1, .input = {x->layer}};
    layer.as.activation = (clade_activation_layer){.activation = activation, .alpha = alpha};
    clade_status status = clade_onnx_add(r, node, &layer, &x->layer);
    if (!status) r->layer[x->layer].role = role;
    return status;
}

clade_status clade_onnx_add_affine(clade_onnx_reader *r, const Onnx__Node *node,
                                   clade_onnx_value *x, const float *scale, const float *shift,
                                   size_t count)
{
    int64_t dim[4];
    size_t channels = (size_t)dim[clade_onnx_dims(r, x->layer, dim) - 1];
    clade_status status = add_activation(r, node, x, CLADE_LINEAR, 0, CLADE_ONNX_AFFINE);
    if (status) return status;
    clade_onnx_layer *l = &r->layer[x->layer];
    l->channels = (int32_t)channels;
    l->scale = clade_onnx_take(&r->file, channels, sizeof *l->scale);
    l->shift = l->scale ? clade_onnx_take(&r->file, channels, sizeof *l->shift) : NULL;
    if (!l->shift) return CLADE_ENOMEM;
    for (size_t k = 0; k < channels; k++) {
        size_t from = count == 1 ? 0 : k, to = count == 1 ? k : clade_onnx_channel(x, k);
        l->scale[to] = scale ? scale[from] : 1;
        l->shift[to] = shift ? shift[from] : 0;
    }
    return CLADE_OK;
}

/* min(max(alpha x + beta, 0), 1); ours has alpha 1/6 and beta 1/2. */
static clade_status add_hard_sigmoid(clade_onnx_reader *r, const Onnx__Node *node,
                                     clade_onnx_value *x)
{
    float alpha = clade_onnx_float(node, "alpha", 0.2F),
          beta = clade_onnx_float(node, "beta", 0.5F);
    float scale = 6 * alpha, shift = 6 * beta - 3;
    bool ours = fabsf(scale - 1) < 1e-6F && shift == 0;
    clade_status status = ours ? CLADE_OK : clade_onnx_add_affine(r, node, x, &scale, &shift, 1);
    return status ? status : add_activation(r, node, x, CLADE_HARD_SIGMOID, 0, CLADE_ONNX_PLAIN);
}

clade_status clade_onnx_read_activation(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (status) return status;
    if (!strcmp(node->op_type, "HardSigmoid")) {
        status = add_hard_sigmoid(r, node, &x);
    } else if (!strcmp(node->op_type, "Erf")) {
        status = add_activation(r, node, &x, CLADE_LINEAR, 0, CLADE_ONNX_ERF);
    } else {
        clade_activation activation = CLADE_LINEAR;
        for (int a = 0; a < CLADE_ACTIVATIONS; a++) {
            const char *op = clade_activation_describe(a)->onnx;
            if (op && !strcmp(op, node->op_type)) activation = (clade_activation)a;
        }
        float otherwise = activation == CLADE_LEAKY_RELU ? 0.01F : 1; /* ONNX's, not Keras' */
        bool has_alpha = clade_activation_describe((int32_t)activation)->alpha > 0;
        float alpha = has_alpha ? clade_onnx_float(node, "alpha", otherwise) : 0;
        char word[32];
        clade_onnx_text(node, "approximate", word);
        if (activation == CLADE_GELU && *word && strcmp(word, "none") != 0)
            return clade_fail(CLADE_EUNSUPPORTED, "approximate '%s'", word);
        if (has_alpha && alpha == 0) activation = CLADE_RELU;
        status = add_activation(r, node, &x, activation, alpha, CLADE_ONNX_PLAIN);
    }
    return status ? status : clade_onnx_output(r, node, &x);
}

/* Which of the layer's dimensions have slopes of their own, as bits; `step` gets how far apart
 * those of ONNX's dimension k lie in the layer's order, and *count how many there are. */
static clade_status find_slopes(const clade_onnx_reader *r, const clade_onnx_value *x,
                                const clade_onnx_constant *slope, size_t step[clade_onnx_max_rank],
                                int32_t *own, size_t *count)
{
    int64_t dim[4];
    int32_t rank = clade_onnx_dims(r, x->layer, dim), first = x->rank - slope->rank;
    *own = 0;
    *count = 1;
    if (first < 0 || slope->count == 0)
        return clade_fail(CLADE_EUNSUPPORTED, "a constant of %d dimensions", slope->rank);
    for (int32_t k = 0; k < slope->rank; k++) {
        if (slope->dim[k] == 1) continue;
        if (slope->dim[k] != x->dim[first + k] || first + k == 0)
            return clade_fail(CLADE_EUNSUPPORTED, "a constant that broadcasts the other input");
        *own |= 1 << x->order[first + k];
    }
    for (int32_t d = rank - 1; d > 0; d--) {
        if (!(*own & 1 << d)) continue;
        for (int32_t k = 0; k < slope->rank; k++)
            if (slope->dim[k] != 1 && x->order[first + k] == d) step[k] = *count;
        *count *= (size_t)dim[d];
    }
    return CLADE_OK;
}

clade_status clade_onnx_add_prelu(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_value *x,
                                  const clade_onnx_constant *slope)
{
    size_t step[clade_onnx_max_rank] = {0}, count;
    int32_t own, number;
    int64_t dim[4];
    clade_status status = find_slopes(r, x, slope, step, &own, &count);
    if (status) return status;
    clade_layer layer = {.kind = CLADE_LAYER_PRELU, .input_count = 1, .input = {x->layer}};
    const int32_t rank = clade_onnx_dims(r, x->layer, dim);
    for (int32_t d = 1; d < rank; d++)
        if (!(own & 1 << d)) layer.as.prelu.shared_axis[layer.as.prelu.shared++] = d;
    status = clade_onnx_add(r, node, &layer, &number);
    if (!status) status = clade_onnx_set_weight(r, number, 0, slope->f, count);
    for (size_t i = 0; !status && i < count; i++) {
        size_t at = 0, rest = i;
        for (int32_t k = slope->rank - 1; k >= 0; k--) {
            at += rest % (size_t)slope->dim[k] * step[k];
            rest /= (size_t)slope->dim[k];
        }
        r->layer[number].weight[0][clade_onnx_channel(x, at)] = slope->f[i];
    }
    x->layer = number;
    return status;
}

clade_status clade_onnx_read_prelu(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    const clade_onnx_constant *slope = NULL;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_input_constant(r, node, 1, &slope);
    if (!status && (!slope || !slope->real)) status = clade_fail(CLADE_EFORMAT, "has no slope");
    if (!status) status = clade_onnx_add_prelu(r, node, &x, slope);
    if (!status) status = clade_onnx_set_stem(r, x.layer, node->input[1]);
    return status ? status : clade_onnx_output(r, node, &x);
}

/* A limit of Clip: an attribute, or later an input. */
static clade_status read_limit(clade_onnx_reader *r, const Onnx__Node *node, const char *name,
                               size_t i, float *out)
{
    const Onnx__Attribute *a = clade_onnx_attribute(node, name);
    const clade_onnx_constant *c = NULL;
    if (a && a->has_f) *out = a->f;
    clade_status status = a ? CLADE_OK : clade_onnx_input_constant(r, node, i, &c);
    if (!status && c && c->count != 1)
        status = clade_fail(CLADE_EFORMAT, "%s is not one number", name);
    if (!status && c) *out = (float)clade_onnx_number(c, 0);
    return status;
}

/* min(max(x, low), high) by the activations that there are: low + relu(x − low), high − relu(high −
 * x), or with both limits the part of 0 … 6 that relu6 leaves. */
static clade_status add_clip(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_value *x,
                             float low, float high)
{
    bool both = low > -FLT_MAX && high < FLT_MAX;
    float scale = both ? 6 / (high - low) : high < FLT_MAX ? -1 : 1;
    float back = 1 / scale, zero = high < FLT_MAX && !both ? high : low, shift = -zero * scale;
    if (!(low < high) || !isfinite(scale) || !isfinite(back) || !isfinite(shift))
        return clade_fail(CLADE_EUNSUPPORTED, "to %g … %g", (double)low, (double)high);
    clade_status status = clade_onnx_add_affine(r, node, x, &scale, &shift, 1);
    if (!status)
        status = add_activation(r, node, x, both ? CLADE_RELU6 : CLADE_RELU, 0, CLADE_ONNX_PLAIN);
    return status ? status : clade_onnx_add_affine(r, node, x, &back, &zero, 1);
}

clade_status clade_onnx_read_clip(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    float low = -INFINITY, high = INFINITY;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = read_limit(r, node, "min", 1, &low);
    if (!status) status = read_limit(r, node, "max", 2, &high);
    if (status) return status;
    if (low == 0 && high == 6)
        status = add_activation(r, node, &x, CLADE_RELU6, 0, CLADE_ONNX_PLAIN);
    else if (low == 0 && high >= FLT_MAX)
        status = add_activation(r, node, &x, CLADE_RELU, 0, CLADE_ONNX_PLAIN);
    else if (low == 0 && high == 1 && r->layer[x.layer].role == CLADE_ONNX_AFFINE)
        status = add_activation(r, node, &x, CLADE_LINEAR, 0, CLADE_ONNX_CLIP);
    else if (low > -FLT_MAX || high < FLT_MAX)
        status = add_clip(r, node, &x, low, high);
    return status ? status : clade_onnx_output(r, node, &x);
}

clade_status clade_onnx_read_softmax(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (status) return status;
    int64_t dim[4], axis = clade_onnx_int(node, "axis", r->file.opset < 13 ? 1 : -1);
    int32_t last = clade_onnx_dims(r, x.layer, dim) - 1;
    if (axis < 0) axis += x.rank;
    if (axis < 1 || axis >= x.rank) return clade_fail(CLADE_EFORMAT, "axis out of range");
    /* before opset 13 everything from the axis on counts as one dimension */
    bool alone = x.order[axis] == last;
    for (int32_t k = (int32_t)axis + 1; k < x.rank && r->file.opset < 13; k++)
        alone = alone && x.dim[k] == 1;
    if (!alone) return clade_fail(CLADE_EUNSUPPORTED, "over dimensions other than the channels");
    bool log = !strcmp(node->op_type, "LogSoftmax");
    clade_layer layer = {.kind = log ? CLADE_LAYER_LOG_SOFTMAX : CLADE_LAYER_SOFTMAX,
                         .input_count = 1,
                         .input = {x.layer}};
    status = clade_onnx_add(r, node, &layer, &x.layer);
    return status ? status : clade_onnx_output(r, node, &x);
}

clade_status clade_onnx_read_dropout(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    float rate = clade_onnx_float(node, "ratio", 0.5F);
    const clade_onnx_constant *c = NULL;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status && r->file.opset >= 12) status = clade_onnx_input_constant(r, node, 1, &c);
    if (!status && c && c->count == 1) rate = (float)clade_onnx_number(c, 0);
    if (!status && node->n_output > 1 && clade_onnx_find(r, clade_onnx_string(node->output[1])))
        status = clade_fail(CLADE_EFORMAT, "its mask is defined twice");
    if (status) return status;
    if (rate > 0 && rate < 1) {
        clade_layer layer = {.kind = CLADE_LAYER_DROPOUT, .input_count = 1, .input = {x.layer}};
        layer.as.dropout.rate = rate;
        status = clade_onnx_add(r, node, &layer, &x.layer);
    }
    return status ? status : clade_onnx_output(r, node, &x);
}

clade_status clade_onnx_read_identity(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status && !strcmp(node->op_type, "Cast")) {
        int64_t to = clade_onnx_int(node, "to", CLADE_ONNX_FLOAT);
        if (to != CLADE_ONNX_FLOAT && to != 10 && to != 11 && to != 16)
            return clade_fail(CLADE_EUNSUPPORTED, "to an element type that is not real (%lld)",
                              (long long)to);
    }
    return status ? status : clade_onnx_output(r, node, &x);
}

/* --- writing --- */

void clade_onnx_export_activation(clade_onnx_exporter *e, int32_t number, clade_activation act,
                                  float alpha, char *x, bool named)
{
    const char *name = named ? clade_onnx_export_node(e, number)->layer.name : NULL;
    if (act == CLADE_SIGMOID) x = clade_onnx_export_logits(e, number, x);
    char *inputs[3] = {x}, *y = e->value[number];
    size_t count = 1;
    Onnx__Node *node;
    switch (act) { /* what opset 13 has no operator for */
    case CLADE_SILU:
        inputs[1] = clade_onnx_export_put(e, number, "Sigmoid", x, NULL);
        clade_onnx_put_node(&e->w, "Mul", name, y, 2, inputs);
        return;
    case CLADE_MISH: /* an operator from opset 18 */
        inputs[1] = clade_onnx_export_put(e, number, "Softplus", x, NULL);
        inputs[1] = clade_onnx_export_put(e, number, "Tanh", inputs[1], NULL);
        clade_onnx_put_node(&e->w, "Mul", name, y, 2, inputs);
        return;
    case CLADE_HARD_SWISH:
        inputs[1] = clade_onnx_export_part(e, number);
        node = clade_onnx_put_node(&e->w, "HardSigmoid", NULL, inputs[1], 1, &x);
        clade_onnx_put_float(&e->w, node, "alpha", 1 / 6.0F);
        clade_onnx_put_float(&e->w, node, "beta", 0.5F);
        clade_onnx_put_node(&e->w, "Mul", name, y, 2, inputs);
        return;
    case CLADE_GELU:
        inputs[1] = clade_onnx_export_put(e, number, "Mul", x,
                                          clade_onnx_export_number(e, number, 0.70710678F));
        inputs[1] = clade_onnx_export_put(e, number, "Erf", inputs[1], NULL);
        inputs[1] = clade_onnx_export_put(e, number, "Add", inputs[1],
                                          clade_onnx_export_number(e, number, 1));
        inputs[0] = clade_onnx_export_put(e, number, "Mul", x, inputs[1]);
        inputs[1] = clade_onnx_export_number(e, number, 0.5F);
        clade_onnx_put_node(&e->w, "Mul", name, y, 2, inputs);
        return;
    default: break;
    }
    const clade_activation_info *info = clade_activation_describe((int32_t)act);
    const char *op = info->onnx;
    if (act == CLADE_HARD_SIGMOID) op = "HardSigmoid";
    if (act == CLADE_RELU6) {
        op = "Clip";
        inputs[1] = clade_onnx_export_number(e, number, 0);
        inputs[2] = clade_onnx_export_number(e, number, 6);
        count = 3;
    }
    node = clade_onnx_put_node(&e->w, op, name, y, count, inputs);
    if (info->alpha > 0)
        clade_onnx_put_float(&e->w, node, "alpha", clade_activation_alpha(act, alpha));
    if (act == CLADE_HARD_SIGMOID) {
        clade_onnx_put_float(&e->w, node, "alpha", 1 / 6.0F);
        clade_onnx_put_float(&e->w, node, "beta", 0.5F);
    }
}

void clade_onnx_write_activation(clade_onnx_exporter *e, int32_t number)
{
    const clade_activation_layer *l = &clade_onnx_export_node(e, number)->layer.as.activation;
    clade_onnx_export_activation(e, number, l->activation, l->alpha,
                                 clade_onnx_export_input(e, number), true);
}

/* An image's alphas, [h, w, c] or fewer, as [c, h, w]. */
void clade_onnx_write_prelu(clade_onnx_exporter *e, int32_t number)
{
    char *inputs[] = {clade_onnx_export_input(e, number), NULL};
    const clade_network_weight *weight = clade_onnx_export_find_weight(e, number, 0);
    if (weight->rank == 3) {
        int64_t dim[] = {weight->dim[2], weight->dim[0], weight->dim[1]};
        size_t c = (size_t)dim[0], area = (size_t)dim[1] * (size_t)dim[2];
        float *data = clade_onnx_keep(&e->w, c * area, sizeof *data);
        for (size_t k = 0; k < c && data; k++)
            for (size_t i = 0; i < area; i++) data[k * area + i] = weight->data[i * c + k];
        inputs[1] = clade_onnx_put_floats(&e->w, (char *)weight->name, 3, dim, data);
    } else {
        inputs[1] = clade_onnx_export_weight(e, number, 0);
    }
    clade_onnx_export_last(e, number, "PRelu", 2, inputs);
}

static void write_softmax(clade_onnx_exporter *e, int32_t number, const char *op)
{
    char *x = clade_onnx_export_logits(e, number, clade_onnx_export_input(e, number));
    Onnx__Node *node = clade_onnx_export_last(e, number, op, 1, &x);
    clade_onnx_put_int(&e->w, node, "axis", clade_onnx_export_node(e, number)->rank == 2 ? 2 : 1);
}

void clade_onnx_write_softmax(clade_onnx_exporter *e, int32_t number)
{
    write_softmax(e, number, "Softmax");
}

void clade_onnx_write_log_softmax(clade_onnx_exporter *e, int32_t number)
{
    write_softmax(e, number, "LogSoftmax");
}

/* In inference nothing is left out. */
void clade_onnx_write_stochastic_depth(clade_onnx_exporter *e, int32_t number)
{
    char *x = clade_onnx_export_input(e, number);
    clade_onnx_export_last(e, number, "Identity", 1, &x);
}

/* The factors of an image are [c, 1, 1], others [c]. */
void clade_onnx_write_layer_scale(clade_onnx_exporter *e, int32_t number)
{
    const clade_network_weight *weight = clade_onnx_export_find_weight(e, number, 0);
    const int64_t dim[] = {weight->dim[0], 1, 1};
    const int32_t rank = clade_onnx_export_node(e, number)->rank == 3 ? 3 : 1;
    char *inputs[] = {clade_onnx_export_input(e, number),
                      clade_onnx_put_floats(&e->w, (char *)weight->name, rank, dim, weight->data)};
    clade_onnx_export_last(e, number, "Mul", 2, inputs);
}

void clade_onnx_write_dropout(clade_onnx_exporter *e, int32_t number)
{
    float rate = clade_onnx_export_node(e, number)->layer.as.dropout.rate;
    char *inputs[] = {clade_onnx_export_input(e, number),
                      clade_onnx_export_number(e, number, rate)};
    clade_onnx_export_last(e, number, "Dropout", 2, inputs);
}
