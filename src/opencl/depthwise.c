/* Launchers of kernels/depthwise.cl. */
#include "opencl/conv.h"
#include "opencl/rows.h"

static clade_status run(opencl_context *cl, const depthwise_job *job, const clade_tensor *x,
                        const clade_tensor *w, const opencl_epilogue *epilogue,
                        const clade_tensor *y)
{
    if (!job->column.count || !job->row.count) return CLADE_OK;
    opencl_launch l = clade_opencl_begin_lanes(cl, "depthwise", "conv_depthwise", job->c, "");
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, w);
    clade_opencl_epilogue(&l, epilogue);
    clade_opencl_tensor(&l, y);
    clade_opencl_struct(&l, job, sizeof *job);
    size_t lines = (size_t)job->images * (size_t)job->row.count;
    if (cl->cpu_like) return clade_opencl_run_checked(&l, 1, 1, lines);
    return clade_opencl_run_checked(&l, (size_t)(job->c / clade_opencl_lanes(cl, job->c)),
                                    (size_t)job->column.count, lines);
}

clade_status clade_opencl_depthwise(opencl_context *cl, const clade_conv2d_args *a,
                                    const opencl_epilogue *epilogue)
{
    const depthwise_job job = depthwise_forward(a);
    return run(cl, &job, &a->x, &a->w, epilogue, &a->y);
}

clade_status clade_opencl_depthwise_dx(opencl_context *cl, const clade_conv2d_dx_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const opencl_epilogue plain = {0};
    clade_status status = CLADE_OK;
    for (int32_t i = 0; i < g.stride[0]; i++)
        for (int32_t k = 0; k < g.stride[1] && !status; k++) {
            const depthwise_job job = depthwise_dx(a, i, k);
            status = run(cl, &job, &a->dy, &a->w, &plain, &a->dx);
        }
    return status;
}
