/* elementwise on the CPU: rows, along which an operand is contiguous or one number. */
#include "cpu/broadcast.h"

#include "../../kernels/elementwise.clh"

/* Runs LOOP(A, B) with what the row's elements of both operands are. */
#define FOUR_WAYS(LOOP)                                                                            \
    do {                                                                                           \
        const float a0 = *a, b0 = *b;                                                              \
        const bool many_a = job->space.a[3] != 0, many_b = job->space.b[3] != 0;                   \
        if (many_a && many_b)                                                                      \
            LOOP(a[k], b[k]);                                                                      \
        else if (many_a)                                                                           \
            LOOP(a[k], b0);                                                                        \
        else if (many_b)                                                                           \
            LOOP(a0, b[k]);                                                                        \
        else                                                                                       \
            LOOP(a0, b0);                                                                          \
    } while (0)

static void add_row(const broadcast_job *job, float *y, const float *a, const float *b, size_t n)
{
    const float alpha = job->alpha, beta = job->beta;
#define LOOP(A, B) EACH_ALONE for (size_t k = 0; k < n; k++) y[k] = FMA(alpha, A, beta * (B))
    FOUR_WAYS(LOOP);
#undef LOOP
}

static void mul_row(const broadcast_job *job, float *y, const float *a, const float *b, size_t n)
{
#define LOOP(A, B) EACH_ALONE for (size_t k = 0; k < n; k++) y[k] = (A) * (B)
    FOUR_WAYS(LOOP);
#undef LOOP
}

/* A sum of one product: from 0. */
static void product_row(const broadcast_job *job, float *y, const float *a, const float *b,
                        size_t n)
{
#define LOOP(A, B) EACH_ALONE for (size_t k = 0; k < n; k++) y[k] = 0.0f + (A) * (B)
#define LOOP_ADDING(A, B) EACH_ALONE for (size_t k = 0; k < n; k++) y[k] += 0.0f + (A) * (B)
    if (job->accumulate)
        FOUR_WAYS(LOOP_ADDING);
    else
        FOUR_WAYS(LOOP);
#undef LOOP
#undef LOOP_ADDING
}

/* A sum of one element: from 0. */
static void scale_row(const broadcast_job *job, float *y, const float *a, const float *b, size_t n)
{
    (void)b;
    const float alpha = job->alpha;
    if (job->accumulate)
        EACH_ALONE for (size_t k = 0; k < n; k++) y[k] += alpha * (0.0f + a[k]);
    else
        EACH_ALONE for (size_t k = 0; k < n; k++) y[k] = alpha * (0.0f + a[k]);
}

/* a: x, b: alpha. */
static void prelu_row(const broadcast_job *job, float *y, const float *a, const float *b, size_t n)
{
#define LOOP(A, B) EACH_ALONE for (size_t k = 0; k < n; k++) y[k] = PRELU(A, B, A)
    FOUR_WAYS(LOOP);
#undef LOOP
}

/* The same, `same` being dy. */
static void prelu_dx_row(const broadcast_job *job, float *y, const float *a, const float *b,
                         size_t n)
{
    const float *dy = job->same + (y - job->y);
#define LOOP(A, B) EACH_ALONE for (size_t k = 0; k < n; k++) y[k] = PRELU(A, B, dy[k])
#define LOOP_ADDING(A, B) EACH_ALONE for (size_t k = 0; k < n; k++) y[k] += PRELU(A, B, dy[k])
    if (job->accumulate)
        FOUR_WAYS(LOOP_ADDING);
    else
        FOUR_WAYS(LOOP);
#undef LOOP
#undef LOOP_ADDING
}

static clade_status plan_add(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const clade_add_args *p = &args->add;
    broadcast_job job = {.row = add_row, .alpha = p->alpha, .beta = p->beta};
    return plan_broadcast(job, &p->y, &p->a, &p->b, plan);
}

static clade_status add(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)workspace;
    const clade_add_args *p = &args->add;
    return run_broadcast(context, *(const broadcast_job *)plan->state, &p->y, &p->a, &p->b);
}

static clade_status plan_mul(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const clade_mul_args *p = &args->mul;
    return plan_broadcast((broadcast_job){.row = mul_row}, &p->y, &p->a, &p->b, plan);
}

static clade_status mul(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)workspace;
    const clade_mul_args *p = &args->mul;
    return run_broadcast(context, *(const broadcast_job *)plan->state, &p->y, &p->a, &p->b);
}

/* target = factor Σ dy, or Σ dy other, unless it is absent; the sum is one of single elements where
 * the target has dy's shape. */
typedef struct gradient_plan {
    bool summed;
    sum_job sum;
    broadcast_job each;
} gradient_plan;

/* The gradients of both operands; the workspace serves one after the other. */
typedef struct gradients_plan {
    gradient_plan da, db;
} gradients_plan;

static void plan_gradient(const clade_tensor *dy, const clade_tensor *other, float factor,
                          const clade_tensor *target, int32_t accumulate, gradient_plan *g,
                          clade_plan *plan)
{
    if (!clade_tensor_present(target)) return;
    g->summed = clade_tensor_count(target) < clade_tensor_count(dy);
    if (g->summed) {
        g->sum = CPU_NAME(plan_sum)(dy, other, target, factor, accumulate);
        size_t bytes = CPU_NAME(sum_workspace)(&g->sum);
        if (bytes > plan->workspace) plan->workspace = bytes;
        return;
    }
    g->each = (broadcast_job){
        .row = other ? product_row : scale_row, .alpha = factor, .accumulate = accumulate};
    clade_broadcast_space(target, dy, other, &g->each.space);
}

static void run_gradient(cpu_context *cpu, const gradient_plan *g, const clade_tensor *dy,
                         const clade_tensor *other, const clade_tensor *target, float *workspace)
{
    if (!clade_tensor_present(target)) return;
    if (!g->summed) {
        run_broadcast(cpu, g->each, target, dy, other);
        return;
    }
    sum_job job = g->sum;
    job.x = clade_tensor_host(dy);
    job.b = other ? clade_tensor_host(other) : NULL;
    job.target = clade_tensor_host(target);
    job.part = workspace;
    CPU_NAME(sum)(cpu, &job);
}

static clade_status plan_add_dx(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const clade_add_dx_args *p = &args->add_dx;
    gradients_plan *g = clade_cpu_state(plan, sizeof *g);
    if (!g) return CLADE_ENOMEM;
    plan_gradient(&p->dy, NULL, p->alpha, &p->da, p->accumulate, &g->da, plan);
    plan_gradient(&p->dy, NULL, p->beta, &p->db, p->accumulate, &g->db, plan);
    return CLADE_OK;
}

static clade_status add_dx(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    const clade_add_dx_args *p = &args->add_dx;
    const gradients_plan *g = plan->state;
    run_gradient(context, &g->da, &p->dy, NULL, &p->da, workspace);
    run_gradient(context, &g->db, &p->dy, NULL, &p->db, workspace);
    return CLADE_OK;
}

static clade_status plan_mul_dx(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const clade_mul_dx_args *p = &args->mul_dx;
    gradients_plan *g = clade_cpu_state(plan, sizeof *g);
    if (!g) return CLADE_ENOMEM;
    plan_gradient(&p->dy, &p->b, 1, &p->da, p->accumulate, &g->da, plan);
    plan_gradient(&p->dy, &p->a, 1, &p->db, p->accumulate, &g->db, plan);
    return CLADE_OK;
}

static clade_status mul_dx(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    const clade_mul_dx_args *p = &args->mul_dx;
    const gradients_plan *g = plan->state;
    run_gradient(context, &g->da, &p->dy, &p->b, &p->da, workspace);
    run_gradient(context, &g->db, &p->dy, &p->a, &p->db, workspace);
    return CLADE_OK;
}

static clade_status plan_prelu(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const clade_prelu_args *p = &args->prelu;
    return plan_broadcast((broadcast_job){.row = prelu_row}, &p->y, &p->x, &p->alpha, plan);
}

static clade_status prelu(void *context, const clade_args *args, const clade_plan *plan,
                          void *workspace)
{
    (void)workspace;
    const clade_prelu_args *p = &args->prelu;
    return run_broadcast(context, *(const broadcast_job *)plan->state, &p->y, &p->x, &p->alpha);
}

typedef struct prelu_dx_plan {
    broadcast_job dx;
    sum_job dalpha;
} prelu_dx_plan;

static clade_status plan_prelu_dx(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const clade_prelu_dx_args *p = &args->prelu_dx;
    prelu_dx_plan *state = clade_cpu_state(plan, sizeof *state);
    if (!state) return CLADE_ENOMEM;
    state->dx = (broadcast_job){.row = prelu_dx_row, .accumulate = p->accumulate};
    clade_broadcast_space(&p->x, &p->x, &p->alpha, &state->dx.space);
    if (!clade_tensor_present(&p->dalpha)) return CLADE_OK;
    state->dalpha = CPU_NAME(plan_sum)(&p->dy, &p->x, &p->dalpha, 1, p->accumulate);
    state->dalpha.below = true;
    plan->workspace = CPU_NAME(sum_workspace)(&state->dalpha);
    return CLADE_OK;
}

static clade_status prelu_dx(void *context, const clade_args *args, const clade_plan *plan,
                             void *workspace)
{
    const clade_prelu_dx_args *p = &args->prelu_dx;
    prelu_dx_plan state = *(const prelu_dx_plan *)plan->state;
    state.dx.same = state.dalpha.x = clade_tensor_host(&p->dy);
    if (clade_tensor_present(&p->dx)) run_broadcast(context, state.dx, &p->dx, &p->x, &p->alpha);
    if (!clade_tensor_present(&p->dalpha)) return CLADE_OK;
    state.dalpha.b = clade_tensor_host(&p->x);
    state.dalpha.target = clade_tensor_host(&p->dalpha);
    state.dalpha.part = workspace;
    CPU_NAME(sum)(context, &state.dalpha);
    return CLADE_OK;
}

void CPU_NAME(elementwise)(cpu_op *op)
{
    op[CLADE_OP_add] = (cpu_op){.plan = plan_add, .run = add};
    op[CLADE_OP_add_dx] = (cpu_op){.plan = plan_add_dx, .run = add_dx};
    op[CLADE_OP_mul] = (cpu_op){.plan = plan_mul, .run = mul};
    op[CLADE_OP_mul_dx] = (cpu_op){.plan = plan_mul_dx, .run = mul_dx};
    op[CLADE_OP_prelu] = (cpu_op){.plan = plan_prelu, .run = prelu};
    op[CLADE_OP_prelu_dx] = (cpu_op){.plan = plan_prelu_dx, .run = prelu_dx};
}
