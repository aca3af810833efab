/* Backbones: the table of names. */
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

/* Name, preprocessing of Keras' weights, and its batch normalisation's eps and momentum. */
#define BACKBONES(B)                                                                               \
    B(vgg16, CAFFE, 0.001F, 0.99F)                                                                 \
    B(resnet18, TORCH, 0, 0)                                                                       \
    B(resnet50, CAFFE, 1.001e-5F, 0.99F)                                                           \
    B(mobilenet_v2, TF, 0.001F, 0.999F)                                                            \
    B(squeezenet1_1, CAFFE, 0.001F, 0.99F)                                                         \
    B(efficientnet_b0, TORCH, 0.001F, 0.99F)

static const entry entries[] = {
#define B(name, mode, eps, momentum)                                                               \
    {#name, clade_backbone_##name, CLADE_KERAS_##mode, eps, momentum},
    BACKBONES(B)
#undef B
};
enum { entry_count = sizeof entries / sizeof *entries };

const char *const *clade_backbone_names(void)
{
#define B(name, mode, eps, momentum) #name,
    static const char *const names[] = {BACKBONES(B) NULL};
#undef B
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
