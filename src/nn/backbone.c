/* The table of backbones by name. */
#include "nn/backbone.h"
#include "nn/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    const char *name;
    void (*build)(clade_backbone *b);
    clade_keras_mode mode;
    float keras_eps, keras_momentum; /* 0: Keras' form is not supported */
    bool leaves_out;                 /* has blocks that stochastic depth may skip */
    const char *block; /* the start of the names of a block's layers; # stands for a number */
} entry;

/* Name, preprocessing of Keras' weights, eps and momentum of its batch normalisation, whether
 * torchvision (for a vit, timm) trains it with stochastic depth, and the names of its blocks. */
#define BACKBONES(B)                                                                               \
    B(vgg16, CAFFE, 0.001F, 0.99F, false, "features.#")                                            \
    B(resnet18, TORCH, 0, 0, false, "layer#.#.")                                                   \
    B(resnet34, TORCH, 0, 0, false, "layer#.#.")                                                   \
    B(resnet50, CAFFE, 1.001e-5F, 0.99F, false, "layer#.#.")                                       \
    B(resnet101, CAFFE, 1.001e-5F, 0.99F, false, "layer#.#.")                                      \
    B(mobilenet_v2, TF, 0.001F, 0.999F, false, "features.#.conv")                                  \
    B(mobilenet_v3_small, TF, 0.001F, 0.999F, false, "features.#.block")                           \
    B(mobilenet_v3_large, TF, 0.001F, 0.999F, false, "features.#.block")                           \
    B(squeezenet1_1, CAFFE, 0.001F, 0.99F, false, "features.#.")                                   \
    B(efficientnet_b0, TORCH, 0.001F, 0.99F, true, "features.#.#.block")                           \
    B(efficientnet_b1, TORCH, 0.001F, 0.99F, true, "features.#.#.block")                           \
    B(efficientnet_b2, TORCH, 0.001F, 0.99F, true, "features.#.#.block")                           \
    B(efficientnet_b3, TORCH, 0.001F, 0.99F, true, "features.#.#.block")                           \
    B(convnext_tiny, TORCH, 0.001F, 0.99F, true, "features.#.#.")                                  \
    B(regnet_y_400mf, TORCH, 0, 0, false, "trunk_output.block#.block#-#.")                         \
    B(vit_b_16, TORCH, 0, 0, true, "encoder.layers.encoder_layer_#.")                              \
    B(vit_s_16, TORCH, 0, 0, true, "encoder.layers.encoder_layer_#.")

static const entry entries[] = {
#define B(name, mode, eps, momentum, leaves_out, block)                                            \
    {#name, clade_backbone_##name, CLADE_KERAS_##mode, eps, momentum, leaves_out, block},
    BACKBONES(B)
#undef B
};
enum { entry_count = sizeof entries / sizeof *entries };

const char *const *clade_backbone_names(void)
{
#define B(name, mode, eps, momentum, leaves_out, block) #name,
    static const char *const names[] = {BACKBONES(B) NULL};
#undef B
    return names;
}

static clade_status fail_unknown(const char *name)
{
    char names[16 * entry_count] = "";
    size_t at = 0;
    for (int i = 0; i < entry_count && at < sizeof names; i++)
        at +=
            (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? ", " : "", entries[i].name);
    return clade_fail(CLADE_EINVAL, "there is no backbone '%s'; expected one of %s", name, names);
}

clade_status clade_backbone_build(const char *name, const clade_backbone_options *options,
                                  clade_backbone *out)
{
    *out = (clade_backbone){.eps = 1e-5F, .momentum = 0.9F}; /* torch: 0.1, as the share of the new
                                                              * value */
    if (options) out->options = *options;
    clade_backbone_options *o = &out->options;
    if (!o->height && !o->width) o->height = o->width = 224;
    if (!o->channels) o->channels = 3;
    if (o->classes < 0) return clade_fail(CLADE_EINVAL, "%d classes", o->classes);
    int i = 0;
    while (i < entry_count && strcmp(entries[i].name, name)) i++;
    if (i == entry_count) return fail_unknown(name);
    if (o->keras && entries[i].keras_eps == 0)
        return clade_fail(CLADE_EINVAL,
                          "%s: Keras' weights are not read for this network; expected "
                          "torchvision's",
                          name);
    if (!(o->stochastic_depth >= 0 && o->stochastic_depth < 1))
        return clade_fail(CLADE_EINVAL, "stochastic_depth is %g, expected 0 to less than 1",
                          (double)o->stochastic_depth);
    if (o->stochastic_depth > 0 && !entries[i].leaves_out)
        return clade_fail(
            CLADE_EINVAL,
            "stochastic_depth: %s has none; expected an efficientnet, a convnext or a "
            "vit",
            name);
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

/* Returns the length of the name that the pattern matches; 0: no match. */
static size_t match_block(const char *pattern, const char *name)
{
    const char *at = name;
    for (; *pattern; pattern++) {
        const size_t digits = strspn(at, "0123456789");
        if (*pattern == '#' ? digits == 0 : *at != *pattern) return 0;
        at += *pattern == '#' ? digits : 1;
    }
    return (size_t)(at - name);
}

int32_t clade_backbone_find_depths(const char *name, const clade_graph *graph, int32_t layers,
                                   int32_t *depth)
{
    int e = 0;
    while (e < entry_count - 1 && strcmp(entries[e].name, name)) e++;
    int32_t blocks = 0, next = 0; /* layers before `next` have their depths */
    const char *last = "";
    size_t last_size = 0;
    for (int32_t i = 0; i < layers; i++) {
        const char *layer = graph->node[i + 1].layer.name;
        const size_t size = match_block(entries[e].block, layer);
        if (size == 0 || graph->node[i + 1].weight_count == 0) continue;
        if (size != last_size || strncmp(layer, last, size)) blocks++;
        for (int32_t k = next; k <= i; k++) depth[k] = next == 0 && k < i ? 0 : blocks;
        last = layer;
        last_size = size;
        next = i + 1;
    }
    for (int32_t k = next; k < layers; k++) depth[k] = blocks;
    return blocks;
}
