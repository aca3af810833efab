/* What Keras' files call the weights of a layer, by the versions of Keras. */
#ifndef CLADE_WEIGHTS_KERAS_NAME_H
#define CLADE_WEIGHTS_KERAS_NAME_H

#include <stdbool.h>
#include <stdint.h>

/* Is an array called `name` this weight of a layer? `layer` is what Keras 2 calls that, GROUP/LAYER
 * in a group, `weight` its name there ("kernel", "gamma"), `ordinal` its place in the layer. */
bool clade_keras_names(const char *name, const char *layer, const char *weight, int32_t ordinal);

/* Is it no layer's that a backbone has: an optimizer's, or of the layers around it? */
bool clade_keras_ignores(const char *name);

#endif
