/* Launchers of kernels/activation.cl. */
#include "opencl/opencl.h"

static clade_status activation(void *context, const clade_activation_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "activation", "activation", NULL);
    size_t n = clade_tensor_count(&a->x);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_u64(&l, n);
    clade_opencl_i32(&l, a->act);
    clade_opencl_f32(&l, a->alpha);
    return clade_opencl_run_elements(&l, n);
}

static clade_status activation_dx(void *context, const clade_activation_dx_args *a, void *scratch)
{
    (void)scratch;
    opencl_launch l = clade_opencl_begin(context, "activation", "activation_dx", NULL);
    size_t n = clade_tensor_count(&a->dy);
    clade_opencl_tensor(&l, clade_activation_reads_x(a->act) ? &a->x : &a->y);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    clade_opencl_u64(&l, n);
    clade_opencl_i32(&l, a->act);
    clade_opencl_f32(&l, a->alpha);
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_elements(&l, n);
}

void clade_opencl_activation(const opencl_context *cl, clade_backend *table)
{
    (void)cl;
    table->activation = activation;
    table->activation_dx = activation_dx;
}
