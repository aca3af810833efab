/* Rounding a net to 8 bits, and running one that is rounded: each value that is written as an
 * integer is rounded, and all arithmetic between them is that of the device in float32. */
#include "nn/layer.h"
#include "nn/tap.h"
#include "weights/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A kernel's integers go to 63: where a processor adds two products of 8 bits in 16 (x86 without
 * VNNI), those to 127 would not fit. */
enum { BINS = 2048, STEPS = 60, BATCH = 32, MOST = 63 };

/* --- kernels --- */

static const clade_network_weight *weight_of(const clade_network *n, int32_t number, int k)
{
    return &n->weights[n->first[number] + (size_t)k];
}

bool clade_quantize_has_kernel(const clade_network *n, int32_t number)
{
    const clade_layer *layer = &n->graph->node[number].layer;
    const bool kernel = layer->kind == CLADE_LAYER_CONV2D || layer->kind == CLADE_LAYER_DENSE ||
                        layer->kind == CLADE_LAYER_DEPTHWISE_CONV2D;
    return kernel && n->quantization && n->quantization[layer->input[0]].scale > 0;
}

size_t clade_quantize_channels(const clade_network *n, int32_t number)
{
    const clade_network_weight *w = weight_of(n, number, 0);
    const bool depthwise = n->graph->node[number].layer.kind == CLADE_LAYER_DEPTHWISE_CONV2D;
    return (size_t)w->dim[w->rank - 1] * (depthwise ? (size_t)w->dim[2] : 1);
}

static size_t count_of(const clade_network_weight *w)
{
    size_t count = 1;
    for (int32_t d = 0; d < w->rank; d++) count *= (size_t)w->dim[d];
    return count;
}

float clade_quantize_kernel_scale(const clade_network *n, int32_t number, size_t channels, size_t c)
{
    const clade_node *node = &n->graph->node[number];
    const clade_network_weight *w = weight_of(n, number, 0);
    const size_t count = count_of(w);
    float most = 0, least = 0;
    for (size_t k = c; k < count; k += channels) most = fmaxf(most, fabsf(w->data[k]));
    if (node->weight_count == 2)
        least = fabsf(weight_of(n, number, 1)->data[c]) /
                (n->quantization[node->layer.input[0]].scale * 1073741824.0F);
    const float scale = fmaxf(most / MOST, least);
    return scale > 0 ? scale : 1;
}

/* Replaces kernel and bias by what their integers stand for. */
static void round_kernel(clade_network *n, int32_t number)
{
    const clade_node *node = &n->graph->node[number];
    const clade_network_weight *w = weight_of(n, number, 0);
    const size_t channels = clade_quantize_channels(n, number), count = count_of(w);
    const float input = n->quantization[node->layer.input[0]].scale;
    float *kernel = (float *)w->data;
    float *bias = node->weight_count == 2 ? (float *)weight_of(n, number, 1)->data : NULL;
    for (size_t c = 0; c < channels; c++) {
        const float scale = clade_quantize_kernel_scale(n, number, channels, c);
        for (size_t k = c; k < count; k += channels) kernel[k] = rintf(kernel[k] / scale) * scale;
        if (bias) bias[c] = rintf(bias[c] / (input * scale)) * (input * scale);
    }
}

/* --- running --- */

/* Rounds what a layer gives, or looks at it. */
typedef struct runner {
    const clade_network *network;
    clade_model *model;
    float *values;         /* room for the largest output of a batch */
    size_t n;              /* images of the batch that count */
    struct observed *seen; /* NULL: nothing is looked at */
    bool counting;
} runner;

typedef struct observed {
    bool wanted;
    float low, high;
    uint64_t *bin; /* [BINS] from low to high */
} observed;

static void observe(const runner *r, observed *o, size_t count)
{
    if (!r->counting) {
        for (size_t k = 0; k < count; k++) {
            o->low = fminf(o->low, r->values[k]);
            o->high = fmaxf(o->high, r->values[k]);
        }
        return;
    }
    const float width = (o->high - o->low) / BINS;
    for (size_t k = 0; k < count && width > 0; k++) {
        const float at = (r->values[k] - o->low) / width;
        o->bin[at < BINS - 1 ? (size_t)at : BINS - 1]++;
    }
}

static void round_values(const clade_quantization *q, float *values, size_t count)
{
    const float low = (float)-q->zero, high = (float)(255 - q->zero);
    for (size_t k = 0; k < count; k++)
        values[k] = fminf(fmaxf(rintf(values[k] / q->scale), low), high) * q->scale;
}

static clade_status look(void *user, int32_t layer, const clade_tensor *y)
{
    runner *r = user;
    observed *o = r->seen ? &r->seen[layer] : NULL;
    const clade_quantization *q = r->network->quantization;
    if (o ? !o->wanted : !q || !(q[layer].scale > 0)) return CLADE_OK;
    const size_t count = clade_tensor_count(y);
    clade_status status = clade_tensor_read(y, r->values);
    if (!status && o) observe(r, o, count / (size_t)y->dim[0] * r->n);
    if (status || o) return status;
    round_values(&q[layer], r->values, count);
    return clade_tensor_write(y, r->values);
}

static size_t elements(const clade_graph *graph, int32_t number)
{
    int32_t dim[3];
    const int32_t rank = clade_graph_shape(graph, number, dim);
    size_t count = 1;
    for (int32_t d = 0; d < rank; d++) count *= (size_t)dim[d];
    return count;
}

/* Makes the model of the network for so many images. */
static clade_status start(runner *r, clade_device *device, size_t count)
{
    const clade_network *n = r->network;
    const size_t batch = count < BATCH ? count : BATCH;
    size_t most = 0;
    for (int32_t i = 0; i < n->graph->count; i++) {
        const size_t size = elements(n->graph, i);
        if (size > most) most = size;
    }
    clade_status status = clade_model_create_tapped(n->graph, device, (int32_t)batch, &r->model);
    if (!status) status = clade_model_load(r->model, n->weights, n->weight_count, true);
    r->values = status ? NULL : malloc(batch * most * sizeof *r->values);
    if (!status && !r->values) status = clade_fail(CLADE_ENOMEM, "out of memory for a batch");
    return status;
}

/* Runs all images through the model; outputs may be NULL. */
static clade_status run_all(runner *r, const float *images, size_t count, float *outputs)
{
    const clade_graph *graph = r->network->graph;
    const size_t in = elements(graph, 0), out = elements(graph, graph->count - 1);
    const size_t batch = (size_t)clade_model_input(r->model)->dim[0];
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i += r->n) {
        r->n = count - i < batch ? count - i : batch;
        memset(r->values, 0, batch * in * sizeof *r->values);
        memcpy(r->values, images + i * in, r->n * in * sizeof *r->values);
        status = clade_tensor_write(clade_model_input(r->model), r->values);
        if (!status) status = clade_model_infer_tapped(r->model, look, r);
        if (!status && outputs) status = clade_tensor_read(clade_model_output(r->model), r->values);
        if (!status && outputs) memcpy(outputs + i * out, r->values, r->n * out * sizeof *outputs);
    }
    return status;
}

static void clear(runner *r)
{
    clade_model_destroy(&r->model);
    free(r->values);
}

clade_status clade_network_predict(const clade_network *network, clade_device *device,
                                   const float *images, size_t count, float *outputs)
{
    if (!network || !device || !images || !count || !outputs)
        return clade_fail(CLADE_EINVAL, "no net, device, images or room for outputs");
    runner r = {.network = network};
    clade_status status = start(&r, device, count);
    if (!status) status = run_all(&r, images, count, outputs);
    clear(&r);
    return status;
}

/* --- scales --- */

static bool is_relu(const clade_layer *layer)
{
    const clade_activation act = layer->as.activation.activation;
    return layer->kind == CLADE_LAYER_ACTIVATION && (act == CLADE_RELU || act == CLADE_RELU6);
}

/* Is the layer's output better left real: probabilities, what a last activation gives, and sums
 * before a relu, which rounding what it gives cuts as well. */
static bool stays_real(const clade_graph *graph, int32_t number)
{
    const clade_layer *layer = &graph->node[number].layer;
    if (layer->kind == CLADE_LAYER_SOFTMAX || layer->kind == CLADE_LAYER_LOG_SOFTMAX) return true;
    if (number == graph->count - 1) return layer->kind == CLADE_LAYER_ACTIVATION && !is_relu(layer);
    int32_t reads = 0, relus = 0;
    for (int32_t i = number + 1; i < graph->count; i++) {
        const clade_layer *l = &graph->node[i].layer;
        for (int32_t k = 0; k < l->input_count; k++) {
            reads += l->input[k] == number;
            relus += l->input[k] == number && is_relu(l);
        }
    }
    return reads == 1 && relus == 1 && number > 0;
}

/* The mean squared error, but for a factor, of values rounded between low and high: a value within
 * is anywhere in a step, but zero is exact. */
static double error_of(const observed *o, double low, double high)
{
    const double width = ((double)o->high - (double)o->low) / BINS, step = (high - low) / 255;
    double error = 0;
    for (int k = 0; k < BINS; k++) {
        const double left = (double)o->low + k * width, x = left + width / 2;
        if (!o->bin[k] || (left <= 0 && left + width > 0)) continue;
        const double beyond = x < low ? low - x : x > high ? x - high : 0;
        error += (double)o->bin[k] * (beyond * beyond + step * step / 12);
    }
    return error;
}

/* The range, a part of that seen, with the least error. Zero is always in it, so that padding and
 * what a relu cuts are exact. */
static clade_quantization choose(const observed *o)
{
    double best = INFINITY, low = 0, high = 0;
    for (int k = STEPS; k > STEPS / 4; k--) {
        const double part = (double)k / STEPS;
        const double l = part * (double)o->low, h = part * (double)o->high, e = error_of(o, l, h);
        if (e >= best) continue;
        best = e;
        low = l;
        high = h;
    }
    const double scale = (high - low) / 255;
    if (!((float)scale > 0)) return (clade_quantization){.scale = 1, .zero = 0};
    return (clade_quantization){.scale = (float)scale, .zero = (int32_t)rint(-low / scale)};
}

static void choose_all(clade_network *n, const observed *seen)
{
    for (int32_t i = 0; i < n->graph->count; i++) {
        const clade_layer *layer = &n->graph->node[i].layer;
        if (seen[i].wanted)
            n->quantization[i] = choose(&seen[i]);
        else if (clade_layer_record_of(layer->kind)->keeps_values)
            n->quantization[i] = n->quantization[layer->input[0]];
    }
    for (int32_t i = 1; i < n->graph->count; i++)
        if (clade_quantize_has_kernel(n, i)) round_kernel(n, i);
}

static clade_status calibrate(clade_network *n, clade_device *device, const float *images,
                              size_t count)
{
    const int32_t layers = n->graph->count;
    runner r = {.network = n};
    uint64_t *bins = calloc((size_t)layers * BINS, sizeof *bins);
    r.seen = calloc((size_t)layers, sizeof *r.seen);
    clade_status status =
        bins && r.seen ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for histograms");
    for (int32_t i = 0; i < layers && !status; i++) {
        const clade_layer_kind kind = n->graph->node[i].layer.kind;
        r.seen[i].wanted = !clade_layer_record_of(kind)->keeps_values && !stays_real(n->graph, i);
        r.seen[i].bin = bins + (size_t)i * BINS;
    }
    if (!status) status = start(&r, device, count);
    if (!status) status = run_all(&r, images, count, NULL);
    r.counting = true;
    if (!status) status = run_all(&r, images, count, NULL);
    if (!status) status = clade_network_start_quantization(n);
    if (!status) choose_all(n, r.seen);
    clear(&r);
    free(r.seen);
    free(bins);
    return status;
}

clade_status clade_network_quantize(const clade_network *network, clade_device *device,
                                    const float *images, size_t count, clade_network **out)
{
    *out = NULL;
    if (!network || !device || !images || !count)
        return clade_fail(CLADE_EINVAL, "no net, device or images to choose scales by");
    if (network->quantization)
        return clade_fail(CLADE_EINVAL, "%s: already in 8 bits", network->name);
    clade_status status = clade_network_fold(network, out);
    if (!status) status = calibrate(*out, device, images, count);
    if (status) clade_network_destroy(out);
    return status;
}
