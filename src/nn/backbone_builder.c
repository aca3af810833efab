/* Building backbones: adding layers and naming them. */
#include "nn/backbone.h"
#include "nn/graph.h"
#include "nn/squeeze_excite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clade_backbone_call(clade_backbone *b, clade_naming naming, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(b->at.name[naming], CLADE_NAME_SIZE, format, list);
    va_end(list);
}

/* Allocates the alias of layer `number`. */
static bool reserve(clade_backbone *b, int32_t number)
{
    if (number < b->capacity) return true;
    int32_t capacity = 2 * number;
    clade_backbone_alias *alias = realloc(b->alias, (size_t)capacity * sizeof *alias);
    if (!alias) {
        b->status = clade_fail(CLADE_ENOMEM, "out of memory for a backbone");
        return false;
    }
    memset(alias + b->capacity, 0, (size_t)(capacity - b->capacity) * sizeof *alias);
    b->alias = alias;
    b->capacity = capacity;
    return true;
}

/* Adds the layer; a layer with weights takes the names set for it. */
static int32_t add(clade_backbone *b, clade_layer *layer, const char *format, va_list list)
{
    int32_t number = 0;
    if (b->status) return 0;
    vsnprintf(layer->name, sizeof layer->name, format, list);
    b->status = clade_graph_add(b->graph, layer, &number);
    if (b->status || !reserve(b, number)) return 0;
    if (b->graph->node[number].weight_count > 0) {
        b->alias[number] = b->at;
        b->at = (clade_backbone_alias){0};
    }
    b->last = number;
    return number;
}

int32_t clade_backbone_add_conv(clade_backbone *b, int32_t from, clade_backbone_conv conv,
                                const char *format, ...)
{
    int32_t half = conv.kernel / 2;
    clade_layer layer = {.kind = conv.depthwise ? CLADE_LAYER_DEPTHWISE_CONV2D : CLADE_LAYER_CONV2D,
                         .input_count = 1,
                         .input = {from},
                         .as.conv2d = {.filters = conv.depthwise ? 0 : conv.filters,
                                       .kernel = {conv.kernel, conv.kernel},
                                       .stride = {conv.stride, conv.stride},
                                       .groups = conv.groups,
                                       .no_bias = !conv.bias,
                                       .activation = conv.activation,
                                       .init = CLADE_INIT_HE_NORMAL}};
    /* at stride 2 Keras pads at the bottom and right, torchvision on all sides */
    if (!conv.valid && half > 0) {
        layer.as.conv2d.padding = b->options.keras ? CLADE_PADDING_SAME : CLADE_PADDING_EXPLICIT;
        for (int i = 0; i < 4 && !b->options.keras; i++) layer.as.conv2d.pad[i] = half;
    }
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, format, list);
    va_end(list);
    return number;
}

int32_t clade_backbone_add_layer_norm(clade_backbone *b, int32_t from, const char *name)
{
    const clade_layer layer = {.kind = CLADE_LAYER_LAYER_NORM,
                               .input_count = 1,
                               .input = {from},
                               .as.layer_norm.eps = 1e-6F};
    return clade_backbone_add(b, layer, "%s", name);
}

int32_t clade_backbone_add_norm(clade_backbone *b, int32_t from, const char *format, ...)
{
    clade_layer layer = {.kind = CLADE_LAYER_BATCHNORM,
                         .input_count = 1,
                         .input = {from},
                         .as.batchnorm = {.momentum = b->momentum, .eps = b->eps}};
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, format, list);
    va_end(list);
    return number;
}

int32_t clade_backbone_add_dense(clade_backbone *b, int32_t from, int32_t units,
                                 clade_activation activation, const char *format, ...)
{
    clade_layer layer = {.kind = CLADE_LAYER_DENSE,
                         .input_count = 1,
                         .input = {from},
                         .as.dense = {.units = units, .activation = activation}};
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, format, list);
    va_end(list);
    return number;
}

int32_t clade_backbone_add(clade_backbone *b, clade_layer layer, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, format, list);
    va_end(list);
    return number;
}

int32_t clade_backbone_activate(clade_backbone *b, int32_t from, clade_activation activation,
                                const char *format, ...)
{
    clade_layer layer = {.kind = CLADE_LAYER_ACTIVATION,
                         .input_count = 1,
                         .input = {from},
                         .as.activation = {.activation = activation}};
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, format, list);
    va_end(list);
    return number;
}

int32_t clade_backbone_leave_out(clade_backbone *b, int32_t from, int i, int count,
                                 const char *format, ...)
{
    clade_layer layer = {.kind = CLADE_LAYER_STOCHASTIC_DEPTH,
                         .input_count = 1,
                         .input = {from},
                         .as.dropout.rate = b->options.stochastic_depth * (float)i / (float)count};
    if (layer.as.dropout.rate == 0) return from;
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, format, list);
    va_end(list);
    return number;
}

int32_t clade_backbone_excite(clade_backbone *b, int32_t from, const char *name,
                              const clade_squeeze_excite_layer *settings, const char *const timm[2],
                              const char *const keras[2])
{
    clade_layer layer[CLADE_SQUEEZE_EXCITE_LAYERS];
    if (!b->status) b->status = clade_squeeze_excite_layers(b->graph, from, name, settings, layer);
    for (int i = 0; i < CLADE_SQUEEZE_EXCITE_LAYERS && !b->status; i++) {
        if (layer[i].kind == CLADE_LAYER_DENSE) {
            clade_backbone_call(b, CLADE_NAMING_TIMM, "%s", *timm++);
            clade_backbone_call(b, CLADE_NAMING_KERAS, "%s", *keras++);
        }
        clade_backbone_add(b, layer[i], "%s", layer[i].name);
    }
    return b->last;
}

int32_t clade_backbone_join(clade_backbone *b, clade_layer_kind kind, int32_t from, int32_t with,
                            const char *format, ...)
{
    clade_layer layer = {.kind = kind, .input_count = 2, .input = {from, with}};
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, format, list);
    va_end(list);
    return number;
}

void clade_backbone_add_classifier(clade_backbone *b, float rate, const char *pool,
                                   const char *dropout, const char *dense)
{
    clade_layer layer = {
        .kind = CLADE_LAYER_GLOBAL_AVGPOOL2D, .input_count = 1, .input = {b->last}};
    if (!b->options.classes) return;
    clade_backbone_add(b, layer, "%s", pool);
    if (rate > 0)
        clade_backbone_add(b,
                           (clade_layer){.kind = CLADE_LAYER_DROPOUT,
                                         .input_count = 1,
                                         .input = {b->last},
                                         .as.dropout.rate = rate},
                           "%s", dropout);
    clade_backbone_add_dense(b, b->last, b->options.classes, CLADE_LINEAR, "%s", dense);
}
