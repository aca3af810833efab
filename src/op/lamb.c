/* lamb: one step of LAMB for one parameter tensor. */
#include "op/optim_step.h"

static clade_status shape_lamb(clade_args *args)
{
    clade_lamb_args *a = &args->lamb;
    const clade_op op = CLADE_OP_lamb;
    clade_status status = check_step(op, &a->w, &a->g, &a->scale, a->lr, a->decay);
    if (!status) status = check_like(op, "m", &a->m, &a->w);
    if (!status) status = check_like(op, "v", &a->v, &a->w);
    if (!status) status = check_range(op, "beta1", a->beta1, 0, 1);
    if (!status) status = check_range(op, "beta2", a->beta2, 0, 1);
    if (!status) status = check_range(op, "m1", a->m1, 0, 3e38f);
    if (!status) status = check_range(op, "v1", a->v1, 0, 3e38f);
    if (!status) status = clade_infer_shape(op, "ratio", &a->ratio, CLADE_F32, 1, single);
    return status ? status : check_eps(op, a->eps);
}

/* Returns the direction of an element, from the new moments and w before the step. */
static REAL direction(const clade_lamb_args *a, REAL w, REAL m, REAL v)
{
    const REAL m1 = a->m1, v1 = a->v1, eps = a->eps, decay = a->decay;
    return REAL_FMA(decay, w, m1 * m * real_rcp(real_sqrt(v1 * v) + eps));
}

static REAL add_direction_square(const void *args, int64_t i, REAL sum)
{
    const clade_lamb_args *a = args;
    REAL r = direction(a, real_of(&a->w)[i], real_of(&a->m)[i], real_of(&a->v)[i]);
    return REAL_FMA(r, r, sum);
}

static void run_lamb(const clade_args *args)
{
    const clade_lamb_args *a = &args->lamb;
    const REAL lr = a->lr, beta1 = a->beta1, beta2 = a->beta2, scale = scale_of(&a->scale);
    const REAL *gradient = real_of(&a->g);
    REAL *w = real_of(&a->w), *m = real_of(&a->m), *v = real_of(&a->v);
    size_t n = clade_tensor_count(&a->w);
    for (size_t i = 0; i < n; i++) {
        REAL g = gradient[i] * scale;
        m[i] = REAL_FMA(beta1, m[i], (1 - beta1) * g);
        v[i] = mean_square(v[i], g, beta2);
    }
    REAL of_w = norm_of(w, n);
    REAL of_r = real_sqrt(tree_total(add_direction_square, a, (int64_t)n, 1));
    REAL ratio = of_w == 0 || of_r == 0 ? 1 : real_div(of_w, of_r);
    for (size_t i = 0; i < n; i++)
        w[i] = REAL_FMA(-(lr * ratio), direction(a, w[i], m[i], v[i]), w[i]);
    *real_of(&a->ratio) = ratio;
}

/* q = r without the decay: v1 v and the root have half of v's roundings plus one more, the root an
 * ulp; + eps; the reciprocal's ulp; two products. w before the step follows from w after it. The
 * error of r affects w and the norm of r. */
static void bound_lamb(const clade_args *args, size_t slot, double *bound)
{
    const clade_lamb_args *a = &args->lamb;
    const double *g = doubles_of(&a->g), *w = doubles_of(&a->w), *m = doubles_of(&a->m),
                 *v = doubles_of(&a->v);
    const double factor = (1 - (double)a->beta1) * scale_value(&a->scale);
    const double ratio = doubles_of(&a->ratio)[0], rate = (double)a->lr * ratio;
    const double decay = (double)a->decay;
    double of_all = 0, squares = 0;
    size_t n = clade_tensor_count(&a->w);
    for (int pass = 0; pass < 2; pass++) {
        double relative = 2 * norm_error(&a->w) + u(2);
        double norm = sqrt(squares), lost = norm_lost(&a->w);
        if (pass && norm > 0)
            relative += (sqrt(of_all) + lost) / norm + (ratio > 0 ? lost / (norm * ratio) : 0);
        for (size_t i = 0; i < n; i++) {
            double of_m = u(3) * fabs(factor * g[i]) + u(1) * fabs(m[i]);
            double divisor = sqrt((double)a->v1 * v[i]) + (double)a->eps;
            double q = (double)a->m1 * m[i] / divisor;
            double of_q = (double)a->m1 * of_m / divisor +
                          u((square_roundings + 1) / 2.0 + 2 + 1 + 2 + 2) * fabs(q);
            double before = (w[i] + rate * q) / (1 - rate * decay), r = q + decay * before;
            double of_r = of_q + u(1) * fabs(r);
            if (!pass) {
                squares += r * r;
                of_all += of_r * of_r;
            } else if (slot != 5) {
                bound[i] = slot == 2   ? of_m
                           : slot == 3 ? u(square_roundings) * v[i]
                                       : u(1) * fabs(w[i]) + fabs(rate) * of_r +
                                             (relative + u(1)) * fabs(rate * r);
            }
        }
        if (slot == 5) *bound = relative * ratio;
    }
}

#ifndef CLADE_ORACLE
static const clade_case lamb_cases[] = {
    {CASE_QUICK, "keras",
     "w=65 g=65 m=65 v=65 lr=0.001 beta1=0.9 beta2=0.999 eps=1e-7 m1=10 v1=1000"},
    {CASE_QUICK, "one-clip",
     "w=1 g=1 m=1 v=1 scale=1 lr=0.1 beta1=0.5 beta2=0.75 eps=0.125 m1=2 v1=4"},
    {CASE_QUICK, "decay",
     "w=3x43 g=3x43 m=3x43 v=3x43 scale=1 lr=0.01 beta1=0.9 beta2=0.999 eps=1e-6 m1=1.5 v1=3 "
     "decay=0.1"},
    {CASE_FULL, "beta-0", "w=99 g=99 m=99 v=99 lr=0.01 eps=0.001 m1=1 v1=1"},
    {CASE_FULL, "chunks",
     "w=8199 g=8199 m=8199 v=8199 lr=0.001 beta1=0.9 beta2=0.999 eps=1e-6 m1=1 v1=2 decay=0.01"},
    {CASE_FULL, "long",
     "w=70001 g=70001 m=70001 v=70001 lr=0.001 beta1=0.9 beta2=0.999 eps=1e-6 m1=1 v1=1"},
    {CASE_TIMED, "training",
     "w=2097152 g=2097152 m=2097152 v=2097152 lr=0.001 beta1=0.9 beta2=0.999 eps=1e-6 m1=1 v1=1 "
     "decay=0.01"},
};
#endif

OP_IMPL(lamb, OP_CASES(lamb_cases), .bound = bound_lamb,
        .domain = {[3] = CLADE_DOMAIN_POSITIVE, [4] = CLADE_DOMAIN_POSITIVE});
