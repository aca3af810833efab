/* Direct convolution and its input gradient: the launchers of kernels/conv.cl, which compute every
 * result by itself. */
#include "opencl/conv.h"

void clade_opencl_conv_tiles(opencl_plan *plan, opencl_tile *s, conv_job *job,
                             const clade_tensor *x, const clade_tensor *w,
                             const opencl_epilogue *epilogue, const clade_tensor *y)
{
    if (!job->column.count || !job->row.count) return;
    conv_axis_interior(job->column, &job->low, &job->high);
    int32_t inside = job->high - job->low;
    s->pb = 1;
    clade_opencl_tile_row(plan->cl, s, inside);
    job->tiles = (inside + s->pb - 1) / s->pb;
    size_t units = (size_t)(job->tiles + job->column.count - inside);
    size_t lines = (size_t)job->images * (size_t)job->row.count;
    opencl_launch l = clade_opencl_begin(plan, "conv", "conv_tiles", clade_opencl_tile_options(s));
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, w);
    clade_opencl_epilogue(&l, epilogue);
    clade_opencl_tensor(&l, y);
    clade_opencl_struct(&l, job, sizeof *job);
    clade_opencl_run_checked(&l, (size_t)job->groups * (size_t)job->blocks,
                             clade_opencl_shares(plan->cl, units, plan->cl->limits.line_tiles),
                             lines);
}

/* The same with results pooled before they are stored. */
static void pooled_tiles(opencl_plan *plan, opencl_tile *s, conv_job *job,
                         const clade_conv2d_args *a, const clade_tensor *w,
                         const opencl_fusion *fusion)
{
    conv_axis_interior(job->column, &job->low, &job->high);
    job->low = (job->low + 1) / 2;
    job->high = job->high / 2 < job->out_w ? job->high / 2 : job->out_w;
    if (job->high < job->low) job->low = job->high = 0;
    int32_t inside = job->high - job->low;
    clade_opencl_tile_row(plan->cl, s, 2 * inside);
    if (s->pb < 2) s->pb = 2;
    job->tiles = (2 * inside + s->pb - 1) / s->pb;
    opencl_launch l =
        clade_opencl_begin(plan, "conv_pool", "conv_pool_tiles", clade_opencl_tile_options(s));
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, w);
    clade_opencl_tensor(&l, &a->b);
    clade_opencl_tensor(&l, fusion->pooled);
    clade_opencl_tensor(&l, fusion->index);
    clade_opencl_i32(&l, clade_tensor_present(fusion->index));
    clade_opencl_struct(&l, job, sizeof *job);
    size_t units = (size_t)(job->tiles + job->out_w - inside);
    clade_opencl_run_checked(&l, (size_t)job->groups * (size_t)job->blocks,
                             clade_opencl_shares(plan->cl, units, plan->cl->limits.line_tiles),
                             (size_t)job->images * (size_t)job->out_h);
}

bool clade_opencl_direct_can(const opencl_context *cl, const clade_args *args)
{
    return !clade_opencl_depthwise_can(cl, args);
}

void clade_opencl_direct(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    const clade_conv2d_args *a = &args->conv2d;
    const int32_t *w = a->w.dim;
    const bool pooled = fusion && fusion->pooled;
    const opencl_epilogue epilogue = clade_opencl_epilogue_of(a, fusion);
    conv_job job = clade_opencl_conv_job(a, pooled ? fusion->pooled : NULL);
    opencl_tile s = clade_opencl_tile(plan->cl, job.cout);
    clade_opencl_conv_packed(plan, &job, &s);
    const clade_tensor packed = clade_opencl_conv_pack(plan, &a->w, w[0] * w[1], w[2], w[3], &job);
    if (pooled)
        pooled_tiles(plan, &s, &job, a, &packed, fusion);
    else
        clade_opencl_conv_tiles(plan, &s, &job, &a->x, &packed, &epilogue, &a->y);
}

bool clade_opencl_direct_dx_can(const opencl_context *cl, const clade_args *args)
{
    return !clade_opencl_depthwise_dx_can(cl, args);
}

void clade_opencl_direct_dx(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *w = a->w.dim;
    const opencl_epilogue plain = {0};
    conv_job job = clade_opencl_conv_dx_job(a);
    opencl_tile s = clade_opencl_tile(plan->cl, job.cout);
    clade_opencl_conv_packed(plan, &job, &s);
    const clade_tensor packed = clade_opencl_conv_pack(plan, &a->w, w[0] * w[1], w[2], w[3], &job);
    for (int32_t i = 0; i < conv_phases(&g, &a->dx, 0) && !plan->status; i++)
        for (int32_t k = 0; k < conv_phases(&g, &a->dx, 1) && !plan->status; k++) {
            clade_opencl_conv_dx_phase(a, i, k, &job);
            clade_opencl_conv_tiles(plan, &s, &job, &a->dy, &packed, &plain, &a->dx);
        }
}
