/* attention: softmax(q kᵀ / √d) v of each head, and its gradient. */
#include "op/softmax.h"

/* qkv as [n, t, 3, heads, d]. */
typedef struct head_layout {
    int64_t n, t, heads, d;
} head_layout;

static head_layout layout_of(const clade_tensor *qkv, int32_t heads)
{
    head_layout l = {.n = qkv->dim[0], .t = 1, .heads = or_one(heads)};
    for (int32_t k = 1; k < qkv->rank - 1; k++) l.t *= qkv->dim[k];
    l.d = qkv->dim[qkv->rank - 1] / 3 / l.heads;
    return l;
}

/* ---- shapes ---- */

/* Checks qkv; *y receives the shape of y, *lse that of lse. */
static clade_status check_qkv(clade_op op, const clade_tensor *qkv, int32_t heads, clade_tensor *y,
                              clade_tensor *lse)
{
    const char *name = clade_op_describe(op)->name;
    char text[64];
    if (qkv->rank < 3)
        return clade_fail(CLADE_EINVAL, "%s: qkv is %s, expected [n, …, 3 c]", name,
                          clade_shape_text(qkv, text));
    const int32_t c = qkv->dim[qkv->rank - 1] / 3;
    if (qkv->dim[qkv->rank - 1] % 3)
        return clade_fail(CLADE_EINVAL,
                          "%s: qkv has %d channels, expected as many queries, keys and values",
                          name, qkv->dim[qkv->rank - 1]);
    if (heads < 0 || c % or_one(heads))
        return clade_fail(CLADE_EINVAL,
                          "%s: heads is %d, expected a number that divides %d channels evenly",
                          name, heads, c);
    const head_layout l = layout_of(qkv, heads);
    if (l.t > INT32_MAX)
        return clade_fail(CLADE_EINVAL, "%s: qkv has over 2^31 places an image", name);
    *y = *qkv;
    y->dim[y->rank - 1] = c;
    *lse = clade_shape(3, (int32_t)l.n, (int32_t)l.heads, (int32_t)l.t);
    return CLADE_OK;
}

static clade_status shape_attention(clade_args *args)
{
    clade_attention_args *a = &args->attention;
    const clade_op op = CLADE_OP_attention;
    clade_tensor y, lse;
    clade_status status = check_qkv(op, &a->qkv, a->heads, &y, &lse);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, y.rank, y.dim);
    return status ? status : clade_infer_shape(op, "lse", &a->lse, CLADE_F32, lse.rank, lse.dim);
}

static clade_status shape_attention_dqkv(clade_args *args)
{
    clade_attention_dqkv_args *a = &args->attention_dqkv;
    const clade_op op = CLADE_OP_attention_dqkv;
    clade_tensor y, lse;
    clade_status status = check_qkv(op, &a->qkv, a->heads, &y, &lse);
    if (!status) status = clade_expect_shape(op, "y", &a->y, CLADE_F32, y.rank, y.dim);
    if (!status) status = clade_expect_shape(op, "lse", &a->lse, CLADE_F32, lse.rank, lse.dim);
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, y.rank, y.dim);
    if (status) return status;
    return clade_infer_shape(op, "dqkv", &a->dqkv, CLADE_F32, a->qkv.rank, a->qkv.dim);
}

/* ---- references ---- */

enum { key_block = 64, chains = 16 };

/* A head of an image: the first channels of its queries, keys and values; positions are `step`
 * apart. */
typedef struct head {
    const REAL *q, *k, *v;
    int64_t step, d;
    REAL scale;
} head;

static head head_of(const clade_tensor *qkv, head_layout l, int64_t image, int64_t number)
{
    const int64_t c = l.heads * l.d;
    const REAL *q = real_of(qkv) + image * l.t * 3 * c + number * l.d;
    return (head){q, q + c, q + 2 * c, 3 * c, l.d, 1 / (REAL)sqrt((REAL)l.d)};
}

/* exp(x) as in float32: 0 below the smallest normal number, which matters where values are
 * infinite. */
static REAL weight(REAL x) { return x < -87.33654F ? 0 : real_exp(x); }

static REAL product(const REAL *a, const REAL *b, int64_t d)
{
    REAL sum = 0;
    for (int64_t e = 0; e < d; e++) sum = REAL_FMA(a[e], b[e], sum);
    return sum;
}

static REAL score(const head *h, int64_t query, int64_t key)
{
    return h->scale * product(h->q + query * h->step, h->k + key * h->step, h->d);
}

static REAL chain_sum(const REAL *p, int64_t count)
{
    REAL sum[chains] = {0};
    for (int64_t j = 0; j < count; j++) sum[j % chains] += p[j];
    for (int half = chains / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) sum[i] += sum[i + half];
    return sum[0];
}

/* Computes row `query` of y; returns its lse. */
static REAL attend(const head *h, int64_t t, int64_t query, REAL *y)
{
    REAL max = -INFINITY, sum = 0, p[key_block];
    for (int64_t e = 0; e < h->d; e++) y[e] = 0;
    for (int64_t first = 0; first < t; first += key_block) {
        const int64_t count = t - first < key_block ? t - first : key_block;
        REAL before = max;
        for (int64_t j = 0; j < count; j++) {
            p[j] = score(h, query, first + j);
            if (p[j] > max) max = p[j];
        }
        const REAL factor = weight(before - max);
        for (int64_t j = 0; j < count; j++) p[j] = weight(p[j] - max);
        sum = REAL_FMA(sum, factor, chain_sum(p, count));
        for (int64_t e = 0; e < h->d; e++) {
            y[e] *= factor;
            for (int64_t j = 0; j < count; j++)
                y[e] = REAL_FMA(p[j], h->v[(first + j) * h->step + e], y[e]);
        }
    }
    const REAL inverse = real_div(1, sum);
    for (int64_t e = 0; e < h->d; e++) y[e] *= inverse;
    return max + real_log(sum);
}

static void run_attention(const clade_args *args)
{
    const clade_attention_args *a = &args->attention;
    const head_layout l = layout_of(&a->qkv, a->heads);
    REAL *lse = real_of(&a->lse);
    for (int64_t image = 0; image < l.n; image++)
        for (int64_t number = 0; number < l.heads; number++) {
            const head h = head_of(&a->qkv, l, image, number);
            for (int64_t i = 0; i < l.t; i++)
                *lse++ = attend(&h, l.t, i,
                                real_of(&a->y) + ((image * l.t + i) * l.heads + number) * l.d);
        }
}

/* A head in the gradient; rows of y and dy are `step` / 3 apart. */
typedef struct head_gradient {
    head h;
    int64_t t;
    const REAL *y, *dy, *lse;
} head_gradient;

static head_gradient gradient_of(const clade_attention_dqkv_args *a, head_layout l, int64_t image,
                                 int64_t number)
{
    const int64_t at = image * l.t * l.heads * l.d + number * l.d;
    return (head_gradient){head_of(&a->qkv, l, image, number), l.t, real_of(&a->y) + at,
                           real_of(&a->dy) + at,
                           real_of(&a->lse) + (image * l.heads + number) * l.t};
}

/* Computes p and g for a query and a key. */
static REAL pair_of(const head_gradient *b, int64_t i, int64_t j, REAL *g)
{
    const int64_t step = b->h.step / 3;
    const REAL *dy = b->dy + i * step;
    REAL x = score(&b->h, i, j) - b->lse[i];
    REAL p = weight(x > 0 ? 0 : x);
    *g = p * (product(dy, b->h.v + j * b->h.step, b->h.d) - product(dy, b->y + i * step, b->h.d));
    return p;
}

/* Channels of a gradient's row that are summed at once. */
enum { strip = 64 };

/* Computes channels first to first + count of the gradient with respect to the query, key or value
 * of a position: `which` is 0, 1 or 2. */
static void sum_row(const head_gradient *b, int which, int64_t place, int64_t first, int64_t count,
                    REAL *sum)
{
    const head *h = &b->h;
    for (int64_t e = 0; e < count; e++) sum[e] = 0;
    for (int64_t other = 0; other < b->t; other++) {
        REAL g, p = pair_of(b, which ? other : place, which ? place : other, &g);
        const REAL *of = which == 0   ? h->k + other * h->step
                         : which == 1 ? h->q + other * h->step
                                      : b->dy + other * (h->step / 3);
        for (int64_t e = 0; e < count; e++)
            sum[e] = REAL_FMA(which < 2 ? g : p, of[first + e], sum[e]);
    }
    for (int64_t e = 0; e < count && which < 2; e++) sum[e] = h->scale * sum[e];
}

static void run_attention_dqkv(const clade_args *args)
{
    const clade_attention_dqkv_args *a = &args->attention_dqkv;
    const head_layout l = layout_of(&a->qkv, a->heads);
    for (int64_t image = 0; image < l.n; image++)
        for (int64_t number = 0; number < l.heads; number++) {
            const head_gradient b = gradient_of(a, l, image, number);
            for (int64_t row = 0; row < 3 * l.t; row++)
                for (int64_t first = 0; first < l.d; first += strip) {
                    const int64_t count = l.d - first < strip ? l.d - first : strip;
                    REAL sum[strip];
                    sum_row(&b, (int)(row % 3), row / 3, first, count, sum);
                    REAL *out = real_of(&a->dqkv) + first +
                                ((image * 3 * l.t + row) * l.heads + number) * l.d;
                    for (int64_t e = 0; e < count; e++) put(&out[e], sum[e], a->accumulate);
                }
        }
}

/* ---- bounds ---- */

#ifdef CLADE_ORACLE
static double sum_of_sizes(const double *a, const double *b, int64_t d)
{
    double sum = 0;
    for (int64_t e = 0; e < d; e++) sum += fabs(a[e] * b[e]);
    return sum;
}

/* The error of a score: of its chain, and three roundings of the factor and the product with it. */
static double score_error(const head *h, int64_t i, int64_t j)
{
    const double *q = h->q + i * h->step, *k = h->k + j * h->step;
    return h->scale * sum_of_sizes(q, k, h->d) * clade_gamma(h->d + 3);
}

/* Errors that all of a row's terms share. */
typedef struct row_errors {
    double max, error; /* the largest score; the error of a score that has a weight */
    double sum, low;   /* relative error of the sum of weights; the lowest possible sum */
    int64_t blocks;
} row_errors;

/* The relative error of a weight exp(s - max) times the factors for the maxima of its block and all
 * later ones: the score's error; the rounding of the exponentials' arguments, which add up to the
 * distance from the last maximum; two units per exponential and one per product. */
static double weight_error(const head *h, const row_errors *r, int64_t i, int64_t j)
{
    double own = score_error(h, i, j), distance = r->max - score(h, i, j) + own + r->error;
    return expm1(own + CLADE_UNIT * (distance + 3 * (double)r->blocks + EXP_UNITS)) * (1 + 0x1p-10);
}

static row_errors errors_of_row(const head *h, int64_t t, int64_t i, double lse)
{
    row_errors r = {.max = -INFINITY, .blocks = (t + key_block - 1) / key_block};
    for (int64_t j = 0; j < t; j++) {
        r.max = fmax(r.max, score(h, i, j));
        if (exp(score(h, i, j) - lse) > 0) r.error = fmax(r.error, score_error(h, i, j));
    }
    for (int64_t j = 0; j < t; j++) {
        double p = exp(score(h, i, j) - lse), error = weight_error(h, &r, i, j);
        if (p > 0) r.sum += p * error, r.low += p / (1 + error);
    }
    /* a block's chains and their joins, then the blocks */
    r.sum += clade_gamma(key_block / chains + 4 + r.blocks);
    return r;
}

static double or_infinite(double bound) { return isnan(bound) ? INFINITY : bound; }

/* Errors of weights affect y like a mean of values; no weights take it beyond the largest value. */
static double value_error(const head *h, const row_errors *r, int64_t t, int64_t i, int64_t e,
                          double lse, double y)
{
    double sum = 0, size = 0, most = 0, gamma = clade_gamma(t);
    for (int64_t j = 0; j < t; j++) {
        double v = fabs(h->v[j * h->step + e]), p = exp(score(h, i, j) - lse);
        double error = weight_error(h, r, i, j);
        if (p > 0) sum += p * v * (error + gamma * (1 + error));
        size += v;
        most = fmax(most, v);
    }
    double error = (sum + fabs(y) * r->sum) / r->low;
    error += (DIV_UNITS + 2) * CLADE_UNIT * (fabs(y) + error);
    error += TINY * (double)(r->blocks + 1) * (size + fabs(y) * (double)t);
    return fmin(error * (1 + 0x1p-10), 2.001 * most);
}

static void bound_attention(const clade_args *args, size_t slot, double *bound)
{
    const clade_attention_args *a = &args->attention;
    const head_layout l = layout_of(&a->qkv, a->heads);
    enum { slot_y = 1 };
    for (int64_t row = 0; row < l.n * l.heads * l.t; row++) {
        const int64_t i = row % l.t, number = row / l.t % l.heads, image = row / l.t / l.heads;
        const head h = head_of(&a->qkv, l, image, number);
        const double lse = doubles_of(&a->lse)[row];
        const row_errors r = errors_of_row(&h, l.t, i, lse);
        const int64_t at = ((image * l.t + i) * l.heads + number) * l.d;
        if (slot != slot_y)
            bound[row] = or_infinite(
                r.sum / r.low +
                CLADE_UNIT * (EXP_UNITS * (fabs(lse - r.max) + r.error) + fabs(lse) + r.error));
        for (int64_t e = 0; e < l.d && slot == slot_y; e++)
            bound[at + e] =
                or_infinite(value_error(&h, &r, l.t, i, e, lse, doubles_of(&a->y)[at + e]));
    }
}

/* The errors of a pair's p, which is at most 1, and g. */
static void pair_errors(const head_gradient *b, int64_t i, int64_t j, double *p, double *g)
{
    const head *h = &b->h;
    const double *dy = b->dy + i * (h->step / 3), *y = b->y + i * (h->step / 3);
    const double *v = h->v + j * h->step, own = score_error(h, i, j), gamma = clade_gamma(h->d);
    const double x = score(h, i, j) - b->lse[i];
    double product_g, weight = pair_of(b, i, j, &product_g);
    double shift = own + CLADE_UNIT * (fabs(x) + own + EXP_UNITS);
    *p = fmin(weight * expm1(shift) * (1 + 0x1p-10) + TINY, 1);
    double difference = fabs(product(dy, v, h->d) - product(dy, y, h->d));
    double error = gamma * (sum_of_sizes(dy, v, h->d) + sum_of_sizes(dy, y, h->d));
    error += CLADE_UNIT * (difference + error);
    *g = *p * (difference + error) + weight * error;
    *g += CLADE_UNIT * (fabs(product_g) + *g) + TINY;
}

/* A pair's error, the roundings of its product in the chain, and that of the product with the
 * factor. */
static void bound_row(const head_gradient *b, int which, int64_t place, double *bound)
{
    const head *h = &b->h;
    const double gamma = clade_gamma(b->t + 4), scale = which < 2 ? h->scale : 1;
    for (int64_t e = 0; e < h->d; e++) bound[e] = TINY;
    for (int64_t other = 0; other < b->t; other++) {
        const int64_t i = which ? other : place, j = which ? place : other;
        const double *of = which == 0   ? h->k + other * h->step
                           : which == 1 ? h->q + other * h->step
                                        : b->dy + other * (h->step / 3);
        double g, p = pair_of(b, i, j, &g), p_error, g_error;
        pair_errors(b, i, j, &p_error, &g_error);
        double size = which < 2 ? fabs(g) : p, error = which < 2 ? g_error : p_error;
        for (int64_t e = 0; e < h->d; e++)
            bound[e] += scale * (error + gamma * (size + error)) * fabs(of[e]);
    }
}

static void bound_attention_dqkv(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_attention_dqkv_args *a = &args->attention_dqkv;
    const head_layout l = layout_of(&a->qkv, a->heads);
    for (int64_t row = 0; row < l.n * l.heads * 3 * l.t; row++) {
        const int64_t number = row % l.heads, place = row / l.heads % (3 * l.t);
        const head_gradient b = gradient_of(a, l, row / l.heads / (3 * l.t), number);
        double *of = bound + row * l.d;
        const double *out = doubles_of(&a->dqkv) + row * l.d;
        bound_row(&b, (int)(place % 3), place / 3, of);
        for (int64_t e = 0; e < l.d; e++)
            of[e] = or_infinite(of[e] + (a->accumulate ? CLADE_UNIT * (fabs(out[e]) + of[e]) : 0));
    }
}
#endif

/* ---- flops ---- */

/* Operations of each of the products of t × t and d. */
static double product_work(const clade_tensor *qkv, int32_t heads)
{
    const head_layout l = layout_of(qkv, heads);
    return 2 * (double)l.n * (double)l.t * (double)l.t * (double)(l.heads * l.d);
}

static double flops_attention(const clade_args *args)
{
    return 2 * product_work(&args->attention.qkv, args->attention.heads);
}

static double flops_attention_dqkv(const clade_args *args)
{
    return 5 * product_work(&args->attention_dqkv.qkv, args->attention_dqkv.heads);
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case attention_cases[] = {
    {CASE_QUICK, "one-place", "qkv=2x1x9"},
    {CASE_QUICK, "one-channel", "qkv=3x11x3"},
    {CASE_QUICK, "small", "qkv=2x5x24 heads=2"},
    {CASE_QUICK, "image", "qkv=1x3x7x36 heads=3"},
    {CASE_QUICK, "many-heads", "qkv=2x17x30 heads=10"},
    {CASE_QUICK, "two-blocks", "qkv=1x67x36 heads=2"},
    {CASE_FULL, "odd", "qkv=1x33x39"},
    {CASE_FULL, "block", "qkv=1x64x24"},
    {CASE_FULL, "wide-heads", "qkv=1x19x420 heads=2"},
    {CASE_FULL, "wider-heads", "qkv=1x9x600"},
    {CASE_FULL, "four-blocks", "qkv=1x197x96 heads=2"},
    {CASE_FULL, "head-of-64", "qkv=2x50x384 heads=2"},
    {CASE_TIMED, "training", "qkv=32x197x1152 heads=6"},
};
#endif

#ifdef CLADE_ORACLE
#define BOUND(function) .bound = function
#else
#define BOUND(function) .bound = NULL
#endif
OP_IMPL(attention, OP_CASES(attention_cases), BOUND(bound_attention), .flops = flops_attention);
OP_IMPL(attention_dqkv, BOUND(bound_attention_dqkv), .flops = flops_attention_dqkv);
