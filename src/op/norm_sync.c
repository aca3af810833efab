/* norm: batch normalisation of a batch that is computed in shards: a shard's sums, and its part of
 * the gradient. batchnorm_infer and batchnorm_infer_dx do the other steps. */
#include "op/norm.h"

/* ---- shapes ---- */

static clade_status check_vector(clade_op op, const char *name, const clade_tensor *t, int32_t c)
{
    return clade_tensor_present(t) ? clade_expect_shape(op, name, t, CLADE_F32, 1, &c) : CLADE_OK;
}

static clade_status shape_batchnorm_sum(clade_args *args)
{
    clade_batchnorm_sum_args *a = &args->batchnorm_sum;
    const clade_op op = CLADE_OP_batchnorm_sum;
    int32_t c = 0;
    clade_status status = check_channels(op, &a->x, &c);
    if (!status) status = check_vector(op, "mean", &a->mean, c);
    return status ? status : clade_infer_shape(op, "sum", &a->sum, CLADE_F32, 1, &c);
}

static clade_status shape_batchnorm_sync_dx(clade_args *args)
{
    clade_batchnorm_sync_dx_args *a = &args->batchnorm_sync_dx;
    const clade_op op = CLADE_OP_batchnorm_sync_dx;
    int32_t c = 0;
    clade_status status = check_eps(op, a->eps);
    if (!status) status = check_channels(op, &a->x, &c);
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, a->x.rank, a->x.dim);
    if (!status) status = check_vector(op, "gamma", &a->gamma, c);
    if (!status) status = check_vector(op, "mean", &a->mean, c);
    if (!status) status = check_vector(op, "var", &a->var, c);
    const int32_t two[] = {2, c};
    if (!status) status = clade_expect_shape(op, "means", &a->means, CLADE_F32, 2, two);
    return status ? status : clade_infer_shape(op, "dx", &a->dx, CLADE_F32, a->x.rank, a->x.dim);
}

/* ---- references ---- */

static void run_batchnorm_sum(const clade_args *args)
{
    const clade_batchnorm_sum_args *a = &args->batchnorm_sum;
    const bool squares = clade_tensor_present(&a->mean);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1];
    for (size_t k = 0; k < c; k++) {
        matrix_column column = {.x = real_of(&a->x) + k,
                                .mean = squares ? real_of(&a->mean) + k : NULL,
                                .m = rows_of(&a->x),
                                .c = c};
        real_of(&a->sum)[k] = column_sum(&column, squares ? sum_pp : sum_p);
    }
}

static void run_batchnorm_sync_dx(const clade_args *args)
{
    const clade_batchnorm_sync_dx_args *a = &args->batchnorm_sync_dx;
    const REAL *x = real_of(&a->x), *dy = real_of(&a->dy), *gamma = real_of(&a->gamma);
    const REAL *mean = real_of(&a->mean), *var = real_of(&a->var), *means = real_of(&a->means);
    REAL *dx = real_of(&a->dx);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1], n = clade_tensor_count(&a->x);
    for (size_t k = 0; k < c; k++) {
        REAL rstd = inverse_root(var[k] + (REAL)a->eps), scale = rstd * gamma[k];
        REAL slope = means[k] * rstd, shift = means[c + k];
        for (size_t i = k; i < n; i += c)
            put(&dx[i], scale * REAL_FMA(-(x[i] - mean[k]), slope, dy[i] - shift), a->accumulate);
    }
}

/* ---- bounds ---- */

static void bound_batchnorm_sum(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_batchnorm_sum_args *a = &args->batchnorm_sum;
    const bool squares = clade_tensor_present(&a->mean);
    const double *x = doubles_of(&a->x);
    const int64_t m = rows_of(&a->x);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1], n = (size_t)m * c;
    for (size_t k = 0; k < c; k++) {
        double magnitude = 0, mean = squares ? doubles_of(&a->mean)[k] : 0;
        for (size_t i = k; i < n; i += c)
            magnitude += squares ? (x[i] - mean) * (x[i] - mean) : fabs(x[i]);
        /* a difference is rounded once, and occurs twice */
        bound[k] = clade_gamma(clade_tree_roundings(m, (int32_t)c) + (squares ? 2 : 0)) * magnitude;
    }
}

/* rstd is good to 5 u (see batchnorm_infer), the slope and the scale to 6. */
static void bound_batchnorm_sync_dx(const clade_args *args, size_t slot, double *bound)
{
    const clade_batchnorm_sync_dx_args *a = &args->batchnorm_sync_dx;
    const double *x = doubles_of(&a->x), *dy = doubles_of(&a->dy), *gamma = doubles_of(&a->gamma);
    const double *mean = doubles_of(&a->mean), *var = doubles_of(&a->var);
    const double *means = doubles_of(&a->means), *out = doubles_of(&args->slot[slot]);
    const size_t c = (size_t)a->x.dim[a->x.rank - 1], n = clade_tensor_count(&a->x);
    for (size_t k = 0; k < c; k++) {
        double rstd = 1 / sqrt(var[k] + a->eps), scale = fabs(gamma[k]) * rstd;
        for (size_t i = k; i < n; i += c) {
            double rise = fabs((x[i] - mean[k]) * means[k] * rstd), rest = dy[i] - means[c + k];
            double t = fabs(rest - (x[i] - mean[k]) * means[k] * rstd);
            double error = 7 * u * (1 + 7 * u) * rise + u * fabs(rest);
            error += u * (t + error);                                    /* the fma */
            error = scale * (error + 7 * u * (1 + 7 * u) * (t + error)); /* scale, product */
            bound[i] = error + (a->accumulate ? u : 0) * (fabs(out[i]) + error);
        }
    }
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case batchnorm_sum_cases[] = {
    {CASE_QUICK, "small", "x=2x3x4x5"},
    {CASE_QUICK, "squares", "x=2x3x4x5 mean=5"},
    {CASE_QUICK, "two-vectors", "x=9x32 mean=32"},
    {CASE_FULL, "one-row", "x=1x6"},
    {CASE_FULL, "one-channel", "x=3x50x1 mean=1"},
    {CASE_QUICK, "chunks", "x=3x10x9x3"},
    {CASE_QUICK, "fold", "x=43x1x3x33"},
    {CASE_QUICK, "chunks-squares", "x=3x10x9x3 mean=3"},
    {CASE_FULL, "uneven-chunks", "x=5x13x12x64 mean=64"},
    {CASE_FULL, "most-chunks", "x=4x47x44x20"},
    {CASE_TIMED, "training", "x=32x37x37x64"},
    {CASE_TIMED, "training-squares", "x=32x37x37x64 mean=64"},
};

static const clade_case batchnorm_sync_dx_cases[] = {
    {CASE_QUICK, "small", "x=2x3x4x5 dy=2x3x4x5 gamma=5 mean=5 var=5 means=2x5 eps=0.001"},
    {CASE_QUICK, "wide", "x=7x48 dy=7x48 gamma=48 mean=48 var=48 means=2x48 eps=0.001"},
    {CASE_FULL, "one", "x=1 dy=1 gamma=1 mean=1 var=1 means=2x1 eps=0.001"},
    {CASE_FULL, "uneven-chunks",
     "x=5x13x12x64 dy=5x13x12x64 gamma=64 mean=64 var=64 means=2x64 eps=0.001"},
    {CASE_TIMED, "training",
     "x=32x37x37x64 dy=32x37x37x64 gamma=64 mean=64 var=64 means=2x64 eps=0.001"},
};
#endif

OP_IMPL(batchnorm_sum, OP_CASES(batchnorm_sum_cases), .bound = bound_batchnorm_sum);
OP_IMPL(batchnorm_sync_dx, OP_CASES(batchnorm_sync_dx_cases), .bound = bound_batchnorm_sync_dx,
        .domain = {[4] = CLADE_DOMAIN_POSITIVE});
