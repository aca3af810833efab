/* Launchers of kernels/loss.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

#include "../../kernels/rows.clh"

#include <assert.h>
#include <stdio.h>

static_assert(ROW_LANES == CLADE_ROW_LANES, "one definition");

/* Work-items that share a row of c scores; 0: a row is one's. */
static size_t team(const opencl_context *cl, int32_t c)
{
    size_t n = 1;
    if (cl->cpu_like || cl->group_size < ROW_LANES) return 0;
    while (n < ROW_LANES && n < (size_t)c) n *= 2;
    return n;
}

/* A kernel for rows of scores x. */
static opencl_launch begin(opencl_plan *plan, const char *kernel, const clade_tensor *x)
{
    const size_t shared = team(plan->cl, x->dim[x->rank - 1]);
    char options[32];
    snprintf(options, sizeof options, "-DROW_TEAM=%zu", shared);
    return clade_opencl_begin(plan, "loss", kernel, shared ? options : NULL);
}

/* The last arguments, c and ELEMENTS, and the launch: a row of c scores x is an element. */
static void run_rows(opencl_launch *l, const clade_tensor *x)
{
    const opencl_context *cl = l->plan->cl;
    const int32_t c = x->dim[x->rank - 1];
    const size_t n = clade_tensor_count(x) / (size_t)c, shared = team(cl, c);
    clade_opencl_i32(l, c);
    if (!shared) {
        clade_opencl_run_each(l, n, (uint64_t)c);
        return;
    }
    clade_opencl_u64(l, n);
    clade_opencl_u64(l, 1);
    const size_t most = cl->group_size < 256 ? cl->group_size : 256, rows = most / shared;
    size_t groups = (n + rows - 1) / rows;
    if (groups > cl->limits.groups) groups = cl->limits.groups;
    clade_opencl_run_grid(l, 2, (const size_t[]){shared, groups * rows},
                          (const size_t[]){shared, rows});
}

/* LABELS. */
static void label_arguments(opencl_launch *l, const clade_tensor *label)
{
    static const clade_tensor absent;
    bool dense = label->dtype == CLADE_F32;
    clade_opencl_tensor(l, dense ? &absent : label);
    clade_opencl_tensor(l, dense ? label : &absent);
    clade_opencl_i32(l, dense);
}

/* WEIGHTS. */
static void weight_arguments(opencl_launch *l, const clade_tensor *weight)
{
    clade_opencl_tensor(l, weight);
    clade_opencl_i32(l, clade_tensor_present(weight));
}

/* y of scores x, row by row. */
static void of_rows(opencl_launch l, const clade_tensor *x, const clade_tensor *y)
{
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, y);
    run_rows(&l, x);
}

static void of_rows_dx(opencl_launch l, const clade_tensor *y, const clade_tensor *dy,
                       const clade_tensor *dx, int32_t accumulate)
{
    clade_opencl_tensor(&l, y);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, dx);
    clade_opencl_i32(&l, accumulate);
    run_rows(&l, y);
}

static void softmax(opencl_plan *plan, const clade_args *args)
{
    const clade_softmax_args *a = &args->softmax;
    of_rows(begin(plan, "softmax", &a->x), &a->x, &a->y);
}

static void softmax_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_softmax_dx_args *a = &args->softmax_dx;
    of_rows_dx(begin(plan, "softmax_dx", &a->y), &a->y, &a->dy, &a->dx, a->accumulate);
}

static void log_softmax(opencl_plan *plan, const clade_args *args)
{
    const clade_log_softmax_args *a = &args->log_softmax;
    of_rows(begin(plan, "log_softmax", &a->x), &a->x, &a->y);
}

static void log_softmax_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_log_softmax_dx_args *a = &args->log_softmax_dx;
    of_rows_dx(begin(plan, "log_softmax_dx", &a->y), &a->y, &a->dy, &a->dx, a->accumulate);
}

/* A loss by labels: the probabilities y of scores x, each row's loss, and SLOPE. */
static void labelled(opencl_launch l, const clade_tensor *x, const clade_tensor *label,
                     const clade_tensor *y, const clade_tensor *loss, const clade_tensor *share,
                     const clade_tensor *slope, float smoothing)
{
    clade_opencl_tensor(&l, x);
    label_arguments(&l, label);
    clade_opencl_tensor(&l, y);
    clade_opencl_tensor(&l, loss);
    clade_opencl_tensor(&l, share);
    clade_opencl_tensor(&l, slope);
    clade_opencl_i32(&l, clade_tensor_present(slope));
    clade_opencl_f32(&l, smoothing);
    run_rows(&l, x);
}

static void labelled_dx(opencl_launch l, const clade_tensor *y, const clade_tensor *label,
                        const clade_tensor *dloss, const clade_tensor *dx, float smoothing,
                        int32_t accumulate)
{
    clade_opencl_tensor(&l, y);
    label_arguments(&l, label);
    clade_opencl_tensor(&l, dloss);
    clade_opencl_tensor(&l, dx);
    clade_opencl_f32(&l, smoothing);
    clade_opencl_i32(&l, accumulate);
    run_rows(&l, y);
}

static void softmax_xent(opencl_plan *plan, const clade_args *args)
{
    const clade_softmax_xent_args *a = &args->softmax_xent;
    labelled(begin(plan, "softmax_xent", &a->x), &a->x, &a->label, &a->y, &a->loss, &a->share,
             &a->slope, a->smoothing);
}

static void softmax_xent_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_softmax_xent_dx_args *a = &args->softmax_xent_dx;
    labelled_dx(begin(plan, "softmax_xent_dx", &a->y), &a->y, &a->label, &a->dloss, &a->dx,
                a->smoothing, a->accumulate);
}

static void sigmoid_bce(opencl_plan *plan, const clade_args *args)
{
    const clade_sigmoid_bce_args *a = &args->sigmoid_bce;
    labelled(begin(plan, "sigmoid_bce", &a->x), &a->x, &a->label, &a->y, &a->loss, &a->share,
             &a->slope, a->smoothing);
}

static void sigmoid_bce_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_sigmoid_bce_dx_args *a = &args->sigmoid_bce_dx;
    labelled_dx(begin(plan, "sigmoid_bce_dx", &a->y), &a->y, &a->label, &a->dloss, &a->dx,
                a->smoothing, a->accumulate);
}

/* A focal loss; `weight` is NULL where it has no such slot. */
static void focal(opencl_launch l, const clade_tensor *x, const clade_tensor *label,
                  const clade_tensor *weight, const clade_tensor *y, const clade_tensor *loss,
                  const float numbers[3])
{
    clade_opencl_tensor(&l, x);
    label_arguments(&l, label);
    if (weight) weight_arguments(&l, weight);
    clade_opencl_tensor(&l, y);
    clade_opencl_tensor(&l, loss);
    for (int i = 0; i < 3; i++) clade_opencl_f32(&l, numbers[i]);
    run_rows(&l, x);
}

static void focal_dx(opencl_launch l, const clade_tensor *y, const clade_tensor *label,
                     const clade_tensor *weight, const clade_tensor *dloss, const clade_tensor *dx,
                     const float numbers[3], int32_t accumulate)
{
    clade_opencl_tensor(&l, y);
    label_arguments(&l, label);
    if (weight) weight_arguments(&l, weight);
    clade_opencl_tensor(&l, dloss);
    clade_opencl_tensor(&l, dx);
    for (int i = 0; i < 3; i++) clade_opencl_f32(&l, numbers[i]);
    clade_opencl_i32(&l, accumulate);
    run_rows(&l, y);
}

#define FOCAL_NUMBERS(a) ((const float[]){(a)->gamma, (a)->alpha, (a)->smoothing})

static void softmax_focal(opencl_plan *plan, const clade_args *args)
{
    const clade_softmax_focal_args *a = &args->softmax_focal;
    focal(begin(plan, "softmax_focal", &a->x), &a->x, &a->label, NULL, &a->y, &a->loss,
          FOCAL_NUMBERS(a));
}

static void softmax_focal_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_softmax_focal_dx_args *a = &args->softmax_focal_dx;
    focal_dx(begin(plan, "softmax_focal_dx", &a->y), &a->y, &a->label, NULL, &a->dloss, &a->dx,
             FOCAL_NUMBERS(a), a->accumulate);
}

static void sigmoid_focal(opencl_plan *plan, const clade_args *args)
{
    const clade_sigmoid_focal_args *a = &args->sigmoid_focal;
    focal(begin(plan, "sigmoid_focal", &a->x), &a->x, &a->label, &a->weight, &a->y, &a->loss,
          FOCAL_NUMBERS(a));
}

static void sigmoid_focal_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_sigmoid_focal_dx_args *a = &args->sigmoid_focal_dx;
    focal_dx(begin(plan, "sigmoid_focal_dx", &a->y), &a->y, &a->label, &a->weight, &a->dloss,
             &a->dx, FOCAL_NUMBERS(a), a->accumulate);
}

/* A loss by target numbers; delta 0: it has none. */
static void error_of(opencl_launch l, const clade_tensor *x, const clade_tensor *target,
                     const clade_tensor *loss, float delta)
{
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, target);
    clade_opencl_tensor(&l, loss);
    if (delta > 0) clade_opencl_f32(&l, delta);
    run_rows(&l, x);
}

static void error_of_dx(opencl_launch l, const clade_tensor *x, const clade_tensor *target,
                        const clade_tensor *dloss, const clade_tensor *dx, float delta,
                        int32_t accumulate)
{
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, target);
    clade_opencl_tensor(&l, dloss);
    clade_opencl_tensor(&l, dx);
    if (delta > 0) clade_opencl_f32(&l, delta);
    clade_opencl_i32(&l, accumulate);
    run_rows(&l, x);
}

static void mse(opencl_plan *plan, const clade_args *args)
{
    const clade_mse_args *a = &args->mse;
    error_of(begin(plan, "mse", &a->x), &a->x, &a->target, &a->loss, 0);
}

static void mse_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_mse_dx_args *a = &args->mse_dx;
    error_of_dx(begin(plan, "mse_dx", &a->x), &a->x, &a->target, &a->dloss, &a->dx, 0,
                a->accumulate);
}

static void mae(opencl_plan *plan, const clade_args *args)
{
    const clade_mae_args *a = &args->mae;
    error_of(begin(plan, "mae", &a->x), &a->x, &a->target, &a->loss, 0);
}

static void mae_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_mae_dx_args *a = &args->mae_dx;
    error_of_dx(begin(plan, "mae_dx", &a->x), &a->x, &a->target, &a->dloss, &a->dx, 0,
                a->accumulate);
}

static void huber(opencl_plan *plan, const clade_args *args)
{
    const clade_huber_args *a = &args->huber;
    error_of(begin(plan, "huber", &a->x), &a->x, &a->target, &a->loss, a->delta);
}

static void huber_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_huber_dx_args *a = &args->huber_dx;
    error_of_dx(begin(plan, "huber_dx", &a->x), &a->x, &a->target, &a->dloss, &a->dx, a->delta,
                a->accumulate);
}

static void topk_count(opencl_plan *plan, const clade_args *args)
{
    const clade_topk_count_args *a = &args->topk_count;
    opencl_launch l = begin(plan, "topk_count", &a->y);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->label);
    clade_opencl_tensor(&l, &a->count);
    clade_opencl_i32(&l, a->k);
    run_rows(&l, &a->y);
}

const opencl_op clade_opencl_loss_ops[] = {
    {.op = CLADE_OP_softmax, .plan = softmax},
    {.op = CLADE_OP_softmax_dx, .plan = softmax_dx},
    {.op = CLADE_OP_log_softmax, .plan = log_softmax},
    {.op = CLADE_OP_log_softmax_dx, .plan = log_softmax_dx},
    {.op = CLADE_OP_softmax_xent, .plan = softmax_xent},
    {.op = CLADE_OP_softmax_xent_dx, .plan = softmax_xent_dx},
    {.op = CLADE_OP_sigmoid_bce, .plan = sigmoid_bce},
    {.op = CLADE_OP_sigmoid_bce_dx, .plan = sigmoid_bce_dx},
    {.op = CLADE_OP_softmax_focal, .plan = softmax_focal},
    {.op = CLADE_OP_softmax_focal_dx, .plan = softmax_focal_dx},
    {.op = CLADE_OP_sigmoid_focal, .plan = sigmoid_focal},
    {.op = CLADE_OP_sigmoid_focal_dx, .plan = sigmoid_focal_dx},
    {.op = CLADE_OP_mse, .plan = mse},
    {.op = CLADE_OP_mse_dx, .plan = mse_dx},
    {.op = CLADE_OP_mae, .plan = mae},
    {.op = CLADE_OP_mae_dx, .plan = mae_dx},
    {.op = CLADE_OP_huber, .plan = huber},
    {.op = CLADE_OP_huber_dx, .plan = huber_dx},
    {.op = CLADE_OP_topk_count, .plan = topk_count},
    {.op = CLADE_OP_none},
};
