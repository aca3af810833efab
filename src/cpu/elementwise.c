/* elementwise on the CPU: rows, along which an operand is contiguous or one number. */
#include "cpu/broadcast.h"

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

static clade_status add(void *context, const clade_add_args *p, void *workspace)
{
    (void)workspace;
    broadcast_job job = {.row = add_row, .alpha = p->alpha, .beta = p->beta};
    return run_broadcast(context, job, &p->y, &p->a, &p->b);
}

static clade_status mul(void *context, const clade_mul_args *p, void *workspace)
{
    (void)workspace;
    return run_broadcast(context, (broadcast_job){.row = mul_row}, &p->y, &p->a, &p->b);
}

/* target = factor Σ dy, or Σ dy other. */
static clade_status gradient(cpu_context *cpu, const clade_tensor *dy, const clade_tensor *other,
                             float factor, const clade_tensor *target, int32_t accumulate,
                             float *workspace)
{
    if (!clade_tensor_present(target)) return CLADE_OK;
    if (clade_tensor_count(target) < clade_tensor_count(dy))
        return CPU_NAME(sum)(cpu, dy, other, target, factor, accumulate, workspace);
    broadcast_job job = {
        .row = other ? product_row : scale_row, .alpha = factor, .accumulate = accumulate};
    return run_broadcast(cpu, job, target, dy, other);
}

static clade_status add_dx(void *context, const clade_add_dx_args *p, void *workspace)
{
    clade_status status =
        gradient(context, &p->dy, NULL, p->alpha, &p->da, p->accumulate, workspace);
    return status ? status
                  : gradient(context, &p->dy, NULL, p->beta, &p->db, p->accumulate, workspace);
}

static clade_status mul_dx(void *context, const clade_mul_dx_args *p, void *workspace)
{
    clade_status status = gradient(context, &p->dy, &p->b, 1, &p->da, p->accumulate, workspace);
    return status ? status : gradient(context, &p->dy, &p->a, 1, &p->db, p->accumulate, workspace);
}

void CPU_NAME(elementwise)(cpu_table *table);
void CPU_NAME(elementwise)(cpu_table *table)
{
    table->add = add;
    table->add_dx = add_dx;
    table->mul = mul;
    table->mul_dx = mul_dx;
}
