/* Fusing layers: which layers are computed by the ops of another. */
#ifndef CLADE_NN_FUSE_H
#define CLADE_NN_FUSE_H

#include "nn/build.h"

/* Finds conv2d layers, linear or with relu, that are read by nothing but a maxpool2d of 2 x 2
 * windows side by side, also with relu as a layer in between. Sets `pool` of every conv2d layer's
 * node, and `absorbed` of the layers that it takes in. */
void clade_fuse_pools(clade_build *build);

/* relu or CLADE_LINEAR: what lies between a convolution and its pool. */
clade_activation clade_fuse_activation(const clade_build *build, int32_t conv);

#endif
