/* reduce: sums and means over dimensions, and their gradient. */
#include "op/stretch.h"

static clade_status shape_reduce(clade_args *args)
{
    clade_reduce_args *a = &args->reduce;
    if (!clade_tensor_present(&a->y)) return CLADE_OK;
    return check_stretched(CLADE_OP_reduce, "y", &a->y, &a->x);
}

static clade_status shape_reduce_dx(clade_args *args)
{
    clade_reduce_dx_args *a = &args->reduce_dx;
    if (!clade_tensor_present(&a->dx)) return CLADE_OK;
    return check_stretched(CLADE_OP_reduce_dx, "dy", &a->dy, &a->dx);
}

/* Returns the factor of a sum of x to y. */
static REAL weight(const clade_tensor *x, const clade_tensor *y, int32_t mean)
{
    return mean ? reciprocal((int64_t)(clade_tensor_count(x) / clade_tensor_count(y))) : 1;
}

static void run_reduce(const clade_args *args)
{
    const clade_reduce_args *a = &args->reduce;
    sum_stretched(&a->x, NULL, INFINITY, &a->y, weight(&a->x, &a->y, a->mean), 0);
}

static void run_reduce_dx(const clade_args *args)
{
    static const int32_t zero[4] = {0};
    const clade_reduce_dx_args *a = &args->reduce_dx;
    const REAL *dy = real_of(&a->dy), w = weight(&a->dx, &a->dy, a->mean);
    REAL *dx = real_of(&a->dx);
    int32_t x[4], y[4], i[4];
    sizes_of(&a->dx, x);
    sizes_of(&a->dy, y);
    FOR_EACH_INDEX(x, zero, i)
    {
        put(&dx[stretched_at(x, i)], dy[stretched_at(y, i)] * w, a->accumulate);
    }
}

/* The additions; for a mean also one for the count as a float, two units for its reciprocal, one
 * for the product. */
static int64_t terms_reduce(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_reduce_args *a = &args->reduce;
    return roundings_of_sum(&a->x, &a->y) + (a->mean ? 4 : 0);
}

static int64_t terms_reduce_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_reduce_dx_args *a = &args->reduce_dx;
    return (a->mean ? 4 : 0) + (a->accumulate != 0);
}

static bool inexact_reduce(const clade_args *args, size_t slot)
{
    (void)slot;
    return args->reduce.mean != 0;
}
static bool inexact_reduce_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    return args->reduce_dx.mean != 0;
}

#ifndef CLADE_ORACLE
static const clade_case reduce_cases[] = {
    {CASE_QUICK, "channels", "x=2x3x5x16 y=1x1x1x16"},
    {CASE_QUICK, "images", "x=2x3x5x17 y=2x1x1x17 mean=1"},
    {CASE_QUICK, "whole", "x=5x9 y=1x1 mean=1"},
    {CASE_QUICK, "blocks", "x=1037x3 y=1x3"},
    {CASE_QUICK, "blocks-apart", "x=5x2x17x36 y=1x2x1x36"},
    {CASE_QUICK, "levels", "x=800x33 y=1x33"}, /* levels of the tree, with tiny limits */
    {CASE_FULL, "one", "x=1 y=1 mean=1"},
    {CASE_FULL, "nothing", "x=3x4x5 y=3x4x5"},
    {CASE_FULL, "row", "x=77 y=1"},
    {CASE_FULL, "block", "x=4096 y=1"},
    {CASE_FULL, "block-and-one", "x=4097 y=1 mean=1"},
    {CASE_FULL, "rows-of-a-block", "x=64x33 y=1x33"},
    {CASE_FULL, "many-blocks", "x=16420x33 y=1x33"},
    {CASE_FULL, "long", "x=3x12345 y=3x1"},
    {CASE_FULL, "channels-long", "x=3x67x63x8 y=1x1x1x8 mean=1"},
    {CASE_FULL, "channels-one", "x=2x70x71x1 y=1x1x1x1"},
    {CASE_FULL, "channels-three", "x=2x70x71x3 y=1x1x1x3"},
    {CASE_FULL, "images-long", "x=2x67x63x16 y=2x1x1x16 mean=1"},
    {CASE_FULL, "places", "x=3x4x6x17 y=3x4x6x1"},
    {CASE_FULL, "rows", "x=33x1000 y=1x1000"},
    {CASE_FULL, "middle", "x=7x11x3 y=7x1x3"},
    {CASE_FULL, "outside", "x=6x11x16 y=1x11x1"},
    {CASE_FULL, "outside-long", "x=90x5x53 y=1x5x1 mean=1"},
    {CASE_FULL, "every-other", "x=3x4x5x6 y=3x1x5x1"},
    {CASE_FULL, "every-other-shifted", "x=3x4x5x6 y=1x4x1x6 mean=1"},
    {CASE_TIMED, "training", "x=32x37x37x64 y=1x1x1x64"},
};
#endif

OP_IMPL(reduce, OP_CASES(reduce_cases), .terms = terms_reduce, .inexact = inexact_reduce);
OP_IMPL(reduce_dx, .terms = terms_reduce_dx, .inexact = inexact_reduce_dx);
