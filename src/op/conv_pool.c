/* conv2d_maxpool and its gradients: shape rules, references that run their ops one after the other,
 * bounds and cases. */
#include "op/conv_pool.h"

#include "op/op.h"

#include <stdlib.h>

/* ---- shape rules ---- */

static clade_status check_act(int32_t act)
{
    if (act == CLADE_LINEAR || act == CLADE_RELU) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "act is %d, expected %d (linear) or %d (relu)", act,
                      CLADE_LINEAR, CLADE_RELU);
}

/* Checks the convolution, and gives the pooled shape. */
static clade_status pooled_shape(clade_op op, clade_conv2d_args conv, int32_t dim[4])
{
    clade_args args = {.conv2d = conv};
    clade_status status = clade_op_shape(CLADE_OP_conv2d, &args);
    for (int i = 0; i < 4; i++) dim[i] = args.conv2d.y.dim[i];
    if (!status) status = clade_window_size(op, "rows", dim[1], 0, 2, 2, 1, &dim[1]);
    if (!status) status = clade_window_size(op, "columns", dim[2], 0, 2, 2, 1, &dim[2]);
    return status;
}

static clade_status shape_conv2d_maxpool(clade_args *args)
{
    clade_conv2d_maxpool_args *a = &args->conv2d_maxpool;
    const clade_op op = CLADE_OP_conv2d_maxpool;
    int32_t dim[4];
    clade_status status = check_act(a->act);
    if (!status) status = pooled_shape(op, conv_pool_conv(a, (clade_tensor){0}), dim);
    if (status) return clade_context(status, "conv2d_maxpool");
    if (clade_tensor_present(&a->index))
        status = clade_expect_shape(op, "index", &a->index, CLADE_U8, 4, dim);
    return status ? status : clade_infer_shape(op, "y", &a->y, CLADE_F32, 4, dim);
}

static clade_status shape_conv2d_maxpool_dx(clade_args *args)
{
    clade_conv2d_maxpool_dx_args *a = &args->conv2d_maxpool_dx;
    const clade_op op = CLADE_OP_conv2d_maxpool_dx;
    if (!clade_tensor_present(&a->dx))
        return clade_fail(CLADE_EINVAL, "conv2d_maxpool_dx: the shape of dx must be given");
    int32_t dim[4];
    clade_conv2d_args conv = {.x = a->dx, .w = a->w, CONV_POOL_GEOMETRY(a)};
    clade_status status = pooled_shape(op, conv, dim);
    if (status) return clade_context(status, "conv2d_maxpool_dx: x is dx");
    status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, 4, dim);
    return status ? status : clade_expect_shape(op, "index", &a->index, CLADE_U8, 4, dim);
}

static clade_status shape_conv2d_maxpool_dw(clade_args *args)
{
    clade_conv2d_maxpool_dw_args *a = &args->conv2d_maxpool_dw;
    const clade_op op = CLADE_OP_conv2d_maxpool_dw;
    if (!clade_tensor_present(&a->dw))
        return clade_fail(CLADE_EINVAL, "conv2d_maxpool_dw: the shape of dw must be given");
    int32_t dim[4];
    clade_conv2d_args conv = {.x = a->x, .w = a->dw, CONV_POOL_GEOMETRY(a)};
    clade_status status = pooled_shape(op, conv, dim);
    if (status) return clade_context(status, "conv2d_maxpool_dw: w is dw");
    status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, 4, dim);
    if (!status) status = clade_expect_shape(op, "index", &a->index, CLADE_U8, 4, dim);
    if (!status && clade_tensor_present(&a->db))
        status = clade_expect_shape(op, "db", &a->db, CLADE_F32, 1, &a->dw.dim[3]);
    return status;
}

/* ---- references ---- */

static void run_op(clade_op op, const clade_args *args) { impl_of(op)->run(args); }

/* Allocates the convolution's output or its gradient. */
static clade_tensor full_tensor(const clade_tensor *x, const clade_tensor *w,
                                const conv_geometry *g, clade_buffer *memory)
{
    clade_tensor full = conv_pool_full(x, w, g);
    *memory = (clade_buffer){.host = malloc(clade_tensor_count(&full) * sizeof(REAL))};
    full.buffer = memory;
    return full;
}

/* A reference cannot fail: if memory is exhausted its results are NaN. */
static void spoil(const clade_tensor *t)
{
    size_t n = clade_tensor_present(t) ? clade_tensor_count(t) : 0;
    for (size_t i = 0; i < n; i++) real_of(t)[i] = (REAL)NAN;
}

static void run_conv2d_maxpool(const clade_args *args)
{
    const clade_conv2d_maxpool_args *a = &args->conv2d_maxpool;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_buffer memory;
    clade_tensor full = full_tensor(&a->x, &a->w, &g, &memory);
    REAL *y = real_of(&a->y);
    uint8_t *index = clade_tensor_present(&a->index) ? u8_of(&a->index) : NULL;
    if (!memory.host) {
        spoil(&a->y);
    } else {
        run_op(CLADE_OP_conv2d, &(clade_args){.conv2d = conv_pool_conv(a, full)});
        run_op(CLADE_OP_maxpool2d,
               &(clade_args){
                   .maxpool2d = {.x = full, .y = a->y, .index = a->index, .window = {2, 2}}});
    }
    size_t n = index && a->act == CLADE_RELU ? clade_tensor_count(&a->y) : 0;
    for (size_t i = 0; i < n; i++)
        if (!(y[i] > 0)) index[i] = conv_pool_cut;
    free(memory.host);
}

static void run_conv2d_maxpool_dx(const clade_args *args)
{
    const clade_conv2d_maxpool_dx_args *a = &args->conv2d_maxpool_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_buffer memory;
    clade_tensor full = full_tensor(&a->dx, &a->w, &g, &memory);
    if (!memory.host) {
        spoil(&a->dx);
        return;
    }
    run_op(CLADE_OP_maxpool2d_dx,
           &(clade_args){.maxpool2d_dx = conv_pool_unpool(&a->dy, &a->index, full)});
    run_op(CLADE_OP_conv2d_dx, &(clade_args){.conv2d_dx = conv_pool_conv_dx(a, full)});
    free(memory.host);
}

static void run_conv2d_maxpool_dw(const clade_args *args)
{
    const clade_conv2d_maxpool_dw_args *a = &args->conv2d_maxpool_dw;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_buffer memory;
    clade_tensor full = full_tensor(&a->x, &a->dw, &g, &memory);
    if (!memory.host) {
        spoil(&a->dw);
        spoil(&a->db);
        return;
    }
    run_op(CLADE_OP_maxpool2d_dx,
           &(clade_args){.maxpool2d_dx = conv_pool_unpool(&a->dy, &a->index, full)});
    run_op(CLADE_OP_conv2d_dw, &(clade_args){.conv2d_dw = conv_pool_conv_dw(a, full)});
    free(memory.host);
}

/* ---- ---- bounds: those of the convolutions; the error of a maximum is at most the largest in its
 * window ---- ---- */

#ifdef CLADE_ORACLE

/* If memory is exhausted, no difference is allowed. */
static void forbid(const clade_tensor *t, double *bound)
{
    size_t n = clade_tensor_count(t);
    for (size_t i = 0; i < n; i++) bound[i] = 0;
}

static void bound_conv2d_maxpool(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_conv2d_maxpool_args *a = &args->conv2d_maxpool;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_buffer memory;
    clade_tensor full = full_tensor(&a->x, &a->w, &g, &memory);
    double *each = malloc(clade_tensor_count(&full) * sizeof *each);
    if (!memory.host || !each) {
        forbid(&a->y, bound);
    } else {
        clade_args conv = {.conv2d = conv_pool_conv(a, full)};
        run_op(CLADE_OP_conv2d, &conv);
        impl_of(CLADE_OP_conv2d)->bound(&conv, 3, each);
        size_t c = (size_t)full.dim[3], row = (size_t)full.dim[2] * c;
        const int32_t *dim = a->y.dim;
        for (int32_t n = 0; n < dim[0]; n++)
            for (int32_t i = 0; i < dim[1]; i++)
                for (int32_t j = 0; j < dim[2]; j++)
                    for (size_t k = 0; k < c; k++) {
                        const double *e = each +
                                          ((size_t)n * (size_t)full.dim[1] + 2 * (size_t)i) * row +
                                          2 * (size_t)j * c + k;
                        *bound++ = fmax(fmax(e[0], e[c]), fmax(e[row], e[row + c]));
                    }
    }
    free(each);
    free(memory.host);
}

static void bound_conv2d_maxpool_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_conv2d_maxpool_dx_args *a = &args->conv2d_maxpool_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_buffer memory;
    clade_tensor full = full_tensor(&a->dx, &a->w, &g, &memory);
    if (!memory.host) {
        forbid(&a->dx, bound);
        return;
    }
    run_op(CLADE_OP_maxpool2d_dx,
           &(clade_args){.maxpool2d_dx = conv_pool_unpool(&a->dy, &a->index, full)});
    clade_args conv = {.conv2d_dx = conv_pool_conv_dx(a, full)};
    impl_of(CLADE_OP_conv2d_dx)->bound(&conv, 2, bound);
    free(memory.host);
}

static void bound_conv2d_maxpool_dw(const clade_args *args, size_t slot, double *bound)
{
    const clade_conv2d_maxpool_dw_args *a = &args->conv2d_maxpool_dw;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_buffer memory;
    clade_tensor full = full_tensor(&a->x, &a->dw, &g, &memory);
    if (!memory.host) {
        forbid(&args->slot[slot], bound);
        return;
    }
    run_op(CLADE_OP_maxpool2d_dx,
           &(clade_args){.maxpool2d_dx = conv_pool_unpool(&a->dy, &a->index, full)});
    clade_args conv = {.conv2d_dw = conv_pool_conv_dw(a, full)};
    impl_of(CLADE_OP_conv2d_dw)->bound(&conv, slot - 1, bound);
    free(memory.host);
}

#else
#define bound_conv2d_maxpool NULL
#define bound_conv2d_maxpool_dx NULL
#define bound_conv2d_maxpool_dw NULL
#endif

/* ---- ---- Winograd's transform ---- ---- */

static bool transforms_conv2d_maxpool(const clade_args *args)
{
    const clade_conv2d_maxpool_args *a = &args->conv2d_maxpool;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = conv_pool_full(&a->x, &a->w, &g);
    return conv_is_winograd(&g, &a->w, &full);
}

static bool transforms_conv2d_maxpool_dx(const clade_args *args)
{
    const clade_conv2d_maxpool_dx_args *a = &args->conv2d_maxpool_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd(&g, &a->w, &a->dx);
}

static bool transforms_conv2d_maxpool_dw(const clade_args *args)
{
    const clade_conv2d_maxpool_dw_args *a = &args->conv2d_maxpool_dw;
    conv_geometry g = CONV_GEOMETRY(a);
    clade_tensor full = conv_pool_full(&a->x, &a->dw, &g);
    return conv_is_winograd_dw(&g, &a->dw, &full);
}

/* ---- ---- operations: four results of the convolution for each one kept ---- ---- */

static double flops_conv2d_maxpool(const clade_args *args)
{
    return 4 * product_flops(&args->conv2d_maxpool.w, &args->conv2d_maxpool.y);
}
static double flops_conv2d_maxpool_dx(const clade_args *args)
{
    return 4 * product_flops(&args->conv2d_maxpool_dx.w, &args->conv2d_maxpool_dx.dy);
}
static double flops_conv2d_maxpool_dw(const clade_args *args)
{
    return 4 * product_flops(&args->conv2d_maxpool_dw.dw, &args->conv2d_maxpool_dw.dy);
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case conv2d_maxpool_cases[] = {
    {CASE_QUICK, "tiny", "x=1x2x2x1 w=1x1x1x1 b=1 act=relu"},
    {CASE_QUICK, "3x3", "x=2x8x10x3 w=3x3x3x5 b=5"},
    {CASE_QUICK, "3x3-relu", "x=2x10x12x3 w=3x3x3x16 b=16 act=relu"},
    {CASE_QUICK, "odd", "x=2x9x11x3 w=3x3x3x7 b=7 act=relu"},
    {CASE_QUICK, "odd-rows", "x=1x7x8x5 w=3x3x5x17 act=relu"},
    {CASE_FULL, "odd-columns", "x=1x8x7x4 w=3x3x4x33 b=33"},
    {CASE_QUICK, "same", "x=2x6x31x8 w=3x3x8x33 b=33 pad=1,1,1,1 act=relu"},
    {CASE_QUICK, "deep", "x=2x10x9x16 w=3x3x16x32 b=32 act=relu"},
    {CASE_FULL, "deep-same", "x=1x13x18x32 w=3x3x32x16 b=16 pad=1,1,1,1 act=relu"},
    {CASE_FULL, "deeper", "x=2x12x12x64 w=3x3x64x64 b=64 act=relu"},
    {CASE_QUICK, "stride-2", "x=1x13x12x4 w=3x3x4x20 b=20 stride=2,2 pad=1,0,1,1 act=relu"},
    {CASE_FULL, "5x3-uneven", "x=3x11x10x2 w=5x3x2x7 b=7 stride=1,2 pad=2,1,0,3"},
    {CASE_QUICK, "dilated", "x=2x12x11x3 w=3x3x3x8 b=8 pad=2,2,2,2 dilation=2,2 act=relu"},
    {CASE_QUICK, "many-rows", "x=2x131x4x3 w=2x2x3x8 b=8 act=relu"},
    {CASE_QUICK, "1x1", "x=3x5x6x37 w=1x1x37x24 b=24 act=relu"},
    {CASE_QUICK, "groups", "x=2x6x7x6 w=3x3x3x10 b=10 pad=1,1,1,1 groups=2 act=relu"},
    {CASE_QUICK, "depthwise", "x=2x8x9x24 w=3x3x1x24 b=24 pad=1,1,1,1 groups=24 act=relu"},
    {CASE_QUICK, "depthwise-odd-rows", "x=3x7x6x8 w=3x3x1x8 b=8 pad=1,1,1,1 groups=8 act=relu"},
    {CASE_FULL, "one-window", "x=3x6x5x3 w=5x4x3x10 b=10 act=relu"},
    {CASE_FULL, "1x1-wide", "x=1x4x18x1024 w=1x1x1024x20 b=20 act=relu"},
    {CASE_FULL, "wide", "x=1x6x263x3 w=3x3x3x16 b=16 act=relu"},
    {CASE_QUICK, "winograd-small", "x=8x6x6x16 w=3x3x16x16 pad=1,1,1,1 act=relu"},
    {CASE_QUICK, "winograd", "x=4x13x11x17 w=3x3x17x35 b=35 act=relu"},
    {CASE_FULL, "winograd-linear", "x=2x12x18x32 w=3x3x32x16 b=16 pad=2,0,1,2"},
    {CASE_FULL, "winograd-many-tiles", "x=5x39x38x16 w=3x3x16x32 b=32 act=relu"},
    {CASE_FULL, "first-layer", "x=3x44x46x3 w=3x3x3x16 b=16 act=relu"},
    {CASE_FULL, "large-images", "x=3x97x93x3 w=3x3x3x16 b=16 act=relu"},
    {CASE_TIMED, "training", "x=16x149x149x3 w=3x3x3x16 b=16 act=relu"},
};
#endif

OP_IMPL(conv2d_maxpool, OP_CASES(conv2d_maxpool_cases), .bound = bound_conv2d_maxpool,
        .transforms = transforms_conv2d_maxpool, .flops = flops_conv2d_maxpool);
OP_IMPL(conv2d_maxpool_dx, .bound = bound_conv2d_maxpool_dx,
        .transforms = transforms_conv2d_maxpool_dx, .flops = flops_conv2d_maxpool_dx);
OP_IMPL(conv2d_maxpool_dw, .bound = bound_conv2d_maxpool_dw,
        .transforms = transforms_conv2d_maxpool_dw, .flops = flops_conv2d_maxpool_dw);
