/* Layer fusion: which layers are computed by the op of a convolution before them. */
#ifndef CLADE_NN_FUSE_H
#define CLADE_NN_FUSE_H

#include "nn/build.h"

/* Sets `fused`, `runs` and `absorbed` of all nodes. Fusion does not change any bits, and is left
 * out if the device has no such op, or if the pass needs the values in between. */
void clade_fuse(clade_build *build);

/* Returns the activation that a convolution's op applies, and its slope. */
clade_activation clade_fuse_activation(const clade_build *build, int32_t conv, float *alpha);

#endif
