/* Launchers of kernels/lrn.cl. */
#include "opencl/opencl.h"

#include "../../kernels/math.clh"

/* lrn_dx keeps one float per element. */
size_t clade_opencl_lrn_scratch(opencl_context *cl, clade_op op, const clade_args *args)
{
    (void)cl;
    return op == CLADE_OP_lrn_dx ? clade_tensor_count(&args->lrn_dx.x) * sizeof(float) : 0;
}

/* The arguments that all kernels end with: n, c, size, bias, scale, beta. */
static void parameters(opencl_launch *l, const clade_tensor *x, int32_t size, float k, float alpha,
                       float beta)
{
    clade_opencl_u64(l, clade_tensor_count(x));
    clade_opencl_i32(l, x->dim[x->rank - 1]);
    clade_opencl_i32(l, size);
    clade_opencl_f32(l, k);
    clade_opencl_f32(l, math_div(alpha, (float)size));
    clade_opencl_f32(l, beta);
}

static clade_status lrn(void *context, const clade_lrn_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "lrn", "lrn", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    parameters(&l, &a->x, a->size, a->k, a->alpha, a->beta);
    return clade_opencl_run_elements(&l, clade_tensor_count(&a->x));
}

static clade_status lrn_dx(void *context, const clade_lrn_dx_args *a, void *scratch)
{
    const size_t n = clade_tensor_count(&a->x);
    opencl_launch l = clade_opencl_begin(context, "lrn", "lrn_terms", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_scratch(&l, scratch);
    parameters(&l, &a->x, a->size, a->k, a->alpha, a->beta);
    clade_status status = clade_opencl_run_elements(&l, n);
    if (status) return status;

    l = clade_opencl_begin(context, "lrn", "lrn_dx", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_scratch(&l, scratch);
    clade_opencl_tensor(&l, &a->dx);
    parameters(&l, &a->x, a->size, a->k, a->alpha, a->beta);
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_elements(&l, n);
}

void clade_opencl_lrn(const opencl_context *cl, clade_backend *table)
{
    (void)cl;
    table->lrn = lrn;
    table->lrn_dx = lrn_dx;
}
