/* image: images of bytes, sampled through a 2×3 matrix each, to float32. */
#include "op/op.h"

/* ---- shape rule ---- */

/* What a coordinate in float32 tells apart, and what a launch's dimension holds. */
enum { largest_input = 1 << 24, largest_output = 1 << 15 };

static clade_status check_side(const char *slot, const char *side, int32_t size, int32_t largest)
{
    if (size <= largest) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "affine_sample: %s has %d %s, expected at most %d", slot, size,
                      side, largest);
}

static clade_status check_numbers(const clade_affine_sample_args *a)
{
    if (a->fill < CLADE_FILL_NEAREST || a->fill > CLADE_FILL_WRAP)
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

/* One output image's source, and how to read it. */
typedef struct source {
    const uint8_t *pixels;
    int32_t h, w, c, fill;
    REAL value;
} source;

/* m0 j + m1 i + m2 within ±2^30; what is not a number counts as far on the negative side. */
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

/* Where pixel t of n lies in the image; −1 where it is outside of one that is not continued. */
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

/* Output image p's. An index beyond the images is the nearest one. */
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
/* Of a coordinate: two roundings of what they round. */
static double coordinate_error(const double *m, int32_t i, int32_t j)
{
    return 1.01 * CLADE_UNIT * (fabs(m[1] * i + m[2]) + fabs(coordinate(m, i, j)));
}

/* By how much the nearest pixel's value may differ when a coordinate's error moves it across the
 * middle between two: the largest difference to any of those it may be. */
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

/* Bilinear values change by at most 255 from a pixel to the next, everywhere continuously, so an
 * error of a coordinate, and one rounding of the fraction, come out times 255. The blend has four
 * roundings of numbers up to 255 on the longest way; the brightness one and a factor; the scale a
 * factor, and one of the result. */
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

#define UNIT_SCALE .scale = {1 / 255.0f, 1 / 255.0f, 1 / 255.0f, 1 / 255.0f}
#define IMAGENET_SCALE                                                                             \
    .scale = {0.0171247538f, 0.0175070028f, 0.0174291939f, 1},                                     \
    .shift = {-2.11790393f, -2.03571429f, -1.80444444f, -0.5f}

static const clade_case affine_sample_cases[] = {
    {"one-pixel",
     false,
     {.affine_sample =
          {.x = U8_4(1, 1, 1, 1), .matrix = F32_2(1, 8), .y = F32_4(1, 1, 1, 1), UNIT_SCALE}}},
    {"grey-nearest-fill",
     false,
     {.affine_sample =
          {.x = U8_4(2, 5, 7, 1), .matrix = F32_2(2, 8), .y = F32_4(2, 6, 5, 1), UNIT_SCALE}}},
    {"rgb-constant",
     false,
     {.affine_sample = {.x = U8_4(2, 9, 8, 3),
                        .matrix = F32_2(2, 8),
                        .y = F32_4(2, 9, 8, 3),
                        .fill = CLADE_FILL_CONSTANT,
                        .value = 127.25f,
                        IMAGENET_SCALE}}},
    {"rgb-reflect-index",
     false,
     {.affine_sample = {.x = U8_4(3, 6, 5, 3),
                        .index = I32_1(4),
                        .matrix = F32_2(4, 8),
                        .y = F32_4(4, 11, 13, 3),
                        .fill = CLADE_FILL_REFLECT,
                        UNIT_SCALE}}},
    {"four-channels-wrap",
     false,
     {.affine_sample = {.x = U8_4(1, 4, 3, 4),
                        .matrix = F32_2(1, 8),
                        .y = F32_4(1, 7, 6, 4),
                        .fill = CLADE_FILL_WRAP,
                        IMAGENET_SCALE}}},
    {"two-channels-nearest-pixel",
     false,
     {.affine_sample = {.x = U8_4(2, 8, 9, 2),
                        .matrix = F32_2(2, 8),
                        .y = F32_4(2, 10, 7, 2),
                        .nearest = 1,
                        UNIT_SCALE}}},
    {"nearest-pixel-reflect",
     false,
     {.affine_sample = {.x = U8_4(1, 3, 2, 3),
                        .matrix = F32_2(1, 8),
                        .y = F32_4(1, 9, 14, 3),
                        .nearest = 1,
                        .fill = CLADE_FILL_REFLECT,
                        IMAGENET_SCALE}}},
    {"nearest-pixel-constant-wide",
     true,
     {.affine_sample = {.x = U8_4(5, 17, 33, 3),
                        .index = I32_1(7),
                        .matrix = F32_2(7, 8),
                        .y = F32_4(7, 19, 97, 3),
                        .nearest = 1,
                        .fill = CLADE_FILL_CONSTANT,
                        .value = 255,
                        UNIT_SCALE}}},
    {"grey-four-columns", /* as few as are read at a time */
     false,
     {.affine_sample =
          {.x = U8_4(2, 5, 4, 1), .matrix = F32_2(2, 8), .y = F32_4(2, 15, 12, 1), UNIT_SCALE}}},
    {"photo",
     true,
     {.affine_sample = {.x = U8_4(4, 150, 150, 3),
                        .index = I32_1(3),
                        .matrix = F32_2(3, 8),
                        .y = F32_4(3, 150, 150, 3),
                        UNIT_SCALE}}},
    {"photo-constant-smaller",
     true,
     {.affine_sample = {.x = U8_4(2, 131, 97, 3),
                        .matrix = F32_2(2, 8),
                        .y = F32_4(2, 64, 64, 3),
                        .fill = CLADE_FILL_CONSTANT,
                        IMAGENET_SCALE}}},
    {"grey-wrap-larger",
     true,
     {.affine_sample = {.x = U8_4(2, 28, 28, 1),
                        .matrix = F32_2(2, 8),
                        .y = F32_4(2, 75, 67, 1),
                        .fill = CLADE_FILL_WRAP,
                        UNIT_SCALE}}},
};

OP_IMPL(affine_sample, OP_CASES(affine_sample_cases), .bound = bound_affine_sample,
        .domain = {[1] = CLADE_DOMAIN_INDEX, [2] = CLADE_DOMAIN_AFFINE});
