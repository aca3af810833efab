/* Loading weights of backbones by name from other programs' files. */
#ifndef CLADE_WEIGHTS_BACKBONE_H
#define CLADE_WEIGHTS_BACKBONE_H

#include <clade/interchange.h>

#include "nn/backbone.h"

/* The weights of a graph, in Clade's layout; `weight` and everything in it is malloc'ed. */
typedef struct clade_backbone_weights {
    clade_network_weight *weight;
    size_t count;
} clade_backbone_weights;

void clade_backbone_weights_clear(clade_backbone_weights *weights);

/* Returns the preprocessing for the backbone's weights, torchvision's or Keras', by its name in
 * recipes: "imagenet", "caffe" or "tf". */
const char *clade_backbone_preprocessing(const char *name, bool keras);

/* Reads the weights of the backbone `name` from a .safetensors or PyTorch file with the tensor
 * names of torchvision, timm or MXNet's Gluon, or from a Keras file (.h5, .keras), recognised by
 * its content. Of `options`, only channels, classes and keras are used. Every tensor of the file
 * must belong to the backbone with its classifier (num_batches_tracked and Keras' additional data
 * are ignored), and every parameter of the backbone must be in the file, except the classifier's if
 * options->classes is 0. If Keras' weights expect blue, green and red, the channels of the first
 * kernel are reversed, so that it takes red, green, blue. Errors: EIO, EFORMAT (naming tensor and
 * shapes), EUNSUPPORTED, ENOMEM. */
clade_status clade_backbone_read_weights(const char *name, const clade_backbone_options *options,
                                         const char *path, clade_backbone_weights *out);

#endif
