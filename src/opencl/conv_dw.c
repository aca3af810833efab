/* Launchers of kernels/conv_dw.cl: weight and bias gradients of convolutions and dense layers. */
#include "opencl/implicit.h"

enum {
    band_most = 8, /* rows of dy that a CPU takes at once */
    band_floats = 1 << 16
};

/* Where its parts lie in workspace, in floats. */
typedef struct dw_layout {
    uint64_t parts, db_parts, padded, own, end;
} dw_layout;

static uint64_t row_floats(const conv_dw_job *job)
{
    return (uint64_t)job->ow * (uint64_t)job->groups * (uint64_t)job->lanes;
}

static int32_t band_of(const conv_dw_job *job)
{
    uint64_t fit = band_floats / row_floats(job);
    return fit < 1 ? 1 : fit < band_most ? (int32_t)fit : band_most;
}

static dw_layout layout_of(const opencl_context *cl, const conv_dw_job *job)
{
    uint64_t filters = (uint64_t)job->groups * (uint64_t)job->lanes;
    uint64_t rows = (uint64_t)job->kh * (uint64_t)job->kw * (uint64_t)job->cg,
             chunks = (uint64_t)job->chunks;
    dw_layout layout = {.parts = 0, .db_parts = chunks * rows * filters};
    layout.padded = layout.db_parts + chunks * filters;
    layout.own = layout.end = layout.padded;
    if (job->pooled)
        layout.end += cl->compute_units * (uint64_t)band_of(job) * row_floats(job);
    else if (job->lanes != job->kg)
        layout.end += (uint64_t)job->images * (uint64_t)job->oh * row_floats(job);
    return layout;
}

conv_dw_job clade_opencl_dw_job(const opencl_context *cl, const clade_conv2d_dw_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->x.dim, *w = a->dw.dim, *y = a->dy.dim;
    int64_t per_chunk;
    conv_dw_job job = {
        .images = x[0],
        .h = x[1],
        .w = x[2],
        .c = x[3],
        .oh = y[1],
        .ow = y[2],
        .k = y[3],
        .kh = w[0],
        .kw = w[1],
        .cg = w[2],
        .groups = g.groups,
        .stride_h = g.stride[0],
        .stride_w = g.stride[1],
        .pad_h = g.pad[0],
        .pad_w = g.pad[1],
        .dilation_h = g.dilation[0],
        .dilation_w = g.dilation[1],
        .kg = y[3] / g.groups,
        .accumulate = a->accumulate,
        .has_bias = clade_tensor_present(&a->db),
    };
    job.chunks =
        clade_conv_chunks((int64_t)y[0] * y[1], (int64_t)clade_tensor_count(&a->dw), &per_chunk);
    job.lines_per_chunk = (int32_t)per_chunk;
    int32_t vw = (int32_t)cl->vector_width;
    if (conv_is_depthwise(&a->dw, g.groups)) {
        /* all channels side by side, as one group */
        job.groups = 1;
        job.kg = job.k;
    }
    job.lanes = opencl_round_up(job.kg, vw);
    conv_axis_interior(conv_axis_forward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1]),
                       &job.low, &job.high);
    bool side_by_side = g.dilation[1] == 1 && g.groups == 1;
    job.run = side_by_side ? job.kw * job.cg : job.cg;
    job.columns = side_by_side ? 1 : job.kw;
    return job;
}

clade_status clade_opencl_dw_add(opencl_context *cl, const conv_dw_job *job, void *workspace,
                                 uint64_t at, uint64_t rows, const clade_tensor *out)
{
    opencl_launch l = clade_opencl_begin(cl, "conv_dw", "conv_add_parts", NULL);
    clade_buffer memory;
    clade_tensor parts = clade_opencl_workspace_tensor(&memory, workspace, at);
    uint64_t n = rows * (uint64_t)job->k;
    clade_opencl_tensor(&l, &parts);
    clade_opencl_tensor(&l, out);
    clade_opencl_u64(&l, n);
    clade_opencl_u64(&l, rows * (uint64_t)job->groups * (uint64_t)job->lanes);
    clade_opencl_i32(&l, job->chunks);
    clade_opencl_i32(&l, job->k);
    clade_opencl_i32(&l, job->kg);
    clade_opencl_i32(&l, job->lanes);
    clade_opencl_i32(&l, job->accumulate);
    return clade_opencl_run_elements(&l, n);
}

/* dy with every group's filters rounded up to whole vectors: a copy in `padded`, unless it is so
 * already. */
static clade_status pad_lanes(opencl_context *cl, clade_tensor *dy, const clade_tensor *padded,
                              uint64_t n, int32_t kg, int32_t lanes)
{
    if (kg == lanes) return CLADE_OK;
    opencl_launch l = clade_opencl_begin(cl, "conv_dw", "conv_pad_lanes", NULL);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, padded);
    clade_opencl_u64(&l, n);
    clade_opencl_i32(&l, kg);
    clade_opencl_i32(&l, lanes);
    *dy = *padded;
    return clade_opencl_run_elements(&l, n);
}

static clade_status depthwise_parts(opencl_context *cl, const clade_conv2d_dw_args *a,
                                    const conv_dw_job *job, const clade_tensor *parts)
{
    opencl_tile s = clade_opencl_tile(cl, 1);
    opencl_launch l =
        clade_opencl_begin(cl, "conv_dw", "conv_dw_depthwise", clade_opencl_tile_options(&s));
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, parts);
    clade_opencl_struct(&l, job, sizeof *job);
    return clade_opencl_run_checked(&l, (size_t)(job->lanes / s.vw), (size_t)(job->kh * job->kw),
                                    (size_t)job->chunks);
}

/* index: of a pooled gradient, else absent; db_parts: where a CPU sums up db too, or NULL. */
static clade_status filter_parts(opencl_context *cl, const clade_conv2d_dw_args *a,
                                 const conv_dw_job *job, const clade_tensor *dy,
                                 const clade_tensor *index, const clade_tensor *parts,
                                 const clade_tensor *db_parts, void *workspace)
{
    opencl_tile s = clade_opencl_tile(cl, job->lanes);
    clade_opencl_tile_divisor(cl, &s, job->run);
    clade_buffer memory;
    clade_tensor own = clade_opencl_workspace_tensor(&memory, workspace, layout_of(cl, job).own);
    size_t blocks = (size_t)job->groups * (size_t)((job->lanes + s.nv * s.vw - 1) / (s.nv * s.vw));
    size_t tiles = (size_t)job->columns * (size_t)(job->run / s.pb), workers;
    int32_t units = (int32_t)cl->compute_units, taps = 1;
    if (cl->cpu_like) {
        /* all rows of taps together, if there are chunks enough */
        if (job->chunks >= 4 * units) taps = job->kh;
        blocks = tiles = 1;
        workers = cl->compute_units;
    } else {
        workers = (size_t)job->chunks * (size_t)job->kh;
    }
    opencl_launch l =
        clade_opencl_begin(cl, "conv_dw", "conv_dw_part", clade_opencl_tile_options(&s));
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, index);
    clade_opencl_tensor(&l, &own);
    clade_opencl_tensor(&l, parts);
    clade_opencl_tensor(&l, db_parts);
    clade_opencl_i32(&l, taps);
    clade_opencl_i32(&l, band_of(job));
    clade_opencl_i32(&l, cl->cpu_like && job->has_bias);
    clade_opencl_struct(&l, job, sizeof *job);
    return clade_opencl_run_checked(&l, blocks, tiles, workers);
}

static clade_status bias_parts(opencl_context *cl, const conv_dw_job *job, const clade_tensor *dy,
                               const clade_tensor *parts)
{
    opencl_tile s = clade_opencl_tile(cl, 1);
    opencl_launch l =
        clade_opencl_begin(cl, "conv_dw", "conv_db_part", clade_opencl_tile_options(&s));
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, parts);
    clade_opencl_struct(&l, job, sizeof *job);
    return clade_opencl_run_checked(&l, (size_t)(job->groups * job->lanes / s.vw),
                                    (size_t)job->chunks, 1);
}

/* dw, unless it is `done`, and db. */
static clade_status run_job(opencl_context *cl, const clade_conv2d_dw_args *a,
                            const conv_dw_job *job, const clade_tensor *dy,
                            const clade_tensor *index, bool done, void *workspace)
{
    clade_buffer memory;
    dw_layout layout = layout_of(cl, job);
    clade_tensor parts = clade_opencl_workspace_tensor(&memory, workspace, layout.parts);
    clade_tensor db_parts = clade_opencl_workspace_tensor(&memory, workspace, layout.db_parts);
    uint64_t rows = (uint64_t)job->kh * (uint64_t)job->kw * (uint64_t)job->cg;
    bool depthwise = conv_is_depthwise(&a->dw, a->groups);
    bool bias = job->has_bias && (done || depthwise || !cl->cpu_like); /* is it apart? */
    clade_status status = CLADE_OK;
    if (!done) {
        status = depthwise ? depthwise_parts(cl, a, job, &parts)
                           : filter_parts(cl, a, job, dy, index, &parts, &db_parts, workspace);
        if (!status) status = clade_opencl_dw_add(cl, job, workspace, layout.parts, rows, &a->dw);
    }
    if (!status && bias) status = bias_parts(cl, job, dy, &db_parts);
    if (status || !job->has_bias) return status;
    return clade_opencl_dw_add(cl, job, workspace, layout.db_parts, 1, &a->db);
}

clade_status clade_opencl_conv2d_dw(void *context, const clade_conv2d_dw_args *a, void *workspace)
{
    opencl_context *cl = context;
    const clade_args *args = (const clade_args *)a;
    opencl_algorithm algorithm = clade_opencl_algorithm(cl, CLADE_OP_conv2d_dw, args);
    if (algorithm == OPENCL_WINOGRAD) return clade_opencl_winograd_dw(cl, a, NULL, workspace);
    if (algorithm == OPENCL_IMPLICIT) return clade_opencl_implicit_dw(cl, a, NULL, workspace);
    bool done = algorithm == OPENCL_GEMM;
    clade_status status =
        done ? clade_opencl_by_gemm(cl, CLADE_OP_conv2d_dw, args, workspace) : CLADE_OK;
    if (status || (done && !clade_tensor_present(&a->db))) return status;
    conv_dw_job job = clade_opencl_dw_job(cl, a);
    dw_layout layout = layout_of(cl, &job);
    clade_buffer memory;
    clade_tensor dy = a->dy,
                 padded = clade_opencl_workspace_tensor(&memory, workspace, layout.padded);
    status = pad_lanes(cl, &dy, &padded, layout.end - layout.padded, job.kg, job.lanes);
    const clade_tensor no_index = {0};
    return status ? status : run_job(cl, a, &job, &dy, &no_index, done, workspace);
}

bool clade_opencl_dw_can_unpool(opencl_context *cl, const clade_conv2d_dw_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    opencl_algorithm algorithm =
        clade_opencl_algorithm(cl, CLADE_OP_conv2d_dw, (const clade_args *)a);
    if (algorithm == OPENCL_IMPLICIT) return true;
    return cl->cpu_like && algorithm == OPENCL_DIRECT && g.groups == 1 &&
           a->dy.dim[3] % (int32_t)cl->vector_width == 0;
}

clade_status clade_opencl_conv2d_dw_pooled(opencl_context *cl, const clade_conv2d_dw_args *a,
                                           const clade_tensor *index, void *workspace)
{
    if (clade_opencl_algorithm(cl, CLADE_OP_conv2d_dw, (const clade_args *)a) == OPENCL_IMPLICIT)
        return clade_opencl_implicit_dw(cl, a, index, workspace);
    conv_dw_job job = clade_opencl_dw_job(cl, a);
    job.pooled = 1;
    return run_job(cl, a, &job, &a->dy, index, false, workspace);
}

size_t clade_opencl_dw_pooled_workspace(opencl_context *cl, const clade_conv2d_dw_args *a)
{
    const clade_args *args = (const clade_args *)a;
    if (clade_opencl_algorithm(cl, CLADE_OP_conv2d_dw, args) == OPENCL_IMPLICIT)
        return clade_opencl_implicit_workspace(cl, CLADE_OP_conv2d_dw, args);
    conv_dw_job job = clade_opencl_dw_job(cl, a);
    job.pooled = 1;
    return (size_t)layout_of(cl, &job).end * sizeof(float);
}

clade_status clade_opencl_dense_dw(void *context, const clade_dense_dw_args *a, void *workspace)
{
    opencl_context *cl = context;
    const clade_args *args = (const clade_args *)a;
    opencl_algorithm algorithm = clade_opencl_algorithm(cl, CLADE_OP_dense_dw, args);
    if (algorithm == OPENCL_IMPLICIT) return clade_opencl_implicit_dense_dw(cl, a);
    bool done = algorithm == OPENCL_GEMM;
    clade_status status =
        done ? clade_opencl_by_gemm(cl, CLADE_OP_dense_dw, args, workspace) : CLADE_OK;
    int32_t n = a->x.dim[0], in = a->x.dim[1], out = a->dy.dim[1];
    if (!status && !done) {
        opencl_tile s = clade_opencl_tile(cl, out);
        clade_opencl_tile_divisor(cl, &s, in);
        int32_t lanes = opencl_round_up(out, s.vw);
        clade_buffer memory;
        clade_tensor dy = a->dy, padded = clade_opencl_workspace_tensor(&memory, workspace, 0);
        status = pad_lanes(cl, &dy, &padded, (uint64_t)n * (uint64_t)lanes, out, lanes);
        if (status) return status;
        opencl_launch l =
            clade_opencl_begin(cl, "conv_dw", "dense_dw_tiles", clade_opencl_tile_options(&s));
        clade_opencl_tensor(&l, &a->x);
        clade_opencl_tensor(&l, &dy);
        clade_opencl_tensor(&l, &a->dw);
        clade_opencl_i32(&l, n);
        clade_opencl_i32(&l, in);
        clade_opencl_i32(&l, out);
        clade_opencl_i32(&l, lanes);
        clade_opencl_i32(&l, a->accumulate);
        size_t blocks = cl->cpu_like ? 1 : (size_t)((lanes + s.nv * s.vw - 1) / (s.nv * s.vw));
        status = clade_opencl_run_checked(&l, blocks, (size_t)(in / s.pb), 1);
    }
    if (status || !clade_tensor_present(&a->db)) return status;
    opencl_launch l = clade_opencl_begin(cl, "conv_dw", "dense_db", NULL);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->db);
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_elements(&l, (uint64_t)out);
}

size_t clade_opencl_dw_workspace(const opencl_context *cl, clade_op op, const clade_args *args)
{
    size_t floats = 0;
    if (op == CLADE_OP_conv2d_dw) {
        conv_dw_job job = clade_opencl_dw_job(cl, &args->conv2d_dw);
        floats = (size_t)layout_of(cl, &job).end;
    } else if (op == CLADE_OP_dense_dw) {
        const clade_tensor *dy = &args->dense_dw.dy;
        floats =
            (size_t)dy->dim[0] * (size_t)opencl_round_up(dy->dim[1], (int32_t)cl->vector_width);
    }
    return floats * sizeof(float);
}
