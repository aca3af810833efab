/* The convolution ops on the CPU: which algorithms there are for each, and where its tensors lie.
 * The fused ops are the plain ones with another epilogue, or with one side pooled. */
#include "cpu/conv.h"
#include "cpu/products.h"
#include "op/conv_norm.h"
#include "op/conv_pool.h"

#ifdef __AVX512BF16__
#define PAIRS(name) &CPU_NAME(name),
#else
#define PAIRS(name)
#endif
/* The first that can is taken; the last one always can. */
static const conv_algorithm *const forward[] = {
    PAIRS(winograd_pairs) PAIRS(direct_pairs) & CPU_NAME(depthwise), &CPU_NAME(winograd),
    &CPU_NAME(pointwise), &CPU_NAME(direct)};
static const conv_algorithm *const backward[] = {PAIRS(winograd_pairs_dx) & CPU_NAME(depthwise_dx),
                                                 &CPU_NAME(winograd_dx), &CPU_NAME(direct_dx)};
static const conv_algorithm *const weights[] = {PAIRS(winograd_pairs_dw) PAIRS(direct_pairs_dw) &
                                                    CPU_NAME(depthwise_dw),
                                                &CPU_NAME(winograd_dw), &CPU_NAME(direct_dw)};

static const conv_algorithm *find(const conv_algorithm *const *table, const conv_problem *p)
{
    while (!(*table)->can(p)) table++;
    return *table;
}

static clade_status choose(const conv_algorithm *const *table, const cpu_context *cpu,
                           const conv_problem *p, clade_plan *plan)
{
    const conv_algorithm *algorithm = find(table, p);
    clade_status status = algorithm->plan(cpu, p, plan);
    if (status) return status;
    plan->algorithm = algorithm->name;
    ((conv_state *)plan->state)->algorithm = algorithm;
    return CLADE_OK;
}

/* An op's plan, and whether it takes tensors of 16 bits, of what problem_OP() makes of it. */
#define CONV_OP(op, table)                                                                         \
    static clade_status plan_##op(void *context, const clade_args *args, clade_plan *plan)         \
    {                                                                                              \
        const conv_problem p = problem_##op(context, args);                                        \
        return choose(table, context, &p, plan);                                                   \
    }                                                                                              \
    static bool halves_##op(const cpu_context *cpu, const clade_args *args)                        \
    {                                                                                              \
        const conv_problem p = problem_##op(cpu, args);                                            \
        return find(table, &p)->halves;                                                            \
    }

static clade_status run(cpu_context *cpu, const clade_plan *plan, const conv_memory *m)
{
    ((const conv_state *)plan->state)->algorithm->run(cpu, plan->state, m);
    return CLADE_OK;
}

/* ---- conv2d ---- */

static conv_problem problem_conv2d(const cpu_context *cpu, const clade_args *args)
{
    const clade_conv2d_args *a = &args->conv2d;
    return (conv_problem){
        .args = {.conv2d = *a},
        .pairs = cpu_takes_pairs(cpu, a->products, a->x.dtype, a->y.dtype),
    };
}
CONV_OP(conv2d, forward)

static clade_status conv2d(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    const clade_conv2d_args *a = &args->conv2d;
    const conv_memory m = {
        .x = clade_tensor_host(&a->x),
        .w = clade_tensor_host(&a->w),
        .y = clade_tensor_host(&a->y),
        .epilogue = {.b = cpu_host(&a->b), .act = a->act, .alpha = a->alpha},
        .workspace = workspace,
    };
    return run(context, plan, &m);
}

/* ---- conv2d_norm ---- */

/* The scale of each channel lies behind what the convolution needs. */
static clade_status plan_conv2d_norm(void *context, const clade_args *args, clade_plan *plan)
{
    const conv_problem p = {.args = {.conv2d = conv_norm_conv(&args->conv2d_norm)}};
    clade_status status = choose(forward, context, &p, plan);
    cpu_reserve(plan, (size_t)args->conv2d_norm.w.dim[3]);
    return status;
}

static clade_status conv2d_norm(void *context, const clade_args *args, const clade_plan *plan,
                                void *workspace)
{
    const clade_conv2d_norm_args *a = &args->conv2d_norm;
    const float *gamma = clade_tensor_host(&a->gamma), *var = clade_tensor_host(&a->var);
    const size_t channels = (size_t)a->w.dim[3];
    float *scale = (float *)workspace + plan->workspace / sizeof *scale - channels;
    for (size_t k = 0; k < channels; k++) scale[k] = math_rsqrt(var[k] + a->eps) * gamma[k];
    const conv_memory m = {
        .x = clade_tensor_host(&a->x),
        .w = clade_tensor_host(&a->w),
        .y = clade_tensor_host(&a->y),
        .epilogue = {.b = cpu_host(&a->b),
                     .mean = clade_tensor_host(&a->mean),
                     .scale = scale,
                     .beta = clade_tensor_host(&a->beta),
                     .z = cpu_host(&a->z),
                     .act = a->act,
                     .alpha = a->alpha},
        .workspace = workspace,
    };
    return run(context, plan, &m);
}

/* ---- conv2d_maxpool ---- */

static conv_problem problem_conv2d_maxpool(const cpu_context *cpu, const clade_args *args)
{
    const clade_conv2d_maxpool_args *a = &args->conv2d_maxpool;
    const conv_geometry g = CONV_GEOMETRY(a);
    return (conv_problem){
        .args = {.conv2d = conv_pool_conv(a, conv_pool_full(&a->x, &a->w, &g))},
        .pooled = true,
        .indexed = clade_tensor_present(&a->index),
        .pairs = cpu_takes_pairs(cpu, a->products, a->x.dtype, a->y.dtype),
    };
}
CONV_OP(conv2d_maxpool, forward)

static clade_status conv2d_maxpool(void *context, const clade_args *args, const clade_plan *plan,
                                   void *workspace)
{
    const clade_conv2d_maxpool_args *a = &args->conv2d_maxpool;
    const conv_memory m = {
        .x = clade_tensor_host(&a->x),
        .w = clade_tensor_host(&a->w),
        .y = clade_tensor_host(&a->y),
        .taken = cpu_host(&a->index),
        .epilogue = {.b = cpu_host(&a->b), .act = a->act},
        .workspace = workspace,
    };
    return run(context, plan, &m);
}

/* ---- the input's gradients ---- */

static conv_problem problem_conv2d_dx(const cpu_context *cpu, const clade_args *args)
{
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    return (conv_problem){
        .args = {.conv2d_dx = *a},
        .pairs = cpu_takes_pairs(cpu, a->products, a->dy.dtype, a->dx.dtype),
    };
}
CONV_OP(conv2d_dx, backward)

static clade_status conv2d_dx(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    const conv_memory m = {.dy = clade_tensor_host(&a->dy),
                           .w = clade_tensor_host(&a->w),
                           .dx = clade_tensor_host(&a->dx),
                           .workspace = workspace};
    return run(context, plan, &m);
}

static conv_problem problem_conv2d_maxpool_dx(const cpu_context *cpu, const clade_args *args)
{
    const clade_conv2d_maxpool_dx_args *a = &args->conv2d_maxpool_dx;
    const conv_geometry g = CONV_GEOMETRY(a);
    return (conv_problem){
        .args = {.conv2d_dx = conv_pool_conv_dx(a, conv_pool_full(&a->dx, &a->w, &g))},
        .pooled = true,
        .pairs = cpu_takes_pairs(cpu, a->products, a->dy.dtype, a->dx.dtype),
    };
}
CONV_OP(conv2d_maxpool_dx, backward)

static clade_status conv2d_maxpool_dx(void *context, const clade_args *args, const clade_plan *plan,
                                      void *workspace)
{
    const clade_conv2d_maxpool_dx_args *a = &args->conv2d_maxpool_dx;
    const conv_memory m = {.dy = clade_tensor_host(&a->dy),
                           .index = clade_tensor_host(&a->index),
                           .w = clade_tensor_host(&a->w),
                           .dx = clade_tensor_host(&a->dx),
                           .workspace = workspace};
    return run(context, plan, &m);
}

/* ---- the weights' gradients ---- */

static conv_problem problem_conv2d_dw(const cpu_context *cpu, const clade_args *args)
{
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    return (conv_problem){
        .args = {.conv2d_dw = *a},
        .pairs = cpu_takes_pairs(cpu, a->products, a->x.dtype, a->dy.dtype),
    };
}
CONV_OP(conv2d_dw, weights)

static clade_status conv2d_dw(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    const conv_memory m = {.x = clade_tensor_host(&a->x),
                           .dy = clade_tensor_host(&a->dy),
                           .dw = clade_tensor_host(&a->dw),
                           .db = cpu_host(&a->db),
                           .workspace = workspace};
    return run(context, plan, &m);
}

static conv_problem problem_conv2d_maxpool_dw(const cpu_context *cpu, const clade_args *args)
{
    const clade_conv2d_maxpool_dw_args *a = &args->conv2d_maxpool_dw;
    const conv_geometry g = CONV_GEOMETRY(a);
    conv_problem p = {
        .args = {.conv2d_dw = conv_pool_conv_dw(a, conv_pool_full(&a->x, &a->dw, &g))},
        .pooled = true,
        .pairs = cpu_takes_pairs(cpu, a->products, a->x.dtype, a->dy.dtype),
    };
    p.args.conv2d_dw.dy.dtype = a->dy.dtype;
    return p;
}
CONV_OP(conv2d_maxpool_dw, weights)

static clade_status conv2d_maxpool_dw(void *context, const clade_args *args, const clade_plan *plan,
                                      void *workspace)
{
    const clade_conv2d_maxpool_dw_args *a = &args->conv2d_maxpool_dw;
    const conv_memory m = {.x = clade_tensor_host(&a->x),
                           .dy = clade_tensor_host(&a->dy),
                           .index = clade_tensor_host(&a->index),
                           .dw = clade_tensor_host(&a->dw),
                           .db = cpu_host(&a->db),
                           .workspace = workspace};
    return run(context, plan, &m);
}

void CPU_NAME(conv)(cpu_op *op)
{
#define SET(name)                                                                                  \
    op[CLADE_OP_##name] = (cpu_op){.plan = plan_##name, .run = name, .halves = halves_##name}
    SET(conv2d);
    SET(conv2d_maxpool);
    SET(conv2d_dx);
    SET(conv2d_maxpool_dx);
    SET(conv2d_dw);
    SET(conv2d_maxpool_dw);
#undef SET
    op[CLADE_OP_conv2d_norm] = (cpu_op){.plan = plan_conv2d_norm, .run = conv2d_norm};
}
