/* Slices of a batch: the first calls of a pass, which have the large activations, process a few
 * images at a time, so that each finds the previous one's results in the cache. */
#ifndef CLADE_NN_SLICE_H
#define CLADE_NN_SLICE_H

#include "nn/build.h"

/* Slices the calls of a complete pass without gradients. The bits stay the same, since these ops
 * treat each image independently. Does nothing if blueprint->cache is 0. */
void clade_slice(clade_build *build);

#endif
