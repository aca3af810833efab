/* adjust: step-by-step changes of images' colours, erased rectangles, and mixed images. */
#include "op/softmax.h"

#include <stdlib.h>
#include <string.h>

/* ---- shape rules ---- */

enum { most_steps = 8, most_rectangles = 8, sums = 256 };

static clade_status check_count(const char *slot, const char *what, const clade_tensor *t, int most)
{
    if (t->rank != 3 || t->dim[1] <= most) return CLADE_OK;
    return clade_fail(CLADE_EINVAL,
                      "image_adjust: %s has %d %s for each image, expected at most %d", slot,
                      t->dim[1], what, most);
}

static clade_status shape_image_adjust(clade_args *args)
{
    clade_image_adjust_args *a = &args->image_adjust;
    const clade_op op = CLADE_OP_image_adjust;
    clade_status status = clade_expect_rank(op, "x", &a->x, 4);
    if (!status) status = clade_expect_rank(op, "steps", &a->steps, 3);
    if (status) return status;
    const int32_t n = a->x.dim[0], c = a->x.dim[3];
    const bool erase = clade_tensor_present(&a->erase);
    if (c != 1 && c != 3)
        return clade_fail(CLADE_EINVAL, "image_adjust: x has %d channels, expected 1 or 3", c);
    status = check_count("steps", "steps", &a->steps, most_steps);
    if (!status)
        status = clade_expect_shape(op, "steps", &a->steps, CLADE_F32, 3,
                                    (int32_t[]){n, a->steps.dim[1], 2});
    if (!status && erase) status = clade_expect_rank(op, "erase", &a->erase, 3);
    if (!status && erase) status = check_count("erase", "rectangles", &a->erase, most_rectangles);
    if (!status && erase)
        status = clade_expect_shape(op, "erase", &a->erase, CLADE_I32, 3,
                                    (int32_t[]){n, a->erase.dim[1], 4});
    return status ? status : clade_infer_shape(op, "y", &a->y, CLADE_F32, 4, a->x.dim);
}

static clade_status shape_image_mix(clade_args *args)
{
    clade_image_mix_args *a = &args->image_mix;
    const clade_op op = CLADE_OP_image_mix;
    clade_status status = clade_expect_rank(op, "x", &a->x, 4);
    if (!status) status = clade_expect_shape(op, "z", &a->z, CLADE_F32, 4, a->x.dim);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, 4, a->x.dim);
    if (status || (a->share >= 0 && a->share <= 1)) return status;
    return clade_fail(CLADE_EINVAL, "image_mix: share is %g, expected 0 to 1", (double)a->share);
}

/* ---- references ---- */

#ifdef CLADE_ORACLE
static REAL real_rcp(REAL x) { return 1 / x; }
#else
static REAL real_rcp(REAL x) { return math_rcp(x); }
#endif

static REAL cut(REAL v)
{
    v = v < 0 ? 0 : v;
    return v > 255 ? 255 : v;
}

static REAL luma(const REAL *v, int32_t c)
{
    if (c == 1) return v[0];
    return REAL_FMA((REAL)0.2989f, v[0], REAL_FMA((REAL)0.587f, v[1], (REAL)0.114f * v[2]));
}

static void turn_hue(REAL *v, REAL f)
{
    const REAL red = v[0], green = v[1], blue = v[2];
    REAL most = red > green ? red : green, least = red < green ? red : green;
    most = blue > most ? blue : most;
    least = blue < least ? blue : least;
    const REAL chroma = most - least, per = real_rcp(chroma == 0 ? 1 : chroma);
    REAL h;
    if (most == red)
        h = (green - blue) * per;
    else
        h = most == green ? REAL_FMA(blue - red, per, 2) : REAL_FMA(red - green, per, 4);
    h = REAL_FMA(6, f, h);
    if (h < 0) h += 6;
    if (h >= 6) h -= 6;
    const int part = (h >= 1) + (h >= 2) + (h >= 3) + (h >= 4) + (h >= 5);
    const REAL along = h - (REAL)part;
    const REAL up = REAL_FMA(chroma, along, least), down = REAL_FMA(-chroma, along, most);
    const REAL turned[6][3] = {{most, up, least},   {down, most, least}, {least, most, up},
                               {least, down, most}, {up, least, most},   {most, least, down}};
    for (int k = 0; k < 3; k++) v[k] = cut(turned[part][k]);
}

/* Statistics of the whole image before a step. */
typedef struct whole_image {
    REAL mean, least[3], gain[3];
} whole_image;

/* Values that are not a pixel's stay unchanged. */
static REAL posterized(REAL v, REAL bits)
{
    const int dropped = bits >= 8 ? 0 : bits > 0 ? 8 - (int)bits : 8;
    if (!(v >= 0 && v <= 255)) return v;
    return (REAL)((int)v >> dropped << dropped);
}

/* Applies a step to a single pixel; `whole` describes the image before it. */
static void adjust(const REAL step[2], const whole_image *whole, int32_t c, REAL *v)
{
    const REAL f = step[1], grey = luma(v, c);
    const int kind = (int)step[0];
    if (kind == CLADE_ADJUST_HUE && c > 1) turn_hue(v, f);
    for (int32_t k = 0; k < c; k++) {
        if (kind == CLADE_ADJUST_BRIGHTNESS) v[k] = cut(f * v[k]);
        if (kind == CLADE_ADJUST_CONTRAST) v[k] = cut(REAL_FMA(f, v[k] - whole->mean, whole->mean));
        if (kind == CLADE_ADJUST_SATURATION && c > 1) v[k] = cut(REAL_FMA(f, v[k] - grey, grey));
        if (kind == CLADE_ADJUST_GREY) v[k] = grey;
        if (kind == CLADE_ADJUST_POSTERIZE) v[k] = posterized(v[k], f);
        if (kind == CLADE_ADJUST_SOLARIZE && v[k] >= f) v[k] = 255 - v[k];
        if (kind == CLADE_ADJUST_AUTOCONTRAST)
            v[k] = cut((v[k] - whole->least[k]) * whole->gain[k]);
    }
}

/* An image between its steps. */
typedef struct stepped_image {
    REAL *now, *next; /* [h, w, c] */
    int32_t h, w, c;
} stepped_image;

static whole_image look(const stepped_image *image)
{
    const size_t pixels = (size_t)image->h * (size_t)image->w;
    const int32_t c = image->c;
    REAL sum[sums] = {0}, all = 0, least[3] = {255, 255, 255}, most[3] = {0};
    whole_image out = {.gain = {1, 1, 1}};
    for (size_t p = 0; p < pixels; p++) {
        const REAL *v = image->now + p * (size_t)c;
        sum[p % sums] += luma(v, c);
        for (int32_t k = 0; k < c; k++) {
            if (v[k] < least[k]) least[k] = v[k];
            if (v[k] > most[k]) most[k] = v[k];
        }
    }
    for (int k = 0; k < sums; k++) all += sum[k];
    out.mean = real_div(all, (REAL)pixels);
    for (int32_t k = 0; k < c; k++) {
        if (most[k] <= least[k]) continue;
        out.least[k] = least[k];
        out.gain[k] = real_div(255, most[k] - least[k]);
    }
    return out;
}

/* Averages the nine pixels around each inner pixel, whose own weight is 5 of 13; the edge is
 * unchanged. */
static void sharpen(const stepped_image *image, REAL f)
{
    const ptrdiff_t c = image->c, row = image->w * c;
    for (int32_t i = 0; i < image->h; i++)
        for (ptrdiff_t e = i * row; e < (i + 1) * row; e++) {
            const REAL *v = image->now + e;
            const ptrdiff_t column = (e - i * row) / c;
            image->next[e] = *v;
            if (i == 0 || column == 0 || i == image->h - 1 || column == image->w - 1) continue;
            REAL sum = 0;
            for (ptrdiff_t down = -row; down <= row; down += row)
                for (ptrdiff_t right = -c; right <= c; right += c) sum += v[down + right];
            const REAL mean = REAL_FMA(4, *v, sum) * (REAL)0.07692308f;
            image->next[e] = cut(REAL_FMA(f, *v - mean, mean));
        }
}

/* PIL's algorithm: the number of pixels below a level, relative to all except those of the highest
 * level. */
static void equalize(const stepped_image *image, int32_t channel)
{
    const size_t pixels = (size_t)image->h * (size_t)image->w, c = (size_t)image->c;
    const REAL *v = image->now + channel;
    int64_t of[256] = {0}, total = 0, highest = 0, before = 0;
    for (size_t p = 0; p < pixels; p++)
        if (v[p * c] >= 0 && v[p * c] <= 255) of[(int)v[p * c]]++;
    for (int k = 0; k < 256; k++) {
        total += of[k];
        if (of[k] > 0) highest = of[k];
    }
    const int64_t step = (total - highest) / 255;
    int64_t to[256];
    for (int k = 0; k < 256; before += of[k++]) {
        to[k] = step > 0 ? (before + step / 2) / step : k;
        if (to[k] > 255) to[k] = 255;
    }
    for (size_t p = 0; p < pixels; p++) {
        const REAL own = v[p * c];
        image->next[p * c + (size_t)channel] =
            step > 0 && own >= 0 && own <= 255 ? (REAL)to[(int)own] : own;
    }
}

static whole_image make_step(stepped_image *image, const REAL step[2])
{
    const whole_image whole = look(image);
    const size_t pixels = (size_t)image->h * (size_t)image->w, c = (size_t)image->c;
    const int kind = (int)step[0];
    if (kind != CLADE_ADJUST_SHARPNESS && kind != CLADE_ADJUST_EQUALIZE) {
        for (size_t p = 0; p < pixels; p++) adjust(step, &whole, image->c, image->now + p * c);
        return whole;
    }
    if (kind == CLADE_ADJUST_SHARPNESS) sharpen(image, step[1]);
    for (int32_t k = 0; k < image->c && kind == CLADE_ADJUST_EQUALIZE; k++) equalize(image, k);
    REAL *next = image->now;
    image->now = image->next;
    image->next = next;
    return whole;
}

/* Runs the steps of image i of x; steps and `whole`, for the image before each step, may be NULL.
 * False: out of memory; the image must be freed in any case. */
static bool make_steps(const clade_image_adjust_args *a, size_t i, stepped_image *image,
                       REAL **memory, whole_image *whole)
{
    const size_t size = clade_tensor_count(&a->x) / (size_t)a->x.dim[0];
    const int32_t count = a->steps.dim[1];
    const REAL *steps = real_of(&a->steps) + i * (size_t)count * 2;
    *memory = malloc(2 * size * sizeof **memory);
    if (!*memory) return false;
    *image = (stepped_image){*memory, *memory + size, a->x.dim[1], a->x.dim[2], a->x.dim[3]};
    memcpy(image->now, real_of(&a->x) + i * size, size * sizeof **memory);
    for (int32_t s = 0; s < count; s++) whole[s] = make_step(image, steps + (ptrdiff_t)2 * s);
    return true;
}

static bool is_erased(const clade_image_adjust_args *a, size_t image, int32_t row, int32_t column)
{
    const int32_t count = clade_tensor_present(&a->erase) ? a->erase.dim[1] : 0;
    for (int32_t r = 0; r < count; r++) {
        const int32_t *e = i32_of(&a->erase) + 4 * (image * (size_t)count + (size_t)r);
        if (row >= e[0] && column >= e[1] && row < e[2] && column < e[3]) return true;
    }
    return false;
}

/* If memory is exhausted the result is NaN. */
static void run_image_adjust(const clade_args *args)
{
    const clade_image_adjust_args *a = &args->image_adjust;
    const int32_t w = a->x.dim[2], c = a->x.dim[3];
    const size_t size = clade_tensor_count(&a->x) / (size_t)a->x.dim[0];
    for (size_t i = 0; i < (size_t)a->x.dim[0]; i++) {
        REAL *y = real_of(&a->y) + i * size, *memory;
        stepped_image image;
        whole_image whole[most_steps];
        const bool good = make_steps(a, i, &image, &memory, whole);
        for (size_t e = 0; e < size; e++) {
            const size_t k = e % (size_t)c, p = e / (size_t)c;
            const bool gone = is_erased(a, i, (int32_t)(p / (size_t)w), (int32_t)(p % (size_t)w));
            y[e] = !good  ? (REAL)NAN
                   : gone ? (REAL)a->value
                          : REAL_FMA((REAL)a->scale[k], image.now[e], (REAL)a->shift[k]);
        }
        free(memory);
    }
}

static bool is_within(const clade_image_mix_args *a, int32_t row, int32_t column)
{
    return row >= a->top && row < a->bottom && column >= a->left && column < a->right;
}

static void run_image_mix(const clade_args *args)
{
    const clade_image_mix_args *a = &args->image_mix;
    const REAL *x = real_of(&a->x), *z = real_of(&a->z), share = a->share;
    REAL *y = real_of(&a->y);
    for (int32_t i = 0; i < a->x.dim[0]; i++)
        for (int32_t row = 0; row < a->x.dim[1]; row++)
            for (int32_t column = 0; column < a->x.dim[2]; column++)
                for (int32_t k = 0; k < a->x.dim[3]; k++, x++, y++, z++) {
                    REAL mixed = share == 1 ? *x : REAL_FMA(share, *x - *z, *z);
                    *y = is_within(a, row, column) ? *z : mixed;
                }
}

/* ---- bounds ---- */

/* The effect of a step on an error e of every channel, for values of at most 255; each product and
 * sum rounds once. Grey has three roundings; its mean a sum and a division more. The hue is a
 * quotient of differences, which later multiplies their divisor again: 2 e from each of the two
 * differences, 2 e from the chroma that multiplies it, and e from what it is added to, with 30
 * roundings of up to 255. Autocontrast likewise divides by a range, whose ends are off by e, and
 * which may consist of the error alone: at most 255. Posterize and solarize jump if the error moves
 * a value across a threshold, and equalize may change it by any amount. Sharpness sums nine values
 * of up to 255, with 8 roundings of at most 9 of them and one of 13, then multiplies by a 13th,
 * which is itself rounded. */
static double step_error(const double *step, const whole_image *whole, double e, size_t pixels,
                         int32_t c)
{
    const int kind = (int)step[0];
    const double f = step[1], unit = 255 * CLADE_UNIT, grey = c > 1 ? e + 3 * unit : e;
    const double mean = grey + 255 * clade_gamma((int64_t)(pixels / sums) + 1 + sums) + 3 * unit;
    double gain = 0;
    for (int32_t k = 0; k < c; k++) gain = fmax(gain, (double)whole->gain[k]);
    switch (kind) {
    case CLADE_ADJUST_BRIGHTNESS: return fabs(f) * e + unit;
    case CLADE_ADJUST_CONTRAST: return fabs(f) * (e + unit) + fabs(1 - f) * mean + unit;
    case CLADE_ADJUST_SATURATION:
        return c > 1 ? fabs(f) * (e + unit) + fabs(1 - f) * grey + unit : e;
    case CLADE_ADJUST_HUE: return c > 1 ? 7 * e + 30 * unit : e;
    case CLADE_ADJUST_GREY: return grey;
    case CLADE_ADJUST_POSTERIZE: return e > 0 ? e + (1 << (8 - (int)f)) : 0;
    case CLADE_ADJUST_SOLARIZE: return e > 0 ? e + fabs(255 - 2 * f) + unit : unit;
    case CLADE_ADJUST_AUTOCONTRAST: return fmin(4 * gain * e + 6 * unit, 255);
    case CLADE_ADJUST_SHARPNESS: return fabs(f) * (e + unit) + fabs(1 - f) * (e + 9 * unit) + unit;
    case CLADE_ADJUST_EQUALIZE: return e > 0 ? 255 : 0;
    default: return e;
    }
}

static void bound_image_adjust(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_image_adjust_args *a = &args->image_adjust;
    const size_t pixels = (size_t)a->x.dim[1] * (size_t)a->x.dim[2];
    const int32_t c = a->x.dim[3], count = a->steps.dim[1];
    for (size_t i = 0; i < (size_t)a->x.dim[0]; i++) {
        const double *steps = doubles_of(&a->steps) + i * (size_t)count * 2;
        whole_image whole[most_steps] = {0};
        stepped_image image;
        REAL *memory;
        double e = make_steps(a, i, &image, &memory, whole) ? 0 : 255;
        free(memory);
        for (int32_t s = 0; s < count; s++) e = step_error(steps + 2 * s, &whole[s], e, pixels, c);
        for (size_t p = 0; p < pixels; p++)
            for (int32_t k = 0; k < c; k++) {
                double scale = fabs((double)a->scale[k]), shift = fabs((double)a->shift[k]);
                *bound++ = (scale * e + CLADE_UNIT * (255 * scale + shift)) * (1 + 0x1p-10);
            }
    }
}

/* The difference and the fma round; copies are exact. */
static void bound_image_mix(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_image_mix_args *a = &args->image_mix;
    const double *x = doubles_of(&a->x), *z = doubles_of(&a->z);
    const size_t h = (size_t)a->x.dim[1], w = (size_t)a->x.dim[2], c = (size_t)a->x.dim[3];
    for (size_t i = 0; i < clade_tensor_count(&a->x); i++) {
        const bool copied =
            a->share == 1 || is_within(a, (int32_t)(i / c / w % h), (int32_t)(i / c % w));
        bound[i] = copied ? 0 : 1.01 * CLADE_UNIT * (2 * fabs(x[i] - z[i]) + fabs(z[i]));
    }
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case image_adjust_cases[] = {
    {CASE_QUICK, "one-step", "x=12x7x9x3 steps=12x1x2 scale=0.003921569,0.003921569,0.003921569,0"},
    {CASE_QUICK, "grey-image", "x=5x6x5x1 steps=5x3x2 scale=0.017,1,1,1 shift=-2.1,0,0,0"},
    {CASE_QUICK, "erased",
     "x=3x60x67x3 steps=3x5x2 erase=3x2x4 value=0.5 "
     "scale=0.017124753,0.017507004,0.017429193,1 shift=-2.117904,-2.0357144,-1.8044444,0"},
    {CASE_QUICK, "equalized", "x=8x23x29x1 steps=8x2x2 scale=1,1,1,1"},
    {CASE_FULL, "pixel", "x=9x1x1x3 steps=9x2x2 erase=9x1x4 scale=1,1,1,1"},
    {CASE_FULL, "most", "x=2x33x31x3 steps=2x8x2 erase=2x8x4 value=-3 scale=1,0.5,2,0"},
    {CASE_FULL, "many", "x=70x3x5x1 steps=70x2x2 scale=1,1,1,1"},
    {CASE_TIMED, "training",
     "x=32x150x150x3 steps=32x5x2 erase=32x2x4 scale=0.003921569,0.003921569,0.003921569,0"},
};

static const clade_case image_mix_cases[] = {
    {CASE_QUICK, "blend", "x=3x5x7x3 z=3x5x7x3 share=0.3"},
    {CASE_QUICK, "rectangle", "x=3x8x7x3 z=3x8x7x3 share=1 top=2 left=1 bottom=7 right=6"},
    {CASE_FULL, "both", "x=5x9x4x1 z=5x9x4x1 share=0.9 top=-3 left=2 bottom=4 right=40"},
    {CASE_FULL, "other", "x=1x3x5x4 z=1x3x5x4"},
    {CASE_TIMED, "training", "x=32x150x150x3 z=32x150x150x3 share=0.4"},
};
#endif

OP_IMPL(image_adjust, OP_CASES(image_adjust_cases), .bound = bound_image_adjust,
        .domain = {CLADE_DOMAIN_PIXEL, CLADE_DOMAIN_ADJUST});
OP_IMPL(image_mix, OP_CASES(image_mix_cases), .bound = bound_image_mix);
