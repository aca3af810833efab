/* Launchers of kernels/dropout.cl. */
#include "opencl/grid.h"
#include "opencl/ops.h"

#include "../../kernels/dropout.clh"

/* y from x, or dx from dy; `step` and `first` are the call's own. */
static void run(opencl_plan *plan, const clade_tensor *x, const clade_tensor *y, float rate,
                int32_t rows, uint64_t seed, uint32_t stream, const uint32_t *step,
                const uint32_t *first, int32_t accumulate)
{
    const size_t n = clade_tensor_count(x);
    opencl_launch l = clade_opencl_begin(plan, "dropout", rows ? "dropout_rows" : "dropout", NULL);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, y);
    clade_opencl_u64(&l, n);
    clade_opencl_f32(&l, rate);
    clade_opencl_f32(&l, dropout_scale(rate));
    clade_opencl_u64(&l, seed);
    clade_opencl_u32(&l, stream);
    clade_opencl_step_param(&l, step, sizeof *step);
    clade_opencl_step_param(&l, first, sizeof *first);
    clade_opencl_u64(&l, x->rank ? n / (size_t)x->dim[0] : 1);
    clade_opencl_i32(&l, accumulate);
    clade_opencl_run_each(&l, rows ? n : (n + 3) / 4, rows ? 1 : 4);
}

static void dropout(opencl_plan *plan, const clade_args *args)
{
    const clade_dropout_args *a = &args->dropout;
    run(plan, &a->x, &a->y, a->rate, a->rows, a->seed, a->stream, &a->step, &a->first, 0);
}

static void dropout_dx(opencl_plan *plan, const clade_args *args)
{
    const clade_dropout_dx_args *a = &args->dropout_dx;
    run(plan, &a->dy, &a->dx, a->rate, a->rows, a->seed, a->stream, &a->step, &a->first,
        a->accumulate);
}

const opencl_op clade_opencl_dropout_ops[] = {
    {.op = CLADE_OP_dropout, .halves = OPENCL_ALIKE, .plan = dropout},
    {.op = CLADE_OP_dropout_dx, .halves = OPENCL_ALIKE, .plan = dropout_dx},
    {.op = CLADE_OP_none},
};
