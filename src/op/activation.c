/* activation: element-wise functions and their derivatives. */
#include "op/activation.h"

static clade_status shape_activation(clade_args *args)
{
    clade_activation_args *a = &args->activation;
    clade_status status = check_act(CLADE_OP_activation, a->act);
    if (status) return status;
    return clade_infer_shape(CLADE_OP_activation, "y", &a->y, CLADE_F32, a->x.rank, a->x.dim);
}

static clade_status shape_activation_dx(clade_args *args)
{
    clade_activation_dx_args *a = &args->activation_dx;
    const clade_op op = CLADE_OP_activation_dx;
    clade_status status = check_act(op, a->act);
    if (status) return status;
    bool reads_x = clade_activation_reads_x(a->act);
    const clade_tensor *read = reads_x ? &a->x : &a->y;
    if (!clade_tensor_present(read))
        return clade_fail(CLADE_EINVAL, "activation_dx: %s needs %s",
                          clade_activation_name((clade_activation)a->act), reads_x ? "x" : "y");
    if (clade_tensor_present(&a->x))
        status = clade_expect_shape(op, "x", &a->x, CLADE_F32, a->dy.rank, a->dy.dim);
    if (!status && clade_tensor_present(&a->y))
        status = clade_expect_shape(op, "y", &a->y, CLADE_F32, a->dy.rank, a->dy.dim);
    if (status) return status;
    return clade_infer_shape(op, "dx", &a->dx, CLADE_F32, a->dy.rank, a->dy.dim);
}

static void run_activation(const clade_args *args)
{
    const clade_activation_args *a = &args->activation;
    const REAL *x = real_of(&a->x);
    REAL *y = real_of(&a->y);
    size_t n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i++) y[i] = real_act(a->act, a->alpha, x[i]);
}

static void run_activation_dx(const clade_args *args)
{
    const clade_activation_dx_args *a = &args->activation_dx;
    const REAL *s = real_of(clade_activation_reads_x(a->act) ? &a->x : &a->y),
               *dy = real_of(&a->dy);
    REAL *dx = real_of(&a->dx);
    size_t n = clade_tensor_count(&a->dy);
    for (size_t i = 0; i < n; i++)
        put(&dx[i], real_act_dx(a->act, a->alpha, s[i], dy[i]), a->accumulate);
}

static void bound_activation(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_activation_args *a = &args->activation;
    const double *x = (const double *)a->x.buffer->host + a->x.offset;
    size_t n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i++) bound[i] = act_bound(a->act, a->alpha, x[i], 0);
}

/* As act_error: every derivative is a sum of at most two terms no larger than act_factor (1 + |s|),
 * each good to 12 units. If s is not finite and the derivative is, the derivative is constant
 * there. */
static void bound_activation_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_activation_dx_args *a = &args->activation_dx;
    const clade_tensor *read = clade_activation_reads_x(a->act) ? &a->x : &a->y;
    const double *s = (const double *)read->buffer->host + read->offset;
    const double *dy = (const double *)a->dy.buffer->host + a->dy.offset;
    const double *dx = (const double *)a->dx.buffer->host + a->dx.offset;
    size_t n = clade_tensor_count(&a->dy);
    double unit = 12 * CLADE_UNIT * act_factor(a->act, a->alpha);
    for (size_t i = 0; i < n; i++) {
        bound[i] = clade_activation_describe(a->act)->size == CLADE_ACTIVATION_EXACT
                       ? 0
                       : unit * fabs(dy[i]) * (isfinite(s[i]) ? 1 + fabs(s[i]) : 1);
        if (a->accumulate) bound[i] += CLADE_UNIT * fabs(dx[i]);
    }
}

#ifndef CLADE_ORACLE
static const clade_case activation_cases[] = {
    {CASE_FULL, "linear", "x=33"},
    {CASE_QUICK, "relu", "x=2x5x7x3 act=relu"},
    {CASE_QUICK, "relu-one", "x=1 act=relu"},
    {CASE_FULL, "relu-long", "x=37x1021 act=relu"},
    {CASE_QUICK, "leaky-relu", "x=257 act=leaky_relu alpha=0.3"},
    {CASE_QUICK, "relu6", "x=65 act=relu6"},
    {CASE_QUICK, "sigmoid", "x=5x63 act=sigmoid"},
    {CASE_QUICK, "tanh", "x=5x63 act=tanh"},
    {CASE_QUICK, "hard-sigmoid", "x=5x63 act=hard_sigmoid"},
    {CASE_QUICK, "silu", "x=5x63 act=silu"},
    {CASE_QUICK, "hard-swish", "x=5x63 act=hard_swish"},
    {CASE_QUICK, "gelu", "x=5x63 act=gelu"},
    {CASE_QUICK, "elu", "x=5x63 act=elu alpha=1"},
    {CASE_QUICK, "elu-steep", "x=257 act=elu alpha=40"},
    {CASE_QUICK, "softplus", "x=5x63 act=softplus"},
    {CASE_QUICK, "mish", "x=5x63 act=mish"},
    {CASE_TIMED, "training", "x=32x74x74x32 act=relu"},
};
#endif

OP_IMPL(activation, OP_CASES(activation_cases), .bound = bound_activation);
OP_IMPL(activation_dx, .bound = bound_activation_dx);
