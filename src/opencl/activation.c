/* Launchers of kernels/activation.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

#include <stdio.h>

static opencl_launch begin(opencl_plan *plan, const char *kernel, int32_t act)
{
    char options[16];
    snprintf(options, sizeof options, "-DACT=%d", act);
    return clade_opencl_begin(plan, "activation", kernel, options);
}

static void activation(opencl_plan *plan, const clade_args *args)
{
    const clade_activation_args *a = &args->activation;
    opencl_launch l = begin(plan, "activation", a->act);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    clade_opencl_f32(&l, a->alpha);
    clade_opencl_run_each(&l, clade_tensor_count(&a->x), 1);
}

static void activation_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_activation_dx_args *a = &args->activation_dx;
    opencl_launch l = begin(plan, "activation_dx", a->act);
    clade_opencl_tensor(&l, clade_activation_reads_x(a->act) ? &a->x : &a->y);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->dx);
    clade_opencl_f32(&l, a->alpha);
    clade_opencl_i32(&l, a->accumulate);
    clade_opencl_run_each(&l, clade_tensor_count(&a->dy), 1);
}

const opencl_op clade_opencl_activation_ops[] = {
    {.op = CLADE_OP_activation, .halves = OPENCL_ALIKE, .plan = activation},
    {.op = CLADE_OP_activation_dx, .halves = OPENCL_ALIKE, .plan = activation_dx},
    {.op = CLADE_OP_none},
};
