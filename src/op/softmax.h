/* Softmax and its logarithm, which the losses use too: references and error bounds. */
#ifndef CLADE_OP_SOFTMAX_H
#define CLADE_OP_SOFTMAX_H

#include "op/rows.h"

#include "../../kernels/math.clh"

/* ---- references ---- */

#ifdef CLADE_ORACLE
static inline REAL real_exp(REAL x) { return exp(x); }
static inline REAL real_log(REAL x) { return log(x); }
static inline REAL real_div(REAL a, REAL b) { return a / b; }
#else
static inline REAL real_exp(REAL x) { return math_exp(x); }
static inline REAL real_log(REAL x) { return math_log(x); }
static inline REAL real_div(REAL a, REAL b) { return math_div(a, b); }
#endif

static inline REAL largest(const REAL *x, size_t c)
{
    REAL max = x[0];
    for (size_t j = 1; j < c; j++)
        if (x[j] > max) max = x[j];
    return max;
}

/* Writes exp(x − max) / Σ for a row; returns Σ. */
static inline REAL probabilities(const REAL *x, REAL *y, size_t c)
{
    REAL max = largest(x, c);
    row_sum s = {0};
    for (size_t j = 0; j < c; j++) {
        y[j] = real_exp(x[j] - max);
        *lane_of(&s, j) += y[j];
    }
    REAL sum = total_of(&s);
    for (size_t j = 0; j < c; j++) y[j] = real_div(y[j], sum);
    return sum;
}

/* ---- bounds ---- */

/* Results below the smallest normal float may be 0. */
#define TINY 0x1p-126
/* math.clh: exp, log and quotients are good to a unit in the last place, which is 2 CLADE_UNIT at
 * most. */
#define EXP_UNITS 2
#define DIV_UNITS 2

/* The relative error of exp(x − max) in units; the difference is rounded. */
static inline double exp_units(double x, double max) { return fabs(x - max) + EXP_UNITS; }

/* The relative error of a row's sum of exponentials: the weighted errors of its terms, and the
 * additions. */
static inline double sum_error(const double *x, size_t c)
{
    double max = x[0], sum = 0, error = 0;
    for (size_t j = 1; j < c; j++) max = x[j] > max ? x[j] : max;
    for (size_t j = 0; j < c; j++) {
        double e = exp(x[j] - max);
        sum += e;
        if (e > 0) error += e * exp_units(x[j], max) * CLADE_UNIT + TINY;
    }
    return error / sum + clade_gamma(clade_row_roundings((int64_t)c));
}

/* The bound of an exponential divided by the sum. */
static inline void softmax_error(const double *x, const double *y, size_t c, double *bound)
{
    double max = x[0], sum = sum_error(x, c);
    for (size_t j = 1; j < c; j++) max = x[j] > max ? x[j] : max;
    for (size_t j = 0; j < c; j++) {
        double own = y[j] > 0 ? exp_units(x[j], max) + DIV_UNITS : 0;
        bound[j] = (y[j] * (own * CLADE_UNIT + sum) + TINY) * (1 + 0x1p-10);
    }
}

/* The logarithm of a row's sum of exponentials of x − max. */
static inline double log_sum_of(const double *x, size_t c, double *max)
{
    double sum = 0;
    *max = x[0];
    for (size_t j = 1; j < c; j++) *max = x[j] > *max ? x[j] : *max;
    for (size_t j = 0; j < c; j++) sum += exp(x[j] - *max);
    return log(sum);
}

/* The error of d − L, where d = x − max and L is the logarithm of the sum: one rounding of d, the
 * logarithm's own error, and the sum's relative error. */
static inline double log_error(double d, double log_sum, double sum_error)
{
    return CLADE_UNIT * (EXP_UNITS * fabs(log_sum) + fabs(d)) + sum_error;
}

#endif
