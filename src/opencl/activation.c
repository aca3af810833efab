/* Launchers of kernels/activation.cl. */
#include "opencl/opencl.h"

#include <stdio.h>

static opencl_launch begin(opencl_context *cl, const char *kernel, int32_t act)
{
    char options[16];
    snprintf(options, sizeof options, "-DACT=%d", act);
    return clade_opencl_begin(cl, "activation", kernel, options);
}

static clade_status activation(void *context, const clade_activation_args *a, void *workspace)
{
    (void)workspace;
    opencl_launch l = begin(context, "activation", a->act);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_f32(&l, a->alpha);
    return clade_opencl_run_each(&l, clade_tensor_count(&a->x), 1);
}

static clade_status activation_dx(void *context, const clade_activation_dx_args *a, void *workspace)
{
    (void)workspace;
    opencl_launch l = begin(context, "activation_dx", a->act);
    clade_opencl_tensor(&l, clade_activation_reads_x(a->act) ? &a->x : &a->y);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    clade_opencl_f32(&l, a->alpha);
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_each(&l, clade_tensor_count(&a->dy), 1);
}

void clade_opencl_activation(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->activation = activation;
    table->activation_dx = activation_dx;
}
