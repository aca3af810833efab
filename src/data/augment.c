/* Random affine augmentation, including crops, as a 2×3 matrix and a brightness per image. */
#include <clade/data.h>

#include "data/draw.h"
#include "data/policy.h"

#include <stddef.h>

/* A map of homogeneous (row, column, 1); the last row is 0 0 1. */
typedef struct affine {
    double m[2][3];
} affine;

static affine multiply(affine a, affine b)
{
    affine c;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            c.m[i][j] = a.m[i][0] * b.m[0][j] + a.m[i][1] * b.m[1][j] + (j == 2 ? a.m[i][2] : 0);
    return c;
}

/* Computes sine and cosine of an angle in degrees from additions and multiplications alone, so that
 * every machine draws the same matrices; libm's last bits differ. Taylor series on ±45°, error
 * below 1e-15; exact at multiples of 90°. */
static void turn(double degrees, double *sine, double *cosine)
{
    double quarters = floor(degrees / 90 + 0.5);
    double x = (degrees - 90 * quarters) * 0.017453292519943295, square = x * x;
    double s = 1, c = 1;
    for (int k = 9; k >= 1; k--) {
        s = 1 - s * square / ((2 * k) * (2 * k + 1));
        c = 1 - c * square / ((2 * k - 1) * (2 * k));
    }
    s *= x;
    switch ((int)(quarters - 4 * floor(quarters / 4))) {
    case 0: *sine = s, *cosine = c; break;
    case 1: *sine = c, *cosine = -s; break;
    case 2: *sine = -s, *cosine = -c; break;
    default: *sine = -c, *cosine = s; break;
    }
}

/* ---- crops ---- */

/* Returns the map from a crop of height × width at (row, column), resized to the image's size, to
 * the image: centres of pixels are half a pixel from their edges. */
static affine crop_of(double height, double width, double row, double column, int32_t full_height,
                      int32_t full_width)
{
    const double down = height / full_height, right = width / full_width;
    return (affine){{{down, 0, row + (down - 1) / 2}, {0, right, column + (right - 1) / 2}}};
}

/* torchvision's RandomResizedCrop.get_params: the first of ten crops that fits; else the largest
 * centre crop with a permitted ratio. */
static affine draw_crop(clade_random *r, const clade_augment *a, int32_t height, int32_t width)
{
    double h, w;
    for (int i = 0; i < 10; i++) {
        double area = clade_draw(r, (double)a->crop_area[0], (double)a->crop_area[1]);
        double ratio = clade_draw_ratio(r, a->crop_ratio);
        clade_draw_sides(area * height * width, ratio, &h, &w);
        if (h < 1 || w < 1 || h > height || w > width) continue;
        uint32_t row = clade_random_below(r, (uint32_t)(height - (int32_t)h + 1));
        uint32_t column = clade_random_below(r, (uint32_t)(width - (int32_t)w + 1));
        return crop_of(h, w, row, column, height, width);
    }
    const double own = (double)width / height;
    const double low = (double)a->crop_ratio[0], high = (double)a->crop_ratio[1];
    h = own < low ? floor(width / low + 0.5) : height;
    w = own > high ? floor(height * high + 0.5) : width;
    return crop_of(h, w, floor((height - h) / 2), floor((width - w) / 2), height, width);
}

static affine draw_crops(const clade_augment *a, int32_t height, int32_t width, uint64_t seed,
                         uint64_t place)
{
    clade_random r = clade_random_start(seed, CLADE_STREAM_CROP, place);
    const uint32_t padded = 2 * (uint32_t)a->pad_crop + 1;
    const double down = (double)clade_random_below(&r, padded) - a->pad_crop;
    const double right = (double)clade_random_below(&r, padded) - a->pad_crop;
    const affine move = {{{1, 0, down}, {0, 1, right}}};
    if (!clade_draw_is_range(a->crop_area)) return move;
    return multiply(draw_crop(&r, a, height, width), move);
}

/* ---- policies ---- */

/* Returns the map from the positions that a step writes to those it reads: shears about the corner
 * of the image, half a pixel from the first pixel's centre, rotation about the image's centre. */
static affine map_of(const clade_policy_step *step, int32_t height, int32_t width)
{
    const double v = step->value, row = (height - 1) / 2.0, column = (width - 1) / 2.0;
    double sine, cosine;
    switch (step->op) {
    case CLADE_POLICY_SHEAR_X: return (affine){{{1, 0, 0}, {v, 1, v / 2}}};
    case CLADE_POLICY_SHEAR_Y: return (affine){{{1, v, v / 2}, {0, 1, 0}}};
    case CLADE_POLICY_TRANSLATE_X: return (affine){{{1, 0, 0}, {0, 1, -v}}};
    case CLADE_POLICY_TRANSLATE_Y: return (affine){{{1, 0, -v}, {0, 1, 0}}};
    case CLADE_POLICY_ROTATE:
        turn(v, &sine, &cosine);
        return (affine){{{cosine, sine, row - cosine * row - sine * column},
                         {-sine, cosine, column + sine * row - cosine * column}}};
    default: return (affine){{{1, 0, 0}, {0, 1, 0}}};
    }
}

static affine draw_policy(const clade_augment *a, int32_t height, int32_t width, uint64_t seed,
                          uint64_t epoch, uint64_t position)
{
    clade_policy_step step[CLADE_POLICY_STEPS];
    const int steps = clade_policy_draw(a, height, width, seed, epoch, position, step);
    affine t = {{{1, 0, 0}, {0, 1, 0}}};
    for (int s = 0; s < steps; s++) t = multiply(t, map_of(&step[s], height, width));
    return t;
}

/* ---- the whole ---- */

/* Returns whether an image is mirrored in this epoch; `drawn` is a random choice. Alternating flips
 * (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds") draw only in the first epoch. */
static bool is_mirrored(const clade_augment *a, uint64_t seed, uint64_t epoch, uint64_t position,
                        bool drawn)
{
    enum { draws_before = 6 };
    if (!a->alternating_flip) return drawn && a->horizontal_flip;
    clade_random r = clade_random_start(seed, CLADE_STREAM_AUGMENT, position);
    for (int i = 0; i < draws_before; i++) clade_random_u32(&r);
    return (clade_draw(&r, 0, 1) < 0.5) != (epoch % 2 == 1);
}

/* Draws the map that comes before a policy's. */
static affine draw_map(const clade_augment *a, int32_t height, int32_t width, uint64_t seed,
                       uint64_t epoch, uint64_t position, double *brightness)
{
    /* one draw for each, used or not, so that turning one on does not change the others */
    clade_random r = clade_random_start(seed, CLADE_STREAM_AUGMENT, epoch << 32 | position);
    double angle = clade_draw(&r, -a->rotation, a->rotation);
    double down = clade_draw(&r, -a->height_shift, a->height_shift) * height;
    double right = clade_draw(&r, -a->width_shift, a->width_shift) * width;
    double shear = clade_draw(&r, -a->shear, a->shear);
    double zoom_rows = clade_draw(&r, a->zoom[0], a->zoom[1]),
           zoom_columns = clade_draw(&r, a->zoom[0], a->zoom[1]);
    bool mirror = is_mirrored(a, seed, epoch, position, clade_draw(&r, 0, 1) < 0.5);
    bool overturn = clade_draw(&r, 0, 1) < 0.5 && a->vertical_flip;
    *brightness = clade_draw(&r, a->brightness[0], a->brightness[1]);
    if (!clade_draw_is_range(a->zoom)) zoom_rows = zoom_columns = 1;
    if (!clade_draw_is_range(a->brightness)) *brightness = 1;

    double sine, cosine, shear_sine, shear_cosine;
    turn(angle, &sine, &cosine);
    turn(shear, &shear_sine, &shear_cosine);
    double row = (height - 1) / 2.0, column = (width - 1) / 2.0; /* the centre */
    affine t = draw_crops(a, height, width, seed, epoch << 32 | position);
    t = multiply(t, (affine){{{1, 0, row}, {0, 1, column}}});
    t = multiply(t, (affine){{{cosine, -sine, 0}, {sine, cosine, 0}}});
    t = multiply(t, (affine){{{1, 0, down}, {0, 1, right}}});
    t = multiply(t, (affine){{{1, -shear_sine, 0}, {0, shear_cosine, 0}}});
    t = multiply(t, (affine){{{zoom_rows, 0, 0}, {0, zoom_columns, 0}}});
    t = multiply(t, (affine){{{1, 0, -row}, {0, 1, -column}}});
    /* flipping the result means flipping the input coordinates */
    if (mirror) t = multiply(t, (affine){{{1, 0, 0}, {0, -1, width - 1}}});
    return overturn ? multiply(t, (affine){{{-1, 0, height - 1}, {0, 1, 0}}}) : t;
}

static void write_matrix(affine t, double brightness, float m[8])
{
    m[0] = (float)t.m[1][1];
    m[1] = (float)t.m[1][0];
    m[2] = (float)t.m[1][2];
    m[3] = (float)t.m[0][1];
    m[4] = (float)t.m[0][0];
    m[5] = (float)t.m[0][2];
    m[6] = (float)brightness;
    m[7] = 0;
}

void clade_augment_matrix(const clade_augment *augment, int32_t height, int32_t width,
                          uint64_t seed, uint64_t epoch, uint64_t position, float m[8])
{
    static const clade_augment none;
    const clade_augment *a = augment ? augment : &none;
    double brightness;
    const affine t = draw_map(a, height, width, seed, epoch, position, &brightness);
    write_matrix(multiply(t, draw_policy(a, height, width, seed, epoch, position)), brightness, m);
}

/* ---- AugMix ---- */

static double draw_exponential(clade_random *r)
{
    return -clade_draw_log(((double)clade_random_u32(r) + 1) * 0x1p-32);
}

/* Draws from the gamma distribution: exponentials for the integer part of its shape, and a
 * Beta-distributed share of one for the rest (Jöhnk 1964). */
static double draw_gamma(clade_random *r, double shape)
{
    double sum = 0, rest = shape - floor(shape);
    for (int i = 0; i < (int)shape; i++) sum += draw_exponential(r);
    while (rest > 0) {
        double u = ((double)clade_random_u32(r) + 1) * 0x1p-32;
        double v = ((double)clade_random_u32(r) + 1) * 0x1p-32;
        u = clade_draw_exp(clade_draw_log(u) / rest);
        v = clade_draw_exp(clade_draw_log(v) / (1 - rest));
        if (u + v <= 1) return sum + u / (u + v) * draw_exponential(r);
    }
    return sum;
}

int32_t clade_augment_chains(const clade_augment *augment)
{
    if (!augment || augment->augmix.severity <= 0) return 0;
    return 1 +
           (augment->augmix.width < CLADE_MOST_CHAINS ? augment->augmix.width : CLADE_MOST_CHAINS);
}

/* Shares are Dirichlet-distributed, as in torchvision: between the image and all chains, and among
 * these. */
void clade_augment_chain(const clade_augment *augment, int32_t height, int32_t width, uint64_t seed,
                         uint64_t epoch, uint64_t position, clade_chain *chains)
{
    const clade_augment *a = augment;
    const int32_t count = clade_augment_chains(a);
    double brightness, share[CLADE_MOST_CHAINS], sum = 0;
    const affine t = draw_map(a, height, width, seed, epoch, position, &brightness);
    clade_random r = clade_random_start(seed, CLADE_STREAM_CHAINS, epoch << 32 | position);
    const double own = draw_gamma(&r, (double)a->augmix.alpha);
    const double others = draw_gamma(&r, (double)a->augmix.alpha);
    for (int32_t k = 1; k < count; k++)
        sum += share[k - 1] = draw_gamma(&r, (double)a->augmix.alpha);
    for (int32_t k = 0; k < count; k++) {
        clade_policy_step step[CLADE_CHAIN_STEPS];
        const int steps = k ? clade_policy_draw_chain(a, height, width, &r, step) : 0;
        affine moved = t;
        chains[k] = (clade_chain){0};
        for (int s = 0; s < steps; s++) {
            moved = multiply(moved, map_of(&step[s], height, width));
            chains[k].steps[2 * s] = (float)clade_policy_colour(step[s].op);
            chains[k].steps[2 * s + 1] = (float)step[s].value;
        }
        write_matrix(moved, brightness, chains[k].matrix);
        chains[k].weight =
            (float)(k ? others / (own + others) * share[k - 1] / sum : own / (own + others));
    }
}
