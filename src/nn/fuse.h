/* Fusing layers: which layers are computed by the op of a convolution before them. */
#ifndef CLADE_NN_FUSE_H
#define CLADE_NN_FUSE_H

#include "nn/build.h"

/* Sets `fused`, `runs` and `absorbed` of all nodes. What is fused gives the same bits as what is
 * not: a device that has no such op, or a pass that needs what lies between, goes without. */
void clade_fuse(clade_build *build);

/* The activation that a convolution's op applies, and its slope. */
clade_activation clade_fuse_activation(const clade_build *build, int32_t conv, float *alpha);

#endif
