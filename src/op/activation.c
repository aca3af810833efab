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
    for (size_t i = 0; i < n; i++) bound[i] = act_error(a->act, x[i]);
}

/* As act_error: every derivative is a sum of at most two terms no larger than 1 + |s|, each good to
 * 12 units. */
static void bound_activation_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_activation_dx_args *a = &args->activation_dx;
    const clade_tensor *read = clade_activation_reads_x(a->act) ? &a->x : &a->y;
    const double *s = (const double *)read->buffer->host + read->offset;
    const double *dy = (const double *)a->dy.buffer->host + a->dy.offset;
    const double *dx = (const double *)a->dx.buffer->host + a->dx.offset;
    size_t n = clade_tensor_count(&a->dy);
    for (size_t i = 0; i < n; i++) {
        bound[i] = clade_activation_describe(a->act)->size == CLADE_ACTIVATION_EXACT
                       ? 0
                       : 12 * CLADE_UNIT * fabs(dy[i]) * (1 + fabs(s[i]));
        if (a->accumulate) bound[i] += CLADE_UNIT * fabs(dx[i]);
    }
}

static const clade_case activation_cases[] = {
    {"linear", true, {.activation = {.x = F32_1(33), .act = CLADE_LINEAR}}},
    {"relu", false, {.activation = {.x = F32_4(2, 5, 7, 3), .act = CLADE_RELU}}},
    {"relu-one", false, {.activation = {.x = F32_1(1), .act = CLADE_RELU}}},
    {"relu-long", true, {.activation = {.x = F32_2(37, 1021), .act = CLADE_RELU}}},
    {"leaky-relu",
     false,
     {.activation = {.x = F32_1(257), .act = CLADE_LEAKY_RELU, .alpha = 0.3f}}},
    {"relu6", false, {.activation = {.x = F32_1(65), .act = CLADE_RELU6}}},
    {"sigmoid", false, {.activation = {.x = F32_2(5, 63), .act = CLADE_SIGMOID}}},
    {"tanh", false, {.activation = {.x = F32_2(5, 63), .act = CLADE_TANH}}},
    {"hard-sigmoid", false, {.activation = {.x = F32_2(5, 63), .act = CLADE_HARD_SIGMOID}}},
    {"silu", false, {.activation = {.x = F32_2(5, 63), .act = CLADE_SILU}}},
    {"hard-swish", false, {.activation = {.x = F32_2(5, 63), .act = CLADE_HARD_SWISH}}},
    {"gelu", false, {.activation = {.x = F32_2(5, 63), .act = CLADE_GELU}}},
};

OP_IMPL(activation, OP_CASES(activation_cases), .bound = bound_activation);
OP_IMPL(activation_dx, .bound = bound_activation_dx);
