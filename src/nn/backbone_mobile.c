/* Nets of inverted residuals: MobileNetV2 (Sandler et al. 2018) and EfficientNet-B0 (Tan and Le
 * 2019). */
#include "nn/backbone.h"

#include <stdio.h>

/* Blocks of one kind in a row; the first has the stride. */
typedef struct mobile_stage {
    int32_t expand, kernel, stride, filters, count;
} mobile_stage;

/* One block, and what surrounds its names. */
typedef struct mobile_block {
    char torch[64], timm[64], keras[64]; /* the names before the part's own */
    int32_t inputs, expand, kernel, stride, filters, squeeze;
    clade_activation activation;
    bool efficient; /* EfficientNet's words in Keras */
} mobile_block;

/* A convolution, its normalisation and, unless it is linear, its activation. `torch` names the
 * convolution; its normalisation is `norm`. */
static int32_t conv_norm(clade_backbone *b, int32_t from, clade_backbone_conv conv,
                         clade_activation activation, const char *torch, const char *norm,
                         const char *const timm[2], const char *const keras[2])
{
    clade_backbone_call(b, CLADE_NAMING_TIMM, "%s", timm[0]);
    clade_backbone_call(b, CLADE_NAMING_KERAS, "%s", keras[0]);
    from = clade_backbone_add_conv(b, from, conv, "%s", torch);
    clade_backbone_call(b, CLADE_NAMING_TIMM, "%s", timm[1]);
    clade_backbone_call(b, CLADE_NAMING_KERAS, "%s", keras[1]);
    from = clade_backbone_add_norm(b, from, "%s", norm);
    return activation ? clade_backbone_activate(b, from, activation, "%s.act", norm) : from;
}

/* The parts of a block. */
typedef struct mobile_part {
    const char *timm, *keras, *keras_norm; /* as in MobileNetV2; EfficientNet's follow */
    const char *efficient, *efficient_norm;
} mobile_part;
static const mobile_part expansion = {"conv_pw", "expand", "expand_BN", "expand_conv", "expand_bn"};
static const mobile_part depthwise = {"conv_dw", "depthwise", "depthwise_BN", "dwconv", "bn"};
static const mobile_part projection = {"conv_pwl", "project", "project_BN", "project_conv",
                                       "project_bn"};

/* Part number `i` of the block's sequence, and number `norm` of timm's normalisations. */
static int32_t add_part(clade_backbone *b, const mobile_block *k, int32_t from,
                        const mobile_part *p, int i, int norm, clade_backbone_conv conv,
                        bool linear)
{
    char torch[96], torch_norm[96], timm[2][96], keras[2][96];
    /* MobileNetV2's projection is not wrapped in a sequence of its own */
    bool flat = linear && !k->efficient;
    snprintf(torch, sizeof torch, "%s.%d%s", k->torch, i, flat ? "" : ".0");
    snprintf(torch_norm, sizeof torch_norm, flat ? "%s.%d" : "%s.%d.1", k->torch, flat ? i + 1 : i);
    bool plain = k->expand == 1 && linear; /* without an expansion, timm's projection is conv_pw */
    snprintf(timm[0], sizeof timm[0], "%s.%s", k->timm, plain ? "conv_pw" : p->timm);
    snprintf(timm[1], sizeof timm[1], "%s.bn%d", k->timm, norm);
    snprintf(keras[0], sizeof keras[0], "%s%s", k->keras, k->efficient ? p->efficient : p->keras);
    snprintf(keras[1], sizeof keras[1], "%s%s", k->keras,
             k->efficient ? p->efficient_norm : p->keras_norm);
    return conv_norm(b, from, conv, linear ? CLADE_LINEAR : k->activation, torch, torch_norm,
                     (const char *const[]){timm[0], timm[1]},
                     (const char *const[]){keras[0], keras[1]});
}

/* Squeeze and excite: each channel is scaled by what a small net makes of all channels' means. */
static int32_t excite(clade_backbone *b, const mobile_block *k, int32_t from, int i)
{
    int32_t channels = k->inputs * k->expand;
    clade_layer pool = {.kind = CLADE_LAYER_GLOBAL_AVGPOOL2D, .input_count = 1, .input = {from}};
    clade_backbone_add(b, pool, "%s.%d.avgpool", k->torch, i);
    clade_backbone_call(b, CLADE_NAMING_TIMM, "%s.se.conv_reduce", k->timm);
    clade_backbone_call(b, CLADE_NAMING_KERAS, "%sse_reduce", k->keras);
    clade_backbone_add_dense(b, b->last, k->squeeze, CLADE_SILU, "%s.%d.fc1", k->torch, i);
    clade_backbone_call(b, CLADE_NAMING_TIMM, "%s.se.conv_expand", k->timm);
    clade_backbone_call(b, CLADE_NAMING_KERAS, "%sse_expand", k->keras);
    clade_backbone_add_dense(b, b->last, channels, CLADE_SIGMOID, "%s.%d.fc2", k->torch, i);
    return clade_backbone_join(b, CLADE_LAYER_MULTIPLY, from, b->last, "%s.%d", k->torch, i);
}

static void add_block(clade_backbone *b, const mobile_block *k)
{
    int32_t from = b->last, y = from;
    int i = 0, norm = 1;
    const clade_backbone_conv wide = {.filters = k->inputs * k->expand, .kernel = 1};
    const clade_backbone_conv deep = {.depthwise = true, .kernel = k->kernel, .stride = k->stride};
    const clade_backbone_conv narrow = {.filters = k->filters, .kernel = 1};
    if (k->expand > 1) y = add_part(b, k, y, &expansion, i++, norm++, wide, false);
    y = add_part(b, k, y, &depthwise, i++, norm++, deep, false);
    if (k->squeeze) y = excite(b, k, y, i++);
    y = add_part(b, k, y, &projection, i, norm, narrow, true);
    if (k->stride == 1 && k->inputs == k->filters)
        clade_backbone_join(b, CLADE_LAYER_ADD, from, y, "%s.add", k->torch);
}

/* Stem, stages, head: what both nets share. */
static void inverted(clade_backbone *b, const mobile_stage *stages, int count, bool efficient)
{
    clade_activation activation = efficient ? CLADE_SILU : CLADE_RELU6;
    int number = 1; /* of the block in the whole net */
    int32_t inputs = 32;
    const char *const stem[] = {"conv_stem", "bn1"}, *const top[] = {"conv_head", "bn2"};
    const char *const keras_stem[] = {efficient ? "stem_conv" : "Conv1",
                                      efficient ? "stem_bn" : "bn_Conv1"};
    const char *const keras_top[] = {efficient ? "top_conv" : "Conv_1",
                                     efficient ? "top_bn" : "Conv_1_bn"};
    conv_norm(b, b->last, (clade_backbone_conv){.filters = 32, .kernel = 3, .stride = 2},
              activation, "features.0.0", "features.0.1", stem, keras_stem);
    for (int s = 0; s < count; s++) {
        for (int i = 0; i < stages[s].count; i++, number++) {
            mobile_block k = {.inputs = inputs,
                              .expand = stages[s].expand,
                              .kernel = stages[s].kernel,
                              .stride = i == 0 ? stages[s].stride : 1,
                              .filters = stages[s].filters,
                              .squeeze = efficient ? inputs / 4 : 0,
                              .activation = activation,
                              .efficient = efficient};
            snprintf(k.timm, sizeof k.timm, "blocks.%d.%d", s, i);
            if (efficient) {
                snprintf(k.torch, sizeof k.torch, "features.%d.%d.block", s + 1, i);
                snprintf(k.keras, sizeof k.keras, "block%d%c_", s + 1, 'a' + i);
            } else {
                snprintf(k.torch, sizeof k.torch, "features.%d.conv", number);
                if (number > 1)
                    snprintf(k.keras, sizeof k.keras, "block_%d_", number - 1);
                else
                    snprintf(k.keras, sizeof k.keras, "expanded_conv_");
            }
            add_block(b, &k);
            inputs = stages[s].filters;
        }
    }
    char torch[32], norm[32];
    snprintf(torch, sizeof torch, "features.%d.0", efficient ? 8 : 18);
    snprintf(norm, sizeof norm, "features.%d.1", efficient ? 8 : 18);
    conv_norm(b, b->last, (clade_backbone_conv){.filters = 1280, .kernel = 1}, activation, torch,
              norm, top, keras_top);
    clade_backbone_call(b, CLADE_NAMING_TIMM, "classifier");
    clade_backbone_call(b, CLADE_NAMING_KERAS, "predictions");
    clade_backbone_add_classifier(b, 0.2F, "avgpool", "classifier.0", "classifier.1");
}

void clade_backbone_mobilenet_v2(clade_backbone *b)
{
    static const mobile_stage stages[] = {
        {1, 3, 1, 16, 1}, {6, 3, 2, 24, 2},  {6, 3, 2, 32, 3},  {6, 3, 2, 64, 4},
        {6, 3, 1, 96, 3}, {6, 3, 2, 160, 3}, {6, 3, 1, 320, 1},
    };
    inverted(b, stages, 7, false);
}

void clade_backbone_efficientnet_b0(clade_backbone *b)
{
    static const mobile_stage stages[] = {
        {1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2},  {6, 3, 2, 80, 3},
        {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1},
    };
    inverted(b, stages, 7, true);
}
