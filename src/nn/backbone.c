/* Backbones: the table of names, and how builders add layers. */
#include "nn/backbone.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    const char *name;
    void (*build)(clade_backbone *b);
    clade_keras_mode mode;
    float keras_eps, keras_momentum; /* 0: Keras has no such net */
} entry;

static const entry entries[] = {
    {"vgg16", clade_backbone_vgg16, CLADE_KERAS_CAFFE, 0.001F, 0.99F},
    {"resnet18", clade_backbone_resnet18, CLADE_KERAS_TORCH, 0, 0},
    {"resnet50", clade_backbone_resnet50, CLADE_KERAS_CAFFE, 1.001e-5F, 0.99F},
    {"mobilenet_v2", clade_backbone_mobilenet_v2, CLADE_KERAS_TF, 0.001F, 0.999F},
    {"squeezenet1_1", clade_backbone_squeezenet1_1, CLADE_KERAS_CAFFE, 0.001F, 0.99F},
    {"efficientnet_b0", clade_backbone_efficientnet_b0, CLADE_KERAS_TORCH, 0.001F, 0.99F},
};
enum { entry_count = sizeof entries / sizeof *entries };

const char *const *clade_backbone_names(void)
{
    static const char *const names[] = {
        "vgg16", "resnet18", "resnet50", "mobilenet_v2", "squeezenet1_1", "efficientnet_b0", NULL};
    return names;
}

clade_status clade_backbone_build(const char *name, const clade_backbone_options *options,
                                  clade_backbone *out)
{
    *out = (clade_backbone){.eps = 1e-5F, .momentum = 0.9F}; /* torch's 0.1 of the new */
    if (options) out->options = *options;
    clade_backbone_options *o = &out->options;
    if (!o->height && !o->width) o->height = o->width = 224;
    if (!o->channels) o->channels = 3;
    if (o->classes < 0) return clade_fail(CLADE_EINVAL, "%d classes", o->classes);
    int i = 0;
    while (i < entry_count && strcmp(entries[i].name, name)) i++;
    if (i == entry_count)
        return clade_fail(CLADE_EINVAL,
                          "there is no backbone '%s'; expected vgg16, resnet18, resnet50, "
                          "mobilenet_v2, squeezenet1_1 or efficientnet_b0",
                          name);
    if (o->keras && entries[i].keras_eps == 0)
        return clade_fail(CLADE_EINVAL, "%s: keras.applications has no such network", name);
    out->mode = entries[i].mode;
    if (o->keras) {
        out->eps = entries[i].keras_eps;
        out->momentum = entries[i].keras_momentum;
    }
    out->status = clade_graph_create(o->height, o->width, o->channels, &out->graph);
    if (!out->status) entries[i].build(out);
    return clade_context(out->status, "%s at %d × %d", name, o->height, o->width);
}

void clade_backbone_clear(clade_backbone *backbone)
{
    clade_graph_destroy(&backbone->graph);
    free(backbone->alias);
    *backbone = (clade_backbone){0};
}

clade_status clade_backbone_create(const char *name, const clade_backbone_options *options,
                                   clade_graph **out)
{
    clade_backbone b;
    *out = NULL;
    clade_status status = clade_backbone_build(name, options, &b);
    if (!status) {
        *out = b.graph;
        b.graph = NULL;
    }
    clade_backbone_clear(&b);
    return status;
}

/* --- adding layers --- */

void clade_backbone_call(clade_backbone *b, clade_naming naming, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(b->at.name[naming], CLADE_NAME_SIZE, format, list);
    va_end(list);
}

/* Room for the alias of layer `number`. */
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

/* Adds the layer; one with weights takes the names that wait for it. */
static int32_t add(clade_backbone *b, clade_layer *layer, bool weights, const char *format,
                   va_list list)
{
    int32_t number = 0;
    if (b->status) return 0;
    vsnprintf(layer->name, sizeof layer->name, format, list);
    b->status = clade_graph_add(b->graph, layer, &number);
    if (b->status || !reserve(b, number)) return 0;
    if (weights) {
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
                                       .no_bias = !conv.bias,
                                       .activation = conv.activation,
                                       .init = CLADE_INIT_HE_NORMAL}};
    /* at stride 2 Keras adds the odd zero at the bottom and right, torchvision on all sides */
    if (!conv.valid && half > 0) {
        layer.as.conv2d.padding = b->options.keras ? CLADE_PADDING_SAME : CLADE_PADDING_EXPLICIT;
        for (int i = 0; i < 4 && !b->options.keras; i++) layer.as.conv2d.pad[i] = half;
    }
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, true, format, list);
    va_end(list);
    return number;
}

int32_t clade_backbone_add_norm(clade_backbone *b, int32_t from, const char *format, ...)
{
    clade_layer layer = {.kind = CLADE_LAYER_BATCHNORM,
                         .input_count = 1,
                         .input = {from},
                         .as.batchnorm = {.momentum = b->momentum, .eps = b->eps}};
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, true, format, list);
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
    int32_t number = add(b, &layer, true, format, list);
    va_end(list);
    return number;
}

int32_t clade_backbone_add(clade_backbone *b, clade_layer layer, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, false, format, list);
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
    int32_t number = add(b, &layer, false, format, list);
    va_end(list);
    return number;
}

int32_t clade_backbone_join(clade_backbone *b, clade_layer_kind kind, int32_t from, int32_t with,
                            const char *format, ...)
{
    clade_layer layer = {.kind = kind, .input_count = 2, .input = {from, with}};
    va_list list;
    va_start(list, format);
    int32_t number = add(b, &layer, false, format, list);
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
