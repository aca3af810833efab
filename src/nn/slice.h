/* Slices of a batch: a pass's first calls, which have the large activations, take a few images at
 * a time, so that what one of them writes the next one finds in the cache. */
#ifndef CLADE_NN_SLICE_H
#define CLADE_NN_SLICE_H

#include "nn/build.h"

/* Cuts the calls of a pass, all of which have been added, and through which no gradient passes. The
 * bits stay: these ops do the same for an image in any company. Does nothing on a device without
 * blueprint->cache. */
void clade_slice(clade_build *build);

#endif
