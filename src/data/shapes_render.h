/* One rendered image of a shape. */
#ifndef CLADE_DATA_SHAPES_RENDER_H
#define CLADE_DATA_SHAPES_RENDER_H

#include <stdint.h>

enum { clade_shape_kinds = 8 };

/* Names of the kinds, which are also the names of the classes. */
extern const char *const clade_shape_names[clade_shape_kinds];

/* Renders image `index` of (seed, kind, split) as size × size × 3 bytes, the same on every machine:
 * it uses only additions, multiplications, divisions and square roots. */
void clade_shape_render(uint64_t seed, int32_t kind, int32_t split, int32_t index, int32_t size,
                        uint8_t *rgb);

#endif
