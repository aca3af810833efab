/* Mixed precision: passes whose activations and gradients are stored in 16 bits. */
#ifndef CLADE_NN_PRECISION_H
#define CLADE_NN_PRECISION_H

#include "nn/build.h"

clade_precision clade_model_precision(const clade_model *model);

/* Sets the parameter `products` of all calls of a pass, from the precision. */
void clade_set_products(clade_build *build);

/* Returns CLADE_F32, CLADE_BF16 or CLADE_F16. */
clade_dtype clade_precision_dtype(clade_precision precision);

/* Narrows a complete float32 pass: values that may be narrow become 16-bit. Calls read and write
 * them directly if the device supports that; else casts widen what a call reads and round what it
 * writes, which gives the same bits. Then rounded copies are made of weights of dtype FACTOR too.
 * The input is rounded separately for each call that reads it. Does nothing in float32. */
void clade_narrow(clade_build *build);

#endif
