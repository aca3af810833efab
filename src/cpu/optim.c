/* Optimizers on the CPU: the shared steps, vectorised by the compiler, in one pass over the flat
 * buffers. What varies between calls is a constant of each loop. */
#include "cpu/tree.h"

#include "../../kernels/optim.clh"

enum { grain = 16384 };

static float scale_of(const clade_tensor *scale)
{
    return clade_tensor_present(scale) ? *(const float *)clade_tensor_host(scale) : 1.0f;
}

/* ---- the norm ---- */

/* Squares of differences with 0; the mean of each lane. */
static const float zeros[tree_most_width];

typedef struct norm_pass {
    const cpu_tree *tree;
    cpu_columns columns;
} norm_pass;

static void square_runs(const void *user, size_t first, size_t end)
{
    const norm_pass *p = user;
    for (size_t run = first; run < end; run++)
        tree_run(p->tree, &p->columns, run, 0, 1, NORM_SQUARES);
}

/* Plans the norm of a tensor; with `before` floats in front of its workspace. */
static clade_status plan_norm(clade_plan *plan, const clade_tensor *g, size_t before)
{
    enum { most_runs = 64 };
    cpu_tree *t = clade_cpu_state(plan, sizeof *t);
    if (!t) return CLADE_ENOMEM;
    *t = cpu_tree_of((int64_t)clade_tensor_count(g), 1, most_runs);
    cpu_reserve(plan, before);
    cpu_reserve(plan, cpu_product(t->runs, cpu_tree_floats(t, 1)));
    return CLADE_OK;
}

static float norm_of(void *context, const cpu_tree *t, const float *g, void *workspace)
{
    const norm_pass p = {t, {.x = g, .mean = zeros, .level = workspace}};
    clade_cpu_range(context, (cpu_range){square_runs, &p, t->runs, 1});
    tree_join(t, &p.columns, 1, 0, 1);
    return math_sqrt(*p.columns.level);
}

static clade_status plan_norm_clip(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    return plan_norm(plan, &args->norm_clip.g, 0);
}

static clade_status norm_clip(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    const clade_norm_clip_args *a = &args->norm_clip;
    const float norm = norm_of(context, plan->state, clade_tensor_host(&a->g), workspace);
    *(float *)clade_tensor_host(&a->norm) = norm;
    *(float *)clade_tensor_host(&a->scale) = optim_clip_scale(norm, a->limit);
    return CLADE_OK;
}

/* ---- the steps ---- */

static void sgd_plain_range(const void *user, size_t first, size_t end)
{
    const clade_sgd_args *a = user;
    const float *restrict g = clade_tensor_host(&a->g);
    float *restrict w = clade_tensor_host(&a->w);
    const float lr = a->lr, decay = a->decay, scale = scale_of(&a->scale);
    for (size_t i = first; i < end; i++) w[i] = sgd_plain(w[i], g[i] * scale, lr, decay);
}

static void sgd_steps_range(const void *user, size_t first, size_t end)
{
    const clade_sgd_args *a = user;
    const float *restrict g = clade_tensor_host(&a->g);
    float *restrict w = clade_tensor_host(&a->w), *restrict v = clade_tensor_host(&a->v);
    const float lr = a->lr, momentum = a->momentum, decay = a->decay, scale = scale_of(&a->scale);
    if (a->nesterov)
        for (size_t i = first; i < end; i++)
            w[i] = sgd_of_steps(w[i], g[i] * scale, &v[i], lr, momentum, 1, decay);
    else
        for (size_t i = first; i < end; i++)
            w[i] = sgd_of_steps(w[i], g[i] * scale, &v[i], lr, momentum, 0, decay);
}

static void sgd_gradients_range(const void *user, size_t first, size_t end)
{
    const clade_sgd_args *a = user;
    const float *restrict g = clade_tensor_host(&a->g);
    float *restrict w = clade_tensor_host(&a->w), *restrict v = clade_tensor_host(&a->v);
    const float lr = a->lr, momentum = a->momentum, decay = a->decay, scale = scale_of(&a->scale);
    if (a->nesterov)
        for (size_t i = first; i < end; i++)
            w[i] = sgd_of_gradients(w[i], g[i] * scale, &v[i], lr, momentum, 1, decay);
    else
        for (size_t i = first; i < end; i++)
            w[i] = sgd_of_gradients(w[i], g[i] * scale, &v[i], lr, momentum, 0, decay);
}

static void rmsprop_range(const void *user, size_t first, size_t end)
{
    const clade_rmsprop_args *a = user;
    const float *restrict g = clade_tensor_host(&a->g);
    float *restrict w = clade_tensor_host(&a->w), *restrict s = clade_tensor_host(&a->s);
    const float lr = a->lr, rho = a->rho, eps = a->eps, decay = a->decay;
    const float scale = scale_of(&a->scale);
    for (size_t i = first; i < end; i++) {
        float step = rmsprop_step(g[i] * scale, &s[i], lr, rho, eps);
        w[i] = optim_decayed(w[i], decay) - step;
    }
}

static void rmsprop_velocity_range(const void *user, size_t first, size_t end)
{
    const clade_rmsprop_args *a = user;
    const float *restrict g = clade_tensor_host(&a->g);
    float *restrict w = clade_tensor_host(&a->w), *restrict s = clade_tensor_host(&a->s);
    float *restrict v = clade_tensor_host(&a->v);
    const float lr = a->lr, rho = a->rho, momentum = a->momentum, eps = a->eps, decay = a->decay;
    const float scale = scale_of(&a->scale);
    for (size_t i = first; i < end; i++) {
        v[i] = FMA(momentum, v[i], rmsprop_step(g[i] * scale, &s[i], lr, rho, eps));
        w[i] = optim_decayed(w[i], decay) - v[i];
    }
}

static void adam_range(const void *user, size_t first, size_t end)
{
    const clade_adam_args *a = user;
    const float *restrict g = clade_tensor_host(&a->g);
    float *restrict w = clade_tensor_host(&a->w), *restrict m = clade_tensor_host(&a->m);
    float *restrict v = clade_tensor_host(&a->v);
    const float lr = a->lr, beta1 = a->beta1, beta2 = a->beta2, eps = a->eps, decay = a->decay;
    const float scale = scale_of(&a->scale);
    for (size_t i = first; i < end; i++)
        w[i] = adam_step(w[i], g[i] * scale, &m[i], &v[i], lr, beta1, beta2, eps, decay);
}

static void lion_range(const void *user, size_t first, size_t end)
{
    const clade_lion_args *a = user;
    const float *restrict g = clade_tensor_host(&a->g);
    float *restrict w = clade_tensor_host(&a->w), *restrict m = clade_tensor_host(&a->m);
    const float lr = a->lr, beta1 = a->beta1, beta2 = a->beta2, decay = a->decay;
    const float scale = scale_of(&a->scale);
    for (size_t i = first; i < end; i++)
        w[i] = lion_step(w[i], g[i] * scale, &m[i], lr, beta1, beta2, decay);
}

typedef struct lamb_pass {
    const clade_lamb_args *args;
    float *r, factor;
} lamb_pass;

static void lamb_directions(const void *user, size_t first, size_t end)
{
    const lamb_pass *p = user;
    const clade_lamb_args *a = p->args;
    const float *restrict g = clade_tensor_host(&a->g), *restrict w = clade_tensor_host(&a->w);
    float *restrict m = clade_tensor_host(&a->m), *restrict v = clade_tensor_host(&a->v);
    float *restrict r = p->r;
    const float beta1 = a->beta1, beta2 = a->beta2, eps = a->eps, decay = a->decay;
    const float m1 = a->m1, v1 = a->v1, scale = scale_of(&a->scale);
    for (size_t i = first; i < end; i++)
        r[i] = lamb_direction(w[i], g[i] * scale, &m[i], &v[i], beta1, beta2, eps, m1, v1, decay);
}

static void lamb_range(const void *user, size_t first, size_t end)
{
    const lamb_pass *p = user;
    const float *restrict r = p->r, factor = p->factor;
    float *restrict w = clade_tensor_host(&p->args->w);
    for (size_t i = first; i < end; i++) w[i] = FMA(-factor, r[i], w[i]);
}

static clade_status sgd(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)plan, (void)workspace;
    const clade_sgd_args *a = &args->sgd;
    void (*const body)(const void *, size_t, size_t) = !clade_tensor_present(&a->v)
                                                           ? sgd_plain_range
                                                       : a->of_gradients ? sgd_gradients_range
                                                                         : sgd_steps_range;
    clade_cpu_range(context, (cpu_range){body, a, clade_tensor_count(&a->w), grain});
    return CLADE_OK;
}

static clade_status rmsprop(void *context, const clade_args *args, const clade_plan *plan,
                            void *workspace)
{
    (void)plan, (void)workspace;
    const clade_rmsprop_args *a = &args->rmsprop;
    bool velocity = clade_tensor_present(&a->v);
    clade_cpu_range(context, (cpu_range){velocity ? rmsprop_velocity_range : rmsprop_range, a,
                                         clade_tensor_count(&a->w), grain});
    return CLADE_OK;
}

static clade_status adam(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)plan, (void)workspace;
    const clade_adam_args *a = &args->adam;
    clade_cpu_range(context, (cpu_range){adam_range, a, clade_tensor_count(&a->w), grain});
    return CLADE_OK;
}

static clade_status lion(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)plan, (void)workspace;
    const clade_lion_args *a = &args->lion;
    clade_cpu_range(context, (cpu_range){lion_range, a, clade_tensor_count(&a->w), grain});
    return CLADE_OK;
}

/* Workspace: the direction r [n], then that of a norm. */
static clade_status plan_lamb(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    return plan_norm(plan, &args->lamb.w, clade_tensor_count(&args->lamb.w));
}

static clade_status lamb(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    const clade_lamb_args *a = &args->lamb;
    const size_t n = clade_tensor_count(&a->w);
    lamb_pass p = {.args = a, .r = workspace};
    clade_cpu_range(context, (cpu_range){lamb_directions, &p, n, grain});
    const float of_w = norm_of(context, plan->state, clade_tensor_host(&a->w), p.r + n);
    const float ratio = lamb_ratio(of_w, norm_of(context, plan->state, p.r, p.r + n));
    *(float *)clade_tensor_host(&a->ratio) = ratio;
    p.factor = a->lr * ratio;
    clade_cpu_range(context, (cpu_range){lamb_range, &p, n, grain});
    return CLADE_OK;
}

void CPU_NAME(optim)(cpu_op *op)
{
    op[CLADE_OP_norm_clip] = (cpu_op){.plan = plan_norm_clip, .run = norm_clip};
    op[CLADE_OP_sgd].run = sgd;
    op[CLADE_OP_rmsprop].run = rmsprop;
    op[CLADE_OP_adam].run = adam;
    op[CLADE_OP_lion].run = lion;
    op[CLADE_OP_lamb] = (cpu_op){.plan = plan_lamb, .run = lamb};
}
