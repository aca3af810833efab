/* VGG: Simonyan and Zisserman 2014, "Very deep convolutional networks", configuration D. */
#include "nn/backbone.h"

/* torchvision averages to 7 × 7 before its classifier; if the size is a multiple of 7, this is
 * ordinary pooling. Keras uses the features as they are. */
static void average_to_seven(clade_backbone *b)
{
    int32_t dim[3];
    if (b->status || b->options.keras) return;
    clade_graph_shape(b->graph, b->last, dim);
    if (dim[0] == 7 && dim[1] == 7) return;
    if (dim[0] % 7 || dim[1] % 7) {
        b->status =
            clade_fail(CLADE_EINVAL, "features of %d × %d: the classifier needs multiples of 7 × 7",
                       dim[0], dim[1]);
        return;
    }
    clade_layer layer = {.kind = CLADE_LAYER_AVGPOOL2D,
                         .as.pool2d.window = {dim[0] / 7, dim[1] / 7}};
    clade_backbone_add(b, layer, "avgpool");
}

void clade_backbone_vgg16(clade_backbone *b)
{
    static const int32_t filters[] = {64, 128, 256, 512, 512}, convs[] = {2, 2, 3, 3, 3};
    static const clade_layer pool = {.kind = CLADE_LAYER_MAXPOOL2D, .as.pool2d.window = {2, 2}};
    int feature = 0; /* torchvision's numbers count activations and pools too */
    for (int block = 0; block < 5; block++) {
        for (int i = 0; i < convs[block]; i++, feature += 2) {
            clade_backbone_call(b, CLADE_NAMING_KERAS, "block%d_conv%d", block + 1, i + 1);
            clade_backbone_add_conv(
                b, b->last,
                (clade_backbone_conv){
                    .filters = filters[block], .kernel = 3, .bias = true, .activation = CLADE_RELU},
                "features.%d", feature);
        }
        clade_backbone_add(b, pool, "features.%d", feature++);
    }
    if (!b->options.classes) return;
    average_to_seven(b);
    clade_backbone_add(b, (clade_layer){.kind = CLADE_LAYER_FLATTEN}, "flatten");
    for (int i = 0; i < 2; i++) {
        clade_backbone_call(b, CLADE_NAMING_KERAS, "fc%d", i + 1);
        clade_backbone_call(b, CLADE_NAMING_TIMM, "pre_logits.fc%d", i + 1);
        clade_backbone_add_dense(b, b->last, 4096, CLADE_RELU, "classifier.%d", 3 * i);
        if (!b->options.keras)
            clade_backbone_add(b,
                               (clade_layer){.kind = CLADE_LAYER_DROPOUT, .as.dropout.rate = 0.5F},
                               "classifier.%d", 3 * i + 2);
    }
    clade_backbone_call(b, CLADE_NAMING_KERAS, "predictions");
    clade_backbone_call(b, CLADE_NAMING_TIMM, "head.fc");
    clade_backbone_add_dense(b, b->last, b->options.classes, CLADE_LINEAR, "classifier.6");
}
