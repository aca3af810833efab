/* Backbones: known networks by name, with the layers, the numbers and the names that torchvision
 * gives them. */
#ifndef CLADE_BACKBONE_H
#define CLADE_BACKBONE_H

#include <clade/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* vgg16; resnet18, 34, 50 and 101; mobilenet_v2, mobilenet_v3_small and _large; squeezenet1_1;
 * efficientnet_b0 to b3; convnext_tiny; regnet_y_400mf. Ended by NULL. */
CLADE_API const char *const *clade_backbone_names(void);

typedef struct clade_backbone_options {
    int32_t height, width, channels; /* of the input; zero: 224, 224 and 3 */
    int32_t classes; /* outputs of the original classifier, as logits; 0: features alone, as the
                      * last image [h, w, c] before any pooling */
    bool keras;      /* as keras.applications has it: padding, epsilons, momentum, biases */
    float stochastic_depth; /* how often training leaves the last block out for an image, earlier
                             * ones in proportion; 0: never. torchvision trains efficientnets with
                             * 0.2 and convnext_tiny with 0.1; vits have it too; of others it
                             * must be 0 */
} clade_backbone_options;

/* The graph of a backbone, its layers named by torchvision's modules ("layer1.0.conv1"). Sources:
 * the papers' networks as torchvision and Keras 2.12 build them. `options` may be NULL. Errors:
 * EINVAL (no such backbone; a resnet18 or 34, regnet_y_400mf or vit in Keras' form; stochastic
 * depth where there is none; an input that is too small, naming the layer; a size that vgg16's
 * classifier cannot average to 7 × 7). */
CLADE_API clade_status clade_backbone_create(const char *name,
                                             const clade_backbone_options *options,
                                             clade_graph **out);

#ifdef __cplusplus
}
#endif
#endif
