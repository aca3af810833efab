/* upsample: enlarging images by whole factors, nearest or bilinear, and the gradient. */
#include "op/op.h"

#include "../../kernels/portable.clh"
#include "../../kernels/math.clh"

/* Rows or columns of an image. If bilinear, output o lies at (step o + start) / unit, clamped to
 * x's pixels. */
typedef struct upsampling {
    int64_t pixels, factor;
    bool bilinear;
    int64_t step, start, unit;
} upsampling;

static upsampling upsampling_of(int32_t pixels, int32_t factor, int32_t bilinear,
                                int32_t align_corners)
{
    upsampling u = {.pixels = pixels, .factor = factor, .bilinear = bilinear};
    u.step = align_corners ? u.pixels - 1 : 2;
    u.start = align_corners ? 0 : 1 - u.factor;
    u.unit = align_corners ? u.factor * u.pixels - 1 : 2 * u.factor;
    if (u.unit == 0) u.unit = 1; /* there is only one output */
    return u;
}

/* ---- shapes ---- */

/* Checks what both ops share, given x or dx. */
static clade_status expect_upsampling(clade_op op, const char *slot, const int32_t x[4],
                                      const int32_t size[2], int32_t bilinear,
                                      int32_t align_corners)
{
    const char *name = clade_op_describe(op)->name;
    if (align_corners && !bilinear)
        return clade_fail(CLADE_EINVAL, "%s: align_corners is for bilinear alone", name);
    static const char *const axis[] = {"rows", "columns"};
    /* kernels use 32-bit positions along an axis, doubled or multiplied */
    const int64_t times[] = {x[0] > 2 ? x[0] : 2, x[3] > 2 ? x[3] : 2};
    for (int i = 0; i < 2; i++) {
        upsampling u = upsampling_of(x[1 + i], size[i], bilinear, align_corners);
        int64_t outputs = u.pixels * u.factor;
        if (outputs > INT32_MAX || outputs * times[i] > INT32_MAX)
            return clade_fail(CLADE_EINVAL,
                              "%s: %s: %d %s times %d times %lld are too many, 2^31 or more", name,
                              slot, x[1 + i], axis[i], size[i], (long long)times[i]);
        /* the weights' numerators must be exact in float32 */
        if (bilinear && (u.unit > 1 << 24 || u.unit * u.pixels > INT32_MAX))
            return clade_fail(CLADE_EINVAL,
                              "%s: %s: %d %s times %d are too many for bilinear, whose weights are "
                              "fractions of %lld",
                              name, slot, x[1 + i], axis[i], size[i], (long long)u.unit);
    }
    return CLADE_OK;
}

static clade_status expect_size(clade_op op, const int32_t size[2])
{
    if (size[0] > 0 && size[1] > 0) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "%s: size %d, %d: expected 1 or more",
                      clade_op_describe(op)->name, size[0], size[1]);
}

static clade_status shape_upsample2d(clade_args *args)
{
    clade_upsample2d_args *a = &args->upsample2d;
    const clade_op op = CLADE_OP_upsample2d;
    const int32_t *x = a->x.dim;
    clade_status status = clade_expect_rank(op, "x", &a->x, 4);
    if (!status) status = expect_size(op, a->size);
    if (!status) status = expect_upsampling(op, "x", x, a->size, a->bilinear, a->align_corners);
    if (status) return status;
    return clade_infer_shape(op, "y", &a->y, CLADE_F32, 4,
                             (int32_t[]){x[0], x[1] * a->size[0], x[2] * a->size[1], x[3]});
}

static clade_status shape_upsample2d_dx(clade_args *args)
{
    clade_upsample2d_dx_args *a = &args->upsample2d_dx;
    const clade_op op = CLADE_OP_upsample2d_dx;
    const int32_t *dy = a->dy.dim;
    clade_status status = clade_expect_rank(op, "dy", &a->dy, 4);
    if (!status) status = expect_size(op, a->size);
    if (status) return status;
    if (dy[1] % a->size[0] || dy[2] % a->size[1])
        return clade_fail(CLADE_EINVAL, "upsample2d_dx: dy: %d x %d is no multiple of size %d, %d",
                          dy[1], dy[2], a->size[0], a->size[1]);
    const int32_t x[4] = {dy[0], dy[1] / a->size[0], dy[2] / a->size[1], dy[3]};
    status = expect_upsampling(op, "dy", x, a->size, a->bilinear, a->align_corners);
    return status ? status : clade_infer_shape(op, "dx", &a->dx, CLADE_F32, 4, x);
}

/* ---- references ---- */

#ifdef CLADE_ORACLE
static REAL reciprocal(int64_t unit) { return 1.0 / (double)unit; }
#else
static REAL reciprocal(int64_t unit) { return math_rcp((float)unit); }
#endif

/* Returns the position of output o, in units. */
static int64_t position_of(const upsampling *u, int64_t o)
{
    int64_t q = u->step * o + u->start, last = u->unit * (u->pixels - 1);
    return q < 0 ? 0 : q > last ? last : q;
}

/* Returns the numerator of pixel i's weight in output o; not positive: no weight. */
static int64_t weight_of(const upsampling *u, int64_t o, int64_t i)
{
    if (!u->bilinear) return o / u->factor == i;
    int64_t distance = position_of(u, o) - u->unit * i;
    return u->unit - (distance < 0 ? -distance : distance);
}

/* Returns the weight itself. */
static REAL share_of(const upsampling *u, int64_t o, int64_t i)
{
    return (REAL)weight_of(u, o, i) * (u->bilinear ? reciprocal(u->unit) : 1);
}

/* Gives the outputs in which pixel i has a weight: from *first to before *end. */
static void reached(const upsampling *u, int64_t i, int64_t *first, int64_t *end)
{
    *first = 0;
    while (weight_of(u, *first, i) <= 0) ++*first;
    *end = *first;
    while (*end < u->pixels * u->factor && weight_of(u, *end, i) > 0) ++*end;
}

/* Returns the index of element (i, j, 0) of image b, with h rows and w columns of c channels. */
static size_t at(int64_t b, int64_t h, int64_t i, int64_t w, int64_t j, int64_t c)
{
    return (size_t)(((b * h + i) * w + j) * c);
}

/* b: image; i, j: row and column; k: channel. */
#define FOR_EACH_ELEMENT(t)                                                                        \
    for (int64_t b = 0; b < (t).dim[0]; b++)                                                       \
        for (int64_t i = 0; i < (t).dim[1]; i++)                                                   \
            for (int64_t j = 0; j < (t).dim[2]; j++)                                               \
                for (int64_t k = 0; k < (t).dim[3]; k++)

static void run_upsample2d(const clade_args *args)
{
    const clade_upsample2d_args *a = &args->upsample2d;
    const int64_t h = a->x.dim[1], w = a->x.dim[2], c = a->x.dim[3];
    const upsampling rows = upsampling_of(a->x.dim[1], a->size[0], a->bilinear, a->align_corners);
    const upsampling columns =
        upsampling_of(a->x.dim[2], a->size[1], a->bilinear, a->align_corners);
    const REAL *x = real_of(&a->x);
    REAL *y = real_of(&a->y);
    FOR_EACH_ELEMENT(a->y)
    {
        REAL *to = &y[at(b, a->y.dim[1], i, a->y.dim[2], j, c) + (size_t)k];
        if (!a->bilinear) {
            *to = x[at(b, h, i / rows.factor, w, j / columns.factor, c) + (size_t)k];
            continue;
        }
        int64_t qi = position_of(&rows, i), qj = position_of(&columns, j);
        int64_t r[2] = {qi / rows.unit, (qi + rows.unit - 1) / rows.unit};
        int64_t s[2] = {qj / columns.unit, (qj + columns.unit - 1) / columns.unit};
        REAL row_weight[2] = {share_of(&rows, i, r[0]), share_of(&rows, i, r[0] + 1)};
        REAL weight[2] = {share_of(&columns, j, s[0]), share_of(&columns, j, s[0] + 1)};
        REAL line[2];
        for (int t = 0; t < 2; t++) {
            REAL x0 = x[at(b, h, r[t], w, s[0], c) + (size_t)k];
            REAL x1 = x[at(b, h, r[t], w, s[1], c) + (size_t)k];
            line[t] = REAL_FMA(weight[1], x1, weight[0] * x0);
        }
        *to = REAL_FMA(row_weight[1], line[1], row_weight[0] * line[0]);
    }
}

static void run_upsample2d_dx(const clade_args *args)
{
    const clade_upsample2d_dx_args *a = &args->upsample2d_dx;
    const int64_t oh = a->dy.dim[1], ow = a->dy.dim[2], c = a->dy.dim[3];
    const upsampling rows = upsampling_of(a->dx.dim[1], a->size[0], a->bilinear, a->align_corners);
    const upsampling columns =
        upsampling_of(a->dx.dim[2], a->size[1], a->bilinear, a->align_corners);
    const REAL *dy = real_of(&a->dy);
    REAL *dx = real_of(&a->dx);
    FOR_EACH_ELEMENT(a->dx)
    {
        int64_t r0, r1, s0, s1;
        reached(&rows, i, &r0, &r1);
        reached(&columns, j, &s0, &s1);
        REAL sum = 0;
        for (int64_t r = r0; r < r1; r++) {
            REAL line = 0;
            for (int64_t s = s0; s < s1; s++)
                line = REAL_FMA(dy[at(b, oh, r, ow, s, c) + (size_t)k], share_of(&columns, s, j),
                                line);
            sum = REAL_FMA(line, share_of(&rows, r, i), sum);
        }
        put(&dx[at(b, a->dx.dim[1], i, a->dx.dim[2], j, c) + (size_t)k], sum, a->accumulate);
    }
}

/* ---- bounds ---- */

/* Roundings of a weight: two units for the reciprocal, one for the product with it; numerators are
 * exact. */
enum { weight_terms = 3 };

/* For each axis: a weight, the product with it, and an addition; nearest does not round. */
static int64_t terms_upsample2d(const clade_args *args, size_t slot)
{
    (void)slot;
    return args->upsample2d.bilinear ? 2 * (weight_terms + 2) : 0;
}

/* Returns the largest number of outputs in which a pixel has a weight. */
static int64_t most_reached(upsampling u)
{
    int64_t most = 0;
    for (int64_t i = 0; i < u.pixels; i++) {
        int64_t first, end;
        reached(&u, i, &first, &end);
        if (end - first > most) most = end - first;
    }
    return most;
}

/* For each axis: a weight, and one fma per output; one addition to the target. */
static int64_t terms_upsample2d_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_upsample2d_dx_args *a = &args->upsample2d_dx;
    int64_t terms = (a->bilinear ? 2 * weight_terms : 0) + (a->accumulate != 0);
    for (int i = 0; i < 2; i++)
        terms += most_reached(
            upsampling_of(a->dx.dim[1 + i], a->size[i], a->bilinear, a->align_corners));
    return terms;
}

/* ---- small integers ---- */

/* Returns whether there are weights that are not sums of a few powers of two. */
static bool inexact(const int32_t x[4], const int32_t size[2], int32_t bilinear,
                    int32_t align_corners)
{
    for (int i = 0; i < 2; i++)
        if (bilinear &&
            !is_power_of_two(upsampling_of(x[1 + i], size[i], bilinear, align_corners).unit))
            return true;
    return false;
}

static bool inexact_upsample2d(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_upsample2d_args *a = &args->upsample2d;
    return inexact(a->x.dim, a->size, a->bilinear, a->align_corners);
}
static bool inexact_upsample2d_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_upsample2d_dx_args *a = &args->upsample2d_dx;
    return inexact(a->dx.dim, a->size, a->bilinear, a->align_corners);
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case upsample2d_cases[] = {
    {CASE_QUICK, "nearest", "x=2x3x4x16 size=2,2"},
    {CASE_QUICK, "nearest-uneven", "x=1x4x3x5 size=3,2"},
    {CASE_QUICK, "bilinear", "x=2x3x4x16 size=2,2 bilinear=1"},
    {CASE_QUICK, "bilinear-uneven", "x=1x4x3x5 size=2,3 bilinear=1"},
    {CASE_QUICK, "corners", "x=1x3x4x3 size=3,2 bilinear=1 align_corners=1"},
    {CASE_FULL, "nearest-one", "x=1x1x1x1 size=1,1"},
    {CASE_FULL, "nearest-columns", "x=2x5x3x17 size=1,4"},
    {CASE_FULL, "nearest-wide", "x=3x7x5x130 size=2,2"},
    {CASE_FULL, "nearest-layer", "x=2x28x29x32 size=2,2"},
    {CASE_FULL, "one", "x=1x1x1x1 size=1,1 bilinear=1"},
    {CASE_FULL, "one-pixel", "x=3x1x1x16 size=2,3 bilinear=1"},
    {CASE_FULL, "one-row", "x=2x1x9x12 size=3,2 bilinear=1"},
    {CASE_FULL, "one-column", "x=2x11x1x6 size=2,4 bilinear=1"},
    {CASE_FULL, "same", "x=2x5x6x7 size=1,1 bilinear=1"},
    {CASE_FULL, "rows", "x=2x6x5x20 size=5,1 bilinear=1"},
    {CASE_FULL, "far", "x=1x3x2x5 size=16,33 bilinear=1"},
    {CASE_FULL, "wide", "x=3x7x5x130 size=2,2 bilinear=1"},
    {CASE_FULL, "layer", "x=2x28x29x32 size=2,2 bilinear=1"},
    {CASE_FULL, "corners-one", "x=1x1x1x4 size=1,1 bilinear=1 align_corners=1"},
    {CASE_FULL, "corners-one-row", "x=2x1x7x8 size=4,3 bilinear=1 align_corners=1"},
    {CASE_FULL, "corners-same", "x=2x5x6x7 size=1,1 bilinear=1 align_corners=1"},
    {CASE_FULL, "corners-two", "x=2x9x10x20 size=2,2 bilinear=1 align_corners=1"},
    {CASE_FULL, "corners-layer", "x=2x28x29x17 size=2,2 bilinear=1 align_corners=1"},
    {CASE_TIMED, "training", "x=32x37x37x64 size=2,2 bilinear=1"},
};
#endif

OP_IMPL(upsample2d, OP_CASES(upsample2d_cases), .terms = terms_upsample2d,
        .inexact = inexact_upsample2d);
OP_IMPL(upsample2d_dx, .terms = terms_upsample2d_dx, .inexact = inexact_upsample2d_dx);
