/* Backbones: known networks by name, with torchvision's layers, sizes and parameter names. */
#ifndef CLADE_BACKBONE_H
#define CLADE_BACKBONE_H

#include <clade/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Returns the names: vgg16; resnet18, 34, 50 and 101; mobilenet_v2, mobilenet_v3_small and _large;
 * squeezenet1_1; efficientnet_b0 to b3; convnext_tiny; regnet_y_400mf. Ends with NULL. */
CLADE_API const char *const *clade_backbone_names(void);

typedef struct clade_backbone_options {
    int32_t height, width, channels; /* of the input; zero: 224, 224 and 3 */
    int32_t classes; /* outputs of the original classifier, as logits; 0: features only, the last
                      * image [h, w, c] before any pooling */
    bool keras;      /* build it as keras.applications does: padding, epsilons, momentum, biases */
    float stochastic_depth; /* probability that training skips the last block for an image; earlier
                             * blocks in proportion. 0: never. torchvision trains efficientnets with
                             * 0.2 and convnext_tiny with 0.1; vits support it too. Must be 0 for
                             * all others */
} clade_backbone_options;

/* Builds the graph of a backbone; layers have the names of torchvision's modules
 * ("layer1.0.conv1"). Sources: the papers' networks as torchvision and Keras 2.12 build them.
 * `options` may be NULL. Errors: EINVAL (no such backbone; resnet18, resnet34, regnet_y_400mf or a
 * vit in Keras' form; stochastic depth where it is not supported; an input that is too small,
 * naming the layer; a size that vgg16's classifier cannot average to 7 × 7). */
CLADE_API clade_status clade_backbone_create(const char *name,
                                             const clade_backbone_options *options,
                                             clade_graph **out);

#ifdef __cplusplus
}
#endif
#endif
