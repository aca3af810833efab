/* Initial weights. */
#ifndef CLADE_NN_INITIALIZER_H
#define CLADE_NN_INITIALIZER_H

#include "nn/graph.h"

/* Fills `out` with the weight's initial values. They depend on the seed and the parameter's full
 * name
 * ("conv2d/kernel") alone. Keras' formulas: variance scaling with the mean of both fans (Glorot and
 * Bengio 2010) or the first (He et al. 2015, LeCun et al. 1998); normals are cut at two deviations
 * and widened so that their deviation is the one asked for. */
void clade_weight_initialise(const clade_weight *weight, const char *name, uint64_t seed,
                             float *out);

#endif
