/* RandAugment (Cubuk et al. 2019) and TrivialAugment (Müller and Hutter 2021), wide, with the
 * magnitudes of torchvision's RandAugment and TrivialAugmentWide, without sharpness and equalize.
 */
#include "data/policy.h"

#include "base/random.h"

#include <math.h>

enum { largest = 30 }; /* magnitude */

/* Whole pixels, cut towards 0. */
static double pixels(double value) { return value < 0 ? ceil(value) : floor(value); }

/* An operation's value at a share of the largest magnitude; sign is 1 or −1. */
static double value_of(clade_policy_op op, bool trivial, double share, double sign, int32_t height,
                       int32_t width)
{
    const double colour = 1 + sign * share * (trivial ? 0.99 : 0.9);
    const double move = sign * share * (trivial ? 32 : 150.0 / 331);
    switch (op) {
    case CLADE_POLICY_SHEAR_X:
    case CLADE_POLICY_SHEAR_Y: return sign * share * (trivial ? 0.99 : 0.3);
    case CLADE_POLICY_TRANSLATE_X: return pixels(trivial ? move : move * width);
    case CLADE_POLICY_TRANSLATE_Y: return pixels(trivial ? move : move * height);
    case CLADE_POLICY_ROTATE: return sign * share * (trivial ? 135 : 30);
    case CLADE_POLICY_BRIGHTNESS:
    case CLADE_POLICY_SATURATION:
    case CLADE_POLICY_CONTRAST: return colour;
    case CLADE_POLICY_POSTERIZE: return 8 - floor(share * (trivial ? 6 : 4) + 0.5);
    case CLADE_POLICY_SOLARIZE: return 255 * (1 - share);
    default: return 0;
    }
}

int clade_policy_draw(const clade_augment *augment, int32_t height, int32_t width, uint64_t seed,
                      uint64_t epoch, uint64_t position, clade_policy_step step[CLADE_POLICY_STEPS])
{
    const bool trivial = augment->trivial;
    const int steps = trivial ? 1 : augment->rand.steps;
    clade_random r = clade_random_start(seed, CLADE_STREAM_POLICY, epoch << 32 | position);
    for (int s = 0; s < steps; s++) {
        const clade_policy_op op = (clade_policy_op)clade_random_below(&r, CLADE_POLICY_OPS);
        const int32_t drawn = (int32_t)clade_random_below(&r, largest + 1);
        const double sign = clade_random_below(&r, 2) ? -1 : 1;
        const double share = (trivial ? drawn : augment->rand.magnitude) / (double)largest;
        step[s] = (clade_policy_step){op, value_of(op, trivial, share, sign, height, width)};
    }
    return steps;
}
