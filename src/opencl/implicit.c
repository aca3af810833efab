/* Launchers of kernels/conv_implicit.cl. */
#include "opencl/implicit.h"
#include "opencl/product.h"

#include <stdio.h>

/* Pixels are counted in 32 bits, with a tile to spare. */
static bool fits(const clade_tensor *pixels)
{
    const int32_t *dim = pixels->dim;
    return (int64_t)dim[0] * dim[1] * dim[2] <= INT32_MAX / 2;
}

enum { most_groups = 512 }; /* 64 chunks of each are what all devices accept in a dimension */

static bool can_convolve(const clade_tensor *x, const clade_tensor *w, const clade_tensor *y,
                         int32_t groups)
{
    return fits(x) && fits(y) && groups <= most_groups && !conv_is_depthwise(w, groups);
}

bool clade_opencl_implicit_can(const opencl_context *cl, clade_op op, const clade_args *args)
{
    if (!clade_opencl_product_can(cl)) return false;
    switch (op) {
    case CLADE_OP_conv2d:
        return can_convolve(&args->conv2d.x, &args->conv2d.w, &args->conv2d.y, args->conv2d.groups);
    case CLADE_OP_conv2d_dx:
        return can_convolve(&args->conv2d_dx.dx, &args->conv2d_dx.w, &args->conv2d_dx.dy,
                            args->conv2d_dx.groups);
    case CLADE_OP_conv2d_dw:
        return can_convolve(&args->conv2d_dw.x, &args->conv2d_dw.dw, &args->conv2d_dw.dy,
                            args->conv2d_dw.groups);
    case CLADE_OP_dense:
    case CLADE_OP_dense_dx:
    case CLADE_OP_dense_dw: return true;
    default: return false;
    }
}

clade_status clade_opencl_implicit(opencl_context *cl, const conv_job *job, const clade_tensor *x,
                                   const clade_tensor *w, const opencl_epilogue *epilogue,
                                   const clade_tensor *y, const clade_tensor *index)
{
    const clade_tensor none = {0};
    opencl_product p = {
        .rows = index ? 4 * (int64_t)job->images * job->out_h * job->out_w
                      : (int64_t)job->images * job->row.count * job->column.count,
        .columns = job->cout,
        .count = job->groups,
        .a_aligned = opencl_aligned(job->cin, x->offset),
        .b_aligned = opencl_aligned(job->cout, w->offset),
        .c_aligned = opencl_aligned(job->cout, y->offset),
        .windows = index,
    };
    if (!p.rows) return CLADE_OK;
    /* weights are then read along filters too, by work-items that are at one step for both */
    if (job->backward)
        p.a_aligned = p.b_aligned = p.a_aligned && opencl_aligned(job->cin, w->offset);
    char options[64];
    snprintf(options, sizeof options, "-DACT=%d -DPOOL=%d -DBACKWARD=%d", epilogue->act,
             index != NULL, job->backward);
    opencl_launch l = clade_opencl_product_begin(cl, &p, "conv_implicit", "conv_implicit", options);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, w);
    clade_opencl_epilogue(&l, epilogue);
    clade_opencl_tensor(&l, y);
    clade_opencl_tensor(&l, index ? index : &none);
    clade_opencl_i32(&l, index && clade_tensor_present(index));
    clade_opencl_struct(&l, job, sizeof *job);
    return clade_opencl_product_run(&l, &p);
}

/* ---- weight gradients ---- */

/* Sums of all chunks to dw and db, where each chunk's are `dw_step` and `db_step` floats on. */
static clade_status run_dw(opencl_context *cl, const conv_dw_job *job, const clade_tensor *x,
                           const clade_tensor *dy, const clade_tensor *index,
                           const clade_tensor *dw, const clade_tensor *db, uint64_t dw_step,
                           uint64_t db_step)
{
    const clade_tensor none = {0};
    opencl_product p = {
        .rows = (int64_t)job->kh * job->kw * job->cg + job->has_bias,
        .columns = job->kg,
        .count = (int64_t)job->groups * job->chunks,
        .a_aligned = opencl_aligned(job->cg, x->offset),
        .b_aligned = opencl_aligned(job->kg, dy->offset),
        .c_aligned = opencl_aligned(job->kg, dw->offset) && opencl_aligned(job->kg, db->offset),
    };
    opencl_launch l = clade_opencl_product_begin(cl, &p, "conv_implicit", "conv_implicit_dw",
                                                 index ? "-DPOOL=1" : "-DPOOL=0");
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, index ? index : &none);
    clade_opencl_tensor(&l, dw);
    clade_opencl_tensor(&l, db);
    clade_opencl_u64(&l, dw_step);
    clade_opencl_u64(&l, db_step);
    clade_opencl_struct(&l, job, sizeof *job);
    return clade_opencl_product_run(&l, &p);
}

/* Floats of the sums of a chunk. */
static uint64_t chunk_floats(const conv_dw_job *job)
{
    return (uint64_t)job->kh * (uint64_t)job->kw * (uint64_t)job->cg * (uint64_t)job->k;
}

clade_status clade_opencl_implicit_dw(opencl_context *cl, const clade_conv2d_dw_args *a,
                                      const clade_tensor *index, void *workspace)
{
    conv_dw_job job = clade_opencl_dw_job(cl, a), each = job;
    uint64_t floats = chunk_floats(&job), db_at = floats * (uint64_t)job.chunks;
    clade_buffer memory;
    clade_tensor dw = clade_opencl_workspace_tensor(&memory, workspace, 0),
                 db = clade_opencl_workspace_tensor(&memory, workspace, db_at);
    job.lanes = job.kg;
    each.accumulate = 0;
    clade_status status =
        run_dw(cl, &each, &a->x, &a->dy, index, &dw, &db, floats, (uint64_t)job.k);
    if (!status)
        status = clade_opencl_dw_add(cl, &job, workspace, 0, floats / (uint64_t)job.k, &a->dw);
    if (status || !job.has_bias) return status;
    return clade_opencl_dw_add(cl, &job, workspace, db_at, 1, &a->db);
}

/* A weight gradient of 1 × 1 images in one chunk. */
clade_status clade_opencl_implicit_dense_dw(opencl_context *cl, const clade_dense_dw_args *a)
{
    int32_t n = a->x.dim[0], in = a->x.dim[1], out = a->dy.dim[1];
    const conv_dw_job job = {
        .images = n,
        .h = 1,
        .w = 1,
        .c = in,
        .oh = 1,
        .ow = 1,
        .k = out,
        .kh = 1,
        .kw = 1,
        .cg = in,
        .groups = 1,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
        .kg = out,
        .chunks = 1,
        .lines_per_chunk = n,
        .accumulate = a->accumulate,
        .has_bias = clade_tensor_present(&a->db),
    };
    return run_dw(cl, &job, &a->x, &a->dy, NULL, &a->dw, &a->db, 0, 0);
}

size_t clade_opencl_implicit_workspace(const opencl_context *cl, clade_op op,
                                       const clade_args *args)
{
    if (op != CLADE_OP_conv2d_dw) return 0;
    conv_dw_job job = clade_opencl_dw_job(cl, &args->conv2d_dw);
    return (size_t)(chunk_floats(&job) + (uint64_t)job.k) * (size_t)job.chunks * sizeof(float);
}
