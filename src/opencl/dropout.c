/* Launchers of kernels/dropout.cl. */
#include "opencl/opencl.h"

#include "../../kernels/dropout.clh"

typedef struct parameters {
    float rate;
    uint64_t seed;
    uint32_t stream, step;
    int32_t accumulate;
} parameters;

static clade_status run(opencl_context *cl, const clade_tensor *x, const clade_tensor *y,
                        parameters p)
{
    const size_t n = clade_tensor_count(x);
    opencl_launch l = clade_opencl_begin(cl, "dropout", "dropout", NULL);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, y);
    clade_opencl_u64(&l, n);
    clade_opencl_f32(&l, p.rate);
    clade_opencl_f32(&l, dropout_scale(p.rate));
    clade_opencl_u64(&l, p.seed);
    clade_opencl_u32(&l, p.stream);
    clade_opencl_u32(&l, p.step);
    clade_opencl_i32(&l, p.accumulate);
    return clade_opencl_run_each(&l, (n + 3) / 4, 4);
}

static clade_status dropout(void *context, const clade_dropout_args *a, void *workspace)
{
    (void)workspace;
    return run(context, &a->x, &a->y, (parameters){a->rate, a->seed, a->stream, a->step, 0});
}

static clade_status dropout_dx(void *context, const clade_dropout_dx_args *a, void *workspace)
{
    (void)workspace;
    return run(context, &a->dy, &a->dx,
               (parameters){a->rate, a->seed, a->stream, a->step, a->accumulate});
}

void clade_opencl_dropout(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->dropout = dropout;
    table->dropout_dx = dropout_dx;
}
