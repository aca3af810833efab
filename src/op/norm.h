/* What the normalisations share: sums of columns, and error bounds of statistics. Compiled for the
 * reference and for the oracle. */
#ifndef CLADE_OP_NORM_H
#define CLADE_OP_NORM_H

#include "op/tree.h"

#include "../../kernels/math.clh"

/* ---- shapes ---- */

static inline clade_status check_eps(clade_op op, float eps)
{
    if (!(eps > 0) || !isfinite(eps))
        return clade_fail(CLADE_EINVAL, "%s: eps is %g, expected a positive number",
                          clade_op_describe(op)->name, (double)eps);
    return CLADE_OK;
}

/* x is [..., c]; gives c. */
static inline clade_status check_channels(clade_op op, const clade_tensor *x, int32_t *c)
{
    if (x->rank < 1)
        return clade_fail(CLADE_EINVAL, "%s: x is a single number, expected [..., channels]",
                          clade_op_describe(op)->name);
    *c = x->dim[x->rank - 1];
    return CLADE_OK;
}

/* ---- references ---- */

#ifdef CLADE_ORACLE
static inline REAL quotient(REAL a, REAL b) { return a / b; }
static inline REAL inverse_root(REAL v) { return 1 / sqrt(v); }
#else
static inline REAL quotient(REAL a, REAL b) { return math_div(a, b); }
static inline REAL inverse_root(REAL v) { return math_rsqrt(v); }
#endif

/* Number of rows of a tensor as a matrix [m, c]. */
static inline int64_t rows_of(const clade_tensor *x)
{
    return (int64_t)(clade_tensor_count(x) / (size_t)x->dim[x->rank - 1]);
}

/* One column of [m, c]. The term of row i is p_i, p_i², q_i or p_i q_i, where p_i = x_i − mean or,
 * without mean, x_i. */
typedef struct matrix_column {
    const REAL *x, *dy;
    const REAL *mean;
    int64_t m;
    size_t c;
} matrix_column;

typedef enum summand { sum_p, sum_pp, sum_q, sum_pq } summand;

static inline REAL column_p(const matrix_column *k, size_t at)
{
    return k->mean ? k->x[at] - *k->mean : k->x[at];
}
static inline REAL add_p(const void *column, int64_t i, REAL sum)
{
    const matrix_column *k = column;
    return sum + column_p(k, (size_t)i * k->c);
}
static inline REAL add_pp(const void *column, int64_t i, REAL sum)
{
    const matrix_column *k = column;
    REAL p = column_p(k, (size_t)i * k->c);
    return REAL_FMA(p, p, sum);
}
static inline REAL add_q(const void *column, int64_t i, REAL sum)
{
    const matrix_column *k = column;
    return sum + k->dy[(size_t)i * k->c];
}
static inline REAL add_pq(const void *column, int64_t i, REAL sum)
{
    const matrix_column *k = column;
    return REAL_FMA(k->dy[(size_t)i * k->c], column_p(k, (size_t)i * k->c), sum);
}

static inline REAL column_sum(const matrix_column *k, summand what)
{
    static const tree_term term[] = {
        [sum_p] = add_p, [sum_pp] = add_pp, [sum_q] = add_q, [sum_pq] = add_pq};
    return tree_total(term[what], k, k->m, (int32_t)k->c);
}

/* ---- bounds ----
 * Errors are absolute and forward: u is CLADE_UNIT, a sum's error is clade_gamma(roundings) times
 * the sum of magnitudes, a rounding adds u times the computed magnitude (the exact one and its
 * error so far). */

static const double u = CLADE_UNIT;

/* A set of numbers normalised together: `rows` runs of `width` numbers, `stride` apart, and the
 * roundings in their sum. */
typedef struct population {
    const double *x;
    size_t rows, stride, width;
    int64_t roundings;
} population;

/* A population's statistics, and their errors. */
typedef struct statistics {
    double mean, mean_error, squares, squares_error, rstd, rstd_error;
} statistics;

static inline statistics statistics_of(const population *p, double eps)
{
    statistics s = {0};
    double sum = 0, magnitude = 0, n = (double)p->rows * (double)p->width;
    for (size_t i = 0; i < p->rows * p->stride; i += p->stride)
        for (size_t k = i; k < i + p->width; k++) sum += p->x[k], magnitude += fabs(p->x[k]);
    s.mean = sum / n;
    /* the sum; n as a float 1, the division 2 */
    s.mean_error = clade_gamma(p->roundings) * magnitude / n + 4 * u * fabs(s.mean);
    for (size_t i = 0; i < p->rows * p->stride; i += p->stride)
        for (size_t k = i; k < i + p->width; k++)
            s.squares += (p->x[k] - s.mean) * (p->x[k] - s.mean);
    /* Σ (x − mean')² = Σ (x − mean)² + n (mean' − mean)²; each difference is rounded once */
    double shifted = n * s.mean_error * s.mean_error;
    s.squares_error = shifted + clade_gamma(p->roundings + 2) * (s.squares + shifted);
    double var = s.squares / n,
           var_error = s.squares_error / n + 4 * u * (var + s.squares_error / n);
    double q = var + eps, q_error = var_error + u * (q + var_error);
    /* the error of 1 / sqrt is largest where q is smallest; the computed variance is not
     * negative */
    double low = fmax(q - q_error, eps * (1 - 2 * u));
    s.rstd = 1 / sqrt(q);
    s.rstd_error = (1 + 4 * u) / sqrt(low) - s.rstd; /* the function is good to 2 ulp, 4 u */
    return s;
}

/* Bound of (x − mean) scale + beta, where both factors have errors. */
static inline double affine_bound(double d, double d_error, double scale, double scale_error,
                                  double y)
{
    d_error += u * (fabs(d) + d_error);
    double error = fabs(d) * scale_error + fabs(scale) * d_error + d_error * scale_error;
    return error + u * (fabs(y) + error);
}

#endif
