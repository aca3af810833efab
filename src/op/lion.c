/* lion: one step of Lion. */
#include "op/optim_step.h"

static clade_status shape_lion(clade_args *args)
{
    clade_lion_args *a = &args->lion;
    const clade_op op = CLADE_OP_lion;
    clade_status status = check_step(op, &a->w, &a->g, &a->scale, a->lr, a->decay);
    if (!status) status = check_like(op, "m", &a->m, &a->w);
    if (!status) status = check_range(op, "beta1", a->beta1, 0, 1);
    return status ? status : check_range(op, "beta2", a->beta2, 0, 1);
}

static REAL sign_of(REAL x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

static void run_lion(const clade_args *args)
{
    const clade_lion_args *a = &args->lion;
    const REAL lr = a->lr, beta1 = a->beta1, beta2 = a->beta2, decay = a->decay;
    const REAL *gradient = real_of(&a->g), scale = scale_of(&a->scale);
    REAL *w = real_of(&a->w), *m = real_of(&a->m);
    size_t n = clade_tensor_count(&a->w);
    for (size_t i = 0; i < n; i++) {
        REAL g = gradient[i] * scale, decayed = REAL_FMA(-decay, w[i], w[i]);
        REAL mixed = REAL_FMA(beta1, m[i], (1 - beta1) * g);
        m[i] = REAL_FMA(beta2, m[i], (1 - beta2) * g);
        w[i] = REAL_FMA(-lr, sign_of(mixed), decayed);
    }
}

/* If the rounding error of beta1 m + (1 − beta1) g may be as large as the value, its sign is
 * unknown and w may be off by two steps. The mean before the step follows from that after it. */
static void bound_lion(const clade_args *args, size_t slot, double *bound)
{
    const clade_lion_args *a = &args->lion;
    const double *g = doubles_of(&a->g), *w = doubles_of(&a->w), *m = doubles_of(&a->m);
    const double beta1 = (double)a->beta1, beta2 = (double)a->beta2, lr = (double)a->lr;
    size_t n = clade_tensor_count(&a->w);
    for (size_t i = 0; i < n; i++) {
        double scaled = scale_value(&a->scale) * g[i], added = (1 - beta2) * scaled;
        if (slot == 2) {
            bound[i] = u(3) * fabs(added) + u(1) * fabs(m[i]);
            continue;
        }
        double before = beta2 > 0 ? (m[i] - added) / beta2 : INFINITY;
        double mixed = beta1 * before + (1 - beta1) * scaled;
        double of_mixed = u(3) * fabs((1 - beta1) * scaled) + u(1) * fabs(mixed);
        bound[i] = u(1) * (2 * fabs(w[i]) + fabs(lr));
        if (!(fabs(mixed) > of_mixed) || beta2 == 0) bound[i] += 2 * fabs(lr);
    }
}

#ifndef CLADE_ORACLE
static const clade_case lion_cases[] = {
    {CASE_QUICK, "keras", "w=65 g=65 m=65 lr=0.001 beta1=0.9 beta2=0.99"},
    {CASE_QUICK, "one-clip", "w=1 g=1 m=1 scale=1 lr=0.1 beta1=0.5 beta2=0.75"},
    {CASE_QUICK, "decay", "w=3x43 g=3x43 m=3x43 scale=1 lr=0.001 beta1=0.9 beta2=0.99 decay=0.01"},
    {CASE_FULL, "beta1-0", "w=99 g=99 m=99 lr=0.01 beta2=0.9"},
    {CASE_FULL, "long", "w=70001 g=70001 m=70001 lr=0.0001 beta1=0.95 beta2=0.98 decay=1e-5"},
    {CASE_TIMED, "training", "w=2097152 g=2097152 m=2097152 lr=0.0001 beta1=0.9 beta2=0.99"},
};
#endif

OP_IMPL(lion, OP_CASES(lion_cases), .bound = bound_lion, .domain = {[3] = CLADE_DOMAIN_POSITIVE});
