/* The names of a layer's weights in the files of Keras' versions. */
#ifndef CLADE_WEIGHTS_KERAS_NAME_H
#define CLADE_WEIGHTS_KERAS_NAME_H

#include <stdbool.h>
#include <stdint.h>

/* Returns whether an array called `name` is this weight of a layer. `layer` is its name in Keras 2,
 * GROUP/LAYER in a group, `weight` the weight's name there ("kernel", "gamma"), `ordinal` its
 * position in the layer. */
bool clade_keras_names(const char *name, const char *layer, const char *weight, int32_t ordinal);

/* Returns whether the array belongs to no layer of a backbone: to an optimizer, or to the layers
 * around it. */
bool clade_keras_ignores(const char *name);

#endif
