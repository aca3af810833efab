/* Batch normalisation on the CPU: threads share the runs of sums, then blocks of rows. */
#include "cpu/tree.h"

/* Rows of [m, c], and where the workspace has what: one or two sets of the runs' sums, then up to
 * three values per channel. */
typedef struct norm_plan {
    cpu_tree tree;
    int64_t m;
    int32_t c;
    size_t channel; /* where the first channel's values begin */
} norm_plan;

/* Everything that a pass reads and writes; what it has no use for is NULL. */
typedef struct pass {
    norm_plan l;
    const float *x, *dy, *mean, *beta;
    const float *scale, *shift, *slope; /* per channel */
    float *partial, *out;
    int32_t accumulate;
} pass;

/* ---- sums ---- */

/* A pass and the mean of each column. */
typedef struct sum_pass {
    const cpu_tree *tree;
    cpu_columns columns;
} sum_pass;

#define RUNS(name, what)                                                                           \
    static void name(const void *user, size_t first, size_t end)                                   \
    {                                                                                              \
        const sum_pass *p = user;                                                                  \
        for (size_t run = first; run < end; run++)                                                 \
            tree_run(p->tree, &p->columns, run, 0, p->tree->c, what);                              \
    }
RUNS(sum_runs, NORM_PLAIN)
RUNS(square_runs, NORM_SQUARES)
RUNS(gradient_runs, NORM_SLOPES)

/* The sums of all channels, a set or two of them, each at the begin of its set. */
static void run_sums(cpu_context *cpu, const pass *p, size_t sets,
                     void (*body)(const void *user, size_t first, size_t end))
{
    float wide[tree_most_width];
    const cpu_tree *t = &p->l.tree;
    sum_pass s = {t, {.x = p->x, .dy = p->dy, .mean = p->mean, .level = p->partial}};
    if (t->lanes > 1 && p->mean) {
        tree_widen(t, p->mean, wide);
        s.columns.mean = wide;
    }
    clade_cpu_range(cpu, (cpu_range){body, &s, t->runs, 1});
    tree_join(t, &s.columns, sets, 0, t->c);
}

/* ---- elements ---- */

/* Runs BODY(k, lanes) for each row and each vector of channels; `at` is the row's first element. */
#define FOR_ROWS(BODY)                                                                             \
    const pass *p = user;                                                                          \
    const size_t c = (size_t)p->l.c;                                                               \
    const int32_t accumulate = p->accumulate;                                                      \
    (void)accumulate;                                                                              \
    for (size_t at = first * c; at < end * c; at += c) FOR_LANES(p->l.c, BODY)

static void apply_rows(const void *user, size_t first, size_t end)
{
#define BODY(k, lanes)                                                                             \
    LANES_STORE(p->out + at + (k),                                                                 \
                norm_y(LANES_LOAD(p->x + at + (k), lanes), LANES_LOAD(p->mean + (k), lanes),       \
                       LANES_LOAD(p->scale + (k), lanes), LANES_LOAD(p->beta + (k), lanes)),       \
                lanes)
    FOR_ROWS(BODY);
#undef BODY
}

static void apply_dx_rows(const void *user, size_t first, size_t end)
{
#define BODY(k, lanes)                                                                             \
    lanes_put(p->out + at + (k),                                                                   \
              norm_dx(LANES_LOAD(p->x + at + (k), lanes), LANES_LOAD(p->dy + at + (k), lanes),     \
                      LANES_LOAD(p->mean + (k), lanes), LANES_LOAD(p->scale + (k), lanes),         \
                      LANES_LOAD(p->shift + (k), lanes), LANES_LOAD(p->slope + (k), lanes)),       \
              accumulate, lanes)
    FOR_ROWS(BODY);
#undef BODY
}

static void apply_infer_dx_rows(const void *user, size_t first, size_t end)
{
#define BODY(k, lanes)                                                                             \
    lanes_put(p->out + at + (k),                                                                   \
              LANES_LOAD(p->dy + at + (k), lanes) * LANES_LOAD(p->scale + (k), lanes), accumulate, \
              lanes)
    FOR_ROWS(BODY);
#undef BODY
}

static void run_rows(cpu_context *cpu, const pass *p,
                     void (*body)(const void *user, size_t first, size_t end))
{
    enum { block = 16384 };
    size_t grain = p->l.c >= block ? 1 : (size_t)(block / p->l.c);
    clade_cpu_range(cpu, (cpu_range){body, p, (size_t)p->l.m, grain});
}

/* ---- ops ---- */

/* Plans an op on x that needs `sets` sets of sums and `values` of each channel. */
static clade_status plan_norm(const clade_tensor *x, size_t sets, size_t values, clade_plan *plan)
{
    norm_plan *l = clade_cpu_state(plan, sizeof *l);
    if (!l) return CLADE_ENOMEM;
    enum { most_runs = 64 }; /* for many threads, and few to be added by one */
    size_t c = (size_t)x->dim[x->rank - 1];
    l->c = (int32_t)c;
    l->m = (int64_t)(clade_tensor_count(x) / c);
    l->tree = cpu_tree_of(l->m, c, most_runs);
    cpu_reserve(plan, sets ? cpu_product(l->tree.runs, cpu_tree_floats(&l->tree, sets)) : 0);
    l->channel = cpu_reserve(plan, values * c);
    return CLADE_OK;
}

static clade_status plan_batchnorm(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    return plan_norm(&args->batchnorm.x, 1, 1, plan);
}

static clade_status plan_batchnorm_dx(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    return plan_norm(&args->batchnorm_dx.x, 2, 3, plan);
}

static clade_status plan_batchnorm_sum(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    return plan_norm(&args->batchnorm_sum.x, 1, 0, plan);
}

static clade_status plan_batchnorm_sync_dx(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    return plan_norm(&args->batchnorm_sync_dx.x, 0, 2, plan);
}

static clade_status plan_batchnorm_infer(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    return plan_norm(&args->batchnorm_infer.x, 0, 1, plan);
}

static clade_status plan_batchnorm_infer_dx(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const clade_batchnorm_infer_dx_args *a = &args->batchnorm_infer_dx;
    bool sums = clade_tensor_present(&a->dgamma) || clade_tensor_present(&a->dbeta);
    return plan_norm(&a->x, sums ? 2 : 0, clade_tensor_present(&a->dx), plan);
}

static clade_status batchnorm(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    const clade_batchnorm_args *a = &args->batchnorm;
    const float *gamma = clade_tensor_host(&a->gamma);
    float *mean = clade_tensor_host(&a->mean), *rstd = clade_tensor_host(&a->rstd);
    float *running_mean = clade_tensor_host(&a->running_mean);
    float *running_var = clade_tensor_host(&a->running_var);
    pass p = {.l = *(const norm_plan *)plan->state,
              .x = cpu_host(&a->x),
              .mean = mean,
              .beta = cpu_host(&a->beta),
              .partial = workspace,
              .out = clade_tensor_host(&a->y)};
    const size_t c = (size_t)p.l.c;
    const float m = (float)p.l.m, kept = a->unbiased && p.l.m > 1 ? (float)(p.l.m - 1) : m;
    float *scale = p.partial + p.l.channel;
    p.scale = scale;
    const float *total = p.partial;
    run_sums(context, &p, 1, sum_runs);
    for (size_t k = 0; k < c; k++) mean[k] = math_div(total[k], m);
    run_sums(context, &p, 1, square_runs);
    for (size_t k = 0; k < c; k++) {
        float squares = total[k];
        rstd[k] = math_rsqrt(math_div(squares, m) + a->eps);
        running_mean[k] = norm_running(a->momentum, running_mean[k], mean[k]);
        running_var[k] = norm_running(a->momentum, running_var[k], math_div(squares, kept));
        scale[k] = rstd[k] * gamma[k];
    }
    run_rows(context, &p, apply_rows);
    return CLADE_OK;
}

static clade_status batchnorm_dx(void *context, const clade_args *args, const clade_plan *plan,
                                 void *workspace)
{
    const clade_batchnorm_dx_args *a = &args->batchnorm_dx;
    const float *gamma = clade_tensor_host(&a->gamma), *rstd = clade_tensor_host(&a->rstd);
    float *dgamma = clade_tensor_host(&a->dgamma), *dbeta = clade_tensor_host(&a->dbeta);
    pass p = {.l = *(const norm_plan *)plan->state,
              .x = cpu_host(&a->x),
              .dy = cpu_host(&a->dy),
              .mean = cpu_host(&a->mean),
              .partial = workspace,
              .out = clade_tensor_host(&a->dx),
              .accumulate = a->accumulate};
    float *scale = p.partial + p.l.channel, *shift = scale + p.l.c, *slope = shift + p.l.c;
    p.scale = scale, p.shift = shift, p.slope = slope;
    const float *total = p.partial, *product = total + p.l.tree.width;
    run_sums(context, &p, 2, gradient_runs);
    for (size_t k = 0; k < (size_t)p.l.c; k++) {
        float db = total[k], dg = rstd[k] * product[k];
        norm_slopes s = norm_slopes_of(gamma[k], rstd[k], dg, db, (u64)p.l.m);
        scale[k] = s.scale, shift[k] = s.shift, slope[k] = s.slope;
        dgamma[k] = a->accumulate ? dgamma[k] + dg : dg;
        dbeta[k] = a->accumulate ? dbeta[k] + db : db;
    }
    run_rows(context, &p, apply_dx_rows);
    return CLADE_OK;
}

static clade_status batchnorm_sum(void *context, const clade_args *args, const clade_plan *plan,
                                  void *workspace)
{
    const clade_batchnorm_sum_args *a = &args->batchnorm_sum;
    float *sum = clade_tensor_host(&a->sum);
    pass p = {.l = *(const norm_plan *)plan->state,
              .x = cpu_host(&a->x),
              .mean = cpu_host(&a->mean),
              .partial = workspace};
    run_sums(context, &p, 1, p.mean ? square_runs : sum_runs);
    memcpy(sum, p.partial, (size_t)p.l.c * sizeof *sum);
    return CLADE_OK;
}

static clade_status batchnorm_sync_dx(void *context, const clade_args *args, const clade_plan *plan,
                                      void *workspace)
{
    const clade_batchnorm_sync_dx_args *a = &args->batchnorm_sync_dx;
    const float *gamma = clade_tensor_host(&a->gamma), *var = clade_tensor_host(&a->var);
    const float *means = clade_tensor_host(&a->means);
    pass p = {.l = *(const norm_plan *)plan->state,
              .x = cpu_host(&a->x),
              .dy = cpu_host(&a->dy),
              .mean = cpu_host(&a->mean),
              .partial = workspace,
              .out = clade_tensor_host(&a->dx),
              .accumulate = a->accumulate};
    const size_t c = (size_t)p.l.c;
    float *scale = p.partial + p.l.channel, *slope = scale + c;
    p.scale = scale, p.slope = slope, p.shift = means + c;
    for (size_t k = 0; k < c; k++) {
        float rstd = math_rsqrt(var[k] + a->eps);
        scale[k] = rstd * gamma[k];
        slope[k] = means[k] * rstd;
    }
    run_rows(context, &p, apply_dx_rows);
    return CLADE_OK;
}

/* Each channel's scale into the workspace. */
static const float *scales(const pass *p, const clade_tensor *gamma, const clade_tensor *var,
                           float eps)
{
    const float *g = clade_tensor_host(gamma), *v = clade_tensor_host(var);
    float *scale = p->partial + p->l.channel;
    for (size_t k = 0; k < (size_t)p->l.c; k++) scale[k] = math_rsqrt(v[k] + eps) * g[k];
    return scale;
}

static clade_status batchnorm_infer(void *context, const clade_args *args, const clade_plan *plan,
                                    void *workspace)
{
    const clade_batchnorm_infer_args *a = &args->batchnorm_infer;
    pass p = {.l = *(const norm_plan *)plan->state,
              .x = cpu_host(&a->x),
              .mean = cpu_host(&a->mean),
              .beta = cpu_host(&a->beta),
              .partial = workspace,
              .out = clade_tensor_host(&a->y)};
    p.scale = scales(&p, &a->gamma, &a->var, a->eps);
    run_rows(context, &p, apply_rows);
    return CLADE_OK;
}

static clade_status batchnorm_infer_dx(void *context, const clade_args *args,
                                       const clade_plan *plan, void *workspace)
{
    const clade_batchnorm_infer_dx_args *a = &args->batchnorm_infer_dx;
    const float *var = clade_tensor_host(&a->var);
    pass p = {.l = *(const norm_plan *)plan->state,
              .x = cpu_host(&a->x),
              .dy = cpu_host(&a->dy),
              .mean = cpu_host(&a->mean),
              .partial = workspace,
              .accumulate = a->accumulate};
    float *dgamma = cpu_host(&a->dgamma);
    float *dbeta = cpu_host(&a->dbeta);
    const float *total = p.partial, *product = total + p.l.tree.width;
    if (dgamma || dbeta) run_sums(context, &p, 2, gradient_runs);
    for (size_t k = 0; dgamma && k < (size_t)p.l.c; k++) {
        float dg = math_rsqrt(var[k] + a->eps) * product[k];
        dgamma[k] = a->accumulate ? dgamma[k] + dg : dg;
    }
    for (size_t k = 0; dbeta && k < (size_t)p.l.c; k++) {
        dbeta[k] = a->accumulate ? dbeta[k] + total[k] : total[k];
    }
    if (!clade_tensor_present(&a->dx)) return CLADE_OK;
    p.out = clade_tensor_host(&a->dx);
    p.scale = scales(&p, &a->gamma, &a->var, a->eps);
    run_rows(context, &p, apply_infer_dx_rows);
    return CLADE_OK;
}

void CPU_NAME(norm)(cpu_op *op)
{
    op[CLADE_OP_batchnorm] = (cpu_op){.plan = plan_batchnorm, .run = batchnorm};
    op[CLADE_OP_batchnorm_dx] = (cpu_op){.plan = plan_batchnorm_dx, .run = batchnorm_dx};
    op[CLADE_OP_batchnorm_sum] = (cpu_op){.plan = plan_batchnorm_sum, .run = batchnorm_sum};
    op[CLADE_OP_batchnorm_sync_dx] =
        (cpu_op){.plan = plan_batchnorm_sync_dx, .run = batchnorm_sync_dx};
    op[CLADE_OP_batchnorm_infer] = (cpu_op){.plan = plan_batchnorm_infer, .run = batchnorm_infer};
    op[CLADE_OP_batchnorm_infer_dx] =
        (cpu_op){.plan = plan_batchnorm_infer_dx, .run = batchnorm_infer_dx};
}
