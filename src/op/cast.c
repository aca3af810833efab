/* cast: numbers in another format. The reference goes by what a number is worth. */
#include "op/op.h"

static clade_status shape_cast(clade_args *args)
{
    const clade_cast_args *a = &args->cast;
    if (!clade_tensor_present(&a->y)) return CLADE_OK;
    return clade_expect_shape(CLADE_OP_cast, "y", &a->y, a->y.dtype, a->x.rank, a->x.dim);
}

/* A format of 16 bits: those behind the binary point, those of the exponent, and the exponent of
 * the smallest normal number. */
typedef struct half_format {
    int fraction, exponent, least;
} half_format;

static half_format format_of(clade_dtype dtype)
{
    return dtype == CLADE_BF16 ? (half_format){7, 8, -126} : (half_format){10, 5, -14};
}

/* Counted in units of the last place, a number of the binade 2^e is its bits less e's. */
static uint16_t narrowed(float value, half_format f)
{
    const int infinity = ((1 << f.exponent) - 1) << f.fraction, sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) return (uint16_t)(sign | infinity | 1 << (f.fraction - 1));
    if (isinf(value)) return (uint16_t)(sign | infinity);
    int e = value == 0 ? f.least : ilogb((double)value);
    if (e < f.least) e = f.least;
    const double units = rint(ldexp(fabs((double)value), f.fraction - e));
    const int bits = ((e - f.least) << f.fraction) + (int)units;
    return (uint16_t)(sign | (bits < infinity ? bits : infinity));
}

static float widened(uint16_t bits, half_format f)
{
    const int magnitude = bits & 0x7fff, e = magnitude >> f.fraction;
    const int fraction = magnitude & ((1 << f.fraction) - 1), all = (1 << f.exponent) - 1;
    double value = e ? ldexp(fraction + (1 << f.fraction), e - 1 + f.least - f.fraction)
                     : ldexp(fraction, f.least - f.fraction);
    if (e == all) value = fraction ? NAN : INFINITY;
    return (float)copysign(value, bits & 0x8000 ? -1 : 1);
}

static uint16_t *halves_of(const clade_tensor *t)
{
    return (uint16_t *)t->buffer->host + t->offset;
}

static void run_cast(const clade_args *args)
{
    const clade_tensor *x = &args->cast.x, *y = &args->cast.y;
    for (size_t i = 0; i < clade_tensor_count(x); i++) {
        const float value = x->dtype == CLADE_F32 ? (float)real_of(x)[i]
                                                  : widened(halves_of(x)[i], format_of(x->dtype));
        if (y->dtype == CLADE_F32)
            real_of(y)[i] = (REAL)value;
        else
            halves_of(y)[i] = narrowed(value, format_of(y->dtype));
    }
}

/* 16 bits are compared as such, and float32 holds them all. */
static void bound_cast(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    for (size_t i = 0; i < clade_tensor_count(&args->cast.x); i++) bound[i] = 0;
}

#ifndef CLADE_ORACLE
static const clade_case cast_cases[] = {
    {CASE_QUICK, "to-bf16", "x=3x5x7 y:bf16=3x5x7"},
    {CASE_QUICK, "to-f16", "x=3x5x7 y:f16=3x5x7"},
    {CASE_QUICK, "of-bf16", "x:bf16=3x5x7 y=3x5x7"},
    {CASE_QUICK, "of-f16", "x:f16=3x5x7 y=3x5x7"},
    {CASE_FULL, "bf16-f16", "x:bf16=5x67 y:f16=5x67"},
    {CASE_FULL, "f16-bf16", "x:f16=5x67 y:bf16=5x67"},
    {CASE_FULL, "f32-f32", "x=5x67 y=5x67"},
    {CASE_FULL, "bf16-bf16", "x:bf16=5x67 y:bf16=5x67"},
    {CASE_FULL, "f16-f16", "x:f16=5x67 y:f16=5x67"},
    {CASE_FULL, "one", "x=1 y:f16=1"},
    {CASE_FULL, "long-to-bf16", "x=37x1021 y:bf16=37x1021"},
    {CASE_FULL, "long-to-f16", "x=37x1021 y:f16=37x1021"},
    {CASE_FULL, "long-of-bf16", "x:bf16=65536 y=65536"},
    {CASE_FULL, "long-of-f16", "x:f16=65536 y=65536"},
    {CASE_TIMED, "training", "x=2097152 y:bf16=2097152"},
    {CASE_TIMED, "training-back", "x:f16=2097152 y=2097152"},
};
#endif

OP_IMPL(cast, OP_CASES(cast_cases), .bound = bound_cast, .domain = {CLADE_DOMAIN_CAST});
