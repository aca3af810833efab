/* Optimizers on the CPU: the shared steps, vectorised by the compiler, in one pass over the flat
 * buffers. What varies between calls is a constant of each loop. */
#include "cpu/cpu.h"
#include "op/optim.h"

#include "../../kernels/optim.clh"

enum { grain = 16384, chunk_grain = 4 };

static float scale_of(const clade_tensor *scale)
{
    return clade_tensor_present(scale) ? *(const float *)clade_tensor_host(scale) : 1.0f;
}

/* ---- the norm ---- */

typedef struct norm_pass {
    const float *g;
    float *partial;
    size_t n;
} norm_pass;

static float chunk_squares(const float *g, size_t n)
{
    float chain[OPTIM_CHAINS] = {0}, sum = 0;
    size_t i = 0;
    for (; i + OPTIM_CHAINS <= n; i += OPTIM_CHAINS)
        for (size_t l = 0; l < OPTIM_CHAINS; l++) chain[l] = FMA(g[i + l], g[i + l], chain[l]);
    for (size_t l = 0; i + l < n; l++) chain[l] = FMA(g[i + l], g[i + l], chain[l]);
    for (size_t l = 0; l < OPTIM_CHAINS; l++) sum += chain[l];
    return sum;
}

static void norm_chunks(const void *user, size_t first, size_t end)
{
    const norm_pass *p = user;
    for (size_t i = first; i < end; i++) {
        size_t begin = i * CLADE_REDUCE_CHUNK, left = p->n - begin;
        p->partial[i] =
            chunk_squares(p->g + begin, left < CLADE_REDUCE_CHUNK ? left : CLADE_REDUCE_CHUNK);
    }
}

static clade_status plan_norm_clip(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    cpu_reserve(plan, norm_clip_chunks(&args->norm_clip.g));
    return CLADE_OK;
}

static clade_status norm_clip(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    (void)plan;
    const clade_norm_clip_args *a = &args->norm_clip;
    const norm_pass p = {clade_tensor_host(&a->g), workspace, clade_tensor_count(&a->g)};
    const size_t chunks = norm_clip_chunks(&a->g);
    clade_cpu_range(context, (cpu_range){norm_chunks, &p, chunks, chunk_grain});
    float sum = 0;
    for (size_t i = 0; i < chunks; i++) sum += p.partial[i];
    const float norm = math_sqrt(sum);
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
