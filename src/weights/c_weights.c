/* Writing a net as C: its weights. */
#include "nn/layer.h"
#include "weights/c_writer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PER_LINE = 8 };

/* A float that reads back as the same bits. */
static void put_float(clade_c_writer *w, float value)
{
    char text[32];
    snprintf(text, sizeof text, "%.9g", (double)value);
    clade_c_put(w, "%s%sf", text, strpbrk(text, ".en") ? "" : ".0");
}

void clade_c_put_floats(clade_c_writer *w, const float *value, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        clade_c_put(w, k % PER_LINE ? " " : "\n    ");
        put_float(w, value[k]);
        clade_c_put(w, ",");
    }
    clade_c_put(w, "\n};\n");
}

static size_t count_of(const clade_network_weight *w)
{
    size_t count = 1;
    for (int32_t d = 0; d < w->rank; d++) count *= (size_t)w->dim[d];
    return count;
}

/* A layer's name, which may hold anything, in a comment. */
static void put_name(clade_c_writer *w, int32_t number)
{
    for (const char *c = w->network->graph->node[number].layer.name; *c; c++)
        clade_c_put(w, "%c", isalnum((unsigned char)*c) || strchr("_-. ", *c) ? *c : '_');
}

static void put_array(clade_c_writer *w, const char *what, int32_t number,
                      const clade_network_weight *shape, const float *value)
{
    clade_c_put(w, "static const float %s_%d[] = { /* ", what, number);
    put_name(w, number);
    clade_c_put(w, ":");
    for (int32_t d = 0; d < shape->rank; d++) clade_c_put(w, " [%d]", shape->dim[d]);
    clade_c_put(w, " */");
    clade_c_put_floats(w, value, count_of(shape));
}

/* What batch normalisation multiplies by and adds. */
static clade_status put_norm(clade_c_writer *w, int32_t number, const clade_network_weight *weight)
{
    const clade_layer layer = clade_layer_complete(&w->network->graph->node[number].layer);
    const size_t channels = count_of(weight);
    float *scale = malloc(2 * channels * sizeof *scale), *shift = scale ? scale + channels : NULL;
    if (!scale) return clade_fail(CLADE_ENOMEM, "out of memory for a net");
    for (size_t c = 0; c < channels; c++) {
        const double eps = (double)layer.as.batchnorm.eps, var = (double)weight[3].data[c];
        const double factor = (double)weight[0].data[c] / sqrt(var + eps);
        scale[c] = (float)factor;
        shift[c] = (float)((double)weight[1].data[c] - factor * (double)weight[2].data[c]);
    }
    put_array(w, "kernel", number, weight, scale);
    put_array(w, "bias", number, weight, shift);
    free(scale);
    return CLADE_OK;
}

/* An integer kernel, its bias and what its sums are multiplied by. */
static void put_integers(clade_c_writer *w, int32_t number, const clade_network_weight *weight)
{
    const clade_network *n = w->network;
    const clade_node *node = &n->graph->node[number];
    const size_t channels = clade_quantize_channels(n, number), count = count_of(weight);
    const double input = (double)n->quantization[node->layer.input[0]].scale;
    const double output = (double)n->quantization[clade_c_rounds(n, number)].scale;
    clade_c_put(w, "static const int8_t kernel_%d[] = { /* ", number);
    put_name(w, number);
    clade_c_put(w, " */");
    for (size_t k = 0; k < count; k++) {
        const float scale = clade_quantize_kernel_scale(n, number, channels, k % channels);
        clade_c_put(w, "%s%d,", k % (2 * PER_LINE) ? " " : "\n    ",
                    (int)rintf(weight->data[k] / scale));
    }
    clade_c_put(w, "\n};\n");
    if (node->weight_count == 2) clade_c_put(w, "static const int32_t bias_%d[] = {", number);
    for (size_t c = 0; c < channels && node->weight_count == 2; c++) {
        const double scale = (double)clade_quantize_kernel_scale(n, number, channels, c);
        clade_c_put(w, "%s%d,", c % PER_LINE ? " " : "\n    ",
                    (int)rint((double)weight[1].data[c] / (input * scale)));
    }
    if (node->weight_count == 2) clade_c_put(w, "\n};\n");
    clade_c_put(w, "static const float scale_%d[] = {", number);
    for (size_t c = 0; c < channels; c++) {
        const double scale = (double)clade_quantize_kernel_scale(n, number, channels, c);
        clade_c_put(w, c % PER_LINE ? " " : "\n    ");
        put_float(w, (float)(input * scale / output));
        clade_c_put(w, ",");
    }
    clade_c_put(w, "\n};\n");
}

void clade_c_put_weights(clade_c_writer *w)
{
    static const char *const words[] = {"kernel", "bias"};
    for (int32_t i = 1; i < w->network->graph->count; i++) {
        const clade_node *node = &w->network->graph->node[i];
        const clade_network_weight *weight = &w->network->weights[w->network->first[i]];
        if (node->layer.kind == CLADE_LAYER_BATCHNORM) {
            const clade_status status = put_norm(w, i, weight);
            if (!w->status) w->status = status;
            continue;
        }
        if (clade_quantize_has_kernel(w->network, i)) {
            put_integers(w, i, weight);
            continue;
        }
        for (int32_t k = 0; k < node->weight_count; k++)
            put_array(w, words[k], i, &weight[k], weight[k].data);
    }
    clade_c_put(w, "\n");
}
