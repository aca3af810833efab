/* Launchers of kernels/lrn.cl. */
#include "opencl/opencl.h"

#include "../../kernels/math.clh"

/* lrn_dx keeps one float per element where lanes are many. */
size_t clade_opencl_lrn_workspace(opencl_context *cl, clade_op op, const clade_args *args)
{
    return op == CLADE_OP_lrn_dx && !cl->cpu_like
               ? clade_tensor_count(&args->lrn_dx.x) * sizeof(float)
               : 0;
}

/* The arguments c, size, bias, scale, beta. */
static void parameters(opencl_launch *l, const clade_tensor *x, int32_t size, float k, float alpha,
                       float beta)
{
    clade_opencl_i32(l, x->dim[x->rank - 1]);
    clade_opencl_i32(l, size);
    clade_opencl_f32(l, k);
    clade_opencl_f32(l, math_div(alpha, (float)size));
    clade_opencl_f32(l, beta);
}

/* The last arguments, ELEMENTS, and the launch, for places or single elements. */
static clade_status run(opencl_launch *l, const clade_tensor *x)
{
    const uint64_t n = clade_tensor_count(x), c = (uint64_t)x->dim[x->rank - 1];
    return l->cl->cpu_like ? clade_opencl_run_each(l, n / c, c) : clade_opencl_run_each(l, n, 1);
}

static clade_status lrn(void *context, const clade_lrn_args *a, void *workspace)
{
    (void)workspace;
    opencl_context *cl = context;
    opencl_launch l = clade_opencl_begin(cl, "lrn", cl->cpu_like ? "lrn_places" : "lrn", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->y);
    parameters(&l, &a->x, a->size, a->k, a->alpha, a->beta);
    return run(&l, &a->x);
}

static clade_status lrn_dx(void *context, const clade_lrn_dx_args *a, void *workspace)
{
    opencl_context *cl = context;
    opencl_launch l;
    if (!cl->cpu_like) {
        l = clade_opencl_begin(cl, "lrn", "lrn_terms", NULL);
        clade_opencl_tensor(&l, &a->x);
        clade_opencl_tensor(&l, &a->dy);
        clade_opencl_workspace(&l, workspace);
        parameters(&l, &a->x, a->size, a->k, a->alpha, a->beta);
        clade_status status = run(&l, &a->x);
        if (status) return status;
    }
    l = clade_opencl_begin(cl, "lrn", cl->cpu_like ? "lrn_dx_places" : "lrn_dx", NULL);
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    if (!cl->cpu_like) clade_opencl_workspace(&l, workspace);
    clade_opencl_tensor(&l, &a->dx);
    parameters(&l, &a->x, a->size, a->k, a->alpha, a->beta);
    clade_opencl_i32(&l, a->accumulate);
    return run(&l, &a->x);
}

void clade_opencl_lrn(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->lrn = lrn;
    table->lrn_dx = lrn_dx;
}
