/* Vision transformers: Dosovitskiy et al. 2021, "An Image Is Worth 16x16 Words"; the small one is
 * that of Touvron et al. 2021. Names are torchvision's, which has the base one; linear layers over
 * the channels are 1 × 1 convolutions here. The features are the class token, an image of one
 * pixel. */
#include "nn/backbone.h"

#include <stdio.h>

typedef struct vit {
    int32_t channels, heads;
    int blocks;
} vit;

static int32_t add_plain(clade_backbone *b, clade_layer_kind kind, const char *torch)
{
    const clade_layer layer = {.kind = kind, .input_count = 1, .input = {b->last}};
    return clade_backbone_add(b, layer, "%s", torch);
}

/* Adds a token for each patch of 16 × 16 pixels, the class token before them, and the position
 * embedding. */
static void add_tokens(clade_backbone *b, const vit *v)
{
    const clade_backbone_conv conv = {
        .filters = v->channels, .kernel = 16, .stride = 16, .valid = true, .bias = true};
    clade_backbone_call(b, CLADE_NAMING_TIMM, "patch_embed.proj");
    clade_backbone_add_conv(b, b->last, conv, "conv_proj");
    clade_backbone_call(b, CLADE_NAMING_TIMM, "cls_token");
    add_plain(b, CLADE_LAYER_CLASS_TOKEN, "class_token");
    clade_backbone_call(b, CLADE_NAMING_TIMM, "pos_embed");
    add_plain(b, CLADE_LAYER_POSITION_EMBEDDING, "encoder.pos_embedding");
}

/* Sets the names of a part of block `i`. */
static const char *name_part(clade_backbone *b, int i, const char *torch, const char *timm,
                             char name[CLADE_NAME_SIZE])
{
    clade_backbone_call(b, CLADE_NAMING_TIMM, "blocks.%d.%s", i, timm);
    snprintf(name, CLADE_NAME_SIZE, "encoder.layers.encoder_layer_%d.%s", i, torch);
    return name;
}

static int32_t mix(clade_backbone *b, int32_t from, int32_t filters, clade_activation activation,
                   const char *name)
{
    const clade_backbone_conv conv = {
        .filters = filters, .kernel = 1, .bias = true, .activation = activation};
    return clade_backbone_add_conv(b, from, conv, "%s", name);
}

static void add_block(clade_backbone *b, const vit *v, int i)
{
    char name[CLADE_NAME_SIZE];
    int32_t from = b->last;
    const int32_t c = v->channels;
    int32_t y = clade_backbone_add_layer_norm(b, from, name_part(b, i, "ln_1", "norm1", name));
    name_part(b, i, "self_attention.in_proj", "attn.qkv", name);
    clade_backbone_call(b, CLADE_NAMING_GLUON, "%s", name); /* in_proj_weight */
    y = mix(b, y, 3 * c, CLADE_LINEAR, name);
    const clade_layer attention = {.kind = CLADE_LAYER_ATTENTION,
                                   .input_count = 1,
                                   .input = {y},
                                   .as.attention.heads = v->heads};
    y = clade_backbone_add(b, attention, "encoder.layers.encoder_layer_%d.self_attention", i);
    y = mix(b, y, c, CLADE_LINEAR, name_part(b, i, "self_attention.out_proj", "attn.proj", name));
    y = clade_backbone_leave_out(b, y, i, v->blocks - 1,
                                 "encoder.layers.encoder_layer_%d.stochastic_depth_1", i);
    from = clade_backbone_join(b, CLADE_LAYER_ADD, y, from, "encoder.layers.encoder_layer_%d.add_1",
                               i);
    y = clade_backbone_add_layer_norm(b, from, name_part(b, i, "ln_2", "norm2", name));
    name_part(b, i, "mlp.0", "mlp.fc1", name);
    clade_backbone_call(b, CLADE_NAMING_OLD, "encoder.layers.encoder_layer_%d.mlp.linear_1", i);
    y = mix(b, y, 4 * c, CLADE_GELU, name);
    name_part(b, i, "mlp.3", "mlp.fc2", name);
    clade_backbone_call(b, CLADE_NAMING_OLD, "encoder.layers.encoder_layer_%d.mlp.linear_2", i);
    y = mix(b, y, c, CLADE_LINEAR, name);
    y = clade_backbone_leave_out(b, y, i, v->blocks - 1,
                                 "encoder.layers.encoder_layer_%d.stochastic_depth_2", i);
    clade_backbone_join(b, CLADE_LAYER_ADD, y, from, "encoder.layers.encoder_layer_%d.add_2", i);
}

/* Takes the class token of the last block's output, as an image. */
static void take_class_token(clade_backbone *b, const vit *v)
{
    add_plain(b, CLADE_LAYER_FLATTEN, "encoder.flatten");
    clade_layer layer = {.kind = CLADE_LAYER_SPLIT, .input_count = 1, .input = {b->last}};
    layer.as.split.channels = v->channels;
    clade_backbone_add(b, layer, "encoder.class_token");
    layer = (clade_layer){.kind = CLADE_LAYER_RESHAPE, .input_count = 1, .input = {b->last}};
    layer.as.reshape = (clade_reshape_layer){3, {1, 1, v->channels}};
    clade_backbone_add(b, layer, "encoder.image");
}

static void add_vit(clade_backbone *b, const vit *v)
{
    add_tokens(b, v);
    for (int i = 0; i < v->blocks; i++) add_block(b, v, i);
    take_class_token(b, v);
    clade_backbone_call(b, CLADE_NAMING_TIMM, "norm");
    clade_backbone_add_layer_norm(b, b->last, "encoder.ln");
    if (!b->options.classes) return;
    add_plain(b, CLADE_LAYER_FLATTEN, "flatten");
    clade_backbone_call(b, CLADE_NAMING_TIMM, "head");
    clade_backbone_add_dense(b, b->last, b->options.classes, CLADE_LINEAR, "heads.head");
}

void clade_backbone_vit_s_16(clade_backbone *b)
{
    add_vit(b, &(vit){.channels = 384, .heads = 6, .blocks = 12});
}

void clade_backbone_vit_b_16(clade_backbone *b)
{
    add_vit(b, &(vit){.channels = 768, .heads = 12, .blocks = 12});
}
