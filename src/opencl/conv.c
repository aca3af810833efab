/* Launchers of kernels/conv.cl: convolution, its input gradient, and dense layers. */
#include "opencl/implicit.h"
#include "op/conv_norm.h"

clade_status clade_opencl_conv_pack(opencl_context *cl, const clade_tensor *w, int32_t taps,
                                    int32_t cg, int32_t k, const conv_job *job, void *workspace)
{
    opencl_launch l = clade_opencl_begin(cl, "conv", "conv_pack", NULL);
    size_t rows = (size_t)job->groups * (size_t)job->blocks * (size_t)taps;
    clade_opencl_tensor(&l, w);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_i32(&l, taps);
    clade_opencl_i32(&l, cg);
    clade_opencl_i32(&l, k);
    clade_opencl_i32(&l, job->groups);
    clade_opencl_i32(&l, job->blocks);
    clade_opencl_i32(&l, job->lanes);
    clade_opencl_i32(&l, job->backward);
    if (cl->cpu_like) return clade_opencl_run_checked(&l, 1, 1, rows);
    return clade_opencl_run_checked(&l, (size_t)job->lanes, (size_t)job->cin, rows);
}

static clade_status run_tiles(opencl_context *cl, opencl_tile *s, conv_job *job,
                              const clade_tensor *x, const clade_tensor *w,
                              const opencl_epilogue *epilogue, const clade_tensor *y)
{
    if (!job->column.count || !job->row.count) return CLADE_OK;
    conv_axis_interior(job->column, &job->low, &job->high);
    int32_t inside = job->high - job->low;
    s->pb = 1;
    clade_opencl_tile_row(cl, s, inside);
    job->tiles = (inside + s->pb - 1) / s->pb;
    size_t units = (size_t)(job->tiles + job->column.count - inside);
    size_t lines = (size_t)job->images * (size_t)job->row.count;
    opencl_launch l = clade_opencl_begin(cl, "conv", "conv_tiles", clade_opencl_tile_options(s));
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, w);
    clade_opencl_epilogue(&l, epilogue);
    clade_opencl_tensor(&l, y);
    clade_opencl_struct(&l, job, sizeof *job);
    /* on a CPU an item computes a row, or a good piece of a long one */
    if (cl->cpu_like) units = units / 32 + 1;
    return clade_opencl_run_checked(&l, (size_t)(job->groups * job->blocks), units, lines);
}

void clade_opencl_conv_packed(conv_job *job, const opencl_tile *s)
{
    job->lanes = s->vw * s->nv;
    job->blocks = (job->cout + job->lanes - 1) / job->lanes;
    job->w_step = job->lanes;
    job->w_tap = job->cin * job->lanes;
    job->w_block = job->w_tap * job->kh * job->kw;
}

conv_job clade_opencl_conv_job(const clade_conv2d_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->x.dim, *w = a->w.dim, *y = a->y.dim;
    return (conv_job){
        .row = conv_axis_forward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0]),
        .column = conv_axis_forward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1]),
        .images = x[0],
        .out_h = y[1],
        .out_w = y[2],
        .groups = g.groups,
        .cin = w[2],
        .cout = w[3] / g.groups,
        .kh = w[0],
        .kw = w[1],
        .act = a->act,
        .alpha = a->alpha,
        .has_bias = clade_tensor_present(&a->b),
    };
}

/* A convolution of which becomes what `epilogue` says. */
static clade_status convolve(opencl_context *cl, const clade_conv2d_args *a,
                             const opencl_epilogue *epilogue, void *workspace)
{
    conv_geometry g = CONV_GEOMETRY(a);
    opencl_algorithm algorithm = clade_opencl_algorithm(cl, CLADE_OP_conv2d, (const clade_args *)a);
    if (algorithm == OPENCL_WINOGRAD)
        return clade_opencl_winograd(cl, a, epilogue, NULL, NULL, workspace);
    if (algorithm == OPENCL_GEMM) return clade_opencl_conv_by_gemm(cl, a, epilogue, workspace);
    if (conv_is_depthwise(&a->w, g.groups)) return clade_opencl_depthwise(cl, a, epilogue);
    const int32_t *x = a->x.dim, *w = a->w.dim;
    conv_job job = clade_opencl_conv_job(a);
    if (conv_is_pointwise(&a->x, &a->w, &a->y, &g)) {
        int32_t pixels = x[0] * x[1] * x[2]; /* all images are one long row of pixels */
        job.row = conv_axis_forward(1, 1, 1, 1, 0, 1);
        job.column = conv_axis_forward(pixels, pixels, 1, 1, 0, 1);
        job.images = job.out_h = 1;
        job.out_w = pixels;
    }
    if (algorithm == OPENCL_IMPLICIT)
        return clade_opencl_implicit(cl, &job, &a->x, &a->w, epilogue, &a->y, NULL);
    opencl_tile s = clade_opencl_tile(cl, job.cout);
    clade_opencl_conv_packed(&job, &s);
    clade_status status =
        clade_opencl_conv_pack(cl, &a->w, w[0] * w[1], w[2], w[3], &job, workspace);
    if (status) return status;
    clade_buffer memory;
    clade_tensor packed = clade_opencl_workspace_tensor(&memory, workspace, 0);
    return run_tiles(cl, &s, &job, &a->x, &packed, epilogue, &a->y);
}

static clade_status conv2d(void *context, const clade_conv2d_args *a, void *workspace)
{
    const opencl_epilogue epilogue = {.b = a->b, .act = a->act, .alpha = a->alpha};
    return convolve(context, a, &epilogue, workspace);
}

/* The scale of each channel lies behind what the convolution needs. */
static clade_status conv2d_norm(void *context, const clade_conv2d_norm_args *a, void *workspace)
{
    opencl_context *cl = context;
    clade_args args = {.conv2d = conv_norm_conv(a)};
    uint64_t at = clade_opencl_conv_workspace(cl, CLADE_OP_conv2d, &args) / sizeof(float);
    clade_buffer memory;
    const opencl_epilogue epilogue = {.b = a->b,
                                      .mean = a->mean,
                                      .scale =
                                          clade_opencl_workspace_tensor(&memory, workspace, at),
                                      .beta = a->beta,
                                      .z = a->z,
                                      .act = a->act,
                                      .alpha = a->alpha};
    clade_status status = clade_opencl_norm_scale(cl, &a->gamma, &a->var, a->eps, workspace, at);
    return status ? status : convolve(cl, &args.conv2d, &epilogue, workspace);
}

static clade_status conv2d_dx(void *context, const clade_conv2d_dx_args *a, void *workspace)
{
    opencl_context *cl = context;
    conv_geometry g = CONV_GEOMETRY(a);
    opencl_algorithm algorithm =
        clade_opencl_algorithm(cl, CLADE_OP_conv2d_dx, (const clade_args *)a);
    if (algorithm == OPENCL_WINOGRAD) return clade_opencl_winograd_dx(cl, a, NULL, workspace);
    if (algorithm == OPENCL_GEMM)
        return clade_opencl_by_gemm(cl, CLADE_OP_conv2d_dx, (const clade_args *)a, workspace);
    if (conv_is_depthwise(&a->w, g.groups)) return clade_opencl_depthwise_dx(cl, a);
    const int32_t *x = a->dx.dim, *w = a->w.dim, *y = a->dy.dim;
    conv_job job = {
        .images = x[0],
        .out_h = x[1],
        .out_w = x[2],
        .groups = g.groups,
        .cin = w[3] / g.groups,
        .cout = w[2],
        .kh = w[0],
        .kw = w[1],
        .accumulate = a->accumulate,
        .backward = 1,
    };
    bool implicit = algorithm == OPENCL_IMPLICIT;
    opencl_tile s = clade_opencl_tile(cl, job.cout);
    clade_opencl_conv_packed(&job, &s);
    clade_status status = CLADE_OK;
    if (!implicit)
        status = clade_opencl_conv_pack(cl, &a->w, w[0] * w[1], w[2], w[3], &job, workspace);
    clade_buffer memory;
    clade_tensor packed = clade_opencl_workspace_tensor(&memory, workspace, 0);
    const opencl_epilogue plain = {0};
    for (int32_t i = 0; i < g.stride[0] && !status; i++) {
        job.row = conv_axis_backward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0], i);
        for (int32_t k = 0; k < g.stride[1] && !status; k++) {
            job.column =
                conv_axis_backward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1], k);
            status = implicit ? clade_opencl_implicit(cl, &job, &a->dy, &a->w, &plain, &a->dx, NULL)
                              : run_tiles(cl, &s, &job, &a->dy, &packed, &plain, &a->dx);
        }
    }
    return status;
}

/* ---- dense ---- */

enum { dense_tiles_most = 4 }; /* DENSE_TILES of kernels/conv.cl */

static clade_status run_dense(opencl_context *cl, opencl_tile *s, conv_job *job,
                              const clade_tensor *x, const clade_tensor *w,
                              const opencl_epilogue *epilogue, const clade_tensor *y)
{
    if (!cl->cpu_like) return run_tiles(cl, s, job, x, w, epilogue, y);
    clade_opencl_tile_row(cl, s, job->column.count);
    int32_t all = (job->column.count + s->pb - 1) / s->pb, tiles = dense_tiles_most;
    /* fewer to a work-item where there are few */
    if (job->blocks * ((all - 1) / tiles + 1) < 2 * (int32_t)cl->compute_units) tiles = 1;
    opencl_launch l = clade_opencl_begin(cl, "conv", "dense_tiles", clade_opencl_tile_options(s));
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, w);
    clade_opencl_epilogue(&l, epilogue);
    clade_opencl_tensor(&l, y);
    clade_opencl_i32(&l, tiles);
    clade_opencl_struct(&l, job, sizeof *job);
    return clade_opencl_run_checked(&l, (size_t)job->blocks, (size_t)((all - 1) / tiles + 1), 1);
}

/* A 1×1 convolution of n pixels. */
static conv_job dense_job(int32_t n, int32_t in, int32_t out)
{
    return (conv_job){
        .row = conv_axis_forward(1, 1, 1, 1, 0, 1),
        .column = conv_axis_forward(n, n, 1, 1, 0, 1),
        .images = 1,
        .out_h = 1,
        .out_w = n,
        .groups = 1,
        .cin = in,
        .cout = out,
        .kh = 1,
        .kw = 1,
    };
}

/* The weights are read where they are if whole blocks fit. */
static clade_status dense(void *context, const clade_dense_args *a, void *workspace)
{
    opencl_context *cl = context;
    opencl_algorithm algorithm = clade_opencl_algorithm(cl, CLADE_OP_dense, (const clade_args *)a);
    if (algorithm == OPENCL_GEMM)
        return clade_opencl_by_gemm(cl, CLADE_OP_dense, (const clade_args *)a, workspace);
    int32_t in = a->x.dim[1], out = a->w.dim[1];
    conv_job job = dense_job(a->x.dim[0], in, out);
    const opencl_epilogue epilogue = {.b = a->b, .act = a->act, .alpha = a->alpha};
    if (algorithm == OPENCL_IMPLICIT)
        return clade_opencl_implicit(cl, &job, &a->x, &a->w, &epilogue, &a->y, NULL);
    opencl_tile s = clade_opencl_tile(cl, out);
    clade_opencl_conv_packed(&job, &s);
    if (out % job.lanes == 0) {
        job.w_step = out;
        job.w_block = job.lanes;
        return run_dense(cl, &s, &job, &a->x, &a->w, &epilogue, &a->y);
    }
    clade_status status = clade_opencl_conv_pack(cl, &a->w, 1, in, out, &job, workspace);
    if (status) return status;
    clade_buffer memory;
    clade_tensor packed = clade_opencl_workspace_tensor(&memory, workspace, 0);
    return run_dense(cl, &s, &job, &a->x, &packed, &epilogue, &a->y);
}

static clade_status dense_dx(void *context, const clade_dense_dx_args *a, void *workspace)
{
    opencl_context *cl = context;
    opencl_algorithm algorithm =
        clade_opencl_algorithm(cl, CLADE_OP_dense_dx, (const clade_args *)a);
    if (algorithm == OPENCL_GEMM)
        return clade_opencl_by_gemm(cl, CLADE_OP_dense_dx, (const clade_args *)a, workspace);
    int32_t n = a->dy.dim[0], in = a->w.dim[0], out = a->w.dim[1];
    if (algorithm == OPENCL_IMPLICIT) {
        const opencl_epilogue plain = {0};
        conv_job job = dense_job(n, out, in);
        job.backward = 1;
        job.accumulate = a->accumulate;
        return clade_opencl_implicit(cl, &job, &a->dy, &a->w, &plain, &a->dx, NULL);
    }
    opencl_tile s = clade_opencl_tile(cl, n);
    clade_opencl_tile_row(cl, &s, in);
    int32_t lanes = s.vw * s.nv, blocks = (n + lanes - 1) / lanes;
    uint64_t packed = (uint64_t)blocks * (uint64_t)out * (uint64_t)lanes;
    opencl_launch l = clade_opencl_begin(cl, "conv", "dense_transpose", NULL);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_u64(&l, packed);
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, lanes);
    clade_status status = clade_opencl_run_elements(&l, packed);
    if (status) return status;
    l = clade_opencl_begin(cl, "conv", "dense_dx_tiles", clade_opencl_tile_options(&s));
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_workspace(&l, workspace);
    clade_opencl_tensor(&l, &a->dx);
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, in);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_checked(&l, (size_t)blocks, (size_t)((in + s.pb - 1) / s.pb), 1);
}

/* ---- workspace ---- */

static size_t packed_floats(const opencl_context *cl, const clade_tensor *w, int32_t groups,
                            int32_t across)
{
    opencl_tile s = clade_opencl_tile(cl, across);
    size_t per = clade_tensor_count(w) / ((size_t)groups * (size_t)across);
    return per * (size_t)groups * (size_t)opencl_round_up(across, s.vw * s.nv);
}

size_t clade_opencl_conv_workspace(opencl_context *cl, clade_op op, const clade_args *args)
{
    size_t floats = 0;
    if (op == CLADE_OP_conv2d) {
        conv_geometry g = CONV_GEOMETRY(&args->conv2d);
        floats = packed_floats(cl, &args->conv2d.w, g.groups, args->conv2d.w.dim[3] / g.groups);
    } else if (op == CLADE_OP_conv2d_norm) {
        const clade_args conv = {.conv2d = conv_norm_conv(&args->conv2d_norm)};
        return clade_opencl_conv_workspace(cl, CLADE_OP_conv2d, &conv) +
               (size_t)args->conv2d_norm.w.dim[3] * sizeof(float);
    } else if (op == CLADE_OP_conv2d_dx) {
        conv_geometry g = CONV_GEOMETRY(&args->conv2d_dx);
        floats = packed_floats(cl, &args->conv2d_dx.w, g.groups, args->conv2d_dx.w.dim[2]);
    } else if (op == CLADE_OP_dense) {
        floats = packed_floats(cl, &args->dense.w, 1, args->dense.w.dim[1]);
    } else if (op == CLADE_OP_dense_dx) {
        int32_t n = args->dense_dx.dy.dim[0];
        opencl_tile s = clade_opencl_tile(cl, n);
        floats = (size_t)opencl_round_up(n, s.vw * s.nv) * (size_t)args->dense_dx.dy.dim[1];
    }
    opencl_algorithm algorithm = clade_opencl_algorithm(cl, op, args);
    if (algorithm == OPENCL_WINOGRAD) return clade_opencl_winograd_workspace(cl, op, args);
    if (algorithm == OPENCL_IMPLICIT) return clade_opencl_implicit_workspace(cl, op, args);
    size_t bytes = floats ? floats * sizeof(float) : clade_opencl_dw_workspace(cl, op, args);
    if (algorithm != OPENCL_GEMM) return bytes;
    size_t products = clade_opencl_by_gemm_workspace(cl, op, args);
    return bytes > products ? bytes : products;
}

void clade_opencl_conv(const opencl_context *cl, opencl_table *table)
{
    (void)cl;
    table->conv2d = conv2d;
    table->conv2d_norm = conv2d_norm;
    table->conv2d_dx = conv2d_dx;
    table->conv2d_dw = clade_opencl_conv2d_dw;
    table->dense = dense;
    table->dense_dx = dense_dx;
    table->dense_dw = clade_opencl_dense_dw;
}
