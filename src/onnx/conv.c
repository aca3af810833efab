/* Reading ONNX: convolutions, dense layers, pools. */
#include "onnx/onnx.h"

#include <stdlib.h>
#include <string.h>

/* A window's attributes, as they are. */
typedef struct window {
    int64_t size[2], stride[2], dilation[2], pad[4];
    clade_padding padding;
} window;

static clade_status read_pair(clade_onnx_reader *r, const Onnx__Node *node, const char *name,
                              int need, int64_t low, int64_t *out)
{
    int64_t value[clade_onnx_max_rank];
    int32_t count;
    clade_status status = clade_onnx_ints(r, node, name, SIZE_MAX, value, &count);
    if (status || count == 0) return status;
    if (count != need)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s has %d numbers: expected %d, for rows and columns", name, count,
                          need);
    for (int k = 0; k < need; k++) {
        if (value[k] < low || value[k] > INT32_MAX)
            return clade_fail(CLADE_EUNSUPPORTED, "%s is %lld", name, (long long)value[k]);
        out[k] = value[k];
    }
    return CLADE_OK;
}

/* Sizes must be set; `x` is the image's value, [n, c, h, w]. */
static clade_status read_window(clade_onnx_reader *r, const Onnx__Node *node,
                                const clade_onnx_value *x, window *w)
{
    char word[32];
    for (int k = 0; k < 2; k++) w->stride[k] = w->dilation[k] = 1;
    clade_status status = read_pair(r, node, "strides", 2, 1, w->stride);
    if (!status) status = read_pair(r, node, "dilations", 2, 1, w->dilation);
    if (!status) status = read_pair(r, node, "pads", 4, 0, w->pad);
    if (status) return status;
    clade_onnx_text(node, "auto_pad", word);
    w->padding = CLADE_PADDING_EXPLICIT;
    if (!strcmp(word, "VALID") || !strcmp(word, "SAME_UPPER") || !strcmp(word, "SAME_LOWER")) {
        for (int k = 0; k < 4; k++) w->pad[k] = 0;
        w->padding = CLADE_PADDING_VALID;
    } else if (*word && strcmp(word, "NOTSET") != 0) {
        return clade_fail(CLADE_EFORMAT, "auto_pad is '%s'", word);
    }
    if (!strcmp(word, "SAME_UPPER")) w->padding = CLADE_PADDING_SAME;
    if (!strcmp(word, "SAME_LOWER")) { /* the odd zero at the top and left */
        w->padding = CLADE_PADDING_EXPLICIT;
        for (int k = 0; k < 2; k++) {
            int64_t size = x->dim[2 + k], out = (size + w->stride[k] - 1) / w->stride[k];
            int64_t need = (out - 1) * w->stride[k] + (w->size[k] - 1) * w->dilation[k] + 1 - size;
            if (need < 0) need = 0;
            w->pad[k] = need - need / 2;
            w->pad[2 + k] = need / 2;
        }
    }
    if (w->padding == CLADE_PADDING_EXPLICIT && !w->pad[0] && !w->pad[1] && !w->pad[2] &&
        !w->pad[3])
        w->padding = CLADE_PADDING_VALID;
    return CLADE_OK;
}

static void set_ints(int32_t *to, const int64_t *from, int count)
{
    for (int k = 0; k < count; k++) to[k] = (int32_t)from[k];
}

/* [m, c, h, w] to [h, w, c, m]. */
static clade_status set_kernel(clade_onnx_reader *r, int32_t layer, const clade_onnx_constant *w)
{
    clade_onnx_layer *l = &r->layer[layer];
    float *to = l->weight[0] = clade_onnx_take(&r->file, w->count, sizeof *to);
    if (!to) return CLADE_ENOMEM;
    l->weight_count[0] = w->count;
    size_t m = (size_t)w->dim[0], c = (size_t)w->dim[1], area = (size_t)(w->dim[2] * w->dim[3]);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < c; j++)
            for (size_t k = 0; k < area; k++)
                to[(k * c + j) * m + i] = w->f[(i * c + j) * area + k];
    return CLADE_OK;
}

static clade_status expect_real(const clade_onnx_constant *c, int32_t rank, const char *what)
{
    if (!c) return clade_fail(CLADE_EFORMAT, "has no %s", what);
    if (!c->real || c->rank != rank || c->count == 0)
        return clade_fail(CLADE_EUNSUPPORTED, "%s has %d dimensions%s: expected %d of real numbers",
                          what, c->rank, c->real ? "" : " of whole numbers", rank);
    return CLADE_OK;
}

clade_status clade_onnx_read_conv(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    const clade_onnx_constant *w, *b;
    window v = {.padding = CLADE_PADDING_VALID};
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_image(r, &x);
    if (!status) status = clade_onnx_input_constant(r, node, 1, &w);
    if (!status) status = expect_real(w, 4, "its kernel");
    if (!status) status = clade_onnx_input_constant(r, node, 2, &b);
    if (!status && b) status = expect_real(b, 1, "its bias");
    if (status) return status;
    int64_t groups = clade_onnx_int(node, "group", 1), given[2] = {w->dim[2], w->dim[3]};
    v.size[0] = w->dim[2];
    v.size[1] = w->dim[3];
    status = read_pair(r, node, "kernel_shape", 2, 1, given);
    if (!status) status = read_window(r, node, &x, &v);
    if (status) return status;
    for (int k = 0; k < 4; k++)
        if (w->dim[k] > INT32_MAX) return clade_fail(CLADE_EFORMAT, "its kernel is too large");
    if (given[0] != v.size[0] || given[1] != v.size[1])
        return clade_fail(CLADE_EFORMAT, "kernel_shape is not the kernel's shape");
    if (groups < 1 || groups > INT32_MAX || w->dim[1] > INT32_MAX / groups ||
        w->dim[1] * groups != x.dim[1] || w->dim[0] % groups || (b && b->dim[0] != w->dim[0]))
        return clade_fail(
            CLADE_EFORMAT,
            "%lld channels, %lld groups, %lld filters of %lld channels and %lld biases "
            "do not agree",
            (long long)x.dim[1], (long long)groups, (long long)w->dim[0], (long long)w->dim[1],
            (long long)(b ? b->dim[0] : w->dim[0]));
    bool depthwise = groups == x.dim[1] && groups > 1;
    clade_layer layer = {.kind = depthwise ? CLADE_LAYER_DEPTHWISE_CONV2D : CLADE_LAYER_CONV2D,
                         .input_count = 1,
                         .input = {x.layer}};
    clade_conv2d_layer *l = &layer.as.conv2d;
    l->filters = (int32_t)(depthwise ? w->dim[0] / groups : w->dim[0]);
    l->groups = depthwise || groups == 1 ? 0 : (int32_t)groups;
    l->padding = v.padding;
    l->no_bias = !b;
    set_ints(l->kernel, v.size, 2);
    set_ints(l->stride, v.stride, 2);
    set_ints(l->dilation, v.dilation, 2);
    if (v.padding == CLADE_PADDING_EXPLICIT) set_ints(l->pad, v.pad, 4);
    int32_t number;
    status = clade_onnx_add(r, node, &layer, &number);
    if (!status) status = set_kernel(r, number, w);
    if (!status && b) status = clade_onnx_set_weight(r, number, 1, b->f, b->count);
    if (!status) status = clade_onnx_set_stem(r, number, node->input[1]);
    return status ? status : clade_onnx_output_image(r, node, number);
}

/* --- dense --- */

/* Where ONNX's element k of a vector lies in the layer's. */
static size_t turned(const clade_onnx_value *x, size_t k)
{
    if (!x->chw[0]) return k;
    size_t c = (size_t)x->chw[0], area = (size_t)x->chw[1] * (size_t)x->chw[2];
    return k % area * c + k / area;
}

/* w: [in, out], or with `transposed` [out, in]. */
static clade_status add_dense(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_value *x,
                              const clade_onnx_constant *w, bool transposed, float alpha,
                              const float *b)
{
    size_t in = (size_t)w->dim[transposed], out = (size_t)w->dim[!transposed];
    if (x->dim[1] != (int64_t)in || out > INT32_MAX)
        return clade_fail(CLADE_EFORMAT, "takes %lld values, its kernel has %zu",
                          (long long)x->dim[1], in);
    clade_layer layer = {.kind = CLADE_LAYER_DENSE, .input_count = 1, .input = {x->layer}};
    layer.as.dense = (clade_dense_layer){.units = (int32_t)out, .no_bias = !b};
    int32_t number;
    clade_status status = clade_onnx_add(r, node, &layer, &number);
    if (status) return status;
    clade_onnx_layer *l = &r->layer[number];
    float *to = l->weight[0] = clade_onnx_take(&r->file, w->count, sizeof *to);
    if (!to) return CLADE_ENOMEM;
    l->weight_count[0] = w->count;
    for (size_t i = 0; i < in; i++) {
        size_t row = turned(x, i);
        for (size_t o = 0; o < out; o++)
            to[row * out + o] = alpha * w->f[transposed ? o * in + i : i * out + o];
    }
    if (b) status = clade_onnx_set_weight(r, number, 1, b, out);
    if (!status) status = clade_onnx_set_stem(r, number, node->input[1]);
    clade_onnx_value y = {.kind = CLADE_ONNX_LAYER,
                          .layer = number,
                          .rank = 2,
                          .dim = {r->batch, (int64_t)out},
                          .order = {0, 1}};
    return status ? status : clade_onnx_output(r, node, &y);
}

clade_status clade_onnx_read_gemm(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    const clade_onnx_constant *w, *c;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_vector(r, &x);
    if (!status) status = clade_onnx_input_constant(r, node, 1, &w);
    if (!status) status = expect_real(w, 2, "its kernel");
    if (!status) status = clade_onnx_input_constant(r, node, 2, &c);
    if (status) return status;
    if (clade_onnx_int(node, "transA", 0))
        return clade_fail(CLADE_EUNSUPPORTED, "transA is not supported");
    bool transposed = clade_onnx_int(node, "transB", 0) != 0;
    size_t out = (size_t)w->dim[!transposed];
    bool fits = !c || (c->real && c->rank <= 2 && (c->count == 1 || c->count == out) &&
                       (c->rank < 2 || c->dim[0] == 1));
    if (!fits) return clade_fail(CLADE_EUNSUPPORTED, "its bias is not a row of %zu numbers", out);
    float beta = clade_onnx_float(node, "beta", 1), *b = NULL;
    if (c) {
        b = clade_onnx_take(&r->file, out, sizeof *b);
        if (!b) return CLADE_ENOMEM;
        for (size_t k = 0; k < out; k++) b[k] = beta * c->f[c->count == 1 ? 0 : k];
    }
    status = add_dense(r, node, &x, w, transposed, clade_onnx_float(node, "alpha", 1), b);
    clade_onnx_give(&r->file, b);
    return status;
}

clade_status clade_onnx_read_matmul(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    const clade_onnx_constant *w;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_vector(r, &x);
    if (!status) status = clade_onnx_input_constant(r, node, 1, &w);
    if (!status) status = expect_real(w, 2, "its kernel");
    return status ? status : add_dense(r, node, &x, w, false, 1, NULL);
}

/* --- pools --- */

/* With ceil_mode there are windows that begin inside and end outside: more padding below and on the
 * right, which is not counted in means. */
static clade_status pad_to_ceil(window *v, const clade_onnx_value *x, bool counts_padding)
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
    window v = {.padding = CLADE_PADDING_VALID};
    bool max = !strcmp(node->op_type, "MaxPool");
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_image(r, &x);
    if (!status) status = read_pair(r, node, "kernel_shape", 2, 1, v.size);
    if (!status && !v.size[0]) status = clade_fail(CLADE_EFORMAT, "has no kernel_shape");
    if (!status) status = read_window(r, node, &x, &v);
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
    set_ints(l->window, v.size, 2);
    set_ints(l->stride, v.stride, 2);
    if (v.padding == CLADE_PADDING_EXPLICIT) set_ints(l->pad, v.pad, 4);
    /* a mean of the whole image has a layer of its own, which takes any size */
    bool whole =
        !max && v.padding == CLADE_PADDING_VALID && v.size[0] == x.dim[2] && v.size[1] == x.dim[3];
    if (whole && v.size[0] * v.size[1] > 255) return clade_onnx_read_global_pool(r, node);
    int32_t number;
    status = clade_onnx_add(r, node, &layer, &number);
    return status ? status : clade_onnx_output_image(r, node, number);
}

/* The means of an image. */
static clade_status add_mean(clade_onnx_reader *r, const Onnx__Node *node, int32_t input,
                             int32_t *number)
{
    clade_layer layer = {.kind = CLADE_LAYER_GLOBAL_AVGPOOL2D, .input_count = 1, .input = {input}};
    return clade_onnx_add(r, node, &layer, number);
}

clade_status clade_onnx_read_global_pool(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = clade_onnx_image(r, &x);
    if (status) return status;
    if (!strcmp(node->op_type, "GlobalMaxPool")) {
        clade_layer layer = {.kind = CLADE_LAYER_MAXPOOL2D, .input_count = 1, .input = {x.layer}};
        set_ints(layer.as.pool2d.window, &x.dim[2], 2);
        int32_t number;
        status = clade_onnx_add(r, node, &layer, &number);
        return status ? status : clade_onnx_output_image(r, node, number);
    }
    clade_onnx_value y = {.kind = CLADE_ONNX_LAYER,
                          .rank = 4,
                          .dim = {r->batch, x.dim[1], 1, 1},
                          .order = {0, 1, -1, -1}};
    status = add_mean(r, node, x.layer, &y.layer);
    return status ? status : clade_onnx_output(r, node, &y);
}

clade_status clade_onnx_read_reduce_mean(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    int64_t axis[clade_onnx_max_rank], dim[4];
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
    int32_t rank = clade_onnx_dims(r, x.layer, dim);
    bool taken[4] = {false};
    for (int32_t k = 0; k < x.rank; k++)
        if (reduced[k] && x.dim[k] != 1 && !x.chw[0] && x.order[k] > 0) taken[x.order[k]] = true;
    bool nothing = count > 0 && !reduced[0];
    for (int32_t k = 0; k < x.rank; k++) nothing = nothing && (!reduced[k] || x.dim[k] == 1);
    bool rows = rank == 4 && (taken[1] || dim[1] == 1) && (taken[2] || dim[2] == 1) && !taken[3];
    if (count == 0 || reduced[0] || x.chw[0] || !(rows || nothing))
        return clade_fail(CLADE_EUNSUPPORTED, "means over other dimensions than height and width");
    clade_onnx_value y = {.kind = CLADE_ONNX_LAYER, .layer = x.layer};
    if (!nothing) status = add_mean(r, node, x.layer, &y.layer);
    for (int32_t k = 0; k < x.rank; k++) {
        if (reduced[k] && !keep) continue;
        y.dim[y.rank] = reduced[k] ? 1 : x.dim[k];
        y.order[y.rank] = k == 0                         ? 0
                          : reduced[k] || x.order[k] < 0 ? -1
                          : nothing                      ? x.order[k]
                          : x.order[k] == 3              ? 1
                                                         : -1;
        y.rank++;
    }
    return status ? status : clade_onnx_output(r, node, &y);
}
