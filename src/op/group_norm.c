/* group_norm: normalisation of groups of channels of each image, and its gradient. */
#include "op/norm.h"

/* x as [n, area, c], and its groups of `width` channels. */
typedef struct group_shape {
    int64_t n, area;
    int32_t c, groups, width;
} group_shape;

static group_shape layout_of(const clade_tensor *x, int32_t groups)
{
    group_shape l = {.n = x->dim[0], .c = x->dim[x->rank - 1], .groups = groups};
    l.area = (int64_t)clade_tensor_count(x) / l.n / l.c;
    l.width = l.c / groups;
    return l;
}

/* ---- shapes ---- */

static clade_status check_groups(clade_op op, const clade_tensor *x, int32_t groups)
{
    const char *name = clade_op_describe(op)->name;
    if (x->rank < 2)
        return clade_fail(CLADE_EINVAL, "%s: x has %d dimensions, expected [n, ..., channels]",
                          name, x->rank);
    int32_t c = x->dim[x->rank - 1];
    if (groups < 1 || c % groups)
        return clade_fail(CLADE_EINVAL, "%s: %d groups do not divide the %d channels of x evenly",
                          name, groups, c);
    return CLADE_OK;
}

static clade_status shape_group_norm(clade_args *args)
{
    clade_group_norm_args *a = &args->group_norm;
    const clade_op op = CLADE_OP_group_norm;
    clade_status status = check_eps(op, a->eps);
    if (!status) status = check_groups(op, &a->x, a->groups);
    if (status) return status;
    const int32_t c = a->x.dim[a->x.rank - 1], per_group[] = {a->x.dim[0], a->groups};
    status = clade_expect_shape(op, "gamma", &a->gamma, CLADE_F32, 1, &c);
    if (!status) status = clade_expect_shape(op, "beta", &a->beta, CLADE_F32, 1, &c);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, a->x.rank, a->x.dim);
    if (!status) status = clade_infer_shape(op, "mean", &a->mean, CLADE_F32, 2, per_group);
    return status ? status : clade_infer_shape(op, "rstd", &a->rstd, CLADE_F32, 2, per_group);
}

static clade_status shape_group_norm_dx(clade_args *args)
{
    clade_group_norm_dx_args *a = &args->group_norm_dx;
    const clade_op op = CLADE_OP_group_norm_dx;
    clade_status status = clade_expect_rank(op, "mean", &a->mean, 2);
    if (!status) status = check_groups(op, &a->x, a->mean.dim[1]);
    if (status) return status;
    const int32_t c = a->x.dim[a->x.rank - 1], per_group[] = {a->x.dim[0], a->mean.dim[1]};
    status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, a->x.rank, a->x.dim);
    if (!status) status = clade_expect_shape(op, "gamma", &a->gamma, CLADE_F32, 1, &c);
    if (!status) status = clade_expect_shape(op, "mean", &a->mean, CLADE_F32, 2, per_group);
    if (!status) status = clade_expect_shape(op, "rstd", &a->rstd, CLADE_F32, 2, per_group);
    if (!status && clade_tensor_present(&a->dx))
        status = clade_expect_shape(op, "dx", &a->dx, CLADE_F32, a->x.rank, a->x.dim);
    if (!status && clade_tensor_present(&a->dgamma))
        status = clade_expect_shape(op, "dgamma", &a->dgamma, CLADE_F32, 1, &c);
    if (!status && clade_tensor_present(&a->dbeta))
        status = clade_expect_shape(op, "dbeta", &a->dbeta, CLADE_F32, 1, &c);
    return status;
}

/* ---- references ---- */

/* Runs the next statement for each image b and group g: `at` is the group's first element, `of` its
 * index in [n, groups], `k0` its first channel. */
#define FOR_EACH_GROUP(l)                                                                          \
    for (size_t of = 0; of < (size_t)((l).n * (l).groups); of++)                                   \
        for (size_t b = of / (size_t)(l).groups, k0 = of % (size_t)(l).groups * (size_t)(l).width, \
                    at = b * (size_t)((l).area * (l).c) + k0, once = 1;                            \
             once; once = 0)

/* Sums a group's channels. */
static REAL group_sum(const group_shape *l, const REAL *x, const REAL *mean)
{
    REAL sum = 0;
    for (int32_t k = 0; k < l->width; k++) {
        matrix_column column = {.x = x + k, .mean = mean, .m = l->area, .c = (size_t)l->c};
        sum += column_sum(&column, mean ? sum_pp : sum_p);
    }
    return sum;
}

static void run_group_norm(const clade_args *args)
{
    const clade_group_norm_args *a = &args->group_norm;
    const REAL *x = real_of(&a->x), *gamma = real_of(&a->gamma), *beta = real_of(&a->beta);
    REAL *y = real_of(&a->y), *mean = real_of(&a->mean), *rstd = real_of(&a->rstd);
    const group_shape l = layout_of(&a->x, a->groups);
    const size_t c = (size_t)l.c, width = (size_t)l.width, area = (size_t)l.area;
    const REAL count = (REAL)(l.area * l.width);
    FOR_EACH_GROUP(l)
    {
        mean[of] = quotient(group_sum(&l, x + at, NULL), count);
        REAL var = quotient(group_sum(&l, x + at, &mean[of]), count);
        rstd[of] = inverse_root(var + (REAL)a->eps);
        for (size_t k = 0; k < width; k++) {
            REAL scale = rstd[of] * gamma[k0 + k];
            for (size_t i = at + k; i < at + k + area * c; i += c)
                y[i] = REAL_FMA(x[i] - mean[of], scale, beta[k0 + k]);
        }
    }
}

/* Returns p = Σ dy, or q = rstd Σ dy (x − mean), for the channel whose first element is `at`. */
static REAL channel_sum(const clade_group_norm_dx_args *a, const group_shape *l, size_t at,
                        size_t of, bool q)
{
    matrix_column column = {.x = real_of(&a->x) + at,
                            .dy = real_of(&a->dy) + at,
                            .mean = real_of(&a->mean) + of,
                            .m = l->area,
                            .c = (size_t)l->c};
    return q ? real_of(&a->rstd)[of] * column_sum(&column, sum_pq) : column_sum(&column, sum_q);
}

static void run_group_dx(const clade_group_norm_dx_args *a, const group_shape *l)
{
    const REAL *x = real_of(&a->x), *dy = real_of(&a->dy), *gamma = real_of(&a->gamma);
    const REAL *mean = real_of(&a->mean), *rstd = real_of(&a->rstd);
    REAL *dx = real_of(&a->dx);
    const size_t c = (size_t)l->c, width = (size_t)l->width, area = (size_t)l->area;
    const REAL inverse = quotient(1, (REAL)(l->area * l->width));
    FOR_EACH_GROUP(*l)
    {
        REAL p_sum = 0, q_sum = 0;
        for (size_t k = 0; k < width; k++) {
            p_sum = REAL_FMA(gamma[k0 + k], channel_sum(a, l, at + k, of, false), p_sum);
            q_sum = REAL_FMA(gamma[k0 + k], channel_sum(a, l, at + k, of, true), q_sum);
        }
        REAL shift = p_sum * inverse * rstd[of], slope = q_sum * inverse * rstd[of] * rstd[of];
        for (size_t k = 0; k < width; k++) {
            REAL scale = rstd[of] * gamma[k0 + k];
            for (size_t i = at + k; i < at + k + area * c; i += c)
                put(&dx[i], REAL_FMA(dy[i], scale, -REAL_FMA(x[i] - mean[of], slope, shift)),
                    a->accumulate);
        }
    }
}

/* A channel k of all images: its p, or its q. */
typedef struct image_column {
    const clade_group_norm_dx_args *a;
    group_shape l;
    int32_t k;
    bool q;
} image_column;

static REAL add_image(const void *column, int64_t b, REAL sum)
{
    const image_column *k = column;
    return sum + channel_sum(k->a, &k->l, (size_t)(b * k->l.area * k->l.c + k->k),
                             (size_t)(b * k->l.groups + k->k / k->l.width), k->q);
}

static void sum_images(const clade_group_norm_dx_args *a, const group_shape *l, bool q,
                       const clade_tensor *target)
{
    image_column column = {.a = a, .l = *l, .q = q};
    if (!clade_tensor_present(target)) return;
    for (; column.k < l->c; column.k++)
        put(&real_of(target)[column.k], tree_total(add_image, &column, l->n, l->c), a->accumulate);
}

static void run_group_norm_dx(const clade_args *args)
{
    const clade_group_norm_dx_args *a = &args->group_norm_dx;
    const group_shape l = layout_of(&a->x, a->mean.dim[1]);
    sum_images(a, &l, true, &a->dgamma);
    sum_images(a, &l, false, &a->dbeta);
    if (clade_tensor_present(&a->dx)) run_group_dx(a, &l);
}

/* ---- bounds ---- */

static void bound_group_norm(const clade_args *args, size_t slot, double *bound)
{
    const clade_group_norm_args *a = &args->group_norm;
    const double *x = doubles_of(&a->x), *gamma = doubles_of(&a->gamma), *y = doubles_of(&a->y);
    const group_shape l = layout_of(&a->x, a->groups);
    const size_t c = (size_t)l.c, width = (size_t)l.width, area = (size_t)l.area;
    enum { slot_y = 3, slot_mean };
    FOR_EACH_GROUP(l)
    {
        /* the sums of channels, and one addition per channel */
        const population all = {x + at, area, c, width,
                                clade_tree_roundings(l.area, l.c) + l.width};
        statistics s = statistics_of(&all, a->eps);
        if (slot != slot_y) bound[of] = slot == slot_mean ? s.mean_error : s.rstd_error;
        for (size_t k = 0; k < width && slot == slot_y; k++) {
            double scale = s.rstd * gamma[k0 + k];
            double scale_error = fabs(gamma[k0 + k]) * (s.rstd_error + u * (s.rstd + s.rstd_error));
            for (size_t i = at + k; i < at + k + area * c; i += c)
                bound[i] = affine_bound(x[i] - s.mean, s.mean_error, scale, scale_error, y[i]);
        }
    }
}

/* A channel's p and q with their errors: the roundings of a sum; q adds one for each difference,
 * and one for the product with rstd. */
typedef struct group_channel {
    double p, p_error, q, q_error;
} group_channel;

static group_channel channel_of(const clade_group_norm_dx_args *a, const group_shape *l, size_t at,
                                size_t of)
{
    const double *x = doubles_of(&a->x), *dy = doubles_of(&a->dy);
    const double mean = doubles_of(&a->mean)[of], rstd = doubles_of(&a->rstd)[of];
    group_channel s = {0};
    double p_size = 0, q_size = 0;
    for (int64_t i = 0; i < l->area; i++, at += (size_t)l->c) {
        double product = dy[at] * rstd * (x[at] - mean);
        s.p += dy[at], p_size += fabs(dy[at]);
        s.q += product, q_size += fabs(product);
    }
    s.p_error = clade_gamma(clade_tree_roundings(l->area, l->c)) * p_size;
    s.q_error = clade_gamma(clade_tree_roundings(l->area, l->c) + 2) * q_size;
    return s;
}

static void bound_group_dx(const clade_group_norm_dx_args *a, const group_shape *l, double *bound)
{
    const double *x = doubles_of(&a->x), *dy = doubles_of(&a->dy), *gamma = doubles_of(&a->gamma);
    const double *mean = doubles_of(&a->mean), *rstd = doubles_of(&a->rstd),
                 *dx = doubles_of(&a->dx);
    const size_t c = (size_t)l->c, width = (size_t)l->width, area = (size_t)l->area;
    const double count = (double)(l->area * l->width);
    FOR_EACH_GROUP(*l)
    {
        double p = 0, p_size = 0, p_error = 0, q = 0, q_size = 0, q_error = 0;
        for (size_t k = 0; k < width; k++) {
            group_channel s = channel_of(a, l, at + k, of);
            double factor = gamma[k0 + k];
            p += factor * s.p, p_size += fabs(factor) * (fabs(s.p) + s.p_error);
            q += factor * s.q, q_size += fabs(factor) * (fabs(s.q) + s.q_error);
            p_error += fabs(factor) * s.p_error, q_error += fabs(factor) * s.q_error;
        }
        p_error += clade_gamma(l->width) * p_size, q_error += clade_gamma(l->width) * q_size;
        /* 1 / count is good to 4 u, and each product adds u: two products, or three */
        double r = fabs(rstd[of]), shift = fabs(p) * r / count, slope = fabs(q) * r * r / count;
        double shift_error = p_error * r / count * (1 + 7 * u) + 7 * u * shift;
        double slope_error = q_error * r * r / count * (1 + 8 * u) + 8 * u * slope;
        for (size_t i = at; i < at + area * c; i++) {
            size_t k = (i - at) % c;
            if (k >= width) continue;
            double d = fabs(x[i] - mean[of]), direct = fabs(dy[i] * gamma[k0 + k]) * r;
            double inner = d * slope + shift; /* the difference, the slope, the shift, the fma */
            double error = d * (1 + u) * slope_error + u * d * slope + shift_error;
            error += u * (inner + error);
            error += u * direct; /* the scale */
            error += u * (direct + inner + error);
            bound[i] = error + (a->accumulate ? u * (fabs(dx[i]) + error) : 0);
        }
    }
}

static void bound_group_norm_dx(const clade_args *args, size_t slot, double *bound)
{
    const clade_group_norm_dx_args *a = &args->group_norm_dx;
    const group_shape l = layout_of(&a->x, a->mean.dim[1]);
    enum { slot_dx = 5, slot_dgamma };
    if (slot == slot_dx) {
        bound_group_dx(a, &l, bound);
        return;
    }
    const double *out = doubles_of(&args->slot[slot]);
    for (int32_t k = 0; k < l.c; k++) {
        double size = 0, error = 0;
        for (int64_t b = 0; b < l.n; b++) {
            group_channel s = channel_of(a, &l, (size_t)(b * l.area * l.c + k),
                                         (size_t)(b * l.groups + k / l.width));
            double e = slot == slot_dgamma ? s.q_error : s.p_error;
            size += fabs(slot == slot_dgamma ? s.q : s.p) + e;
            error += e;
        }
        error += clade_gamma(clade_tree_roundings(l.n, l.c)) * size;
        bound[k] = error + (a->accumulate ? u * (fabs(out[k]) + error) : 0);
    }
}

/* ---- ---- small integers: means of a power of two of them, and sums ---- ---- */

static bool inexact_group_norm(const clade_args *args, size_t slot)
{
    enum { slot_mean = 4 };
    const group_shape l = layout_of(&args->group_norm.x, args->group_norm.groups);
    return slot != slot_mean || !is_power_of_two(l.area * l.width);
}

static bool inexact_group_norm_dx(const clade_args *args, size_t slot)
{
    enum { slot_dbeta = 7 };
    (void)args;
    return slot != slot_dbeta;
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case group_norm_cases[] = {
    {CASE_QUICK, "small", "x=2x3x4x6 gamma=6 beta=6 groups=3 eps=0.001"},
    {CASE_QUICK, "one-image", "x=1x5x3x32 gamma=32 beta=32 groups=4 eps=1e-5"},
    {CASE_QUICK, "instance", "x=3x3x5x17 gamma=17 beta=17 groups=17 eps=1e-5"},
    {CASE_QUICK, "one-group", "x=2x4x3x20 gamma=20 beta=20 groups=1 eps=0.001"},
    {CASE_QUICK, "vectors", "x=5x24 gamma=24 beta=24 groups=2 eps=0.001"},
    {CASE_QUICK, "chunks", "x=2x19x17x8 gamma=8 beta=8 groups=2 eps=0.001"},
    {CASE_QUICK, "eight", "x=2x2x2x6 gamma=6 beta=6 groups=3 eps=0.001"},
    {CASE_QUICK, "blocks", "x=2x11x13x36 gamma=36 beta=36 groups=4 eps=0.001"},
    {CASE_QUICK, "blocks-of-images", "x=67x2x33 gamma=33 beta=33 groups=3 eps=0.001"},
    {CASE_FULL, "lanes-of-images", "x=1037x2x3 gamma=3 beta=3 groups=1 eps=0.001"},
    {CASE_FULL, "many-blocks", "x=1x16448x35 gamma=35 beta=35 groups=7 eps=0.001"},
    {CASE_FULL, "one-channel", "x=3x7x1 gamma=1 beta=1 groups=1 eps=0.001"},
    {CASE_FULL, "one-pixel", "x=2x1x1x6 gamma=6 beta=6 groups=3 eps=0.5"},
    {CASE_FULL, "odd-groups", "x=2x6x5x35 gamma=35 beta=35 groups=5 eps=0.001"},
    {CASE_FULL, "uneven-chunks", "x=2x23x19x64 gamma=64 beta=64 groups=32 eps=0.001"},
    {CASE_FULL, "many-channels", "x=2x5x5x600 gamma=600 beta=600 groups=3 eps=0.001"},
    {CASE_FULL, "most-chunks", "x=1x97x89x5 gamma=5 beta=5 groups=1 eps=0.001"},
    {CASE_TIMED, "training", "x=32x37x37x64 gamma=64 beta=64 groups=32 eps=0.001"},
};
#endif

OP_IMPL(group_norm, OP_CASES(group_norm_cases), .bound = bound_group_norm,
        .inexact = inexact_group_norm);
OP_IMPL(group_norm_dx, .bound = bound_group_norm_dx, .inexact = inexact_group_norm_dx,
        .domain = {[4] = CLADE_DOMAIN_POSITIVE});
