/* Dense layers and convolutions as matrix products. */
#include "opencl/conv.h"
#include "opencl/gemm.h"

/* ---- products ---- */

static bool fast(const opencl_context *cl)
{
    return cl->math == CLADE_FAST && clade_opencl_gemm_present(NULL);
}

static clade_status run_gemm(opencl_context *cl, const void *data, cl_mem workspace, uint64_t first)
{
    opencl_gemm g = *(const opencl_gemm *)data;
    cl_mem *const memory[] = {&g.a, &g.b, &g.c};
    size_t *const offset[] = {&g.a_offset, &g.b_offset, &g.c_offset};
    for (int i = 0; i < 3; i++) {
        if (*memory[i]) continue;
        *memory[i] = workspace;
        *offset[i] += (size_t)first;
    }
    return clade_opencl_gemm(cl, &g, workspace);
}

/* c = a b; a shape that is not right on this device refuses the plan. */
static void product(opencl_plan *plan, opencl_gemm g, const clade_tensor *a, const clade_tensor *b,
                    const clade_tensor *c)
{
    if (plan->status) return;
    if (!clade_opencl_gemm_qualified(plan->cl, &g)) {
        plan->refused = true;
        return;
    }
    g.a = clade_tensor_handle(a); /* NULL: in the workspace */
    g.b = clade_tensor_handle(b);
    g.c = clade_tensor_handle(c);
    /* CLBlast wants memory of its own at the front of the workspace, and more for operands that do
     * not begin their buffer: those there will not */
    const size_t behind = 1;
    g.a_offset = g.a ? (size_t)a->offset : behind;
    g.b_offset = g.b ? (size_t)b->offset : behind;
    g.c_offset = g.c ? (size_t)c->offset : behind;
    clade_opencl_front(plan, clade_opencl_gemm_workspace(plan->cl, &g));
    g.a_offset = (size_t)a->offset;
    g.b_offset = (size_t)b->offset;
    g.c_offset = (size_t)c->offset;
    clade_opencl_host(plan, run_gemm, &g, sizeof g);
}

/* In place, over rows of the last dimension. */
static void run_epilogue(opencl_plan *plan, const clade_tensor *y, const opencl_epilogue *epilogue)
{
    uint64_t k = (uint64_t)y->dim[y->rank - 1], n = clade_tensor_count(y);
    bool nothing = !clade_tensor_present(&epilogue->b) && !clade_tensor_present(&epilogue->mean) &&
                   !clade_tensor_present(&epilogue->z) && epilogue->act == CLADE_LINEAR;
    if (nothing) return;
    opencl_launch l = clade_opencl_begin_lanes(plan, "gemm", "gemm_epilogue", k, "");
    clade_opencl_tensor(&l, y);
    clade_opencl_epilogue(&l, epilogue);
    clade_opencl_u64(&l, n);
    clade_opencl_i32(&l, (int32_t)k);
    clade_opencl_run_elements(&l, n / (uint64_t)clade_opencl_lanes(plan->cl, k));
}

/* ---- dense layers ---- */

bool clade_opencl_by_gemm_dense_can(const opencl_context *cl, const clade_args *args)
{
    (void)args;
    return fast(cl);
}

void clade_opencl_by_gemm_dense(opencl_plan *plan, const clade_args *args,
                                const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_dense_args *a = &args->dense;
    const opencl_epilogue epilogue = {.b = a->b, .act = a->act, .alpha = a->alpha};
    const opencl_gemm g = {
        .m = (size_t)a->x.dim[0], .n = (size_t)a->w.dim[1], .k = (size_t)a->w.dim[0]};
    product(plan, g, &a->x, &a->w, &a->y);
    run_epilogue(plan, &a->y, &epilogue);
}

void clade_opencl_by_gemm_dense_dx(opencl_plan *plan, const clade_args *args,
                                   const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_dense_dx_args *a = &args->dense_dx;
    const opencl_gemm g = {.b_transposed = true,
                           .m = (size_t)a->dy.dim[0],
                           .n = (size_t)a->w.dim[0],
                           .k = (size_t)a->w.dim[1],
                           .beta = (float)a->accumulate};
    product(plan, g, &a->dy, &a->w, &a->dx);
}

void clade_opencl_gemm_dense_dw(opencl_plan *plan, const clade_dense_dw_args *a)
{
    const opencl_gemm g = {.a_transposed = true,
                           .m = (size_t)a->x.dim[1],
                           .n = (size_t)a->dy.dim[1],
                           .k = (size_t)a->x.dim[0],
                           .beta = (float)a->accumulate};
    product(plan, g, &a->x, &a->dy, &a->dw);
}

/* ---- convolutions ---- */

/* Images are taken `step` at a time, so that their columns fit. */
typedef struct image_columns {
    conv_dw_job job;
    size_t columns;      /* floats of one row of the column matrix */
    size_t rows;         /* rows of one image */
    int32_t step;        /* images at once */
    bool pointwise;      /* x is its own column matrix */
    clade_tensor matrix; /* of `step` images, unless it is */
} image_columns;

static image_columns columns_of(opencl_plan *plan, const conv_geometry *g, const clade_tensor *x,
                                const clade_tensor *w, const clade_tensor *y)
{
    image_columns p = {.job = {.images = x->dim[0],
                               .h = x->dim[1],
                               .w = x->dim[2],
                               .c = x->dim[3],
                               .oh = y->dim[1],
                               .ow = y->dim[2],
                               .k = y->dim[3],
                               .kh = w->dim[0],
                               .kw = w->dim[1],
                               .cg = w->dim[2],
                               .groups = 1,
                               .stride_h = g->stride[0],
                               .stride_w = g->stride[1],
                               .pad_h = g->pad[0],
                               .pad_w = g->pad[1],
                               .dilation_h = g->dilation[0],
                               .dilation_w = g->dilation[1]}};
    p.columns = (size_t)w->dim[0] * (size_t)w->dim[1] * (size_t)w->dim[2];
    p.rows = (size_t)y->dim[1] * (size_t)y->dim[2];
    p.pointwise = conv_is_pointwise(x, w, y, g);
    p.step = x->dim[0];
    clade_opencl_plan_limit(plan, p.rows, (UINT64_C(1) << 40) / p.columns,
                            "rows of a column matrix");
    if (plan->status) return p;
    size_t bytes = p.rows * p.columns * sizeof(float), fit = plan->cl->limits.columns / bytes;
    if (!p.pointwise && fit < (size_t)x->dim[0]) p.step = fit ? (int32_t)fit : 1;
    if (!p.pointwise) p.matrix = clade_opencl_part(plan, (size_t)p.step * p.rows * p.columns);
    return p;
}

static void move_columns(opencl_plan *plan, const char *kernel, const image_columns *p,
                         const clade_tensor *from, const clade_tensor *to, size_t n, int32_t first)
{
    opencl_launch l = clade_opencl_begin(plan, "gemm", kernel, NULL);
    clade_opencl_tensor(&l, from);
    clade_opencl_tensor(&l, to);
    clade_opencl_u64(&l, n);
    clade_opencl_i32(&l, first);
    clade_opencl_struct(&l, &p->job, sizeof p->job);
    clade_opencl_run_elements(&l, n);
}

/* The images from `first` on, at most `step` of them, and their part of y or of its gradient. */
typedef struct image_part {
    int32_t first;
    size_t images, rows; /* rows: of the products */
    clade_tensor y;
} image_part;

static image_part part_of(const image_columns *p, const clade_tensor *y, int32_t first)
{
    int32_t left = p->job.images - first;
    image_part t = {.first = first, .y = *y};
    t.images = (size_t)(left < p->step ? left : p->step);
    t.rows = t.images * p->rows;
    t.y.offset += (uint64_t)first * p->rows * (uint64_t)p->job.k;
    return t;
}

/* The column matrix of a part. */
static const clade_tensor *columns(opencl_plan *plan, const image_columns *p, const image_part *t,
                                   const clade_tensor *x)
{
    if (p->pointwise) return x; /* all images are one part */
    move_columns(plan, "gemm_im2col", p, x, &p->matrix, t->rows * p->columns, t->first);
    return &p->matrix;
}

bool clade_opencl_by_gemm_can(const opencl_context *cl, const clade_args *args)
{
    return fast(cl) && args->conv2d.groups <= 1;
}

bool clade_opencl_by_gemm_dx_can(const opencl_context *cl, const clade_args *args)
{
    return fast(cl) && args->conv2d_dx.groups <= 1;
}

bool clade_opencl_by_gemm_dw_can(const opencl_context *cl, const clade_args *args)
{
    return fast(cl) && args->conv2d_dw.groups <= 1;
}

void clade_opencl_by_gemm(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    const clade_conv2d_args *a = &args->conv2d;
    conv_geometry g = CONV_GEOMETRY(a);
    const opencl_epilogue epilogue = clade_opencl_epilogue_of(a, fusion);
    image_columns p = columns_of(plan, &g, &a->x, &a->w, &a->y);
    for (int32_t first = 0; first < p.job.images && !plan->status; first += p.step) {
        const image_part t = part_of(&p, &a->y, first);
        const opencl_gemm gemm = {.m = t.rows, .n = (size_t)p.job.k, .k = p.columns};
        product(plan, gemm, columns(plan, &p, &t, &a->x), &a->w, &t.y);
    }
    run_epilogue(plan, &a->y, &epilogue);
}

void clade_opencl_by_gemm_dx(opencl_plan *plan, const clade_args *args, const opencl_fusion *fusion)
{
    (void)fusion;
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    image_columns p = columns_of(plan, &g, &a->dx, &a->w, &a->dy);
    p.job.accumulate = a->accumulate;
    for (int32_t first = 0; first < p.job.images && !plan->status; first += p.step) {
        const image_part t = part_of(&p, &a->dy, first);
        const opencl_gemm gemm = {.b_transposed = true,
                                  .m = t.rows,
                                  .n = p.columns,
                                  .k = (size_t)p.job.k,
                                  .beta = p.pointwise ? (float)a->accumulate : 0};
        product(plan, gemm, &t.y, &a->w, p.pointwise ? &a->dx : &p.matrix);
        if (p.pointwise) continue;
        const size_t n = t.images * (size_t)p.job.h * (size_t)p.job.w * (size_t)p.job.c;
        move_columns(plan, "gemm_col2im", &p, &p.matrix, &a->dx, n, first);
    }
}

/* All products but the first add to it. */
void clade_opencl_gemm_dw(opencl_plan *plan, const clade_conv2d_dw_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    image_columns p = columns_of(plan, &g, &a->x, &a->dw, &a->dy);
    for (int32_t first = 0; first < p.job.images && !plan->status; first += p.step) {
        const image_part t = part_of(&p, &a->dy, first);
        const opencl_gemm gemm = {.a_transposed = true,
                                  .m = p.columns,
                                  .n = (size_t)p.job.k,
                                  .k = t.rows,
                                  .beta = first ? 1 : (float)a->accumulate};
        product(plan, gemm, columns(plan, &p, &t, &a->x), &t.y, &a->dw);
    }
}
