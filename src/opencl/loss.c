/* Launchers of kernels/loss.cl. */
#include "opencl/opencl.h"

static opencl_launch begin(opencl_context *cl, const char *kernel)
{
    return clade_opencl_begin(cl, "loss", kernel, NULL);
}

/* The last arguments, c and ELEMENTS, and the launch: a row of c scores x is an element. */
static clade_status run_rows(opencl_launch *l, const clade_tensor *x)
{
    const int32_t c = x->dim[x->rank - 1];
    clade_opencl_i32(l, c);
    return clade_opencl_run_each(l, clade_tensor_count(x) / (uint64_t)c, (uint64_t)c);
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

static clade_status softmax(void *context, const clade_softmax_args *a, void *workspace)
{
    (void)workspace;
    opencl_launch l = begin(context, "softmax");
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    return run_rows(&l, &a->x);
}

static clade_status softmax_dx(void *context, const clade_softmax_dx_args *a, void *workspace)
{
    (void)workspace;
    opencl_launch l = begin(context, "softmax_dx");
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    clade_opencl_i32(&l, a->accumulate);
    return run_rows(&l, &a->y);
}

/* A loss by labels: the probabilities y of scores x, and each row's loss. */
static clade_status labelled(opencl_launch l, const clade_tensor *x, const clade_tensor *label,
                             const clade_tensor *y, const clade_tensor *loss, float smoothing)
{
    clade_opencl_tensor(&l, x);
    label_arguments(&l, label);
    clade_opencl_tensor(&l, y);
    clade_opencl_tensor(&l, loss);
    clade_opencl_f32(&l, smoothing);
    return run_rows(&l, x);
}

static clade_status labelled_dx(opencl_launch l, const clade_tensor *y, const clade_tensor *label,
                                const clade_tensor *dloss, const clade_tensor *dx, float smoothing,
                                int32_t accumulate)
{
    clade_opencl_tensor(&l, y);
    label_arguments(&l, label);
    clade_opencl_tensor(&l, dloss);
    clade_opencl_tensor(&l, dx);
    clade_opencl_f32(&l, smoothing);
    clade_opencl_i32(&l, accumulate);
    return run_rows(&l, y);
}

static clade_status softmax_xent(void *context, const clade_softmax_xent_args *a, void *workspace)
{
    (void)workspace;
    return labelled(begin(context, "softmax_xent"), &a->x, &a->label, &a->y, &a->loss,
                    a->smoothing);
}

static clade_status softmax_xent_dx(void *context, const clade_softmax_xent_dx_args *a,
                                    void *workspace)
{
    (void)workspace;
    return labelled_dx(begin(context, "softmax_xent_dx"), &a->y, &a->label, &a->dloss, &a->dx,
                       a->smoothing, a->accumulate);
}

static clade_status sigmoid_bce(void *context, const clade_sigmoid_bce_args *a, void *workspace)
{
    (void)workspace;
    return labelled(begin(context, "sigmoid_bce"), &a->x, &a->label, &a->y, &a->loss, a->smoothing);
}

static clade_status sigmoid_bce_dx(void *context, const clade_sigmoid_bce_dx_args *a,
                                   void *workspace)
{
    (void)workspace;
    return labelled_dx(begin(context, "sigmoid_bce_dx"), &a->y, &a->label, &a->dloss, &a->dx,
                       a->smoothing, a->accumulate);
}

static clade_status mse(void *context, const clade_mse_args *a, void *workspace)
{
    (void)workspace;
    opencl_launch l = begin(context, "mse");
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->target);
    clade_opencl_tensor(&l, &a->loss);
    return run_rows(&l, &a->x);
}

static clade_status mse_dx(void *context, const clade_mse_dx_args *a, void *workspace)
{
    (void)workspace;
    opencl_launch l = begin(context, "mse_dx");
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->target);
    clade_opencl_tensor(&l, &a->dloss);
    clade_opencl_tensor(&l, &a->dx);
    clade_opencl_i32(&l, a->accumulate);
    return run_rows(&l, &a->x);
}

static clade_status topk_count(void *context, const clade_topk_count_args *a, void *workspace)
{
    (void)workspace;
    opencl_launch l = begin(context, "topk_count");
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_tensor(&l, &a->label);
    clade_opencl_tensor(&l, &a->count);
    clade_opencl_i32(&l, a->k);
    return run_rows(&l, &a->y);
}

void clade_opencl_loss(const opencl_context *cl, opencl_table *table)
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
