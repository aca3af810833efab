/* dropout: drops random elements and scales the rest up (Srivastava et al. 2014, "inverted"), or
 * drops whole rows (Huang et al. 2016, "Deep networks with stochastic depth"). */
#include "op/op.h"

#include "../../kernels/dropout.clh"
#include "base/random.h"

_Static_assert(DROPOUT_STREAM == CLADE_STREAM_DROPOUT, "the kernels' number of the stream");

static clade_status check(clade_op op, const char *slot, const clade_tensor *x, float rate)
{
    const char *name = clade_op_describe(op)->name;
    if (!(rate >= 0 && rate < 1))
        return clade_fail(CLADE_EINVAL, "%s: rate is %g, expected 0 or more and less than 1", name,
                          (double)rate);
    if ((uint64_t)clade_tensor_count(x) >> 34)
        return clade_fail(CLADE_EINVAL, "%s: %s has %llu elements, expected fewer than 2^34", name,
                          slot, (unsigned long long)clade_tensor_count(x));
    return CLADE_OK;
}

static clade_status shape_dropout(clade_args *args)
{
    clade_dropout_args *a = &args->dropout;
    clade_status status = check(CLADE_OP_dropout, "x", &a->x, a->rate);
    return status ? status
                  : clade_infer_shape(CLADE_OP_dropout, "y", &a->y, CLADE_F32, a->x.rank, a->x.dim);
}

static clade_status shape_dropout_dx(clade_args *args)
{
    clade_dropout_dx_args *a = &args->dropout_dx;
    clade_status status = check(CLADE_OP_dropout_dx, "dy", &a->dy, a->rate);
    return status ? status
                  : clade_infer_shape(CLADE_OP_dropout_dx, "dx", &a->dx, CLADE_F32, a->dy.rank,
                                      a->dy.dim);
}

#ifdef CLADE_ORACLE
static REAL reciprocal(REAL x) { return 1 / x; }
#else
static REAL reciprocal(REAL x) { return math_rcp(x); }
#endif

static size_t row_of(const clade_tensor *x)
{
    return x->rank ? clade_tensor_count(x) / (size_t)x->dim[0] : 1;
}

/* Returns the number in the batch of element i of x, or of its row. */
static size_t number_of(const clade_tensor *x, uint32_t first, int32_t rows, size_t i)
{
    const size_t row = row_of(x);
    return rows ? first + i / row : first * row + i;
}

static bool kept(float rate, uint64_t seed, uint32_t stream, uint32_t step, size_t i)
{
    philox4 words = philox(seed, (uint32_t)(i / 4), stream, step, CLADE_STREAM_DROPOUT);
    return (float)(words.v[i % 4] >> 8) * 0x1p-24f >= rate;
}

static void run_dropout(const clade_args *args)
{
    const clade_dropout_args *a = &args->dropout;
    const REAL *x = real_of(&a->x), scale = reciprocal(1 - (REAL)a->rate);
    REAL *y = real_of(&a->y);
    const size_t n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i++) {
        const size_t number = number_of(&a->x, a->first, a->rows, i);
        y[i] = kept(a->rate, a->seed, a->stream, a->step, number) ? x[i] * scale : 0;
    }
}

static void run_dropout_dx(const clade_args *args)
{
    const clade_dropout_dx_args *a = &args->dropout_dx;
    const REAL *dy = real_of(&a->dy), scale = reciprocal(1 - (REAL)a->rate);
    REAL *dx = real_of(&a->dx);
    const size_t n = clade_tensor_count(&a->dy);
    for (size_t i = 0; i < n; i++) {
        const size_t number = number_of(&a->dy, a->first, a->rows, i);
        put(&dx[i], kept(a->rate, a->seed, a->stream, a->step, number) ? dy[i] * scale : 0,
            a->accumulate);
    }
}

/* 1 − rate rounds once, its reciprocal is good to 1 ulp (2 units), the product rounds once. */
static int64_t terms_dropout(const clade_args *args, size_t slot)
{
    (void)args, (void)slot;
    return 4;
}

static int64_t terms_dropout_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    return 4 + (args->dropout_dx.accumulate != 0);
}

/* Returns whether 1 / (1 − rate) is not a power of two. */
static bool inexact_dropout(const clade_args *args, size_t slot)
{
    (void)slot;
    int exponent;
    return frexpf(1 - args->dropout.rate, &exponent) != 0.5f;
}
static bool inexact_dropout_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    int exponent;
    return frexpf(1 - args->dropout_dx.rate, &exponent) != 0.5f;
}

#ifndef CLADE_ORACLE
static const clade_case dropout_cases[] = {
    {CASE_QUICK, "half", "x=3x67 rate=0.5 seed=7 stream=1 step=3"},
    {CASE_QUICK, "tenth", "x=2x3x5x16 rate=0.1 seed=18446744073709551615 step=1"},
    {CASE_FULL, "none", "x=33"},
    {CASE_QUICK, "shard", "x=4x36 rate=0.5 seed=7 stream=1 step=3 first=8"},
    {CASE_QUICK, "shard-odd", "x=5x3x7 rate=0.3 seed=7 stream=1 step=3 first=9"},
    {CASE_FULL, "shard-long", "x=3x1027 rate=0.5 seed=7 step=3 first=1000001"},
    {CASE_FULL, "one", "x=1 rate=0.25 seed=1"},
    {CASE_FULL, "most", "x=5x101 rate=0.99 seed=2 stream=4294967295 step=4294967295"},
    {CASE_FULL, "layer", "x=32x515 rate=0.5 seed=1099511627776 stream=2 step=1000"},
    {CASE_QUICK, "rows", "x=7x5x3x11 rate=0.5 rows=1 seed=7 stream=1 step=3"},
    {CASE_QUICK, "rows-shard", "x=6x37 rate=0.3 rows=1 seed=7 stream=1 step=3 first=9"},
    {CASE_FULL, "rows-of-one", "x=67 rate=0.25 rows=1 seed=1"},
    {CASE_FULL, "rows-long", "x=5x9x7x301 rate=0.25 rows=1 seed=2 step=1000 first=1000001"},
    {CASE_TIMED, "training", "x=32x32768 rate=0.5 seed=1"},
    {CASE_TIMED, "stochastic-depth", "x=32x28x28x192 rate=0.1 rows=1 seed=1"},
};
#endif

OP_IMPL(dropout, OP_CASES(dropout_cases), .terms = terms_dropout, .inexact = inexact_dropout);
OP_IMPL(dropout_dx, .terms = terms_dropout_dx, .inexact = inexact_dropout_dx);
