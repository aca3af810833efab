/* How much workspace the CPU's convolutions and dense layers need: packed operands, partial
 * sums, and each thread's copies of rows. Reckoned for the widest vectors. */
#include "cpu/conv.h"
#include "cpu/cpu.h"
#include "op/conv_norm.h"
#include "op/conv_pool.h"
#include "op/winograd_plan.h"

enum { widest = most_lanes / 2 }; /* lanes of a vector */

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* Weights packed with `across` results per group. */
static size_t packed_floats(const clade_tensor *w, int32_t groups, int32_t across)
{
    size_t all = clade_tensor_count(w), per = all / ((size_t)groups * (size_t)across);
    return per * (size_t)groups * round_up((size_t)across, most_lanes);
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* By Winograd's tiles: transformed filters and each thread's block. */
static size_t winograd_floats(winograd_job job, size_t threads)
{
    size_t most = 0;
    for (int32_t vw = widest; vw >= 4; vw /= 2) {
        winograd_plan(&job, vw, (int32_t)threads);
        most = larger(most, winograd_filter_floats(&job) + threads * winograd_block_floats(&job));
    }
    return most;
}

/* Partial sums and each thread's block. */
static size_t winograd_dw_all_floats(winograd_job job, size_t threads)
{
    size_t most = 0;
    for (int32_t vw = widest; vw >= 4; vw /= 2) {
        winograd_plan_dw(&job, vw);
        most = larger(most, winograd_sum_floats(&job) + winograd_db_floats(&job) +
                                threads * winograd_dw_floats(&job));
    }
    return most;
}

size_t clade_cpu_conv_workspace(const cpu_context *cpu, clade_op op, const clade_args *args)
{
    static const int32_t by_one[2] = {1, 1};
    size_t threads = (size_t)clade_pool_threads(cpu->pool), floats = 0;
    if (op == CLADE_OP_conv2d) {
        const clade_conv2d_args *a = &args->conv2d;
        conv_geometry g = CONV_GEOMETRY(a);
        floats =
            packed_floats(&a->w, g.groups, a->w.dim[3] / g.groups) +
            threads * conv_band_floats(a->w.dim, a->x.dim[3], a->y.dim[2], g.stride, g.dilation);
        if (conv_is_winograd(&g, &a->w, &a->y))
            floats = winograd_floats(winograd_forward(a), threads);
    } else if (op == CLADE_OP_conv2d_norm) {
        const clade_args conv = {.conv2d = conv_norm_conv(&args->conv2d_norm)};
        floats = clade_cpu_conv_workspace(cpu, CLADE_OP_conv2d, &conv) / sizeof(float) +
                 (size_t)args->conv2d_norm.w.dim[3];
    } else if (op == CLADE_OP_conv2d_dx) {
        const clade_conv2d_dx_args *a = &args->conv2d_dx;
        conv_geometry g = CONV_GEOMETRY(a);
        floats =
            packed_floats(&a->w, g.groups, a->w.dim[2]) +
            threads * conv_band_floats(a->w.dim, a->dy.dim[3], a->dx.dim[2], by_one, g.dilation);
        if (conv_is_winograd(&g, &a->w, &a->dx)) floats = winograd_floats(winograd_dx(a), threads);
    } else if (op == CLADE_OP_conv2d_dw) {
        const clade_conv2d_dw_args *a = &args->conv2d_dw;
        conv_geometry g = CONV_GEOMETRY(a);
        const int32_t *w = a->dw.dim, *y = a->dy.dim;
        int64_t per_chunk;
        size_t chunks = (size_t)clade_conv_chunks((int64_t)y[0] * y[1],
                                                  (int64_t)clade_tensor_count(&a->dw), &per_chunk);
        size_t filters = (size_t)g.groups * round_up((size_t)(w[3] / g.groups), widest);
        size_t rows = (size_t)w[0] * (size_t)w[1] * (size_t)w[2];
        /* narrower vectors pad less and may take more rows, but within the same limit */
        size_t copies = conv_dw_floats(a->x.dim, w, y, &g, filters, 1);
        if (copies < (size_t)band_floats) copies = (size_t)band_floats;
        floats = chunks * (rows + 1) * filters + threads * copies;
        if (conv_is_winograd_dw(&g, &a->dw, &a->dy))
            floats = winograd_dw_all_floats(winograd_dw(a), threads);
    }
    return floats * sizeof(float);
}

/* That of the convolution that does most of it; in the forward op, what two rows of
 * results read for each thread; for depthwise ones, an image or all images in full. */
size_t clade_cpu_conv_pool_workspace(const cpu_context *cpu, clade_op op, const clade_args *args)
{
    clade_args conv;
    if (op == CLADE_OP_conv2d_maxpool) {
        const clade_conv2d_maxpool_args *a = &args->conv2d_maxpool;
        conv_geometry g = CONV_GEOMETRY(a);
        clade_tensor full = conv_pool_full(&a->x, &a->w, &g);
        size_t image = clade_tensor_count(&full) / (size_t)full.dim[0];
        conv.conv2d = conv_pool_conv(a, full);
        size_t rows = conv_pair_floats(&conv.conv2d) * (size_t)clade_pool_threads(cpu->pool);
        return clade_cpu_conv_workspace(cpu, CLADE_OP_conv2d, &conv) +
               (conv_is_depthwise(&a->w, g.groups) ? image : rows) * sizeof(float);
    }
    if (op == CLADE_OP_conv2d_maxpool_dx) {
        const clade_conv2d_maxpool_dx_args *a = &args->conv2d_maxpool_dx;
        conv_geometry g = CONV_GEOMETRY(a);
        clade_tensor full = conv_pool_full(&a->dx, &a->w, &g);
        size_t all = conv_is_depthwise(&a->w, g.groups) ? clade_tensor_count(&full) : 0;
        conv.conv2d_dx = conv_pool_conv_dx(a, full);
        return clade_cpu_conv_workspace(cpu, CLADE_OP_conv2d_dx, &conv) + all * sizeof(float);
    }
    if (op == CLADE_OP_conv2d_maxpool_dw) {
        const clade_conv2d_maxpool_dw_args *a = &args->conv2d_maxpool_dw;
        conv_geometry g = CONV_GEOMETRY(a);
        clade_tensor full = conv_pool_full(&a->x, &a->dw, &g);
        size_t all = conv_is_depthwise(&a->dw, g.groups) ? clade_tensor_count(&full) : 0;
        conv.conv2d_dw = conv_pool_conv_dw(a, full);
        return clade_cpu_conv_workspace(cpu, CLADE_OP_conv2d_dw, &conv) + all * sizeof(float);
    }
    return 0;
}

size_t clade_cpu_dense_workspace(const cpu_context *cpu, clade_op op, const clade_args *args)
{
    (void)cpu;
    size_t floats = 0;
    if (op == CLADE_OP_dense)
        floats = (size_t)args->dense.w.dim[0] * most_lanes;
    else if (op == CLADE_OP_dense_dx)
        floats = (size_t)args->dense_dx.dy.dim[1] *
                 round_up((size_t)args->dense_dx.dy.dim[0], most_lanes);
    else if (op == CLADE_OP_dense_dw)
        floats =
            (size_t)args->dense_dw.x.dim[0] * round_up((size_t)args->dense_dw.dy.dim[1], widest);
    return floats * sizeof(float);
}
