/* RandAugment, TrivialAugment and AugMix: the operations applied to an image. */
#ifndef CLADE_DATA_POLICY_H
#define CLADE_DATA_POLICY_H

#include <clade/data.h>

#include "base/random.h"

enum { CLADE_POLICY_STEPS = 3 }; /* at most */

/* value: a tangent, whole pixels, degrees, a factor, bits, or a threshold of 0 to 255. */
typedef struct clade_policy_step {
    clade_policy_op op;
    double value;
} clade_policy_step;

/* Returns the step of image_adjust for an operation; CLADE_ADJUST_NONE: it moves the image. */
clade_adjustment clade_policy_colour(clade_policy_op op);

/* Draws an image's steps of rand or trivial; returns their number. */
int clade_policy_draw(const clade_augment *augment, int32_t height, int32_t width, uint64_t seed,
                      uint64_t epoch, uint64_t position,
                      clade_policy_step step[CLADE_POLICY_STEPS]);
/* Draws the steps of one of AugMix's chains, continuing the draws that the caller began for the
 * image. */
int clade_policy_draw_chain(const clade_augment *augment, int32_t height, int32_t width,
                            clade_random *random, clade_policy_step step[CLADE_CHAIN_STEPS]);

#endif
