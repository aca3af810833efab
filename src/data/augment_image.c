/* Random colours, erased rectangles and the mixing of batches. */
#include <clade/data.h>

#include "data/draw.h"
#include "data/policy.h"

#include <string.h>

static const clade_augment none;

bool clade_augment_adjusts(const clade_augment *a)
{
    return a && (a->erasing.p > 0 || a->cutout > 0 || a->jitter.p > 0 || a->grey > 0 ||
                 a->rand.steps > 0 || a->trivial || a->augmix.severity > 0);
}

bool clade_augment_mixes(const clade_augment *a) { return a && (a->mixup > 0 || a->cutmix > 0); }

bool clade_augment_changes(const clade_augment *a)
{
    return a && (a->rotation != 0 || a->width_shift != 0 || a->height_shift != 0 || a->shear != 0 ||
                 clade_draw_is_range(a->zoom) || a->horizontal_flip || a->vertical_flip ||
                 a->alternating_flip || clade_draw_is_range(a->brightness) || a->pad_crop != 0 ||
                 clade_draw_is_range(a->crop_area) || clade_augment_adjusts(a) ||
                 clade_augment_mixes(a));
}

/* ---- colours ---- */

/* Draws the colour operations of a policy, which do not depend on height and width. */
static void draw_policy(const clade_augment *a, uint64_t seed, uint64_t epoch, uint64_t position,
                        float *steps)
{
    clade_policy_step step[CLADE_POLICY_STEPS];
    const int count = clade_policy_draw(a, 1, 1, seed, epoch, position, step);
    for (int s = 0; s < count; s++) {
        steps[2 * s] = (float)clade_policy_colour(step[s].op);
        steps[2 * s + 1] = (float)step[s].value;
    }
}

/* A policy's steps, then torchvision's ColorJitter, then RandomGrayscale. One draw for each, used
 * or not. */
void clade_augment_adjust(const clade_augment *augment, uint64_t seed, uint64_t epoch,
                          uint64_t position, float steps[2 * CLADE_ADJUST_STEPS])
{
    const clade_augment *a = augment ? augment : &none;
    const float *range[] = {a->jitter.brightness, a->jitter.contrast, a->jitter.saturation,
                            a->jitter.hue};
    static const clade_adjustment kind[] = {CLADE_ADJUST_BRIGHTNESS, CLADE_ADJUST_CONTRAST,
                                            CLADE_ADJUST_SATURATION, CLADE_ADJUST_HUE};
    clade_random r = clade_random_start(seed, CLADE_STREAM_COLOUR, epoch << 32 | position);
    const bool jitters = clade_draw(&r, 0, 1) < (double)a->jitter.p;
    uint32_t order[4] = {0, 1, 2, 3};
    for (uint32_t i = 3; i > 0; i--) { /* Fisher and Yates */
        uint32_t j = clade_random_below(&r, i + 1), moved = order[i];
        order[i] = order[j];
        order[j] = moved;
    }
    memset(steps, 0, 2 * CLADE_ADJUST_STEPS * sizeof *steps);
    draw_policy(a, seed, epoch, position, steps);
    steps += 2 * CLADE_POLICY_STEPS;
    for (uint32_t k = 0; k < 4; k++) {
        const float factor = (float)clade_draw(&r, (double)range[k][0], (double)range[k][1]);
        for (uint32_t s = 0; s < 4; s++)
            if (order[s] == k && jitters && clade_draw_is_range(range[k])) {
                steps[2 * s] = (float)kind[k];
                steps[2 * s + 1] = factor;
            }
    }
    if (clade_draw(&r, 0, 1) < (double)a->grey) steps[8] = (float)CLADE_ADJUST_GREY;
}

/* ---- rectangles ---- */

static int32_t within(int32_t v, int32_t most) { return v < 0 ? 0 : v < most ? v : most; }

/* Draws a square of `side` around a pixel, cut off at the edge: DeVries and Taylor 2017. */
static void cut_out(clade_random *r, int32_t side, int32_t height, int32_t width, int32_t out[4])
{
    int32_t top = (int32_t)clade_random_below(r, (uint32_t)height) - side / 2;
    int32_t left = (int32_t)clade_random_below(r, (uint32_t)width) - side / 2;
    if (side == 0) return;
    out[0] = within(top, height);
    out[1] = within(left, width);
    out[2] = within(top + side, height);
    out[3] = within(left + side, width);
}

/* torchvision's RandomErasing.get_params: the first of ten rectangles that is smaller than the
 * image. */
static void erase(clade_random *r, const clade_augment *a, int32_t height, int32_t width,
                  int32_t out[4])
{
    if (clade_draw(r, 0, 1) >= (double)a->erasing.p) return;
    for (int i = 0; i < 10; i++) {
        double area = clade_draw(r, (double)a->erasing.area[0], (double)a->erasing.area[1]);
        double ratio = clade_draw_ratio(r, a->erasing.ratio), h, w;
        clade_draw_sides(area * height * width, 1 / ratio, &h, &w);
        if (h >= height || w >= width) continue;
        out[0] = (int32_t)clade_random_below(r, (uint32_t)(height - (int32_t)h + 1));
        out[1] = (int32_t)clade_random_below(r, (uint32_t)(width - (int32_t)w + 1));
        out[2] = out[0] + (int32_t)h;
        out[3] = out[1] + (int32_t)w;
        return;
    }
}

void clade_augment_erase(const clade_augment *augment, int32_t height, int32_t width, uint64_t seed,
                         uint64_t epoch, uint64_t position,
                         int32_t rectangles[4 * CLADE_ERASE_RECTANGLES])
{
    const clade_augment *a = augment ? augment : &none;
    clade_random r = clade_random_start(seed, CLADE_STREAM_ERASE, epoch << 32 | position);
    memset(rectangles, 0, 4 * CLADE_ERASE_RECTANGLES * sizeof *rectangles);
    cut_out(&r, a->cutout, height, width, rectangles);
    erase(&r, a, height, width, rectangles + 4);
}

/* ---- batches ---- */

/* Draws from Beta(alpha, alpha): Jöhnk 1964, u^(1/α) ÷ (u^(1/α) + v^(1/α)) if the sum is at most
 * 1. */
static double draw_beta(clade_random *r, double alpha)
{
    for (;;) {
        double u = ((double)clade_random_u32(r) + 1) * 0x1p-32;
        double v = ((double)clade_random_u32(r) + 1) * 0x1p-32;
        u = clade_draw_exp(clade_draw_log(u) / alpha);
        v = clade_draw_exp(clade_draw_log(v) / alpha);
        if (u + v <= 1) return u / (u + v);
    }
}

/* torchvision's v2.CutMix: a rectangle of 1 − share of the area around a pixel, cut off at the
 * edge. */
static void cut_in(clade_random *r, double share, int32_t height, int32_t width, clade_mix *mix)
{
    const int32_t column = (int32_t)clade_random_below(r, (uint32_t)width);
    const int32_t row = (int32_t)clade_random_below(r, (uint32_t)height);
    const double half = 0.5 * sqrt(1 - share);
    const int32_t down = (int32_t)(half * height), right = (int32_t)(half * width);
    mix->rect[0] = within(row - down, height);
    mix->rect[1] = within(column - right, width);
    mix->rect[2] = within(row + down, height);
    mix->rect[3] = within(column + right, width);
    const double area =
        (double)(mix->rect[2] - mix->rect[0]) * (double)(mix->rect[3] - mix->rect[1]);
    mix->share = (float)(1 - area / ((double)height * width));
}

void clade_augment_mix(const clade_augment *augment, int32_t height, int32_t width, uint64_t seed,
                       uint64_t epoch, uint64_t batch, clade_mix *mix)
{
    *mix = (clade_mix){.share = 1, .blend = 1};
    if (!clade_augment_mixes(augment)) return;
    clade_random r = clade_random_start(seed, CLADE_STREAM_MIX, epoch << 32 | batch);
    const bool second = clade_draw(&r, 0, 1) < 0.5;
    const bool cuts = augment->cutmix > 0 && (augment->mixup == 0 || second);
    const double share = draw_beta(&r, (double)(cuts ? augment->cutmix : augment->mixup));
    if (cuts)
        cut_in(&r, share, height, width, mix);
    else
        mix->share = mix->blend = (float)share;
}
