/* Backbones: known networks by name, with the layers, the numbers and the names that torchvision
 * gives them. */
#ifndef CLADE_BACKBONE_H
#define CLADE_BACKBONE_H

#include <clade/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* vgg16, resnet18, resnet50, mobilenet_v2, squeezenet1_1, efficientnet_b0; ended by NULL. */
CLADE_API const char *const *clade_backbone_names(void);

typedef struct clade_backbone_options {
    int32_t height, width, channels; /* of the input; zero: 224, 224 and 3 */
    int32_t classes; /* outputs of the original classifier, as logits; 0: features alone, as the
                      * last image [h, w, c] before any pooling */
    bool keras;      /* as keras.applications has it: padding, epsilons, momentum, biases */
} clade_backbone_options;

/* The graph of a backbone, its layers named by torchvision's modules ("layer1.0.conv1"). Sources:
 * the papers' networks as torchvision 0.15 and Keras 2.12 build them; stochastic depth of
 * efficientnet_b0 is left out. `options` may be NULL. Errors: EINVAL (no such backbone; resnet18 in
 * Keras' form; an input that is too small, naming the layer; a size that vgg16's classifier cannot
 * average to 7 × 7). */
CLADE_API clade_status clade_backbone_create(const char *name,
                                             const clade_backbone_options *options,
                                             clade_graph **out);

#ifdef __cplusplus
}
#endif
#endif
