/* Direct convolution and its input gradient on the CPU, by register tiles over packed weights. Rows
 * of results are shared among threads; rows that reach into the padding are copied with zeros
 * around them, so that every tile is whole (a product with zero adds nothing: the bits are those of
 * leaving it out). Results that are pooled are so two rows at a time, in registers; a pooled
 * gradient is unpooled by the copies. */
#include "cpu/conv.h"
#include "cpu/conv_pool.h"
#include "cpu/tile.h"

#include <string.h>

typedef struct direct_job {
    conv_axis row, column;
    int32_t out_h, out_w;      /* where pooled: of the maxima */
    int32_t groups, cin, cout; /* channels per group */
    int32_t window;            /* taps in a row of weights */
    int32_t lanes, blocks;     /* results in a block, blocks per group */
    int64_t w_block, w_tap;    /* distances in weights */
    int32_t accumulate;
    bool pooled;               /* what is stored is the largest of each 2 x 2 window */
    bool unpool;               /* src is the gradient of such maxima */
    int32_t segment, segments; /* results per item of work, items per row */
    int32_t parts;             /* items that share a segment's blocks */
    int32_t band;              /* rows of results that share copied source rows */
    size_t items, row_floats;  /* of a thread's copies of source rows */
    /* by run: */
    const float *src, *weights;
    const uint8_t *index; /* where unpool */
    float *out;
    uint8_t *taken; /* where pooled: which one it was, placed as out; or NULL */
    float *rows;    /* each thread's copies of source rows, row_floats apart */
    conv_epilogue epilogue;
} direct_job;

/* Results first … first + count − 1 of rows j0 … j1 − 1 of image n; where they are pooled, these
 * are two whole rows of 2 x 2 windows. */
typedef struct direct_band {
    int64_t n;
    int32_t j0, j1, first, count;
    int32_t b0, b1;  /* blocks of each group */
    float *out;      /* where the first row's first result's first channel goes */
    int64_t out_row; /* from one row to the next */
} direct_band;

/* Where the source of some rows of results lies. */
typedef struct source_rows {
    const float *row; /* the first row, at the first result's first tap */
    int32_t first;    /* which of the source's rows that is */
    int64_t row_floats;
} source_rows;

/* Copies source rows first … end − 1 of image n, columns left … left + width, zeros where they
 * lie outside. */
static void copy_rows(const direct_job *job, int64_t n, int32_t first, int32_t end, int32_t left,
                      int32_t width, float *to)
{
    int32_t channels = job->groups * job->cin, size = job->column.size;
    size_t all = (size_t)width * (size_t)channels;
    if (job->unpool) {
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
static tile_job row_tiles(const direct_job *job, int32_t j, source_rows source)
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
        .w_step = job->lanes,
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
static void conv_row(const direct_job *job, const direct_band *band, int32_t j, source_rows source)
{
    const int side = job->pooled ? 2 : 1; /* of a window */
    int64_t out_channels = (int64_t)job->groups * job->cout;
    tile_job t[2];
    const float *src[2], *w[2];
    for (int a = 0; a < side; a++) {
        t[a] = row_tiles(job, j + a, source);
        src[a] = t[a].src;
        w[a] = t[a].w;
    }
    t[0].y_step = job->pooled ? out_channels : job->column.out_stride * out_channels;
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
                if (!job->pooled) {
                    CPU_NAME(tile_forward)(t, n, vectors);
                    continue;
                }
                uint8_t *taken = job->taken ? job->taken + (t[0].y - job->out) : NULL;
                CPU_NAME(tile_pooled)(t, taken, n);
            }
        }
    }
    int64_t from = band->b0 * job->lanes;
    int64_t to = band->b1 < job->blocks ? band->b1 * job->lanes : out_channels;
    for (int32_t p = 0; job->epilogue.act > ACT_RELU6 && p < count; p++)
        conv_epilogue_rest(job->epilogue.act, job->epilogue.alpha, out + p * t[0].y_step + from,
                           to - from);
}

static void run_band(const direct_job *job, const direct_band *band, int thread)
{
    const conv_axis *row = &job->row, *column = &job->column;
    int64_t channels = (int64_t)job->groups * job->cin;
    int32_t left = band->first * column->stride + column->base, taps = column->taps;
    int32_t span = (band->count - 1) * column->stride + (taps ? (taps - 1) * column->reach : 0) + 1;
    bool copies = taps && (job->unpool || left < 0 || left + span > column->size);
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
        for (int32_t j = j0; j < j1; j += job->pooled ? 2 : 1) conv_row(job, band, j, source);
    }
}

/* Some blocks of one segment of a band of results. */
static void conv_item(void *user, size_t item, int thread)
{
    const direct_job *job = user;
    const conv_axis *row = &job->row, *column = &job->column;
    int32_t part = (int32_t)(item % (size_t)job->parts);
    size_t at = item / (size_t)job->parts;
    int32_t first = (int32_t)(at % (size_t)job->segments) * job->segment;
    at /= (size_t)job->segments;
    size_t bands = ((size_t)row->count + (size_t)job->band - 1) / (size_t)job->band;
    int32_t j = (int32_t)(at % bands) * job->band, side = job->pooled ? 2 : 1;
    int64_t n = (int64_t)(at / bands), out_row = (int64_t)job->out_w * job->groups * job->cout;
    direct_band band = {
        .n = n,
        .j0 = j,
        .j1 = row->count - j < job->band ? row->count : j + job->band,
        .first = first,
        .count = column->count - first < job->segment ? column->count - first : job->segment,
        .b0 = (int32_t)((int64_t)job->blocks * part / job->parts),
        .b1 = (int32_t)((int64_t)job->blocks * (part + 1) / job->parts),
        .out_row = row->out_stride * out_row,
    };
    band.out = job->out + (n * job->out_h + row->first + j / side * row->out_stride) * out_row +
               (column->first + (int64_t)first * column->out_stride) * job->groups * job->cout;
    run_band(job, &band, thread);
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

/* ---- plans ---- */

/* Floats of a copy of the source rows that a band of rows of `count` results reads. */
static size_t copy_floats(const direct_job *job, int32_t count)
{
    const conv_axis *row = &job->row, *column = &job->column;
    size_t height = (size_t)((job->band - 1) * row->stride + (row->taps - 1) * row->reach + 1);
    size_t width = (size_t)((count - 1) * column->stride + (column->taps - 1) * column->reach + 1);
    if (height > (size_t)row->size) height = (size_t)row->size;
    return height * width * (size_t)(job->groups * job->cin);
}

/* Are there rows of which copies are made? */
static bool makes_copies(const direct_job *job)
{
    const conv_axis *c = &job->column;
    int32_t end = (c->count - 1) * c->stride + c->base + (c->taps - 1) * c->reach + 1;
    return c->taps && (job->unpool || c->base < 0 || end > c->size);
}

static size_t count_bands(const direct_job *job, int64_t images)
{
    int32_t bands = (job->row.count + job->band - 1) / job->band;
    return (size_t)images * (size_t)job->segments * (size_t)bands;
}

/* Cuts the results of a job, whose axes are set, into items of work: bands of as many rows as make
 * copies of a bounded size, while there are items enough for the threads. */
static void cut(const cpu_context *cpu, direct_job *job, int64_t images)
{
    const int32_t most = 16 * tile_most;
    const size_t wanted = 8 * (size_t)clade_pool_threads(cpu->pool);
    size_t bands;
    if (job->pooled) {
        /* two rows, without a last odd result */
        job->row.count -= job->row.count % 2;
        job->column.count -= job->column.count % 2;
        job->segment = job->column.count;
        job->segments = job->parts = 1;
        job->band = 2;
        bands = count_bands(job, images);
    } else {
        job->segments = (job->column.count + most - 1) / most;
        job->segment = (job->column.count + job->segments - 1) / job->segments;
        job->segments = (job->column.count + job->segment - 1) / job->segment;
        job->band = band_most;
        while (job->band > 1 && copy_floats(job, job->column.count) > (size_t)band_floats)
            job->band--;
        bands = count_bands(job, images);
        while (job->band > 1 && bands < wanted) {
            job->band--;
            bands = count_bands(job, images);
        }
        int32_t few = (int32_t)wanted / 2;
        job->parts = job->groups > 1 || bands >= wanted ? 1 : job->blocks < few ? job->blocks : few;
    }
    job->items = bands * (size_t)job->parts;
    job->row_floats = makes_copies(job) ? copy_floats(job, job->segment) : 0;
}

typedef struct direct_plan {
    conv_state head;
    pack_job pack;
    size_t weights_at, rows_at; /* in the workspace */
    size_t count;
    direct_job job[]; /* one; of an input gradient, one for each phase of the strides */
} direct_plan;

/* A plan for at most `most` jobs that share weights w; `job` gets what they have in common. */
static direct_plan *begin_plan(const clade_tensor *w, int32_t groups, bool backward, bool pooled,
                               size_t most, direct_job *job, clade_plan *plan)
{
    direct_plan *s = clade_cpu_state(plan, sizeof *s + most * sizeof *job);
    if (!s) return NULL;
    int32_t per_group = w->dim[3] / groups;
    *job = (direct_job){.groups = groups,
                        .cin = backward ? per_group : w->dim[2],
                        .cout = backward ? w->dim[2] : per_group,
                        .window = w->dim[1],
                        .pooled = pooled};
    /* blocks of two vectors where there are results enough; of one where two rows take part */
    job->lanes = job->cout > VW && !pooled ? 2 * VW : VW;
    job->blocks = (job->cout + job->lanes - 1) / job->lanes;
    job->w_tap = (int64_t)job->cin * job->lanes;
    job->w_block = job->w_tap * w->dim[0] * w->dim[1];
    s->pack = (pack_job){.kh = w->dim[0],
                         .kw = w->dim[1],
                         .cg = w->dim[2],
                         .k = w->dim[3],
                         .groups = groups,
                         .lanes = job->lanes,
                         .blocks = job->blocks,
                         .backward = backward};
    s->weights_at = cpu_reserve(plan, (size_t)job->w_block * (size_t)(groups * job->blocks));
    return s;
}

static void add_job(const cpu_context *cpu, direct_plan *s, direct_job job, int64_t images)
{
    if (!job.column.count || !job.row.count) return;
    cut(cpu, &job, images);
    s->job[s->count++] = job;
}

/* Each thread's copies, which the jobs use one after the other. */
static void reserve_rows(const cpu_context *cpu, direct_plan *s, clade_plan *plan)
{
    size_t most = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->job[i].row_floats > most) most = s->job[i].row_floats;
    s->rows_at = cpu_reserve(plan, (size_t)clade_pool_threads(cpu->pool) * most);
}

static void run_direct(cpu_context *cpu, const void *state, const conv_memory *m)
{
    const direct_plan *s = state;
    pack_job pack = s->pack;
    pack.w = m->w;
    pack.to = m->workspace + s->weights_at;
    size_t blocks = (size_t)pack.groups * (size_t)pack.blocks;
    clade_pool_for(cpu->pool, blocks * (size_t)(pack.kh * pack.kw), pack_item, &pack);
    for (size_t i = 0; i < s->count; i++) {
        direct_job job = s->job[i];
        job.src = pack.backward ? m->dy : m->x;
        job.weights = pack.to;
        job.index = m->index;
        job.out = pack.backward ? m->dx : m->y;
        job.taken = m->taken;
        job.rows = m->workspace + s->rows_at;
        job.epilogue = m->epilogue;
        clade_pool_for(cpu->pool, job.items, conv_item, &job);
    }
}

static bool can_any(const conv_problem *p)
{
    (void)p;
    return true;
}

/* ---- forward ---- */

static clade_status plan_forward(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    const clade_conv2d_args *a = &p->args.conv2d;
    const conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->x.dim, *w = a->w.dim, *y = a->y.dim, side = p->pooled ? 2 : 1;
    direct_job job;
    direct_plan *s = begin_plan(&a->w, g.groups, false, p->pooled, 1, &job, plan);
    if (!s) return CLADE_ENOMEM;
    job.row = conv_axis_forward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0]);
    job.column = conv_axis_forward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1]);
    job.out_h = y[1] / side;
    job.out_w = y[2] / side;
    add_job(cpu, s, job, x[0]);
    reserve_rows(cpu, s, plan);
    return CLADE_OK;
}

const conv_algorithm CPU_NAME(direct) = {"direct", can_any, plan_forward, run_direct};

static bool can_pointwise(const conv_problem *p)
{
    const clade_conv2d_args *a = &p->args.conv2d;
    const conv_geometry g = CONV_GEOMETRY(a);
    return !p->pooled && conv_is_pointwise(&a->x, &a->w, &a->y, &g);
}

static clade_status plan_pointwise(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    const clade_conv2d_args *a = &p->args.conv2d;
    const int32_t pixels = a->x.dim[0] * a->x.dim[1] * a->x.dim[2];
    direct_job job;
    direct_plan *s = begin_plan(&a->w, 1, false, false, 1, &job, plan);
    if (!s) return CLADE_ENOMEM;
    job.row = conv_axis_forward(1, 1, 1, 1, 0, 1);
    job.column = conv_axis_forward(pixels, pixels, 1, 1, 0, 1);
    job.out_h = 1;
    job.out_w = pixels;
    add_job(cpu, s, job, 1);
    return CLADE_OK;
}

const conv_algorithm CPU_NAME(pointwise) = {"pointwise", can_pointwise, plan_pointwise, run_direct};

/* ---- the input gradient ---- */

static clade_status plan_dx(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    const clade_conv2d_dx_args *a = &p->args.conv2d_dx;
    const conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->dx.dim, *w = a->w.dim, *y = a->dy.dim;
    direct_job job;
    size_t phases = (size_t)g.stride[0] * (size_t)g.stride[1];
    direct_plan *s = begin_plan(&a->w, g.groups, true, false, phases, &job, plan);
    if (!s) return CLADE_ENOMEM;
    job.out_h = x[1];
    job.out_w = x[2];
    job.accumulate = a->accumulate;
    job.unpool = p->pooled;
    for (int32_t i = 0; i < g.stride[0]; i++) {
        job.row = conv_axis_backward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0], i);
        for (int32_t k = 0; k < g.stride[1]; k++) {
            job.column =
                conv_axis_backward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1], k);
            add_job(cpu, s, job, x[0]);
        }
    }
    reserve_rows(cpu, s, plan);
    return CLADE_OK;
}

const conv_algorithm CPU_NAME(direct_dx) = {"direct", can_any, plan_dx, run_direct};
