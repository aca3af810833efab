/* Direct weight gradients on the CPU: every chunk of rows is summed into its own copy of dw by
 * register tiles over (tap, channel) and filters; then the copies are added in order. */
#include "cpu/conv.h"
#include "cpu/conv_pool.h"
#include "cpu/tile.h"

#include <string.h>

typedef struct direct_sums {
    conv_state head;
    conv_geometry g;
    int32_t h, w, c, oh, ow, k, kh, kw, cg;
    int32_t kg, lanes; /* filters per group, rounded up to whole vectors */
    int32_t taps;      /* rows of taps in an item of work: kh or 1 */
    int32_t block;     /* rows of dy that are taken at once */
    int32_t span;      /* columns of x that a row of dy reads */
    int64_t lines, lines_per_chunk;
    int32_t chunks, accumulate;
    bool pooled;    /* dy is */
    bool copies_dy; /* with whole vectors, in full */
    bool copies_x;  /* with zeros around */
    conv_images images_x, images_dy;
    size_t copy_floats;                /* of each thread's copies */
    size_t parts_at, db_at, copies_at; /* in the workspace */
    /* by run: */
    const void *x, *dy;
    const uint8_t *index;
    float *dw, *db;
    float *parts, *db_parts; /* partial sums: chunks × [kh kw cg][filters], chunks × [filters] */
    float *copies;           /* each thread's: images of 16 bits, rows of dy, then rows of x */
} direct_sums;

/* Rows of dy and of x that belong together. */
typedef struct direct_rows {
    const float *dy, *x;
    int64_t dy_row, x_row; /* from one row to the next */
    int32_t oh, count;     /* rows of dy */
    int32_t ih;            /* row of x that x points to */
} direct_rows;

/* Row `row` of image n of dy, which is at `dy`, in the full gradient, at `to`. */
static void unpool_row(const direct_sums *job, const float *dy, int64_t n, int32_t row, float *to)
{
    int64_t pooled = n * (job->oh / 2) * (job->ow / 2) * job->k;
    const conv_unpool s = {dy, job->index + pooled, job->oh, job->ow, job->k};
    CPU_NAME(conv_unpool_row)(&s, row, 0, job->ow, to);
}

/* The same with every group's filters padded to whole vectors. */
static void copy_dy(const direct_sums *job, const float *dy, int64_t n, int32_t row, float *to)
{
    int64_t pixels = (int64_t)job->ow * job->g.groups;
    if (job->pooled) {
        /* to the end, so that the padding does not overtake it */
        float *full = to + pixels * (job->lanes - job->kg);
        unpool_row(job, dy, n, row, full);
        dy = full;
    } else {
        dy += (int64_t)row * job->ow * job->k;
    }
    if (dy == to) return;
    for (int64_t p = 0; p < pixels; p++, dy += job->kg, to += job->lanes) {
        memmove(to, dy, (size_t)job->kg * sizeof *to);
        memset(to + job->kg, 0, (size_t)(job->lanes - job->kg) * sizeof *to);
    }
}

/* A row of x from column −pad on, zeros where it lies outside. */
static void copy_x(const direct_sums *job, const float *x, float *to)
{
    size_t c = (size_t)job->c, span = (size_t)job->span, pad = (size_t)job->g.pad[1];
    size_t left = pad < span ? pad : span, w = (size_t)job->w;
    size_t middle = span - left < w ? span - left : w;
    memset(to, 0, left * c * sizeof *to);
    memcpy(to + left * c, x, middle * c * sizeof *to);
    memset(to + (left + middle) * c, 0, (span - left - middle) * c * sizeof *to);
}

/* `count` rows of dy from `line` on, all of one image, and what taps r0 … r1 − 1 read for them.
 */
static direct_rows rows_of(const direct_sums *job, int64_t line, int32_t count, int32_t r0,
                           int32_t r1, float *copies)
{
    int64_t n = line / job->oh, filters = (int64_t)job->g.groups * job->lanes;
    direct_rows rows = {
        .dy_row = job->ow * filters, .oh = (int32_t)(line % job->oh), .count = count};
    const int32_t side = job->pooled ? 2 : 1, last = (rows.oh + count - 1) / side;
    const conv_images *dys = &job->images_dy, *xs = &job->images_x;
    const float *dy = conv_images_read(dys, job->dy, n, rows.oh / side,
                                       last < dys->rows ? last + 1 : dys->rows, copies);
    copies += dys->copy_floats;
    rows.dy = dy + (int64_t)rows.oh * job->ow * job->k;
    if (job->copies_dy) {
        float *to = copies + xs->copy_floats;
        rows.dy = to;
        for (int32_t i = 0; i < count; i++, to += rows.dy_row) copy_dy(job, dy, n, rows.oh + i, to);
    }
    int32_t first = rows.oh * job->g.stride[0] - job->g.pad[0] + r0 * job->g.dilation[0];
    int32_t end = (rows.oh + count - 1) * job->g.stride[0] - job->g.pad[0] +
                  (r1 - 1) * job->g.dilation[0] + 1;
    rows.ih = first < 0 ? 0 : first;
    if (end > job->h) end = job->h;
    if (rows.ih >= end) return rows;
    rows.x_row = (int64_t)job->w * job->c;
    const float *x = conv_images_read(xs, job->x, n, rows.ih, end, copies);
    rows.x = x + rows.ih * rows.x_row;
    copies += xs->copy_floats + (job->copies_dy ? count * rows.dy_row : 0);
    if (job->copies_x) {
        const int64_t span = (int64_t)job->span * job->c;
        for (int32_t ih = rows.ih; ih < end; ih++)
            copy_x(job, x + ih * rows.x_row, copies + (ih - rows.ih) * span);
        rows.x_row = span;
        rows.x = copies;
    }
    return rows;
}

/* Adds the rows of pixels to the partial sums of row r of taps. */
static void sum_rows(const direct_sums *job, const direct_rows *rows, int32_t r, float *part)
{
    /* the rows whose tap lies in the image */
    int32_t stride = job->g.stride[0], at = r * job->g.dilation[0] - job->g.pad[0], first = 0;
    int32_t end = rows->count;
    while (first < end && (rows->oh + first) * stride + at < 0) first++;
    while (end > first && (rows->oh + end - 1) * stride + at >= job->h) end--;
    if (first == end) return;
    bool run = job->g.dilation[1] == 1 && job->g.groups == 1;
    int32_t filters = job->g.groups * job->lanes;
    const float *x = rows->x + ((rows->oh + first) * stride + at - rows->ih) * rows->x_row;
    const float *dy = rows->dy + first * rows->dy_row;
    weights_job t = {
        .x_step = (int64_t)job->g.stride[1] * job->c,
        .dy_step = filters,
        .x_row = stride * rows->x_row,
        .dy_row = rows->dy_row,
        .pixels = job->ow,
        .rows = end - first,
        .part_step = filters,
    };
    int32_t columns = run ? 1 : job->kw, len = run ? job->kw * job->cg : job->cg;
    int32_t tiles = tile_count(len);
    for (int32_t g = 0; g < job->g.groups; g++)
        for (int32_t s = 0; s < columns; s++)
            for (int32_t i = 0; i < tiles; i++) {
                int32_t j = (int32_t)((int64_t)len * i / tiles);
                int32_t until = (int32_t)((int64_t)len * (i + 1) / tiles);
                t.x = x + (int64_t)s * job->g.dilation[1] * job->c + g * job->cg + j;
                for (int32_t o = 0; o < job->lanes; o += 2 * VW) {
                    t.dy = dy + g * job->lanes + o;
                    t.part = part + ((int64_t)s * job->cg + j) * filters + g * job->lanes + o;
                    CPU_NAME(tile_weights)(&t, until - j, job->lanes - o > VW ? 2 : 1);
                }
            }
}

/* Adds the rows of dy to the partial sums of db. */
static void sum_bias(const direct_sums *job, const direct_rows *rows, float *db)
{
    int64_t filters = (int64_t)job->g.groups * job->lanes, n = (int64_t)rows->count * job->ow;
    for (int64_t o = 0; o < filters; o += VW) {
        V sum = V_LOAD(db + o);
        for (int64_t p = 0; p < n; p++) sum = sum + V_LOAD(rows->dy + p * filters + o);
        V_STORE(db + o, sum);
    }
}

/* A chunk and some rows of taps. */
static void dw_item(void *user, size_t item, int thread)
{
    const direct_sums *job = user;
    int32_t items = job->kh / job->taps, r0 = (int32_t)(item % (size_t)items) * job->taps;
    int64_t chunk = (int64_t)(item / (size_t)items), filters = (int64_t)job->g.groups * job->lanes;
    int64_t row = (int64_t)job->kw * job->cg * filters;
    float *part = job->parts + chunk * job->kh * row;
    float *db = job->db && r0 == 0 ? job->db_parts + chunk * filters : NULL;
    memset(part + r0 * row, 0, (size_t)(job->taps * row) * sizeof *part);
    if (db) memset(db, 0, (size_t)filters * sizeof *db);
    int64_t line = chunk * job->lines_per_chunk, end = line + job->lines_per_chunk;
    if (end > job->lines) end = job->lines;
    while (line < end) {
        int64_t next = (line / job->oh + 1) * job->oh; /* image */
        if (next > line + job->block) next = line + job->block;
        if (next > end) next = end;
        direct_rows rows = rows_of(job, line, (int32_t)(next - line), r0, r0 + job->taps,
                                   job->copies + job->copy_floats * (size_t)thread);
        for (int32_t r = r0; r < r0 + job->taps; r++) sum_rows(job, &rows, r, part + r * row);
        if (db) sum_bias(job, &rows, db);
        line = next;
    }
}

/* One row of dw (a tap and channel), or db: the chunks in order. */
static void add_item(void *user, size_t item, int thread)
{
    (void)thread;
    const direct_sums *job = user;
    size_t rows = (size_t)job->kh * (size_t)job->kw * (size_t)job->cg;
    int64_t filters = (int64_t)job->g.groups * job->lanes;
    bool bias = item == rows;
    const float *part = bias ? job->db_parts : job->parts + (int64_t)item * filters;
    int64_t step = bias ? filters : (int64_t)rows * filters;
    float *out = bias ? job->db : job->dw + item * (size_t)job->k;
    for (int32_t g = 0; g < job->g.groups; g++)
        for (int32_t first = 0; first < job->kg; first += VW) {
            int32_t lanes = job->kg - first < VW ? job->kg - first : VW;
            const float *p = part + g * job->lanes + first;
            V sum = V_SPLAT(0.0f);
            for (int32_t chunk = 0; chunk < job->chunks; chunk++)
                sum = sum + V_LOAD(p + chunk * step);
            float *y = out + g * job->kg + first;
            for (int32_t l = 0; l < lanes; l++) y[l] = job->accumulate ? y[l] + sum[l] : sum[l];
        }
}

/* ---- the plan ---- */

static size_t dy_floats(const direct_sums *job, int32_t rows)
{
    return (size_t)rows * (size_t)job->ow * (size_t)job->g.groups * (size_t)job->lanes;
}

/* What `taps` rows of taps read for `rows` rows of dy. */
static size_t x_floats(const direct_sums *job, int32_t rows, int32_t taps)
{
    int32_t height = (rows - 1) * job->g.stride[0] + (taps - 1) * job->g.dilation[0] + 1;
    if (height > job->h) height = job->h;
    return cpu_product((size_t)height * (size_t)job->span, (size_t)job->c);
}

static bool can(const conv_problem *p)
{
    (void)p;
    return true;
}

static clade_status plan_dw(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    const clade_conv2d_dw_args *a = &p->args.conv2d_dw;
    const int32_t *x = a->x.dim, *w = a->dw.dim, *y = a->dy.dim;
    direct_sums *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    *job = (direct_sums){.g = CONV_GEOMETRY(a),
                         .h = x[1],
                         .w = x[2],
                         .c = x[3],
                         .oh = y[1],
                         .ow = y[2],
                         .k = y[3],
                         .kh = w[0],
                         .kw = w[1],
                         .cg = w[2],
                         .lines = (int64_t)y[0] * y[1],
                         .accumulate = a->accumulate,
                         .pooled = p->pooled,
                         .images_x = conv_images_of(&a->x, false, 1),
                         .images_dy = conv_images_of(&a->dy, p->pooled, 1)};
    const conv_geometry *g = &job->g;
    job->chunks =
        clade_conv_chunks(job->lines, (int64_t)clade_tensor_count(&a->dw), &job->lines_per_chunk);
    job->kg = job->k / g->groups;
    job->lanes = (job->kg + VW - 1) / VW * VW;
    job->span = (y[2] - 1) * g->stride[1] + (w[1] - 1) * g->dilation[1] + 1;
    job->copies_dy = p->pooled || job->kg != job->lanes;
    job->copies_x = g->pad[1] || job->span > job->w;
    /* no more rows than an image and a chunk have */
    job->block = job->oh < cpu->limits.band_rows ? job->oh : cpu->limits.band_rows;
    if (job->block > job->lines_per_chunk) job->block = (int32_t)job->lines_per_chunk;
    const size_t most = cpu->limits.band_floats;
    while (job->block > 1 && (dy_floats(job, job->block) > most ||
                              x_floats(job, job->block, w[0]) > most - dy_floats(job, job->block)))
        job->block--;
    /* all rows of taps in one item, if there are chunks enough for the threads */
    int32_t threads = clade_pool_threads(cpu->pool);
    job->taps = job->chunks >= cpu->limits.items * threads ? job->kh : 1;
    const size_t halves = job->images_x.copy_floats + job->images_dy.copy_floats,
                 of_dy = halves + (job->copies_dy ? dy_floats(job, job->block) : 0),
                 of_x = job->copies_x ? x_floats(job, job->block, job->taps) : 0;
    job->copy_floats = of_x > SIZE_MAX - of_dy ? SIZE_MAX : of_dy + of_x;
    size_t filters = (size_t)job->chunks * (size_t)g->groups * (size_t)job->lanes;
    job->parts_at = cpu_reserve(plan, filters * (size_t)w[0] * (size_t)w[1] * (size_t)w[2]);
    job->db_at = cpu_reserve(plan, clade_tensor_present(&a->db) ? filters : 0);
    job->copies_at = cpu_reserve(plan, cpu_product((size_t)threads, job->copy_floats));
    return CLADE_OK;
}

static void run_dw(cpu_context *cpu, const void *state, const conv_memory *m)
{
    direct_sums job = *(const direct_sums *)state;
    job.x = m->x;
    job.dy = m->dy;
    job.index = m->index;
    job.dw = m->dw;
    job.db = m->db;
    job.parts = m->workspace + job.parts_at;
    job.db_parts = m->workspace + job.db_at;
    job.copies = m->workspace + job.copies_at;
    size_t rows = (size_t)job.kh * (size_t)job.kw * (size_t)job.cg;
    clade_pool_for(cpu->pool, (size_t)job.chunks * (size_t)(job.kh / job.taps), dw_item, &job);
    clade_pool_for(cpu->pool, rows + (job.db ? 1 : 0), add_item, &job);
}

const conv_algorithm CPU_NAME(direct_dw) = {"direct", true, can, plan_dw, run_dw};
