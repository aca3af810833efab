/* Local response normalisation on the CPU: threads share places. */
#include "cpu/cpu.h"

#include "../../kernels/lrn.clh"

enum { grain = 16 }; /* places that a thread takes at once */

typedef struct lrn_job {
    lrn_shape l;
    const float *x, *dy;
    float *out;
    i32 accumulate;
} lrn_job;

/* Runs BODY(k0, k1) for the pieces of places [first, end), which begin at element `at`. */
#define FOR_PIECES(BODY)                                                                           \
    const lrn_job *j = user;                                                                       \
    const i32 c = j->l.c;                                                                          \
    for (size_t at = first * (size_t)c; at < end * (size_t)c; at += (size_t)c)                     \
        for (i32 k = 0; k < c; k += LRN_PIECE) BODY(k, c - k < LRN_PIECE ? c : k + LRN_PIECE)

static void forward(const void *user, size_t first, size_t end)
{
#define BODY(k0, k1) lrn_piece(j->l, j->x + at, j->out + at, k0, k1)
    FOR_PIECES(BODY);
#undef BODY
}

static void backward(const void *user, size_t first, size_t end)
{
#define BODY(k0, k1) lrn_dx_piece(j->l, j->x + at, j->dy + at, j->out + at, k0, k1, j->accumulate)
    FOR_PIECES(BODY);
#undef BODY
}

static lrn_shape shape_of(const clade_tensor *x, int32_t size, float k, float alpha, float beta)
{
    return (lrn_shape){x->dim[x->rank - 1], size, k, math_div(alpha, (float)size), beta};
}

static void run(cpu_context *cpu, const lrn_job *j, const clade_tensor *x,
                void (*body)(const void *user, size_t first, size_t end))
{
    clade_cpu_range(cpu, (cpu_range){body, j, clade_tensor_count(x) / (size_t)j->l.c, grain});
}

static clade_status lrn(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)plan, (void)workspace;
    const clade_lrn_args *a = &args->lrn;
    lrn_job j = {.l = shape_of(&a->x, a->size, a->k, a->alpha, a->beta),
                 .x = clade_tensor_host(&a->x),
                 .out = clade_tensor_host(&a->y)};
    run(context, &j, &a->x, forward);
    return CLADE_OK;
}

static clade_status lrn_dx(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    (void)plan, (void)workspace;
    const clade_lrn_dx_args *a = &args->lrn_dx;
    lrn_job j = {.l = shape_of(&a->x, a->size, a->k, a->alpha, a->beta),
                 .x = clade_tensor_host(&a->x),
                 .dy = clade_tensor_host(&a->dy),
                 .out = clade_tensor_host(&a->dx),
                 .accumulate = a->accumulate};
    run(context, &j, &a->x, backward);
    return CLADE_OK;
}

void CPU_NAME(lrn)(cpu_op *op)
{
    op[CLADE_OP_lrn].run = lrn;
    op[CLADE_OP_lrn_dx].run = lrn_dx;
}
