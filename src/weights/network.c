/* Networks: a graph with its weights, outside of any device. */
#include "weights/network.h"
#include "base/file.h"
#include "nn/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clade_status no_memory(void) { return clade_fail(CLADE_ENOMEM, "out of memory for a net"); }

static void clear_classes(clade_network *n)
{
    for (int32_t i = 0; i < n->class_count; i++) free(n->classes[i]);
    free(n->classes);
    n->classes = NULL;
    n->class_count = 0;
}

void clade_network_destroy(clade_network **handle)
{
    clade_network *n = *handle;
    if (!n) return;
    for (size_t i = 0; i < n->weight_count; i++) {
        free((char *)n->weights[i].name);
        free((float *)n->weights[i].data);
    }
    for (size_t i = 0; i < n->note_count; i++) free(n->notes[i]);
    clade_graph_destroy(&n->graph);
    free(n->recipe);
    free(n->thresholds);
    free(n->means);
    free(n->deviations);
    free(n->quantization);
    free(n->weights);
    free(n->first);
    clear_classes(n);
    free(n->notes);
    free(n->name);
    free(n);
    *handle = NULL;
}

static clade_status add_weight(clade_network *network, const clade_layer *layer,
                               const clade_weight *weight)
{
    char name[CLADE_NAME_SIZE + 32];
    snprintf(name, sizeof name, "%s/%s", layer->name, weight->name);
    clade_network_weight *w = &network->weights[network->weight_count];
    *w = (clade_network_weight){.name = clade_string_join(name, ""), .rank = weight->shape.rank};
    if (!w->name) return no_memory();
    memcpy(w->dim, weight->shape.dim, sizeof w->dim);
    network->weight_count++;
    return CLADE_OK;
}

clade_status clade_network_start(const char *name, clade_graph **graph, clade_network **out)
{
    *out = NULL;
    clade_network *n = calloc(1, sizeof *n);
    if (!n) return no_memory();
    n->temperature = 1;
    size_t layers = (size_t)(*graph)->count, weights = 0;
    for (size_t i = 0; i < layers; i++) weights += (size_t)(*graph)->node[i].weight_count;
    n->name = clade_string_join(name, "");
    n->weights = calloc(weights + 1, sizeof *n->weights);
    n->first = calloc(layers, sizeof *n->first);
    clade_status status = n->name && n->weights && n->first ? CLADE_OK : no_memory();
    for (size_t i = 0; i < layers && !status; i++) {
        const clade_node *node = &(*graph)->node[i];
        n->first[i] = n->weight_count;
        for (int32_t k = 0; k < node->weight_count && !status; k++)
            status = add_weight(n, &node->layer, &node->weight[k]);
    }
    if (status) {
        clade_network_destroy(&n);
        return status;
    }
    n->graph = *graph;
    *graph = NULL;
    *out = n;
    return CLADE_OK;
}

static size_t count_of(const clade_network_weight *w)
{
    size_t n = 1;
    for (int32_t d = 0; d < w->rank; d++) n *= (size_t)w->dim[d];
    return n;
}

/* Copies one of the caller's weights into its place. */
static clade_status set_weight(clade_network *network, const clade_network_weight *given)
{
    clade_network_weight *w = NULL;
    for (size_t i = 0; i < network->weight_count && !w; i++)
        if (!strcmp(network->weights[i].name, given->name)) w = &network->weights[i];
    if (!w) return clade_fail(CLADE_EINVAL, "the graph has no weight '%s'", given->name);
    if (w->data) return clade_fail(CLADE_EINVAL, "the weight '%s' is given twice", given->name);
    clade_tensor shape = {.rank = w->rank};
    memcpy(shape.dim, w->dim, sizeof shape.dim);
    bool same = w->rank == given->rank;
    for (int32_t d = 0; d < w->rank && same; d++) same = w->dim[d] == given->dim[d];
    char expected[64];
    if (!same)
        return clade_fail(CLADE_EINVAL, "the weight '%s' differs in shape from the graph's %s",
                          given->name, clade_shape_text(&shape, expected));
    size_t bytes = count_of(w) * sizeof(float);
    float *data = malloc(bytes);
    if (!data) return no_memory();
    w->data = memcpy(data, given->data, bytes);
    return CLADE_OK;
}

clade_status clade_network_create(const clade_network_parts *parts, clade_network **out)
{
    if (!parts || !parts->graph || !out) return clade_fail(CLADE_EINVAL, "a net needs a graph");
    *out = NULL;
    clade_graph *graph;
    clade_network *n = NULL;
    clade_status status = clade_graph_copy(parts->graph, &graph);
    if (!status) status = clade_network_start(parts->name ? parts->name : "model", &graph, &n);
    for (size_t i = 0; i < parts->weight_count && !status; i++)
        status = set_weight(n, &parts->weights[i]);
    for (size_t i = 0; !status && i < n->weight_count; i++)
        if (!n->weights[i].data)
            status = clade_fail(CLADE_EINVAL, "the weight '%s' is missing", n->weights[i].name);
    if (!status && parts->preprocessing)
        status = clade_network_set_preprocessing(n, parts->preprocessing);
    if (!status && parts->class_count)
        status = clade_network_set_classes(n, parts->classes, parts->class_count);
    clade_graph_destroy(&graph);
    if (status)
        clade_network_destroy(&n);
    else
        *out = n;
    return status;
}

clade_status clade_network_set_classes(clade_network *network, const char *const *names,
                                       int32_t count)
{
    int32_t dim[3], last = clade_graph_layers(network->graph) - 1;
    bool vector = clade_graph_shape(network->graph, last, dim) == 1;
    int32_t expected = dim[0] == 1 ? 2 : dim[0];
    if (!vector || count < 2 || count != expected)
        return clade_fail(CLADE_EINVAL, "%d class names do not fit the net's outputs: expected %d",
                          count, vector && expected > 1 ? expected : 0);
    return clade_network_name_classes(network, names, count);
}

clade_status clade_network_name_classes(clade_network *network, const char *const *names,
                                        int32_t count)
{
    clear_classes(network);
    network->classes = calloc((size_t)count, sizeof *network->classes);
    if (!network->classes) return no_memory();
    for (int32_t i = 0; i < count; i++) {
        network->classes[i] = clade_string_join(names[i], "");
        network->class_count = i + 1;
        if (!network->classes[i]) return no_memory();
    }
    return CLADE_OK;
}

clade_status clade_network_set_preprocessing(clade_network *network,
                                             const clade_preprocessing *preprocessing)
{
    int32_t dim[3];
    clade_preprocessing p = *preprocessing;
    clade_graph_shape(network->graph, 0, dim);
    if (!p.height) p.height = dim[0];
    if (!p.width) p.width = dim[1];
    if (!p.channels) p.channels = dim[2];
    if (p.height != dim[0] || p.width != dim[1] || p.channels != dim[2] || dim[2] > 4)
        return clade_fail(CLADE_EINVAL, "the preprocessing gives %d×%d×%d, the net takes %d×%d×%d",
                          p.height, p.width, p.channels, dim[0], dim[1], dim[2]);
    for (int32_t c = 0; c < 4; c++)
        if (p.scale[c] == 0) p.scale[c] = 1;
    network->preprocessing = p;
    network->has_preprocessing = true;
    return CLADE_OK;
}

clade_status clade_network_start_quantization(clade_network *network)
{
    network->quantization = calloc((size_t)network->graph->count, sizeof *network->quantization);
    return network->quantization ? CLADE_OK : no_memory();
}

bool clade_network_is_quantized(const clade_network *network)
{
    return network->quantization != NULL;
}

clade_status clade_network_add_note(clade_network *network, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char **notes = realloc(network->notes, (network->note_count + 1) * sizeof *notes);
    if (!notes) return no_memory();
    network->notes = notes;
    notes[network->note_count] = clade_string_join(text, "");
    if (!notes[network->note_count]) return no_memory();
    network->note_count++;
    return CLADE_OK;
}

const char *clade_network_name(const clade_network *network) { return network->name; }
const clade_graph *clade_network_graph(const clade_network *network) { return network->graph; }

const clade_network_weight *clade_network_weights(const clade_network *network, size_t *count)
{
    *count = network->weight_count;
    return network->weights;
}

const clade_preprocessing *clade_network_preprocessing(const clade_network *network)
{
    return network->has_preprocessing ? &network->preprocessing : NULL;
}

clade_task clade_network_task(const clade_network *network) { return network->task; }
int32_t clade_network_classes(const clade_network *network) { return network->class_count; }

const char *clade_network_class_name(const clade_network *network, int32_t i)
{
    return i >= 0 && i < network->class_count ? network->classes[i] : NULL;
}

const char *clade_network_recipe(const clade_network *network) { return network->recipe; }
size_t clade_network_notes(const clade_network *network) { return network->note_count; }

const char *clade_network_note(const clade_network *network, size_t i)
{
    return i < network->note_count ? network->notes[i] : NULL;
}
