/* Family loss: losses of numbers, and their gradients. */
#include "op/labels.h"

/* ---- shapes ---- */

/* Shape rule of losses of numbers and their gradients. */
static clade_status shape_numbers(clade_op op, const clade_tensor *x, const clade_tensor *target,
                                  clade_tensor *loss)
{
    clade_status status = clade_expect_rank(op, "x", x, 2);
    if (!status) status = clade_expect_shape(op, "target", target, CLADE_F32, 2, x->dim);
    return status ? status : clade_infer_shape(op, "loss", loss, CLADE_F32, 1, x->dim);
}

static clade_status shape_numbers_dx(clade_op op, const clade_tensor *x, const clade_tensor *target,
                                     const clade_tensor *dloss, clade_tensor *dx)
{
    clade_status status = clade_expect_rank(op, "x", x, 2);
    if (!status) status = clade_expect_shape(op, "target", target, CLADE_F32, 2, x->dim);
    if (!status) status = clade_expect_shape(op, "dloss", dloss, CLADE_F32, 1, x->dim);
    return status ? status : clade_infer_shape(op, "dx", dx, CLADE_F32, 2, x->dim);
}

static clade_status shape_mse(clade_args *args)
{
    clade_mse_args *a = &args->mse;
    return shape_numbers(CLADE_OP_mse, &a->x, &a->target, &a->loss);
}

static clade_status shape_mse_dx(clade_args *args)
{
    clade_mse_dx_args *a = &args->mse_dx;
    return shape_numbers_dx(CLADE_OP_mse_dx, &a->x, &a->target, &a->dloss, &a->dx);
}

static clade_status shape_mae(clade_args *args)
{
    clade_mae_args *a = &args->mae;
    return shape_numbers(CLADE_OP_mae, &a->x, &a->target, &a->loss);
}

static clade_status shape_mae_dx(clade_args *args)
{
    clade_mae_dx_args *a = &args->mae_dx;
    return shape_numbers_dx(CLADE_OP_mae_dx, &a->x, &a->target, &a->dloss, &a->dx);
}

static clade_status check_delta(clade_op op, float delta)
{
    if (delta > 0 && isfinite(delta)) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "%s: delta is %g, expected more than 0",
                      clade_op_describe(op)->name, (double)delta);
}

static clade_status shape_huber(clade_args *args)
{
    clade_huber_args *a = &args->huber;
    clade_status status = shape_numbers(CLADE_OP_huber, &a->x, &a->target, &a->loss);
    return status ? status : check_delta(CLADE_OP_huber, a->delta);
}

static clade_status shape_huber_dx(clade_args *args)
{
    clade_huber_dx_args *a = &args->huber_dx;
    clade_status status = shape_numbers_dx(CLADE_OP_huber_dx, &a->x, &a->target, &a->dloss, &a->dx);
    return status ? status : check_delta(CLADE_OP_huber_dx, a->delta);
}

/* ---- references ---- */

static void run_mse(const clade_args *args)
{
    const clade_mse_args *a = &args->mse;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const REAL *x = real_of(&a->x), *target = real_of(&a->target);
    for (size_t i = 0; i < n; i++) {
        row_sum s = {0};
        for (size_t j = 0; j < c; j++) {
            REAL d = x[i * c + j] - target[i * c + j];
            *lane_of(&s, j) = REAL_FMA(d, d, *lane_of(&s, j));
        }
        real_of(&a->loss)[i] = real_div(total_of(&s), (REAL)c);
    }
}

static void run_mse_dx(const clade_args *args)
{
    const clade_mse_dx_args *a = &args->mse_dx;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const REAL *x = real_of(&a->x), *target = real_of(&a->target);
    for (size_t i = 0; i < n; i++) {
        REAL w = real_div(2 * real_of(&a->dloss)[i], (REAL)c);
        for (size_t j = i * c; j < (i + 1) * c; j++)
            put(&real_of(&a->dx)[j], w * (x[j] - target[j]), a->accumulate);
    }
}

static void run_mae(const clade_args *args)
{
    const clade_mae_args *a = &args->mae;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const REAL *x = real_of(&a->x), *target = real_of(&a->target);
    for (size_t i = 0; i < n; i++) {
        row_sum s = {0};
        for (size_t j = 0; j < c; j++) {
            REAL d = x[i * c + j] - target[i * c + j];
            *lane_of(&s, j) += d < 0 ? -d : d;
        }
        real_of(&a->loss)[i] = real_div(total_of(&s), (REAL)c);
    }
}

static void run_mae_dx(const clade_args *args)
{
    const clade_mae_dx_args *a = &args->mae_dx;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const REAL *x = real_of(&a->x), *target = real_of(&a->target);
    for (size_t i = 0; i < n; i++) {
        REAL w = real_div(real_of(&a->dloss)[i], (REAL)c);
        for (size_t j = i * c; j < (i + 1) * c; j++) {
            REAL d = x[j] - target[j], sign = d > 0 ? 1 : d < 0 ? -1 : d;
            put(&real_of(&a->dx)[j], w * sign, a->accumulate);
        }
    }
}

static void run_huber(const clade_args *args)
{
    const clade_huber_args *a = &args->huber;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const REAL *x = real_of(&a->x), *target = real_of(&a->target), delta = (REAL)a->delta;
    for (size_t i = 0; i < n; i++) {
        row_sum s = {0};
        for (size_t j = 0; j < c; j++) {
            REAL d = x[i * c + j] - target[i * c + j];
            if (d < 0) d = -d;
            *lane_of(&s, j) += d > delta ? delta * (d - (REAL)0.5 * delta) : (REAL)0.5 * d * d;
        }
        real_of(&a->loss)[i] = real_div(total_of(&s), (REAL)c);
    }
}

static void run_huber_dx(const clade_args *args)
{
    const clade_huber_dx_args *a = &args->huber_dx;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const REAL *x = real_of(&a->x), *target = real_of(&a->target), delta = (REAL)a->delta;
    for (size_t i = 0; i < n; i++) {
        REAL w = real_div(real_of(&a->dloss)[i], (REAL)c);
        for (size_t j = i * c; j < (i + 1) * c; j++) {
            REAL d = x[j] - target[j], cut = d > delta ? delta : d < -delta ? -delta : d;
            put(&real_of(&a->dx)[j], w * cut, a->accumulate);
        }
    }
}

/* ---- bounds ---- */

/* Losses of numbers: the sum over the row, the division by c as a float, and `term` roundings per
 * term. */
static void bound_numbers(const clade_tensor *loss, int32_t c, int term, double *bound)
{
    double relative = clade_gamma(clade_row_roundings(c)) + (term + 1 + DIV_UNITS) * CLADE_UNIT;
    for (int32_t i = 0; i < loss->dim[0]; i++)
        bound[i] = doubles_of(loss)[i] * relative * (1 + 0x1p-10);
}

/* Each difference is rounded and squared, in a chain of fma. */
static void bound_mse(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    bound_numbers(&args->mse.loss, args->mse.x.dim[1], 2, bound);
}

static void bound_mse_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_mse_dx_args *a = &args->mse_dx;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    for (size_t at = 0; at < n * c; at++) {
        double weight = 2 * fabs(doubles_of(&a->dloss)[at / c]) / (double)c;
        double difference = fabs(doubles_of(&a->x)[at] - doubles_of(&a->target)[at]);
        bound[at] = weight * difference * (3 + DIV_UNITS) * CLADE_UNIT * (1 + 0x1p-10);
        if (a->accumulate) bound[at] += CLADE_UNIT * (fabs(doubles_of(&a->dx)[at]) + bound[at]);
    }
}

/* Each difference is rounded. */
static void bound_mae(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    bound_numbers(&args->mae.loss, args->mae.x.dim[1], 1, bound);
}

static void bound_mae_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_mae_dx_args *a = &args->mae_dx;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    for (size_t at = 0; at < n * c; at++) {
        double weight = fabs(doubles_of(&a->dloss)[at / c]) / (double)c;
        bound[at] = weight * (1 + DIV_UNITS) * CLADE_UNIT * (1 + 0x1p-10);
        if (a->accumulate) bound[at] += CLADE_UNIT * (fabs(doubles_of(&a->dx)[at]) + bound[at]);
    }
}

/* The difference is rounded, which counts twice in its square, or times delta; then two more
 * roundings of the square, or of d minus delta / 2, which is at least d / 2, and of the product. */
static void bound_huber(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    bound_numbers(&args->huber.loss, args->huber.x.dim[1], 4, bound);
}

static void bound_huber_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_huber_dx_args *a = &args->huber_dx;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    for (size_t at = 0; at < n * c; at++) {
        double weight = fabs(doubles_of(&a->dloss)[at / c]) / (double)c;
        double difference = fabs(doubles_of(&a->x)[at] - doubles_of(&a->target)[at]);
        difference = fmin(difference, (double)a->delta);
        bound[at] = weight * difference * (3 + DIV_UNITS) * CLADE_UNIT * (1 + 0x1p-10);
        if (a->accumulate) bound[at] += CLADE_UNIT * (fabs(doubles_of(&a->dx)[at]) + bound[at]);
    }
}

/* Exact if the number of columns is a power of two. */
static bool inexact_mae(const clade_args *args, size_t slot)
{
    (void)slot;
    return !is_power_of_two(args->mae.x.dim[1]);
}
static bool inexact_mae_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    return !is_power_of_two(args->mae_dx.x.dim[1]);
}
static bool inexact_mse(const clade_args *args, size_t slot)
{
    (void)slot;
    return !is_power_of_two(args->mse.x.dim[1]);
}
static bool inexact_mse_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    return !is_power_of_two(args->mse_dx.x.dim[1]);
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case mse_cases[] = {
    {CASE_QUICK, "small", "x=5x3 target=5x3"},
    {CASE_QUICK, "eight", "x=6x8 target=6x8"},
    {CASE_QUICK, "lanes", "x=5x131 target=5x131"},
    {CASE_FULL, "one", "x=1x1 target=1x1"},
    {CASE_FULL, "wide", "x=3x1001 target=3x1001"},
    {CASE_FULL, "rows", "x=517x2 target=517x2"},
    {CASE_TIMED, "training", "x=256x1000 target=256x1000"},
};

static const clade_case mae_cases[] = {
    {CASE_QUICK, "small", "x=5x3 target=5x3"},          {CASE_QUICK, "eight", "x=6x8 target=6x8"},
    {CASE_QUICK, "lanes", "x=5x131 target=5x131"},      {CASE_FULL, "one", "x=1x1 target=1x1"},
    {CASE_FULL, "wide", "x=3x1001 target=3x1001"},      {CASE_FULL, "rows", "x=517x2 target=517x2"},
    {CASE_TIMED, "training", "x=1024x8 target=1024x8"},
};

static const clade_case huber_cases[] = {
    {CASE_QUICK, "small", "x=5x3 target=5x3 delta=1"},
    {CASE_QUICK, "lanes", "x=5x131 target=5x131 delta=0.5"},
    {CASE_FULL, "one", "x=1x1 target=1x1 delta=1"},
    {CASE_FULL, "squares", "x=7x4 target=7x4 delta=1000"},
    {CASE_FULL, "wide", "x=3x1001 target=3x1001 delta=1"},
    {CASE_FULL, "rows", "x=517x2 target=517x2 delta=0.1"},
    {CASE_TIMED, "training", "x=1024x8 target=1024x8 delta=1"},
};
#endif

OP_IMPL(mse, OP_CASES(mse_cases), .bound = bound_mse, .inexact = inexact_mse);
OP_IMPL(mse_dx, .bound = bound_mse_dx, .inexact = inexact_mse_dx);
OP_IMPL(mae, OP_CASES(mae_cases), .bound = bound_mae, .inexact = inexact_mae);
OP_IMPL(mae_dx, .bound = bound_mae_dx, .inexact = inexact_mae_dx);
OP_IMPL(huber, OP_CASES(huber_cases), .bound = bound_huber);
OP_IMPL(huber_dx, .bound = bound_huber_dx);
