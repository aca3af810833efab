/* Dense layers and convolutions as matrix products. */
#include "opencl/conv.h"
#include "opencl/gemm.h"
#include "opencl/rows.h"

enum { columns_most = 64 << 20 }; /* bytes of column matrix at once */

/* A convolution's products: images are taken `step` at a time, so that their columns fit. */
typedef struct plan {
    conv_dw_job job;
    size_t columns; /* floats of one row of the column matrix */
    size_t rows;    /* rows of one image */
    int32_t step;   /* images at once */
    bool pointwise; /* x is its own column matrix */
} plan;

static plan plan_of(const conv_geometry *g, const clade_tensor *x, const clade_tensor *w,
                    const clade_tensor *y)
{
    plan p = {.job = {.images = x->dim[0],
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
    size_t bytes = p.rows * p.columns * sizeof(float), fit = columns_most / bytes;
    p.step = p.pointwise || fit > (size_t)x->dim[0] ? x->dim[0] : fit ? (int32_t)fit : 1;
    return p;
}

static opencl_gemm gemm_of(clade_op op, const plan *p, int32_t images, float beta)
{
    size_t rows = p->rows * (size_t)images, k = (size_t)p->job.k;
    if (op == CLADE_OP_conv2d) return (opencl_gemm){.m = rows, .n = k, .k = p->columns};
    if (op == CLADE_OP_conv2d_dx)
        return (opencl_gemm){.b_transposed = true,
                             .m = rows,
                             .n = p->columns,
                             .k = k,
                             .beta = p->pointwise ? beta : 0};
    return (opencl_gemm){.a_transposed = true, .m = p->columns, .n = k, .k = rows, .beta = beta};
}

/* The products that an op consists of: one for dense; for a convolution that of `step` images and
 * that of the rest. Returns how many; 0 if the op is not one of these or has groups. */
static int products(clade_op op, const clade_args *args, plan *p, opencl_gemm gemms[3])
{
    conv_geometry g;
    float beta = 0;
    switch (op) {
    case CLADE_OP_dense: {
        const clade_dense_args *a = &args->dense;
        gemms[0] = (opencl_gemm){
            .m = (size_t)a->x.dim[0], .n = (size_t)a->w.dim[1], .k = (size_t)a->w.dim[0]};
        return 1;
    }
    case CLADE_OP_dense_dx: {
        const clade_dense_dx_args *a = &args->dense_dx;
        gemms[0] = (opencl_gemm){.b_transposed = true,
                                 .m = (size_t)a->dy.dim[0],
                                 .n = (size_t)a->w.dim[0],
                                 .k = (size_t)a->w.dim[1],
                                 .beta = (float)a->accumulate};
        return 1;
    }
    case CLADE_OP_dense_dw: {
        const clade_dense_dw_args *a = &args->dense_dw;
        gemms[0] = (opencl_gemm){.a_transposed = true,
                                 .m = (size_t)a->x.dim[1],
                                 .n = (size_t)a->dy.dim[1],
                                 .k = (size_t)a->x.dim[0],
                                 .beta = (float)a->accumulate};
        return 1;
    }
    case CLADE_OP_conv2d:
        g = (conv_geometry)CONV_GEOMETRY(&args->conv2d);
        *p = plan_of(&g, &args->conv2d.x, &args->conv2d.w, &args->conv2d.y);
        break;
    case CLADE_OP_conv2d_dx:
        g = (conv_geometry)CONV_GEOMETRY(&args->conv2d_dx);
        beta = (float)args->conv2d_dx.accumulate;
        *p = plan_of(&g, &args->conv2d_dx.dx, &args->conv2d_dx.w, &args->conv2d_dx.dy);
        break;
    case CLADE_OP_conv2d_dw:
        g = (conv_geometry)CONV_GEOMETRY(&args->conv2d_dw);
        beta = (float)args->conv2d_dw.accumulate;
        *p = plan_of(&g, &args->conv2d_dw.x, &args->conv2d_dw.dw, &args->conv2d_dw.dy);
        break;
    default: return 0;
    }
    if (g.groups != 1) return 0;
    int count = 0, left = p->job.images % p->step;
    gemms[count++] = gemm_of(op, p, p->step, beta);
    /* of a weight gradient all products but the first add to it */
    if (op == CLADE_OP_conv2d_dw && p->job.images > p->step && beta == 0)
        gemms[count++] = gemm_of(op, p, p->step, 1);
    if (left) gemms[count++] = gemm_of(op, p, left, op == CLADE_OP_conv2d_dw ? 1 : beta);
    return count;
}

size_t clade_opencl_by_gemm_workspace(const opencl_context *cl, clade_op op, const clade_args *args)
{
    opencl_gemm gemms[3];
    plan p = {0};
    int count = products(op, args, &p, gemms);
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        size_t need = clade_opencl_gemm_workspace(cl, &gemms[i]);
        if (need > bytes) bytes = need;
    }
    if (p.step && !p.pointwise)
        bytes += (size_t)p.step * p.rows * p.columns * sizeof(float) + sizeof(float);
    return bytes;
}

/* In place, over rows of the last dimension. */
static clade_status run_epilogue(opencl_context *cl, const clade_tensor *y,
                                 const opencl_epilogue *epilogue)
{
    int32_t k = y->dim[y->rank - 1];
    size_t n = clade_tensor_count(y);
    bool nothing = !clade_tensor_present(&epilogue->b) && !clade_tensor_present(&epilogue->mean) &&
                   !clade_tensor_present(&epilogue->z) && epilogue->act == CLADE_LINEAR;
    if (nothing) return CLADE_OK;
    opencl_launch l = clade_opencl_begin_lanes(cl, "gemm", "gemm_epilogue", k, "");
    clade_opencl_tensor(&l, y);
    clade_opencl_epilogue(&l, epilogue);
    clade_opencl_u64(&l, n);
    clade_opencl_i32(&l, k);
    return clade_opencl_run_elements(&l, n / (size_t)clade_opencl_lanes(cl, k));
}

static void operands(opencl_gemm *g, const clade_tensor *a, const clade_tensor *b,
                     const clade_tensor *c)
{
    g->a = clade_tensor_handle(a);
    g->b = clade_tensor_handle(b);
    g->c = clade_tensor_handle(c);
    g->a_offset = (size_t)a->offset;
    g->b_offset = (size_t)b->offset;
    g->c_offset = (size_t)c->offset;
}

static clade_status move_columns(opencl_context *cl, const char *kernel, const plan *p,
                                 const clade_tensor *from, const clade_tensor *to, size_t n,
                                 int32_t first)
{
    opencl_launch l = clade_opencl_begin(cl, "gemm", kernel, NULL);
    clade_opencl_tensor(&l, from);
    clade_opencl_tensor(&l, to);
    clade_opencl_u64(&l, n);
    clade_opencl_i32(&l, first);
    clade_opencl_struct(&l, &p->job, sizeof p->job);
    return clade_opencl_run_elements(&l, n);
}

/* One convolution op, `step` images at a time. x, w, y: the images, weights and results, or
 * their gradients. */
static clade_status convolve(opencl_context *cl, clade_op op, const plan *p, const clade_tensor *x,
                             const clade_tensor *w, const clade_tensor *y, float beta, size_t temp,
                             void *workspace)
{
    clade_buffer memory = {.handle = workspace};
    clade_tensor columns = {.buffer = &memory,
                            .offset = (temp + sizeof(float) - 1) / sizeof(float),
                            .dtype = CLADE_F32};
    clade_status status = CLADE_OK;
    for (int32_t first = 0; first < p->job.images && !status; first += p->step) {
        int32_t images = p->job.images - first < p->step ? p->job.images - first : p->step;
        clade_tensor part_x = *x, part_y = *y;
        part_x.offset +=
            (uint64_t)first * (uint64_t)p->job.h * (uint64_t)p->job.w * (uint64_t)p->job.c;
        part_y.offset += (uint64_t)first * p->rows * (uint64_t)p->job.k;
        const clade_tensor *matrix = p->pointwise ? &part_x : &columns;
        size_t cells = (size_t)images * p->rows * p->columns;
        opencl_gemm g = gemm_of(op, p, images, op == CLADE_OP_conv2d_dw && first ? 1 : beta);
        if (op == CLADE_OP_conv2d_dx) {
            operands(&g, &part_y, w, matrix);
            status = clade_opencl_gemm(cl, &g, workspace);
            size_t n = (size_t)images * (size_t)p->job.h * (size_t)p->job.w * (size_t)p->job.c;
            if (!status && !p->pointwise)
                status = move_columns(cl, "gemm_col2im", p, &columns, x, n, first);
            continue;
        }
        if (!p->pointwise) status = move_columns(cl, "gemm_im2col", p, x, &columns, cells, first);
        if (status) break;
        if (op == CLADE_OP_conv2d)
            operands(&g, matrix, w, &part_y);
        else
            operands(&g, matrix, &part_y, w);
        status = clade_opencl_gemm(cl, &g, workspace);
    }
    return status;
}

bool clade_opencl_by_gemm_can(const opencl_context *cl, clade_op op, const clade_args *args)
{
    opencl_gemm gemms[3];
    plan p = {0};
    return cl->math == CLADE_FAST && clade_opencl_gemm_present() && products(op, args, &p, gemms);
}

bool clade_opencl_by_gemm_right(opencl_context *cl, clade_op op, const clade_args *args)
{
    opencl_gemm gemms[3];
    plan p = {0};
    int count = products(op, args, &p, gemms);
    for (int i = 0; i < count; i++)
        if (!clade_opencl_gemm_qualified(cl, &gemms[i])) return false;
    return true;
}

clade_status clade_opencl_by_gemm(opencl_context *cl, clade_op op, const clade_args *args,
                                  void *workspace)
{
    opencl_gemm gemms[3];
    plan p = {0};
    int count = products(op, args, &p, gemms);
    size_t temp = 0;
    for (int i = 0; i < count; i++) {
        size_t need = clade_opencl_gemm_workspace(cl, &gemms[i]);
        if (need > temp) temp = need;
    }
    clade_status status;
    switch (op) {
    case CLADE_OP_dense:
        operands(&gemms[0], &args->dense.x, &args->dense.w, &args->dense.y);
        status = clade_opencl_gemm(cl, &gemms[0], workspace);
        return status ? status
                      : run_epilogue(cl, &args->dense.y,
                                     &(opencl_epilogue){.b = args->dense.b,
                                                        .act = args->dense.act,
                                                        .alpha = args->dense.alpha});
    case CLADE_OP_dense_dx:
        operands(&gemms[0], &args->dense_dx.dy, &args->dense_dx.w, &args->dense_dx.dx);
        return clade_opencl_gemm(cl, &gemms[0], workspace);
    case CLADE_OP_dense_dw:
        operands(&gemms[0], &args->dense_dw.x, &args->dense_dw.dy, &args->dense_dw.dw);
        return clade_opencl_gemm(cl, &gemms[0], workspace);
    case CLADE_OP_conv2d: {
        const clade_conv2d_args *a = &args->conv2d;
        return convolve(cl, op, &p, &a->x, &a->w, &a->y, 0, temp, workspace);
    }
    case CLADE_OP_conv2d_dx: {
        const clade_conv2d_dx_args *a = &args->conv2d_dx;
        p.job.accumulate = a->accumulate;
        return convolve(cl, op, &p, &a->dx, &a->w, &a->dy, (float)a->accumulate, temp, workspace);
    }
    default: {
        const clade_conv2d_dw_args *a = &args->conv2d_dw;
        return convolve(cl, op, &p, &a->x, &a->dw, &a->dy, (float)a->accumulate, temp, workspace);
    }
    }
}

clade_status clade_opencl_conv_by_gemm(opencl_context *cl, const clade_conv2d_args *a,
                                       const opencl_epilogue *epilogue, void *workspace)
{
    clade_status status =
        clade_opencl_by_gemm(cl, CLADE_OP_conv2d, (const clade_args *)a, workspace);
    return status ? status : run_epilogue(cl, &a->y, epilogue);
}
