/* Family pool: the mean and the maximum of whole images, and their gradients. */
#include "op/pool.h"
#include "op/tree.h"

/* ---- shapes ---- */

static clade_status shape_global_avgpool(clade_args *args)
{
    clade_global_avgpool_args *a = &args->global_avgpool;
    const clade_op op = CLADE_OP_global_avgpool;
    clade_status status = clade_expect_rank(op, "x", &a->x, 4);
    if (status) return status;
    return clade_infer_shape(op, "y", &a->y, CLADE_F32, 2, (int32_t[]){a->x.dim[0], a->x.dim[3]});
}

static clade_status shape_global_avgpool_dx(clade_args *args)
{
    clade_global_avgpool_dx_args *a = &args->global_avgpool_dx;
    const clade_op op = CLADE_OP_global_avgpool_dx;
    if (!clade_tensor_present(&a->dx)) return CLADE_OK;
    clade_status status = clade_expect_rank(op, "dx", &a->dx, 4);
    if (status) return status;
    return clade_expect_shape(op, "dy", &a->dy, CLADE_F32, 2,
                              (int32_t[]){a->dx.dim[0], a->dx.dim[3]});
}

/* Checks an image whose positions must fit an I32, and gives [n, c]. */
static clade_status numbered_shape(clade_op op, const char *slot, const clade_tensor *x,
                                   int32_t y[2])
{
    clade_status status = clade_expect_rank(op, slot, x, 4);
    if (status) return status;
    int64_t area = (int64_t)x->dim[1] * x->dim[2];
    if (area > INT32_MAX)
        return clade_fail(CLADE_EINVAL, "%s: %s: %lld pixels are too many, 2^31 or more",
                          clade_op_describe(op)->name, slot, (long long)area);
    y[0] = x->dim[0];
    y[1] = x->dim[3];
    return CLADE_OK;
}

static clade_status shape_global_maxpool(clade_args *args)
{
    clade_global_maxpool_args *a = &args->global_maxpool;
    const clade_op op = CLADE_OP_global_maxpool;
    int32_t y[2];
    clade_status status = numbered_shape(op, "x", &a->x, y);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, 2, y);
    if (!status && clade_tensor_present(&a->index))
        status = clade_expect_shape(op, "index", &a->index, CLADE_I32, 2, y);
    return status;
}

static clade_status shape_global_maxpool_dx(clade_args *args)
{
    clade_global_maxpool_dx_args *a = &args->global_maxpool_dx;
    const clade_op op = CLADE_OP_global_maxpool_dx;
    int32_t y[2];
    if (!clade_tensor_present(&a->dx)) return CLADE_OK;
    clade_status status = numbered_shape(op, "dx", &a->dx, y);
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, 2, y);
    return status ? status : clade_expect_shape(op, "index", &a->index, CLADE_I32, 2, y);
}

/* ---- references ---- */

/* A channel of an image. */
typedef struct pool_channel {
    const REAL *x;
    size_t c;
} pool_channel;

static REAL add_place(const void *channel, int64_t i, REAL sum)
{
    const pool_channel *p = channel;
    return sum + p->x[(size_t)i * p->c];
}

static void run_global_avgpool(const clade_args *args)
{
    const clade_global_avgpool_args *a = &args->global_avgpool;
    const REAL *x = real_of(&a->x);
    REAL *y = real_of(&a->y);
    size_t c = (size_t)a->x.dim[3], area = (size_t)a->x.dim[1] * (size_t)a->x.dim[2];
    for (size_t b = 0; b < (size_t)a->x.dim[0]; b++)
        for (size_t k = 0; k < c; k++) {
            const pool_channel channel = {x + b * area * c + k, c};
            REAL sum = tree_total(add_place, &channel, (int64_t)area, (int32_t)c);
            y[b * c + k] = sum * reciprocal((int64_t)area);
        }
}

static void run_global_avgpool_dx(const clade_args *args)
{
    const clade_global_avgpool_dx_args *a = &args->global_avgpool_dx;
    const REAL *dy = real_of(&a->dy);
    REAL *dx = real_of(&a->dx);
    size_t c = (size_t)a->dx.dim[3], area = (size_t)a->dx.dim[1] * (size_t)a->dx.dim[2];
    for (size_t b = 0; b < (size_t)a->dx.dim[0]; b++)
        for (size_t i = 0; i < area; i++)
            for (size_t k = 0; k < c; k++)
                put(&dx[(b * area + i) * c + k], dy[b * c + k] * reciprocal((int64_t)area),
                    a->accumulate);
}

static void run_global_maxpool(const clade_args *args)
{
    const clade_global_maxpool_args *a = &args->global_maxpool;
    const REAL *x = real_of(&a->x);
    REAL *y = real_of(&a->y);
    int32_t *index = clade_tensor_present(&a->index) ? i32_of(&a->index) : NULL;
    size_t c = (size_t)a->x.dim[3], area = (size_t)a->x.dim[1] * (size_t)a->x.dim[2];
    for (size_t b = 0; b < (size_t)a->x.dim[0]; b++)
        for (size_t k = 0; k < c; k++) {
            REAL best = x[b * area * c + k];
            size_t at = 0;
            for (size_t i = 1; i < area; i++) {
                REAL v = x[(b * area + i) * c + k];
                if (!is_larger(v, best)) continue;
                best = v;
                at = i;
            }
            y[b * c + k] = best;
            if (index) index[b * c + k] = (int32_t)at;
        }
}

static void run_global_maxpool_dx(const clade_args *args)
{
    const clade_global_maxpool_dx_args *a = &args->global_maxpool_dx;
    const REAL *dy = real_of(&a->dy);
    const int32_t *index = i32_of(&a->index);
    REAL *dx = real_of(&a->dx);
    size_t c = (size_t)a->dx.dim[3], area = (size_t)a->dx.dim[1] * (size_t)a->dx.dim[2];
    for (size_t b = 0; b < (size_t)a->dx.dim[0]; b++)
        for (size_t i = 0; i < area; i++)
            for (size_t k = 0; k < c; k++)
                put(&dx[(b * area + i) * c + k], index[b * c + k] == (int32_t)i ? dy[b * c + k] : 0,
                    a->accumulate);
}

/* ---- bounds ---- */

/* The tree's roundings, and one for the area as a float. */
static int64_t terms_global_avgpool(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_global_avgpool_args *a = &args->global_avgpool;
    return clade_tree_roundings((int64_t)a->x.dim[1] * a->x.dim[2], a->x.dim[3]) + 4;
}

static int64_t terms_global_avgpool_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    return 4 + (args->global_avgpool_dx.accumulate != 0);
}

/* Nothing is rounded: y is one of x. */
static void bound_global_maxpool(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    size_t n = clade_tensor_count(&args->global_maxpool.y);
    for (size_t i = 0; i < n; i++) bound[i] = 0;
}

/* One addition to the target. */
static int64_t terms_global_maxpool_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    return args->global_maxpool_dx.accumulate != 0;
}

/* ---- means of small integers ---- */

static bool inexact_global_avgpool(const clade_args *args, size_t slot)
{
    (void)slot;
    const int32_t *x = args->global_avgpool.x.dim;
    return !is_power_of_two((int64_t)x[1] * x[2]);
}
static bool inexact_global_avgpool_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    const int32_t *dx = args->global_avgpool_dx.dx.dim;
    return !is_power_of_two((int64_t)dx[1] * dx[2]);
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case global_avgpool_cases[] = {
    {CASE_QUICK, "small", "x=2x4x4x5"},        {CASE_QUICK, "odd", "x=1x7x3x17"},
    {CASE_FULL, "one", "x=1x1x1x1"},           {CASE_FULL, "one-pixel", "x=3x1x1x16"},
    {CASE_QUICK, "strips", "x=2x2x3x70"},      {CASE_FULL, "wide", "x=3x9x10x130"},
    {CASE_FULL, "large", "x=1x113x97x3"},      {CASE_QUICK, "blocks", "x=2x11x13x40"},
    {CASE_TIMED, "training", "x=32x37x37x64"},
};

static const clade_case global_maxpool_cases[] = {
    {CASE_QUICK, "small", "x=2x4x4x5 index=2x5"},
    {CASE_QUICK, "odd", "x=1x5x3x17 index=1x17"},
    {CASE_QUICK, "no-index", "x=2x5x3x8"},
    {CASE_FULL, "one", "x=1x1x1x1 index=1x1"},
    {CASE_FULL, "one-pixel", "x=3x1x1x16 index=3x16"},
    {CASE_FULL, "one-row", "x=2x1x9x12 index=2x12"},
    {CASE_FULL, "one-column", "x=2x11x1x6 index=2x6"},
    {CASE_QUICK, "strips", "x=2x2x3x70 index=2x70"},
    {CASE_FULL, "wide", "x=3x9x10x130 index=3x130"},
    {CASE_FULL, "large", "x=1x113x97x3 index=1x3"},
    {CASE_TIMED, "training", "x=32x37x37x64 index=32x64"},
};
#endif

OP_IMPL(global_avgpool, OP_CASES(global_avgpool_cases), .terms = terms_global_avgpool,
        .inexact = inexact_global_avgpool);
OP_IMPL(global_avgpool_dx, .terms = terms_global_avgpool_dx, .inexact = inexact_global_avgpool_dx);
OP_IMPL(global_maxpool, OP_CASES(global_maxpool_cases), .bound = bound_global_maxpool);
OP_IMPL(global_maxpool_dx, .terms = terms_global_maxpool_dx);
