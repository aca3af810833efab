/* layer_norm: normalisation over the last dimensions, and its gradient. */
#include "op/norm.h"

/* x as [m, d]: a row is normalised together. */
typedef struct row_shape {
    int64_t m, d;
} row_shape;

static row_shape layout_of(const clade_tensor *x, const clade_tensor *gamma)
{
    row_shape l = {.d = (int64_t)clade_tensor_count(gamma)};
    l.m = (int64_t)clade_tensor_count(x) / l.d;
    return l;
}

/* ---- shapes ---- */

/* gamma has the last dimensions of x; *rank receives the number of dimensions before them. */
static clade_status check_gamma(clade_op op, const clade_tensor *x, const clade_tensor *gamma,
                                int32_t *rank)
{
    char has[64], of[64];
    *rank = x->rank - gamma->rank;
    bool fits = gamma->rank >= 1 && *rank >= 1;
    for (int32_t k = 0; fits && k < gamma->rank; k++) fits = gamma->dim[k] == x->dim[*rank + k];
    if (fits) return CLADE_OK;
    return clade_fail(
        CLADE_EINVAL, "%s: gamma is %s, expected the last dimensions of x, %s, without the first",
        clade_op_describe(op)->name, clade_shape_text(gamma, has), clade_shape_text(x, of));
}

static clade_status shape_layer_norm(clade_args *args)
{
    clade_layer_norm_args *a = &args->layer_norm;
    const clade_op op = CLADE_OP_layer_norm;
    const clade_tensor *x = &a->x, *gamma = &a->gamma;
    int32_t rank = 0;
    clade_status status = check_eps(op, a->eps);
    if (!status) status = check_gamma(op, x, gamma, &rank);
    if (!status)
        status = clade_expect_shape(op, "beta", &a->beta, CLADE_F32, gamma->rank, gamma->dim);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, x->rank, x->dim);
    if (!status) status = clade_infer_shape(op, "mean", &a->mean, CLADE_F32, rank, x->dim);
    return status ? status : clade_infer_shape(op, "rstd", &a->rstd, CLADE_F32, rank, x->dim);
}

static clade_status shape_layer_norm_dx(clade_args *args)
{
    clade_layer_norm_dx_args *a = &args->layer_norm_dx;
    const clade_op op = CLADE_OP_layer_norm_dx;
    const clade_tensor *x = &a->x, *gamma = &a->gamma;
    int32_t rank = 0;
    clade_status status = check_gamma(op, x, gamma, &rank);
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, x->rank, x->dim);
    if (!status) status = clade_expect_shape(op, "mean", &a->mean, CLADE_F32, rank, x->dim);
    if (!status) status = clade_expect_shape(op, "rstd", &a->rstd, CLADE_F32, rank, x->dim);
    if (!status && clade_tensor_present(&a->dx))
        status = clade_expect_shape(op, "dx", &a->dx, CLADE_F32, x->rank, x->dim);
    if (!status && clade_tensor_present(&a->dgamma))
        status = clade_expect_shape(op, "dgamma", &a->dgamma, CLADE_F32, gamma->rank, gamma->dim);
    if (!status && clade_tensor_present(&a->dbeta))
        status = clade_expect_shape(op, "dbeta", &a->dbeta, CLADE_F32, gamma->rank, gamma->dim);
    return status;
}

/* ---- references ---- */

enum { chains = 16, chunk = 4096 };

/* The terms of a row's sum; adds term i to a chain's sum. */
typedef struct row_terms {
    const REAL *x, *dy, *gamma; /* the row's first elements */
    REAL mean;
} row_terms;

typedef REAL row_term(const row_terms *t, int64_t i, REAL sum);

static REAL row_sum(const row_terms *t, int64_t d, row_term *add)
{
    REAL total = 0;
    for (int64_t first = 0; first < d; first += chunk) {
        REAL sum[chains] = {0};
        for (int64_t i = first; i < d && i < first + chunk; i++)
            sum[i % chains] = add(t, i, sum[i % chains]);
        for (int half = chains / 2; half > 0; half /= 2)
            for (int l = 0; l < half; l++) sum[l] += sum[l + half];
        total += sum[0];
    }
    return total;
}

static REAL add_x(const row_terms *t, int64_t i, REAL sum) { return sum + t->x[i]; }

static REAL add_square(const row_terms *t, int64_t i, REAL sum)
{
    REAL difference = t->x[i] - t->mean;
    return REAL_FMA(difference, difference, sum);
}

static REAL add_gradient(const row_terms *t, int64_t i, REAL sum)
{
    return REAL_FMA(t->dy[i], t->gamma[i], sum);
}

static REAL add_slope(const row_terms *t, int64_t i, REAL sum)
{
    return REAL_FMA(t->dy[i] * t->gamma[i], t->x[i] - t->mean, sum);
}

static void run_layer_norm(const clade_args *args)
{
    const clade_layer_norm_args *a = &args->layer_norm;
    const REAL *gamma = real_of(&a->gamma), *beta = real_of(&a->beta);
    REAL *mean = real_of(&a->mean), *rstd = real_of(&a->rstd);
    const row_shape l = layout_of(&a->x, &a->gamma);
    for (int64_t row = 0; row < l.m; row++) {
        const REAL *x = real_of(&a->x) + row * l.d;
        REAL *y = real_of(&a->y) + row * l.d;
        row_terms t = {.x = x};
        t.mean = mean[row] = quotient(row_sum(&t, l.d, add_x), (REAL)l.d);
        REAL var = quotient(row_sum(&t, l.d, add_square), (REAL)l.d);
        rstd[row] = inverse_root(var + (REAL)a->eps);
        for (int64_t i = 0; i < l.d; i++)
            y[i] = REAL_FMA((x[i] - mean[row]) * rstd[row], gamma[i], beta[i]);
    }
}

static void run_layer_dx(const clade_layer_norm_dx_args *a, row_shape l)
{
    const REAL *gamma = real_of(&a->gamma), *mean = real_of(&a->mean), *rstd = real_of(&a->rstd);
    const REAL inverse = quotient(1, (REAL)l.d);
    for (int64_t row = 0; row < l.m; row++) {
        const REAL *x = real_of(&a->x) + row * l.d, *dy = real_of(&a->dy) + row * l.d;
        REAL *dx = real_of(&a->dx) + row * l.d, r = rstd[row];
        const row_terms t = {x, dy, gamma, mean[row]};
        REAL shift = row_sum(&t, l.d, add_gradient) * inverse;
        REAL slope = row_sum(&t, l.d, add_slope) * inverse * r * r;
        for (int64_t i = 0; i < l.d; i++)
            put(&dx[i], r * REAL_FMA(-(x[i] - mean[row]), slope, dy[i] * gamma[i] - shift),
                a->accumulate);
    }
}

/* Columns of the tree over rows; more than 64 columns all give the same tree. */
static int32_t tree_columns(const row_shape *l) { return l->d <= 64 ? (int32_t)l->d : 65; }

/* Column i of x and dy, [m, d], and the statistics of rows. */
typedef struct weight_column {
    const REAL *x, *dy, *mean, *rstd;
    int64_t d, i;
} weight_column;

static REAL add_row_of_dgamma(const void *column, int64_t row, REAL sum)
{
    const weight_column *k = column;
    const int64_t at = row * k->d + k->i;
    return REAL_FMA(k->dy[at], (k->x[at] - k->mean[row]) * k->rstd[row], sum);
}

static REAL add_row_of_dbeta(const void *column, int64_t row, REAL sum)
{
    const weight_column *k = column;
    return sum + k->dy[row * k->d + k->i];
}

static void run_layer_norm_dx(const clade_args *args)
{
    const clade_layer_norm_dx_args *a = &args->layer_norm_dx;
    const row_shape l = layout_of(&a->x, &a->gamma);
    weight_column k = {
        real_of(&a->x), real_of(&a->dy), real_of(&a->mean), real_of(&a->rstd), l.d, 0};
    const int32_t columns = tree_columns(&l);
    for (; k.i < l.d; k.i++) {
        if (clade_tensor_present(&a->dgamma))
            put(&real_of(&a->dgamma)[k.i], tree_total(add_row_of_dgamma, &k, l.m, columns),
                a->accumulate);
        if (clade_tensor_present(&a->dbeta))
            put(&real_of(&a->dbeta)[k.i], tree_total(add_row_of_dbeta, &k, l.m, columns),
                a->accumulate);
    }
    if (clade_tensor_present(&a->dx)) run_layer_dx(a, l);
}

/* ---- bounds ---- */

/* Roundings in a row's sum: in a chain, in joining chains, and in adding chunks. */
static int64_t row_roundings(int64_t d)
{
    int64_t most = d < chunk ? d : chunk;
    return (most + chains - 1) / chains + 4 + (d + chunk - 1) / chunk;
}

static void bound_layer_norm(const clade_args *args, size_t slot, double *bound)
{
    const clade_layer_norm_args *a = &args->layer_norm;
    const double *gamma = doubles_of(&a->gamma), *y = doubles_of(&a->y);
    const row_shape l = layout_of(&a->x, &a->gamma);
    const size_t d = (size_t)l.d;
    enum { slot_y = 3, slot_mean };
    for (size_t row = 0; row < (size_t)l.m; row++) {
        const double *x = doubles_of(&a->x) + row * d;
        const population all = {x, 1, d, d, row_roundings(l.d)};
        statistics s = statistics_of(&all, a->eps);
        if (slot != slot_y) bound[row] = slot == slot_mean ? s.mean_error : s.rstd_error;
        for (size_t i = 0; i < d && slot == slot_y; i++) {
            /* (x − mean) rstd, as a line through 0; the fma with gamma and beta */
            double difference = x[i] - s.mean, normal = difference * s.rstd;
            double error = affine_bound(difference, s.mean_error, s.rstd, s.rstd_error, normal);
            error *= fabs(gamma[i]);
            bound[row * d + i] = error + u * (fabs(y[row * d + i]) + error);
        }
    }
}

static void bound_layer_dx(const clade_layer_norm_dx_args *a, row_shape l, double *bound)
{
    const double *gamma = doubles_of(&a->gamma), *mean = doubles_of(&a->mean),
                 *rstd = doubles_of(&a->rstd);
    const size_t n = (size_t)l.d;
    const double count = (double)l.d;
    for (size_t row = 0; row < (size_t)l.m; row++) {
        const double *x = doubles_of(&a->x) + row * n, *dy = doubles_of(&a->dy) + row * n;
        const double *dx = doubles_of(&a->dx) + row * n, r = fabs(rstd[row]);
        double p = 0, p_size = 0, q = 0, q_size = 0;
        for (size_t i = 0; i < n; i++) {
            double g = dy[i] * gamma[i], product = g * (x[i] - mean[row]);
            p += g, p_size += fabs(g);
            q += product, q_size += fabs(product);
        }
        /* two more roundings for each term of q: g and the difference */
        double p_error = clade_gamma(row_roundings(l.d)) * p_size;
        double q_error = clade_gamma(row_roundings(l.d) + 2) * q_size;
        /* 1 / count is good to 4 u, and each product adds u: one product, or three */
        double shift = fabs(p) / count, slope = fabs(q) * r * r / count;
        double shift_error = p_error / count * (1 + 6 * u) + 6 * u * shift;
        double slope_error = q_error * r * r / count * (1 + 8 * u) + 8 * u * slope;
        for (size_t i = 0; i < n; i++) {
            double d = fabs(x[i] - mean[row]), g = fabs(dy[i] * gamma[i]), t = g + shift;
            double error = u * g + shift_error;
            error += u * (t + error); /* g minus the shift */
            error += d * (1 + u) * slope_error + u * d * slope;
            t += d * slope;
            error += u * (t + error);              /* the fma */
            error = r * (error + u * (t + error)); /* the product with rstd */
            bound[row * n + i] = error + (a->accumulate ? u * (fabs(dx[i]) + error) : 0);
        }
    }
}

static void bound_layer_norm_dx(const clade_args *args, size_t slot, double *bound)
{
    const clade_layer_norm_dx_args *a = &args->layer_norm_dx;
    const row_shape l = layout_of(&a->x, &a->gamma);
    enum { slot_dx = 5, slot_dgamma };
    if (slot == slot_dx) {
        bound_layer_dx(a, l, bound);
        return;
    }
    const double *x = doubles_of(&a->x), *dy = doubles_of(&a->dy),
                 *out = doubles_of(&args->slot[slot]);
    const double *mean = doubles_of(&a->mean), *rstd = doubles_of(&a->rstd);
    /* the tree's; for dgamma's terms also the difference and its product */
    const int64_t count =
        clade_tree_roundings(l.m, tree_columns(&l)) + (slot == slot_dgamma ? 2 : 0);
    for (int64_t i = 0; i < l.d; i++) {
        double size = 0;
        for (int64_t row = 0; row < l.m; row++) {
            int64_t at = row * l.d + i;
            size += fabs(slot == slot_dgamma ? dy[at] * (x[at] - mean[row]) * rstd[row] : dy[at]);
        }
        double error = clade_gamma(count) * size;
        bound[i] = error + (a->accumulate ? u * (fabs(out[i]) + error) : 0);
    }
}

/* ---- small integers: means of a power of two of them, and sums ---- */

static bool inexact_layer_norm(const clade_args *args, size_t slot)
{
    enum { slot_mean = 4 };
    return slot != slot_mean ||
           !is_power_of_two((int64_t)clade_tensor_count(&args->layer_norm.gamma));
}

static bool inexact_layer_norm_dx(const clade_args *args, size_t slot)
{
    enum { slot_dbeta = 7 };
    (void)args;
    return slot != slot_dbeta;
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case layer_norm_cases[] = {
    {CASE_QUICK, "small", "x=2x3x4x5 gamma=5 beta=5 eps=0.001"},
    {CASE_QUICK, "image", "x=2x3x4x5 gamma=3x4x5 beta=3x4x5 eps=1e-5"},
    {CASE_QUICK, "one-image", "x=1x3x3x32 gamma=32 beta=32 eps=1e-5"},
    {CASE_QUICK, "rows", "x=2x5x3x16 gamma=3x16 beta=3x16 eps=0.001"},
    {CASE_QUICK, "vectors", "x=7x37 gamma=37 beta=37 eps=0.5"},
    {CASE_QUICK, "many-rows", "x=131x5 gamma=5 beta=5 eps=0.001"},
    {CASE_QUICK, "blocks", "x=67x36 gamma=36 beta=36 eps=0.001"},
    {CASE_FULL, "lanes-and-blocks", "x=1037x3 gamma=3 beta=3 eps=0.001"},
    {CASE_FULL, "many-blocks", "x=16420x33 gamma=33 beta=33 eps=0.001"},
    {CASE_FULL, "one-number", "x=3x1 gamma=1 beta=1 eps=0.5"},
    {CASE_FULL, "one-pixel", "x=2x1x1x48 gamma=48 beta=48 eps=0.001"},
    {CASE_FULL, "row-chunks", "x=3x11x9x24 gamma=24 beta=24 eps=0.001"},
    {CASE_FULL, "many-channels", "x=2x3x2x1000 gamma=1000 beta=1000 eps=0.001"},
    {CASE_FULL, "chunk", "x=2x4096 gamma=4096 beta=4096 eps=0.001"},
    {CASE_FULL, "chunks", "x=2x23x21x19 gamma=23x21x19 beta=23x21x19 eps=1e-5"},
    {CASE_FULL, "most-chunks", "x=1x33x31x72 gamma=33x31x72 beta=33x31x72 eps=0.001"},
    {CASE_TIMED, "training", "x=32x56x56x96 gamma=96 beta=96 eps=0.001"},
    {CASE_TIMED, "training-image", "x=32x28x28x64 gamma=28x28x64 beta=28x28x64 eps=1e-5"},
};
#endif

OP_IMPL(layer_norm, OP_CASES(layer_norm_cases), .bound = bound_layer_norm,
        .inexact = inexact_layer_norm);
OP_IMPL(layer_norm_dx, .bound = bound_layer_norm_dx, .inexact = inexact_layer_norm_dx,
        .domain = {[4] = CLADE_DOMAIN_POSITIVE});
