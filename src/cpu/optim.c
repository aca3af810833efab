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

static clade_status plan_norm_clip(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    enum { most_runs = 64 };
    cpu_tree *t = clade_cpu_state(plan, sizeof *t);
    if (!t) return CLADE_ENOMEM;
    *t = cpu_tree_of((int64_t)clade_tensor_count(&args->norm_clip.g), 1, most_runs);
    cpu_reserve(plan, cpu_product(t->runs, cpu_tree_floats(t, 1)));
    return CLADE_OK;
}

static clade_status norm_clip(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    const clade_norm_clip_args *a = &args->norm_clip;
    const cpu_tree *t = plan->state;
    const norm_pass p = {t, {.x = clade_tensor_host(&a->g), .mean = zeros, .level = workspace}};
    clade_cpu_range(context, (cpu_range){square_runs, &p, t->runs, 1});
    tree_join(t, &p.columns, 1, 0, 1);
    const float norm = math_sqrt(*p.columns.level);
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

static void sgd_velocity_range(const void *user, size_t first, size_t end)
{
    const clade_sgd_args *a = user;
    const float *restrict g = clade_tensor_host(&a->g);
    float *restrict w = clade_tensor_host(&a->w), *restrict v = clade_tensor_host(&a->v);
    const float lr = a->lr, momentum = a->momentum, decay = a->decay, scale = scale_of(&a->scale);
    if (a->nesterov)
        for (size_t i = first; i < end; i++)
            w[i] = sgd_momentum(w[i], g[i] * scale, &v[i], lr, momentum, 1, decay);
    else
        for (size_t i = first; i < end; i++)
            w[i] = sgd_momentum(w[i], g[i] * scale, &v[i], lr, momentum, 0, decay);
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

static clade_status sgd(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)plan, (void)workspace;
    const clade_sgd_args *a = &args->sgd;
    bool velocity = clade_tensor_present(&a->v);
    clade_cpu_range(context, (cpu_range){velocity ? sgd_velocity_range : sgd_plain_range, a,
                                         clade_tensor_count(&a->w), grain});
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

void CPU_NAME(optim)(clade_op_slot *slot)
{
    slot[CLADE_OP_norm_clip] = (clade_op_slot){plan_norm_clip, norm_clip};
    slot[CLADE_OP_sgd].run = sgd;
    slot[CLADE_OP_rmsprop].run = rmsprop;
    slot[CLADE_OP_adam].run = adam;
}
