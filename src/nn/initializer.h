/* Initial weights. */
#ifndef CLADE_NN_INITIALIZER_H
#define CLADE_NN_INITIALIZER_H

#include "nn/graph.h"

/* Fills `out` with a weight's initial values, which depend only on the seed and the parameter's
 * full name ("conv2d/kernel"). Keras' formulas: variance scaling with the mean of both fans (Glorot
 * and Bengio 2010) or the first (He et al. 2015, LeCun et al. 1998); normals are truncated at two
 * deviations and rescaled so that their deviation is the requested one. */
void clade_weight_initialise(const clade_weight *weight, const char *name, uint64_t seed,
                             float *out);

#endif
