/* What the optimizer ops share: checks of arguments, the references' arithmetic in REAL, norms, and
 * parts of bounds. */
#ifndef CLADE_OP_OPTIM_STEP_H
#define CLADE_OP_OPTIM_STEP_H

#include "op/tree.h"

#include "../../kernels/optim.clh"

/* ---- checks ---- */

/* Fails with EINVAL unless low ≤ value ≤ high; NaN always fails. */
static inline clade_status check_range(clade_op op, const char *name, float value, float low,
                                       float high)
{
    if (value >= low && value <= high) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "%s: %s is %g, expected %g to %g", clade_op_describe(op)->name,
                      name, (double)value, (double)low, (double)high);
}

static inline clade_status check_eps(clade_op op, float eps)
{
    return check_range(op, "eps", eps, 0x1p-126f, 3e38f);
}

static inline clade_status check_like(clade_op op, const char *slot, const clade_tensor *t,
                                      const clade_tensor *w)
{
    return clade_expect_shape(op, slot, t, CLADE_F32, w->rank, w->dim);
}

static const int32_t single[] = {1};

/* Checks common to all optimizers. */
static inline clade_status check_step(clade_op op, const clade_tensor *w, const clade_tensor *g,
                                      const clade_tensor *scale, float lr, float decay)
{
    clade_status status = check_like(op, "g", g, w);
    if (!status && clade_tensor_present(scale))
        status = clade_expect_shape(op, "scale", scale, CLADE_F32, 1, single);
    if (!status) status = check_range(op, "lr", lr, -3e38f, 3e38f);
    if (!status) status = check_range(op, "decay", decay, 0, 1);
    return status;
}

/* ---- references ---- */

#ifdef CLADE_ORACLE
static inline REAL real_rsqrt(REAL x) { return 1 / sqrt(x); }
static inline REAL real_sqrt(REAL x) { return sqrt(x); }
static inline REAL real_div(REAL a, REAL b) { return a / b; }
static inline REAL real_rcp(REAL x) { return 1 / x; }
#else
static inline REAL real_rsqrt(REAL x) { return math_rsqrt(x); }
static inline REAL real_sqrt(REAL x) { return math_sqrt(x); }
static inline REAL real_div(REAL a, REAL b) { return math_div(a, b); }
static inline REAL real_rcp(REAL x) { return math_rcp(x); }
#endif

static inline REAL scale_of(const clade_tensor *scale)
{
    return clade_tensor_present(scale) ? *real_of(scale) : 1;
}

static inline REAL mean_square(REAL old, REAL g, REAL beta)
{
    return REAL_FMA(beta, old, (1 - beta) * (g * g));
}

static inline REAL add_square(const void *g, int64_t i, REAL sum)
{
    REAL x = ((const REAL *)g)[i];
    return REAL_FMA(x, x, sum);
}

static inline REAL norm_of(const REAL *g, size_t n)
{
    return real_sqrt(tree_total(add_square, g, (int64_t)n, 1));
}

/* ---- ---- bounds ----
|
|In units u = CLADE_UNIT of relative error, one per rounding; an ulp is at most two. Products of
errors, below 100 u², are covered by the hundredth added to each sum of units. States hold their new
values here, so w before the step is w + step. ---- */

static inline double u(double roundings) { return 1.01 * roundings * CLADE_UNIT; }

static inline double scale_value(const clade_tensor *scale)
{
    return clade_tensor_present(scale) ? doubles_of(scale)[0] : 1;
}

/* The new mean square, a sum of positive terms: five roundings in (1 − beta) (scale g)², one in the
 * sum. */
enum { square_roundings = 6 };

/* The relative error of a norm. The squares are all positive, so that the error of their sum is
 * that of the longest path of a term. The root halves it and adds an ulp. */
static inline double norm_error(const clade_tensor *g)
{
    return clade_gamma(clade_tree_roundings((int64_t)clade_tensor_count(g), 1)) / 2 + u(2);
}

/* The part of a norm that is lost if squares are below the smallest normal number: 2^-63 of the
 * root each. */
static inline double norm_lost(const clade_tensor *g)
{
    return 0x1p-63 * sqrt((double)clade_tensor_count(g));
}

#endif
