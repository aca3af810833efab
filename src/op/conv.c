/* conv2d and its gradients: shape rules, scalar references, bounds and cases. */
#include "op/conv.h"
#include "op/activation.h"
#include "op/winograd.h"

/* ---- shape rules ---- */

static clade_status check_geometry(clade_op op, const conv_geometry *g, const clade_tensor *x,
                                   const clade_tensor *w)
{
    const char *name = clade_op_describe(op)->name;
    const char *weights = op == CLADE_OP_conv2d_dw ? "dw" : "w";
    clade_status status = clade_expect_rank(op, weights, w, 4);
    if (!status) status = clade_expect_rank(op, op == CLADE_OP_conv2d_dx ? "dx" : "x", x, 4);
    if (status) return status;
    for (int i = 0; i < 2; i++)
        if (g->stride[i] < 1 || g->dilation[i] < 1)
            return clade_fail(CLADE_EINVAL, "%s: stride %d, dilation %d: expected 1 or more", name,
                              g->stride[i], g->dilation[i]);
    for (int i = 0; i < 4; i++)
        if (g->pad[i] < 0)
            return clade_fail(CLADE_EINVAL, "%s: padding %d: expected 0 or more", name, g->pad[i]);
    if ((int64_t)w->dim[0] * w->dim[1] > INT32_MAX) /* taps have 32-bit numbers */
        return clade_fail(CLADE_EINVAL, "%s: %s has %d x %d taps, expected fewer than 2^31", name,
                          weights, w->dim[0], w->dim[1]);
    int32_t c = x->dim[3], k = w->dim[3];
    if (g->groups < 1 || c % g->groups || k % g->groups)
        return clade_fail(CLADE_EINVAL,
                          "%s: %d channels and %d filters cannot be cut into %d groups", name, c, k,
                          g->groups);
    if (w->dim[2] != c / g->groups)
        return clade_fail(CLADE_EINVAL, "%s: %s is for %d channels, expected %d (%d in %d groups)",
                          name, weights, w->dim[2], c / g->groups, c, g->groups);
    return CLADE_OK;
}

/* [n, oh, ow, k] */
static clade_status output_shape(clade_op op, const conv_geometry *g, const clade_tensor *x,
                                 const clade_tensor *w, int32_t dim[4])
{
    clade_status status = check_geometry(op, g, x, w);
    dim[0] = x->dim[0];
    dim[3] = w->dim[3];
    if (!status)
        status = clade_window_size(op, "rows", x->dim[1], (int64_t)g->pad[0] + g->pad[2], w->dim[0],
                                   g->stride[0], g->dilation[0], &dim[1]);
    if (!status)
        status = clade_window_size(op, "columns", x->dim[2], (int64_t)g->pad[1] + g->pad[3],
                                   w->dim[1], g->stride[1], g->dilation[1], &dim[2]);
    return status;
}

static clade_status shape_conv2d(clade_args *args)
{
    clade_conv2d_args *a = &args->conv2d;
    const clade_op op = CLADE_OP_conv2d;
    conv_geometry g = CONV_GEOMETRY(a);
    int32_t dim[4];
    clade_status status = check_act(op, a->act);
    if (!status) status = output_shape(op, &g, &a->x, &a->w, dim);
    if (!status && clade_tensor_present(&a->b))
        status = clade_expect_shape(op, "b", &a->b, CLADE_F32, 1, &a->w.dim[3]);
    return status ? status : clade_infer_shape(op, "y", &a->y, CLADE_F32, 4, dim);
}

static clade_status shape_conv2d_dx(clade_args *args)
{
    clade_conv2d_dx_args *a = &args->conv2d_dx;
    const clade_op op = CLADE_OP_conv2d_dx;
    if (!clade_tensor_present(&a->dx))
        return clade_fail(CLADE_EINVAL, "conv2d_dx: the shape of dx must be given");
    conv_geometry g = CONV_GEOMETRY(a);
    int32_t dim[4];
    clade_status status = output_shape(op, &g, &a->dx, &a->w, dim);
    return status ? status : clade_expect_shape(op, "dy", &a->dy, CLADE_F32, 4, dim);
}

static clade_status shape_conv2d_dw(clade_args *args)
{
    clade_conv2d_dw_args *a = &args->conv2d_dw;
    const clade_op op = CLADE_OP_conv2d_dw;
    if (!clade_tensor_present(&a->dw))
        return clade_fail(CLADE_EINVAL, "conv2d_dw: the shape of dw must be given");
    conv_geometry g = CONV_GEOMETRY(a);
    int32_t dim[4];
    clade_status status = output_shape(op, &g, &a->x, &a->dw, dim);
    if (!status) status = clade_expect_shape(op, "dy", &a->dy, CLADE_F32, 4, dim);
    if (!status && clade_tensor_present(&a->db))
        status = clade_expect_shape(op, "db", &a->db, CLADE_F32, 1, &a->dw.dim[3]);
    return status;
}

/* ---- ---- references ----
|
|Each computes one row of results at a time; `magnitude` takes absolute values of both factors, for
the bounds. ---- */

static REAL factor(REAL v, bool magnitude) { return magnitude && v < 0 ? -v : v; }

/* y[k] of output pixel (n, oh, ow), without bias and activation. */
static void forward_pixel(const clade_conv2d_args *a, const conv_geometry *g, int32_t n, int32_t oh,
                          int32_t ow, REAL *y, bool magnitude)
{
    int32_t h = a->x.dim[1], wd = a->x.dim[2], c = a->x.dim[3];
    int32_t kh = a->w.dim[0], kw = a->w.dim[1], cg = a->w.dim[2], k = a->w.dim[3],
            kg = k / g->groups;
    const REAL *x = real_of(&a->x), *w = real_of(&a->w);
    for (int32_t o = 0; o < k; o++) y[o] = 0;
    for (int32_t r = 0; r < kh; r++) {
        int32_t ih = oh * g->stride[0] - g->pad[0] + r * g->dilation[0];
        if (ih < 0 || ih >= h) continue;
        for (int32_t s = 0; s < kw; s++) {
            int32_t iw = ow * g->stride[1] - g->pad[1] + s * g->dilation[1];
            if (iw < 0 || iw >= wd) continue;
            const REAL *xp = x + (((size_t)n * h + ih) * wd + iw) * c;
            const REAL *wp = w + (size_t)(r * kw + s) * cg * k;
            for (int32_t q = 0; q < g->groups; q++)
                for (int32_t i = 0; i < cg; i++)
                    for (int32_t o = q * kg; o < (q + 1) * kg; o++)
                        y[o] = REAL_FMA(factor(xp[q * cg + i], magnitude),
                                        factor(wp[(size_t)i * k + o], magnitude), y[o]);
        }
    }
}

/* The oracle never uses Winograd's tiles. */
#ifdef CLADE_ORACLE
static const bool tiles_allowed = false;
#else
static const bool tiles_allowed = true;
#endif

static void run_conv2d(const clade_args *args)
{
    const clade_conv2d_args *a = &args->conv2d;
    conv_geometry g = CONV_GEOMETRY(a);
    const REAL *b = clade_tensor_present(&a->b) ? real_of(&a->b) : NULL;
    int32_t k = a->y.dim[3];
    REAL *y = real_of(&a->y);
    if (tiles_allowed && conv_is_winograd(&g, &a->w, &a->y)) {
        winograd_job job = winograd_forward(a);
        winograd_all(&job, &maps_plain, real_of(&a->x), real_of(&a->w), b, y);
        return;
    }
    for (int32_t n = 0; n < a->y.dim[0]; n++)
        for (int32_t oh = 0; oh < a->y.dim[1]; oh++)
            for (int32_t ow = 0; ow < a->y.dim[2]; ow++, y += k) {
                forward_pixel(a, &g, n, oh, ow, y, false);
                for (int32_t o = 0; o < k; o++)
                    y[o] = real_act(a->act, a->alpha, b ? y[o] + b[o] : y[o]);
            }
}

/* Computes one element of dx, over ascending (oh, ow, k). */
static REAL dx_element(const clade_conv2d_dx_args *a, const conv_geometry *g, int32_t n, int32_t ih,
                       int32_t iw, int32_t channel, bool magnitude)
{
    int32_t oh_size = a->dy.dim[1], ow_size = a->dy.dim[2], k = a->dy.dim[3];
    int32_t kh = a->w.dim[0], kw = a->w.dim[1], cg = a->w.dim[2], kg = k / g->groups;
    int32_t group = channel / cg;
    const REAL *dy = real_of(&a->dy), *w = real_of(&a->w);
    REAL sum = 0;
    for (int32_t r = kh - 1; r >= 0; r--) { /* descending tap: ascending oh */
        int32_t from_h = ih + g->pad[0] - r * g->dilation[0], oh = from_h / g->stride[0];
        if (from_h < 0 || from_h % g->stride[0] || oh >= oh_size) continue;
        for (int32_t s = kw - 1; s >= 0; s--) {
            int32_t from_w = iw + g->pad[1] - s * g->dilation[1], ow = from_w / g->stride[1];
            if (from_w < 0 || from_w % g->stride[1] || ow >= ow_size) continue;
            const REAL *dp = dy + (((size_t)n * oh_size + oh) * ow_size + ow) * k + group * kg;
            const REAL *wp = w + ((size_t)(r * kw + s) * cg + channel % cg) * k + group * kg;
            for (int32_t o = 0; o < kg; o++)
                sum = REAL_FMA(factor(dp[o], magnitude), factor(wp[o], magnitude), sum);
        }
    }
    return sum;
}

static void dx_all(const clade_conv2d_dx_args *a, REAL *out, int32_t accumulate, bool magnitude)
{
    conv_geometry g = CONV_GEOMETRY(a);
    for (int32_t n = 0; n < a->dx.dim[0]; n++)
        for (int32_t h = 0; h < a->dx.dim[1]; h++)
            for (int32_t w = 0; w < a->dx.dim[2]; w++)
                for (int32_t c = 0; c < a->dx.dim[3]; c++)
                    put(out++, dx_element(a, &g, n, h, w, c, magnitude), accumulate);
}

static void run_conv2d_dx(const clade_args *args)
{
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    if (tiles_allowed && conv_is_winograd(&g, &a->w, &a->dx)) {
        winograd_job job = winograd_dx(a);
        winograd_all(&job, &maps_plain, real_of(&a->dy), real_of(&a->w), NULL, real_of(&a->dx));
        return;
    }
    dx_all(a, real_of(&a->dx), a->accumulate, false);
}

enum { block = 32 }; /* filters summed at once */

/* Computes dw[o] for filters first … first + count of tap (r, s) and the group's channel i. */
static void dw_block(const clade_conv2d_dw_args *a, const conv_geometry *g, int32_t r, int32_t s,
                     int32_t channel, int32_t first, int32_t count, REAL *total, bool magnitude)
{
    int32_t h = a->x.dim[1], wd = a->x.dim[2], c = a->x.dim[3];
    int32_t oh_size = a->dy.dim[1], ow_size = a->dy.dim[2], k = a->dy.dim[3];
    const REAL *x = real_of(&a->x), *dy = real_of(&a->dy);
    int64_t rows = (int64_t)a->dy.dim[0] * oh_size, per_chunk;
    int32_t chunks = clade_conv_chunks(rows, (int64_t)clade_tensor_count(&a->dw), &per_chunk);
    REAL sum[block];
    for (int32_t o = 0; o < count; o++) total[o] = 0;
    for (int32_t chunk = 0; chunk < chunks; chunk++) {
        for (int32_t o = 0; o < count; o++) sum[o] = 0;
        int64_t end = (chunk + 1) * per_chunk < rows ? (chunk + 1) * per_chunk : rows;
        for (int64_t row = chunk * per_chunk; row < end; row++) {
            int64_t n = row / oh_size, oh = row % oh_size;
            int64_t ih = oh * g->stride[0] - g->pad[0] + r * g->dilation[0];
            if (ih < 0 || ih >= h) continue;
            for (int32_t ow = 0; ow < ow_size; ow++) {
                int32_t iw = ow * g->stride[1] - g->pad[1] + s * g->dilation[1];
                if (iw < 0 || iw >= wd) continue;
                REAL xv = factor(x[((n * h + ih) * wd + iw) * c + channel], magnitude);
                const REAL *dp = dy + (row * ow_size + ow) * k + first;
                for (int32_t o = 0; o < count; o++)
                    sum[o] = REAL_FMA(xv, factor(dp[o], magnitude), sum[o]);
            }
        }
        for (int32_t o = 0; o < count; o++) total[o] += sum[o];
    }
}

static void dw_all(const clade_conv2d_dw_args *a, REAL *out, int32_t accumulate, bool magnitude)
{
    conv_geometry g = CONV_GEOMETRY(a);
    int32_t kh = a->dw.dim[0], kw = a->dw.dim[1], cg = a->dw.dim[2], k = a->dw.dim[3];
    int32_t kg = k / g.groups;
    REAL total[block];
    for (int32_t r = 0; r < kh; r++)
        for (int32_t s = 0; s < kw; s++)
            for (int32_t i = 0; i < cg; i++, out += k)
                for (int32_t q = 0; q < g.groups; q++)
                    for (int32_t first = q * kg; first < (q + 1) * kg; first += block) {
                        int32_t left = (q + 1) * kg - first, count = left < block ? left : block;
                        dw_block(a, &g, r, s, q * cg + i, first, count, total, magnitude);
                        for (int32_t o = 0; o < count; o++)
                            put(&out[first + o], total[o], accumulate);
                    }
}

static void db_all(const clade_conv2d_dw_args *a, REAL *out, int32_t accumulate, bool magnitude)
{
    int32_t k = a->dy.dim[3];
    int64_t rows = (int64_t)a->dy.dim[0] * a->dy.dim[1], ow_size = a->dy.dim[2], per_chunk;
    int32_t chunks = clade_conv_chunks(rows, (int64_t)clade_tensor_count(&a->dw), &per_chunk);
    const REAL *dy = real_of(&a->dy);
    for (int32_t o = 0; o < k; o++) {
        REAL total = 0;
        for (int32_t chunk = 0; chunk < chunks; chunk++) {
            REAL sum = 0;
            int64_t end = (chunk + 1) * per_chunk < rows ? (chunk + 1) * per_chunk : rows;
            for (int64_t p = chunk * per_chunk * ow_size; p < end * ow_size; p++)
                sum += factor(dy[p * k + o], magnitude);
            total += sum;
        }
        put(&out[o], total, accumulate);
    }
}

static void run_conv2d_dw(const clade_args *args)
{
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    conv_geometry g = CONV_GEOMETRY(a);
    if (tiles_allowed && conv_is_winograd_dw(&g, &a->dw, &a->dy)) {
        winograd_job job = winograd_dw(a);
        winograd_weights(&job, &maps_plain, real_of(&a->x), real_of(&a->dy), real_of(&a->dw),
                         clade_tensor_present(&a->db) ? real_of(&a->db) : NULL);
        return;
    }
    dw_all(a, real_of(&a->dw), a->accumulate, false);
    if (clade_tensor_present(&a->db)) db_all(a, real_of(&a->db), a->accumulate, false);
}

/* ---- ---- bounds: gamma of the chain's length times Σ|x||w| (Higham 2002, section 3.1) ----
|
|With Winograd's tiles a result is also a sum of products of the same tensors, but with many more
terms, most of which cancel. The bound is gamma of the largest number of roundings of a term
(transforms, chain, inverse transform) times the sum of all terms' absolute values. ---- */

#ifdef CLADE_ORACLE

/* The transforms for a call that may round them. An implementation that does not round may use the
 * plain ones: float32 is so much more accurate that its error stays within the bound. */
static bool is_fine(clade_products products) { return products == CLADE_FACTORS_BFLOAT16; }
static const winograd_maps *maps_of(clade_products products)
{
    return is_fine(products) ? &maps_fine : &maps_plain;
}
static int rounds_more(clade_products products) { return is_fine(products) ? rounds_fine : 0; }

static void bound_conv2d(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_conv2d_args *a = &args->conv2d;
    conv_geometry g = CONV_GEOMETRY(a);
    int32_t k = a->y.dim[3];
    const double *b = clade_tensor_present(&a->b) ? real_of(&a->b) : NULL;
    bool tiles = conv_is_winograd(&g, &a->w, &a->y);
    int64_t taps = (int64_t)a->w.dim[0] * a->w.dim[1];
    double gamma = clade_gamma(tiles ? rounds_b + rounds_g + a->w.dim[2] + rounds_a + 1 +
                                           rounds_more(a->products)
                                     : taps * a->w.dim[2] + 1) +
                   clade_products_error(a->products);
    if (tiles) {
        winograd_job job = winograd_forward(a);
        job.act = CLADE_LINEAR;
        winograd_all(&job, maps_of(a->products), real_of(&a->x), real_of(&a->w), NULL, bound);
    }
    for (int32_t n = 0; n < a->y.dim[0]; n++)
        for (int32_t oh = 0; oh < a->y.dim[1]; oh++)
            for (int32_t ow = 0; ow < a->y.dim[2]; ow++, bound += k) {
                if (!tiles) forward_pixel(a, &g, n, oh, ow, bound, true);
                for (int32_t o = 0; o < k; o++) {
                    double sum = bound[o] + (b ? fabs(b[o]) : 0);
                    /* infinities elsewhere in the tile may spread to this element */
                    bound[o] = tiles && !isfinite(sum)
                                   ? INFINITY
                                   : act_bound(a->act, a->alpha, sum, gamma * sum);
                }
            }
}

/* Adds the rounding of an addition to the previous contents. */
static void add_rounding(const clade_tensor *out, int32_t accumulate, double gamma, double *bound)
{
    const double *value = (const double *)out->buffer->host + out->offset;
    size_t n = clade_tensor_count(out);
    for (size_t i = 0; i < n; i++)
        bound[i] = gamma * bound[i] + (accumulate ? CLADE_UNIT * fabs(value[i]) : 0);
}

static void bound_conv2d_dx(const clade_args *args, size_t slot, double *bound)
{
    (void)slot;
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    int64_t terms = (int64_t)a->w.dim[0] * a->w.dim[1] * a->w.dim[3] / g.groups;
    if (conv_is_winograd(&g, &a->w, &a->dx)) {
        winograd_job job = winograd_dx(a);
        job.accumulate = 0;
        winograd_all(&job, maps_of(a->products), real_of(&a->dy), real_of(&a->w), NULL, bound);
        terms = rounds_b + rounds_g + a->w.dim[3] + rounds_a + rounds_more(a->products);
    } else {
        dx_all(a, bound, 0, true);
    }
    add_rounding(&a->dx, a->accumulate, clade_gamma(terms) + clade_products_error(a->products),
                 bound);
}

static void bound_conv2d_dw(const clade_args *args, size_t slot, double *bound)
{
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    int64_t rows = (int64_t)a->dy.dim[0] * a->dy.dim[1], per_chunk;
    int32_t chunks = clade_conv_chunks(rows, (int64_t)clade_tensor_count(&a->dw), &per_chunk);
    int64_t terms = per_chunk * a->dy.dim[2] + chunks;
    conv_geometry g = CONV_GEOMETRY(a);
    if (conv_is_winograd_dw(&g, &a->dw, &a->dy)) {
        winograd_job job = winograd_dw(a);
        job.accumulate = 0;
        winograd_weights(&job, slot == 2 ? maps_of(a->products) : &maps_plain, real_of(&a->x),
                         real_of(&a->dy), slot == 2 ? bound : NULL, slot == 2 ? NULL : bound);
        terms = rounds_b + rounds_a_dy + job.per_chunk + job.chunks + rounds_g_dw +
                rounds_more(a->products);
    } else if (slot == 2) {
        dw_all(a, bound, 0, true);
    } else {
        db_all(a, bound, 0, true);
    }
    add_rounding(&args->slot[slot], a->accumulate,
                 clade_gamma(terms) + clade_products_error(a->products), bound);
}

#else
#define bound_conv2d NULL
#define bound_conv2d_dx NULL
#define bound_conv2d_dw NULL
#endif

static bool transforms_conv2d(const clade_args *args)
{
    const clade_conv2d_args *a = &args->conv2d;
    conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd(&g, &a->w, &a->y);
}
static bool transforms_conv2d_dx(const clade_args *args)
{
    const clade_conv2d_dx_args *a = &args->conv2d_dx;
    conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd(&g, &a->w, &a->dx);
}
static bool transforms_conv2d_dw(const clade_args *args)
{
    const clade_conv2d_dw_args *a = &args->conv2d_dw;
    conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd_dw(&g, &a->dw, &a->dy);
}

static double flops_conv2d(const clade_args *args)
{
    return product_flops(&args->conv2d.w, &args->conv2d.y);
}
static double flops_conv2d_dx(const clade_args *args)
{
    return product_flops(&args->conv2d_dx.w, &args->conv2d_dx.dy);
}
static double flops_conv2d_dw(const clade_args *args)
{
    return product_flops(&args->conv2d_dw.dw, &args->conv2d_dw.dy);
}

#ifndef CLADE_ORACLE
/* Cases named winograd use its tiles; so do 3x3-relu and deep. All others must give the exact
 * result for small integers. */
static const clade_case conv2d_cases[] = {
    {CASE_QUICK, "one", "x=1x1x1x1 w=1x1x1x1 b=1"},
    {CASE_QUICK, "3x3", "x=2x7x9x3 w=3x3x3x5 b=5"},
    {CASE_QUICK, "3x3-relu", "x=2x9x17x16 w=3x3x16x32 b=32 act=relu"},
    {CASE_QUICK, "3x3-relu-odd", "x=2x6x8x3 w=3x3x3x7 b=7 act=relu"},
    {CASE_FULL, "3x3-no-bias", "x=1x8x8x5 w=3x3x5x17"},
    {CASE_QUICK, "3x3-same", "x=2x6x31x8 w=3x3x8x33 b=33 pad=1,1,1,1"},
    {CASE_QUICK, "3x3-same-stride-2", "x=1x9x8x4 w=3x3x4x20 b=20 stride=2,2 pad=1,0,1,1"},
    {CASE_QUICK, "5x3-uneven", "x=3x11x6x2 w=5x3x2x7 b=7 stride=1,2 pad=2,1,0,3 act=tanh"},
    {CASE_FULL, "stride-3-over-kernel-2", "x=2x11x13x3 w=2x2x3x16 b=16 stride=3,3"},
    {CASE_QUICK, "dilated", "x=2x12x11x3 w=3x3x3x8 b=8 pad=2,2,2,2 dilation=2,2"},
    {CASE_FULL, "dilated-strided", "x=1x15x17x4 w=3x2x4x6 b=6 stride=2,3 pad=3,0,2,1 dilation=3,2"},
    {CASE_QUICK, "1x1", "x=3x5x5x37 w=1x1x37x24 b=24 act=hard_swish"},
    {CASE_FULL, "1x1-deep", "x=1x8x8x36 w=1x1x36x132 act=relu"},
    {CASE_FULL, "1x1-stride-2", "x=2x7x6x16 w=1x1x16x48 b=48 stride=2,2"},
    {CASE_QUICK, "groups-2", "x=2x6x7x6 w=3x3x3x10 b=10 pad=1,1,1,1 groups=2"},
    {CASE_FULL, "groups-4-wide", "x=1x6x7x64 w=3x3x16x128 b=128 groups=4"},
    {CASE_FULL, "groups-2-uneven", "x=2x9x8x16 w=3x2x8x40 b=40 stride=2,1 pad=1,1,0,1 groups=2"},
    {CASE_QUICK, "depthwise", "x=2x8x9x24 w=3x3x1x24 b=24 pad=1,1,1,1 groups=24 act=relu6"},
    {CASE_FULL, "depthwise-stride-2",
     "x=2x9x9x19 w=3x3x1x19 b=19 stride=2,2 pad=0,0,1,1 groups=19"},
    {CASE_FULL, "depthwise-5x5-multiplier-2", "x=1x9x8x5 w=5x5x1x10 pad=2,2,2,2 groups=5"},
    {CASE_FULL, "first-layer", "x=3x44x46x3 w=3x3x3x16 b=16 act=relu"},
    {CASE_FULL, "first-layer-wide", "x=3x97x93x3 w=3x3x3x32 b=32"},
    {CASE_FULL, "first-layer-wider", "x=4x70x66x3 w=3x3x3x64 b=64 act=relu"},
    {CASE_FULL, "first-layer-7x7", "x=1x30x30x3 w=7x7x3x64 b=64 stride=2,2 pad=3,3,3,3"},
    {CASE_FULL, "deep", "x=2x10x10x128 w=3x3x128x128 b=128 act=relu"},
    {CASE_FULL, "whole-image", "x=3x6x5x16 w=6x5x16x10 b=10"},
    {CASE_FULL, "one-row", "x=2x1x40x8 w=1x3x8x16 b=16 act=silu"},
    {CASE_FULL, "one-column", "x=2x40x1x8 w=3x1x8x16 b=16 act=leaky_relu alpha=0.25"},
    {CASE_QUICK, "narrower-than-kernel", "x=2x5x2x8 w=3x3x8x16 pad=1,1,1,1"},
    {CASE_QUICK, "lower-than-kernel", "x=2x1x6x8 w=5x3x8x16 b=16 pad=2,1,2,1"},
    {CASE_QUICK, "narrow-dilated", "x=1x4x3x4 w=3x3x4x8 pad=2,2,2,2 dilation=2,2"},
    /* more rows of outputs than chunks, and a shorter last chunk */
    {CASE_QUICK, "many-rows", "x=5x16x4x2 w=2x2x2x3 b=3"},
    {CASE_QUICK, "depthwise-many-rows", "x=5x16x4x4 w=2x2x1x4 b=4 groups=4"},
    /* enough rows for more chunks, and for the maximum number of chunks */
    {CASE_QUICK, "more-rows", "x=13x86x3x2 w=2x2x2x3 b=3"},
    {CASE_FULL, "depthwise-more-rows", "x=13x86x3x4 w=2x2x1x4 b=4 groups=4"},
    {CASE_FULL, "most-rows", "x=18x1000x3x1 w=2x2x1x3 b=3"},
    {CASE_QUICK, "tf32", "x=2x7x9x5 w=3x3x5x12 b=12 pad=1,1,1,1 act=relu products=tf32"},
    {CASE_QUICK, "bfloat16", "x=2x9x8x4 w=3x2x4x20 b=20 stride=2,1 pad=1,0,1,1 products=bfloat16"},
    {CASE_QUICK, "float16", "x=1x6x7x8 w=3x3x4x10 groups=2 products=float16"},
    {CASE_FULL, "winograd-tf32", "x=2x10x10x16 w=3x3x16x16 b=16 products=tf32"},
    {CASE_FULL, "pad-over-kernel", "x=1x3x3x2 w=2x2x2x3 b=3 pad=3,4,2,5"},
    {CASE_QUICK, "winograd-small", "x=1x8x8x16 w=3x3x16x16"},
    {CASE_QUICK, "winograd-small-same", "x=8x6x6x16 w=3x3x16x16 b=16 pad=1,1,1,1"},
    /* too few tiles of results, not of x */
    {CASE_QUICK, "winograd-too-small", "x=8x6x6x16 w=3x3x16x16 b=16"},
    {CASE_QUICK, "winograd", "x=2x10x10x16 w=3x3x16x16 b=16"},
    {CASE_QUICK, "winograd-same-odd", "x=4x9x11x17 w=3x3x17x19 b=19 pad=1,1,1,1 act=relu"},
    {CASE_QUICK, "winograd-uneven", "x=1x14x9x24 w=3x3x24x21 b=21 pad=0,2,1,0 act=silu"},
    {CASE_FULL, "winograd-wide-padding", "x=1x8x7x16 w=3x3x16x33 pad=3,4,3,2"},
    {CASE_FULL, "winograd-wide",
     "x=3x18x19x50 w=3x3x50x70 b=70 pad=2,2,2,2 act=leaky_relu alpha=0.25"},
    {CASE_FULL, "winograd-many-tiles", "x=5x40x37x16 w=3x3x16x32 b=32 act=tanh"},
    {CASE_FULL, "winograd-edges", "x=9x6x6x32 w=3x3x32x48 b=48 pad=1,1,1,1 act=relu6"},
    {CASE_TIMED, "training", "x=16x37x37x32 w=3x3x32x64 b=64 act=relu"},
};
#endif

OP_IMPL(conv2d, OP_CASES(conv2d_cases), .bound = bound_conv2d, .transforms = transforms_conv2d,
        .flops = flops_conv2d);
OP_IMPL(conv2d_dx, .bound = bound_conv2d_dx, .transforms = transforms_conv2d_dx,
        .flops = flops_conv2d_dx);
OP_IMPL(conv2d_dw, .bound = bound_conv2d_dw, .transforms = transforms_conv2d_dw,
        .flops = flops_conv2d_dw);
