/* RandAugment and TrivialAugment: which operations an image goes through. */
#ifndef CLADE_DATA_POLICY_H
#define CLADE_DATA_POLICY_H

#include <clade/data.h>

/* The first ones move the image, the others change its colours. */
typedef enum clade_policy_op {
    CLADE_POLICY_IDENTITY,
    CLADE_POLICY_SHEAR_X,
    CLADE_POLICY_SHEAR_Y,
    CLADE_POLICY_TRANSLATE_X,
    CLADE_POLICY_TRANSLATE_Y,
    CLADE_POLICY_ROTATE,
    CLADE_POLICY_BRIGHTNESS,
    CLADE_POLICY_SATURATION,
    CLADE_POLICY_CONTRAST,
    CLADE_POLICY_POSTERIZE,
    CLADE_POLICY_SOLARIZE,
    CLADE_POLICY_AUTOCONTRAST,
    CLADE_POLICY_OPS
} clade_policy_op;

enum { CLADE_POLICY_STEPS = 3 }; /* at most */

/* A tangent, whole pixels, degrees, a factor, bits, or a threshold of 0 to 255. */
typedef struct clade_policy_step {
    clade_policy_op op;
    double value;
} clade_policy_step;

/* Draws an image's steps; returns how many there are. */
int clade_policy_draw(const clade_augment *augment, int32_t height, int32_t width, uint64_t seed,
                      uint64_t epoch, uint64_t position,
                      clade_policy_step step[CLADE_POLICY_STEPS]);

#endif
