/* dense and its gradients: shape rules, scalar references, bounds and cases. */
#include "op/activation.h"

static clade_status shape_dense(clade_args *args)
{
    clade_dense_args *a = &args->dense;
    const clade_op op = CLADE_OP_dense;
    clade_status status = check_act(op, a->act);
    if (!status) status = clade_expect_rank(op, "x", &a->x, 2);
    if (!status) status = clade_expect_rank(op, "w", &a->w, 2);
    int32_t w[2] = {a->x.dim[1], a->w.dim[1]}, y[2] = {a->x.dim[0], a->w.dim[1]};
    if (!status) status = clade_expect_shape(op, "w", &a->w, CLADE_F32, 2, w);
    if (!status && clade_tensor_present(&a->b))
        status = clade_expect_shape(op, "b", &a->b, CLADE_F32, 1, &a->w.dim[1]);
    return status ? status : clade_infer_shape(op, "y", &a->y, CLADE_F32, 2, y);
}

static clade_status shape_dense_dx(clade_args *args)
{
    clade_dense_dx_args *a = &args->dense_dx;
    const clade_op op = CLADE_OP_dense_dx;
    clade_status status = clade_expect_rank(op, "dy", &a->dy, 2);
    if (!status) status = clade_expect_rank(op, "w", &a->w, 2);
    int32_t w[2] = {a->w.dim[0], a->dy.dim[1]}, dx[2] = {a->dy.dim[0], a->w.dim[0]};
    if (!status) status = clade_expect_shape(op, "w", &a->w, CLADE_F32, 2, w);
    return status ? status : clade_infer_shape(op, "dx", &a->dx, CLADE_F32, 2, dx);
}

static clade_status shape_dense_dw(clade_args *args)
{
    clade_dense_dw_args *a = &args->dense_dw;
    const clade_op op = CLADE_OP_dense_dw;
    clade_status status = clade_expect_rank(op, "x", &a->x, 2);
    if (!status) status = clade_expect_rank(op, "dy", &a->dy, 2);
    int32_t dy[2] = {a->x.dim[0], a->dy.dim[1]}, dw[2] = {a->x.dim[1], a->dy.dim[1]};
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, 2, dy);
    if (!status) status = clade_infer_shape(op, "dw", &a->dw, CLADE_F32, 2, dw);
    if (!status && clade_tensor_present(&a->db))
        status = clade_expect_shape(op, "db", &a->db, CLADE_F32, 1, &a->dy.dim[1]);
    return status;
}

static void run_dense(const clade_args *args)
{
    const clade_dense_args *a = &args->dense;
    int32_t n = a->x.dim[0], in = a->x.dim[1], out = a->w.dim[1];
    const REAL *x = real_of(&a->x), *w = real_of(&a->w);
    const REAL *b = clade_tensor_present(&a->b) ? real_of(&a->b) : NULL;
    REAL *y = real_of(&a->y);
    for (int32_t r = 0; r < n; r++, x += in, y += out) {
        for (int32_t o = 0; o < out; o++) y[o] = 0;
        for (int32_t i = 0; i < in; i++)
            for (int32_t o = 0; o < out; o++) y[o] = REAL_FMA(x[i], w[(size_t)i * out + o], y[o]);
        for (int32_t o = 0; o < out; o++) y[o] = real_act(a->act, a->alpha, b ? y[o] + b[o] : y[o]);
    }
}

static void run_dense_dx(const clade_args *args)
{
    const clade_dense_dx_args *a = &args->dense_dx;
    int32_t n = a->dy.dim[0], in = a->w.dim[0], out = a->w.dim[1];
    const REAL *dy = real_of(&a->dy), *w = real_of(&a->w);
    REAL *dx = real_of(&a->dx);
    for (int32_t r = 0; r < n; r++)
        for (int32_t i = 0; i < in; i++) {
            REAL sum = 0;
            for (int32_t o = 0; o < out; o++)
                sum = REAL_FMA(dy[(size_t)r * out + o], w[(size_t)i * out + o], sum);
            put(&dx[(size_t)r * in + i], sum, a->accumulate);
        }
}

static void run_dense_dw(const clade_args *args)
{
    const clade_dense_dw_args *a = &args->dense_dw;
    int32_t n = a->x.dim[0], in = a->x.dim[1], out = a->dy.dim[1];
    const REAL *x = real_of(&a->x), *dy = real_of(&a->dy);
    REAL *dw = real_of(&a->dw);
    for (int32_t i = 0; i < in; i++)
        for (int32_t o = 0; o < out; o++) {
            REAL sum = 0;
            for (int32_t r = 0; r < n; r++)
                sum = REAL_FMA(x[(size_t)r * in + i], dy[(size_t)r * out + o], sum);
            put(&dw[(size_t)i * out + o], sum, a->accumulate);
        }
    if (!clade_tensor_present(&a->db)) return;
    REAL *db = real_of(&a->db);
    for (int32_t o = 0; o < out; o++) {
        REAL sum = 0;
        for (int32_t r = 0; r < n; r++) sum += dy[(size_t)r * out + o];
        put(&db[o], sum, a->accumulate);
    }
}

/* Σ|x||w| + |b| by the same chain, then as in conv.c. */
static void bound_dense(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_dense_args *a = &args->dense;
    int32_t n = a->x.dim[0], in = a->x.dim[1], out = a->w.dim[1];
    const double *x = (const double *)a->x.buffer->host + a->x.offset;
    const double *w = (const double *)a->w.buffer->host + a->w.offset;
    const double *b =
        clade_tensor_present(&a->b) ? (const double *)a->b.buffer->host + a->b.offset : NULL;
    double gamma = clade_gamma((int64_t)in + 1) + clade_products_error(a->products);
    for (int32_t r = 0; r < n; r++)
        for (int32_t o = 0; o < out; o++) {
            double sum = b ? fabs(b[o]) : 0;
            for (int32_t i = 0; i < in; i++)
                sum += fabs(x[(size_t)r * in + i] * w[(size_t)i * out + o]);
            bound[(size_t)r * out + o] = act_bound(a->act, a->alpha, sum, gamma * sum);
        }
}

static int64_t terms_dense_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    return args->dense_dx.w.dim[1];
}

static int64_t terms_dense_dw(const clade_args *args, size_t slot)
{
    (void)slot;
    return args->dense_dw.x.dim[0];
}

static double flops_dense(const clade_args *args)
{
    return product_flops(&args->dense.w, &args->dense.y);
}
static double flops_dense_dx(const clade_args *args)
{
    return product_flops(&args->dense_dx.w, &args->dense_dx.dy);
}
static double flops_dense_dw(const clade_args *args)
{
    return product_flops(&args->dense_dw.dw, &args->dense_dw.dy);
}

#ifndef CLADE_ORACLE
static const clade_case dense_cases[] = {
    {CASE_QUICK, "one", "x=1x1 w=1x1 b=1"},
    {CASE_QUICK, "small", "x=3x5 w=5x7 b=7"},
    {CASE_QUICK, "no-bias", "x=4x19 w=19x33"},
    {CASE_QUICK, "relu", "x=32x65 w=65x64 b=64 act=relu"},
    {CASE_QUICK, "relu-odd", "x=5x21 w=21x11 b=11 act=relu"},
    {CASE_QUICK, "one-output", "x=32x128 w=128x1 b=1 act=sigmoid"},
    {CASE_QUICK, "ten-outputs", "x=17x48 w=48x10 b=10"},
    {CASE_QUICK, "few-results", "x=5x709 w=709x3 b=3 act=tanh"},
    {CASE_QUICK, "many-rows", "x=259x9 w=9x11 b=11"},
    {CASE_QUICK, "tf32", "x=21x37 w=37x19 b=19 act=relu products=tf32"},
    {CASE_QUICK, "bfloat16", "x=21x36 w=36x20 b=20 products=bfloat16"},
    {CASE_QUICK, "float16", "x=40x21 w=21x24 products=float16"},
    {CASE_QUICK, "last-bf16", "x:bf16=9x70 w=70x10 b=10 products=bfloat16"},
    {CASE_QUICK, "last-f16", "x:f16=17x48 w=48x12 b=12 products=float16"},
    {CASE_QUICK, "last-few-bf16", "x:bf16=5x709 w=709x3 b=3"},
    {CASE_FULL, "batch-1", "x=1x300 w=300x129 b=129 act=gelu"},
    {CASE_FULL, "few-results-aligned", "x=4x1000 w=1000x8 b=8 act=relu"},
    {CASE_FULL, "long", "x=32x3136 w=3136x96 b=96 act=relu"},
    {CASE_FULL, "wide", "x=15x40 w=40x1000 b=1000"},
    {CASE_FULL, "batch-64", "x=64x33 w=33x300 b=300"},
    {CASE_FULL, "large-batch", "x=200x31 w=31x47 b=47 act=tanh"},
    {CASE_TIMED, "training", "x=32x3136 w=3136x512 b=512 act=relu"},
};
#endif

OP_IMPL(dense, OP_CASES(dense_cases), .bound = bound_dense, .flops = flops_dense);
OP_IMPL(dense_dx, .terms = terms_dense_dx, .flops = flops_dense_dx);
OP_IMPL(dense_dw, .terms = terms_dense_dw, .flops = flops_dense_dw);
