/* Precision: passes whose activations and gradients are stored in 16 bits. */
#ifndef CLADE_NN_PRECISION_H
#define CLADE_NN_PRECISION_H

#include "nn/build.h"

clade_precision clade_model_precision(const clade_model *model);

/* Has all calls of a pass say what the precision lets the factors of their products be. */
void clade_set_products(clade_build *build);

/* CLADE_F32, CLADE_BF16 or CLADE_F16. */
clade_dtype clade_precision_dtype(clade_precision precision);

/* Of a pass in float32, whose calls have all been added: makes its values that may be narrow 16-bit
 * ones. Calls read and write them as they are where the device takes that; else what a call reads
 * is widened before it by a cast, and what it has written is rounded after it, which gives the same
 * bits, as do its weights of dtype FACTOR, of which rounded copies are made. The input is rounded
 * for each call that reads it. Does nothing in float32. */
void clade_narrow(clade_build *build);

#endif
