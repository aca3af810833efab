/* Dense layers and their input gradients: the tables of their algorithms, and the launchers of
 * kernels/conv.cl for them. */
#include "opencl/conv.h"

static void dense_tiles(opencl_plan *plan, opencl_tile *s, conv_job *job, const clade_tensor *x,
                        const clade_tensor *w, const opencl_epilogue *epilogue,
                        const clade_tensor *y)
{
    clade_opencl_tile_row(plan->cl, s, job->column.count);
    int32_t all = (job->column.count + s->pb - 1) / s->pb, tiles = plan->cl->limits.dense_tiles;
    /* fewer to a work-item where there are few */
    if (job->blocks * ((all - 1) / tiles + 1) < 2 * (int32_t)plan->cl->compute_units) tiles = 1;
    opencl_launch l = clade_opencl_begin(plan, "conv", "dense_tiles", clade_opencl_tile_options(s));
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, w);
    clade_opencl_epilogue(&l, epilogue);
    clade_opencl_tensor(&l, y);
    clade_opencl_i32(&l, tiles);
    clade_opencl_struct(&l, job, sizeof *job);
    clade_opencl_run_checked(&l, (size_t)job->blocks, (size_t)((all - 1) / tiles + 1), 1);
}

/* The weights are read where they are if whole blocks fit. */
static void direct(opencl_plan *plan, const clade_dense_args *a, bool wide)
{
    int32_t in = a->x.dim[1], out = a->w.dim[1];
    const opencl_epilogue epilogue = {.b = a->b, .act = a->act, .alpha = a->alpha};
    conv_job job = clade_opencl_dense_job(a->x.dim[0], in, out);
    opencl_tile s = clade_opencl_tile(plan->cl, out);
    clade_tensor w = a->w;
    clade_opencl_conv_packed(plan, &job, &s);
    if (out % job.lanes == 0) {
        job.w_step = out;
        job.w_block = job.lanes;
    } else {
        w = clade_opencl_conv_pack(plan, &a->w, 1, in, out, &job);
    }
    if (wide)
        dense_tiles(plan, &s, &job, &a->x, &w, &epilogue, &a->y);
    else
        clade_opencl_conv_tiles(plan, &s, &job, &a->x, &w, &epilogue, &a->y);
}

static void direct_wide(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    direct(plan, &args->dense, true);
}

static void direct_narrow(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    direct(plan, &args->dense, false);
}

static void direct_dx(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_dense_dx_args *a = &args->dense_dx;
    int32_t n = a->dy.dim[0], in = a->w.dim[0], out = a->w.dim[1];
    opencl_tile s = clade_opencl_tile(plan->cl, n);
    clade_opencl_tile_row(plan->cl, &s, in);
    int32_t lanes = s.vw * s.nv, blocks = (n + lanes - 1) / lanes;
    uint64_t floats = (uint64_t)blocks * (uint64_t)out * (uint64_t)lanes;
    const clade_tensor transposed = clade_opencl_part(plan, floats);
    opencl_launch l = clade_opencl_begin(plan, "conv", "dense_transpose", NULL);
    clade_opencl_tensor(&l, &a->dy);
    clade_opencl_memory(&l, &transposed);
    clade_opencl_u64(&l, floats);
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, lanes);
    clade_opencl_run_elements(&l, floats);

    l = clade_opencl_begin(plan, "conv", "dense_dx_tiles", clade_opencl_tile_options(&s));
    clade_opencl_tensor(&l, &a->w);
    clade_opencl_memory(&l, &transposed);
    clade_opencl_tensor(&l, &a->dx);
    clade_opencl_i32(&l, n);
    clade_opencl_i32(&l, in);
    clade_opencl_i32(&l, out);
    clade_opencl_i32(&l, a->accumulate);
    clade_opencl_run_checked(&l, (size_t)blocks, (size_t)((in + s.pb - 1) / s.pb), 1);
}

static const opencl_algorithm dense[] = {
    {"split", OPENCL_NARROW, .can = clade_opencl_split_dense_can, .halves = clade_opencl_acts_dense,
     .plan = clade_opencl_split_dense, .factors = true},
    {"matrix", 0, .can = clade_opencl_matrix_dense_can, .halves = opencl_always,
     .plan = clade_opencl_matrix_dense, .factors = true},
    {"implicit", OPENCL_EXACT | OPENCL_NARROW, .can = clade_opencl_implicit_dense_can,
     .halves = opencl_always, .plan = clade_opencl_implicit_dense, .factors = true},
    {"direct", OPENCL_EXACT | OPENCL_PLAIN | OPENCL_WIDE, .plan = direct_wide},
    {"direct", OPENCL_EXACT | OPENCL_PLAIN | OPENCL_NARROW, .plan = direct_narrow},
    {"gemm", 0, .can = clade_opencl_by_gemm_dense_can, .plan = clade_opencl_by_gemm_dense},
    {.name = NULL}};
static const opencl_algorithm dense_dx[] = {
    {"matrix", 0, .can = clade_opencl_matrix_dense_dx_can, .halves = opencl_always,
     .plan = clade_opencl_matrix_dense_dx, .factors = true},
    {"implicit", OPENCL_EXACT | OPENCL_NARROW, .can = clade_opencl_implicit_dense_dx_can,
     .halves = opencl_always, .plan = clade_opencl_implicit_dense_dx, .factors = true},
    {"direct", OPENCL_EXACT | OPENCL_PLAIN, .plan = direct_dx},
    {"gemm", 0, .can = clade_opencl_by_gemm_dense_can, .plan = clade_opencl_by_gemm_dense_dx},
    {.name = NULL}};

const opencl_op clade_opencl_dense_ops[] = {
    {.op = CLADE_OP_dense, .halves = OPENCL_MIXED, .algorithms = dense},
    {.op = CLADE_OP_dense_dx, .halves = OPENCL_MIXED, .algorithms = dense_dx},
    {.op = CLADE_OP_none},
};
