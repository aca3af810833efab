/* elementwise: sums and products of tensors with broadcasting, learned slopes, and their
 * gradients. */
#include "op/stretch.h"

/* ---- shapes ---- */

/* Gives the larger size in each dimension. */
static clade_status broadcast(clade_op op, const clade_tensor *a, const clade_tensor *b,
                              int32_t dim[4])
{
    bool fits = a->rank == b->rank;
    for (int i = 0; fits && i < a->rank; i++) {
        fits = a->dim[i] == b->dim[i] || a->dim[i] == 1 || b->dim[i] == 1;
        dim[i] = a->dim[i] > b->dim[i] ? a->dim[i] : b->dim[i];
    }
    char first[64], second[64];
    if (!fits)
        return clade_fail(
            CLADE_EINVAL, "%s: a is %s and b is %s, expected equal ranks, and sizes equal or 1",
            clade_op_describe(op)->name, clade_shape_text(a, first), clade_shape_text(b, second));
    return CLADE_OK;
}

static clade_status shape_add(clade_args *args)
{
    clade_add_args *a = &args->add;
    int32_t y[4];
    clade_status status = broadcast(CLADE_OP_add, &a->a, &a->b, y);
    return status ? status : clade_infer_shape(CLADE_OP_add, "y", &a->y, CLADE_F32, a->a.rank, y);
}

static clade_status shape_add_dx(clade_args *args)
{
    clade_add_dx_args *a = &args->add_dx;
    const clade_op op = CLADE_OP_add_dx;
    int32_t y[4];
    clade_status status = CLADE_OK;
    bool da = clade_tensor_present(&a->da), db = clade_tensor_present(&a->db);
    if (da) status = check_stretched(op, "da", &a->da, &a->dy);
    if (!status && db) status = check_stretched(op, "db", &a->db, &a->dy);
    if (status || !da || !db) return status;
    status = broadcast(op, &a->da, &a->db, y);
    return status ? status : clade_expect_shape(op, "dy", &a->dy, CLADE_F32, a->da.rank, y);
}

static clade_status shape_mul(clade_args *args)
{
    clade_mul_args *a = &args->mul;
    int32_t y[4];
    clade_status status = broadcast(CLADE_OP_mul, &a->a, &a->b, y);
    return status ? status : clade_infer_shape(CLADE_OP_mul, "y", &a->y, CLADE_F32, a->a.rank, y);
}

static clade_status shape_mul_dx(clade_args *args)
{
    clade_mul_dx_args *a = &args->mul_dx;
    const clade_op op = CLADE_OP_mul_dx;
    int32_t y[4];
    clade_status status = broadcast(op, &a->a, &a->b, y);
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, a->a.rank, y);
    if (!status && clade_tensor_present(&a->da))
        status = clade_expect_shape(op, "da", &a->da, CLADE_F32, a->a.rank, a->a.dim);
    if (!status && clade_tensor_present(&a->db))
        status = clade_expect_shape(op, "db", &a->db, CLADE_F32, a->b.rank, a->b.dim);
    return status;
}

/* All images share one alpha. */
static clade_status check_alpha(clade_op op, const clade_tensor *alpha, const clade_tensor *x)
{
    char text[64];
    clade_status status = check_stretched(op, "alpha", alpha, x);
    if (!status && alpha->rank && alpha->dim[0] != 1)
        status = clade_fail(CLADE_EINVAL, "%s: alpha is %s, expected 1 as its first size",
                            clade_op_describe(op)->name, clade_shape_text(alpha, text));
    return status;
}

static clade_status shape_prelu(clade_args *args)
{
    clade_prelu_args *a = &args->prelu;
    clade_status status = check_alpha(CLADE_OP_prelu, &a->alpha, &a->x);
    return status ? status
                  : clade_infer_shape(CLADE_OP_prelu, "y", &a->y, CLADE_F32, a->x.rank, a->x.dim);
}

static clade_status shape_prelu_dx(clade_args *args)
{
    clade_prelu_dx_args *a = &args->prelu_dx;
    const clade_op op = CLADE_OP_prelu_dx;
    clade_status status = check_alpha(op, &a->alpha, &a->x);
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, a->x.rank, a->x.dim);
    if (!status && clade_tensor_present(&a->dx))
        status = clade_expect_shape(op, "dx", &a->dx, CLADE_F32, a->x.rank, a->x.dim);
    if (!status && clade_tensor_present(&a->dalpha))
        status =
            clade_expect_shape(op, "dalpha", &a->dalpha, CLADE_F32, a->alpha.rank, a->alpha.dim);
    return status;
}

/* ---- references ---- */

/* Declares the index and sizes with which the references visit y. */
#define WALK(a_, b_, y_)                                                                           \
    static const int32_t zero[4] = {0};                                                            \
    int32_t i[4], sa[4], sb[4], sy[4];                                                             \
    sizes_of(a_, sa);                                                                              \
    sizes_of(b_, sb);                                                                              \
    sizes_of(y_, sy)

static void run_add(const clade_args *args)
{
    const clade_add_args *p = &args->add;
    const REAL *a = real_of(&p->a), *b = real_of(&p->b), alpha = p->alpha, beta = p->beta;
    REAL *y = real_of(&p->y);
    WALK(&p->a, &p->b, &p->y);
    FOR_EACH_INDEX(sy, zero, i)
    {
        y[stretched_at(sy, i)] =
            REAL_FMA(alpha, a[stretched_at(sa, i)], beta * b[stretched_at(sb, i)]);
    }
}

static void run_mul(const clade_args *args)
{
    const clade_mul_args *p = &args->mul;
    const REAL *a = real_of(&p->a), *b = real_of(&p->b);
    REAL *y = real_of(&p->y);
    WALK(&p->a, &p->b, &p->y);
    FOR_EACH_INDEX(sy, zero, i)
    {
        y[stretched_at(sy, i)] = a[stretched_at(sa, i)] * b[stretched_at(sb, i)];
    }
}

static void run_add_dx(const clade_args *args)
{
    const clade_add_dx_args *a = &args->add_dx;
    if (clade_tensor_present(&a->da))
        sum_stretched(&a->dy, NULL, INFINITY, &a->da, a->alpha, a->accumulate);
    if (clade_tensor_present(&a->db))
        sum_stretched(&a->dy, NULL, INFINITY, &a->db, a->beta, a->accumulate);
}

static void run_mul_dx(const clade_args *args)
{
    const clade_mul_dx_args *a = &args->mul_dx;
    if (clade_tensor_present(&a->da))
        sum_stretched(&a->dy, &a->b, INFINITY, &a->da, 1, a->accumulate);
    if (clade_tensor_present(&a->db))
        sum_stretched(&a->dy, &a->a, INFINITY, &a->db, 1, a->accumulate);
}

static void run_prelu(const clade_args *args)
{
    const clade_prelu_args *p = &args->prelu;
    const REAL *x = real_of(&p->x), *alpha = real_of(&p->alpha);
    REAL *y = real_of(&p->y);
    WALK(&p->alpha, &p->alpha, &p->x);
    (void)sb;
    FOR_EACH_INDEX(sy, zero, i)
    {
        size_t at = stretched_at(sy, i);
        y[at] = x[at] > 0 ? x[at] : alpha[stretched_at(sa, i)] * x[at];
    }
}

static void run_prelu_dx(const clade_args *args)
{
    const clade_prelu_dx_args *p = &args->prelu_dx;
    const REAL *x = real_of(&p->x), *dy = real_of(&p->dy), *alpha = real_of(&p->alpha);
    WALK(&p->alpha, &p->alpha, &p->x);
    (void)sb;
    if (clade_tensor_present(&p->dalpha))
        sum_stretched(&p->dy, &p->x, 0, &p->dalpha, 1, p->accumulate);
    if (!clade_tensor_present(&p->dx)) return;
    FOR_EACH_INDEX(sy, zero, i)
    {
        size_t at = stretched_at(sy, i);
        put(&real_of(&p->dx)[at], x[at] > 0 ? dy[at] : alpha[stretched_at(sa, i)] * dy[at],
            p->accumulate);
    }
}

/* ---- bounds ---- */

/* One rounding of the product beta b, one of the whole. */
static void bound_add(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_add_args *p = &args->add;
    const double *b = doubles_of(&p->b), *y = doubles_of(&p->y);
    WALK(&p->a, &p->b, &p->y);
    (void)sa;
    FOR_EACH_INDEX(sy, zero, i)
    {
        size_t at = stretched_at(sy, i);
        double product = fabs((double)p->beta * b[stretched_at(sb, i)]);
        bound[at] = CLADE_UNIT * (product * (1 + CLADE_UNIT) + fabs(y[at]));
    }
}

static int64_t terms_mul(const clade_args *args, size_t slot)
{
    (void)args, (void)slot;
    return 1;
}

/* The sum's error relative to its magnitude (the factor may be negative, so absolute values of the
 * inputs do not give it), one rounding of the product, one of the addition to the target. */
static void bound_add_dx(const clade_args *args, size_t slot, double *bound)
{
    const clade_add_dx_args *p = &args->add_dx;
    const clade_tensor *target = slot == 1 ? &p->da : &p->db;
    const double factor = fabs((double)(slot == 1 ? p->alpha : p->beta));
    const double *dy = doubles_of(&p->dy), *d = doubles_of(target);
    size_t n = clade_tensor_count(target);
    const double error = factor * clade_gamma(roundings_of_sum(&p->dy, target) + 1);
    WALK(target, target, &p->dy);
    (void)sb;
    for (size_t k = 0; k < n; k++) bound[k] = p->accumulate ? CLADE_UNIT * fabs(d[k]) : 0;
    FOR_EACH_INDEX(sy, zero, i)
    {
        bound[stretched_at(sa, i)] += error * fabs(dy[stretched_at(sy, i)]);
    }
}

static int64_t terms_mul_dx(const clade_args *args, size_t slot)
{
    const clade_mul_dx_args *a = &args->mul_dx;
    return roundings_of_sum(&a->dy, slot == 3 ? &a->da : &a->db) + (a->accumulate != 0);
}

/* One rounding of a product, or none. */
static void bound_prelu(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_prelu_args *p = &args->prelu;
    const double *x = doubles_of(&p->x), *y = doubles_of(&p->y);
    size_t n = clade_tensor_count(&p->x);
    for (size_t k = 0; k < n; k++) bound[k] = x[k] > 0 ? 0 : CLADE_UNIT * fabs(y[k]);
}

/* dx: as y, and one rounding of the addition to it. dalpha: the sum's error relative to the
 * magnitude of its terms, and the same rounding. */
static void bound_prelu_dx(const clade_args *args, size_t slot, double *bound)
{
    const clade_prelu_dx_args *p = &args->prelu_dx;
    const clade_tensor *target = slot == 3 ? &p->dx : &p->dalpha;
    const double *x = doubles_of(&p->x), *dy = doubles_of(&p->dy), *d = doubles_of(target);
    const double *alpha = doubles_of(&p->alpha);
    const double error = clade_gamma(roundings_of_sum(&p->dy, &p->alpha));
    size_t n = clade_tensor_count(target);
    WALK(&p->alpha, target, &p->x);
    for (size_t k = 0; k < n; k++) bound[k] = p->accumulate ? CLADE_UNIT * fabs(d[k]) : 0;
    FOR_EACH_INDEX(sy, zero, i)
    {
        size_t at = stretched_at(sy, i);
        if (x[at] > 0) continue;
        bound[stretched_at(sb, i)] += slot == 3
                                          ? CLADE_UNIT * fabs(alpha[stretched_at(sa, i)] * dy[at])
                                          : error * fabs(dy[at] * x[at]);
    }
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case add_cases[] = {
    {CASE_QUICK, "plain", "a=2x3x5x7 b=2x3x5x7 alpha=1 beta=1"},
    {CASE_QUICK, "scaled", "a=5x17 b=5x17 alpha=0.3 beta=-1.7"},
    {CASE_QUICK, "channels", "a=2x3x5x16 b=1x1x1x16 alpha=1 beta=-0.5"},
    {CASE_QUICK, "both-stretched", "a=5x1 b=1x7 alpha=1 beta=1"},
    {CASE_FULL, "one", "a=1 b=1 alpha=1 beta=1"},
    {CASE_FULL, "row", "a=1021 b=1021 alpha=-1 beta=1"},
    {CASE_FULL, "number", "a=1 b=83 alpha=1 beta=1"},
    {CASE_FULL, "number-long", "a=73x131 b=1x1 alpha=2 beta=3"},
    {CASE_FULL, "images", "a=3x1x1x5 b=3x4x6x5 alpha=1 beta=1"},
    {CASE_FULL, "places", "a=3x4x6x17 b=3x4x6x1 alpha=1 beta=1"},
    {CASE_FULL, "middle", "a=7x1x3 b=7x11x3 alpha=1 beta=1"},
    {CASE_FULL, "outside", "a=1x11x1 b=6x11x16 alpha=1 beta=1"},
    {CASE_FULL, "outside-long", "a=1x5x1 b=90x5x53 alpha=1 beta=0.25"},
    {CASE_FULL, "every-other", "a=3x1x5x1 b=1x4x1x6 alpha=1 beta=1"},
    {CASE_FULL, "every-other-shifted", "a=1x4x1x8 b=3x1x5x1 alpha=1 beta=1"},
    {CASE_FULL, "channels-long", "a=1x1x1x3 b=2x51x47x3 alpha=1 beta=1"},
    {CASE_FULL, "layer", "a=2x19x19x64 b=2x19x19x64 alpha=1 beta=1"},
    {CASE_TIMED, "training", "a=32x37x37x64 b=32x37x37x64 alpha=1 beta=1"},
};

static const clade_case mul_cases[] = {
    {CASE_QUICK, "plain", "a=2x3x5x7 b=2x3x5x7"},
    {CASE_QUICK, "gates", "a=2x3x5x16 b=2x1x1x16"},
    {CASE_QUICK, "both-stretched", "a=5x1 b=1x7"},
    {CASE_QUICK, "both-long", "a=67x1 b=1x36"},
    {CASE_FULL, "both-split", "a=7x5x1x6 b=1x5x13x1"},
    {CASE_FULL, "gates-blocks", "a=131x36 b=1x36"},
    {CASE_FULL, "one", "a=1 b=1"},
    {CASE_FULL, "row", "a=1021 b=1021"},
    {CASE_FULL, "number-long", "a=1x1 b=73x131"},
    {CASE_FULL, "channels", "a=1x1x1x64 b=2x9x10x64"},
    {CASE_FULL, "channels-long", "a=3x53x55x5 b=1x1x1x5"},
    {CASE_FULL, "gates-odd", "a=3x1x1x17 b=3x4x6x17"},
    {CASE_FULL, "gates-long", "a=2x67x63x8 b=2x1x1x8"},
    {CASE_FULL, "places", "a=3x4x6x17 b=3x4x6x1"},
    {CASE_FULL, "places-long", "a=3x8200 b=3x1"},
    {CASE_FULL, "middle", "a=7x1x3 b=7x11x3"},
    {CASE_FULL, "outside", "a=1x11x1 b=6x11x16"},
    {CASE_FULL, "outside-long", "a=90x5x53 b=1x5x1"},
    {CASE_FULL, "every-other", "a=3x1x5x1 b=1x4x1x6"},
    {CASE_FULL, "every-other-shifted", "a=1x4x1x8 b=3x1x5x1"},
    {CASE_TIMED, "training", "a=32x37x37x64 b=32x1x1x64"},
};

static const clade_case prelu_cases[] = {
    {CASE_QUICK, "channels", "x=2x3x5x16 alpha=1x1x1x16"},
    {CASE_QUICK, "one-in-all", "x=2x3x5x7 alpha=1x1x1x1"},
    {CASE_QUICK, "own", "x=3x4x3x5 alpha=1x4x3x5"},
    {CASE_FULL, "vector-blocks", "x=131x36 alpha=1x36"},
    {CASE_FULL, "one", "x=1x1 alpha=1x1"},
    {CASE_FULL, "row", "x=1021 alpha=1"},
    {CASE_FULL, "vector", "x=33x17 alpha=1x17"},
    {CASE_FULL, "one-image", "x=1x3x5x12 alpha=1x3x5x12"},
    {CASE_FULL, "one-channel", "x=3x41x43x1 alpha=1x1x1x1"},
    {CASE_FULL, "channels-odd", "x=3x7x5x17 alpha=1x1x1x17"},
    {CASE_FULL, "channels-long", "x=3x53x55x5 alpha=1x1x1x5"},
    {CASE_FULL, "places", "x=3x4x6x17 alpha=1x4x6x1"},
    {CASE_FULL, "rows", "x=3x4x6x8 alpha=1x4x1x8"},
    {CASE_FULL, "columns", "x=2x5x6x3 alpha=1x1x6x1"},
    {CASE_TIMED, "training", "x=32x37x37x64 alpha=1x1x1x64"},
};
#endif

OP_IMPL(add, OP_CASES(add_cases), .bound = bound_add);
OP_IMPL(add_dx, .bound = bound_add_dx);
OP_IMPL(mul, OP_CASES(mul_cases), .terms = terms_mul);
OP_IMPL(mul_dx, .terms = terms_mul_dx);
OP_IMPL(prelu, OP_CASES(prelu_cases), .bound = bound_prelu);
OP_IMPL(prelu_dx, .bound = bound_prelu_dx);
