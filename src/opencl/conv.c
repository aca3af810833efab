/* Launchers of kernels/conv.cl and conv_dw.cl: convolution, its gradients, and dense layers. */
#include "opencl/opencl.h"
#include "op/conv.h"

#include "../../kernels/conv_job.clh"

#include <stdio.h>

/* Vector and tile sizes for a device; results do not depend on them. */
typedef struct shape {
    int32_t vw, nv, pb;
    char options[64];
} shape;

static shape shape_of(const opencl_context *cl, int32_t across)
{
    shape s = {.vw = (int32_t)cl->vector_width, .nv = 1, .pb = 1};
    if (cl->cpu_like && across > s.vw) s.nv = 2;
    return s;
}

/* The tile size that leaves the least to do twice. */
static void tile_row(const opencl_context *cl, shape *s, int32_t results)
{
    static const int32_t sizes[] = {14, 12, 8, 6, 4, 1};
    int32_t most = !cl->cpu_like ? 8 : cl->vector_width < 16 ? 6 : 14, best = INT32_MAX;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int32_t pb = sizes[i];
        if (pb > most || pb > results) continue;
        /* a tile of 1 takes as long as one of 4 */
        int32_t cost = (results + pb - 1) / pb * (pb < 4 ? 4 : pb);
        if (cost >= best) continue;
        best = cost;
        s->pb = pb;
    }
}

/* The largest tile size that divides n. */
static void tile_divisor(const opencl_context *cl, shape *s, int32_t n)
{
    int32_t most = !cl->cpu_like ? 8 : cl->vector_width < 16 ? 6 : 14;
    for (s->pb = most; n % s->pb; s->pb--) {}
}

static const char *options_of(shape *s)
{
    snprintf(s->options, sizeof s->options, "-DVW=%d -DNV=%d -DPB=%d", s->vw, s->nv, s->pb);
    return s->options;
}

/* A grid of work-items that check their place: single ones on a CPU, groups of about 64 on a GPU. */
static clade_status run_grid(opencl_launch *l, size_t x, size_t y, size_t z)
{
    size_t local[3] = {1, 1, 1}, global[3] = {x, y, z};
    if (!l->cl->cpu_like) {
        while (local[0] < x && local[0] < 16) local[0] *= 2;
        while (local[1] < y && local[0] * local[1] < 64) local[1] *= 2;
    }
    for (int i = 0; i < 3; i++) global[i] = (global[i] + local[i] - 1) / local[i] * local[i];
    return clade_opencl_run_grid(l, 3, global, local);
}

static clade_tensor scratch_tensor(clade_buffer *memory, void *scratch, uint64_t offset)
{
    memory->handle = scratch;
    return (clade_tensor){.buffer = memory, .offset = offset, .dtype = CLADE_F32};
}

static int32_t round_up(int32_t n, int32_t to) { return (n + to - 1) / to * to; }

/* ---- convolution and input gradient ---- */

static void interior(conv_axis axis, int32_t *low, int32_t *high)
{
    *low = 0;
    *high = axis.count;
    while (*low < *high && conv_axis_to(axis, *low) - conv_axis_from(axis, *low) < axis.taps) ++*low;
    while (*high > *low && conv_axis_to(axis, *high - 1) - conv_axis_from(axis, *high - 1) < axis.taps)
        --*high;
}

static clade_status pack(opencl_context *cl, const clade_tensor *w, int32_t taps, int32_t cg, int32_t k,
                         const conv_job *job, void *scratch)
{
    opencl_launch l = clade_opencl_begin(cl, "conv", "conv_pack", NULL);
    uint64_t n = (uint64_t)job->groups * (uint64_t)job->blocks * (uint64_t)job->w_block;
    clade_opencl_tensor(&l, w);
    clade_opencl_scratch(&l, scratch);
    clade_opencl_u64(&l, n);
    clade_opencl_i32(&l, taps);
    clade_opencl_i32(&l, cg);
    clade_opencl_i32(&l, k);
    clade_opencl_i32(&l, job->groups);
    clade_opencl_i32(&l, job->blocks);
    clade_opencl_i32(&l, job->lanes);
    clade_opencl_i32(&l, job->backward);
    return clade_opencl_run_elements(&l, n);
}

static clade_status run_tiles(opencl_context *cl, shape *s, conv_job *job, const clade_tensor *x,
                              const clade_tensor *w, const clade_tensor *b, const clade_tensor *y)
{
    if (!job->column.count || !job->row.count) return CLADE_OK;
    interior(job->column, &job->low, &job->high);
    int32_t inside = job->high - job->low;
    s->pb = 1;
    tile_row(cl, s, inside);
    job->tiles = (inside + s->pb - 1) / s->pb;
    size_t units = (size_t)(job->tiles + job->column.count - inside);
    size_t lines = (size_t)job->images * (size_t)job->row.count;
    opencl_launch l = clade_opencl_begin(cl, "conv", "conv_tiles", options_of(s));
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, w);
    clade_opencl_tensor(&l, b);
    clade_opencl_tensor(&l, y);
    clade_opencl_struct(&l, job, sizeof *job);
    /* on a CPU an item computes a row, or a good piece of a long one */
    if (cl->cpu_like) units = units / 32 + 1;
    return run_grid(&l, (size_t)(job->groups * job->blocks), units, lines);
}

static clade_status run_depthwise(opencl_context *cl, conv_job *job, const clade_tensor *x,
                                  const clade_tensor *w, const clade_tensor *b, const clade_tensor *y)
{
    shape s = shape_of(cl, 1);
    opencl_launch l = clade_opencl_begin(cl, "conv", "conv_depthwise", options_of(&s));
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, w);
    clade_opencl_tensor(&l, b);
    clade_opencl_tensor(&l, y);
    clade_opencl_struct(&l, job, sizeof *job);
    return run_grid(&l, (size_t)((job->groups + s.vw - 1) / s.vw), (size_t)job->column.count,
                    (size_t)job->images * (size_t)job->row.count);
}

static void use_packed(conv_job *job, const shape *s)
{
    job->lanes = s->vw * s->nv;
    job->blocks = (job->cout + job->lanes - 1) / job->lanes;
    job->w_step = job->lanes;
    job->w_tap = job->cin * job->lanes;
    job->w_block = job->w_tap * job->kh * job->kw;
}

static clade_status conv2d(void *context, const clade_conv2d_args *a, void *scratch)
{
    opencl_context *cl = context;
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->x.dim, *w = a->w.dim, *y = a->y.dim;
    conv_job job = {
        .row = conv_axis_forward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0]),
        .column = conv_axis_forward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1]),
        .images = x[0], .out_h = y[1], .out_w = y[2],
        .groups = g.groups, .cin = w[2], .cout = w[3] / g.groups, .kh = w[0], .kw = w[1],
        .act = a->act, .alpha = a->alpha, .has_bias = clade_tensor_present(&a->b),
    };
    if (conv_is_depthwise(&a->w, g.groups)) return run_depthwise(cl, &job, &a->x, &a->w, &a->b, &a->y);
    shape s = shape_of(cl, job.cout);
    use_packed(&job, &s);
    if (conv_is_pointwise(&a->x, &a->w, &a->y, &g)) {
        int32_t pixels = x[0] * x[1] * x[2]; /* all pictures are one long row of pixels */
        job.row = conv_axis_forward(1, 1, 1, 1, 0, 1);
        job.column = conv_axis_forward(pixels, pixels, 1, 1, 0, 1);
        job.images = job.out_h = 1;
        job.out_w = pixels;
    }
    clade_status status = pack(cl, &a->w, w[0] * w[1], w[2], w[3], &job, scratch);
    if (status) return status;
    clade_buffer memory;
    clade_tensor packed = scratch_tensor(&memory, scratch, 0);
    return run_tiles(cl, &s, &job, &a->x, &packed, &a->b, &a->y);
}

static clade_status conv2d_dx(void *context, const clade_conv2d_dx_args *a, void *scratch)
{
    opencl_context *cl = context;
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->dx.dim, *w = a->w.dim, *y = a->dy.dim;
    conv_job job = {
        .images = x[0], .out_h = x[1], .out_w = x[2],
        .groups = g.groups, .cin = w[3] / g.groups, .cout = w[2], .kh = w[0], .kw = w[1],
        .accumulate = a->accumulate, .backward = 1,
    };
    bool depthwise = conv_is_depthwise(&a->w, g.groups);
    shape s = shape_of(cl, job.cout);
    use_packed(&job, &s);
    clade_status status = depthwise ? CLADE_OK : pack(cl, &a->w, w[0] * w[1], w[2], w[3], &job, scratch);
    clade_buffer memory;
    clade_tensor packed = scratch_tensor(&memory, scratch, 0), no_bias = {0};
    for (int32_t i = 0; i < g.stride[0] && !status; i++) {
        job.row = conv_axis_backward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0], i);
        for (int32_t k = 0; k < g.stride[1] && !status; k++) {
            job.column = conv_axis_backward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1], k);
            if (!depthwise) status = run_tiles(cl, &s, &job, &a->dy, &packed, &no_bias, &a->dx);
            else if (job.row.count && job.column.count)
                status = run_depthwise(cl, &job, &a->dy, &a->w, &no_bias, &a->dx);
        }
    }
    return status;
}

/* ---- weight gradient ---- */

/* Where its parts lie in scratch memory, in floats. */
typedef struct dw_layout {
    uint64_t parts, db_parts, padded, end;
} dw_layout;

static dw_layout layout_of(const conv_dw_job *job)
{
    uint64_t filters = (uint64_t)job->groups * (uint64_t)job->lanes;
    uint64_t rows = (uint64_t)job->kh * (uint64_t)job->kw * (uint64_t)job->cg, chunks = (uint64_t)job->chunks;
    dw_layout layout = {.parts = 0, .db_parts = chunks * rows * filters};
    layout.padded = layout.db_parts + chunks * filters;
    layout.end = layout.padded;
    if (job->lanes != job->kg)
        layout.end += (uint64_t)job->images * (uint64_t)job->oh * (uint64_t)job->ow * filters;
    return layout;
}

static conv_dw_job dw_job_of(const opencl_context *cl, const clade_conv2d_dw_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->x.dim, *w = a->dw.dim, *y = a->dy.dim;
    int64_t per_chunk;
    conv_dw_job job = {
        .images = x[0], .h = x[1], .w = x[2], .c = x[3], .oh = y[1], .ow = y[2], .k = y[3],
        .kh = w[0], .kw = w[1], .cg = w[2], .groups = g.groups,
        .stride_h = g.stride[0], .stride_w = g.stride[1], .pad_h = g.pad[0], .pad_w = g.pad[1],
        .dilation_h = g.dilation[0], .dilation_w = g.dilation[1],
        .kg = y[3] / g.groups, .accumulate = a->accumulate, .has_bias = clade_tensor_present(&a->db),
    };
    job.chunks = clade_conv_chunks((int64_t)y[0] * y[1], (int64_t)clade_tensor_count(&a->dw), &per_chunk);
    job.lines_per_chunk = (int32_t)per_chunk;
    int32_t vw = (int32_t)cl->vector_width;
    if (conv_is_depthwise(&a->dw, g.groups)) {
        /* all channels side by side, as one group */
        job.groups = 1;
        job.kg = job.k;
    }
    job.lanes = round_up(job.kg, vw);
    interior(conv_axis_forward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1]), &job.low, &job.high);
    bool side_by_side = g.dilation[1] == 1 && g.groups == 1;
    job.run = side_by_side ? job.kw * job.cg : job.cg;
    job.columns = side_by_side ? 1 : job.kw;
    return job;
}

static clade_status add_parts(opencl_context *cl, const conv_dw_job *job, void *scratch, uint64_t at,
                              uint64_t rows, const clade_tensor *out)
{
    opencl_launch l = clade_opencl_begin(cl, "conv_dw", "conv_add_parts", NULL);
    clade_buffer memory;
    clade_tensor parts = scratch_tensor(&memory, scratch, at);
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

static clade_status conv2d_dw(void *context, const clade_conv2d_dw_args *a, void *scratch)
{
    opencl_context *cl = context;
    conv_dw_job job = dw_job_of(cl, a);
    dw_layout layout = layout_of(&job);
    bool depthwise = conv_is_depthwise(&a->dw, a->groups);
    shape s = shape_of(cl, job.lanes);
    if (depthwise) s.nv = 1;
    else tile_divisor(cl, &s, job.run);
    clade_status status = CLADE_OK;
    clade_buffer memory;
    clade_tensor dy = a->dy, parts = scratch_tensor(&memory, scratch, layout.parts);
    clade_tensor db_parts = scratch_tensor(&memory, scratch, layout.db_parts);
    if (job.lanes != job.kg) {
        dy = scratch_tensor(&memory, scratch, layout.padded);
        opencl_launch l = clade_opencl_begin(cl, "conv_dw", "conv_pad_lanes", NULL);
        clade_opencl_tensor(&l, &a->dy);
        clade_opencl_tensor(&l, &dy);
        clade_opencl_u64(&l, layout.end - layout.padded);
        clade_opencl_i32(&l, job.kg);
        clade_opencl_i32(&l, job.lanes);
        status = clade_opencl_run_elements(&l, layout.end - layout.padded);
    }
    if (!status) {
        opencl_launch l =
            clade_opencl_begin(cl, "conv_dw", depthwise ? "conv_dw_depthwise" : "conv_dw_part", options_of(&s));
        clade_opencl_tensor(&l, &a->x);
        clade_opencl_tensor(&l, depthwise ? &a->dy : &dy);
        clade_opencl_tensor(&l, &parts);
        clade_opencl_struct(&l, &job, sizeof job);
        size_t blocks = (size_t)job.groups * (size_t)((job.lanes + s.nv * s.vw - 1) / (s.nv * s.vw));
        size_t tiles = (size_t)job.columns * (size_t)(job.run / s.pb), chunks = (size_t)job.chunks;
        if (depthwise) status = run_grid(&l, blocks, (size_t)(job.kh * job.kw), chunks);
        else status = run_grid(&l, cl->cpu_like ? 1 : blocks, cl->cpu_like ? 1 : tiles, chunks * (size_t)job.kh);
    }
    if (!status)
        status = add_parts(cl, &job, scratch, layout.parts, (uint64_t)job.kh * (uint64_t)job.kw * (uint64_t)job.cg, &a->dw);
    if (status || !job.has_bias) return status;
    opencl_launch l = clade_opencl_begin(cl, "conv_dw", "conv_db_part", options_of(&s));
    clade_opencl_tensor(&l, &dy);
    clade_opencl_tensor(&l, &db_parts);
    clade_opencl_struct(&l, &job, sizeof job);
    status = run_grid(&l, (size_t)(job.groups * job.lanes / s.vw), (size_t)job.chunks, 1);
    return status ? status : add_parts(cl, &job, scratch, layout.db_parts, 1, &a->db);
}

/* ---- dense ---- */

/* A 1×1 convolution of n pixels; the weights are read where they are if whole blocks fit. */
static clade_status dense(void *context, const clade_dense_args *a, void *scratch)
{
    opencl_context *cl = context;
    int32_t n = a->x.dim[0], in = a->x.dim[1], out = a->w.dim[1];
    conv_job job = {
        .row = conv_axis_forward(1, 1, 1, 1, 0, 1), .column = conv_axis_forward(n, n, 1, 1, 0, 1),
        .images = 1, .out_h = 1, .out_w = n, .groups = 1, .cin = in, .cout = out, .kh = 1, .kw = 1,
        .act = a->act, .alpha = a->alpha, .has_bias = clade_tensor_present(&a->b),
    };
    shape s = shape_of(cl, out);
    use_packed(&job, &s);
    if (out % job.lanes == 0) {
        job.w_step = out;
        job.w_block = job.lanes;
        return run_tiles(cl, &s, &job, &a->x, &a->w, &a->b, &a->y);
    }
    clade_status status = pack(cl, &a->w, 1, in, out, &job, scratch);
    if (status) return status;
    clade_buffer memory;
    clade_tensor packed = scratch_tensor(&memory, scratch, 0);
    return run_tiles(cl, &s, &job, &a->x, &packed, &a->b, &a->y);
}

static clade_status dense_dx(void *context, const clade_dense_dx_args *a, void *scratch)
{
    opencl_context *cl = context;
    int32_t n = a->dy.dim[0], in = a->w.dim[0], out = a->w.dim[1];
    shape s = shape_of(cl, n);
    tile_row(cl, &s, in);
    int32_t lanes = s.vw * s.nv, blocks = (n + lanes - 1) / lanes;
    uint64_t packed = (uint64_t)blocks * (uint64_t)out * (uint64_t)lanes;
    opencl_launch l = clade_opencl_begin(cl, "conv", "dense_transpose", NULL);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_scratch(&l, scratch);
    clade_opencl_u64(&l, packed);
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, lanes);
    clade_status status = clade_opencl_run_elements(&l, packed);
    if (status) return status;
    l = clade_opencl_begin(cl, "conv", "dense_dx_tiles", options_of(&s));
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_scratch(&l, scratch);
    clade_opencl_tensor(&l, &a->dx);
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, in);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, a->accumulate);
    return run_grid(&l, (size_t)blocks, (size_t)((in + s.pb - 1) / s.pb), 1);
}

static clade_status dense_dw(void *context, const clade_dense_dw_args *a, void *scratch)
{
    opencl_context *cl = context;
    int32_t n = a->x.dim[0], in = a->x.dim[1], out = a->dy.dim[1];
    shape s = shape_of(cl, out);
    tile_divisor(cl, &s, in);
    int32_t lanes = round_up(out, s.vw);
    clade_buffer memory;
    clade_tensor dy = a->dy;
    clade_status status = CLADE_OK;
    if (lanes != out) {
        dy = scratch_tensor(&memory, scratch, 0);
        opencl_launch l = clade_opencl_begin(cl, "conv_dw", "conv_pad_lanes", NULL);
        clade_opencl_tensor(&l, &a->dy);
        clade_opencl_tensor(&l, &dy);
        clade_opencl_u64(&l, (uint64_t)n * (uint64_t)lanes);
        clade_opencl_i32(&l, out);
        clade_opencl_i32(&l, lanes);
        status = clade_opencl_run_elements(&l, (uint64_t)n * (uint64_t)lanes);
    }
    if (status) return status;
    opencl_launch l = clade_opencl_begin(cl, "conv_dw", "dense_dw_tiles", options_of(&s));
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &dy);
    clade_opencl_tensor(&l, &a->dw);
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, in);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, lanes);
    clade_opencl_i32(&l, a->accumulate);
    status = run_grid(&l, (size_t)((lanes + s.nv * s.vw - 1) / (s.nv * s.vw)), (size_t)(in / s.pb), 1);
    if (status || !clade_tensor_present(&a->db)) return status;
    l = clade_opencl_begin(cl, "conv_dw", "dense_db", NULL);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->db);
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, a->accumulate);
    return clade_opencl_run_elements(&l, (uint64_t)out);
}

/* ---- scratch memory ---- */

static size_t packed_floats(const opencl_context *cl, const clade_tensor *w, int32_t groups, int32_t across)
{
    shape s = shape_of(cl, across);
    size_t per = clade_tensor_count(w) / ((size_t)groups * (size_t)across);
    return per * (size_t)groups * (size_t)round_up(across, s.vw * s.nv);
}

size_t clade_opencl_conv_scratch(const opencl_context *cl, clade_op op, const clade_args *args)
{
    size_t floats = 0;
    if (op == CLADE_OP_conv2d) {
        conv_geometry g = CONV_GEOMETRY(&args->conv2d);
        floats = packed_floats(cl, &args->conv2d.w, g.groups, args->conv2d.w.dim[3] / g.groups);
    } else if (op == CLADE_OP_conv2d_dx) {
        conv_geometry g = CONV_GEOMETRY(&args->conv2d_dx);
        floats = packed_floats(cl, &args->conv2d_dx.w, g.groups, args->conv2d_dx.w.dim[2]);
    } else if (op == CLADE_OP_conv2d_dw) {
        conv_dw_job job = dw_job_of(cl, &args->conv2d_dw);
        floats = (size_t)layout_of(&job).end;
    } else if (op == CLADE_OP_dense) {
        floats = packed_floats(cl, &args->dense.w, 1, args->dense.w.dim[1]);
    } else if (op == CLADE_OP_dense_dx) {
        int32_t n = args->dense_dx.dy.dim[0];
        shape s = shape_of(cl, n);
        floats = (size_t)round_up(n, s.vw * s.nv) * (size_t)args->dense_dx.dy.dim[1];
    } else if (op == CLADE_OP_dense_dw) {
        const clade_tensor *dy = &args->dense_dw.dy;
        floats = (size_t)dy->dim[0] * (size_t)round_up(dy->dim[1], (int32_t)cl->vector_width);
    }
    return floats * sizeof(float);
}

void clade_opencl_conv(const opencl_context *cl, clade_backend *table)
{
    (void)cl;
    table->conv2d = conv2d;
    table->conv2d_dx = conv2d_dx;
    table->conv2d_dw = conv2d_dw;
    table->dense = dense;
    table->dense_dx = dense_dx;
    table->dense_dw = dense_dw;
}
