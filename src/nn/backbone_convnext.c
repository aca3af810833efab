/* ConvNeXt-T: Liu et al. 2022, "A ConvNet for the 2020s". torchvision's linear layers over the
 * channels are 1×1 convolutions here; Keras' depthwise convolutions are grouped ones. */
#include "nn/backbone.h"

#include <stdio.h>

/* One block; `number` of `count` in the whole net. */
typedef struct convnext_block {
    char torch[32], timm[32], keras[48];
    int32_t channels;
    int number, count;
} convnext_block;

/* Sets a part's names: the block's, followed by its own. */
static void call_part(clade_backbone *b, const convnext_block *k, const char *timm,
                      const char *keras)
{
    clade_backbone_call(b, CLADE_NAMING_TIMM, "%s%s", k->timm, timm);
    clade_backbone_call(b, CLADE_NAMING_KERAS, "%s_%s", k->keras, keras);
}

static void add_block(clade_backbone *b, const convnext_block *k)
{
    const clade_backbone_conv depthwise = {.depthwise = !b->options.keras,
                                           .filters = k->channels,
                                           .groups = b->options.keras ? k->channels : 0,
                                           .kernel = 7,
                                           .bias = true},
                              wide = {.filters = 4 * k->channels,
                                      .kernel = 1,
                                      .bias = true,
                                      .activation = CLADE_GELU},
                              narrow = {.filters = k->channels, .kernel = 1, .bias = true};
    char name[64];
    int32_t from = b->last;
    call_part(b, k, ".conv_dw", "depthwise_conv");
    int32_t y = clade_backbone_add_conv(b, from, depthwise, "%s.block.0", k->torch);
    call_part(b, k, ".norm", "layernorm");
    snprintf(name, sizeof name, "%s.block.2", k->torch);
    y = clade_backbone_add_layer_norm(b, y, name);
    call_part(b, k, ".mlp.fc1", "pointwise_conv_1");
    y = clade_backbone_add_conv(b, y, wide, "%s.block.3", k->torch);
    call_part(b, k, ".mlp.fc2", "pointwise_conv_2");
    y = clade_backbone_add_conv(b, y, narrow, "%s.block.5", k->torch);
    call_part(b, k, ".gamma", "layer_scale");
    const clade_layer scale = {.kind = CLADE_LAYER_LAYER_SCALE, .input_count = 1, .input = {y}};
    y = clade_backbone_add(b, scale, "%s.layer_scale", k->torch);
    y = clade_backbone_leave_out(b, y, k->number, k->count - 1, "%s.stochastic_depth", k->torch);
    clade_backbone_join(b, CLADE_LAYER_ADD, y, from, "%s.add", k->torch);
}

/* Adds the patches of an image, normalised. */
static void add_stem(clade_backbone *b, int32_t filters)
{
    const clade_backbone_conv conv = {
        .filters = filters, .kernel = 4, .stride = 4, .valid = true, .bias = true};
    clade_backbone_call(b, CLADE_NAMING_TIMM, "stem.0");
    clade_backbone_call(b, CLADE_NAMING_KERAS, "convnext_tiny_stem/convnext_tiny_stem_conv");
    clade_backbone_add_conv(b, b->last, conv, "features.0.0");
    clade_backbone_call(b, CLADE_NAMING_TIMM, "stem.1");
    clade_backbone_call(b, CLADE_NAMING_KERAS, "convnext_tiny_stem/convnext_tiny_stem_layernorm");
    clade_backbone_add_layer_norm(b, b->last, "features.0.1");
}

/* Halves the size, before stage `s` from 1. */
static void add_downsampling(clade_backbone *b, int s, int32_t filters)
{
    const clade_backbone_conv conv = {
        .filters = filters, .kernel = 2, .stride = 2, .valid = true, .bias = true};
    static const char keras[] = "convnext_tiny_downsampling";
    char name[32];
    clade_backbone_call(b, CLADE_NAMING_TIMM, "stages.%d.downsample.0", s);
    clade_backbone_call(b, CLADE_NAMING_KERAS, "%s_block_%d/%s_layernorm_%d", keras, s - 1, keras,
                        s - 1);
    snprintf(name, sizeof name, "features.%d.0", 2 * s);
    clade_backbone_add_layer_norm(b, b->last, name);
    clade_backbone_call(b, CLADE_NAMING_TIMM, "stages.%d.downsample.1", s);
    clade_backbone_call(b, CLADE_NAMING_KERAS, "%s_block_%d/%s_conv_%d", keras, s - 1, keras,
                        s - 1);
    clade_backbone_add_conv(b, b->last, conv, "features.%d.1", 2 * s);
}

void clade_backbone_convnext_tiny(clade_backbone *b)
{
    static const struct {
        int32_t channels;
        int count;
    } stages[] = {{96, 3}, {192, 3}, {384, 9}, {768, 3}};
    int number = 0;
    add_stem(b, stages[0].channels);
    for (int s = 0; s < 4; s++) {
        if (s > 0) add_downsampling(b, s, stages[s].channels);
        for (int i = 0; i < stages[s].count; i++) {
            convnext_block k = {.channels = stages[s].channels, .number = number++, .count = 18};
            snprintf(k.torch, sizeof k.torch, "features.%d.%d", 2 * s + 1, i);
            snprintf(k.timm, sizeof k.timm, "stages.%d.blocks.%d", s, i);
            snprintf(k.keras, sizeof k.keras, "convnext_tiny_stage_%d_block_%d", s, i);
            add_block(b, &k);
        }
    }
    if (!b->options.classes) return;
    const clade_layer pool = {
        .kind = CLADE_LAYER_GLOBAL_AVGPOOL2D, .input_count = 1, .input = {b->last}};
    clade_backbone_add(b, pool, "avgpool");
    clade_backbone_call(b, CLADE_NAMING_TIMM, "head.norm");
    clade_backbone_call(b, CLADE_NAMING_KERAS, "convnext_tiny_head_layernorm");
    clade_backbone_add_layer_norm(b, b->last, "classifier.0");
    clade_backbone_call(b, CLADE_NAMING_TIMM, "head.fc");
    clade_backbone_call(b, CLADE_NAMING_KERAS, "convnext_tiny_head_dense");
    clade_backbone_add_dense(b, b->last, b->options.classes, CLADE_LINEAR, "classifier.2");
}
