/* Family loss: softmax, its logarithm, and their gradients. */
#include "op/softmax.h"

/* ---- shapes ---- */

static clade_status shape_softmax(clade_args *args)
{
    clade_softmax_args *a = &args->softmax;
    if (a->x.rank < 1) return clade_fail(CLADE_EINVAL, "softmax: x has no dimension");
    return clade_infer_shape(CLADE_OP_softmax, "y", &a->y, CLADE_F32, a->x.rank, a->x.dim);
}

static clade_status shape_softmax_dx(clade_args *args)
{
    clade_softmax_dx_args *a = &args->softmax_dx;
    const clade_op op = CLADE_OP_softmax_dx;
    if (a->y.rank < 1) return clade_fail(CLADE_EINVAL, "softmax_dx: y has no dimension");
    clade_status status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, a->y.rank, a->y.dim);
    return status ? status : clade_infer_shape(op, "dx", &a->dx, CLADE_F32, a->y.rank, a->y.dim);
}

static clade_status shape_log_softmax(clade_args *args)
{
    clade_log_softmax_args *a = &args->log_softmax;
    if (a->x.rank < 1) return clade_fail(CLADE_EINVAL, "log_softmax: x has no dimension");
    return clade_infer_shape(CLADE_OP_log_softmax, "y", &a->y, CLADE_F32, a->x.rank, a->x.dim);
}

static clade_status shape_log_softmax_dx(clade_args *args)
{
    clade_log_softmax_dx_args *a = &args->log_softmax_dx;
    const clade_op op = CLADE_OP_log_softmax_dx;
    if (a->y.rank < 1) return clade_fail(CLADE_EINVAL, "log_softmax_dx: y has no dimension");
    clade_status status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, a->y.rank, a->y.dim);
    return status ? status : clade_infer_shape(op, "dx", &a->dx, CLADE_F32, a->y.rank, a->y.dim);
}

/* ---- references ---- */

static void run_softmax(const clade_args *args)
{
    const clade_softmax_args *a = &args->softmax;
    size_t c = (size_t)a->x.dim[a->x.rank - 1], n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i += c) probabilities(real_of(&a->x) + i, real_of(&a->y) + i, c);
}

static void run_softmax_dx(const clade_args *args)
{
    const clade_softmax_dx_args *a = &args->softmax_dx;
    const REAL *y = real_of(&a->y), *dy = real_of(&a->dy);
    REAL *dx = real_of(&a->dx);
    size_t c = (size_t)a->y.dim[a->y.rank - 1], n = clade_tensor_count(&a->y);
    for (size_t i = 0; i < n; i += c) {
        row_sum s = {0};
        for (size_t j = 0; j < c; j++)
            *lane_of(&s, j) = REAL_FMA(y[i + j], dy[i + j], *lane_of(&s, j));
        REAL sum = total_of(&s);
        for (size_t j = i; j < i + c; j++) put(&dx[j], y[j] * (dy[j] - sum), a->accumulate);
    }
}

static void run_log_softmax(const clade_args *args)
{
    const clade_log_softmax_args *a = &args->log_softmax;
    size_t c = (size_t)a->x.dim[a->x.rank - 1], n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i += c) {
        const REAL *x = real_of(&a->x) + i;
        REAL *y = real_of(&a->y) + i, max = largest(x, c);
        row_sum s = {0};
        for (size_t j = 0; j < c; j++) *lane_of(&s, j) += real_exp(x[j] - max);
        REAL log_sum = real_log(total_of(&s));
        for (size_t j = 0; j < c; j++) y[j] = (x[j] - max) - log_sum;
    }
}

static void run_log_softmax_dx(const clade_args *args)
{
    const clade_log_softmax_dx_args *a = &args->log_softmax_dx;
    const REAL *y = real_of(&a->y), *dy = real_of(&a->dy);
    REAL *dx = real_of(&a->dx);
    size_t c = (size_t)a->y.dim[a->y.rank - 1], n = clade_tensor_count(&a->y);
    for (size_t i = 0; i < n; i += c) {
        row_sum s = {0};
        for (size_t j = 0; j < c; j++) *lane_of(&s, j) += dy[i + j];
        REAL sum = total_of(&s);
        for (size_t j = i; j < i + c; j++)
            put(&dx[j], REAL_FMA(-real_exp(y[j]), sum, dy[j]), a->accumulate);
    }
}

/* ---- bounds ---- */

static void bound_softmax(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_softmax_args *a = &args->softmax;
    size_t c = (size_t)a->x.dim[a->x.rank - 1], n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i += c)
        softmax_error(doubles_of(&a->x) + i, doubles_of(&a->y) + i, c, bound + i);
}

/* The sum's error; one rounding each of the difference, the product and the addition to dx. */
static void bound_softmax_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_softmax_dx_args *a = &args->softmax_dx;
    const double *y = doubles_of(&a->y), *dy = doubles_of(&a->dy), *dx = doubles_of(&a->dx);
    size_t c = (size_t)a->y.dim[a->y.rank - 1], n = clade_tensor_count(&a->y);
    for (size_t i = 0; i < n; i += c) {
        double size = 0, sum = 0;
        for (size_t j = i; j < i + c; j++) {
            sum += y[j] * dy[j];
            size += fabs(y[j] * dy[j]);
        }
        double error = size * clade_gamma(clade_row_roundings((int64_t)c));
        for (size_t j = i; j < i + c; j++) {
            double difference = fabs(dy[j] - sum) + error;
            bound[j] = fabs(y[j]) * (error + 2.01 * CLADE_UNIT * difference);
            if (a->accumulate) bound[j] += CLADE_UNIT * (fabs(dx[j]) + bound[j]);
        }
    }
}

/* The error of log_error, and one rounding of the difference. */
static void bound_log_softmax(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_log_softmax_args *a = &args->log_softmax;
    size_t c = (size_t)a->x.dim[a->x.rank - 1], n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i += c) {
        const double *x = doubles_of(&a->x) + i, *y = doubles_of(&a->y) + i;
        double max, log_sum = log_sum_of(x, c, &max), error = sum_error(x, c);
        for (size_t j = 0; j < c; j++)
            bound[i + j] =
                (log_error(x[j] - max, log_sum, error) + CLADE_UNIT * fabs(y[j])) * (1 + 0x1p-10);
    }
}

/* The errors of the exponential and the sum; one rounding each of the fma and the addition to
 * dx. */
static void bound_log_softmax_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_log_softmax_dx_args *a = &args->log_softmax_dx;
    const double *y = doubles_of(&a->y), *dy = doubles_of(&a->dy), *dx = doubles_of(&a->dx);
    size_t c = (size_t)a->y.dim[a->y.rank - 1], n = clade_tensor_count(&a->y);
    for (size_t i = 0; i < n; i += c) {
        double size = 0, sum = 0;
        for (size_t j = i; j < i + c; j++) {
            sum += dy[j];
            size += fabs(dy[j]);
        }
        double error = size * clade_gamma(clade_row_roundings((int64_t)c));
        for (size_t j = i; j < i + c; j++) {
            double e = exp(y[j]), own = e * (error + EXP_UNITS * CLADE_UNIT * fabs(sum));
            own += TINY * fabs(sum);
            bound[j] = own * (1 + 0x1p-10) + CLADE_UNIT * (fabs(dy[j] - e * sum) + own);
            if (a->accumulate) bound[j] += CLADE_UNIT * (fabs(dx[j]) + bound[j]);
        }
    }
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case softmax_cases[] = {
    {CASE_QUICK, "classes", "x=5x10"},
    {CASE_FULL, "two", "x=7x2"},
    {CASE_FULL, "one", "x=1"},
    {CASE_FULL, "row", "x=17"},
    {CASE_FULL, "places", "x=2x3x5x3"},
    {CASE_QUICK, "lanes", "x=5x131"},
    {CASE_FULL, "one-lane-more", "x=9x65"},
    {CASE_FULL, "thousand", "x=3x1000"},
    {CASE_FULL, "rows", "x=517x5"},
    {CASE_TIMED, "training", "x=256x1000"},
};

static const clade_case log_softmax_cases[] = {
    {CASE_QUICK, "classes", "x=5x10"},      {CASE_QUICK, "two", "x=7x2"},
    {CASE_FULL, "one-row", "x=1x3"},        {CASE_FULL, "row", "x=17"},
    {CASE_FULL, "places", "x=2x3x5x3"},     {CASE_QUICK, "lanes", "x=5x131"},
    {CASE_FULL, "one-lane-more", "x=9x65"}, {CASE_FULL, "thousand", "x=3x1000"},
    {CASE_FULL, "rows", "x=517x5"},         {CASE_TIMED, "training", "x=256x1000"},
};
#endif

OP_IMPL(softmax, OP_CASES(softmax_cases), .bound = bound_softmax);
OP_IMPL(softmax_dx, .bound = bound_softmax_dx);
OP_IMPL(log_softmax, OP_CASES(log_softmax_cases), .bound = bound_log_softmax);
OP_IMPL(log_softmax_dx, .bound = bound_log_softmax_dx);
