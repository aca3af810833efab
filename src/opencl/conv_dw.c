/* Weight and bias gradients of convolutions and dense layers: the tables of their algorithms, and
 * the launchers of kernels/conv_dw.cl. */
#include "opencl/conv.h"

static uint64_t row_floats(const conv_dw_job *job)
{
    return (uint64_t)job->ow * (uint64_t)job->groups * (uint64_t)job->lanes;
}

/* Rows of dy that a wide core takes at once. */
static int32_t band_of(const opencl_plan *plan, const conv_dw_job *job)
{
    const opencl_limits *limits = &plan->cl->limits;
    uint64_t fit = limits->band_floats / row_floats(job);
    return fit < 1 ? 1 : fit < (uint64_t)limits->band_rows ? (int32_t)fit : limits->band_rows;
}

static uint64_t filter_rows(const conv_dw_job *job)
{
    return (uint64_t)job->kh * (uint64_t)job->kw * (uint64_t)job->cg;
}

/* Sums of all chunks, of `rows` rows of filters. */
static clade_tensor parts_of(opencl_plan *plan, const conv_dw_job *job, uint64_t rows)
{
    uint64_t filters = (uint64_t)job->groups * (uint64_t)job->lanes;
    return clade_opencl_part(plan, (uint64_t)job->chunks * rows * filters);
}

/* dy with every group's kg filters rounded up to whole vectors, `floats` in all: a copy, unless it
 * is so already. */
static clade_tensor pad_lanes(opencl_plan *plan, const clade_tensor *dy, uint64_t floats,
                              int32_t kg, int32_t lanes)
{
    if (kg == lanes) return *dy;
    const clade_tensor padded = clade_opencl_part(plan, floats);
    opencl_launch l = clade_opencl_begin(plan, "conv_dw", "conv_pad_lanes", NULL);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, &padded);
    clade_opencl_u64(&l, floats);
    clade_opencl_i32(&l, kg);
    clade_opencl_i32(&l, lanes);
    clade_opencl_run_elements(&l, floats);
    return padded;
}

static clade_tensor pad_groups(opencl_plan *plan, const clade_tensor *dy, const conv_dw_job *job)
{
    uint64_t rows = (uint64_t)job->images * (uint64_t)job->oh;
    return pad_lanes(plan, dy, rows * row_floats(job), job->kg, job->lanes);
}

/* The chunks' sums of dy, padded. */
static clade_tensor bias_parts(opencl_plan *plan, const conv_dw_job *job, const clade_tensor *dy)
{
    opencl_tile s = clade_opencl_tile(plan->cl, 1);
    const clade_tensor parts = parts_of(plan, job, 1);
    opencl_launch l =
        clade_opencl_begin(plan, "conv_dw", "conv_db_part", clade_opencl_tile_options(&s));
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, &parts);
    clade_opencl_struct(&l, job, sizeof *job);
    clade_opencl_run_checked(&l, (size_t)job->groups * (size_t)(job->lanes / s.vw),
                             (size_t)job->chunks, 1);
    return parts;
}

/* ---- convolution ---- */

static bool depthwise_can(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return conv_is_depthwise(&args->conv2d_dw.dw, args->conv2d_dw.groups);
}

/* A bias's gradient goes by other kernels. */
static bool depthwise_halves(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return !clade_tensor_present(&args->conv2d_dw.db);
}

static void depthwise(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    const conv_dw_job job = clade_opencl_dw_job(plan, a);
    const clade_tensor parts = parts_of(plan, &job, filter_rows(&job));
    clade_tensor db_parts = {0};
    const int32_t vectors = job.c / clade_opencl_lanes(plan->cl, (uint64_t)job.c);
    opencl_launch l =
        clade_opencl_begin_lanes(plan, "depthwise", "conv_dw_depthwise", (uint64_t)job.c, "");
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &parts);
    clade_opencl_struct(&l, &job, sizeof job);
    clade_opencl_run_checked(&l, (size_t)vectors, (size_t)(job.kh * job.kw), (size_t)job.chunks);
    if (job.has_bias) {
        const clade_tensor dy = pad_groups(plan, &a->dy, &job);
        db_parts = bias_parts(plan, &job, &dy);
    }
    clade_opencl_dw_add(plan, &job, filter_rows(&job), &parts, &a->dw,
                        job.has_bias ? &db_parts : NULL, &a->db);
}

/* On wide cores one work-item to each, which takes bands of pooled rows apart and sums up db too.
 */
static void direct(opencl_plan *plan, const clade_conv2d_dw_args *a, const clade_tensor *index,
                   bool wide)
{
    const clade_tensor none = {0};
    const uint32_t units = plan->cl->compute_units;
    conv_dw_job job = clade_opencl_dw_job(plan, a);
    job.pooled = index != NULL;
    const clade_tensor dy = job.pooled ? a->dy : pad_groups(plan, &a->dy, &job);
    const clade_tensor own = clade_opencl_part(
        plan, job.pooled ? units * (uint64_t)band_of(plan, &job) * row_floats(&job) : 0);
    const clade_tensor parts = parts_of(plan, &job, filter_rows(&job));
    clade_tensor db_parts = parts_of(plan, &job, wide);
    opencl_tile s = clade_opencl_tile(plan->cl, job.lanes);
    clade_opencl_tile_divisor(plan->cl, &s, job.run);
    /* all rows of taps together, if there are chunks enough */
    const int32_t taps = wide && job.chunks >= 4 * (int32_t)units ? job.kh : 1;
    opencl_launch l =
        clade_opencl_begin(plan, "conv_dw", "conv_dw_part", clade_opencl_tile_options(&s));
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &dy);
    clade_opencl_tensor(&l, index ? index : &none);
    clade_opencl_tensor(&l, &own);
    clade_opencl_tensor(&l, &parts);
    clade_opencl_tensor(&l, &db_parts);
    clade_opencl_i32(&l, taps);
    clade_opencl_i32(&l, band_of(plan, &job));
    clade_opencl_i32(&l, wide && job.has_bias);
    clade_opencl_struct(&l, &job, sizeof job);
    if (wide) {
        clade_opencl_run_checked(&l, 1, 1, units);
    } else {
        const int32_t across = s.nv * s.vw;
        clade_opencl_run_checked(
            &l, (size_t)job.groups * (size_t)((job.lanes + across - 1) / across),
            (size_t)job.columns * (size_t)(job.run / s.pb), (size_t)job.chunks * (size_t)job.kh);
    }
    if (job.has_bias && !wide) db_parts = bias_parts(plan, &job, &dy);
    clade_opencl_dw_add(plan, &job, filter_rows(&job), &parts, &a->dw,
                        job.has_bias ? &db_parts : NULL, &a->db);
}

static bool direct_can(const opencl_context *cl, const clade_args *args)
{
    return !depthwise_can(cl, args);
}

/* Whole vectors of filters in one group. */
static bool wide_fuses(const opencl_context *cl, const clade_args *args)
{
    return args->conv2d_dw.groups <= 1 &&
           args->conv2d_dw.dy.dim[3] % (int32_t)cl->vector_width == 0;
}

static void direct_wide(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    direct(plan, &args->conv2d_dw, fusion ? fusion->index : NULL, true);
}

static void direct_narrow(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    direct(plan, &args->conv2d_dw, NULL, false);
}

static void by_gemm(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    const conv_dw_job job = clade_opencl_dw_job(plan, a);
    clade_opencl_gemm_dw(plan, a);
    if (!job.has_bias) return;
    const clade_tensor dy = pad_groups(plan, &a->dy, &job), parts = bias_parts(plan, &job, &dy);
    clade_opencl_dw_add(plan, &job, 1, NULL, NULL, &parts, &a->db);
}

static bool no_groups(const opencl_context *cl, const clade_args *args)
{
    (void)cl;
    return args->conv2d_dw.groups <= 1;
}

static const opencl_algorithm conv2d_dw[] = {
    {"matrix", 0, .can = clade_opencl_matrix_conv2d_dw_can, .suits = no_groups,
     .fuses = opencl_always, .halves = opencl_always, .plan = clade_opencl_matrix_conv2d_dw},
    {"winograd", OPENCL_EXACT | OPENCL_EXACT_ONLY | OPENCL_WIDE,
     .can = clade_opencl_winograd_dw_can, .fuses = opencl_always, .halves = opencl_always,
     .plan = clade_opencl_winograd_wide_dw},
    {"winograd", OPENCL_EXACT | OPENCL_EXACT_ONLY | OPENCL_NARROW,
     .can = clade_opencl_winograd_dw_can, .suits = clade_opencl_winograd_dw_suits,
     .fuses = opencl_always, .halves = opencl_always, .plan = clade_opencl_winograd_narrow_dw},
    {"implicit", OPENCL_EXACT | OPENCL_NARROW, .can = clade_opencl_implicit_conv2d_dw_can,
     .suits = no_groups, .fuses = opencl_always, .halves = opencl_always,
     .plan = clade_opencl_implicit_conv2d_dw},
    {"depthwise", OPENCL_EXACT | OPENCL_PLAIN, .can = depthwise_can, .halves = depthwise_halves,
     .plan = depthwise},
    {"direct", OPENCL_EXACT | OPENCL_PLAIN | OPENCL_WIDE, .can = direct_can, .fuses = wide_fuses,
     .plan = direct_wide},
    {"direct", OPENCL_EXACT | OPENCL_PLAIN | OPENCL_NARROW, .can = direct_can,
     .plan = direct_narrow},
    {"gemm", 0, .can = clade_opencl_by_gemm_dw_can, .plan = by_gemm},
    {.name = NULL}};

/* ---- dense ---- */

/* db where dw is a library's. */
static void dense_bias(opencl_plan *plan, const clade_dense_dw_args *a)
{
    if (!clade_tensor_present(&a->db)) return;
    opencl_launch l = clade_opencl_begin(plan, "conv_dw", "dense_db", NULL);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_tensor(&l, &a->db);
    clade_opencl_i32(&l, a->x.dim[0]);
    clade_opencl_i32(&l, a->dy.dim[1]);
    clade_opencl_i32(&l, a->accumulate);
    clade_opencl_run_elements(&l, (uint64_t)a->dy.dim[1]);
}

static void dense_direct(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_dense_dw_args *a = &args->dense_dw;
    int32_t n = a->x.dim[0], in = a->x.dim[1], out = a->dy.dim[1];
    opencl_tile s = clade_opencl_tile(plan->cl, out);
    clade_opencl_tile_divisor(plan->cl, &s, in);
    int32_t lanes = opencl_round_up(out, s.vw), across = s.nv * s.vw;
    const int32_t has_db = clade_tensor_present(&a->db);
    const clade_tensor dy = pad_lanes(plan, &a->dy, (uint64_t)n * (uint64_t)lanes, out, lanes);
    opencl_launch l =
        clade_opencl_begin(plan, "conv_dw", "dense_dw_tiles", clade_opencl_tile_options(&s));
    clade_opencl_tensor(&l, &a->x);
    clade_opencl_tensor(&l, &dy);
    clade_opencl_tensor(&l, &a->dw);
    clade_opencl_tensor(&l, &a->db);
    clade_opencl_i32(&l, has_db);
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, in);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, lanes);
    clade_opencl_i32(&l, a->accumulate);
    size_t blocks = (size_t)((lanes + across - 1) / across);
    clade_opencl_run_checked(&l, clade_opencl_shares(plan->cl, blocks, blocks + 1),
                             (size_t)(in / s.pb + has_db), 1);
}

static void dense_by_gemm(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    clade_opencl_gemm_dense_dw(plan, &args->dense_dw);
    dense_bias(plan, &args->dense_dw);
}

static const opencl_algorithm dense_dw[] = {
    {"matrix", 0, .can = clade_opencl_matrix_dense_dw_can, .halves = opencl_always,
     .plan = clade_opencl_matrix_dense_dw},
    {"implicit", OPENCL_EXACT | OPENCL_NARROW, .can = clade_opencl_implicit_dense_dw_can,
     .halves = opencl_always, .plan = clade_opencl_implicit_dense_dw},
    {"direct", OPENCL_EXACT | OPENCL_PLAIN, .plan = dense_direct},
    {"gemm", 0, .can = clade_opencl_by_gemm_dense_can, .plan = dense_by_gemm},
    {.name = NULL}};

const opencl_op clade_opencl_conv_dw_ops[] = {
    {.op = CLADE_OP_conv2d_dw, .halves = OPENCL_ALIKE, .algorithms = conv2d_dw},
    {.op = CLADE_OP_dense_dw, .halves = OPENCL_MIXED, .algorithms = dense_dw},
    {.op = CLADE_OP_none},
};
