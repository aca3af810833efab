/* pool: the maximum or the mean of windows, and their gradients. */
#include "op/pool.h"

/* An op's geometry: the fields that the ops share, taken from each op's arguments. */
typedef struct pool_geometry {
    int32_t n, h, w, c, oh, ow;
    int32_t rows, columns; /* of a window */
    int32_t down, across;  /* from one window to the next */
    int32_t top, left, bottom, right;
} pool_geometry;

static pool_geometry window_of(const int32_t *window, const int32_t *stride, const int32_t *pad)
{
    return (pool_geometry){.rows = window[0],
                           .columns = window[1],
                           .down = stride[0] ? stride[0] : window[0],
                           .across = stride[1] ? stride[1] : window[1],
                           .top = pad[0],
                           .left = pad[1],
                           .bottom = pad[2],
                           .right = pad[3]};
}

/* For x: [n, h, w, c] and y: [n, oh, ow, c]. */
#define GEOMETRY(a, x_, y_)                                                                        \
    pool_geometry g = window_of((a)->window, (a)->stride, (a)->pad);                               \
    g.n = (x_)->dim[0], g.h = (x_)->dim[1], g.w = (x_)->dim[2], g.c = (x_)->dim[3];                \
    g.oh = (y_)->dim[1], g.ow = (y_)->dim[2]

/* ---- shapes ---- */

/* Checks the window and gives the output's shape, [n, oh, ow, c], for an input x. */
static clade_status pooled_shape(clade_op op, const clade_tensor *x, const int32_t *window,
                                 const int32_t *stride, const int32_t *pad, int32_t y[4])
{
    const char *name = clade_op_describe(op)->name;
    const char *slot = op == CLADE_OP_maxpool2d || op == CLADE_OP_avgpool2d ? "x" : "dx";
    clade_status status = clade_expect_rank(op, slot, x, 4);
    if (status) return status;
    if (window[0] < 1 || window[1] < 1 || (int64_t)window[0] * window[1] > 255)
        return clade_fail(CLADE_EINVAL, "%s: the window is %d x %d, expected 1 to 255 elements",
                          name, window[0], window[1]);
    if (stride[0] < 0 || stride[1] < 0)
        return clade_fail(CLADE_EINVAL, "%s: stride %d, %d: expected 0 (the window's) or more",
                          name, stride[0], stride[1]);
    for (int i = 0; i < 4; i++)
        if (pad[i] < 0 || pad[i] >= window[i % 2])
            return clade_fail(CLADE_EINVAL,
                              "%s: padding %d, %d, %d, %d: expected 0 or more, and less "
                              "than the window of %d x %d",
                              name, pad[0], pad[1], pad[2], pad[3], window[0], window[1]);
    static const char *const axis[] = {"rows", "columns"};
    pool_geometry g = window_of(window, stride, pad);
    const int64_t extent[] = {(int64_t)x->dim[1] + g.top + g.bottom,
                              (int64_t)x->dim[2] + g.left + g.right};
    const int32_t step[] = {g.down, g.across};
    y[0] = x->dim[0];
    y[3] = x->dim[3];
    /* kernels use 32-bit positions along an axis, also multiplied */
    const int64_t times[] = {x->dim[0], x->dim[3]};
    for (int i = 0; i < 2; i++) {
        if (extent[i] * times[i] > INT32_MAX)
            return clade_fail(CLADE_EINVAL, "%s: %s: %lld %s times %lld are too many, 2^31 or more",
                              name, slot, (long long)extent[i], axis[i], (long long)times[i]);
        status = clade_window_size(op, axis[i], extent[i], 0, window[i], step[i], 1, &y[1 + i]);
        if (status) return status;
    }
    return CLADE_OK;
}

static clade_status shape_maxpool2d(clade_args *args)
{
    clade_maxpool2d_args *a = &args->maxpool2d;
    const clade_op op = CLADE_OP_maxpool2d;
    int32_t y[4];
    clade_status status = pooled_shape(op, &a->x, a->window, a->stride, a->pad, y);
    if (!status) status = clade_infer_shape(op, "y", &a->y, CLADE_F32, 4, y);
    if (!status && clade_tensor_present(&a->index))
        status = clade_expect_shape(op, "index", &a->index, CLADE_U8, 4, y);
    return status;
}

static clade_status shape_maxpool2d_dx(clade_args *args)
{
    clade_maxpool2d_dx_args *a = &args->maxpool2d_dx;
    const clade_op op = CLADE_OP_maxpool2d_dx;
    int32_t y[4];
    if (!clade_tensor_present(&a->dx)) return CLADE_OK;
    clade_status status = pooled_shape(op, &a->dx, a->window, a->stride, a->pad, y);
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, 4, y);
    return status ? status : clade_expect_shape(op, "index", &a->index, CLADE_U8, 4, y);
}

static clade_status shape_avgpool2d(clade_args *args)
{
    clade_avgpool2d_args *a = &args->avgpool2d;
    const clade_op op = CLADE_OP_avgpool2d;
    int32_t y[4];
    clade_status status = pooled_shape(op, &a->x, a->window, a->stride, a->pad, y);
    return status ? status : clade_infer_shape(op, "y", &a->y, CLADE_F32, 4, y);
}

static clade_status shape_avgpool2d_dx(clade_args *args)
{
    clade_avgpool2d_dx_args *a = &args->avgpool2d_dx;
    const clade_op op = CLADE_OP_avgpool2d_dx;
    int32_t y[4];
    if (!clade_tensor_present(&a->dx)) return CLADE_OK;
    clade_status status = pooled_shape(op, &a->dx, a->window, a->stride, a->pad, y);
    return status ? status : clade_expect_shape(op, "dy", &a->dy, CLADE_F32, 4, y);
}

/* ---- references ---- */

static size_t in_x(const pool_geometry *g, int32_t b, int32_t i, int32_t j, int32_t k)
{
    return (((size_t)b * (size_t)g->h + (size_t)i) * (size_t)g->w + (size_t)j) * (size_t)g->c +
           (size_t)k;
}
static size_t in_y(const pool_geometry *g, int32_t b, int32_t i, int32_t j, int32_t k)
{
    return (((size_t)b * (size_t)g->oh + (size_t)i) * (size_t)g->ow + (size_t)j) * (size_t)g->c +
           (size_t)k;
}
static bool inside(const pool_geometry *g, int32_t i, int32_t j)
{
    return i >= 0 && i < g->h && j >= 0 && j < g->w;
}

/* b: image; i, j: output row and column; k: channel; r, s: place in the window. */
#define FOR_EACH_OUTPUT                                                                            \
    for (int32_t b = 0; b < g.n; b++)                                                              \
        for (int32_t i = 0; i < g.oh; i++)                                                         \
            for (int32_t j = 0; j < g.ow; j++)                                                     \
                for (int32_t k = 0; k < g.c; k++)
#define FOR_EACH_INPUT                                                                             \
    for (int32_t b = 0; b < g.n; b++)                                                              \
        for (int32_t i = 0; i < g.h; i++)                                                          \
            for (int32_t j = 0; j < g.w; j++)                                                      \
                for (int32_t k = 0; k < g.c; k++)
#define FOR_EACH_TAP                                                                               \
    for (int32_t r = 0; r < g.rows; r++)                                                           \
        for (int32_t s = 0; s < g.columns; s++)

static void run_maxpool2d(const clade_args *args)
{
    const clade_maxpool2d_args *a = &args->maxpool2d;
    GEOMETRY(a, &a->x, &a->y);
    const REAL *x = real_of(&a->x);
    REAL *y = real_of(&a->y);
    uint8_t *index = clade_tensor_present(&a->index) ? u8_of(&a->index) : NULL;
    FOR_EACH_OUTPUT
    {
        bool any = false;
        REAL best = 0;
        int32_t at = 0;
        FOR_EACH_TAP
        {
            int32_t row = i * g.down - g.top + r, column = j * g.across - g.left + s;
            if (!inside(&g, row, column)) continue;
            REAL v = x[in_x(&g, b, row, column, k)];
            if (any && !is_larger(v, best)) continue;
            any = true;
            best = v;
            at = r * g.columns + s;
        }
        y[in_y(&g, b, i, j, k)] = best;
        if (index) index[in_y(&g, b, i, j, k)] = (uint8_t)at;
    }
}

/* Gives the windows that cover row or column i: from *first to before *end. */
static void covering(int32_t i, int32_t pad, int32_t window, int32_t stride, int32_t outputs,
                     int32_t *first, int32_t *end)
{
    *first = 0;
    while (*first < outputs && *first * stride - pad + window <= i) ++*first;
    *end = *first;
    while (*end < outputs && *end * stride - pad <= i) ++*end;
}

static void run_maxpool2d_dx(const clade_args *args)
{
    const clade_maxpool2d_dx_args *a = &args->maxpool2d_dx;
    GEOMETRY(a, &a->dx, &a->dy);
    const REAL *dy = real_of(&a->dy);
    const uint8_t *index = u8_of(&a->index);
    REAL *dx = real_of(&a->dx);
    FOR_EACH_INPUT
    {
        int32_t i0, i1, j0, j1;
        covering(i, g.top, g.rows, g.down, g.oh, &i0, &i1);
        covering(j, g.left, g.columns, g.across, g.ow, &j0, &j1);
        REAL sum = 0;
        for (int32_t oi = i0; oi < i1; oi++)
            for (int32_t oj = j0; oj < j1; oj++) {
                int32_t r = i + g.top - oi * g.down, s = j + g.left - oj * g.across;
                size_t at = in_y(&g, b, oi, oj, k);
                if (index[at] == r * g.columns + s) sum += dy[at];
            }
        put(&dx[in_x(&g, b, i, j, k)], sum, a->accumulate);
    }
}

/* Returns the number of elements in the mean of output (i, j). */
static int64_t count_of(const pool_geometry *g, int32_t i, int32_t j, int32_t count_pad)
{
    if (count_pad) return (int64_t)g->rows * g->columns;
    int64_t count = 0;
    for (int32_t r = 0; r < g->rows; r++)
        for (int32_t s = 0; s < g->columns; s++)
            count += inside(g, i * g->down - g->top + r, j * g->across - g->left + s);
    return count;
}

static void run_avgpool2d(const clade_args *args)
{
    const clade_avgpool2d_args *a = &args->avgpool2d;
    GEOMETRY(a, &a->x, &a->y);
    const REAL *x = real_of(&a->x);
    REAL *y = real_of(&a->y);
    FOR_EACH_OUTPUT
    {
        REAL sum = 0;
        FOR_EACH_TAP
        {
            int32_t row = i * g.down - g.top + r, column = j * g.across - g.left + s;
            if (inside(&g, row, column)) sum += x[in_x(&g, b, row, column, k)];
        }
        y[in_y(&g, b, i, j, k)] = sum * reciprocal(count_of(&g, i, j, a->count_pad));
    }
}

static void run_avgpool2d_dx(const clade_args *args)
{
    const clade_avgpool2d_dx_args *a = &args->avgpool2d_dx;
    GEOMETRY(a, &a->dx, &a->dy);
    const REAL *dy = real_of(&a->dy);
    REAL *dx = real_of(&a->dx);
    FOR_EACH_INPUT
    {
        int32_t i0, i1, j0, j1;
        covering(i, g.top, g.rows, g.down, g.oh, &i0, &i1);
        covering(j, g.left, g.columns, g.across, g.ow, &j0, &j1);
        REAL sum = 0;
        for (int32_t oi = i0; oi < i1; oi++)
            for (int32_t oj = j0; oj < j1; oj++)
                sum = REAL_FMA(dy[in_y(&g, b, oi, oj, k)],
                               reciprocal(count_of(&g, oi, oj, a->count_pad)), sum);
        put(&dx[in_x(&g, b, i, j, k)], sum, a->accumulate);
    }
}

/* ---- bounds ---- */

/* Nothing is rounded: y is one of x. */
static void bound_maxpool2d(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    size_t n = clade_tensor_count(&args->maxpool2d.y);
    for (size_t i = 0; i < n; i++) bound[i] = 0;
}

/* Returns the largest number of windows that cover one element. */
static int64_t windows(const int32_t *window, const int32_t *stride)
{
    pool_geometry g = window_of(window, stride, (int32_t[4]){0});
    return (int64_t)((g.rows + g.down - 1) / g.down) * ((g.columns + g.across - 1) / g.across);
}

/* One addition per window, and one to the target. */
static int64_t terms_maxpool2d_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_maxpool2d_dx_args *a = &args->maxpool2d_dx;
    return windows(a->window, a->stride) + (a->accumulate != 0);
}

/* The additions, two units for the reciprocal, one for the product with it. */
static int64_t terms_avgpool2d(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_avgpool2d_args *a = &args->avgpool2d;
    return (int64_t)a->window[0] * a->window[1] + 3;
}

static int64_t terms_avgpool2d_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_avgpool2d_dx_args *a = &args->avgpool2d_dx;
    return windows(a->window, a->stride) + 2 + (a->accumulate != 0);
}

/* ---- means of small integers ---- */

/* Returns whether a mean over windows divides by a number that is not a power of two. */
static bool divides_unevenly(const int32_t *window, const int32_t *pad, int32_t count_pad)
{
    bool padded = pad[0] || pad[1] || pad[2] || pad[3];
    return !is_power_of_two((int64_t)window[0] * window[1]) || (padded && !count_pad);
}

static bool inexact_avgpool2d(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_avgpool2d_args *a = &args->avgpool2d;
    return divides_unevenly(a->window, a->pad, a->count_pad);
}
static bool inexact_avgpool2d_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    const clade_avgpool2d_dx_args *a = &args->avgpool2d_dx;
    return divides_unevenly(a->window, a->pad, a->count_pad);
}
/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case maxpool2d_cases[] = {
    {CASE_QUICK, "two", "x=2x6x8x16 index=2x3x4x16 window=2,2"},
    {CASE_QUICK, "two-odd", "x=1x7x5x17 index=1x3x2x17 window=2,2"},
    {CASE_QUICK, "no-index", "x=1x4x4x5 window=2,2"},
    {CASE_QUICK, "overlap-in-rows", "x=2x7x6x5 index=2x3x3x5 window=3,2 stride=2,2"},
    {CASE_QUICK, "overlap", "x=2x7x9x3 index=2x3x4x3 window=3,3 stride=2,2"},
    {CASE_FULL, "one", "x=1x1x1x1 index=1x1x1x1 window=1,1"},
    {CASE_FULL, "one-padded", "x=1x1x1x4 index=1x1x1x4 window=2,3 pad=1,1,0,1"},
    {CASE_FULL, "same-padded", "x=2x9x8x20 index=2x9x8x20 window=3,3 stride=1,1 pad=1,1,1,1"},
    {CASE_FULL, "uneven-padding", "x=1x10x11x5 index=1x5x6x5 window=3,3 stride=2,2 pad=0,1,1,2"},
    {CASE_FULL, "gaps", "x=3x11x10x8 index=3x4x3x8 window=2,1 stride=3,4"},
    {CASE_FULL, "uneven-window", "x=2x6x13x64 index=2x3x3x64 window=2,5 stride=2,4"},
    {CASE_QUICK, "even-padded", "x=2x8x8x16 index=2x5x5x16 window=2,2 pad=1,1,1,1"},
    {CASE_QUICK, "two-same", "x=2x7x5x16 index=2x4x3x16 window=2,2 pad=0,0,1,1"},
    {CASE_QUICK, "overlap-in-columns", "x=2x6x7x5 index=2x3x3x5 window=2,3 stride=2,2"},
    {CASE_FULL, "wide", "x=1x17x17x15 index=1x1x2x15 window=15,17 stride=9,7 pad=0,8,0,0"},
    {CASE_FULL, "layer", "x=4x37x37x32 index=4x18x18x32 window=2,2"},
    {CASE_TIMED, "training", "x=32x74x74x32 window=2,2"},
};

static const clade_case avgpool2d_cases[] = {
    {CASE_QUICK, "two", "x=2x6x8x16 window=2,2"},
    {CASE_QUICK, "padded", "x=1x5x6x3 window=3,3 stride=2,2 pad=1,1,1,0"},
    {CASE_QUICK, "count-pad", "x=1x5x6x5 window=3,3 stride=2,2 pad=1,1,1,0 count_pad=1"},
    {CASE_FULL, "one", "x=1x1x1x1 window=1,1"},
    {CASE_FULL, "two-odd", "x=3x7x5x17 window=2,2"},
    {CASE_FULL, "same-padded", "x=2x9x8x20 window=3,3 stride=1,1 pad=1,1,1,1"},
    {CASE_FULL, "gaps", "x=2x11x10x8 window=2,1 stride=3,4"},
    {CASE_FULL, "wide", "x=1x17x17x16 window=15,17 stride=9,7 pad=0,8,0,0"},
    {CASE_FULL, "layer", "x=2x28x29x64 window=3,2 stride=2,2 pad=1,0,1,1"},
    {CASE_TIMED, "training", "x=32x74x74x32 window=2,2"},
};

#endif

OP_IMPL(maxpool2d, OP_CASES(maxpool2d_cases), .bound = bound_maxpool2d);
OP_IMPL(maxpool2d_dx, .terms = terms_maxpool2d_dx);
OP_IMPL(avgpool2d, OP_CASES(avgpool2d_cases), .terms = terms_avgpool2d,
        .inexact = inexact_avgpool2d);
OP_IMPL(avgpool2d_dx, .terms = terms_avgpool2d_dx, .inexact = inexact_avgpool2d_dx);
