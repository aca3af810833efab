/* Launchers of kernels/loss.cl: one work-item per row. */
#include "opencl/opencl.h"

static uint64_t rows_of(const clade_tensor *x)
{
    return clade_tensor_count(x) / (uint64_t)x->dim[x->rank - 1];
}

/* The kernel's arguments rows and c. */
static void row_arguments(opencl_launch *l, const clade_tensor *x)
{
    clade_opencl_u64(l, rows_of(x));
    clade_opencl_i32(l, x->dim[x->rank - 1]);
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

static clade_status softmax(void *context, const clade_softmax_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "loss", "softmax", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    row_arguments(&l, &a->x);
    return clade_opencl_run_elements(&l, rows_of(&a->x));
}

static clade_status softmax_dx(void *context, const clade_softmax_dx_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "loss", "softmax_dx", NULL);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    row_arguments(&l, &a->y);
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_elements(&l, rows_of(&a->y));
}

static clade_status softmax_xent(void *context, const clade_softmax_xent_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "loss", "softmax_xent", NULL);
    clade_opencl_tensor(&l, &a->x);
    label_arguments(&l, &a->label);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->loss);
    row_arguments(&l, &a->x);
    clade_opencl_f32(&l, a->smoothing);
    return clade_opencl_run_elements(&l, rows_of(&a->x));
}

static clade_status softmax_xent_dx(void *context, const clade_softmax_xent_dx_args *a,
                                    void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "loss", "softmax_xent_dx", NULL);
    clade_opencl_tensor(&l, &a->y);
    label_arguments(&l, &a->label);
    clade_opencl_tensor(&l, &a->dloss);
    clade_opencl_tensor(&l, &a->dx);
    row_arguments(&l, &a->y);
    clade_opencl_f32(&l, a->smoothing);
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_elements(&l, rows_of(&a->y));
}

static clade_status sigmoid_bce(void *context, const clade_sigmoid_bce_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "loss", "sigmoid_bce", NULL);
    clade_opencl_tensor(&l, &a->x);
    label_arguments(&l, &a->label);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->loss);
    row_arguments(&l, &a->x);
    clade_opencl_f32(&l, a->smoothing);
    return clade_opencl_run_elements(&l, rows_of(&a->x));
}

static clade_status sigmoid_bce_dx(void *context, const clade_sigmoid_bce_dx_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "loss", "sigmoid_bce_dx", NULL);
    clade_opencl_tensor(&l, &a->y);
    label_arguments(&l, &a->label);
    clade_opencl_tensor(&l, &a->dloss);
    clade_opencl_tensor(&l, &a->dx);
    row_arguments(&l, &a->y);
    clade_opencl_f32(&l, a->smoothing);
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_elements(&l, rows_of(&a->y));
}

static clade_status mse(void *context, const clade_mse_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "loss", "mse", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->target);
    clade_opencl_tensor(&l, &a->loss);
    row_arguments(&l, &a->x);
    return clade_opencl_run_elements(&l, rows_of(&a->x));
}

static clade_status mse_dx(void *context, const clade_mse_dx_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "loss", "mse_dx", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->target);
    clade_opencl_tensor(&l, &a->dloss);
    clade_opencl_tensor(&l, &a->dx);
    row_arguments(&l, &a->x);
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_elements(&l, rows_of(&a->x));
}

static clade_status topk_count(void *context, const clade_topk_count_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "loss", "topk_count", NULL);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->label);
    clade_opencl_tensor(&l, &a->count);
    row_arguments(&l, &a->y);
    clade_opencl_i32(&l, a->k);
    return clade_opencl_run_elements(&l, rows_of(&a->y));
}

void clade_opencl_loss(const opencl_context *cl, clade_backend *table)
{
    (void)cl;
    table->softmax = softmax;
    table->softmax_dx = softmax_dx;
    table->softmax_xent = softmax_xent;
    table->softmax_xent_dx = softmax_xent_dx;
    table->sigmoid_bce = sigmoid_bce;
    table->sigmoid_bce_dx = sigmoid_bce_dx;
    table->mse = mse;
    table->mse_dx = mse_dx;
    table->topk_count = topk_count;
}
