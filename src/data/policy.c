/* RandAugment (Cubuk et al. 2019), TrivialAugment (Müller and Hutter 2021), wide, and the chains of
 * AugMix (Hendrycks et al. 2020), with torchvision's operations and magnitudes. */
#include "data/policy.h"

#include "base/random.h"

#include <math.h>

enum { largest = 30 }; /* maximum magnitude */

const char *clade_policy_op_name(clade_policy_op op)
{
    static const char *const names[CLADE_POLICY_OPS] = {
        "identity",  "shear_x",    "shear_y",      "translate_x", "translate_y",
        "rotate",    "brightness", "saturation",   "contrast",    "sharpness",
        "posterize", "solarize",   "autocontrast", "equalize"};
    return op >= 0 && op < CLADE_POLICY_OPS ? names[op] : "?";
}

/* Truncates to whole pixels, towards 0. */
static double pixels(double value) { return value < 0 ? ceil(value) : floor(value); }

/* The last entries of torchvision's tables of magnitudes; for posterize the first. */
typedef struct magnitudes {
    double shear, side, pixels, rotate, colour; /* side: a share of the image's side, or pixels */
    double bits, fewer;
} magnitudes;
static const magnitudes of_rand = {0.3, 150.0 / 331, 0, 30, 0.9, 8, 4},
                        of_trivial = {0.99, 0, 32, 135, 0.99, 8, 6},
                        of_augmix = {0.3, 1.0 / 3, 0, 30, 0.9, 4, 4};

/* Returns an operation's value at a share of the largest magnitude; sign is 1 or −1. */
static double value_of(clade_policy_op op, const magnitudes *most, double share, double sign,
                       int32_t height, int32_t width)
{
    const double part = sign * share;
    switch (op) {
    case CLADE_POLICY_SHEAR_X:
    case CLADE_POLICY_SHEAR_Y: return part * most->shear;
    case CLADE_POLICY_TRANSLATE_X: return pixels(part * (most->pixels + most->side * width));
    case CLADE_POLICY_TRANSLATE_Y: return pixels(part * (most->pixels + most->side * height));
    case CLADE_POLICY_ROTATE: return part * most->rotate;
    case CLADE_POLICY_BRIGHTNESS:
    case CLADE_POLICY_SATURATION:
    case CLADE_POLICY_CONTRAST:
    case CLADE_POLICY_SHARPNESS: return 1 + part * most->colour;
    case CLADE_POLICY_POSTERIZE: return most->bits - floor(share * most->fewer + 0.5);
    case CLADE_POLICY_SOLARIZE: return 255 * (1 - share);
    default: return 0;
    }
}

clade_adjustment clade_policy_colour(clade_policy_op op)
{
    static const clade_adjustment kind[CLADE_POLICY_OPS] = {
        [CLADE_POLICY_BRIGHTNESS] = CLADE_ADJUST_BRIGHTNESS,
        [CLADE_POLICY_SATURATION] = CLADE_ADJUST_SATURATION,
        [CLADE_POLICY_CONTRAST] = CLADE_ADJUST_CONTRAST,
        [CLADE_POLICY_SHARPNESS] = CLADE_ADJUST_SHARPNESS,
        [CLADE_POLICY_POSTERIZE] = CLADE_ADJUST_POSTERIZE,
        [CLADE_POLICY_SOLARIZE] = CLADE_ADJUST_SOLARIZE,
        [CLADE_POLICY_AUTOCONTRAST] = CLADE_ADJUST_AUTOCONTRAST,
        [CLADE_POLICY_EQUALIZE] = CLADE_ADJUST_EQUALIZE};
    return kind[op];
}

/* Draws one of the operations whose bits are set; 0: one of all. */
static clade_policy_op draw_op(clade_random *r, uint32_t ops)
{
    clade_policy_op op[CLADE_POLICY_OPS];
    uint32_t count = 0;
    for (int i = 0; i < CLADE_POLICY_OPS; i++)
        if (!ops || ops & 1u << i) op[count++] = (clade_policy_op)i;
    return op[clade_random_below(r, count)];
}

int clade_policy_draw(const clade_augment *augment, int32_t height, int32_t width, uint64_t seed,
                      uint64_t epoch, uint64_t position, clade_policy_step step[CLADE_POLICY_STEPS])
{
    const bool trivial = augment->trivial;
    const int steps = trivial ? 1 : augment->rand.steps;
    clade_random r = clade_random_start(seed, CLADE_STREAM_POLICY, epoch << 32 | position);
    for (int s = 0; s < steps; s++) {
        const clade_policy_op op = draw_op(&r, augment->policy_ops);
        const int32_t drawn = (int32_t)clade_random_below(&r, largest + 1);
        const double sign = clade_random_below(&r, 2) ? -1 : 1;
        const double share = (trivial ? drawn : augment->rand.magnitude) / (double)largest;
        const magnitudes *most = trivial ? &of_trivial : &of_rand;
        step[s] = (clade_policy_step){op, value_of(op, most, share, sign, height, width)};
    }
    return steps;
}

int clade_policy_draw_chain(const clade_augment *augment, int32_t height, int32_t width,
                            clade_random *random, clade_policy_step step[CLADE_CHAIN_STEPS])
{
    enum { magnitudes_of_chains = 10 };
    const uint32_t colours = 1u << CLADE_POLICY_BRIGHTNESS | 1u << CLADE_POLICY_SATURATION |
                             1u << CLADE_POLICY_CONTRAST | 1u << CLADE_POLICY_SHARPNESS;
    const uint32_t all = (1u << CLADE_POLICY_OPS) - 1 - (1u << CLADE_POLICY_IDENTITY);
    const uint32_t drawn = 1 + clade_random_below(random, CLADE_CHAIN_STEPS);
    const int steps = augment->augmix.depth > 0 ? augment->augmix.depth : (int)drawn;
    for (int s = 0; s < steps; s++) {
        const clade_policy_op op = draw_op(random, augment->augmix.partial ? all & ~colours : all);
        const uint32_t level = clade_random_below(random, (uint32_t)augment->augmix.severity);
        const double sign = clade_random_below(random, 2) ? -1 : 1;
        const double share = level / (double)(magnitudes_of_chains - 1);
        step[s] = (clade_policy_step){op, value_of(op, &of_augmix, share, sign, height, width)};
    }
    return steps;
}
