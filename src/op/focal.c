/* Family loss: focal losses and their gradients. */
#include "op/labels.h"

#include <stdlib.h>

/* ---- shapes ---- */

static clade_status check_gamma(clade_op op, float gamma)
{
    if (gamma >= 0 && isfinite(gamma)) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "%s: gamma is %g, expected 0 or more",
                      clade_op_describe(op)->name, (double)gamma);
}

static clade_status check_softmax(clade_op op, float gamma, float alpha)
{
    if (!(alpha > 0 && isfinite(alpha)))
        return clade_fail(CLADE_EINVAL, "%s: alpha is %g, expected more than 0",
                          clade_op_describe(op)->name, (double)alpha);
    return check_gamma(op, gamma);
}

static clade_status check_sigmoid(clade_op op, const clade_tensor *scores,
                                  const clade_tensor *weight, float gamma, float alpha)
{
    if (!(alpha >= 0 && alpha <= 1))
        return clade_fail(CLADE_EINVAL, "%s: alpha is %g, expected 0 to 1",
                          clade_op_describe(op)->name, (double)alpha);
    clade_status status = check_gamma(op, gamma);
    if (status || !clade_tensor_present(weight)) return status;
    return clade_expect_shape(op, "weight", weight, CLADE_F32, 2,
                              (const int32_t[]){2, scores->dim[1]});
}

static clade_status shape_softmax_focal(clade_args *args)
{
    clade_softmax_focal_args *a = &args->softmax_focal;
    const clade_op op = CLADE_OP_softmax_focal;
    clade_status status = check_labels(op, "x", &a->x, &a->label, a->smoothing, false);
    if (!status) status = check_softmax(op, a->gamma, a->alpha);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, 2, a->x.dim);
    return status ? status : clade_infer_shape(op, "loss", &a->loss, CLADE_F32, 1, a->x.dim);
}

static clade_status shape_softmax_focal_dx(clade_args *args)
{
    clade_softmax_focal_dx_args *a = &args->softmax_focal_dx;
    const clade_op op = CLADE_OP_softmax_focal_dx;
    clade_status status = check_labels(op, "y", &a->y, &a->label, a->smoothing, false);
    if (!status) status = check_softmax(op, a->gamma, a->alpha);
    if (!status) status = clade_expect_shape(op, "dloss", &a->dloss, CLADE_F32, 1, a->y.dim);
    return status ? status : clade_infer_shape(op, "dx", &a->dx, CLADE_F32, 2, a->y.dim);
}

static clade_status shape_sigmoid_focal(clade_args *args)
{
    clade_sigmoid_focal_args *a = &args->sigmoid_focal;
    const clade_op op = CLADE_OP_sigmoid_focal;
    clade_status status = check_labels(op, "x", &a->x, &a->label, a->smoothing, true);
    if (!status) status = check_sigmoid(op, &a->x, &a->weight, a->gamma, a->alpha);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, 2, a->x.dim);
    return status ? status : clade_infer_shape(op, "loss", &a->loss, CLADE_F32, 1, a->x.dim);
}

static clade_status shape_sigmoid_focal_dx(clade_args *args)
{
    clade_sigmoid_focal_dx_args *a = &args->sigmoid_focal_dx;
    const clade_op op = CLADE_OP_sigmoid_focal_dx;
    clade_status status = check_labels(op, "y", &a->y, &a->label, a->smoothing, true);
    if (!status) status = check_sigmoid(op, &a->y, &a->weight, a->gamma, a->alpha);
    if (!status) status = clade_expect_shape(op, "dloss", &a->dloss, CLADE_F32, 1, a->y.dim);
    return status ? status : clade_infer_shape(op, "dx", &a->dx, CLADE_F32, 2, a->y.dim);
}

/* ---- references ---- */

#define LEAST ((REAL)0x1p-126) /* the smallest argument of a logarithm */

#ifdef CLADE_ORACLE
static REAL log_rest(REAL y, REAL m) { return (void)m, log1p(-y); }
#else
/* log(1 − y): adds back the part of y that the difference m = 1 − y loses */
static REAL log_rest(REAL y, REAL m) { return REAL_FMA(-y - (m - 1), math_rcp(m), math_log(m)); }
#endif

static REAL power_of(REAL q, float gamma)
{
    return gamma == 0 ? 1 : real_exp((REAL)gamma * real_log(q));
}

static void run_softmax_focal(const clade_args *args)
{
    const clade_softmax_focal_args *a = &args->softmax_focal;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const labels l = labels_of(&a->label, a->smoothing, real_div(a->smoothing, (REAL)c));
    for (size_t i = 0; i < n; i++) {
        const REAL *x = real_of(&a->x) + i * c;
        REAL *y = real_of(&a->y) + i * c;
        REAL log_sum = real_log(probabilities(x, y, c)), max = largest(x, c);
        row_sum s = {0};
        for (size_t j = 0; j < c; j++) {
            REAL t = label_at(&l, i, j, c), *sum = lane_of(&s, j);
            if (t != 0)
                *sum = REAL_FMA(t * power_of(1 - y[j], a->gamma), log_sum - (x[j] - max), *sum);
        }
        real_of(&a->loss)[i] = is_wrong_class(&l, i, c) ? (REAL)NAN : (REAL)a->alpha * total_of(&s);
    }
}

/* Minus y times the derivative of a class's loss with respect to its probability y, without
 * alpha. */
static REAL slope_of(REAL t, REAL y, float gamma)
{
    REAL q = 1 - y, rest = 0;
    if (t == 0) return 0;
    if (q > 0 && y >= LEAST) rest = (REAL)gamma * real_div(y * -real_log(y), q);
    return t * power_of(q, gamma) * (rest + 1);
}

static void run_softmax_focal_dx(const clade_args *args)
{
    const clade_softmax_focal_dx_args *a = &args->softmax_focal_dx;
    size_t n = (size_t)a->y.dim[0], c = (size_t)a->y.dim[1];
    const labels l = labels_of(&a->label, a->smoothing, real_div(a->smoothing, (REAL)c));
    for (size_t i = 0; i < n; i++) {
        const REAL *y = real_of(&a->y) + i * c;
        REAL *dx = real_of(&a->dx) + i * c, weight = real_of(&a->dloss)[i] * (REAL)a->alpha;
        row_sum s = {0};
        for (size_t j = 0; j < c; j++)
            *lane_of(&s, j) += slope_of(label_at(&l, i, j, c), y[j], a->gamma);
        REAL sum = total_of(&s);
        for (size_t j = 0; j < c; j++) {
            REAL own = slope_of(label_at(&l, i, j, c), y[j], a->gamma);
            REAL d = weight * REAL_FMA(y[j], sum, -own);
            put(&dx[j], is_wrong_class(&l, i, c) ? (REAL)NAN : d, a->accumulate);
        }
    }
}

/* Interpolates between the values for labels 0 and 1. */
static REAL between(REAL t, REAL zero, REAL one) { return REAL_FMA(t, one, (1 - t) * zero); }

/* The weight of a label's loss in column j. */
static REAL weight_at(REAL t, const clade_tensor *weight, size_t j, size_t c, float alpha)
{
    REAL w = alpha > 0 ? between(t, 1 - (REAL)alpha, (REAL)alpha) : 1;
    if (!clade_tensor_present(weight)) return w;
    return w * between(t, real_of(weight)[j], real_of(weight)[c + j]);
}

static void run_sigmoid_focal(const clade_args *args)
{
    const clade_sigmoid_focal_args *a = &args->sigmoid_focal;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const labels l = labels_of(&a->label, a->smoothing, (REAL)0.5 * a->smoothing);
    for (size_t i = 0; i < n; i++) {
        row_sum s = {0};
        for (size_t j = 0; j < c; j++) {
            REAL x = real_of(&a->x)[i * c + j], t = binary_at(&l, i, j, c), *sum = lane_of(&s, j);
            /* as in sigmoid_bce */
            REAL size = x < 0 ? -x : x, wrong = x < 0 ? t : 1 - t, loss = softplus(-size);
            if (wrong != 0) loss = REAL_FMA(size, wrong, loss);
            loss = power_of(between(t, real_sigmoid(x), real_sigmoid(-x)), a->gamma) * loss;
            *sum = REAL_FMA(weight_at(t, &a->weight, j, c, a->alpha), loss, *sum);
            real_of(&a->y)[i * c + j] = real_sigmoid(x);
        }
        real_of(&a->loss)[i] = real_div(total_of(&s), (REAL)c);
    }
}

/* The derivative of an unweighted loss with respect to its score, from the probability. */
static REAL binary_slope(REAL y, REAL t, float gamma)
{
    REAL m = 1 - y, q = between(t, y, m), rest = 0;
    REAL of_one = y >= LEAST ? y * -real_log(y) : 0, of_zero = m > 0 ? m * -log_rest(y, m) : 0;
    if (q > 0) rest = (REAL)gamma * (1 - 2 * t) * real_div(between(t, y * of_zero, m * of_one), q);
    return power_of(q, gamma) * (rest + (y - t));
}

static void run_sigmoid_focal_dx(const clade_args *args)
{
    const clade_sigmoid_focal_dx_args *a = &args->sigmoid_focal_dx;
    size_t n = (size_t)a->y.dim[0], c = (size_t)a->y.dim[1];
    const labels l = labels_of(&a->label, a->smoothing, (REAL)0.5 * a->smoothing);
    for (size_t i = 0; i < n; i++) {
        REAL share = real_div(real_of(&a->dloss)[i], (REAL)c);
        for (size_t j = 0; j < c; j++) {
            REAL t = binary_at(&l, i, j, c), y = real_of(&a->y)[i * c + j];
            REAL w = share * weight_at(t, &a->weight, j, c, a->alpha);
            put(&real_of(&a->dx)[i * c + j], w * binary_slope(y, t, a->gamma), a->accumulate);
        }
    }
}

/* ---- ---- bounds: each step's error, propagated (Higham 2002, section 3.3) ---- ---- */

/* An exact number and the largest distance of a computed one from it. */
typedef struct inexact {
    double value, error;
} inexact;

static inexact exactly(double value) { return (inexact){value, 0}; }

/* Adds this many roundings of the result. */
static inexact rounded(double value, double error, double units)
{
    return (inexact){value, error + units * CLADE_UNIT * (fabs(value) + error)};
}
static inexact plus(inexact a, inexact b)
{
    return rounded(a.value + b.value, a.error + b.error, 1);
}
static inexact times(inexact a, inexact b)
{
    double error = fabs(a.value) * b.error + fabs(b.value) * a.error + a.error * b.error;
    return rounded(a.value * b.value, error, 1);
}
static inexact over(inexact a, inexact b)
{
    double value = a.value / b.value;
    return rounded(value, (a.error + fabs(value) * b.error) / (b.value - b.error), DIV_UNITS);
}
static inexact minus_log(inexact a)
{
    return rounded(-log(a.value), -log1p(-a.error / a.value), EXP_UNITS);
}

/* Takes the values of q's power between q's limits; adds the logarithm's error and a rounding in
 * the exponent, then the exponential's own error. */
static inexact power(inexact q, double gamma)
{
    if (gamma == 0) return exactly(1);
    const double value = pow(q.value, gamma), high = pow(q.value + q.error, gamma);
    const double low = pow(fmax(q.value - q.error, 0), gamma);
    double units = EXP_UNITS;
    if (q.value > 0) units += (EXP_UNITS + 1) * gamma * fabs(log(q.value));
    inexact p = rounded(value, fmax(high - value, value - low), units);
    p.error += TINY;
    return p;
}

static inexact mixed(inexact t, inexact zero, inexact one)
{
    return plus(times(t, one), times(plus(exactly(1), (inexact){-t.value, t.error}), zero));
}

/* t q^gamma L: the error of L as in softmax_xent; a sum along a row; alpha. */
static void bound_softmax_focal(const clade_args *args, size_t slot, double *bound)
{
    const clade_softmax_focal_args *a = &args->softmax_focal;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const double s = (double)a->smoothing, row = clade_gamma(clade_row_roundings((int64_t)c));
    double *y_error = slot == 2 ? NULL : malloc(c * sizeof *y_error);
    for (size_t i = 0; i < n; i++) {
        const double *x = doubles_of(&a->x) + i * c, *y = doubles_of(&a->y) + i * c;
        if (slot == 2) {
            softmax_error(x, y, c, bound + i * c);
            continue;
        }
        double max, log_sum = log_sum_of(x, c, &max), error = sum_error(x, c), sum = 0;
        bound[i] = y_error ? 0 : INFINITY;
        if (!y_error) continue;
        softmax_error(x, y, c, y_error);
        for (size_t j = 0; j < c; j++) {
            double t = (1 - s) * label_value(&a->label, i, j, c) + s / (double)c;
            double d = x[j] - max;
            if (t == 0) continue;
            inexact l = rounded(log_sum - d, log_error(d, log_sum, error), 1);
            inexact q = rounded(1 - y[j], y_error[j], 1);
            inexact term =
                times(times(rounded(t, 0, s > 0 ? LABEL_UNITS : 0), power(q, (double)a->gamma)), l);
            sum += fabs(term.value);
            bound[i] += term.error;
        }
        bound[i] = (double)a->alpha * (bound[i] + sum * (row + CLADE_UNIT)) * (1 + 0x1p-10);
    }
    free(y_error);
}

static inexact softmax_slope(inexact t, double y, double gamma)
{
    if (t.value == 0) return exactly(0);
    inexact q = rounded(1 - y, 0, 1), rest = exactly(0);
    if (q.value > 0 && y >= (double)LEAST)
        rest = times(exactly(gamma), over(times(exactly(y), minus_log(exactly(y))), q));
    return times(times(t, power(q, gamma)), plus(rest, exactly(1)));
}

/* The slopes' errors and the error of their sum; the rest as in softmax_xent_dx. */
static void bound_softmax_focal_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_softmax_focal_dx_args *a = &args->softmax_focal_dx;
    size_t n = (size_t)a->y.dim[0], c = (size_t)a->y.dim[1];
    const double s = (double)a->smoothing, row = clade_gamma(clade_row_roundings((int64_t)c));
    for (size_t i = 0; i < n; i++) {
        const inexact weight = times(exactly(doubles_of(&a->dloss)[i]), exactly((double)a->alpha));
        inexact sum = exactly(0);
        for (int pass = 0; pass < 2; pass++)
            for (size_t j = 0; j < c; j++) {
                double t = (1 - s) * label_value(&a->label, i, j, c) + s / (double)c;
                double y = doubles_of(&a->y)[i * c + j];
                inexact own =
                    softmax_slope(rounded(t, 0, s > 0 ? LABEL_UNITS : 0), y, (double)a->gamma);
                if (pass == 0) {
                    sum.value += own.value;
                    sum.error += own.error + own.value * row;
                    continue;
                }
                inexact d = rounded(y * sum.value - own.value, y * sum.error + own.error, 1);
                double *to = &bound[i * c + j];
                *to = times(weight, d).error * (1 + 0x1p-10) + TINY;
                if (a->accumulate) *to += CLADE_UNIT * (fabs(doubles_of(&a->dx)[i * c + j]) + *to);
            }
    }
}

/* A smoothed label. */
static inexact binary_label(const clade_tensor *label, size_t i, size_t j, size_t c, double s)
{
    return rounded((1 - s) * binary_value(label, i, j, c) + s / 2, 0, s > 0 ? BINARY_UNITS : 0);
}

static inexact weight_of(inexact t, const clade_tensor *weight, size_t j, size_t c, double alpha)
{
    inexact w = exactly(1);
    if (alpha > 0) w = mixed(t, rounded(1 - alpha, 0, 1), exactly(alpha));
    if (!clade_tensor_present(weight)) return w;
    return times(w, mixed(t, exactly(doubles_of(weight)[j]), exactly(doubles_of(weight)[c + j])));
}

/* The loss as in sigmoid_bce; the sigmoids that make up q; the row's sum; the division by c, which
 * is rounded to float. */
static void bound_sigmoid_focal(const clade_args *args, size_t slot, double *bound)
{
    const clade_sigmoid_focal_args *a = &args->sigmoid_focal;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    for (size_t i = 0; i < n; i++) {
        double sum = 0, error = 0;
        for (size_t j = 0; j < c; j++) {
            const double x = doubles_of(&a->x)[i * c + j], y = 1 / (1 + exp(-x));
            if (slot == 3) {
                bound[i * c + j] = SIGMOID_UNITS * CLADE_UNIT * y + TINY;
                continue;
            }
            const inexact t = binary_label(&a->label, i, j, c, (double)a->smoothing);
            const inexact p = rounded(y, TINY, SIGMOID_UNITS);
            const inexact m = rounded(1 / (1 + exp(x)), TINY, SIGMOID_UNITS);
            const inexact wrong = x < 0 ? t : rounded(1 - t.value, t.error, 1);
            const double l = log1p(exp(-fabs(x)));
            inexact loss = rounded(l, TINY, 2 * EXP_UNITS + 1);
            if (wrong.value != 0) loss = plus(times(exactly(fabs(x)), wrong), loss);
            const inexact term = times(weight_of(t, &a->weight, j, c, (double)a->alpha),
                                       times(power(mixed(t, p, m), (double)a->gamma), loss));
            sum += fabs(term.value);
            error += term.error;
        }
        if (slot == 3) continue;
        bound[i] = (error + sum * (clade_gamma(clade_row_roundings((int64_t)c)) +
                                   (DIV_UNITS + 1) * CLADE_UNIT)) /
                   (double)c * (1 + 0x1p-10);
    }
}

/* As binary_slope. The error of log(1 − y) is that of the difference, at most twice the logarithm,
 * and of the part added back. */
static inexact sigmoid_slope(double y, inexact t, double gamma)
{
    const inexact m = rounded(1 - y, 0, 1), q = mixed(t, exactly(y), m);
    inexact of_one = exactly(0), of_zero = exactly(0), rest = exactly(0);
    if (y >= (double)LEAST) of_one = times(exactly(y), minus_log(exactly(y)));
    if (m.value > 0) of_zero = times(m, rounded(-log1p(-y), 0, 2 * EXP_UNITS + 2));
    const inexact turn = plus(exactly(1), (inexact){-2 * t.value, 2 * t.error});
    if (q.value > 0)
        rest = times(times(exactly(gamma), turn),
                     over(mixed(t, times(exactly(y), of_zero), times(m, of_one)), q));
    const inexact plain = rounded(y - t.value, t.error, 1);
    return times(power(q, gamma), plus(rest, plain));
}

static void bound_sigmoid_focal_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_sigmoid_focal_dx_args *a = &args->sigmoid_focal_dx;
    size_t n = (size_t)a->y.dim[0], c = (size_t)a->y.dim[1];
    for (size_t i = 0; i < n; i++) {
        const inexact share =
            rounded(doubles_of(&a->dloss)[i] / (double)c, 0, DIV_UNITS + 1); /* with c as a float */
        for (size_t j = 0; j < c; j++) {
            const inexact t = binary_label(&a->label, i, j, c, (double)a->smoothing);
            const inexact w = times(share, weight_of(t, &a->weight, j, c, (double)a->alpha));
            const double y = doubles_of(&a->y)[i * c + j];
            double *to = &bound[i * c + j];
            *to = times(w, sigmoid_slope(y, t, (double)a->gamma)).error * (1 + 0x1p-10) + TINY;
            if (a->accumulate) *to += CLADE_UNIT * (fabs(doubles_of(&a->dx)[i * c + j]) + *to);
        }
    }
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case softmax_focal_cases[] = {
    {CASE_QUICK, "classes", "x=5x10 label=5 gamma=2 alpha=0.25"},
    {CASE_QUICK, "dense", "x=5x3 label:f32=5x3 gamma=1.5 alpha=1"},
    {CASE_QUICK, "lanes", "x=5x131 label:f32=5x131 gamma=2 alpha=0.25 smoothing=0.1"},
    {CASE_FULL, "half", "x=7x4 label=7 gamma=0.5 alpha=0.5"},
    {CASE_FULL, "none", "x=7x4 label=7 gamma=0 alpha=1"},
    {CASE_FULL, "one", "x=1x2 label=1 gamma=5 alpha=0.25"},
    {CASE_FULL, "uniform", "x=3x17 label=3 gamma=2 alpha=0.25 smoothing=1"},
    {CASE_FULL, "thousand", "x=2x1000 label=2 gamma=2 alpha=0.25"},
    {CASE_FULL, "rows", "x=517x5 label=517 gamma=2 alpha=0.25 smoothing=0.05"},
    {CASE_TIMED, "training", "x=256x1000 label=256 gamma=2 alpha=0.25"},
};

static const clade_case sigmoid_focal_cases[] = {
    {CASE_QUICK, "dense", "x=5x3 label:f32=5x3 gamma=2"},
    {CASE_QUICK, "classes", "x=9x1 label=9 gamma=2 alpha=0.25"},
    {CASE_QUICK, "weighted", "x=5x17 label:f32=5x17 weight=2x17 smoothing=0.2"},
    {CASE_QUICK, "lanes", "x=5x131 label:f32=5x131 weight=2x131 gamma=2 alpha=0.25"},
    {CASE_FULL, "classes-smoothed", "x=33x1 label=33 weight=2x1 gamma=1 smoothing=0.1"},
    {CASE_FULL, "half", "x=9x2 label:f32=9x2 gamma=0.5 alpha=1"},
    {CASE_FULL, "one", "x=1x1 label:f32=1x1 gamma=5 smoothing=1"},
    {CASE_FULL, "wide", "x=2x1000 label:f32=2x1000 gamma=2"},
    {CASE_FULL, "rows", "x=517x2 label:f32=517x2 gamma=2 alpha=0.25 smoothing=0.05"},
    {CASE_TIMED, "training", "x=1024x80 label:f32=1024x80 gamma=2 alpha=0.25"},
};
#endif

#define LABEL_SLOT .domain = {[1] = CLADE_DOMAIN_LABEL}
#define WEIGHTED_SLOTS .domain = {[1] = CLADE_DOMAIN_LABEL, [2] = CLADE_DOMAIN_POSITIVE}

OP_IMPL(softmax_focal, OP_CASES(softmax_focal_cases), .bound = bound_softmax_focal, LABEL_SLOT);
OP_IMPL(softmax_focal_dx, .bound = bound_softmax_focal_dx, LABEL_SLOT);
OP_IMPL(sigmoid_focal, OP_CASES(sigmoid_focal_cases), .bound = bound_sigmoid_focal, WEIGHTED_SLOTS);
OP_IMPL(sigmoid_focal_dx, .bound = bound_sigmoid_focal_dx, WEIGHTED_SLOTS);
