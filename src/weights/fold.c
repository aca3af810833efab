/* A net for inference alone: batch normalisation folded into what it follows, activations as layers
 * of their own, nothing that only training needs. */
#include "nn/layer.h"
#include "weights/network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct folding {
    const clade_network *from;
    clade_graph *graph;
    int32_t *uses;   /* [layers of from]: how many read it */
    int32_t *number; /* [layers of from]: which layer of the graph gives its output */
    int32_t *origin; /* [layers of graph, at most twice as many]: where a layer comes from … */
    int32_t *norm;   /* … and the batch normalisation that it takes in, or 0 */
} folding;

static bool is_conv(const clade_layer *layer)
{
    return layer->kind == CLADE_LAYER_CONV2D || layer->kind == CLADE_LAYER_DEPTHWISE_CONV2D;
}

static bool has_kernel(const clade_layer *layer)
{
    return is_conv(layer) || layer->kind == CLADE_LAYER_DENSE;
}

static const clade_layer *layer_of(const folding *f, int32_t i)
{
    return &f->from->graph->node[i].layer;
}

/* Takes the activation out of a convolution or dense layer: a layer, or one of kind INPUT. */
static clade_layer take_activation(clade_layer *layer)
{
    clade_layer out = {.kind = CLADE_LAYER_ACTIVATION, .input_count = 1};
    clade_activation *own =
        is_conv(layer) ? &layer->as.conv2d.activation : &layer->as.dense.activation;
    out.as.activation.activation = *own;
    out.as.activation.alpha = is_conv(layer) ? layer->as.conv2d.alpha : layer->as.dense.alpha;
    if (!is_conv(layer) && layer->as.dense.softmax) {
        out.kind = CLADE_LAYER_SOFTMAX;
        layer->as.dense.softmax = false;
    } else if (*own == CLADE_LINEAR) {
        out.kind = CLADE_LAYER_INPUT;
    }
    *own = CLADE_LINEAR;
    return out;
}

/* "conv2d_relu", or with a number where something else is called that. */
static void name_activation(const folding *f, const clade_layer *of, clade_layer *layer)
{
    const char *word = layer->kind == CLADE_LAYER_SOFTMAX
                           ? "softmax"
                           : clade_activation_describe(layer->as.activation.activation)->name;
    bool taken = true;
    for (int n = 0; taken; n++) {
        snprintf(layer->name, sizeof layer->name, n ? "%.70s_%s_%d" : "%.70s_%s", of->name, word,
                 n);
        taken = false;
        for (int32_t i = 0; i < f->from->graph->count && !taken; i++)
            taken = !strcmp(layer_of(f, i)->name, layer->name);
        for (int32_t i = 0; i < f->graph->count && !taken; i++)
            taken = !strcmp(f->graph->node[i].layer.name, layer->name);
    }
}

/* The batch normalisation that alone reads layer i; 0: there is none. */
static int32_t find_norm(const folding *f, int32_t i)
{
    for (int32_t k = i + 1; k < f->from->graph->count && f->uses[i] == 1; k++)
        for (int32_t n = 0; n < layer_of(f, k)->input_count; n++)
            if (layer_of(f, k)->input[n] == i)
                return layer_of(f, k)->kind == CLADE_LAYER_BATCHNORM ? k : 0;
    return 0;
}

/* Does the layer do nothing in inference? */
static bool is_nothing(const clade_layer *layer)
{
    return layer->kind == CLADE_LAYER_DROPOUT || layer->kind == CLADE_LAYER_STOCHASTIC_DEPTH ||
           (layer->kind == CLADE_LAYER_ACTIVATION &&
            layer->as.activation.activation == CLADE_LINEAR);
}

/* A layer that adds nothing to its input, of which the graph has layer `number`. */
static bool is_done(const folding *f, int32_t i, int32_t number)
{
    /* where a layer that does nothing is the output, what it reads must be the graph's last */
    return number && (f->norm[number] == i ||
                      (is_nothing(layer_of(f, i)) &&
                       (i < f->from->graph->count - 1 || number == f->graph->count - 1)));
}

static clade_status fold_layer(folding *f, int32_t i)
{
    clade_layer layer = *layer_of(f, i), activation = {.kind = CLADE_LAYER_INPUT};
    int32_t *number = &f->number[i], norm = 0;
    if (is_done(f, i, f->number[layer.input[0]])) {
        *number = f->number[layer.input[0]];
        return CLADE_OK;
    }
    for (int32_t k = 0; k < layer.input_count; k++) layer.input[k] = f->number[layer.input[k]];
    if (has_kernel(&layer)) {
        activation = take_activation(&layer);
        if (activation.kind == CLADE_LAYER_INPUT) norm = find_norm(f, i);
    }
    if (norm) *(is_conv(&layer) ? &layer.as.conv2d.no_bias : &layer.as.dense.no_bias) = false;
    clade_status status = clade_graph_add(f->graph, &layer, number);
    if (status) return status;
    f->origin[*number] = i;
    f->norm[*number] = norm;
    if (activation.kind == CLADE_LAYER_INPUT) return CLADE_OK;
    name_activation(f, &layer, &activation);
    activation.input[0] = *number;
    return clade_graph_add(f->graph, &activation, number);
}

/* --- weights --- */

static const clade_network_weight *weight_of(const folding *f, int32_t i, int k)
{
    return &f->from->weights[f->from->first[i] + (size_t)k];
}

static size_t count_of(const clade_network_weight *w)
{
    size_t count = 1;
    for (int32_t d = 0; d < w->rank; d++) count *= (size_t)w->dim[d];
    return count;
}

/* What normalisation i multiplies channel c by. */
static double norm_scale(const folding *f, int32_t i, size_t c)
{
    const clade_layer layer = clade_layer_complete(layer_of(f, i));
    double gamma = (double)weight_of(f, i, 0)->data[c], var = (double)weight_of(f, i, 3)->data[c];
    return gamma / sqrt(var + (double)layer.as.batchnorm.eps);
}

/* gamma (x − mean) / √(var + eps) + beta of the layer's kernel k x + b. */
static void fold_norm(const folding *f, const clade_network_weight *to, int32_t origin,
                      int32_t norm, float *kernel, float *bias)
{
    const size_t channels = count_of(weight_of(f, norm, 0)), count = count_of(to);
    const bool has_bias = f->from->graph->node[origin].weight_count == 2;
    const float *from = weight_of(f, origin, 0)->data;
    for (size_t c = 0; c < channels; c++) {
        const double scale = norm_scale(f, norm, c);
        const double b = has_bias ? (double)weight_of(f, origin, 1)->data[c] : 0;
        const double mean = (double)weight_of(f, norm, 2)->data[c];
        for (size_t k = c; k < count; k += channels) kernel[k] = (float)((double)from[k] * scale);
        bias[c] = (float)((b - mean) * scale + (double)weight_of(f, norm, 1)->data[c]);
    }
}

static clade_status fill_weights(const folding *f, clade_network *to)
{
    for (int32_t i = 1; i < to->graph->count; i++) {
        float *data[CLADE_MAX_WEIGHTS];
        clade_network_weight *w = &to->weights[to->first[i]];
        const int32_t count = to->graph->node[i].weight_count;
        for (int32_t k = 0; k < count; k++) {
            w[k].data = data[k] = malloc(count_of(&w[k]) * sizeof(float));
            if (!data[k]) return clade_fail(CLADE_ENOMEM, "out of memory for a net");
        }
        if (f->norm[i]) {
            fold_norm(f, &w[0], f->origin[i], f->norm[i], data[0], data[1]);
            continue;
        }
        for (int32_t k = 0; k < count; k++)
            memcpy(data[k], weight_of(f, f->origin[i], k)->data, count_of(&w[k]) * sizeof(float));
    }
    return CLADE_OK;
}

/* --- all of it --- */

/* What outputs are scaled by, where they are of numbers. */
static clade_status copy_scale(const clade_network *from, clade_network *to)
{
    const size_t bytes = (size_t)from->class_count * sizeof *from->means;
    if (!from->means) return CLADE_OK;
    to->means = malloc(bytes);
    to->deviations = malloc(bytes);
    if (!to->means || !to->deviations) return clade_fail(CLADE_ENOMEM, "out of memory for a net");
    memcpy(to->means, from->means, bytes);
    memcpy(to->deviations, from->deviations, bytes);
    return CLADE_OK;
}

/* What the net knows besides. */
static clade_status copy_rest(const folding *f, clade_network *to)
{
    const clade_network *from = f->from;
    clade_status status = CLADE_OK;
    to->temperature = from->temperature;
    to->task = from->task;
    to->has_preprocessing = from->has_preprocessing;
    to->preprocessing = from->preprocessing;
    if (from->class_count)
        status =
            clade_network_name_classes(to, (const char *const *)from->classes, from->class_count);
    if (!status) status = copy_scale(from, to);
    if (status || !from->quantization) return status;
    status = clade_network_start_quantization(to);
    for (int32_t i = 0; i < from->graph->count && !status; i++)
        if (from->quantization[i].scale > 0) to->quantization[f->number[i]] = from->quantization[i];
    return status;
}

static clade_status fold_all(folding *f, clade_network **out)
{
    const clade_graph *graph = f->from->graph;
    clade_status status = clade_graph_create(graph->node[0].dim[0], graph->node[0].dim[1],
                                             graph->node[0].dim[2], &f->graph);
    for (int32_t i = 1; i < graph->count; i++)
        for (int32_t k = 0; k < graph->node[i].layer.input_count; k++)
            f->uses[graph->node[i].layer.input[k]]++;
    for (int32_t i = 1; i < graph->count && !status; i++) status = fold_layer(f, i);
    if (!status) status = clade_network_start(f->from->name, &f->graph, out);
    if (!status) status = fill_weights(f, *out);
    if (!status) status = copy_rest(f, *out);
    return status;
}

clade_status clade_network_fold(const clade_network *network, clade_network **out)
{
    const size_t layers = (size_t)network->graph->count;
    *out = NULL;
    folding f = {.from = network};
    f.uses = calloc(layers, sizeof *f.uses);
    f.number = calloc(layers, sizeof *f.number);
    f.origin = calloc(2 * layers, sizeof *f.origin);
    f.norm = calloc(2 * layers, sizeof *f.norm);
    clade_status status = f.uses && f.number && f.origin && f.norm
                              ? fold_all(&f, out)
                              : clade_fail(CLADE_ENOMEM, "out of memory for a net");
    clade_graph_destroy(&f.graph);
    free(f.uses);
    free(f.number);
    free(f.origin);
    free(f.norm);
    if (status) clade_network_destroy(out);
    return status;
}
