/* conv2d and its input gradient on the CPU, by register tiles over packed weights. Rows of
 * results are shared among threads; rows that reach into the padding are copied with zeros around
 * them, so that every tile is whole (a product with zero adds nothing: the bits are those of
 * leaving it out). */
#include "cpu/conv_band.h"
#include "cpu/tile.h"
#include "op/conv_norm.h"

#include <string.h>

/* Where the source of some rows of results lies. */
typedef struct source_rows {
    const float *row; /* the first row, at the first result's first tap */
    int32_t first;    /* which of the source's rows that is */
    int64_t row_floats;
} source_rows;

/* Copies source rows first … end − 1 of image n, columns left … left + width, zeros where they
 * lie outside. */
static void copy_rows(const conv_job *job, int64_t n, int32_t first, int32_t end, int32_t left,
                      int32_t width, float *to)
{
    int32_t channels = job->groups * job->cin, size = job->column.size;
    size_t all = (size_t)width * (size_t)channels;
    if (job->index) {
        int64_t pooled = n * (job->row.size / 2) * (size / 2) * channels;
        const conv_unpool unpool = {job->src + pooled, job->index + pooled, job->row.size, size,
                                    channels};
        for (int32_t i = first; i < end; i++, to += all)
            CPU_NAME(conv_unpool_row)(&unpool, i, left, width, to);
        return;
    }
    int32_t from = left < 0 ? 0 : left, until = left + width > size ? size : left + width;
    if (until < from) from = until = left + width;
    size_t before = (size_t)(from - left) * (size_t)channels;
    size_t middle = (size_t)(until - from) * (size_t)channels;
    const float *x = job->src + ((n * job->row.size + first) * size + from) * (int64_t)channels;
    for (int32_t i = first; i < end; i++, to += all, x += (int64_t)size * channels) {
        memset(to, 0, before * sizeof *to);
        if (middle) memcpy(to + before, x, middle * sizeof *to);
        memset(to + before + middle, 0, (all - before - middle) * sizeof *to);
    }
}

/* What the tiles of row j of results have in common. */
static tile_job row_tiles(const conv_job *job, int32_t j, source_rows source)
{
    const conv_axis *row = &job->row, *column = &job->column;
    int32_t r0 = conv_axis_from(*row, j), r1 = conv_axis_to(*row, j), taps = column->taps;
    int64_t channels = (int64_t)job->groups * job->cin;
    int64_t tap = (row->first_tap + r0 * row->tap_step) * (int64_t)job->window + column->first_tap;
    /* taps that lie side by side, in source and weights, are one long run */
    bool run = column->reach == 1 && column->tap_step == 1 && job->groups == 1;
    tile_job t = {
        .src = source.row,
        .step = column->stride * channels,
        .src_row = row->reach * source.row_floats,
        .src_column = column->reach * channels,
        .w = job->weights + tap * job->w_tap,
        .w_row = row->tap_step * job->window * job->w_tap,
        .w_column = column->tap_step * job->w_tap,
        .w_step = job->w_step,
        .rows = taps ? r1 - r0 : 0,
        .columns = run ? 1 : taps,
        .len = run ? taps * job->cin : job->cin,
        .accumulate = job->accumulate,
    };
    int32_t at = j * row->stride + row->base + r0 * row->reach;
    if (r1 > r0) t.src += (at - source.first) * source.row_floats;
    return t;
}

/* One row of results, or of windows of two rows. */
static void conv_row(const conv_job *job, const conv_band *band, int32_t j, source_rows source)
{
    const int side = band->pooled ? 2 : 1; /* of a window */
    int64_t out_channels = (int64_t)job->groups * job->cout;
    tile_job t[2];
    const float *src[2], *w[2];
    for (int a = 0; a < side; a++) {
        t[a] = row_tiles(job, j + a, source);
        src[a] = t[a].src;
        w[a] = t[a].w;
    }
    t[0].y_step = band->pooled ? out_channels : job->column.out_stride * out_channels;
    /* pixels a multiple of 4 KiB apart share a set of the first-level cache, which has 8 places */
    bool crowded = t[0].step % 1024 == 0 && tile_most > 7;
    int32_t most = (crowded ? 7 : tile_most) / side, count = band->count / side;
    int32_t tiles = (count + most - 1) / most;
    float *out = band->out + (j - band->j0) / side * band->out_row;
    for (int32_t g = 0; g < job->groups; g++) {
        for (int32_t b = band->b0; b < band->b1; b++) {
            int64_t lane = g * job->cout + b * job->lanes;
            int32_t lanes = job->cout - b * job->lanes;
            t[0].lanes = lanes < job->lanes ? lanes : job->lanes;
            int vectors = t[0].lanes > VW ? 2 : 1;
            for (int32_t i = 0; i < tiles; i++) {
                int32_t p = (int32_t)((int64_t)count * i / tiles);
                int32_t n = (int32_t)((int64_t)count * (i + 1) / tiles) - p;
                for (int a = 0; a < side; a++) {
                    t[a].src = src[a] + p * side * t[a].step + g * job->cin;
                    t[a].w = w[a] + (g * job->blocks + b) * job->w_block;
                }
                t[0].y = out + p * t[0].y_step + lane;
                t[0].epilogue =
                    conv_epilogue_at(&job->epilogue, lane, job->epilogue.z ? t[0].y - job->out : 0);
                if (!band->pooled) {
                    CPU_NAME(tile_forward)(t, n, vectors);
                    continue;
                }
                uint8_t *index = band->index ? band->index + (t[0].y - band->out) : NULL;
                CPU_NAME(tile_pooled)(t, index, n);
            }
        }
    }
    int64_t from = band->b0 * job->lanes;
    int64_t to = band->b1 < job->blocks ? band->b1 * job->lanes : out_channels;
    for (int32_t p = 0; conv_epilogue_leaves(job->epilogue.act) && p < count; p++)
        conv_epilogue_rest(job->epilogue.act, job->epilogue.alpha, out + p * t[0].y_step + from,
                           to - from);
}

void CPU_NAME(conv_band)(const conv_job *job, const conv_band *band, int thread)
{
    const conv_axis *row = &job->row, *column = &job->column;
    int64_t channels = (int64_t)job->groups * job->cin;
    int32_t left = band->first * column->stride + column->base, taps = column->taps;
    int32_t span = (band->count - 1) * column->stride + (taps ? (taps - 1) * column->reach : 0) + 1;
    bool copies = taps && (job->index || left < 0 || left + span > column->size);
    float *copy = job->rows + job->row_floats * (size_t)thread;
    int32_t step = copies ? job->band : band->j1 - band->j0;
    for (int32_t j0 = band->j0; j0 < band->j1; j0 += step) {
        int32_t j1 = band->j1 - j0 < step ? band->j1 : j0 + step;
        int32_t first = j0 * row->stride + row->base;
        int32_t end = (j1 - 1) * row->stride + row->base + (row->taps - 1) * row->reach + 1;
        if (first < 0) first = 0;
        if (end > row->size) end = row->size;
        source_rows source = {copy, first, span * channels};
        if (copies) {
            copy_rows(job, band->n, first, end, left, span, copy);
        } else {
            source.row_floats = column->size * channels;
            source.row = job->src;
            if (taps && first < end)
                source.row += ((band->n * row->size + first) * column->size + left) * channels;
        }
        for (int32_t j = j0; j < j1; j += band->pooled ? 2 : 1) conv_row(job, band, j, source);
    }
}

/* Some blocks of one segment of a band of results. */
static void conv_item(void *user, size_t item, int thread)
{
    const conv_job *job = user;
    const conv_axis *row = &job->row, *column = &job->column;
    int32_t part = (int32_t)(item % (size_t)job->parts);
    size_t at = item / (size_t)job->parts;
    int32_t first = (int32_t)(at % (size_t)job->segments) * job->segment;
    at /= (size_t)job->segments;
    size_t bands = ((size_t)row->count + (size_t)job->band - 1) / (size_t)job->band;
    int32_t j = (int32_t)(at % bands) * job->band;
    int64_t n = (int64_t)(at / bands), out_row = (int64_t)job->out_w * job->groups * job->cout;
    conv_band band = {
        .n = n,
        .j0 = j,
        .j1 = row->count - j < job->band ? row->count : j + job->band,
        .first = first,
        .count = column->count - first < job->segment ? column->count - first : job->segment,
        .b0 = (int32_t)((int64_t)job->blocks * part / job->parts),
        .b1 = (int32_t)((int64_t)job->blocks * (part + 1) / job->parts),
        .out_row = row->out_stride * out_row,
    };
    band.out = job->out + (n * job->out_h + row->first + j * row->out_stride) * out_row +
               (column->first + (int64_t)first * column->out_stride) * job->groups * job->cout;
    CPU_NAME(conv_band)(job, &band, thread);
}

static size_t bands_of(const conv_job *job, int64_t images)
{
    int32_t bands = (job->row.count + job->band - 1) / job->band;
    return (size_t)images * (size_t)job->segments * (size_t)bands;
}

static void run_job(cpu_context *cpu, conv_job *job, int64_t images)
{
    if (!job->column.count || !job->row.count) return;
    int32_t most = 16 * tile_most;
    size_t threads = (size_t)clade_pool_threads(cpu->pool);
    job->segments = (job->column.count + most - 1) / most;
    job->segment = (job->column.count + job->segments - 1) / job->segments;
    job->segments = (job->column.count + job->segment - 1) / job->segment;
    size_t bands = bands_of(job, images);
    while (job->band > 1 && bands < 8 * threads) {
        job->band--;
        bands = bands_of(job, images);
    }
    job->parts = job->groups > 1 || bands >= 8 * threads ? 1
                 : job->blocks < 4 * (int32_t)threads    ? job->blocks
                                                         : 4 * (int32_t)threads;
    clade_pool_for(cpu->pool, bands * (size_t)job->parts, conv_item, job);
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

conv_job CPU_NAME(conv_forward_job)(const clade_conv2d_args *a, const conv_epilogue *epilogue)
{
    conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->x.dim, *w = a->w.dim, *y = a->y.dim;
    conv_job job = {
        .src = clade_tensor_host(&a->x),
        .out = clade_tensor_host(&a->y),
        .epilogue = *epilogue,
        .row = conv_axis_forward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0]),
        .column = conv_axis_forward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1]),
        .out_h = y[1],
        .out_w = y[2],
        .groups = g.groups,
        .cin = w[2],
        .cout = w[3] / g.groups,
        .window = w[1],
        .band = conv_band_rows(w, x[3], y[2], g.stride, g.dilation),
        .row_floats = conv_band_floats(w, x[3], y[2], g.stride, g.dilation),
    };
    job.lanes = block_lanes(job.cout);
    job.blocks = (job.cout + job.lanes - 1) / job.lanes;
    return job;
}

/* A convolution of which becomes what `epilogue` says. */
static clade_status convolve(cpu_context *cpu, const clade_conv2d_args *a,
                             const conv_epilogue *epilogue, void *workspace)
{
    conv_geometry g = CONV_GEOMETRY(a);
    if (conv_is_depthwise(&a->w, g.groups)) return CPU_NAME(depthwise)(cpu, a, epilogue);
    if (conv_is_winograd(&g, &a->w, &a->y))
        return CPU_NAME(winograd)(cpu, a, epilogue, clade_tensor_host(&a->y), NULL, false,
                                  workspace);
    const int32_t *x = a->x.dim;
    int64_t images = x[0];
    conv_job job = CPU_NAME(conv_forward_job)(a, epilogue);
    if (conv_is_pointwise(&a->x, &a->w, &a->y, &g)) {
        /* all images are one long row of pixels */
        int32_t pixels = x[0] * x[1] * x[2];
        job.row = conv_axis_forward(1, 1, 1, 1, 0, 1);
        job.column = conv_axis_forward(pixels, pixels, 1, 1, 0, 1);
        job.out_h = 1;
        job.out_w = pixels;
        images = 1;
    }
    CPU_NAME(conv_pack)(cpu, &job, &a->w, false, workspace);
    run_job(cpu, &job, images);
    return CLADE_OK;
}

clade_status CPU_NAME(conv2d)(void *context, const clade_conv2d_args *a, void *workspace)
{
    const conv_epilogue epilogue = conv_epilogue_of(a);
    return convolve(context, a, &epilogue, workspace);
}

/* The scale of each channel lies behind what the convolution needs. */
static clade_status conv2d_norm(void *context, const clade_conv2d_norm_args *a, void *workspace)
{
    clade_args args = {.conv2d = conv_norm_conv(a)};
    const float *gamma = clade_tensor_host(&a->gamma), *var = clade_tensor_host(&a->var);
    float *scale = (float *)workspace +
                   clade_cpu_conv_workspace(context, CLADE_OP_conv2d, &args) / sizeof(float);
    for (int32_t k = 0; k < a->y.dim[3]; k++) scale[k] = math_rsqrt(var[k] + a->eps) * gamma[k];
    conv_epilogue epilogue = conv_epilogue_of(&args.conv2d);
    epilogue.mean = clade_tensor_host(&a->mean);
    epilogue.scale = scale;
    epilogue.beta = clade_tensor_host(&a->beta);
    epilogue.z = clade_tensor_present(&a->z) ? clade_tensor_host(&a->z) : NULL;
    epilogue.act = a->act;
    epilogue.alpha = a->alpha;
    return convolve(context, &args.conv2d, &epilogue, workspace);
}

clade_status CPU_NAME(conv_dx)(cpu_context *cpu, const clade_conv2d_dx_args *a,
                               const uint8_t *index, void *workspace)
{
    conv_geometry g = CONV_GEOMETRY(a);
    if (conv_is_winograd(&g, &a->w, &a->dx)) return CPU_NAME(winograd_dx)(cpu, a, index, workspace);
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
    };
    static const int32_t by_one[2] = {1, 1};
    int32_t band = conv_band_rows(w, y[3], x[2], by_one, g.dilation);
    job.row_floats = conv_band_floats(w, y[3], x[2], by_one, g.dilation);
    job.lanes = block_lanes(job.cout);
    job.blocks = (job.cout + job.lanes - 1) / job.lanes;
    CPU_NAME(conv_pack)(cpu, &job, &a->w, true, workspace);
    for (int32_t i = 0; i < g.stride[0]; i++) {
        job.row = conv_axis_backward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0], i);
        for (int32_t k = 0; k < g.stride[1]; k++) {
            job.column =
                conv_axis_backward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1], k);
            job.band = band;
            run_job(cpu, &job, x[0]);
        }
    }
    return CLADE_OK;
}

clade_status CPU_NAME(conv2d_dx)(void *context, const clade_conv2d_dx_args *a, void *workspace)
{
    if (conv_is_depthwise(&a->w, a->groups)) return CPU_NAME(depthwise_dx)(context, a);
    return CPU_NAME(conv_dx)(context, a, NULL, workspace);
}

void CPU_NAME(conv)(cpu_table *table);
void CPU_NAME(conv)(cpu_table *table)
{
    table->conv2d = CPU_NAME(conv2d);
    table->conv2d_norm = conv2d_norm;
    table->conv2d_dx = CPU_NAME(conv2d_dx);
    table->conv2d_dw = CPU_NAME(conv2d_dw);
}
