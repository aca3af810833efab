/* conv2d, its input gradient and dense on the CPU, by register tiles over packed weights. Rows of
 * results are shared among threads; rows that reach into the padding are copied with zeros around
 * them, so that every tile is whole (a product with zero adds nothing: the bits are those of
 * leaving it out). */
#include "cpu/conv_line.h"
#include "cpu/tile.h"

#include "../../kernels/activation.clh"

#include <string.h>

/* Copies `taps` source rows of picture n from row_at on, columns left … left + width, zeros where
 * they lie outside. */
static void copy_rows(const conv_job *job, int64_t n, int32_t row_at, int32_t taps, int32_t left,
                      int32_t width, float *to)
{
    size_t channels = (size_t)job->groups * (size_t)job->cin;
    if (job->index) {
        int64_t pooled = n * (job->row.size / 2) * (job->column.size / 2) * (int64_t)channels;
        const conv_spread spread = {job->src + pooled, job->index + pooled, job->row.size,
                                    job->column.size, (int32_t)channels};
        for (int32_t t = 0; t < taps; t++, to += (size_t)width * channels)
            CPU_NAME(conv_spread_row)(&spread, row_at + t * job->row.reach, left, width, to);
        return;
    }
    const float *image = job->src + n * job->row.size * job->column.size * (int64_t)channels;
    int32_t size = job->column.size, from = left < 0 ? 0 : left;
    int32_t end = left + width > size ? size : left + width;
    if (end < from) end = from;
    size_t before = (size_t)(from - left) * channels, middle = (size_t)(end - from) * channels;
    size_t all = (size_t)width * channels;
    if (before > all) before = all;
    for (int32_t t = 0; t < taps; t++, to += all) {
        int64_t row = row_at + (int64_t)t * job->row.reach;
        memset(to, 0, before * sizeof *to);
        if (middle)
            memcpy(to + before, image + (row * size + from) * (int64_t)channels,
                   middle * sizeof *to);
        memset(to + before + middle, 0, (all - before - middle) * sizeof *to);
    }
}

void CPU_NAME(conv_line)(const conv_job *job, const conv_line *line, int thread)
{
    const conv_axis *row = &job->row, *column = &job->column;
    int64_t n = line->n;
    int32_t j = line->j, first = line->first, count = line->count, b0 = line->b0, b1 = line->b1;
    int32_t r0 = conv_axis_from(*row, j), r1 = conv_axis_to(*row, j), taps = column->taps;
    int64_t channels = (int64_t)job->groups * job->cin, width = column->size;
    const float *image = job->src + (job->index ? 0 : n * row->size * width * channels);
    int32_t row_at = j * row->stride + row->base + r0 * row->reach;
    int32_t left = first * column->stride + column->base;
    int32_t span = (count - 1) * column->stride + (taps ? (taps - 1) * column->reach : 0) + 1;
    const float *source;
    int64_t src_row;
    if (r1 > r0 && taps && (job->index || left < 0 || left + span > width)) {
        float *copy = job->rows + job->row_floats * (size_t)thread;
        copy_rows(job, n, row_at, r1 - r0, left, span, copy);
        source = copy;
        src_row = span * channels;
    } else {
        source = r1 > r0 && taps ? image + (row_at * width + left) * channels : image;
        src_row = row->reach * width * channels;
    }
    /* taps that lie side by side, in source and weights, are one long run */
    bool run = column->reach == 1 && column->tap_step == 1 && job->groups == 1;
    int64_t out_channels = (int64_t)job->groups * job->cout;
    tile_job t = {
        .step = column->stride * channels,
        .src_row = src_row,
        .src_column = column->reach * channels,
        .w_row = row->tap_step * job->window * job->w_tap,
        .w_column = column->tap_step * job->w_tap,
        .w_step = job->w_step,
        .rows = taps ? r1 - r0 : 0,
        .columns = run ? 1 : taps,
        .len = run ? taps * job->cin : job->cin,
        .y_step = column->spread * out_channels,
        .act = job->act,
        .accumulate = job->accumulate,
    };
    int64_t tap = (row->first_tap + r0 * row->tap_step) * (int64_t)job->window + column->first_tap;
    int32_t tiles = tile_count(count);
    for (int32_t g = 0; g < job->groups; g++) {
        for (int32_t b = b0; b < b1; b++) {
            int64_t lane = g * job->cout + b * job->lanes;
            int32_t lanes = job->cout - b * job->lanes;
            t.lanes = lanes < job->lanes ? lanes : job->lanes;
            t.w = job->weights + (g * job->blocks + b) * job->w_block + tap * job->w_tap;
            t.bias = job->bias ? job->bias + lane : NULL;
            for (int32_t i = 0; i < tiles; i++) {
                int32_t p = (int32_t)((int64_t)count * i / tiles);
                int32_t end = (int32_t)((int64_t)count * (i + 1) / tiles);
                t.src = source + p * t.step + g * job->cin;
                t.y = line->out + p * t.y_step + lane;
                CPU_NAME(tile_forward)(&t, end - p, t.lanes > VW ? 2 : 1);
            }
        }
    }
    if (job->act <= CLADE_RELU) return;
    int64_t from = b0 * job->lanes, to = b1 < job->blocks ? b1 * job->lanes : out_channels;
    for (int32_t p = 0; p < count; p++) {
        float *result = line->out + p * t.y_step;
        for (int64_t o = from; o < to; o++)
            result[o] = act_forward(job->act, job->alpha, result[o]);
    }
}

/* Some blocks of one segment of one row of results. */
static void conv_item(void *user, size_t item, int thread)
{
    const conv_job *job = user;
    const conv_axis *row = &job->row, *column = &job->column;
    int32_t part = (int32_t)(item % (size_t)job->parts);
    size_t at = item / (size_t)job->parts;
    int32_t first = (int32_t)(at % (size_t)job->segments) * job->segment;
    at /= (size_t)job->segments;
    int32_t j = (int32_t)(at % (size_t)row->count);
    int64_t n = (int64_t)(at / (size_t)row->count);
    int64_t y = ((n * job->out_h + row->first + j * row->spread) * job->out_w + column->first +
                 first * column->spread) *
                job->groups * job->cout;
    const conv_line line = {
        .n = n,
        .j = j,
        .first = first,
        .count = column->count - first < job->segment ? column->count - first : job->segment,
        .b0 = (int32_t)((int64_t)job->blocks * part / job->parts),
        .b1 = (int32_t)((int64_t)job->blocks * (part + 1) / job->parts),
        .out = job->out + y,
    };
    CPU_NAME(conv_line)(job, &line, thread);
}

static void run_job(cpu_context *cpu, conv_job *job, int64_t images)
{
    if (!job->column.count || !job->row.count) return;
    int32_t most = 16 * tile_most;
    job->segments = (job->column.count + most - 1) / most;
    job->segment = (job->column.count + job->segments - 1) / job->segments;
    job->segments = (job->column.count + job->segment - 1) / job->segment;
    size_t lines = (size_t)images * (size_t)job->row.count * (size_t)job->segments;
    int threads = clade_pool_threads(cpu->pool);
    job->parts = job->groups > 1 || lines >= 8 * (size_t)threads ? 1
                 : job->blocks < 4 * threads                     ? job->blocks
                                                                 : 4 * threads;
    clade_pool_for(cpu->pool, lines * (size_t)job->parts, conv_item, job);
}

/* ---- packing: [group][block][tap][channel summed over][lane], lanes beyond the last are 0 ---- */

typedef struct pack_job {
    const float *w;
    float *to;
    int32_t kh, kw, cg, k, groups; /* of the convolution's weights */
    int32_t lanes, blocks;
    bool backward; /* lanes are input channels, taps reversed, filters summed over */
} pack_job;

static void pack_item(void *user, size_t item, int thread)
{
    (void)thread;
    const pack_job *job = user;
    int32_t taps = job->kh * job->kw, tap = (int32_t)(item % (size_t)taps);
    int64_t block = (int64_t)(item / (size_t)taps);
    int32_t g = (int32_t)(block / job->blocks), b = (int32_t)(block % job->blocks);
    int32_t kg = job->k / job->groups, from = job->backward ? taps - 1 - tap : tap;
    int32_t summed = job->backward ? kg : job->cg, across = job->backward ? job->cg : kg;
    int32_t first = b * job->lanes,
            count = across - first < job->lanes ? across - first : job->lanes;
    const float *w = job->w + (int64_t)from * job->cg * job->k + g * kg;
    float *to = job->to + (block * taps + tap) * summed * job->lanes;
    for (int32_t i = 0; i < summed; i++, to += job->lanes) {
        if (job->backward)
            for (int32_t l = 0; l < count; l++) to[l] = w[(int64_t)(first + l) * job->k + i];
        else
            memcpy(to, w + (int64_t)i * job->k + first, (size_t)count * sizeof *to);
        memset(to + count, 0, (size_t)(job->lanes - count) * sizeof *to);
    }
}

/* Blocks of two vectors where there are lanes enough, else of one. */
static int32_t block_lanes(int32_t across) { return across > VW ? 2 * VW : VW; }

void CPU_NAME(conv_pack)(cpu_context *cpu, conv_job *job, const clade_tensor *w, bool backward,
                         float *to)
{
    pack_job p = {.w = clade_tensor_host(w),
                  .to = to,
                  .kh = w->dim[0],
                  .kw = w->dim[1],
                  .cg = w->dim[2],
                  .k = w->dim[3],
                  .groups = job->groups,
                  .lanes = job->lanes,
                  .blocks = job->blocks,
                  .backward = backward};
    clade_pool_for(cpu->pool, (size_t)p.groups * (size_t)p.blocks * (size_t)(p.kh * p.kw),
                   pack_item, &p);
    job->w_step = job->lanes;
    job->w_tap = (int64_t)job->cin * job->lanes;
    job->w_block = job->w_tap * p.kh * p.kw;
    job->weights = to;
    job->rows = to + (size_t)job->w_block * (size_t)(p.groups * p.blocks);
}

/* ---- the ops ---- */

conv_job CPU_NAME(conv_forward_job)(const clade_conv2d_args *a)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->x.dim, *w = a->w.dim, *y = a->y.dim;
    conv_job job = {
        .src = clade_tensor_host(&a->x),
        .out = clade_tensor_host(&a->y),
        .bias = clade_tensor_present(&a->b) ? clade_tensor_host(&a->b) : NULL,
        .row = conv_axis_forward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0]),
        .column = conv_axis_forward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1]),
        .out_h = y[1],
        .out_w = y[2],
        .groups = g.groups,
        .cin = w[2],
        .cout = w[3] / g.groups,
        .window = w[1],
        .act = a->act,
        .alpha = a->alpha,
        .row_floats = conv_row_floats(w[0], w[1], x[3], g.dilation[1], y[2], g.stride[1]),
    };
    job.lanes = block_lanes(job.cout);
    job.blocks = (job.cout + job.lanes - 1) / job.lanes;
    return job;
}

clade_status CPU_NAME(conv2d)(void *context, const clade_conv2d_args *a, void *scratch)
{
    conv_geometry g = CONV_GEOMETRY(a);
    if (conv_is_depthwise(&a->w, g.groups)) return CPU_NAME(depthwise)(context, a);
    const int32_t *x = a->x.dim;
    int64_t images = x[0];
    conv_job job = CPU_NAME(conv_forward_job)(a);
    if (conv_is_pointwise(&a->x, &a->w, &a->y, &g)) {
        /* all pictures are one long row of pixels */
        int32_t pixels = x[0] * x[1] * x[2];
        job.row = conv_axis_forward(1, 1, 1, 1, 0, 1);
        job.column = conv_axis_forward(pixels, pixels, 1, 1, 0, 1);
        job.out_h = 1;
        job.out_w = pixels;
        images = 1;
    }
    CPU_NAME(conv_pack)(context, &job, &a->w, false, scratch);
    run_job(context, &job, images);
    return CLADE_OK;
}

clade_status CPU_NAME(conv_dx)(cpu_context *cpu, const clade_conv2d_dx_args *a,
                               const uint8_t *index, void *scratch)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->dx.dim, *w = a->w.dim, *y = a->dy.dim;
    conv_job job = {
        .src = clade_tensor_host(&a->dy),
        .index = index,
        .out = clade_tensor_host(&a->dx),
        .out_h = x[1],
        .out_w = x[2],
        .groups = g.groups,
        .cin = w[3] / g.groups,
        .cout = w[2],
        .window = w[1],
        .accumulate = a->accumulate,
        .row_floats = conv_row_floats(w[0], w[1], y[3], g.dilation[1], x[2], 1),
    };
    job.lanes = block_lanes(job.cout);
    job.blocks = (job.cout + job.lanes - 1) / job.lanes;
    CPU_NAME(conv_pack)(cpu, &job, &a->w, true, scratch);
    for (int32_t i = 0; i < g.stride[0]; i++) {
        job.row = conv_axis_backward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0], i);
        for (int32_t k = 0; k < g.stride[1]; k++) {
            job.column =
                conv_axis_backward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1], k);
            run_job(cpu, &job, x[0]);
        }
    }
    return CLADE_OK;
}

clade_status CPU_NAME(conv2d_dx)(void *context, const clade_conv2d_dx_args *a, void *scratch)
{
    if (conv_is_depthwise(&a->w, a->groups)) return CPU_NAME(depthwise_dx)(context, a);
    return CPU_NAME(conv_dx)(context, a, NULL, scratch);
}

/* A dense layer is a 1×1 convolution of n pixels; its weights are read where they are if whole
 * vectors fit. */
static clade_status dense(void *context, const clade_dense_args *a, void *scratch)
{
    int32_t n = a->x.dim[0], in = a->x.dim[1], out = a->w.dim[1];
    conv_job job = {
        .src = clade_tensor_host(&a->x),
        .out = clade_tensor_host(&a->y),
        .bias = clade_tensor_present(&a->b) ? clade_tensor_host(&a->b) : NULL,
        .row = conv_axis_forward(1, 1, 1, 1, 0, 1),
        .column = conv_axis_forward(n, n, 1, 1, 0, 1),
        .out_h = 1,
        .out_w = n,
        .groups = 1,
        .cin = in,
        .cout = out,
        .window = 1,
        .act = a->act,
        .alpha = a->alpha,
    };
    job.lanes = block_lanes(out);
    job.blocks = (out + job.lanes - 1) / job.lanes;
    clade_tensor w = a->w;
    w.rank = 4;
    for (int i = 0; i < 4; i++) w.dim[i] = i < 2 ? 1 : a->w.dim[i - 2];
    if (out % VW) {
        CPU_NAME(conv_pack)(context, &job, &w, false, scratch);
    } else {
        job.weights = clade_tensor_host(&a->w);
        job.w_step = out;
        job.w_tap = (int64_t)in * out;
        job.w_block = job.lanes;
    }
    run_job(context, &job, 1);
    return CLADE_OK;
}

void CPU_NAME(conv)(clade_backend *table);
void CPU_NAME(conv)(clade_backend *table)
{
    table->conv2d = CPU_NAME(conv2d);
    table->conv2d_dx = CPU_NAME(conv2d_dx);
    table->conv2d_dw = CPU_NAME(conv2d_dw);
    table->dense = dense;
}
