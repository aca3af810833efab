/* norm: batch normalisation, training and inference, and their gradients. */
#include "op/norm.h"

/* ---- shapes ---- */

/* A slot that must be a vector of c; a list of them ends with a NULL name. */
typedef struct vector_slot {
    const char *name;
    const clade_tensor *t;
} vector_slot;

static clade_status check_vectors(clade_op op, int32_t c, const vector_slot *slots)
{
    clade_status status = CLADE_OK;
    for (; !status && slots->name; slots++)
        if (clade_tensor_present(slots->t))
            status = clade_expect_shape(op, slots->name, slots->t, CLADE_F32, 1, &c);
    return status;
}

static clade_status shape_batchnorm(clade_args *args)
{
    clade_batchnorm_args *a = &args->batchnorm;
    const clade_op op = CLADE_OP_batchnorm;
    int32_t c = 0;
    clade_status status = check_eps(op, a->eps);
    if (status) return status;
    if (!(a->momentum >= 0 && a->momentum <= 1))
        return clade_fail(CLADE_EINVAL, "batchnorm: momentum is %g, expected 0 to 1",
                          (double)a->momentum);
    status = check_channels(op, &a->x, &c);
    if (status) return status;
    const vector_slot slots[] = {{"gamma", &a->gamma},
                                 {"beta", &a->beta},
                                 {"running_mean", &a->running_mean},
                                 {"running_var", &a->running_var},
                                 {0}};
    status = check_vectors(op, c, slots);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, a->x.rank, a->x.dim);
    if (!status) status = clade_infer_shape(op, "mean", &a->mean, CLADE_F32, 1, &c);
    return status ? status : clade_infer_shape(op, "rstd", &a->rstd, CLADE_F32, 1, &c);
}

static clade_status shape_batchnorm_dx(clade_args *args)
{
    clade_batchnorm_dx_args *a = &args->batchnorm_dx;
    const clade_op op = CLADE_OP_batchnorm_dx;
    int32_t c = 0;
    clade_status status = check_channels(op, &a->x, &c);
    if (status) return status;
    const vector_slot slots[] = {{"gamma", &a->gamma}, {"mean", &a->mean}, {"rstd", &a->rstd}, {0}};
    status = check_vectors(op, c, slots);
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, a->x.rank, a->x.dim);
    if (!status) status = clade_infer_shape(op, "dx", &a->dx, CLADE_F32, a->x.rank, a->x.dim);
    if (!status) status = clade_infer_shape(op, "dgamma", &a->dgamma, CLADE_F32, 1, &c);
    return status ? status : clade_infer_shape(op, "dbeta", &a->dbeta, CLADE_F32, 1, &c);
}

static clade_status shape_batchnorm_infer(clade_args *args)
{
    clade_batchnorm_infer_args *a = &args->batchnorm_infer;
    const clade_op op = CLADE_OP_batchnorm_infer;
    int32_t c = 0;
    clade_status status = check_eps(op, a->eps);
    if (!status) status = check_channels(op, &a->x, &c);
    if (status) return status;
    const vector_slot slots[] = {
        {"gamma", &a->gamma}, {"beta", &a->beta}, {"mean", &a->mean}, {"var", &a->var}, {0}};
    status = check_vectors(op, c, slots);
    return status ? status : clade_infer_shape(op, "y", &a->y, CLADE_F32, a->x.rank, a->x.dim);
}

static clade_status shape_batchnorm_infer_dx(clade_args *args)
{
    clade_batchnorm_infer_dx_args *a = &args->batchnorm_infer_dx;
    const clade_op op = CLADE_OP_batchnorm_infer_dx;
    int32_t c = 0;
    clade_status status = check_eps(op, a->eps);
    if (!status) status = check_channels(op, &a->x, &c);
    if (status) return status;
    const vector_slot slots[] = {{"gamma", &a->gamma},   {"mean", &a->mean},   {"var", &a->var},
                                 {"dgamma", &a->dgamma}, {"dbeta", &a->dbeta}, {0}};
    status = check_vectors(op, c, slots);
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, a->x.rank, a->x.dim);
    if (!status && clade_tensor_present(&a->dx))
        status = clade_expect_shape(op, "dx", &a->dx, CLADE_F32, a->x.rank, a->x.dim);
    return status;
}

/* ---- references ---- */

static void run_batchnorm(const clade_args *args)
{
    const clade_batchnorm_args *a = &args->batchnorm;
    const REAL *x = real_of(&a->x), *gamma = real_of(&a->gamma), *beta = real_of(&a->beta);
    REAL *mean = real_of(&a->mean), *rstd = real_of(&a->rstd), *y = real_of(&a->y);
    REAL *running_mean = real_of(&a->running_mean), *running_var = real_of(&a->running_var);
    const int64_t m = rows_of(&a->x);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1];
    const REAL momentum = a->momentum, rest = 1 - momentum;
    for (size_t k = 0; k < c; k++) {
        matrix_column column = {.x = x + k, .m = m, .c = c};
        mean[k] = quotient(column_sum(&column, sum_p), (REAL)m);
        column.mean = &mean[k];
        REAL squares = column_sum(&column, sum_pp), var = quotient(squares, (REAL)m);
        REAL kept = a->unbiased && m > 1 ? quotient(squares, (REAL)(m - 1)) : var;
        rstd[k] = inverse_root(var + (REAL)a->eps);
        running_mean[k] = REAL_FMA(momentum, running_mean[k], rest * mean[k]);
        running_var[k] = REAL_FMA(momentum, running_var[k], rest * kept);
        REAL scale = rstd[k] * gamma[k];
        for (size_t i = k; i < (size_t)m * c; i += c)
            y[i] = REAL_FMA(x[i] - mean[k], scale, beta[k]);
    }
}

static void run_batchnorm_dx(const clade_args *args)
{
    const clade_batchnorm_dx_args *a = &args->batchnorm_dx;
    const REAL *x = real_of(&a->x), *dy = real_of(&a->dy), *gamma = real_of(&a->gamma);
    const REAL *mean = real_of(&a->mean), *rstd = real_of(&a->rstd);
    REAL *dx = real_of(&a->dx), *dgamma = real_of(&a->dgamma), *dbeta = real_of(&a->dbeta);
    const int64_t m = rows_of(&a->x);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1];
    const REAL inverse = quotient(1, (REAL)m);
    for (size_t k = 0; k < c; k++) {
        matrix_column column = {.x = x + k, .dy = dy + k, .mean = &mean[k], .m = m, .c = c};
        REAL beta_sum = column_sum(&column, sum_q);
        REAL gamma_sum = rstd[k] * column_sum(&column, sum_pq);
        REAL scale = rstd[k] * gamma[k], shift = beta_sum * inverse;
        REAL slope = gamma_sum * inverse * rstd[k];
        for (size_t i = k; i < (size_t)m * c; i += c)
            put(&dx[i], scale * REAL_FMA(-(x[i] - mean[k]), slope, dy[i] - shift), a->accumulate);
        put(&dgamma[k], gamma_sum, a->accumulate);
        put(&dbeta[k], beta_sum, a->accumulate);
    }
}

static void run_batchnorm_infer(const clade_args *args)
{
    const clade_batchnorm_infer_args *a = &args->batchnorm_infer;
    const REAL *x = real_of(&a->x), *gamma = real_of(&a->gamma), *beta = real_of(&a->beta);
    const REAL *mean = real_of(&a->mean), *var = real_of(&a->var);
    REAL *y = real_of(&a->y);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1], n = clade_tensor_count(&a->x);
    for (size_t k = 0; k < c; k++) {
        REAL scale = inverse_root(var[k] + (REAL)a->eps) * gamma[k];
        for (size_t i = k; i < n; i += c) y[i] = REAL_FMA(x[i] - mean[k], scale, beta[k]);
    }
}

static void run_batchnorm_infer_dx(const clade_args *args)
{
    const clade_batchnorm_infer_dx_args *a = &args->batchnorm_infer_dx;
    const REAL *x = real_of(&a->x), *dy = real_of(&a->dy), *gamma = real_of(&a->gamma);
    const REAL *mean = real_of(&a->mean), *var = real_of(&a->var);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1], n = clade_tensor_count(&a->x);
    for (size_t k = 0; k < c; k++) {
        matrix_column column = {
            .x = x + k, .dy = dy + k, .mean = &mean[k], .m = rows_of(&a->x), .c = c};
        REAL rstd = inverse_root(var[k] + (REAL)a->eps), scale = rstd * gamma[k];
        if (clade_tensor_present(&a->dx))
            for (size_t i = k; i < n; i += c)
                put(&real_of(&a->dx)[i], dy[i] * scale, a->accumulate);
        if (clade_tensor_present(&a->dgamma))
            put(&real_of(&a->dgamma)[k], rstd * column_sum(&column, sum_pq), a->accumulate);
        if (clade_tensor_present(&a->dbeta))
            put(&real_of(&a->dbeta)[k], column_sum(&column, sum_q), a->accumulate);
    }
}

/* ---- small integers: means of a power of two of them, and sums ---- */

static bool inexact_batchnorm(const clade_args *args, size_t slot)
{
    enum { slot_mean = 6 };
    return slot != slot_mean || !is_power_of_two(rows_of(&args->batchnorm.x));
}

static bool inexact_batchnorm_dx(const clade_args *args, size_t slot)
{
    enum { slot_dbeta = 7 };
    (void)args;
    return slot != slot_dbeta;
}

/* ---- bounds ---- */

/* momentum times old + (1 − momentum) batch: three roundings, of terms at most |new| + 2
 * |batch's|. */
static double running_bound(double updated, double momentum, double batch, double batch_error)
{
    double share = (1 - momentum) * (fabs(batch) + batch_error);
    return (1 - momentum) * batch_error + 3 * u * (fabs(updated) + 3 * share);
}

static void bound_batchnorm(const clade_args *args, size_t slot, double *bound)
{
    const clade_batchnorm_args *a = &args->batchnorm;
    const double *x = doubles_of(&a->x), *gamma = doubles_of(&a->gamma), *y = doubles_of(&a->y);
    const int64_t m = rows_of(&a->x);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1], n = (size_t)m * c;
    enum { running_mean = 3, running_var, slot_y, mean };
    for (size_t k = 0; k < c; k++) {
        const population all = {x + k, (size_t)m, c, 1, clade_tree_roundings(m, (int32_t)c)};
        statistics s = statistics_of(&all, a->eps);
        double divisor = (double)(a->unbiased && m > 1 ? m - 1 : m), var = s.squares / divisor;
        double scale = s.rstd * gamma[k];
        double scale_error = fabs(gamma[k]) * (s.rstd_error + u * (s.rstd + s.rstd_error));
        switch (slot) {
        case running_mean:
            bound[k] =
                running_bound(doubles_of(&a->running_mean)[k], a->momentum, s.mean, s.mean_error);
            break;
        case running_var:
            bound[k] = running_bound(doubles_of(&a->running_var)[k], a->momentum, var,
                                     s.squares_error / divisor +
                                         4 * u * (var + s.squares_error / divisor));
            break;
        case slot_y:
            for (size_t i = k; i < n; i += c)
                bound[i] = affine_bound(x[i] - s.mean, s.mean_error, scale, scale_error, y[i]);
            break;
        case mean: bound[k] = s.mean_error; break;
        default: bound[k] = s.rstd_error; break;
        }
    }
}

/* A column's sums of dy and of dy (x − mean), and of their absolute values. */
typedef struct gradients {
    double dy, dy_magnitude, dyx, dyx_magnitude;
} gradients;

static gradients gradients_of(const double *x, const double *dy, double mean, size_t n, size_t c)
{
    gradients g = {0};
    for (size_t i = 0; i < n; i += c) {
        double product = dy[i] * (x[i] - mean);
        g.dy += dy[i], g.dy_magnitude += fabs(dy[i]);
        g.dyx += product, g.dyx_magnitude += fabs(product);
    }
    return g;
}

static void bound_batchnorm_dx(const clade_args *args, size_t slot, double *bound)
{
    const clade_batchnorm_dx_args *a = &args->batchnorm_dx;
    const double *x = doubles_of(&a->x), *dy = doubles_of(&a->dy), *gamma = doubles_of(&a->gamma);
    const double *mean = doubles_of(&a->mean), *rstd = doubles_of(&a->rstd),
                 *out = doubles_of(&args->slot[slot]);
    const int64_t m = rows_of(&a->x);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1], n = (size_t)m * c;
    const int64_t sum_roundings = clade_tree_roundings(m, (int32_t)c);
    enum { slot_dx = 5, slot_dgamma };
    for (size_t k = 0; k < c; k++) {
        gradients g = gradients_of(x + k, dy + k, mean[k], n, c);
        double dbeta_error = clade_gamma(sum_roundings) * g.dy_magnitude;
        double dgamma = rstd[k] * g.dyx; /* one rounding of each difference, one of the product */
        double dgamma_error = clade_gamma(sum_roundings + 2) * rstd[k] * g.dyx_magnitude;
        double sum_error = a->accumulate ? u : 0;
        if (slot == slot_dgamma)
            bound[k] = dgamma_error + sum_error * (fabs(out[k]) + dgamma_error);
        else if (slot != slot_dx)
            bound[k] = dbeta_error + sum_error * (fabs(out[k]) + dbeta_error);
        if (slot != slot_dx) continue;
        /* 1/m is good to 4 u (m as a float, the division), and each product adds u */
        double scale = fabs(rstd[k] * gamma[k]), shift = fabs(g.dy) / (double)m;
        double shift_error = dbeta_error / (double)m * (1 + 5 * u) + 5 * u * shift;
        double slope = fabs(dgamma) * rstd[k] / (double)m;
        double slope_error = dgamma_error * rstd[k] / (double)m * (1 + 6 * u) + 6 * u * slope;
        for (size_t i = k; i < n; i += c) {
            double d = fabs(x[i] - mean[k]), t = fabs(dy[i]) + shift + d * slope;
            double error = shift_error + d * slope_error * (1 + u); /* for the terms of t */
            error += 3 * u * (t + error); /* difference with dy, difference with mean, fma */
            error = scale * (error + 2 * u * (t + error)); /* the scale, its product */
            bound[i] = error + sum_error * (fabs(out[i]) + error);
        }
    }
}

/* The error of rstd: the sum with eps u, halved by the root, the function 4 u; the scale adds 1. */
static void bound_batchnorm_infer(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_batchnorm_infer_args *a = &args->batchnorm_infer;
    const double *x = doubles_of(&a->x), *gamma = doubles_of(&a->gamma),
                 *mean = doubles_of(&a->mean);
    const double *var = doubles_of(&a->var), *y = doubles_of(&a->y);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1], n = clade_tensor_count(&a->x);
    for (size_t k = 0; k < c; k++) {
        double scale = gamma[k] / sqrt(var[k] + a->eps);
        for (size_t i = k; i < n; i += c)
            bound[i] = affine_bound(x[i] - mean[k], 0, scale, 6 * u * fabs(scale), y[i]);
    }
}

static void bound_batchnorm_infer_dx(const clade_args *args, size_t slot, double *bound)
{
    const clade_batchnorm_infer_dx_args *a = &args->batchnorm_infer_dx;
    const double *x = doubles_of(&a->x), *dy = doubles_of(&a->dy), *gamma = doubles_of(&a->gamma);
    const double *mean = doubles_of(&a->mean), *var = doubles_of(&a->var),
                 *out = doubles_of(&args->slot[slot]);
    const int64_t m = rows_of(&a->x);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1], n = (size_t)m * c;
    const double sum_error = a->accumulate ? u : 0;
    const int64_t sum_roundings = clade_tree_roundings(m, (int32_t)c);
    enum { slot_dx = 5, slot_dgamma };
    for (size_t k = 0; k < c; k++) {
        gradients g = gradients_of(x + k, dy + k, mean[k], n, c);
        double rstd = 1 / sqrt(var[k] + a->eps), scale = fabs(gamma[k]) * rstd;
        if (slot == slot_dx) {
            for (size_t i = k; i < n; i += c) {
                double error = 7 * u * (1 + 7 * u) * fabs(dy[i]) * scale;
                bound[i] = error + sum_error * (fabs(out[i]) + error);
            }
            continue;
        }
        double error = slot == slot_dgamma
                           ? (clade_gamma(sum_roundings + 2) + 6 * u) * rstd * g.dyx_magnitude
                           : clade_gamma(sum_roundings) * g.dy_magnitude;
        bound[k] = error + sum_error * (fabs(out[k]) + error);
    }
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case batchnorm_cases[] = {
    {CASE_QUICK, "small",
     "x=2x3x4x5 gamma=5 beta=5 running_mean=5 running_var=5 eps=0.001 momentum=0.99"},
    {CASE_QUICK, "unbiased",
     "x=2x3x3x16 gamma=16 beta=16 running_mean=16 running_var=16 eps=0.001 momentum=0.9 "
     "unbiased=1"},
    {CASE_QUICK, "dense",
     "x=33x17 gamma=17 beta=17 running_mean=17 running_var=17 eps=1e-5 momentum=0.9"},
    {CASE_QUICK, "two-vectors",
     "x=9x32 gamma=32 beta=32 running_mean=32 running_var=32 eps=0.001 momentum=0.5"},
    {CASE_QUICK, "sixteen-rows",
     "x=4x2x2x6 gamma=6 beta=6 running_mean=6 running_var=6 eps=0.001 momentum=0.99"},
    {CASE_FULL, "one-row",
     "x=1x6 gamma=6 beta=6 running_mean=6 running_var=6 eps=0.001 momentum=0.5 unbiased=1"},
    {CASE_FULL, "one-channel",
     "x=3x50x1 gamma=1 beta=1 running_mean=1 running_var=1 eps=0.001 momentum=0.99"},
    {CASE_QUICK, "chunks",
     "x=3x10x9x3 gamma=3 beta=3 running_mean=3 running_var=3 eps=0.001 momentum=0.99"},
    {CASE_FULL, "uneven-chunks",
     "x=5x13x12x64 gamma=64 beta=64 running_mean=64 running_var=64 eps=0.001 momentum=0.25"},
    {CASE_FULL, "most-chunks",
     "x=4x47x44x20 gamma=20 beta=20 running_mean=20 running_var=20 eps=0.001 momentum=0.99 "
     "unbiased=1"},
    {CASE_QUICK, "blocks",
     "x=3x7x19x33 gamma=33 beta=33 running_mean=33 running_var=33 eps=0.001 momentum=0.99"},
    {CASE_QUICK, "lanes-and-blocks",
     "x=2x23x37x2 gamma=2 beta=2 running_mean=2 running_var=2 eps=0.001 momentum=0.99"},
    {CASE_FULL, "many-blocks",
     "x=16583x33 gamma=33 beta=33 running_mean=33 running_var=33 eps=0.001 momentum=0.99"},
    {CASE_TIMED, "training",
     "x=32x37x37x64 gamma=64 beta=64 running_mean=64 running_var=64 eps=0.001 momentum=0.99"},
};

static const clade_case batchnorm_infer_cases[] = {
    {CASE_QUICK, "small", "x=2x3x4x5 gamma=5 beta=5 mean=5 var=5 eps=0.001"},
    {CASE_QUICK, "wide", "x=7x48 gamma=48 beta=48 mean=48 var=48 eps=0.001"},
    {CASE_FULL, "one", "x=1 gamma=1 beta=1 mean=1 var=1 eps=0.001"},
    {CASE_FULL, "chunks", "x=3x10x9x17 gamma=17 beta=17 mean=17 var=17 eps=0.001"},
    {CASE_FULL, "uneven-chunks", "x=5x13x12x64 gamma=64 beta=64 mean=64 var=64 eps=0.001"},
    {CASE_TIMED, "training", "x=32x37x37x64 gamma=64 beta=64 mean=64 var=64 eps=0.001"},
};
#endif

OP_IMPL(batchnorm, OP_CASES(batchnorm_cases), .bound = bound_batchnorm,
        .inexact = inexact_batchnorm, .domain = {[4] = CLADE_DOMAIN_POSITIVE});
OP_IMPL(batchnorm_dx, .bound = bound_batchnorm_dx, .inexact = inexact_batchnorm_dx,
        .domain = {[4] = CLADE_DOMAIN_POSITIVE});
OP_IMPL(batchnorm_infer, OP_CASES(batchnorm_infer_cases), .bound = bound_batchnorm_infer,
        .domain = {[4] = CLADE_DOMAIN_POSITIVE});
OP_IMPL(batchnorm_infer_dx, .bound = bound_batchnorm_infer_dx, .inexact = inexact_batchnorm_dx,
        .domain = {[4] = CLADE_DOMAIN_POSITIVE});
