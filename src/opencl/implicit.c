/* Convolutions and dense layers as implicit matrix products: launchers of kernels/conv_implicit.cl,
 * for narrow cores, and of kernels/conv_matrix.cl, for matrix units. */
#include "opencl/conv.h"
#include "opencl/product.h"

#include <stdio.h>

static bool fits(const opencl_context *cl, const clade_tensor *pixels)
{
    const int32_t *dim = pixels->dim;
    return (uint64_t)dim[0] * (uint64_t)dim[1] * (uint64_t)dim[2] <= cl->limits.pixels;
}

static bool can(const opencl_context *cl, const clade_tensor *x, const clade_tensor *w,
                const clade_tensor *y, int32_t groups, clade_products products)
{
    return clade_opencl_product_can(cl, products) && fits(cl, x) && fits(cl, y) &&
           groups <= cl->limits.conv_groups && !conv_is_depthwise(w, groups);
}

static bool can_conv2d(const opencl_context *cl, const clade_conv2d_args *a,
                       clade_products products)
{
    return can(cl, &a->x, &a->w, &a->y, a->groups, products);
}

static bool can_conv2d_dx(const opencl_context *cl, const clade_conv2d_dx_args *a,
                          clade_products products)
{
    return can(cl, &a->dx, &a->w, &a->dy, a->groups, products);
}

static bool can_conv2d_dw(const opencl_context *cl, const clade_conv2d_dw_args *a,
                          clade_products products)
{
    return can(cl, &a->x, &a->dw, &a->dy, a->groups, products);
}

#define CAN_DENSE(id)                                                                              \
    static bool can_##id(const opencl_context *cl, const clade_##id##_args *a,                     \
                         clade_products products)                                                  \
    {                                                                                              \
        (void)a;                                                                                   \
        return clade_opencl_product_can(cl, products);                                             \
    }
CAN_DENSE(dense)
CAN_DENSE(dense_dx)
CAN_DENSE(dense_dw)

/* An option for a tensor that is float32 where the others have 16 bits. */
static const char *if_wide(const opencl_plan *plan, const clade_tensor *t, const char *option)
{
    return plan->stored != CLADE_F32 && t->dtype == CLADE_F32 ? option : "";
}

/* A convolution, one phase of an input gradient, or a dense layer, by what the direct kernels are
 * told of it; weights are read where they are. With `index` (which may be absent) the results are
 * those of 2 × 2 maxima, which job's out_h and out_w count; an input gradient takes x apart by it.
 */
static void run_product(opencl_plan *plan, const conv_job *job, clade_products products,
                        const clade_tensor *x, const clade_tensor *w,
                        const opencl_epilogue *epilogue, const clade_tensor *y,
                        const clade_tensor *index)
{
    const clade_tensor none = {0};
    const bool pool = index && !job->backward;
    opencl_product p = {
        .rows = pool ? 4 * (int64_t)job->images * job->out_h * job->out_w
                     : (int64_t)job->images * job->row.count * job->column.count,
        .columns = job->cout,
        .count = job->groups,
        .a_aligned = opencl_aligned(job->cin, x->offset),
        .b_aligned = opencl_aligned(job->cout, w->offset),
        .c_aligned = opencl_aligned(job->cout, y->offset),
        .windows = pool,
        .products = products,
        .stored = plan->stored,
    };
    if (!p.rows) return;
    /* weights are then read along filters too, by work-items that are at one step for both */
    if (job->backward)
        p.a_aligned = p.b_aligned = p.a_aligned && opencl_aligned(job->cin, w->offset);
    char options[80];
    snprintf(options, sizeof options, "-DACT=%d -DPOOL=%d -DBACKWARD=%d -DUNPOOL=%d%s%s",
             epilogue->act, pool, job->backward, index && !pool, if_wide(plan, x, " -DX_F32"),
             pool ? "" : if_wide(plan, y, " -DY_F32"));
    const char *kernel = products ? "conv_matrix" : "conv_implicit";
    opencl_launch l = clade_opencl_product_begin(plan, &p, kernel, kernel, options);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, w);
    clade_opencl_epilogue(&l, epilogue);
    clade_opencl_tensor(&l, y);
    clade_opencl_tensor(&l, index ? index : &none);
    clade_opencl_i32(&l, pool && clade_tensor_present(index));
    clade_opencl_struct(&l, job, sizeof *job);
    clade_opencl_product_run(&l, &p);
}

static void plan_conv2d(opencl_plan *plan, const clade_conv2d_args *a, const opencl_fusion *fusion,
                        clade_products products)
{
    const clade_tensor *pooled = fusion ? fusion->pooled : NULL;
    const opencl_epilogue epilogue = clade_opencl_epilogue_of(a, fusion);
    const conv_job job = clade_opencl_conv_job(a, pooled);
    run_product(plan, &job, products, &a->x, &a->w, &epilogue, pooled ? pooled : &a->y,
                pooled ? fusion->index : NULL);
}

static void plan_conv2d_dx(opencl_plan *plan, const clade_conv2d_dx_args *a,
                           const opencl_fusion *fusion, clade_products products)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const opencl_epilogue plain = {0};
    conv_job job = clade_opencl_conv_dx_job(a);
    for (int32_t i = 0; i < conv_phases(&g, &a->dx, 0) && !plan->status; i++)
        for (int32_t k = 0; k < conv_phases(&g, &a->dx, 1) && !plan->status; k++) {
            clade_opencl_conv_dx_phase(a, i, k, &job);
            run_product(plan, &job, products, &a->dy, &a->w, &plain, &a->dx,
                        fusion ? fusion->index : NULL);
        }
}

static void plan_dense(opencl_plan *plan, const clade_dense_args *a, const opencl_fusion *fusion,
                       clade_products products)
{
    (void)fusion;
    const opencl_epilogue epilogue = {.b = a->b, .act = a->act, .alpha = a->alpha};
    const conv_job job = clade_opencl_dense_job(a->x.dim[0], a->x.dim[1], a->w.dim[1]);
    run_product(plan, &job, products, &a->x, &a->w, &epilogue, &a->y, NULL);
}

static void plan_dense_dx(opencl_plan *plan, const clade_dense_dx_args *a,
                          const opencl_fusion *fusion, clade_products products)
{
    (void)fusion;
    const opencl_epilogue plain = {0};
    conv_job job = clade_opencl_dense_job(a->dy.dim[0], a->w.dim[1], a->w.dim[0]);
    job.backward = 1;
    job.accumulate = a->accumulate;
    run_product(plan, &job, products, &a->dy, &a->w, &plain, &a->dx, NULL);
}

/* ---- weight gradients ---- */

/* Sums of all chunks to dw and db, where each chunk's are `dw_step` and `db_step` floats on. */
static void run_dw(opencl_plan *plan, const conv_dw_job *job, clade_products products,
                   const clade_tensor *x, const clade_tensor *dy, const clade_tensor *index,
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
        .products = products,
        .stored = plan->stored,
    };
    char options[32];
    snprintf(options, sizeof options, "-DPOOL=%d%s", index != NULL, if_wide(plan, dy, " -DDY_F32"));
    opencl_launch l =
        clade_opencl_product_begin(plan, &p, products ? "conv_matrix" : "conv_implicit",
                                   products ? "conv_matrix_dw" : "conv_implicit_dw", options);
    clade_opencl_tensor(&l, x);
    clade_opencl_tensor(&l, dy);
    clade_opencl_tensor(&l, index ? index : &none);
    clade_opencl_tensor(&l, dw);
    clade_opencl_tensor(&l, db);
    clade_opencl_u64(&l, dw_step);
    clade_opencl_u64(&l, db_step);
    clade_opencl_struct(&l, job, sizeof *job);
    clade_opencl_product_run(&l, &p);
}

static void plan_conv2d_dw(opencl_plan *plan, const clade_conv2d_dw_args *a,
                           const opencl_fusion *fusion, clade_products products)
{
    conv_dw_job job = clade_opencl_dw_job(plan, a), each = job;
    const uint64_t rows = (uint64_t)job.kh * (uint64_t)job.kw * (uint64_t)job.cg,
                   k = (uint64_t)job.k, chunks = (uint64_t)job.chunks;
    const clade_tensor dw = clade_opencl_part(plan, rows * k * chunks),
                       db = clade_opencl_part(plan, k * chunks);
    job.lanes = job.kg;
    each.accumulate = 0;
    run_dw(plan, &each, products, &a->x, &a->dy, fusion ? fusion->index : NULL, &dw, &db, rows * k,
           k);
    clade_opencl_dw_add(plan, &job, rows, &dw, &a->dw, job.has_bias ? &db : NULL, &a->db);
}

/* A weight gradient of 1 × 1 images in one chunk. */
static void plan_dense_dw(opencl_plan *plan, const clade_dense_dw_args *a,
                          const opencl_fusion *fusion, clade_products products)
{
    (void)fusion;
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
    run_dw(plan, &job, products, &a->x, &a->dy, NULL, &a->dw, &a->db, 0, 0);
}

/* ---- the algorithms: by fma, and by the matrix unit for what the call wants ---- */

#define ALGORITHMS(id)                                                                             \
    bool clade_opencl_implicit_##id##_can(const opencl_context *cl, const clade_args *args)        \
    {                                                                                              \
        return can_##id(cl, &args->id, CLADE_FACTORS_FLOAT32);                                     \
    }                                                                                              \
    bool clade_opencl_matrix_##id##_can(const opencl_context *cl, const clade_args *args)          \
    {                                                                                              \
        return args->id.products && can_##id(cl, &args->id, args->id.products);                    \
    }                                                                                              \
    void clade_opencl_implicit_##id(opencl_plan *plan, const clade_args *args,                     \
                                    const opencl_fusion *fusion)                                   \
    {                                                                                              \
        plan_##id(plan, &args->id, fusion, CLADE_FACTORS_FLOAT32);                                 \
    }                                                                                              \
    void clade_opencl_matrix_##id(opencl_plan *plan, const clade_args *args,                       \
                                  const opencl_fusion *fusion)                                     \
    {                                                                                              \
        plan_##id(plan, &args->id, fusion, args->id.products);                                     \
    }
ALGORITHMS(conv2d)
ALGORITHMS(conv2d_dx)
ALGORITHMS(conv2d_dw)
ALGORITHMS(dense)
ALGORITHMS(dense_dx)
ALGORITHMS(dense_dw)
