/* SqueezeNet 1.1: Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer
 * parameters". */
#include "nn/backbone.h"

#include <stdio.h>

/* Gluon numbers the convolutions in the order of their creation. */
static int32_t add_conv(clade_backbone *b, int32_t from, int *number, clade_backbone_conv conv,
                        const char *name, const char *keras)
{
    conv.bias = true;
    conv.activation = CLADE_RELU;
    clade_backbone_call(b, CLADE_NAMING_KERAS, "%s", keras);
    clade_backbone_call(b, CLADE_NAMING_GLUON, "squeezenet0_conv%d", (*number)++);
    return clade_backbone_add_conv(b, from, conv, "%s", name);
}

/* Adds a fire module: a 1×1 convolution squeezes, then a 1×1 and a 3×3 expand side by side. */
static void fire(clade_backbone *b, int *number, int feature, int count, int32_t squeeze,
                 int32_t expand)
{
    static const char *const parts[3][2] = {
        {"squeeze", "squeeze1x1"}, {"expand1x1", "expand1x1"}, {"expand3x3", "expand3x3"}};
    int32_t y[3];
    for (int i = 0; i < 3; i++) {
        char name[64], keras[64];
        snprintf(name, sizeof name, "features.%d.%s", feature, parts[i][0]);
        snprintf(keras, sizeof keras, "fire%d/%s", count, parts[i][1]);
        const clade_backbone_conv conv = {.filters = i == 0 ? squeeze : expand,
                                          .kernel = i == 2 ? 3 : 1};
        y[i] = add_conv(b, i == 0 ? b->last : y[0], number, conv, name, keras);
    }
    clade_backbone_join(b, CLADE_LAYER_CONCAT, y[1], y[2], "features.%d", feature);
}

/* torchvision rounds the size up (ceil_mode): a last window may extend beyond the edge. */
static void pool(clade_backbone *b, int feature)
{
    clade_layer layer = {.kind = CLADE_LAYER_MAXPOOL2D,
                         .as.pool2d = {.window = {3, 3}, .stride = {2, 2}}};
    int32_t dim[3];
    if (b->status) return;
    clade_graph_shape(b->graph, b->last, dim);
    if (!b->options.keras) {
        layer.as.pool2d.padding = CLADE_PADDING_EXPLICIT;
        for (int i = 0; i < 2; i++) layer.as.pool2d.pad[2 + i] = dim[i] % 2 ? 0 : 1;
    }
    clade_backbone_add(b, layer, "features.%d", feature);
}

void clade_backbone_squeezenet1_1(clade_backbone *b)
{
    static const int32_t squeeze[] = {16, 16, 32, 32, 48, 48, 64, 64};
    int number = 0, feature = 2;
    add_conv(b, b->last, &number,
             (clade_backbone_conv){.filters = 64, .kernel = 3, .stride = 2, .valid = true},
             "features.0", "conv1");
    for (int i = 0; i < 8; i++) {
        if (i == 0 || i == 2 || i == 4) pool(b, feature++);
        fire(b, &number, feature++, i + 2, squeeze[i], 4 * squeeze[i]);
    }
    if (!b->options.classes) return;
    clade_layer layer = {.kind = CLADE_LAYER_DROPOUT, .as.dropout.rate = 0.5F};
    clade_backbone_add(b, layer, "classifier.0");
    add_conv(b, b->last, &number, (clade_backbone_conv){.filters = b->options.classes, .kernel = 1},
             "classifier.1", "conv10");
    clade_backbone_add(b, (clade_layer){.kind = CLADE_LAYER_GLOBAL_AVGPOOL2D}, "classifier.3");
}
