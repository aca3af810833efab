/* Weights of backbones by name from files of other programs. */
#ifndef CLADE_WEIGHTS_BACKBONE_H
#define CLADE_WEIGHTS_BACKBONE_H

#include <clade/interchange.h>

#include "nn/backbone.h"

/* The weights of a graph, in our layout; `weight` and all in it is malloc'ed. */
typedef struct clade_backbone_weights {
    clade_network_weight *weight;
    size_t count;
} clade_backbone_weights;

void clade_backbone_weights_clear(clade_backbone_weights *weights);

/* How images become the input of the backbone's weights, torchvision's or Keras', in the words of
 * recipes: "imagenet", "caffe" or "tf". */
const char *clade_backbone_preprocessing(const char *name, bool keras);

/* Reads the weights of the backbone `name` from a .safetensors or PyTorch file with the tensor
 * names of torchvision, timm or MXNet's Gluon, or from a Keras file (.h5, .keras); what it is says
 * its content. Only `options`' channels, classes and keras count. Every tensor of the file must
 * belong to the backbone with its classifier (num_batches_tracked and what Keras keeps besides are
 * ignored), and every parameter of the backbone, without its classifier where options->classes is
 * 0, must be there. Where Keras' weights take blue, green and red, the channels of the first kernel
 * are reversed, so that they take red, green, blue. Errors: EIO, EFORMAT (naming tensor and
 * shapes), EUNSUPPORTED, ENOMEM. */
clade_status clade_backbone_read_weights(const char *name, const clade_backbone_options *options,
                                         const char *path, clade_backbone_weights *out);

#endif
