/* Nets of inverted residuals: MobileNetV2 (Sandler et al. 2018), MobileNetV3 (Howard et al. 2019)
 * and EfficientNet (Tan and Le 2019). */
#include "nn/backbone.h"

#include <math.h>
#include <stdio.h>

/* The net whose names and details apply. */
typedef enum mobile_style { MOBILE_V2, MOBILE_V3, EFFICIENT } mobile_style;

/* Consecutive blocks of one kind; the first has the stride. */
typedef struct mobile_stage {
    int32_t expand, kernel, stride, filters, count;
} mobile_stage;

/* One block, and the prefixes of its names; `number` of `count` in the whole net. */
typedef struct mobile_block {
    char torch[64], timm[64], keras[64]; /* prefixes of the parts' names; timm may have none */
    int32_t inputs, wide, kernel, stride, filters, squeeze;
    int number, count;
    clade_activation activation;
    mobile_style style;
} mobile_block;

/* Adds a convolution, its normalisation and, unless it is linear, its activation. `torch` names the
 * convolution, `norm` its normalisation. */
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

/* The parts of a block; Keras' names for them, and for their normalisation, by style. */
typedef struct mobile_part {
    const char *timm, *keras[3], *keras_norm[3];
} mobile_part;
static const mobile_part expansion = {
    "conv_pw", {"expand", "expand", "expand_conv"}, {"expand_BN", "expand/BatchNorm", "expand_bn"}};
static const mobile_part depthwise = {
    "conv_dw", {"depthwise", "depthwise", "dwconv"}, {"depthwise_BN", "depthwise/BatchNorm", "bn"}};
static const mobile_part projection = {"conv_pwl",
                                       {"project", "project", "project_conv"},
                                       {"project_BN", "project/BatchNorm", "project_bn"}};

/* Adds part number `i` of the block's sequence, with number `norm` of timm's normalisations. */
static int32_t add_part(clade_backbone *b, const mobile_block *k, int32_t from,
                        const mobile_part *p, int i, int norm, clade_backbone_conv conv,
                        bool linear)
{
    char torch[96], torch_norm[96], timm[2][96] = {"", ""}, keras[2][96];
    /* MobileNetV2's projection is not wrapped in a sequence of its own */
    bool flat = linear && k->style == MOBILE_V2;
    snprintf(torch, sizeof torch, "%s.%d%s", k->torch, i, flat ? "" : ".0");
    snprintf(torch_norm, sizeof torch_norm, flat ? "%s.%d" : "%s.%d.1", k->torch, flat ? i + 1 : i);
    /* without an expansion, timm's projection is conv_pw */
    bool plain = k->wide == k->inputs && linear;
    if (*k->timm) {
        snprintf(timm[0], sizeof timm[0], "%s.%s", k->timm, plain ? "conv_pw" : p->timm);
        snprintf(timm[1], sizeof timm[1], "%s.bn%d", k->timm, norm);
    }
    snprintf(keras[0], sizeof keras[0], "%s%s", k->keras, p->keras[k->style]);
    snprintf(keras[1], sizeof keras[1], "%s%s", k->keras, p->keras_norm[k->style]);
    return conv_norm(b, from, conv, linear ? CLADE_LINEAR : k->activation, torch, torch_norm,
                     (const char *const[]){timm[0], timm[1]},
                     (const char *const[]){keras[0], keras[1]});
}

static int32_t excite(clade_backbone *b, const mobile_block *k, int32_t from, int i)
{
    bool efficient = k->style == EFFICIENT;
    char name[96], timm[2][96] = {"", ""}, keras[2][96];
    snprintf(name, sizeof name, "%s.%d", k->torch, i);
    if (*k->timm) {
        snprintf(timm[0], sizeof timm[0], "%s.se.conv_reduce", k->timm);
        snprintf(timm[1], sizeof timm[1], "%s.se.conv_expand", k->timm);
    }
    snprintf(keras[0], sizeof keras[0], "%s%s", k->keras,
             efficient ? "se_reduce" : "squeeze_excite/Conv");
    snprintf(keras[1], sizeof keras[1], "%s%s", k->keras,
             efficient ? "se_expand" : "squeeze_excite/Conv_1");
    const clade_squeeze_excite_layer settings = {.units = k->squeeze,
                                                 .activation = efficient ? CLADE_SILU : CLADE_RELU,
                                                 .gate = efficient ? CLADE_SIGMOID
                                                                   : CLADE_HARD_SIGMOID};
    return clade_backbone_excite(b, from, name, &settings, (const char *const[]){timm[0], timm[1]},
                                 (const char *const[]){keras[0], keras[1]});
}

static void add_block(clade_backbone *b, const mobile_block *k)
{
    int32_t from = b->last, y = from;
    int i = 0, norm = 1;
    const clade_backbone_conv wide = {.filters = k->wide, .kernel = 1};
    const clade_backbone_conv deep = {.depthwise = true, .kernel = k->kernel, .stride = k->stride};
    const clade_backbone_conv narrow = {.filters = k->filters, .kernel = 1};
    if (k->wide != k->inputs) y = add_part(b, k, y, &expansion, i++, norm++, wide, false);
    y = add_part(b, k, y, &depthwise, i++, norm++, deep, false);
    if (k->squeeze) y = excite(b, k, y, i++);
    y = add_part(b, k, y, &projection, i, norm, narrow, true);
    if (k->stride > 1 || k->inputs != k->filters) return;
    y = clade_backbone_leave_out(b, y, k->number, k->count, "%s.stochastic_depth", k->torch);
    clade_backbone_join(b, CLADE_LAYER_ADD, from, y, "%s.add", k->torch);
}

/* Rounds a channel count to a multiple of 8, at least nine tenths of `x`. */
static int32_t round_channels(float x)
{
    int32_t n = (int32_t)(x + 4) / 8 * 8;
    if (n < 8) n = 8;
    return (float)n < 0.9F * x ? n + 8 : n;
}

/* --- MobileNetV2 and EfficientNet: stem, stages, head --- */

typedef struct mobile_net {
    const mobile_stage *stages; /* 7 */
    mobile_style style;
    float wide, deep; /* factors of the stages' filters and counts */
    float dropout;
} mobile_net;

static int32_t filters_of(const mobile_net *net, int32_t filters)
{
    return round_channels(net->wide * (float)filters);
}

static int blocks_of(const mobile_net *net, int stage)
{
    return (int)ceilf(net->deep * (float)net->stages[stage].count);
}

static void inverted(clade_backbone *b, const mobile_net *net)
{
    enum { count = 7 };
    const bool efficient = net->style == EFFICIENT;
    const clade_activation activation = efficient ? CLADE_SILU : CLADE_RELU6;
    int number = 0, all = 0; /* blocks in the whole net */
    int32_t inputs = filters_of(net, 32), last = 1280;
    const char *const stem[] = {"conv_stem", "bn1"}, *const top[] = {"conv_head", "bn2"};
    const char *const keras_stem[] = {efficient ? "stem_conv" : "Conv1",
                                      efficient ? "stem_bn" : "bn_Conv1"};
    const char *const keras_top[] = {efficient ? "top_conv" : "Conv_1",
                                     efficient ? "top_bn" : "Conv_1_bn"};
    conv_norm(b, b->last, (clade_backbone_conv){.filters = inputs, .kernel = 3, .stride = 2},
              activation, "features.0.0", "features.0.1", stem, keras_stem);
    for (int s = 0; s < count; s++) all += blocks_of(net, s);
    for (int s = 0; s < count; s++) {
        const mobile_stage *stage = &net->stages[s];
        for (int i = 0; i < blocks_of(net, s); i++, number++) {
            mobile_block k = {.inputs = inputs,
                              .wide = inputs * stage->expand,
                              .kernel = stage->kernel,
                              .stride = i == 0 ? stage->stride : 1,
                              .filters = filters_of(net, stage->filters),
                              .squeeze = efficient ? inputs / 4 : 0,
                              .number = number,
                              .count = all,
                              .activation = activation,
                              .style = net->style};
            snprintf(k.timm, sizeof k.timm, "blocks.%d.%d", s, i);
            if (efficient) {
                snprintf(k.torch, sizeof k.torch, "features.%d.%d.block", s + 1, i);
                snprintf(k.keras, sizeof k.keras, "block%d%c_", s + 1, 'a' + i);
            } else {
                snprintf(k.torch, sizeof k.torch, "features.%d.conv", number + 1);
                if (number > 0)
                    snprintf(k.keras, sizeof k.keras, "block_%d_", number);
                else
                    snprintf(k.keras, sizeof k.keras, "expanded_conv_");
            }
            add_block(b, &k);
            inputs = k.filters;
        }
    }
    if (efficient) last = 4 * inputs;
    char torch[32], norm[32];
    snprintf(torch, sizeof torch, "features.%d.0", efficient ? 8 : 18);
    snprintf(norm, sizeof norm, "features.%d.1", efficient ? 8 : 18);
    conv_norm(b, b->last, (clade_backbone_conv){.filters = last, .kernel = 1}, activation, torch,
              norm, top, keras_top);
    clade_backbone_call(b, CLADE_NAMING_TIMM, "classifier");
    clade_backbone_call(b, CLADE_NAMING_KERAS, "predictions");
    clade_backbone_add_classifier(b, net->dropout, "avgpool", "classifier.0", "classifier.1");
}

void clade_backbone_mobilenet_v2(clade_backbone *b)
{
    static const mobile_stage stages[] = {
        {1, 3, 1, 16, 1}, {6, 3, 2, 24, 2},  {6, 3, 2, 32, 3},  {6, 3, 2, 64, 4},
        {6, 3, 1, 96, 3}, {6, 3, 2, 160, 3}, {6, 3, 1, 320, 1},
    };
    inverted(b, &(mobile_net){stages, MOBILE_V2, 1, 1, 0.2F});
}

static void efficientnet(clade_backbone *b, float wide, float deep, float dropout)
{
    static const mobile_stage stages[] = {
        {1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2},  {6, 3, 2, 80, 3},
        {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1},
    };
    inverted(b, &(mobile_net){stages, EFFICIENT, wide, deep, dropout});
}

void clade_backbone_efficientnet_b0(clade_backbone *b) { efficientnet(b, 1, 1, 0.2F); }
void clade_backbone_efficientnet_b1(clade_backbone *b) { efficientnet(b, 1, 1.1F, 0.2F); }
void clade_backbone_efficientnet_b2(clade_backbone *b) { efficientnet(b, 1.1F, 1.2F, 0.3F); }
void clade_backbone_efficientnet_b3(clade_backbone *b) { efficientnet(b, 1.2F, 1.4F, 0.3F); }

/* --- MobileNetV3 --- */

/* A block as in the paper's tables; its activation is hard_swish, or else relu. */
typedef struct mobile_row {
    int32_t kernel, wide, filters;
    bool squeeze, hard;
    int32_t stride;
} mobile_row;

/* timm's nets of these names normalise with another eps, so that their weights are not
 * supported. */
static void mobilenet_v3(clade_backbone *b, const mobile_row *rows, int count, int32_t units)
{
    static const char *const none[] = {"", ""};
    const char *const keras_stem[] = {"Conv", "Conv/BatchNorm"};
    const char *const keras_top[] = {"Conv_1", "Conv_1/BatchNorm"};
    int32_t inputs = 16;
    if (!b->options.keras) {
        b->eps = 0.001F;
        b->momentum = 0.99F;
    }
    conv_norm(b, b->last, (clade_backbone_conv){.filters = inputs, .kernel = 3, .stride = 2},
              CLADE_HARD_SWISH, "features.0.0", "features.0.1", none, keras_stem);
    for (int i = 0; i < count; i++) {
        const mobile_row *row = &rows[i];
        mobile_block k = {.inputs = inputs,
                          .wide = row->wide,
                          .kernel = row->kernel,
                          .stride = row->stride,
                          .filters = row->filters,
                          .squeeze = row->squeeze ? round_channels((float)row->wide / 4) : 0,
                          .number = i,
                          .count = count,
                          .activation = row->hard ? CLADE_HARD_SWISH : CLADE_RELU,
                          .style = MOBILE_V3};
        snprintf(k.torch, sizeof k.torch, "features.%d.block", i + 1);
        if (i > 0)
            snprintf(k.keras, sizeof k.keras, "expanded_conv_%d/", i);
        else
            snprintf(k.keras, sizeof k.keras, "expanded_conv/");
        add_block(b, &k);
        inputs = row->filters;
    }
    char torch[32], norm[32];
    snprintf(torch, sizeof torch, "features.%d.0", count + 1);
    snprintf(norm, sizeof norm, "features.%d.1", count + 1);
    conv_norm(b, b->last, (clade_backbone_conv){.filters = 6 * inputs, .kernel = 1},
              CLADE_HARD_SWISH, torch, norm, none, keras_top);
    if (!b->options.classes) return;
    const clade_layer pool = {
        .kind = CLADE_LAYER_GLOBAL_AVGPOOL2D, .input_count = 1, .input = {b->last}};
    clade_layer dropout = {.kind = CLADE_LAYER_DROPOUT, .input_count = 1, .as.dropout.rate = 0.2F};
    clade_backbone_add(b, pool, "avgpool");
    clade_backbone_call(b, CLADE_NAMING_KERAS, "Conv_2");
    clade_backbone_add_dense(b, b->last, units, CLADE_HARD_SWISH, "classifier.0");
    dropout.input[0] = b->last;
    clade_backbone_add(b, dropout, "classifier.2");
    clade_backbone_call(b, CLADE_NAMING_KERAS, "Logits");
    clade_backbone_add_dense(b, b->last, b->options.classes, CLADE_LINEAR, "classifier.3");
}

void clade_backbone_mobilenet_v3_small(clade_backbone *b)
{
    static const mobile_row rows[] = {
        {3, 16, 16, true, false, 2}, {3, 72, 24, false, false, 2}, {3, 88, 24, false, false, 1},
        {5, 96, 40, true, true, 2},  {5, 240, 40, true, true, 1},  {5, 240, 40, true, true, 1},
        {5, 120, 48, true, true, 1}, {5, 144, 48, true, true, 1},  {5, 288, 96, true, true, 2},
        {5, 576, 96, true, true, 1}, {5, 576, 96, true, true, 1},
    };
    mobilenet_v3(b, rows, sizeof rows / sizeof *rows, 1024);
}

void clade_backbone_mobilenet_v3_large(clade_backbone *b)
{
    static const mobile_row rows[] = {
        {3, 16, 16, false, false, 1}, {3, 64, 24, false, false, 2}, {3, 72, 24, false, false, 1},
        {5, 72, 40, true, false, 2},  {5, 120, 40, true, false, 1}, {5, 120, 40, true, false, 1},
        {3, 240, 80, false, true, 2}, {3, 200, 80, false, true, 1}, {3, 184, 80, false, true, 1},
        {3, 184, 80, false, true, 1}, {3, 480, 112, true, true, 1}, {3, 672, 112, true, true, 1},
        {5, 672, 160, true, true, 2}, {5, 960, 160, true, true, 1}, {5, 960, 160, true, true, 1},
    };
    mobilenet_v3(b, rows, sizeof rows / sizeof *rows, 1280);
}
