/* What the kernels of convolutions and dense layers are told, and the launches that several
 * algorithms share. */
#include "opencl/conv.h"

#include "../../kernels/conv_epilogue.clh"

/* ---- epilogues ---- */

void clade_opencl_epilogue(opencl_launch *l, const opencl_epilogue *e)
{
    const conv_epilogue_job job = {.has_bias = clade_tensor_present(&e->b),
                                   .has_norm = clade_tensor_present(&e->mean),
                                   .has_z = clade_tensor_present(&e->z),
                                   .act = e->act,
                                   .alpha = e->alpha};
    clade_opencl_tensor(l, &e->b);
    clade_opencl_tensor(l, &e->mean);
    clade_opencl_tensor(l, &e->scale);
    clade_opencl_tensor(l, &e->beta);
    clade_opencl_tensor(l, &e->z);
    clade_opencl_struct(l, &job, sizeof job);
}

opencl_epilogue clade_opencl_epilogue_of(const clade_conv2d_args *a, const opencl_fusion *fusion)
{
    if (fusion && fusion->epilogue) return *fusion->epilogue;
    return (opencl_epilogue){.b = a->b, .act = a->act, .alpha = a->alpha};
}

bool clade_opencl_acts_conv2d(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return !conv_epilogue_leaves(args->conv2d.act);
}

bool clade_opencl_acts_dense(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return !conv_epilogue_leaves(args->dense.act);
}

/* ---- jobs ---- */

conv_job clade_opencl_conv_job(const clade_conv2d_args *a, const clade_tensor *pooled)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->x.dim, *w = a->w.dim, *y = a->y.dim;
    conv_job job = {
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
    if (pooled) {
        job.out_h = pooled->dim[1];
        job.out_w = pooled->dim[2];
    } else if (conv_is_pointwise(&a->x, &a->w, &a->y, &g)) {
        int32_t pixels = x[0] * x[1] * x[2]; /* all images are one long row of pixels */
        job.row = conv_axis_forward(1, 1, 1, 1, 0, 1);
        job.column = conv_axis_forward(pixels, pixels, 1, 1, 0, 1);
        job.images = job.out_h = 1;
        job.out_w = pixels;
    }
    return job;
}

conv_job clade_opencl_conv_dx_job(const clade_conv2d_dx_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->dx.dim, *w = a->w.dim;
    return (conv_job){
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
}

void clade_opencl_conv_dx_phase(const clade_conv2d_dx_args *a, int32_t i, int32_t k, conv_job *job)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->dx.dim, *w = a->w.dim, *y = a->dy.dim;
    job->row = conv_axis_backward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0], i);
    job->column = conv_axis_backward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1], k);
}

conv_job clade_opencl_dense_job(int32_t n, int32_t in, int32_t out)
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

conv_dw_job clade_opencl_dw_job(opencl_plan *plan, const clade_conv2d_dw_args *a)
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
    int32_t vw = (int32_t)plan->cl->vector_width;
    if (conv_is_depthwise(&a->dw, g.groups)) {
        /* all channels side by side, as one group */
        job.groups = 1;
        job.kg = job.k;
    }
    job.lanes = opencl_round_up(job.kg, vw);
    conv_axis_interior(conv_axis_forward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1]),
                       &job.low, &job.high);
    bool side_by_side = g.dilation[1] == 1 && g.groups == 1;
    const uint64_t run = side_by_side ? (uint64_t)job.kw * (uint64_t)job.cg : (uint64_t)job.cg;
    clade_opencl_plan_limit(plan, run, INT32_MAX, "weights in a row of taps");
    clade_opencl_plan_limit(plan, (uint64_t)job.groups * (uint64_t)job.lanes, INT32_MAX,
                            "filters in whole vectors");
    clade_opencl_plan_limit(plan, (uint64_t)per_chunk, INT32_MAX, "rows in a chunk");
    job.run = (int32_t)run;
    job.columns = side_by_side ? 1 : job.kw;
    return job;
}

/* ---- packed weights ---- */

void clade_opencl_conv_packed(opencl_plan *plan, conv_job *job, const opencl_tile *s)
{
    job->lanes = s->vw * s->nv;
    job->blocks = (job->cout + job->lanes - 1) / job->lanes;
    const uint64_t tap = (uint64_t)job->cin * (uint64_t)job->lanes,
                   taps = (uint64_t)job->kh * (uint64_t)job->kw;
    clade_opencl_plan_limit(plan, tap, INT32_MAX / taps, "weights in a tap of a block of filters");
    job->w_step = job->lanes;
    job->w_tap = (int32_t)tap;
    job->w_block = (int32_t)(tap * taps);
}

clade_tensor clade_opencl_conv_pack(opencl_plan *plan, const clade_tensor *w, int32_t taps,
                                    int32_t cg, int32_t k, const conv_job *job)
{
    size_t rows = (size_t)job->groups * (size_t)job->blocks * (size_t)taps;
    const clade_tensor packed =
        clade_opencl_part(plan, (uint64_t)rows * (uint64_t)job->cin * (uint64_t)job->lanes);
    opencl_launch l = clade_opencl_begin(plan, "conv", "conv_pack", NULL);
    clade_opencl_tensor(&l, w);
    clade_opencl_tensor(&l, &packed);
    clade_opencl_i32(&l, taps);
    clade_opencl_i32(&l, cg);
    clade_opencl_i32(&l, k);
    clade_opencl_i32(&l, job->groups);
    clade_opencl_i32(&l, job->blocks);
    clade_opencl_i32(&l, job->lanes);
    clade_opencl_i32(&l, job->backward);
    clade_opencl_run_lines(&l, (size_t)job->lanes, (size_t)job->cin, rows);
    return packed;
}

/* ---- sums of chunks ---- */

void clade_opencl_dw_add(opencl_plan *plan, const conv_dw_job *job, uint64_t rows,
                         const clade_tensor *parts, const clade_tensor *dw,
                         const clade_tensor *db_parts, const clade_tensor *db)
{
    const clade_tensor none = {0};
    const uint64_t n = parts ? rows * (uint64_t)job->k : 0,
                   biases = db_parts ? (uint64_t)job->k : 0;
    const uint64_t filters = (uint64_t)job->groups * (uint64_t)job->lanes;
    opencl_launch l = clade_opencl_begin_stored(plan, CLADE_F32, "conv_dw", "conv_add_parts", NULL);
    clade_opencl_tensor(&l, parts ? parts : &none);
    clade_opencl_tensor(&l, parts ? dw : &none);
    clade_opencl_tensor(&l, db_parts ? db_parts : &none);
    clade_opencl_tensor(&l, db_parts ? db : &none);
    clade_opencl_u64(&l, n);
    clade_opencl_u32(&l, (uint32_t)biases);
    clade_opencl_u64(&l, rows * filters);
    clade_opencl_u64(&l, filters);
    clade_opencl_i32(&l, job->chunks);
    clade_opencl_i32(&l, job->k);
    clade_opencl_i32(&l, job->kg);
    clade_opencl_i32(&l, job->lanes);
    clade_opencl_i32(&l, job->accumulate);
    clade_opencl_run_elements(&l, n + biases);
}
