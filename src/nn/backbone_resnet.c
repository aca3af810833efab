/* ResNet: He et al. 2015, "Deep residual learning for image recognition". torchvision puts the
 * stride of a bottleneck at its 3×3 convolution; Keras puts it at the first 1×1, and has biases. */
#include "nn/backbone.h"

/* The position of a residual block: names count stages from 1, blocks from 0. */
typedef struct resnet_place {
    int stage, block;
    int32_t filters, stride;
} resnet_place;

/* Adds convolution `i` (from 1) of a block and its normalisation. */
static int32_t conv_norm(clade_backbone *b, int32_t from, const resnet_place *at, int i,
                         int32_t filters, int32_t kernel, int32_t stride)
{
    const clade_backbone_conv conv = {
        .filters = filters, .kernel = kernel, .stride = stride, .bias = b->options.keras};
    clade_backbone_call(b, CLADE_NAMING_KERAS, "conv%d_block%d_%d_conv", at->stage + 1,
                        at->block + 1, i);
    from = clade_backbone_add_conv(b, from, conv, "layer%d.%d.conv%d", at->stage, at->block, i);
    clade_backbone_call(b, CLADE_NAMING_KERAS, "conv%d_block%d_%d_bn", at->stage + 1, at->block + 1,
                        i);
    return clade_backbone_add_norm(b, from, "layer%d.%d.bn%d", at->stage, at->block, i);
}

static int32_t activate(clade_backbone *b, int32_t from, const resnet_place *at, int i)
{
    return clade_backbone_activate(b, from, CLADE_RELU, "layer%d.%d.relu%d", at->stage, at->block,
                                   i);
}

/* Adds the shortcut around the block: its input, or a projection of it. */
static int32_t shortcut(clade_backbone *b, int32_t from, const resnet_place *at, int32_t filters,
                        bool project)
{
    const clade_backbone_conv conv = {
        .filters = filters, .kernel = 1, .stride = at->stride, .bias = b->options.keras};
    if (!project) return from;
    clade_backbone_call(b, CLADE_NAMING_KERAS, "conv%d_block%d_0_conv", at->stage + 1,
                        at->block + 1);
    from = clade_backbone_add_conv(b, from, conv, "layer%d.%d.downsample.0", at->stage, at->block);
    clade_backbone_call(b, CLADE_NAMING_KERAS, "conv%d_block%d_0_bn", at->stage + 1, at->block + 1);
    return clade_backbone_add_norm(b, from, "layer%d.%d.downsample.1", at->stage, at->block);
}

static void finish(clade_backbone *b, int32_t y, int32_t around, const resnet_place *at, int last)
{
    y = clade_backbone_join(b, CLADE_LAYER_ADD, y, around, "layer%d.%d.add", at->stage, at->block);
    activate(b, y, at, last);
}

static void basic(clade_backbone *b, const resnet_place *at)
{
    int32_t from = b->last;
    int32_t y = conv_norm(b, from, at, 1, at->filters, 3, at->stride);
    y = conv_norm(b, activate(b, y, at, 1), at, 2, at->filters, 3, 1);
    bool project = at->block == 0 && at->stage > 1;
    finish(b, y, shortcut(b, from, at, at->filters, project), at, 2);
}

static void bottleneck(clade_backbone *b, const resnet_place *at)
{
    int32_t from = b->last, early = b->options.keras ? at->stride : 1;
    int32_t y = conv_norm(b, from, at, 1, at->filters, 1, early);
    y = conv_norm(b, activate(b, y, at, 1), at, 2, at->filters, 3, at->stride / early);
    y = conv_norm(b, activate(b, y, at, 2), at, 3, 4 * at->filters, 1, 1);
    finish(b, y, shortcut(b, from, at, 4 * at->filters, at->block == 0), at, 3);
}

static void resnet(clade_backbone *b, const int blocks[4],
                   void (*block)(clade_backbone *b, const resnet_place *at))
{
    /* both pad the stem by 3 on all sides, and the pool by 1 */
    clade_layer stem = {.kind = CLADE_LAYER_ZERO_PADDING2D, .as.pad2d.pad = {3, 3, 3, 3}};
    clade_layer pool = {.kind = CLADE_LAYER_MAXPOOL2D,
                        .as.pool2d = {.window = {3, 3},
                                      .stride = {2, 2},
                                      .padding = CLADE_PADDING_EXPLICIT,
                                      .pad = {1, 1, 1, 1}}};
    clade_backbone_conv conv = {.filters = 64,
                                .kernel = 7,
                                .stride = 2,
                                .bias = b->options.keras,
                                .valid = b->options.keras};
    if (b->options.keras) clade_backbone_add(b, stem, "conv1_pad");
    clade_backbone_call(b, CLADE_NAMING_KERAS, "conv1_conv");
    clade_backbone_add_conv(b, b->last, conv, "conv1");
    clade_backbone_call(b, CLADE_NAMING_KERAS, "conv1_bn");
    clade_backbone_add_norm(b, b->last, "bn1");
    clade_backbone_activate(b, b->last, CLADE_RELU, "relu");
    clade_backbone_add(b, pool, "maxpool");
    for (int stage = 1; stage <= 4; stage++)
        for (int i = 0; i < blocks[stage - 1]; i++)
            block(b, &(resnet_place){.stage = stage,
                                     .block = i,
                                     .filters = 32 << stage,
                                     .stride = i == 0 && stage > 1 ? 2 : 1});
    clade_backbone_call(b, CLADE_NAMING_KERAS, "predictions");
    clade_backbone_add_classifier(b, 0, "avgpool", NULL, "fc");
}

void clade_backbone_resnet18(clade_backbone *b) { resnet(b, (const int[4]){2, 2, 2, 2}, basic); }

void clade_backbone_resnet34(clade_backbone *b) { resnet(b, (const int[4]){3, 4, 6, 3}, basic); }

void clade_backbone_resnet50(clade_backbone *b)
{
    resnet(b, (const int[4]){3, 4, 6, 3}, bottleneck);
}

void clade_backbone_resnet101(clade_backbone *b)
{
    resnet(b, (const int[4]){3, 4, 23, 3}, bottleneck);
}
