/* loss on the CPU: the shared bodies, threads sharing rows. */
#include "cpu/cpu.h"

#include "../../kernels/loss.clh"

/* Rows in blocks of about this many scores, for which an exponential or more is computed. */
enum { block = 2048 };

/* An op's rows of c scores and what belongs to each. */
typedef struct rows {
    const float *x, *target, *dloss, *dense, *weights;
    const int32_t *label;
    float *y, *loss, *slope;
    size_t c;
    float smoothing, gamma, alpha, delta;
    int accumulate;
} rows;

static rows rows_of(const clade_tensor *x)
{
    return (rows){.x = clade_tensor_host(x), .c = (size_t)x->dim[x->rank - 1]};
}

static void set_label(rows *r, const clade_tensor *label, float smoothing)
{
    if (label->dtype == CLADE_I32)
        r->label = clade_tensor_host(label);
    else
        r->dense = clade_tensor_host(label);
    r->smoothing = smoothing;
}

static clade_status run_rows(cpu_context *cpu, const rows *r, const clade_tensor *x,
                             void (*body)(const void *user, size_t first, size_t end))
{
    size_t grain = r->c < block ? block / r->c : 1;
    clade_cpu_range(cpu, (cpu_range){body, r, clade_tensor_count(x) / r->c, grain});
    return CLADE_OK;
}

/* Defines NAME_rows, which does what is given for each row i that begins at element `at`. */
#define ROWS(name, ...)                                                                            \
    static void name##_rows(const void *user, size_t first, size_t end)                            \
    {                                                                                              \
        const rows *r = user;                                                                      \
        const int c = (int)r->c;                                                                   \
        for (size_t i = first, at = i * r->c; i < end; i++, at += r->c) __VA_ARGS__;               \
    }
#define CLASS (r->label ? r->label[i] : 0)
#define DENSE (r->dense ? r->dense + at : NULL)

ROWS(softmax, softmax_row(r->x + at, r->y + at, c, loss_max(r->x + at, c, 0), 0))
ROWS(softmax_dx, softmax_dx_row(r->x + at, r->target + at, r->y + at, c, r->accumulate, 0))
ROWS(log_softmax, log_softmax_row(r->x + at, r->y + at, c, 0))
ROWS(log_softmax_dx, log_softmax_dx_row(r->x + at, r->target + at, r->y + at, c, r->accumulate, 0))
ROWS(xent, {
    r->loss[i] = xent_row(r->x + at, CLASS, DENSE, r->y + at, c, r->smoothing, 0);
    if (r->slope)
        xent_dx_row(r->y + at, CLASS, DENSE, r->dloss[i], r->slope + at, c, r->smoothing, 0, 0);
})
ROWS(xent_dx, xent_dx_row(r->x + at, CLASS, DENSE, r->dloss[i], r->y + at, c, r->smoothing,
                          r->accumulate, 0))
ROWS(bce, {
    r->loss[i] = bce_row(r->x + at, CLASS, DENSE, r->y + at, c, r->smoothing, 0);
    if (r->slope)
        bce_dx_row(r->y + at, CLASS, DENSE, r->dloss[i], r->slope + at, c, r->smoothing, 0);
})
ROWS(bce_dx,
     bce_dx_row(r->x + at, CLASS, DENSE, r->dloss[i], r->y + at, c, r->smoothing, r->accumulate))
ROWS(focal, r->loss[i] = focal_row(r->x + at, CLASS, DENSE, r->y + at, c, r->gamma, r->alpha,
                                   r->smoothing, 0))
ROWS(focal_dx, focal_dx_row(r->x + at, CLASS, DENSE, r->dloss[i], r->y + at, c, r->gamma, r->alpha,
                            r->smoothing, r->accumulate, 0))
ROWS(focal_bce, r->loss[i] = focal_bce_row(r->x + at, CLASS, DENSE, r->weights, r->y + at, c, c,
                                           r->gamma, r->alpha, r->smoothing, 0))
ROWS(focal_bce_dx, focal_bce_dx_row(r->x + at, CLASS, DENSE, r->weights, r->dloss[i], r->y + at, c,
                                    c, r->gamma, r->alpha, r->smoothing, r->accumulate))
ROWS(mse, r->loss[i] = mse_row(r->x + at, r->target + at, c, 0))
ROWS(mse_dx, mse_dx_row(r->x + at, r->target + at, r->dloss[i], r->y + at, c, r->accumulate))
ROWS(mae, r->loss[i] = mae_row(r->x + at, r->target + at, c, 0))
ROWS(mae_dx, mae_dx_row(r->x + at, r->target + at, r->dloss[i], r->y + at, c, r->accumulate))
ROWS(huber, r->loss[i] = huber_row(r->x + at, r->target + at, c, r->delta, 0))
ROWS(huber_dx,
     huber_dx_row(r->x + at, r->target + at, r->dloss[i], r->y + at, c, r->delta, r->accumulate))

static clade_status softmax(void *context, const clade_args *args, const clade_plan *plan,
                            void *workspace)
{
    (void)plan, (void)workspace;
    const clade_softmax_args *a = &args->softmax;
    rows r = rows_of(&a->x);
    r.y = clade_tensor_host(&a->y);
    return run_rows(context, &r, &a->x, softmax_rows);
}

static clade_status softmax_dx(void *context, const clade_args *args, const clade_plan *plan,
                               void *workspace)
{
    (void)plan, (void)workspace;
    const clade_softmax_dx_args *a = &args->softmax_dx;
    rows r = rows_of(&a->y);
    r.target = clade_tensor_host(&a->dy);
    r.y = clade_tensor_host(&a->dx);
    r.accumulate = a->accumulate;
    return run_rows(context, &r, &a->y, softmax_dx_rows);
}

static clade_status log_softmax(void *context, const clade_args *args, const clade_plan *plan,
                                void *workspace)
{
    (void)plan, (void)workspace;
    const clade_log_softmax_args *a = &args->log_softmax;
    rows r = rows_of(&a->x);
    r.y = clade_tensor_host(&a->y);
    return run_rows(context, &r, &a->x, log_softmax_rows);
}

static clade_status log_softmax_dx(void *context, const clade_args *args, const clade_plan *plan,
                                   void *workspace)
{
    (void)plan, (void)workspace;
    const clade_log_softmax_dx_args *a = &args->log_softmax_dx;
    rows r = rows_of(&a->y);
    r.target = clade_tensor_host(&a->dy);
    r.y = clade_tensor_host(&a->dx);
    r.accumulate = a->accumulate;
    return run_rows(context, &r, &a->y, log_softmax_dx_rows);
}

static clade_status softmax_xent(void *context, const clade_args *args, const clade_plan *plan,
                                 void *workspace)
{
    (void)plan, (void)workspace;
    const clade_softmax_xent_args *a = &args->softmax_xent;
    rows r = rows_of(&a->x);
    set_label(&r, &a->label, a->smoothing);
    r.y = clade_tensor_host(&a->y);
    r.loss = clade_tensor_host(&a->loss);
    r.dloss = cpu_host(&a->share);
    r.slope = cpu_host(&a->slope);
    return run_rows(context, &r, &a->x, xent_rows);
}

static clade_status softmax_xent_dx(void *context, const clade_args *args, const clade_plan *plan,
                                    void *workspace)
{
    (void)plan, (void)workspace;
    const clade_softmax_xent_dx_args *a = &args->softmax_xent_dx;
    rows r = rows_of(&a->y);
    set_label(&r, &a->label, a->smoothing);
    r.dloss = clade_tensor_host(&a->dloss);
    r.y = clade_tensor_host(&a->dx);
    r.accumulate = a->accumulate;
    return run_rows(context, &r, &a->y, xent_dx_rows);
}

static clade_status sigmoid_bce(void *context, const clade_args *args, const clade_plan *plan,
                                void *workspace)
{
    (void)plan, (void)workspace;
    const clade_sigmoid_bce_args *a = &args->sigmoid_bce;
    rows r = rows_of(&a->x);
    set_label(&r, &a->label, a->smoothing);
    r.y = clade_tensor_host(&a->y);
    r.loss = clade_tensor_host(&a->loss);
    r.dloss = cpu_host(&a->share);
    r.slope = cpu_host(&a->slope);
    return run_rows(context, &r, &a->x, bce_rows);
}

static clade_status sigmoid_bce_dx(void *context, const clade_args *args, const clade_plan *plan,
                                   void *workspace)
{
    (void)plan, (void)workspace;
    const clade_sigmoid_bce_dx_args *a = &args->sigmoid_bce_dx;
    rows r = rows_of(&a->y);
    set_label(&r, &a->label, a->smoothing);
    r.dloss = clade_tensor_host(&a->dloss);
    r.y = clade_tensor_host(&a->dx);
    r.accumulate = a->accumulate;
    return run_rows(context, &r, &a->y, bce_dx_rows);
}

static clade_status softmax_focal(void *context, const clade_args *args, const clade_plan *plan,
                                  void *workspace)
{
    (void)plan, (void)workspace;
    const clade_softmax_focal_args *a = &args->softmax_focal;
    rows r = rows_of(&a->x);
    set_label(&r, &a->label, a->smoothing);
    r.y = clade_tensor_host(&a->y);
    r.loss = clade_tensor_host(&a->loss);
    r.gamma = a->gamma;
    r.alpha = a->alpha;
    return run_rows(context, &r, &a->x, focal_rows);
}

static clade_status softmax_focal_dx(void *context, const clade_args *args, const clade_plan *plan,
                                     void *workspace)
{
    (void)plan, (void)workspace;
    const clade_softmax_focal_dx_args *a = &args->softmax_focal_dx;
    rows r = rows_of(&a->y);
    set_label(&r, &a->label, a->smoothing);
    r.dloss = clade_tensor_host(&a->dloss);
    r.y = clade_tensor_host(&a->dx);
    r.gamma = a->gamma;
    r.alpha = a->alpha;
    r.accumulate = a->accumulate;
    return run_rows(context, &r, &a->y, focal_dx_rows);
}

static clade_status sigmoid_focal(void *context, const clade_args *args, const clade_plan *plan,
                                  void *workspace)
{
    (void)plan, (void)workspace;
    const clade_sigmoid_focal_args *a = &args->sigmoid_focal;
    rows r = rows_of(&a->x);
    set_label(&r, &a->label, a->smoothing);
    if (clade_tensor_present(&a->weight)) r.weights = clade_tensor_host(&a->weight);
    r.y = clade_tensor_host(&a->y);
    r.loss = clade_tensor_host(&a->loss);
    r.gamma = a->gamma;
    r.alpha = a->alpha;
    return run_rows(context, &r, &a->x, focal_bce_rows);
}

static clade_status sigmoid_focal_dx(void *context, const clade_args *args, const clade_plan *plan,
                                     void *workspace)
{
    (void)plan, (void)workspace;
    const clade_sigmoid_focal_dx_args *a = &args->sigmoid_focal_dx;
    rows r = rows_of(&a->y);
    set_label(&r, &a->label, a->smoothing);
    if (clade_tensor_present(&a->weight)) r.weights = clade_tensor_host(&a->weight);
    r.dloss = clade_tensor_host(&a->dloss);
    r.y = clade_tensor_host(&a->dx);
    r.gamma = a->gamma;
    r.alpha = a->alpha;
    r.accumulate = a->accumulate;
    return run_rows(context, &r, &a->y, focal_bce_dx_rows);
}

static clade_status mse(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)plan, (void)workspace;
    const clade_mse_args *a = &args->mse;
    rows r = rows_of(&a->x);
    r.target = clade_tensor_host(&a->target);
    r.loss = clade_tensor_host(&a->loss);
    return run_rows(context, &r, &a->x, mse_rows);
}

static clade_status mse_dx(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    (void)plan, (void)workspace;
    const clade_mse_dx_args *a = &args->mse_dx;
    rows r = rows_of(&a->x);
    r.target = clade_tensor_host(&a->target);
    r.dloss = clade_tensor_host(&a->dloss);
    r.y = clade_tensor_host(&a->dx);
    r.accumulate = a->accumulate;
    return run_rows(context, &r, &a->x, mse_dx_rows);
}

static clade_status mae(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)plan, (void)workspace;
    const clade_mae_args *a = &args->mae;
    rows r = rows_of(&a->x);
    r.target = clade_tensor_host(&a->target);
    r.loss = clade_tensor_host(&a->loss);
    return run_rows(context, &r, &a->x, mae_rows);
}

static clade_status mae_dx(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    (void)plan, (void)workspace;
    const clade_mae_dx_args *a = &args->mae_dx;
    rows r = rows_of(&a->x);
    r.target = clade_tensor_host(&a->target);
    r.dloss = clade_tensor_host(&a->dloss);
    r.y = clade_tensor_host(&a->dx);
    r.accumulate = a->accumulate;
    return run_rows(context, &r, &a->x, mae_dx_rows);
}

static clade_status huber(void *context, const clade_args *args, const clade_plan *plan,
                          void *workspace)
{
    (void)plan, (void)workspace;
    const clade_huber_args *a = &args->huber;
    rows r = rows_of(&a->x);
    r.target = clade_tensor_host(&a->target);
    r.loss = clade_tensor_host(&a->loss);
    r.delta = a->delta;
    return run_rows(context, &r, &a->x, huber_rows);
}

static clade_status huber_dx(void *context, const clade_args *args, const clade_plan *plan,
                             void *workspace)
{
    (void)plan, (void)workspace;
    const clade_huber_dx_args *a = &args->huber_dx;
    rows r = rows_of(&a->x);
    r.target = clade_tensor_host(&a->target);
    r.dloss = clade_tensor_host(&a->dloss);
    r.y = clade_tensor_host(&a->dx);
    r.delta = a->delta;
    r.accumulate = a->accumulate;
    return run_rows(context, &r, &a->x, huber_dx_rows);
}

/* One thread: it is a comparison per score. */
static clade_status topk_count(void *context, const clade_args *args, const clade_plan *plan,
                               void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_topk_count_args *a = &args->topk_count;
    const float *y = clade_tensor_host(&a->y);
    const int32_t *label = clade_tensor_host(&a->label), c = a->y.dim[1];
    int32_t *count = clade_tensor_host(&a->count);
    uint32_t hits = 0;
    for (size_t i = 0; i < (size_t)a->y.dim[0]; i++)
        hits += (uint32_t)topk_row(y + i * (size_t)c, label[i], c, a->k, 0);
    *count = (int32_t)((uint32_t)*count + hits);
    return CLADE_OK;
}

void CPU_NAME(loss)(cpu_op *op)
{
    op[CLADE_OP_softmax].run = softmax;
    op[CLADE_OP_softmax_dx].run = softmax_dx;
    op[CLADE_OP_log_softmax].run = log_softmax;
    op[CLADE_OP_log_softmax_dx].run = log_softmax_dx;
    op[CLADE_OP_softmax_xent].run = softmax_xent;
    op[CLADE_OP_softmax_xent_dx].run = softmax_xent_dx;
    op[CLADE_OP_sigmoid_bce].run = sigmoid_bce;
    op[CLADE_OP_sigmoid_bce_dx].run = sigmoid_bce_dx;
    op[CLADE_OP_softmax_focal].run = softmax_focal;
    op[CLADE_OP_softmax_focal_dx].run = softmax_focal_dx;
    op[CLADE_OP_sigmoid_focal].run = sigmoid_focal;
    op[CLADE_OP_sigmoid_focal_dx].run = sigmoid_focal_dx;
    op[CLADE_OP_mse].run = mse;
    op[CLADE_OP_mse_dx].run = mse_dx;
    op[CLADE_OP_mae].run = mae;
    op[CLADE_OP_mae_dx].run = mae_dx;
    op[CLADE_OP_huber].run = huber;
    op[CLADE_OP_huber_dx].run = huber_dx;
    op[CLADE_OP_topk_count].run = topk_count;
}
