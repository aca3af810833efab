/* Convolution and its input gradient: the tables of their algorithms, and the launchers of
 * kernels/conv.cl, which compute every result by itself. */
#include "opencl/conv.h"

#include "op/conv_norm.h"

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

/* ---- packed weights ---- */

void clade_opencl_conv_packed(conv_job *job, const opencl_tile *s)
{
    job->lanes = s->vw * s->nv;
    job->blocks = (job->cout + job->lanes - 1) / job->lanes;
    job->w_step = job->lanes;
    job->w_tap = job->cin * job->lanes;
    job->w_block = job->w_tap * job->kh * job->kw;
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

/* ---- register tiles ---- */

enum { units_each = 32 }; /* tiles of a row that a work-item of a wide core does */

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
    clade_opencl_run_checked(&l, (size_t)(job->groups * job->blocks),
                             clade_opencl_shares(plan->cl, units, units_each), lines);
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
    clade_opencl_run_checked(&l, (size_t)(job->groups * job->blocks),
                             clade_opencl_shares(plan->cl, units, units_each),
                             (size_t)job->images * (size_t)job->out_h);
}

/* ---- convolution ---- */

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

static bool direct_can(const opencl_context *cl, const clade_args *args)
{
    return !clade_opencl_depthwise_can(cl, args);
}

static void direct(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    const clade_conv2d_args *a = &args->conv2d;
    const int32_t *w = a->w.dim;
    const bool pooled = fusion && fusion->pooled;
    const opencl_epilogue epilogue = clade_opencl_epilogue_of(a, fusion);
    conv_job job = clade_opencl_conv_job(a, pooled ? fusion->pooled : NULL);
    opencl_tile s = clade_opencl_tile(plan->cl, job.cout);
    clade_opencl_conv_packed(&job, &s);
    const clade_tensor packed = clade_opencl_conv_pack(plan, &a->w, w[0] * w[1], w[2], w[3], &job);
    if (pooled)
        pooled_tiles(plan, &s, &job, a, &packed, fusion);
    else
        clade_opencl_conv_tiles(plan, &s, &job, &a->x, &packed, &epilogue, &a->y);
}

/* Groups make products with few columns, most of a tile for nothing. */
static bool no_groups(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return args->conv2d.groups <= 1;
}

/* Winograd's tiles come first, as a result then takes 2.25 multiplications for each channel, not 9.
 * Then, on narrow cores, implicit products: what im2col writes and reads again, 9 times the images
 * for 3×3, they read from caches, so that a layer has as many times the flops for each byte of
 * memory. On wide cores a barrier costs a loop. */
static const opencl_algorithm conv2d[] = {
    {"winograd", OPENCL_EXACT | OPENCL_EXACT_ONLY | OPENCL_WIDE, .can = clade_opencl_winograd_can,
     .fuses = opencl_always, .plan = clade_opencl_winograd_wide},
    {"winograd", OPENCL_EXACT | OPENCL_EXACT_ONLY | OPENCL_NARROW, .can = clade_opencl_winograd_can,
     .fuses = opencl_always, .plan = clade_opencl_winograd_narrow},
    {"implicit", OPENCL_EXACT | OPENCL_NARROW, .can = clade_opencl_implicit_can, .suits = no_groups,
     .fuses = opencl_always, .plan = clade_opencl_implicit},
    {"depthwise", OPENCL_EXACT | OPENCL_PLAIN, .can = clade_opencl_depthwise_can,
     .plan = clade_opencl_depthwise},
    {"direct", OPENCL_EXACT | OPENCL_PLAIN, .can = direct_can, .fuses = opencl_always,
     .plan = direct},
    {"gemm", 0, .can = clade_opencl_by_gemm_can, .plan = clade_opencl_by_gemm},
    {.name = NULL}};

/* ---- the input gradient ---- */

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

static bool direct_dx_can(const opencl_context *cl, const clade_args *args)
{
    return !clade_opencl_depthwise_dx_can(cl, args);
}

static void direct_dx(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *w = a->w.dim;
    const opencl_epilogue plain = {0};
    conv_job job = clade_opencl_conv_dx_job(a);
    opencl_tile s = clade_opencl_tile(plan->cl, job.cout);
    clade_opencl_conv_packed(&job, &s);
    const clade_tensor packed = clade_opencl_conv_pack(plan, &a->w, w[0] * w[1], w[2], w[3], &job);
    for (int32_t i = 0; i < g.stride[0]; i++)
        for (int32_t k = 0; k < g.stride[1]; k++) {
            clade_opencl_conv_dx_phase(a, i, k, &job);
            clade_opencl_conv_tiles(plan, &s, &job, &a->dy, &packed, &plain, &a->dx);
        }
}

static bool no_groups_dx(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return args->conv2d_dx.groups <= 1;
}

static const opencl_algorithm conv2d_dx[] = {
    {"winograd", OPENCL_EXACT | OPENCL_EXACT_ONLY | OPENCL_WIDE,
     .can = clade_opencl_winograd_dx_can, .fuses = opencl_always,
     .plan = clade_opencl_winograd_wide_dx},
    {"winograd", OPENCL_EXACT | OPENCL_EXACT_ONLY | OPENCL_NARROW,
     .can = clade_opencl_winograd_dx_can, .fuses = opencl_always,
     .plan = clade_opencl_winograd_narrow_dx},
    {"implicit", OPENCL_EXACT | OPENCL_NARROW, .can = clade_opencl_implicit_dx_can,
     .suits = no_groups_dx, .plan = clade_opencl_implicit_dx},
    {"depthwise", OPENCL_EXACT | OPENCL_PLAIN, .can = clade_opencl_depthwise_dx_can,
     .plan = clade_opencl_depthwise_dx},
    {"direct", OPENCL_EXACT | OPENCL_PLAIN, .can = direct_dx_can, .plan = direct_dx},
    {"gemm", 0, .can = clade_opencl_by_gemm_dx_can, .plan = clade_opencl_by_gemm_dx},
    {.name = NULL}};

/* ---- with batch normalisation ---- */

static void norm_inner(const clade_args *args, clade_args *inner)
{
    inner->conv2d = conv_norm_conv(&args->conv2d_norm);
}

static void norm_around(opencl_plan *plan, const clade_args *args, const clade_args *inner,
                        const opencl_algorithm *algorithm)
{
    const clade_conv2d_norm_args *a = &args->conv2d_norm;
    const clade_tensor scale = clade_opencl_part(plan, (uint64_t)a->w.dim[3]);
    const opencl_epilogue epilogue = {.b = a->b,
                                      .mean = a->mean,
                                      .scale = scale,
                                      .beta = a->beta,
                                      .z = a->z,
                                      .act = a->act,
                                      .alpha = a->alpha};
    clade_opencl_norm_scale(plan, &a->gamma, &a->var, a->eps, &scale);
    algorithm->plan(plan, inner, &(opencl_fusion){.epilogue = &epilogue});
}

const opencl_op clade_opencl_conv_ops[] = {
    {.op = CLADE_OP_conv2d, .algorithms = conv2d},
    {.op = CLADE_OP_conv2d_dx, .algorithms = conv2d_dx},
    {.op = CLADE_OP_conv2d_norm,
     .inner_op = CLADE_OP_conv2d,
     .inner = norm_inner,
     .around = norm_around},
    {.op = CLADE_OP_none},
};
