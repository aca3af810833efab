/* loss: cross-entropies, their gradients, and the number of correct predictions. */
#include "op/labels.h"

#include <stdlib.h>

/* ---- shapes ---- */

/* The weights of rows' losses and the gradient of scores x, which go together. */
static clade_status check_slope(clade_op op, const clade_tensor *x, const clade_tensor *share,
                                clade_tensor *slope)
{
    const bool wanted = clade_tensor_present(slope);
    if (wanted && !clade_tensor_present(share))
        return clade_fail(CLADE_EINVAL, "%s: share is missing, expected with slope",
                          clade_op_describe(op)->name);
    clade_status status = CLADE_OK;
    if (clade_tensor_present(share))
        status = clade_expect_shape(op, "share", share, CLADE_F32, 1, x->dim);
    if (status || !wanted) return status;
    return clade_expect_shape(op, "slope", slope, CLADE_F32, 2, x->dim);
}

static clade_status shape_softmax_xent(clade_args *args)
{
    clade_softmax_xent_args *a = &args->softmax_xent;
    const clade_op op = CLADE_OP_softmax_xent;
    clade_status status = check_labels(op, "x", &a->x, &a->label, a->smoothing, false);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, 2, a->x.dim);
    if (!status) status = clade_infer_shape(op, "loss", &a->loss, CLADE_F32, 1, a->x.dim);
    return status ? status : check_slope(op, &a->x, &a->share, &a->slope);
}

static clade_status shape_softmax_xent_dx(clade_args *args)
{
    clade_softmax_xent_dx_args *a = &args->softmax_xent_dx;
    const clade_op op = CLADE_OP_softmax_xent_dx;
    clade_status status = check_labels(op, "y", &a->y, &a->label, a->smoothing, false);
    if (!status) status = clade_expect_shape(op, "dloss", &a->dloss, CLADE_F32, 1, a->y.dim);
    return status ? status : clade_infer_shape(op, "dx", &a->dx, CLADE_F32, 2, a->y.dim);
}

static clade_status shape_sigmoid_bce(clade_args *args)
{
    clade_sigmoid_bce_args *a = &args->sigmoid_bce;
    const clade_op op = CLADE_OP_sigmoid_bce;
    clade_status status = check_labels(op, "x", &a->x, &a->label, a->smoothing, true);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, 2, a->x.dim);
    if (!status) status = clade_infer_shape(op, "loss", &a->loss, CLADE_F32, 1, a->x.dim);
    return status ? status : check_slope(op, &a->x, &a->share, &a->slope);
}

static clade_status shape_sigmoid_bce_dx(clade_args *args)
{
    clade_sigmoid_bce_dx_args *a = &args->sigmoid_bce_dx;
    const clade_op op = CLADE_OP_sigmoid_bce_dx;
    clade_status status = check_labels(op, "y", &a->y, &a->label, a->smoothing, true);
    if (!status) status = clade_expect_shape(op, "dloss", &a->dloss, CLADE_F32, 1, a->y.dim);
    return status ? status : clade_infer_shape(op, "dx", &a->dx, CLADE_F32, 2, a->y.dim);
}

static clade_status shape_topk_count(clade_args *args)
{
    clade_topk_count_args *a = &args->topk_count;
    const clade_op op = CLADE_OP_topk_count;
    clade_status status = clade_expect_rank(op, "y", &a->y, 2);
    if (!status) status = clade_expect_shape(op, "label", &a->label, CLADE_I32, 1, a->y.dim);
    if (!status) status = clade_expect_shape(op, "count", &a->count, CLADE_I32, 1, (int32_t[]){1});
    if (status) return status;
    if (a->k < 1 || (a->y.dim[1] == 1 && a->k != 1))
        return clade_fail(CLADE_EINVAL, "topk_count: k is %d, expected 1%s", a->k,
                          a->y.dim[1] == 1 ? " for one column" : " or more");
    return CLADE_OK;
}

/* ---- references ---- */

static void run_softmax_xent_dx(const clade_args *args)
{
    const clade_softmax_xent_dx_args *a = &args->softmax_xent_dx;
    size_t n = (size_t)a->y.dim[0], c = (size_t)a->y.dim[1];
    const labels l = labels_of(&a->label, a->smoothing, real_div(a->smoothing, (REAL)c));
    for (size_t i = 0; i < n; i++) {
        const REAL *y = real_of(&a->y) + i * c;
        REAL *dx = real_of(&a->dx) + i * c;
        row_sum s = {0};
        for (size_t j = 0; l.dense && j < c; j++) *lane_of(&s, j) += label_at(&l, i, j, c);
        REAL sum = l.dense ? total_of(&s) : 1;
        for (size_t j = 0; j < c; j++) {
            REAL d = real_of(&a->dloss)[i] * REAL_FMA(y[j], sum, -label_at(&l, i, j, c));
            put(&dx[j], is_wrong_class(&l, i, c) ? (REAL)NAN : d, a->accumulate);
        }
    }
}

/* What makes the slope. */
static clade_args softmax_xent_slope(const clade_softmax_xent_args *a)
{
    return (clade_args){.softmax_xent_dx = {.y = a->y,
                                            .label = a->label,
                                            .dloss = a->share,
                                            .dx = a->slope,
                                            .smoothing = a->smoothing}};
}

static void run_softmax_xent(const clade_args *args)
{
    const clade_softmax_xent_args *a = &args->softmax_xent;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const labels l = labels_of(&a->label, a->smoothing, real_div(a->smoothing, (REAL)c));
    for (size_t i = 0; i < n; i++) {
        const REAL *x = real_of(&a->x) + i * c;
        REAL log_sum = real_log(probabilities(x, real_of(&a->y) + i * c, c)), max = largest(x, c);
        row_sum s = {0};
        for (size_t j = 0; j < c; j++) {
            REAL t = label_at(&l, i, j, c);
            /* a class that the label excludes costs nothing, however small its score */
            if (t != 0) *lane_of(&s, j) = REAL_FMA(t, log_sum - (x[j] - max), *lane_of(&s, j));
        }
        real_of(&a->loss)[i] = is_wrong_class(&l, i, c) ? (REAL)NAN : total_of(&s);
    }
    const clade_args slope = softmax_xent_slope(a);
    if (clade_tensor_present(&a->slope)) run_softmax_xent_dx(&slope);
}

static void run_sigmoid_bce_dx(const clade_args *args)
{
    const clade_sigmoid_bce_dx_args *a = &args->sigmoid_bce_dx;
    size_t n = (size_t)a->y.dim[0], c = (size_t)a->y.dim[1];
    const labels l = labels_of(&a->label, a->smoothing, (REAL)0.5 * a->smoothing);
    for (size_t i = 0; i < n; i++) {
        REAL w = real_div(real_of(&a->dloss)[i], (REAL)c);
        for (size_t j = 0; j < c; j++)
            put(&real_of(&a->dx)[i * c + j],
                w * (real_of(&a->y)[i * c + j] - binary_at(&l, i, j, c)), a->accumulate);
    }
}

static clade_args sigmoid_bce_slope(const clade_sigmoid_bce_args *a)
{
    return (clade_args){.sigmoid_bce_dx = {.y = a->y,
                                           .label = a->label,
                                           .dloss = a->share,
                                           .dx = a->slope,
                                           .smoothing = a->smoothing}};
}

static void run_sigmoid_bce(const clade_args *args)
{
    const clade_sigmoid_bce_args *a = &args->sigmoid_bce;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const labels l = labels_of(&a->label, a->smoothing, (REAL)0.5 * a->smoothing);
    for (size_t i = 0; i < n; i++) {
        row_sum s = {0};
        for (size_t j = 0; j < c; j++) {
            REAL x = real_of(&a->x)[i * c + j], t = binary_at(&l, i, j, c);
            /* max(x, 0) − x t without cancellation; nothing if t excludes the other class */
            REAL size = x < 0 ? -x : x, wrong = x < 0 ? t : 1 - t, loss = softplus(-size);
            if (wrong != 0) loss = REAL_FMA(size, wrong, loss);
            *lane_of(&s, j) += loss;
            real_of(&a->y)[i * c + j] = real_sigmoid(x);
        }
        real_of(&a->loss)[i] = real_div(total_of(&s), (REAL)c);
    }
    const clade_args slope = sigmoid_bce_slope(a);
    if (clade_tensor_present(&a->slope)) run_sigmoid_bce_dx(&slope);
}

/* Returns the rank of class `label` among the scores, from 0; c if a NaN prevents ranking. */
static size_t place_of(const REAL *y, size_t label, size_t c)
{
    size_t place = 0;
    for (size_t j = 0; j < c; j++) {
        if (isnan(y[j])) return c;
        if (y[j] > y[label] || (y[j] == y[label] && j < label)) place++;
    }
    return place;
}

static void run_topk_count(const clade_args *args)
{
    const clade_topk_count_args *a = &args->topk_count;
    size_t n = (size_t)a->y.dim[0], c = (size_t)a->y.dim[1];
    uint32_t hits = 0;
    for (size_t i = 0; i < n; i++) {
        const REAL *y = real_of(&a->y) + i * c;
        int32_t label = i32_of(&a->label)[i];
        if (c == 1) {
            hits += !isnan(y[0]) && label == (y[0] > (REAL)0.5);
        } else if (label >= 0 && label < (int32_t)c) {
            size_t place = place_of(y, (size_t)label, c);
            hits += place < c && place < (size_t)a->k;
        }
    }
    *i32_of(&a->count) = (int32_t)((uint32_t)*i32_of(&a->count) + hits);
}

/* ---- bounds ---- */

/* dloss (y Σt − t): the errors of t and of the sum; one rounding each of the fma, the product and
 * the addition to dx. */
static void bound_softmax_xent_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_softmax_xent_dx_args *a = &args->softmax_xent_dx;
    size_t n = (size_t)a->y.dim[0], c = (size_t)a->y.dim[1];
    const double s = (double)a->smoothing;
    bool dense = a->label.dtype != CLADE_I32;
    for (size_t i = 0; i < n; i++) {
        double sum = dense ? 0 : 1, size = 0, weight = fabs(doubles_of(&a->dloss)[i]);
        for (size_t j = 0; dense && j < c; j++) {
            double t = (1 - s) * label_value(&a->label, i, j, c) + s / (double)c;
            sum += t;
            size += fabs(t);
        }
        double error =
            size * (clade_gamma(clade_row_roundings((int64_t)c)) + LABEL_UNITS * CLADE_UNIT);
        for (size_t j = 0; j < c; j++) {
            size_t at = i * c + j;
            double y = doubles_of(&a->y)[at];
            double t = (1 - s) * label_value(&a->label, i, j, c) + s / (double)c;
            double local = fabs(y) * error + LABEL_UNITS * CLADE_UNIT * fabs(t);
            bound[at] = weight * (local + 2.01 * CLADE_UNIT * (fabs(y * sum - t) + local));
            if (a->accumulate) bound[at] += CLADE_UNIT * (fabs(doubles_of(&a->dx)[at]) + bound[at]);
        }
    }
}

/* Of the slope: that of softmax_xent_dx, and what y's error makes in it. */
static void bound_softmax_xent_slope(const clade_softmax_xent_args *a, double *bound)
{
    const clade_args slope = softmax_xent_slope(a);
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    double *of_y = malloc(c * sizeof *of_y);
    bound_softmax_xent_dx(&slope, 3, bound);
    for (size_t i = 0; i < n; i++) {
        double weight = 0;
        if (of_y) softmax_error(doubles_of(&a->x) + i * c, doubles_of(&a->y) + i * c, c, of_y);
        for (size_t j = 0; j < c; j++)
            weight += fabs((1 - (double)a->smoothing) * label_value(&a->label, i, j, c) +
                           (double)a->smoothing / (double)c);
        weight *= fabs(doubles_of(&a->share)[i]) * (1 + 0x1p-10);
        for (size_t j = 0; j < c; j++) bound[i * c + j] += of_y ? weight * of_y[j] : INFINITY;
    }
    free(of_y);
}

/* The error of t (L − d), as in log_error: that of t; one rounding of the difference; the chain of
 * fma. */
static void bound_softmax_xent(const clade_args *args, size_t slot, double *bound)
{
    const clade_softmax_xent_args *a = &args->softmax_xent;
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    if (slot == 5) {
        bound_softmax_xent_slope(a, bound);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const double *x = doubles_of(&a->x) + i * c;
        if (slot == 2) {
            softmax_error(x, doubles_of(&a->y) + i * c, c, bound + i * c);
            continue;
        }
        double max, log_sum = log_sum_of(x, c, &max), error = sum_error(x, c);
        bound[i] = 0;
        for (size_t j = 0; j < c; j++) {
            double t = (1 - (double)a->smoothing) * label_value(&a->label, i, j, c) +
                       (double)a->smoothing / (double)c;
            if (t == 0) continue;
            double d = x[j] - max, term = fabs(log_sum - d);
            double local = log_error(d, log_sum, error);
            bound[i] += fabs(t) * (1 + 0x1p-10) *
                        (local + term * (clade_gamma(clade_row_roundings((int64_t)c)) +
                                         CLADE_UNIT * (LABEL_UNITS + 1)));
        }
    }
}

static void bound_sigmoid_bce_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_sigmoid_bce_dx_args *a = &args->sigmoid_bce_dx;
    size_t n = (size_t)a->y.dim[0], c = (size_t)a->y.dim[1];
    const double s = (double)a->smoothing;
    for (size_t i = 0; i < n; i++) {
        double weight = fabs(doubles_of(&a->dloss)[i]) / (double)c;
        for (size_t j = 0; j < c; j++) {
            size_t at = i * c + j;
            double t = (1 - s) * binary_value(&a->label, i, j, c) + s / 2;
            /* the label; then the difference, the product and the weight, with c as a float */
            double units =
                BINARY_UNITS * fabs(t) + (3 + DIV_UNITS) * fabs(doubles_of(&a->y)[at] - t);
            bound[at] = weight * units * CLADE_UNIT * (1 + 0x1p-10);
            if (a->accumulate) bound[at] += CLADE_UNIT * (fabs(doubles_of(&a->dx)[at]) + bound[at]);
        }
    }
}

/* y: the sigmoid. loss: |x| w + log(1 + e): w is a label or 1 minus a
 * label, e an exponential (whose error shows in the logarithm at most as much) and the logarithm
 * has its own error and that of an fma; then the fma, the additions and the division by c, which as
 * a float is rounded. slope: that of sigmoid_bce_dx and y's error. */
static void bound_sigmoid_bce(const clade_args *args, size_t slot, double *bound)
{
    const clade_sigmoid_bce_args *a = &args->sigmoid_bce;
    const clade_args slope = sigmoid_bce_slope(a);
    size_t n = (size_t)a->x.dim[0], c = (size_t)a->x.dim[1];
    const double s = (double)a->smoothing;
    if (slot == 5) bound_sigmoid_bce_dx(&slope, 3, bound);
    for (size_t i = 0; i < n; i++) {
        double sum = 0, error = 0;
        for (size_t j = 0; j < c; j++) {
            double x = doubles_of(&a->x)[i * c + j];
            const double of_y = SIGMOID_UNITS * CLADE_UNIT / (1 + exp(-x)) + TINY;
            if (slot == 2) {
                bound[i * c + j] = of_y;
                continue;
            }
            if (slot == 5) {
                bound[i * c + j] +=
                    fabs(doubles_of(&a->share)[i]) / (double)c * of_y * (1 + 0x1p-10);
                continue;
            }
            double t = (1 - s) * binary_value(&a->label, i, j, c) + s / 2;
            double w = x < 0 ? t : 1 - t, l = log1p(exp(-fabs(x)));
            double of_w = (x < 0 ? 0 : fabs(w)) + BINARY_UNITS * fabs(t);
            double units = (2 * EXP_UNITS + 1) * l;
            /* an exact 0 or 1 is not rounded, so that an infinite x costs what the oracle says */
            if (w != 0) units += fabs(x) * of_w + fabs(x) * fabs(w) + l;
            double term = w != 0 ? fabs(x) * fabs(w) + l : l;
            sum += term;
            error += CLADE_UNIT * units + TINY;
        }
        if (slot != 3) continue;
        bound[i] = (error + sum * (clade_gamma(clade_row_roundings((int64_t)c)) +
                                   (DIV_UNITS + 1) * CLADE_UNIT)) /
                   (double)c * (1 + 0x1p-10);
    }
}

static void bound_topk_count(const clade_args *args, size_t slot, double *bound)
{
    (void)args, (void)slot;
    *bound = 0;
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case softmax_xent_cases[] = {
    {CASE_QUICK, "classes", "x=5x10 label=5"},
    {CASE_QUICK, "classes-smoothed", "x=5x10 label=5 smoothing=0.1"},
    {CASE_QUICK, "dense", "x=5x7 label:f32=5x7"},
    {CASE_QUICK, "lanes", "x=5x131 label:f32=5x131 smoothing=0.1"},
    {CASE_FULL, "dense-smoothed", "x=4x3 label:f32=4x3 smoothing=0.3"},
    {CASE_FULL, "one", "x=1x1 label=1"},
    {CASE_FULL, "two", "x=32x2 label=32"},
    {CASE_FULL, "uniform", "x=3x17 label=3 smoothing=1"},
    {CASE_FULL, "thousand", "x=3x1000 label=3"},
    {CASE_FULL, "rows", "x=517x5 label=517 smoothing=0.05"},
    {CASE_QUICK, "slope", "x=7x10 label=7 share=7"},
    {CASE_QUICK, "slope-dense", "x=3x131 label:f32=3x131 share=3 smoothing=0.1"},
    {CASE_TIMED, "training", "x=256x1000 label=256"},
};

static const clade_case sigmoid_bce_cases[] = {
    {CASE_QUICK, "dense", "x=5x3 label:f32=5x3"},
    {CASE_QUICK, "dense-smoothed", "x=5x17 label:f32=5x17 smoothing=0.2"},
    {CASE_QUICK, "classes", "x=9x1 label=9"},
    {CASE_QUICK, "lanes", "x=5x131 label:f32=5x131"},
    {CASE_FULL, "classes-smoothed", "x=33x1 label=33 smoothing=0.1"},
    {CASE_FULL, "dense-one", "x=9x1 label:f32=9x1"},
    {CASE_FULL, "one", "x=1x1 label:f32=1x1 smoothing=1"},
    {CASE_FULL, "wide", "x=2x1000 label:f32=2x1000"},
    {CASE_FULL, "rows", "x=517x2 label:f32=517x2 smoothing=0.05"},
    {CASE_QUICK, "slope", "x=33x1 label=33 share=33"},
    {CASE_QUICK, "slope-dense", "x=5x67 label:f32=5x67 share=5 smoothing=0.1"},
    {CASE_TIMED, "training", "x=1024x1 label=1024"},
};

static const clade_case topk_count_cases[] = {
    {CASE_QUICK, "first", "y=33x10 label=33 count=1 k=1"},
    {CASE_QUICK, "five", "y=33x17 label=33 count=1 k=5"},
    {CASE_QUICK, "lanes", "y=9x131 label=9 count=1 k=20"},
    {CASE_FULL, "all", "y=7x3 label=7 count=1 k=4"},
    {CASE_FULL, "two", "y=32x2 label=32 count=1 k=1"},
    {CASE_FULL, "rows", "y=1000x5 label=1000 count=1 k=2"},
    {CASE_QUICK, "one-column", "y=33x1 label=33 count=1 k=1"},
    {CASE_TIMED, "training", "y=256x1000 label=256 count=1 k=1"},
};
#endif

#define LABEL_SLOT .domain = {[1] = CLADE_DOMAIN_LABEL}

OP_IMPL(softmax_xent, OP_CASES(softmax_xent_cases), .bound = bound_softmax_xent, LABEL_SLOT);
OP_IMPL(softmax_xent_dx, .bound = bound_softmax_xent_dx, LABEL_SLOT);
OP_IMPL(sigmoid_bce, OP_CASES(sigmoid_bce_cases), .bound = bound_sigmoid_bce, LABEL_SLOT);
OP_IMPL(sigmoid_bce_dx, .bound = bound_sigmoid_bce_dx, LABEL_SLOT);
OP_IMPL(topk_count, OP_CASES(topk_count_cases), .bound = bound_topk_count, LABEL_SLOT);
