/* Launchers of kernels/depthwise.cl. */
#include "opencl/conv.h"

static void run(opencl_plan *plan, const depthwise_job *job, const clade_tensor *x,
                const clade_tensor *w, const opencl_epilogue *epilogue, const clade_tensor *y)
{
    if (!job->column.count || !job->row.count) return;
    opencl_launch l =
        clade_opencl_begin_lanes(plan, "depthwise", "conv_depthwise", (uint64_t)job->c, "");
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, w);
    clade_opencl_epilogue(&l, epilogue);
    clade_opencl_tensor(&l, y);
    clade_opencl_struct(&l, job, sizeof *job);
    int32_t vectors = job->c / clade_opencl_lanes(plan->cl, (uint64_t)job->c);
    clade_opencl_run_lines(&l, (size_t)vectors, (size_t)job->column.count,
                           (size_t)job->images * (size_t)job->row.count);
}

bool clade_opencl_depthwise_can(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return conv_is_depthwise(&args->conv2d.w, args->conv2d.groups);
}

bool clade_opencl_depthwise_dx_can(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return conv_is_depthwise(&args->conv2d_dx.w, args->conv2d_dx.groups);
}

void clade_opencl_depthwise(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    const clade_conv2d_args *a = &args->conv2d;
    const depthwise_job job = depthwise_forward(a);
    const opencl_epilogue epilogue = clade_opencl_epilogue_of(a, fusion);
    run(plan, &job, &a->x, &a->w, &epilogue, &a->y);
}

void clade_opencl_depthwise_dx(opencl_plan *plan, const clade_args *args,
                               const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    const opencl_epilogue plain = {0};
    for (int32_t i = 0; i < conv_phases(&g, &a->dx, 0) && !plan->status; i++)
        for (int32_t k = 0; k < conv_phases(&g, &a->dx, 1) && !plan->status; k++) {
            const depthwise_job job = depthwise_dx(a, i, k);
            run(plan, &job, &a->dy, &a->w, &plain, &a->dx);
        }
}
