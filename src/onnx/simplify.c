/* Finding in a draft what exporters have written in pieces: silu, mish, hard_swish, hard_sigmoid,
 * gelu, prelu, biases, activations and preprocessing. A layer that becomes another is rewritten in
 * place; what it no longer reads is dropped later. */
#include "onnx/onnx.h"

#include <math.h>
#include <string.h>

/* --- asking about layers --- */

static const clade_onnx_layer *input_of(const clade_onnx_reader *r, const clade_onnx_layer *l,
                                        int32_t i)
{
    return &r->layer[l->layer.input[i]];
}

/* Then what reads it reads something else than it computes. */
static bool is_rounded(const clade_onnx_layer *l) { return l->rounded.scale > 0; }

static bool is_activation(const clade_onnx_layer *l, clade_activation activation)
{
    return l->role == CLADE_ONNX_PLAIN && l->layer.kind == CLADE_LAYER_ACTIVATION &&
           l->layer.as.activation.activation == activation && !is_rounded(l);
}

/* An affine that is scale x + shift for all channels. */
static bool is_affine(const clade_onnx_layer *l, double scale, double shift)
{
    if (l->role != CLADE_ONNX_AFFINE) return false;
    for (int32_t c = 0; c < l->channels; c++)
        if (!(fabs((double)l->scale[c] - scale) <= 1e-6 &&
              fabs((double)l->shift[c] - shift) <= 1e-6))
            return false;
    return true;
}

static void become_activation(clade_onnx_layer *l, clade_activation activation, int32_t input)
{
    l->role = CLADE_ONNX_PLAIN;
    l->layer.kind = CLADE_LAYER_ACTIVATION;
    l->layer.input_count = 1;
    l->layer.input[0] = input;
    memset(&l->layer.as, 0, sizeof l->layer.as);
    l->layer.as.activation.activation = activation;
}

/* --- patterns --- */

/* relu6(x + 3): gives x, or −1. */
static int32_t of_relu6_plus_3(const clade_onnx_reader *r, const clade_onnx_layer *l)
{
    if (!is_activation(l, CLADE_RELU6)) return -1;
    const clade_onnx_layer *a = input_of(r, l, 0);
    return is_affine(a, 1, 3) ? a->layer.input[0] : -1;
}

/* erf(x / √2): gives x, or −1. */
static int32_t of_erf(const clade_onnx_reader *r, const clade_onnx_layer *l)
{
    if (l->role != CLADE_ONNX_ERF) return -1;
    const clade_onnx_layer *a = input_of(r, l, 0);
    return is_affine(a, 0.70710678118654752, 0) ? a->layer.input[0] : -1;
}

/* (erf(x / √2) + 1) half: gives x, or −1. */
static int32_t of_gelu_factor(const clade_onnx_reader *r, const clade_onnx_layer *l, double half)
{
    return is_affine(l, half, half) ? of_erf(r, input_of(r, l, 0)) : -1;
}

/* tanh(softplus(x)): gives x, or −1. */
static int32_t of_mish_factor(const clade_onnx_reader *r, const clade_onnx_layer *l)
{
    if (!is_activation(l, CLADE_TANH)) return -1;
    const clade_onnx_layer *a = input_of(r, l, 0);
    return is_activation(a, CLADE_SOFTPLUS) ? a->layer.input[0] : -1;
}

static void match_affine(clade_onnx_reader *r, clade_onnx_layer *l)
{
    const clade_onnx_layer *x = input_of(r, l, 0);
    if (is_affine(l, 1 / 6.0, 0)) {
        int32_t from = of_relu6_plus_3(r, x);
        if (from >= 0) {
            become_activation(l, CLADE_HARD_SIGMOID, from);
            return;
        }
    }
    if (x->role != CLADE_ONNX_PLAIN || x->layer.kind != CLADE_LAYER_MULTIPLY ||
        x->layer.input_count != 2 || is_rounded(x))
        return;
    for (int i = 0; i < 2; i++) { /* x f(x), scaled afterwards */
        int32_t other = x->layer.input[1 - i];
        if (is_affine(l, 1 / 6.0, 0) && of_relu6_plus_3(r, input_of(r, x, i)) == other) {
            become_activation(l, CLADE_HARD_SWISH, other);
            return;
        }
        if (is_affine(l, 0.5, 0) && of_gelu_factor(r, input_of(r, x, i), 1) == other) {
            become_activation(l, CLADE_GELU, other);
            return;
        }
    }
}

static void match_multiply(clade_onnx_reader *r, clade_onnx_layer *l)
{
    for (int i = 0; i < 2; i++) {
        const clade_onnx_layer *f = input_of(r, l, i), *half = input_of(r, l, 1 - i);
        int32_t x = l->layer.input[1 - i];
        bool same = f->layer.input_count == 1 && f->layer.input[0] == x;
        if (is_activation(f, CLADE_SIGMOID) && same)
            become_activation(l, CLADE_SILU, x);
        else if (of_mish_factor(r, f) == x)
            become_activation(l, CLADE_MISH, x);
        else if (is_activation(f, CLADE_HARD_SIGMOID) && same)
            become_activation(l, CLADE_HARD_SWISH, x);
        else if (of_gelu_factor(r, f, 0.5) == x)
            become_activation(l, CLADE_GELU, x);
        else if (is_affine(half, 0.5, 0) && of_gelu_factor(r, f, 1) == half->layer.input[0])
            become_activation(l, CLADE_GELU, half->layer.input[0]);
        else
            continue;
        return;
    }
}

/* The factors that a layer multiplies its input by; NULL: it does something else. `slope`: the
 * layer that has them as its alphas. */
static const float *factors_of(const clade_onnx_reader *r, const clade_onnx_layer *l, size_t *count,
                               clade_prelu_layer *slope)
{
    *count = (size_t)l->channels;
    *slope = l->layer.as.prelu;
    if (l->role == CLADE_ONNX_SCALE) {
        *count = l->weight_count[0];
        return l->weight[0];
    }
    int32_t dim[3];
    if (l->role != CLADE_ONNX_AFFINE) return NULL;
    for (int32_t c = 0; c < l->channels; c++)
        if (l->shift[c] != 0) return NULL;
    slope->shared = clade_graph_shape(r->draft, l->layer.input[0], dim) - 1;
    for (int32_t d = 0; d < slope->shared; d++) slope->shared_axis[d] = d + 1;
    return l->scale;
}

/* relu(x) − alpha relu(−x), as Keras computes its PReLU. */
static void match_add(clade_onnx_reader *r, clade_onnx_layer *l)
{
    for (int i = 0; i < 2; i++) {
        const clade_onnx_layer *above = input_of(r, l, i), *below = input_of(r, l, 1 - i);
        size_t count;
        clade_prelu_layer slope;
        int32_t x = above->layer.input[0];
        const float *factor = factors_of(r, below, &count, &slope);
        if (!is_activation(above, CLADE_RELU) || !factor) continue;
        const clade_onnx_layer *relu = input_of(r, below, 0);
        if (!is_activation(relu, CLADE_RELU)) continue;
        const clade_onnx_layer *minus = input_of(r, relu, 0);
        if (!is_affine(minus, -1, 0) || minus->layer.input[0] != x) continue;
        float *alpha = clade_onnx_take(&r->file, count, sizeof *alpha);
        if (!alpha) return; /* then it stays in pieces */
        for (size_t k = 0; k < count; k++) alpha[k] = -factor[k];
        become_activation(l, CLADE_LINEAR, x);
        l->layer.kind = CLADE_LAYER_PRELU;
        l->layer.as.prelu = slope;
        l->weight[0] = alpha;
        l->weight_count[0] = count;
        return;
    }
}

/* Two affines in a row are one. The first stays for others that read it. */
static void join_affines(clade_onnx_reader *r, clade_onnx_layer *l)
{
    const clade_onnx_layer *first = input_of(r, l, 0);
    if (first->role != CLADE_ONNX_AFFINE || first->channels != l->channels || is_rounded(first))
        return;
    for (int32_t c = 0; c < l->channels; c++) {
        l->shift[c] = l->scale[c] * first->shift[c] + l->shift[c];
        l->scale[c] *= first->scale[c];
    }
    l->layer.input[0] = first->layer.input[0];
}

/* min(max(x / 6 + 1/2, 0), 1) */
static void match_clip(clade_onnx_reader *r, clade_onnx_layer *l)
{
    const clade_onnx_layer *x = input_of(r, l, 0);
    if (is_affine(x, 1 / 6.0, 0.5)) become_activation(l, CLADE_HARD_SIGMOID, x->layer.input[0]);
}

/* --- what goes into the layer before --- */

static void count_uses(clade_onnx_reader *r)
{
    for (int32_t i = 0; i < r->layers; i++) {
        r->layer[i].uses = 0;
        r->layer[i].live = false;
    }
    r->layer[r->output].live = true;
    r->layer[r->output].uses = 1;
    for (int32_t i = r->layers - 1; i > 0; i--) {
        const clade_onnx_layer *l = &r->layer[i];
        for (int32_t k = 0; l->live && k < l->layer.input_count; k++) {
            r->layer[l->layer.input[k]].live = true;
            r->layer[l->layer.input[k]].uses++;
        }
    }
    r->layer[0].live = true;
}

static bool is_conv(const clade_onnx_layer *l)
{
    return l->role == CLADE_ONNX_PLAIN &&
           (l->layer.kind == CLADE_LAYER_CONV2D || l->layer.kind == CLADE_LAYER_DEPTHWISE_CONV2D);
}

static bool is_dense(const clade_onnx_layer *l)
{
    return l->role == CLADE_ONNX_PLAIN && l->layer.kind == CLADE_LAYER_DENSE;
}

static bool is_linear(const clade_onnx_layer *l)
{
    return is_conv(l) ? l->layer.as.conv2d.activation == CLADE_LINEAR
                      : l->layer.as.dense.activation == CLADE_LINEAR && !l->layer.as.dense.softmax;
}

/* Makes l's reader see l's input instead: l is dropped. */
static void bypass(clade_onnx_reader *r, int32_t number)
{
    int32_t input = r->layer[number].layer.input[0];
    for (int32_t i = number + 1; i < r->layers; i++)
        for (int32_t k = 0; k < r->layer[i].layer.input_count; k++)
            if (r->layer[i].layer.input[k] == number) r->layer[i].layer.input[k] = input;
    if (r->output == number) r->output = input;
    r->layer[input].uses += r->layer[number].uses - 1;
    r->layer[input].rounded = r->layer[number].rounded;
    r->layer[number].live = false;
}

static bool scale_is_one(const clade_onnx_layer *l)
{
    for (int32_t c = 0; c < l->channels; c++)
        if (l->scale[c] != 1) return false;
    return true;
}

/* x + b after a convolution or dense layer that has no bias. */
static bool absorb_bias(clade_onnx_reader *r, int32_t number)
{
    clade_onnx_layer *l = &r->layer[number], *x = &r->layer[l->layer.input[0]];
    if (l->role != CLADE_ONNX_AFFINE || x->uses != 1 || !(is_conv(x) || is_dense(x)) ||
        is_rounded(x) || !is_linear(x) || !scale_is_one(l))
        return false;
    bool *no_bias = is_conv(x) ? &x->layer.as.conv2d.no_bias : &x->layer.as.dense.no_bias;
    if (!*no_bias) return false;
    *no_bias = false;
    x->weight[1] = l->shift;
    x->weight_count[1] = (size_t)l->channels;
    l->shift = NULL;
    bypass(r, number);
    return true;
}

/* scale x + shift of uint8 pixels is preprocessing. Of real numbers nobody knows what range they
 * have: there it stays a layer. */
static bool absorb_preprocessing(clade_onnx_reader *r, int32_t number)
{
    const clade_onnx_layer *l = &r->layer[number];
    if (!r->pixels || l->role != CLADE_ONNX_AFFINE || l->layer.input[0] != 0 ||
        r->layer[0].uses != 1 || is_rounded(&r->layer[0]) || l->channels > 4 || number == r->output)
        return false;
    for (int32_t c = 0; c < l->channels; c++) {
        if (l->scale[c] == 0) return false; /* 0 would stand for 1 */
        r->preprocessing.scale[c] = l->scale[c];
        r->preprocessing.shift[c] = l->shift[c];
    }
    r->has_preprocessing = true;
    bypass(r, number);
    return true;
}

static bool absorb_activation(clade_onnx_reader *r, int32_t number)
{
    const clade_onnx_layer *l = &r->layer[number];
    clade_onnx_layer *x = &r->layer[l->layer.input[0]];
    if (l->role != CLADE_ONNX_PLAIN || x->uses != 1 || !(is_conv(x) || is_dense(x)) ||
        is_rounded(x) || !is_linear(x))
        return false;
    if (l->layer.kind == CLADE_LAYER_SOFTMAX && is_dense(x)) {
        x->layer.as.dense.softmax = true;
    } else if (l->layer.kind == CLADE_LAYER_ACTIVATION) {
        clade_activation_layer a = l->layer.as.activation;
        if (is_conv(x)) {
            x->layer.as.conv2d.activation = a.activation;
            x->layer.as.conv2d.alpha = a.alpha;
        } else {
            x->layer.as.dense.activation = a.activation;
            x->layer.as.dense.alpha = a.alpha;
        }
    } else {
        return false;
    }
    bypass(r, number);
    return true;
}

void clade_onnx_simplify(clade_onnx_reader *r)
{
    for (int32_t i = 1; i < r->layers; i++) {
        clade_onnx_layer *l = &r->layer[i];
        if (l->role == CLADE_ONNX_AFFINE) {
            join_affines(r, l);
            match_affine(r, l);
        } else if (l->role == CLADE_ONNX_CLIP) {
            match_clip(r, l);
        } else if (l->role == CLADE_ONNX_PLAIN && l->layer.kind == CLADE_LAYER_MULTIPLY &&
                   l->layer.input_count == 2) {
            match_multiply(r, l);
        } else if (l->role == CLADE_ONNX_PLAIN && l->layer.kind == CLADE_LAYER_ADD &&
                   l->layer.input_count == 2) {
            match_add(r, l);
        }
    }
    count_uses(r);
    for (int32_t i = 1; i < r->layers; i++)
        if (r->layer[i].live && !absorb_bias(r, i)) absorb_preprocessing(r, i);
    for (int32_t i = 1; i < r->layers; i++)
        if (r->layer[i].live) absorb_activation(r, i);
    count_uses(r);
}
