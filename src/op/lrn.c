/* lrn: local response normalisation across channels (Krizhevsky et al. 2012, section 3.3) and its
 * gradient. */
#include "op/op.h"

#include "../../kernels/math.clh"

/* What lrn and lrn_dx share. */
typedef struct lrn_parameters {
    int32_t size;
    float k, alpha, beta;
} lrn_parameters;

static clade_status check(clade_op op, const clade_tensor *x, lrn_parameters p)
{
    const char *name = clade_op_describe(op)->name;
    if (x->rank < 1)
        return clade_fail(CLADE_EINVAL, "%s: x is a single number, expected [..., channels]", name);
    if (p.size < 1 || p.size > 255)
        return clade_fail(CLADE_EINVAL, "%s: size is %d, expected 1 to 255", name, p.size);
    if (!(p.k > 0) || !isfinite(p.k))
        return clade_fail(CLADE_EINVAL, "%s: k is %g, expected a positive number", name,
                          (double)p.k);
    if (!(p.alpha >= 0) || !isfinite(p.alpha))
        return clade_fail(CLADE_EINVAL, "%s: alpha is %g, expected 0 or more", name,
                          (double)p.alpha);
    if (!isfinite(p.beta))
        return clade_fail(CLADE_EINVAL, "%s: beta is %g, expected a number", name, (double)p.beta);
    return CLADE_OK;
}

static clade_status shape_lrn(clade_args *args)
{
    clade_lrn_args *a = &args->lrn;
    const clade_op op = CLADE_OP_lrn;
    clade_status status = check(op, &a->x, (lrn_parameters){a->size, a->k, a->alpha, a->beta});
    return status ? status : clade_infer_shape(op, "y", &a->y, CLADE_F32, a->x.rank, a->x.dim);
}

static clade_status shape_lrn_dx(clade_args *args)
{
    clade_lrn_dx_args *a = &args->lrn_dx;
    const clade_op op = CLADE_OP_lrn_dx;
    clade_status status = check(op, &a->x, (lrn_parameters){a->size, a->k, a->alpha, a->beta});
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, a->x.rank, a->x.dim);
    return status ? status : clade_infer_shape(op, "dx", &a->dx, CLADE_F32, a->x.rank, a->x.dim);
}

#ifdef CLADE_ORACLE
static REAL quotient(REAL a, REAL b) { return a / b; }
static REAL power(REAL base, REAL beta) { return pow(base, -beta); }
#else
static REAL quotient(REAL a, REAL b) { return math_div(a, b); }
static REAL power(REAL base, REAL beta) { return math_exp(-beta * math_log(base)); }
#endif

/* Returns bias + alpha / size Σ x² over the channels around k; x is the position's first
 * channel. */
static REAL base_of(const REAL *x, int32_t c, int32_t k, lrn_parameters p)
{
    REAL sum = 0;
    for (int32_t j = k - (p.size - 1) / 2; j <= k + p.size / 2; j++)
        if (j >= 0 && j < c) sum = REAL_FMA(x[j], x[j], sum);
    return REAL_FMA(quotient(p.alpha, (REAL)p.size), sum, p.k);
}

static void run_lrn(const clade_args *args)
{
    const clade_lrn_args *a = &args->lrn;
    const lrn_parameters p = {a->size, a->k, a->alpha, a->beta};
    const int32_t c = a->x.dim[a->x.rank - 1];
    const size_t n = clade_tensor_count(&a->x);
    const REAL *x = real_of(&a->x);
    REAL *y = real_of(&a->y);
    for (size_t i = 0; i < n; i += (size_t)c)
        for (int32_t k = 0; k < c; k++)
            y[i + (size_t)k] = x[i + (size_t)k] * power(base_of(x + i, c, k, p), p.beta);
}

/* dx_k = dy_k b_k^−beta − 2 beta alpha/size x_k Σ_j dy_j x_j b_j^−beta / b_j over the channels j
 * whose sums include x_k. */
static void run_lrn_dx(const clade_args *args)
{
    const clade_lrn_dx_args *a = &args->lrn_dx;
    const lrn_parameters p = {a->size, a->k, a->alpha, a->beta};
    const int32_t c = a->x.dim[a->x.rank - 1];
    const size_t n = clade_tensor_count(&a->x);
    const REAL factor = 2 * (REAL)p.beta * quotient(p.alpha, (REAL)p.size);
    for (size_t i = 0; i < n; i += (size_t)c) {
        const REAL *x = real_of(&a->x) + i, *dy = real_of(&a->dy) + i;
        REAL *dx = real_of(&a->dx) + i;
        for (int32_t k = 0; k < c; k++) {
            REAL sum = 0;
            for (int32_t j = k - p.size / 2; j <= k + (p.size - 1) / 2; j++) {
                if (j < 0 || j >= c) continue;
                REAL base = base_of(x, c, j, p);
                sum += quotient(dy[j] * x[j] * power(base, p.beta), base);
            }
            REAL direct = dy[k] * power(base_of(x, c, k, p), p.beta);
            put(&dx[k], REAL_FMA(-(factor * x[k]), sum, direct), a->accumulate);
        }
    }
}

/* ---- bounds: relative errors in units u = CLADE_UNIT unless said otherwise ---- */

static const double u = CLADE_UNIT;

/* The error of the base, whose terms are all positive: the chain, alpha / size (2), the last
 * fma. */
static double base_error(lrn_parameters p) { return clade_gamma(p.size + 3); }

/* The error of the power. The logarithm's absolute error is the base's relative one plus its own, 2
 * ulp (4 u, with room for a larger relative error next to a power of 2). The product with beta
 * rounds once. The exponential turns the absolute error of its argument into a relative one and
 * adds 2 ulp. */
static double power_error(lrn_parameters p, double base)
{
    if (isinf(base)) return 0; /* the power is 0, 1 or infinite */
    double argument = fabs(p.beta) * (base_error(p) * (1 + 1e-3) + 6 * u * fabs(log(base)));
    return expm1(argument) + 4 * u * (1 + argument);
}

static void bound_lrn(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_lrn_args *a = &args->lrn;
    const lrn_parameters p = {a->size, a->k, a->alpha, a->beta};
    const int32_t c = a->x.dim[a->x.rank - 1];
    const double *x = (const double *)a->x.buffer->host + a->x.offset;
    const double *y = (const double *)a->y.buffer->host + a->y.offset;
    const size_t n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i++) {
        int32_t k = (int32_t)(i % (size_t)c);
        double sum = 0;
        for (int32_t j = k - (p.size - 1) / 2; j <= k + p.size / 2; j++)
            if (j >= 0 && j < c) sum += x[i - (size_t)k + (size_t)j] * x[i - (size_t)k + (size_t)j];
        double error = power_error(p, p.k + p.alpha / p.size * sum);
        bound[i] = fabs(y[i]) * (error + u * (1 + error));
    }
}

static void bound_lrn_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_lrn_dx_args *a = &args->lrn_dx;
    const lrn_parameters p = {a->size, a->k, a->alpha, a->beta};
    const int32_t c = a->x.dim[a->x.rank - 1];
    const double scale = (double)p.alpha / p.size, factor = fabs(2 * p.beta * scale);
    for (size_t i = 0; i < clade_tensor_count(&a->x); i += (size_t)c) {
        const double *x = (const double *)a->x.buffer->host + a->x.offset + i;
        const double *dy = (const double *)a->dy.buffer->host + a->dy.offset + i;
        const double *dx = (const double *)a->dx.buffer->host + a->dx.offset + i;
        for (int32_t k = 0; k < c; k++) {
            double terms = 0, error = 0, direct = 0, direct_error = 0;
            for (int32_t j = k - p.size / 2; j <= k + (p.size - 1) / 2; j++) {
                if (j < 0 || j >= c) continue;
                double sum = 0;
                for (int32_t l = j - (p.size - 1) / 2; l <= j + p.size / 2; l++)
                    if (l >= 0 && l < c) sum += x[l] * x[l];
                double base = p.k + scale * sum, raised = pow(base, -p.beta);
                double term = fabs(dy[j] * x[j]) * raised / base;
                terms += term;
                /* two products, the division 2 */
                error += term * ((power_error(p, base) + base_error(p)) * (1 + 1e-3) + 4 * u);
                if (j != k) continue;
                direct = fabs(dy[k]) * raised;
                direct_error = direct * (power_error(p, base) * (1 + u) + u);
            }
            error += clade_gamma(p.size) * (terms + error);
            /* the factor: alpha / size 2, products with beta and x */
            double through = factor * fabs(x[k]);
            double total = direct_error + through * (error + 4 * u * (terms + error));
            total += u * (direct + through * terms + total);
            if (a->accumulate) total += u * (fabs(dx[k]) + total);
            bound[i + (size_t)k] = total;
        }
    }
}

#ifndef CLADE_ORACLE
static const clade_case lrn_cases[] = {
    {CASE_QUICK, "usual", "x=2x3x3x16 size=5 k=2 alpha=0.0001 beta=0.75"},
    {CASE_QUICK, "strong", "x=1x4x5x17 size=3 k=1 alpha=0.9 beta=0.75"},
    {CASE_QUICK, "even", "x=5x7 size=4 k=0.5 alpha=0.5 beta=0.5"},
    {CASE_FULL, "one-channel", "x=9x1 size=5 k=1 alpha=1 beta=2"},
    {CASE_FULL, "one", "x=1 size=1 k=1 alpha=1 beta=1"},
    {CASE_FULL, "two", "x=2x3x5 size=2 k=1 alpha=2 beta=-0.5"},
    {CASE_FULL, "wider-than-c", "x=3x20 size=255 k=1 alpha=1e+01 beta=0.75"},
    {CASE_FULL, "many-channels", "x=2x700 size=9 k=1 alpha=1 beta=0.75"},
    {CASE_FULL, "layer", "x=2x13x13x64 size=5 k=2 alpha=0.0001 beta=0.75"},
    {CASE_TIMED, "training", "x=32x27x27x96 size=5 k=1 alpha=0.0001 beta=0.75"},
};
#endif

OP_IMPL(lrn, OP_CASES(lrn_cases), .bound = bound_lrn);
OP_IMPL(lrn_dx, .bound = bound_lrn_dx);
