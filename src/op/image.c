/* image: uint8 images, sampled through a 2×3 matrix each, to float32. */
#include "op/op.h"

/* ---- shape rule ---- */

/* Limits: of what float32 coordinates can distinguish, and of a launch's dimensions. */
enum { largest_input = 1 << 24, largest_output = 1 << 15 };

static clade_status check_side(const char *slot, const char *side, int32_t size, int32_t largest)
{
    if (size <= largest) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "affine_sample: %s has %d %s, expected at most %d", slot, size,
                      side, largest);
}

static clade_status check_numbers(const clade_affine_sample_args *a)
{
    if (a->fill < 0 || a->fill >= CLADE_FILL_MODES)
        return clade_fail(CLADE_EINVAL, "affine_sample: there is no fill mode %d", a->fill);
    if (!(a->value >= 0 && a->value <= 255))
        return clade_fail(CLADE_EINVAL, "affine_sample: value is %g, expected 0 to 255",
                          (double)a->value);
    for (int k = 0; k < a->x.dim[3]; k++)
        if (!isfinite(a->scale[k]) || !isfinite(a->shift[k]))
            return clade_fail(CLADE_EINVAL, "affine_sample: scale or shift of channel %d is %g", k,
                              (double)(isfinite(a->scale[k]) ? a->shift[k] : a->scale[k]));
    return CLADE_OK;
}

static clade_status shape_affine_sample(clade_args *args)
{
    clade_affine_sample_args *a = &args->affine_sample;
    const clade_op op = CLADE_OP_affine_sample;
    clade_status status = clade_expect_rank(op, "x", &a->x, 4);
    if (status) return status;
    if (a->x.dim[3] > 4)
        return clade_fail(CLADE_EINVAL, "affine_sample: x has %d channels, expected at most 4",
                          a->x.dim[3]);
    if (!clade_tensor_present(&a->y))
        return clade_fail(CLADE_EINVAL, "affine_sample: the shape of y must be given");
    status = clade_expect_rank(op, "y", &a->y, 4);
    if (status) return status;
    const int32_t n = a->y.dim[0];
    if (clade_tensor_present(&a->index))
        status = clade_expect_shape(op, "index", &a->index, CLADE_I32, 1, &n);
    else if (n != a->x.dim[0])
        status =
            clade_fail(CLADE_EINVAL,
                       "affine_sample: y has %d images and x %d; without index they are the same",
                       n, a->x.dim[0]);
    if (!status)
        status = clade_expect_shape(op, "matrix", &a->matrix, CLADE_F32, 2, (int32_t[]){n, 8});
    if (!status)
        status = clade_expect_shape(op, "y", &a->y, CLADE_F32, 4,
                                    (int32_t[]){n, a->y.dim[1], a->y.dim[2], a->x.dim[3]});
    if (!status) status = check_side("x", "rows", a->x.dim[1], largest_input);
    if (!status) status = check_side("x", "columns", a->x.dim[2], largest_input);
    if (!status) status = check_side("y", "rows", a->y.dim[1], largest_output);
    if (!status) status = check_side("y", "columns", a->y.dim[2], largest_output);
    return status ? status : check_numbers(a);
}

/* ---- reference ---- */

/* The source of one output image, and how to read it. */
typedef struct source {
    const uint8_t *pixels;
    int32_t h, w, c, fill;
    REAL value;
} source;

/* Returns m0 j + m1 i + m2, clamped to ±2^30; NaN counts as −2^30. */
static REAL coordinate(const REAL *m, int32_t i, int32_t j)
{
    REAL x = REAL_FMA(m[0], (REAL)j, REAL_FMA(m[1], (REAL)i, m[2]));
    if (!(x > -0x1p30f)) x = -0x1p30f;
    return x < 0x1p30f ? x : 0x1p30f;
}

static int32_t floor_of(REAL x)
{
    int32_t n = (int32_t)x;
    return (REAL)n > x ? n - 1 : n;
}

/* Returns the position of pixel t of n in the image; −1 if it is outside and the fill is
 * constant. */
static int32_t tap(int32_t t, int32_t n, int32_t fill)
{
    int32_t turn = fill == CLADE_FILL_REFLECT ? 2 * n : n, r = t % turn;
    if (t >= 0 && t < n) return t;
    if (fill == CLADE_FILL_CONSTANT) return -1;
    if (fill == CLADE_FILL_NEAREST) return t < 0 ? 0 : n - 1;
    if (r < 0) r += turn;
    return r < n ? r : turn - 1 - r;
}

static REAL pixel(const source *s, int32_t row, int32_t column, int32_t k)
{
    row = tap(row, s->h, s->fill);
    column = tap(column, s->w, s->fill);
    if (row < 0 || column < 0) return s->value;
    return s->pixels[((size_t)row * (size_t)s->w + (size_t)column) * (size_t)s->c + (size_t)k];
}

static REAL bilinear(const source *s, REAL row, REAL column, int32_t k)
{
    int32_t i = floor_of(row), j = floor_of(column);
    REAL fy = row - (REAL)i, fx = column - (REAL)j;
    REAL a = pixel(s, i, j, k), b = pixel(s, i, j + 1, k);
    REAL c = pixel(s, i + 1, j, k), d = pixel(s, i + 1, j + 1, k);
    REAL top = REAL_FMA(fx, b - a, a), bottom = REAL_FMA(fx, d - c, c);
    return REAL_FMA(fy, bottom - top, top);
}

static REAL bright(REAL v, REAL gain, REAL offset)
{
    if (gain == 1 && offset == 0) return v;
    v = REAL_FMA(gain, v, offset);
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

/* Returns the source of output image p. An index out of range becomes the nearest valid one. */
static source source_of(const clade_affine_sample_args *a, int32_t p)
{
    int32_t last = a->x.dim[0] - 1;
    int32_t taken = clade_tensor_present(&a->index) ? i32_of(&a->index)[p] : p;
    taken = taken < 0 ? 0 : taken > last ? last : taken;
    size_t size = (size_t)a->x.dim[1] * (size_t)a->x.dim[2] * (size_t)a->x.dim[3];
    return (source){.pixels = u8_of(&a->x) + (size_t)taken * size,
                    .h = a->x.dim[1],
                    .w = a->x.dim[2],
                    .c = a->x.dim[3],
                    .fill = a->fill,
                    .value = a->value};
}

static void run_affine_sample(const clade_args *args)
{
    const clade_affine_sample_args *a = &args->affine_sample;
    REAL *y = real_of(&a->y);
    for (int32_t p = 0; p < a->y.dim[0]; p++) {
        const REAL *m = real_of(&a->matrix) + (size_t)p * 8;
        const source s = source_of(a, p);
        for (int32_t i = 0; i < a->y.dim[1]; i++)
            for (int32_t j = 0; j < a->y.dim[2]; j++)
                for (int32_t k = 0; k < s.c; k++) {
                    REAL column = coordinate(m, i, j), row = coordinate(m + 3, i, j), v;
                    if (a->nearest)
                        v = pixel(&s, floor_of(row + (REAL)0.5), floor_of(column + (REAL)0.5), k);
                    else
                        v = bilinear(&s, row, column, k);
                    v = bright(v, m[6], m[7]);
                    *y++ = REAL_FMA((REAL)a->scale[k], v, (REAL)a->shift[k]);
                }
    }
}

/* ---- bound ---- */

#ifdef CLADE_ORACLE
/* The error of a coordinate: two roundings of its terms. */
static double coordinate_error(const double *m, int32_t i, int32_t j)
{
    return 1.01 * CLADE_UNIT * (fabs(m[1] * i + m[2]) + fabs(coordinate(m, i, j)));
}

/* The largest change of the nearest pixel's value when a coordinate's error moves it across the
 * middle between two pixels: the largest difference to any pixel that may be chosen. */
static double nearest_error(const source *s, double row, double column, double er, double ec,
                            int32_t k)
{
    er += CLADE_UNIT * (fabs(row) + 1); /* of the addition of ½ */
    ec += CLADE_UNIT * (fabs(column) + 1);
    double v = pixel(s, floor_of(row + 0.5), floor_of(column + 0.5), k), worst = 0;
    for (int corner = 0; corner < 4; corner++) {
        double r = row + (corner & 1 ? er : -er), c = column + (corner & 2 ? ec : -ec);
        worst = fmax(worst, fabs(v - pixel(s, floor_of(r + 0.5), floor_of(c + 0.5), k)));
    }
    return worst;
}
#endif

/* Bilinear values are continuous and change by at most 255 from one pixel to the next, so that an
 * error of a coordinate, and one rounding of the fraction, are multiplied by 255. The blend adds at
 * most four roundings of numbers up to 255, the brightness one rounding and a factor, the scale a
 * factor and one rounding of the result. */
static void bound_affine_sample(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
#ifdef CLADE_ORACLE
    const clade_affine_sample_args *a = &args->affine_sample;
    const double *y = real_of(&a->y);
    for (int32_t p = 0; p < a->y.dim[0]; p++) {
        const double *m = real_of(&a->matrix) + (size_t)p * 8;
        const source s = source_of(a, p);
        for (int32_t i = 0; i < a->y.dim[1]; i++)
            for (int32_t j = 0; j < a->y.dim[2]; j++)
                for (int32_t k = 0; k < s.c; k++) {
                    double ec = coordinate_error(m, i, j), er = coordinate_error(m + 3, i, j);
                    double e = 255 * (ec + er + 2 * CLADE_UNIT) + 4 * 255 * CLADE_UNIT;
                    if (a->nearest)
                        e = nearest_error(&s, coordinate(m + 3, i, j), coordinate(m, i, j), er, ec,
                                          k);
                    if (m[6] != 1 || m[7] != 0)
                        e = fabs(m[6]) * e + CLADE_UNIT * (255 * fabs(m[6]) + fabs(m[7]));
                    *bound++ = 1.01 * (fabs((double)a->scale[k]) * e + CLADE_UNIT * fabs(*y++));
                }
    }
#else
    (void)args;
    (void)bound;
#endif
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case affine_sample_cases[] = {
    {CASE_QUICK, "one-pixel",
     "x=1x1x1x1 matrix=1x8 y=1x1x1x1 "
     "scale=0.003921569,0.003921569,0.003921569,0.003921569"},
    {CASE_QUICK, "grey-nearest-fill",
     "x=2x5x7x1 matrix=2x8 y=2x6x5x1 "
     "scale=0.003921569,0.003921569,0.003921569,0.003921569"},
    {CASE_QUICK, "rgb-constant",
     "x=2x9x8x3 matrix=2x8 y=2x9x8x3 fill=constant value=127.25 "
     "scale=0.017124753,0.017507004,0.017429193,1 "
     "shift=-2.117904,-2.0357144,-1.8044444,-0.5"},
    {CASE_QUICK, "rgb-reflect-index",
     "x=3x6x5x3 index=4 matrix=4x8 y=4x11x13x3 fill=reflect "
     "scale=0.003921569,0.003921569,0.003921569,0.003921569"},
    {CASE_QUICK, "four-channels-wrap",
     "x=1x4x3x4 matrix=1x8 y=1x7x6x4 fill=wrap scale=0.017124753,0.017507004,0.017429193,1 "
     "shift=-2.117904,-2.0357144,-1.8044444,-0.5"},
    {CASE_QUICK, "two-channels-nearest-pixel",
     "x=2x8x9x2 matrix=2x8 y=2x10x7x2 nearest=1 "
     "scale=0.003921569,0.003921569,0.003921569,0.003921569"},
    {CASE_QUICK, "nearest-pixel-reflect",
     "x=1x3x2x3 matrix=1x8 y=1x9x14x3 nearest=1 fill=reflect "
     "scale=0.017124753,0.017507004,0.017429193,1 "
     "shift=-2.117904,-2.0357144,-1.8044444,-0.5"},
    {CASE_FULL, "nearest-pixel-constant-wide",
     "x=5x17x33x3 index=7 matrix=7x8 y=7x19x97x3 nearest=1 fill=constant value=255 "
     "scale=0.003921569,0.003921569,0.003921569,0.003921569"},
    {CASE_QUICK, "grey-four-columns",
     "x=2x5x4x1 matrix=2x8 y=2x15x12x1 "
     "scale=0.003921569,0.003921569,0.003921569,0.003921569"}, /* the fewest that are read at a
                                                                * time */
    {CASE_FULL, "photo",
     "x=4x150x150x3 index=3 matrix=3x8 y=3x150x150x3 "
     "scale=0.003921569,0.003921569,0.003921569,0.003921569"},
    {CASE_FULL, "photo-constant-smaller",
     "x=2x131x97x3 matrix=2x8 y=2x64x64x3 fill=constant "
     "scale=0.017124753,0.017507004,0.017429193,1 "
     "shift=-2.117904,-2.0357144,-1.8044444,-0.5"},
    {CASE_FULL, "grey-wrap-larger",
     "x=2x28x28x1 matrix=2x8 y=2x75x67x1 fill=wrap "
     "scale=0.003921569,0.003921569,0.003921569,0.003921569"},
    {CASE_TIMED, "training",
     "x=32x300x300x3 matrix=32x8 y=32x150x150x3 "
     "scale=0.003921569,0.003921569,0.003921569,0"},
};
#endif

OP_IMPL(affine_sample, OP_CASES(affine_sample_cases), .bound = bound_affine_sample,
        .domain = {[1] = CLADE_DOMAIN_INDEX, [2] = CLADE_DOMAIN_AFFINE});
