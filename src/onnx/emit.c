/* A simplified draft becomes a network: names, layers, weights. */
#include "onnx/onnx.h"
#include "weights/safetensors_name.h"
#include "nn/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct emitter {
    clade_onnx_reader *reader;
    clade_graph *graph;
    int32_t *number; /* [draft's layers]: in the graph */
    int32_t *origin; /* [graph's layers]: in the draft; the graph has at most three for each */
    int32_t unnamed[CLADE_LAYER_KINDS];
} emitter;

static bool taken(const clade_graph *graph, const char *name)
{
    for (int32_t i = 0; i < clade_graph_layers(graph); i++)
        if (!strcmp(clade_graph_layer(graph, i)->name, name)) return true;
    return false;
}

static bool usable(const clade_graph *graph, const char *name)
{
    size_t size = name ? strlen(name) : 0;
    if (size == 0 || size >= CLADE_NAME_SIZE || !clade_utf8_is_valid(name, size)) return false;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) return false;
    return strcmp(name, "input") != 0 && !taken(graph, name);
}

/* The name of the weights, else of the node, else Keras'. */
static void set_name(emitter *e, const clade_onnx_layer *from, clade_layer *layer)
{
    const char *names[] = {from->stem, from->node ? clade_onnx_string(from->node->name) : NULL};
    for (int i = 0; i < 2; i++) {
        if (!usable(e->graph, names[i])) continue;
        snprintf(layer->name, sizeof layer->name, "%s", names[i]);
        return;
    }
    const char *base = clade_layer_record_of(layer->kind)->name;
    do {
        int32_t n = e->unnamed[layer->kind]++;
        snprintf(layer->name, sizeof layer->name, n ? "%s_%d" : "%s", base, n);
    } while (taken(e->graph, layer->name));
}

static clade_status add(emitter *e, int32_t from, clade_layer *layer, int32_t *number)
{
    set_name(e, &e->reader->layer[from], layer);
    clade_status status = clade_graph_add(e->graph, layer, number);
    if (!status) e->origin[*number] = from;
    return status;
}

/* scale x + shift: a convolution of 1 × 1 that does not mix channels, not trained. */
static clade_status emit_affine(emitter *e, int32_t from)
{
    clade_onnx_layer *l = &e->reader->layer[from];
    int32_t input = e->number[l->layer.input[0]], dim[3];
    int32_t rank = clade_graph_shape(e->graph, input, dim);
    bool shifted = false;
    for (int32_t c = 0; c < l->channels; c++) shifted = shifted || l->shift[c] != 0;
    clade_status status = CLADE_OK;
    if (rank != 3) {
        clade_layer reshape = {.kind = CLADE_LAYER_RESHAPE, .input_count = 1, .input = {input}};
        reshape.as.reshape =
            (clade_reshape_layer){.rank = 3, .dim = {1, rank == 2 ? dim[0] : 1, l->channels}};
        status = add(e, from, &reshape, &input);
    }
    clade_layer conv = {
        .kind = CLADE_LAYER_DEPTHWISE_CONV2D, .input_count = 1, .input = {input}, .frozen = true};
    conv.as.conv2d = (clade_conv2d_layer){.kernel = {1, 1}, .no_bias = !shifted};
    int32_t number;
    if (!status) status = add(e, from, &conv, &number);
    l->weight[0] = l->scale;
    l->weight_count[0] = (size_t)l->channels;
    l->scale = NULL;
    if (shifted) {
        l->weight[1] = l->shift;
        l->weight_count[1] = (size_t)l->channels;
        l->shift = NULL;
    }
    if (!status && rank != 3) {
        clade_layer back = {.kind = CLADE_LAYER_RESHAPE, .input_count = 1, .input = {number}};
        back.as.reshape.rank = rank;
        memcpy(back.as.reshape.dim, dim, sizeof dim);
        status = add(e, from, &back, &number);
    }
    e->number[from] = number;
    return status;
}

static clade_status emit_layer(emitter *e, int32_t from)
{
    const clade_onnx_layer *l = &e->reader->layer[from];
    clade_layer layer = l->layer;
    layer.name[0] = 0;
    for (int32_t k = 0; k < layer.input_count; k++) layer.input[k] = e->number[layer.input[k]];
    if (l->role == CLADE_ONNX_AFFINE) return emit_affine(e, from);
    if (l->role == CLADE_ONNX_ERF)
        clade_onnx_add_fault(e->reader, l->node, "outside of gelu");
    else if (l->role == CLADE_ONNX_SCALE)
        clade_onnx_add_fault(e->reader, l->node,
                             "a constant with more than one value for each channel");
    else if (l->role == CLADE_ONNX_CLIP)
        clade_onnx_add_fault(e->reader, l->node, "to 0 … 1 outside of hard_sigmoid");
    return add(e, from, &layer, &e->number[from]);
}

/* Hands the weights over to the network. */
static clade_status move_weights(emitter *e, clade_network *network)
{
    for (int32_t i = 1; i < clade_graph_layers(network->graph); i++) {
        clade_onnx_layer *l = &e->reader->layer[e->origin[i]];
        const clade_node *node = &network->graph->node[i];
        for (int32_t k = 0; k < node->weight_count; k++) {
            size_t count = clade_tensor_count(&node->weight[k].shape);
            if (!l->weight[k] || l->weight_count[k] != count)
                return clade_fail(CLADE_EFORMAT, "%s: '%s' has %zu values, expected %zu",
                                  node->layer.name, node->weight[k].name, l->weight_count[k],
                                  count);
            float *data = clade_onnx_release(&e->reader->file, l->weight[k], count);
            l->weight[k] = NULL;
            if (!data) return CLADE_ENOMEM;
            network->weights[network->first[i] + (size_t)k].data = data;
        }
    }
    return CLADE_OK;
}

/* How values are rounded goes over too. */
static clade_status note_rounded(const emitter *e, clade_network *network)
{
    int32_t count = 0;
    clade_status status = CLADE_OK;
    for (int32_t i = 0; i < e->reader->layers && !status; i++) {
        const clade_onnx_layer *l = &e->reader->layer[i];
        if (!l->live || !(l->rounded.scale > 0)) continue;
        if (!count++) status = clade_network_start_quantization(network);
        if (!status) network->quantization[e->number[i]] = l->rounded;
    }
    return status || !count
               ? status
               : clade_network_add_note(
                     network, "%d values are rounded to 8 bits, which a Clade model does not do",
                     count);
}

static clade_status add_notes(const clade_onnx_reader *r, clade_network *network)
{
    clade_status status = CLADE_OK;
    int32_t affines = 0;
    for (int32_t i = 1; i < r->layers; i++)
        affines += r->layer[i].live && r->layer[i].role == CLADE_ONNX_AFFINE;
    if (r->folded)
        status = clade_network_add_note(network,
                                        "%d node%s of arithmetic on constants and shapes "
                                        "folded away",
                                        r->folded, r->folded == 1 ? "" : "s");
    if (!status && affines)
        status = clade_network_add_note(network,
                                        "%d multiplication%s by or addition%s of a constant became "
                                        "frozen 1×1 depthwise convolutions",
                                        affines, affines == 1 ? "" : "s", affines == 1 ? "" : "s");
    if (!status && r->trained_norms)
        status = clade_network_add_note(network,
                                        "%d batch normalization%s in training mode: predictions "
                                        "use the running statistics instead",
                                        r->trained_norms, r->trained_norms == 1 ? "" : "s");
    if (!status && r->has_preprocessing)
        status =
            clade_network_add_note(network, "the arithmetic on the input became preprocessing");
    if (!status && r->output_turned)
        status = clade_network_add_note(network, "the output is an image's values in the order "
                                                 "height, width, channels");
    return status;
}

clade_status clade_onnx_emit(clade_onnx_reader *r, const char *name, clade_network **out)
{
    int32_t dim[3];
    clade_graph_shape(r->draft, 0, dim);
    emitter e = {.reader = r};
    e.number = calloc((size_t)r->layers, sizeof *e.number);
    e.origin = calloc(3 * (size_t)r->layers, sizeof *e.origin);
    clade_status status = e.number && e.origin
                              ? clade_graph_create(dim[0], dim[1], dim[2], &e.graph)
                              : clade_fail(CLADE_ENOMEM, "out of memory for a net");
    for (int32_t i = 1; i < r->layers && !status; i++)
        if (r->layer[i].live) status = emit_layer(&e, i);
    if (!status && r->output == 0)
        status = clade_fail(CLADE_EFORMAT, "the output is the input: there are no layers");
    if (!status && !r->fault_count) {
        status = clade_network_start(name, &e.graph, out);
        if (!status) status = move_weights(&e, *out);
        if (!status) status = note_rounded(&e, *out);
        if (!status) status = add_notes(r, *out);
    }
    clade_graph_destroy(&e.graph);
    free(e.number);
    free(e.origin);
    if (status) clade_network_destroy(out);
    return status;
}
