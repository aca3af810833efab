/* optim: the norm of all gradients, and one step of SGD, RMSprop, Adam and AdamW; the other
 * optimizers are in lion.c and lamb.c. */
#include "op/optim_step.h"

/* ---- shape rules ---- */

static clade_status shape_norm_clip(clade_args *args)
{
    clade_norm_clip_args *a = &args->norm_clip;
    const clade_op op = CLADE_OP_norm_clip;
    clade_status status = check_range(op, "limit", a->limit, 0x1p-126f, 3e38f);
    if (!status) status = clade_infer_shape(op, "scale", &a->scale, CLADE_F32, 1, single);
    if (!status) status = clade_infer_shape(op, "norm", &a->norm, CLADE_F32, 1, single);
    return status;
}

static clade_status shape_sgd(clade_args *args)
{
    clade_sgd_args *a = &args->sgd;
    const clade_op op = CLADE_OP_sgd;
    clade_status status = check_step(op, &a->w, &a->g, &a->scale, a->lr, a->decay);
    if (!status && clade_tensor_present(&a->v)) status = check_like(op, "v", &a->v, &a->w);
    if (!status) status = check_range(op, "momentum", a->momentum, 0, 1);
    if (!status && a->momentum != 0 && !clade_tensor_present(&a->v))
        status = clade_fail(CLADE_EINVAL, "sgd: a momentum of %g needs v", (double)a->momentum);
    return status;
}

static clade_status shape_rmsprop(clade_args *args)
{
    clade_rmsprop_args *a = &args->rmsprop;
    const clade_op op = CLADE_OP_rmsprop;
    clade_status status = check_step(op, &a->w, &a->g, &a->scale, a->lr, a->decay);
    if (!status) status = check_like(op, "s", &a->s, &a->w);
    if (!status && clade_tensor_present(&a->v)) status = check_like(op, "v", &a->v, &a->w);
    if (!status) status = check_range(op, "rho", a->rho, 0, 1);
    if (!status) status = check_range(op, "momentum", a->momentum, 0, 1);
    if (!status && a->momentum != 0 && !clade_tensor_present(&a->v))
        status = clade_fail(CLADE_EINVAL, "rmsprop: a momentum of %g needs v", (double)a->momentum);
    return status ? status : check_eps(op, a->eps);
}

static clade_status shape_adam(clade_args *args)
{
    clade_adam_args *a = &args->adam;
    const clade_op op = CLADE_OP_adam;
    clade_status status = check_step(op, &a->w, &a->g, &a->scale, a->lr, a->decay);
    if (!status) status = check_like(op, "m", &a->m, &a->w);
    if (!status) status = check_like(op, "v", &a->v, &a->w);
    if (!status) status = check_range(op, "beta1", a->beta1, 0, 1);
    if (!status) status = check_range(op, "beta2", a->beta2, 0, 1);
    return status ? status : check_eps(op, a->eps);
}

/* ---- references ---- */

static void run_norm_clip(const clade_args *args)
{
    const clade_norm_clip_args *a = &args->norm_clip;
    const REAL limit = a->limit, norm = norm_of(real_of(&a->g), clade_tensor_count(&a->g));
    *real_of(&a->norm) = norm;
    *real_of(&a->scale) = norm <= limit ? 1 : real_div(limit, norm);
}

static void run_sgd(const clade_args *args)
{
    const clade_sgd_args *a = &args->sgd;
    const REAL lr = a->lr, momentum = a->momentum, decay = a->decay, scale = scale_of(&a->scale);
    const REAL *gradient = real_of(&a->g);
    REAL *w = real_of(&a->w), *v = clade_tensor_present(&a->v) ? real_of(&a->v) : NULL;
    size_t n = clade_tensor_count(&a->w);
    for (size_t i = 0; i < n; i++) {
        REAL g = gradient[i] * scale, decayed = REAL_FMA(-decay, w[i], w[i]);
        if (!v) {
            w[i] = REAL_FMA(-lr, g, decayed);
            continue;
        }
        if (a->of_gradients) {
            v[i] = REAL_FMA(momentum, v[i], g);
            w[i] = REAL_FMA(-lr, a->nesterov ? REAL_FMA(momentum, v[i], g) : v[i], decayed);
            continue;
        }
        REAL step = lr * g;
        v[i] = REAL_FMA(momentum, v[i], -step);
        w[i] = a->nesterov ? REAL_FMA(momentum, v[i], decayed) - step : decayed + v[i];
    }
}

static void run_rmsprop(const clade_args *args)
{
    const clade_rmsprop_args *a = &args->rmsprop;
    const REAL lr = a->lr, rho = a->rho, momentum = a->momentum, eps = a->eps, decay = a->decay;
    const REAL *gradient = real_of(&a->g), scale = scale_of(&a->scale);
    REAL *w = real_of(&a->w), *s = real_of(&a->s);
    REAL *v = clade_tensor_present(&a->v) ? real_of(&a->v) : NULL;
    size_t n = clade_tensor_count(&a->w);
    for (size_t i = 0; i < n; i++) {
        REAL g = gradient[i] * scale, decayed = REAL_FMA(-decay, w[i], w[i]);
        s[i] = mean_square(s[i], g, rho);
        REAL step = lr * g * real_rsqrt(s[i] + eps);
        if (v) step = v[i] = REAL_FMA(momentum, v[i], step);
        w[i] = decayed - step;
    }
}

static void run_adam(const clade_args *args)
{
    const clade_adam_args *a = &args->adam;
    const REAL lr = a->lr, beta1 = a->beta1, beta2 = a->beta2, eps = a->eps, decay = a->decay;
    const REAL *gradient = real_of(&a->g), scale = scale_of(&a->scale);
    REAL *w = real_of(&a->w), *m = real_of(&a->m), *v = real_of(&a->v);
    size_t n = clade_tensor_count(&a->w);
    for (size_t i = 0; i < n; i++) {
        REAL g = gradient[i] * scale, decayed = REAL_FMA(-decay, w[i], w[i]);
        m[i] = REAL_FMA(beta1, m[i], (1 - beta1) * g);
        v[i] = mean_square(v[i], g, beta2);
        w[i] = decayed - lr * m[i] * real_rcp(real_sqrt(v[i]) + eps);
    }
}

/* ---- bounds ---- */

/* The quotient adds an ulp to the norm's error. */
static void bound_norm_clip(const clade_args *args, size_t slot, double *bound)
{
    const clade_norm_clip_args *a = &args->norm_clip;
    const double relative = norm_error(&a->g), lost = norm_lost(&a->g);
    if (slot == 2)
        *bound = relative * doubles_of(&a->norm)[0] + lost;
    else
        *bound = (relative + u(2) + lost / (double)a->limit) * doubles_of(&a->scale)[0];
}

/* The gradient's product, v, and with nesterov another fma. */
static double error_of_gradients(const clade_sgd_args *a, size_t slot, double g, double v, double w)
{
    const double momentum = (double)a->momentum, lr = (double)a->lr;
    const double of_v = u(1) * (fabs(g) + fabs(v)), ahead = g + momentum * v;
    const double step = lr * (a->nesterov ? ahead : v);
    const double of_step =
        lr * (a->nesterov ? momentum * of_v + u(1) * (fabs(g) + fabs(ahead)) : of_v);
    return slot == 2 ? of_v : u(1) * (fabs(w + step) + fabs(w)) + of_step;
}

static void bound_sgd(const clade_args *args, size_t slot, double *bound)
{
    const clade_sgd_args *a = &args->sgd;
    const double *g = doubles_of(&a->g), *w = doubles_of(&a->w);
    const double factor = (double)a->lr * scale_value(&a->scale), momentum = (double)a->momentum;
    size_t n = clade_tensor_count(&a->w);
    for (size_t i = 0; i < n; i++) {
        double step = factor * g[i];
        if (!clade_tensor_present(&a->v)) {
            bound[i] = u(1) * (fabs(step) + fabs(w[i] + step) + fabs(w[i]));
            continue;
        }
        double v = doubles_of(&a->v)[i], of_v = u(2) * fabs(step) + u(1) * fabs(v);
        if (a->of_gradients) {
            bound[i] = error_of_gradients(a, slot, g[i] * scale_value(&a->scale), v, w[i]);
            continue;
        }
        double decayed = a->nesterov ? w[i] + step - momentum * v : w[i] - v;
        double of_w = u(1) * (fabs(decayed) + fabs(w[i]));
        of_w += a->nesterov ? momentum * of_v + u(1) * fabs(w[i] + step) + u(2) * fabs(step) : of_v;
        bound[i] = slot == 2 ? of_v : of_w;
    }
}

/* s + eps: one more; the root halves it, 1 / sqrt() is good to 2 ulp; three products. */
static void bound_rmsprop(const clade_args *args, size_t slot, double *bound)
{
    const clade_rmsprop_args *a = &args->rmsprop;
    const double *g = doubles_of(&a->g), *w = doubles_of(&a->w), *s = doubles_of(&a->s);
    const double factor = (double)a->lr * scale_value(&a->scale);
    size_t n = clade_tensor_count(&a->w);
    for (size_t i = 0; i < n; i++) {
        double step = factor * g[i] / sqrt(s[i] + (double)a->eps);
        double of_step = u((square_roundings + 1) / 2.0 + 4 + 3) * fabs(step);
        if (clade_tensor_present(&a->v)) {
            step = doubles_of(&a->v)[i];
            of_step += u(1) * fabs(step);
        }
        bound[i] = slot == 2   ? u(square_roundings) * s[i]
                   : slot == 3 ? of_step
                               : u(1) * (fabs(w[i] + step) + fabs(w[i])) + of_step;
    }
}

/* sqrt(v): half of v's, and an ulp; + eps; the reciprocal's ulp; two products. */
static void bound_adam(const clade_args *args, size_t slot, double *bound)
{
    const clade_adam_args *a = &args->adam;
    const double *g = doubles_of(&a->g), *w = doubles_of(&a->w), *m = doubles_of(&a->m),
                 *v = doubles_of(&a->v);
    const double factor = (1 - (double)a->beta1) * scale_value(&a->scale), lr = (double)a->lr;
    size_t n = clade_tensor_count(&a->w);
    for (size_t i = 0; i < n; i++) {
        double of_m = u(3) * fabs(factor * g[i]) + u(1) * fabs(m[i]);
        double divisor = sqrt(v[i]) + (double)a->eps, step = lr * m[i] / divisor;
        double of_step =
            fabs(lr) * of_m / divisor + u(square_roundings / 2.0 + 2 + 1 + 2 + 2) * fabs(step);
        bound[i] = slot == 2   ? of_m
                   : slot == 3 ? u(square_roundings) * v[i]
                               : u(1) * (fabs(w[i] + step) + fabs(w[i])) + of_step;
    }
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case norm_clip_cases[] = {
    {CASE_QUICK, "one", "g=1 limit=1"},
    {CASE_QUICK, "below", "g=5x13 limit=1e+03"},
    {CASE_QUICK, "above", "g=7x37 limit=0.5"},
    {CASE_FULL, "chunk", "g=4096 limit=1"},
    {CASE_FULL, "chunk-and-one", "g=4097 limit=3"},
    {CASE_QUICK, "chunks", "g=8199 limit=2"},
    {CASE_FULL, "many-chunks", "g=1000003 limit=1"},
    {CASE_TIMED, "training", "g=2097152 limit=1"},
};

static const clade_case sgd_cases[] = {
    {CASE_QUICK, "plain", "w=33 g=33 lr=0.1"},
    {CASE_QUICK, "one-decay-clip", "w=1 g=1 scale=1 lr=0.01 decay=0.001"},
    {CASE_QUICK, "momentum", "w=3x67 g=3x67 v=3x67 lr=0.1 momentum=0.9"},
    {CASE_QUICK, "nesterov",
     "w=129 g=129 v=129 scale=1 lr=0.05 momentum=0.9 nesterov=1 decay=0.01"},
    {CASE_QUICK, "gradients", "w=3x67 g=3x67 v=3x67 lr=0.1 momentum=0.9 of_gradients=1"},
    {CASE_QUICK, "gradients-nesterov",
     "w=129 g=129 v=129 scale=1 lr=0.05 momentum=0.9 nesterov=1 of_gradients=1 decay=0.01"},
    {CASE_FULL, "velocity-without-momentum", "w=65 g=65 v=65 lr=0.1 decay=0.001"},
    {CASE_FULL, "long-nesterov",
     "w=100003 g=100003 v=100003 scale=1 lr=0.1 momentum=0.9 nesterov=1"},
    {CASE_FULL, "long-gradients",
     "w=100003 g=100003 v=100003 scale=1 lr=0.1 momentum=0.9 nesterov=1 of_gradients=1"},
    {CASE_TIMED, "training", "w=2097152 g=2097152 v=2097152 lr=0.01 momentum=0.9"},
};

static const clade_case rmsprop_cases[] = {
    {CASE_QUICK, "keras", "w=65 g=65 s=65 lr=0.001 rho=0.9 eps=1e-7"},
    {CASE_QUICK, "one", "w=1 g=1 s=1 scale=1 lr=0.1 rho=0.5 eps=0.01 decay=0.1"},
    {CASE_QUICK, "momentum",
     "w=5x31 g=5x31 s=5x31 v=5x31 scale=1 lr=0.01 rho=0.99 momentum=0.9 eps=1e-7 decay=0.001"},
    {CASE_FULL, "rho-0", "w=77 g=77 s=77 lr=0.01 eps=0.001"},
    {CASE_FULL, "long", "w=70001 g=70001 s=70001 lr=0.001 rho=0.9 eps=1e-7"},
    {CASE_TIMED, "training", "w=2097152 g=2097152 s=2097152 lr=0.001 rho=0.9 eps=1e-7"},
};

static const clade_case adam_cases[] = {
    {CASE_QUICK, "keras", "w=65 g=65 m=65 v=65 lr=0.000316 beta1=0.9 beta2=0.999 eps=1e-7"},
    {CASE_QUICK, "one-clip", "w=1 g=1 m=1 v=1 scale=1 lr=0.1 beta1=0.5 beta2=0.75 eps=0.125"},
    {CASE_QUICK, "adamw",
     "w=3x43 g=3x43 m=3x43 v=3x43 scale=1 lr=0.001 beta1=0.9 beta2=0.999 eps=1e-7 decay=0.004"},
    {CASE_FULL, "beta-0", "w=99 g=99 m=99 v=99 lr=0.01 eps=0.001"},
    {CASE_FULL, "long",
     "w=70001 g=70001 m=70001 v=70001 lr=0.001 beta1=0.9 beta2=0.999 eps=1e-7 decay=1e-5"},
    {CASE_TIMED, "training",
     "w=2097152 g=2097152 m=2097152 v=2097152 lr=0.001 beta1=0.9 beta2=0.999 eps=1e-7"},
};
#endif

OP_IMPL(norm_clip, OP_CASES(norm_clip_cases), .bound = bound_norm_clip);
OP_IMPL(sgd, OP_CASES(sgd_cases), .bound = bound_sgd, .domain = {[3] = CLADE_DOMAIN_POSITIVE});
OP_IMPL(rmsprop, OP_CASES(rmsprop_cases), .bound = bound_rmsprop,
        .domain = {[2] = CLADE_DOMAIN_POSITIVE, [4] = CLADE_DOMAIN_POSITIVE});
OP_IMPL(adam, OP_CASES(adam_cases), .bound = bound_adam,
        .domain = {[3] = CLADE_DOMAIN_POSITIVE, [4] = CLADE_DOMAIN_POSITIVE});
