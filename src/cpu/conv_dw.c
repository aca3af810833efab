/* conv2d_dw on the CPU: every chunk of rows is summed into its own copy of dw by register tiles
 * over (tap, channel) and filters; then the copies are added in order. */
#include "cpu/conv_band.h"
#include "cpu/tile.h"

#include <string.h>

enum { first_cache = 4096 }; /* floats of sums that may stay in it beside the rows */

typedef struct dw_job {
    const float *x, *dy;
    const uint8_t *index; /* dy is pooled; NULL: it is not */
    float *dw, *db;
    float
        *parts; /* chunks × [kh kw cg][filters] partial sums of dw, then chunks × [filters] of db */
    float *db_parts;
    float *rows; /* each thread's copies: a row of x with zeros around, a row of dy with whole
                    vectors */
    size_t row_floats;
    conv_geometry g;
    int32_t h, w, c, oh, ow, k, kh, kw, cg;
    int32_t kg, lanes;     /* filters per group, rounded up to whole vectors */
    int32_t rows_per_item; /* of taps: 1, or kh where their sums stay in the first cache */
    int64_t lines, lines_per_chunk;
    int32_t chunks, accumulate;
} dw_job;

/* Row `line` of dy with every group's filters padded to whole vectors. */
static const float *dy_row(const dw_job *job, int64_t line, float *copy)
{
    int64_t pixels = (int64_t)job->ow * job->g.groups;
    const float *dy = job->dy;
    if (job->index) {
        /* to the end of the copy's room, so that padding does not overtake it */
        float *spread = copy + pixels * (job->lanes - job->kg);
        int64_t pooled = line / job->oh * (job->oh / 2) * (job->ow / 2) * job->k;
        const conv_spread s = {dy + pooled, job->index + pooled, job->oh, job->ow, job->k};
        CPU_NAME(conv_spread_row)(&s, (int32_t)(line % job->oh), 0, job->ow, spread);
        dy = spread;
    } else {
        dy += line * job->ow * job->k;
    }
    if (job->kg == job->lanes) return dy;
    for (int64_t p = 0; p < pixels; p++, dy += job->kg, copy += job->lanes) {
        memmove(copy, dy, (size_t)job->kg * sizeof *copy);
        memset(copy + job->kg, 0, (size_t)(job->lanes - job->kg) * sizeof *copy);
    }
    return copy - pixels * job->lanes;
}

/* Row `ih` of picture n from column −pad on, zeros where it lies outside. */
static const float *x_row(const dw_job *job, int64_t n, int64_t ih, float *copy)
{
    const float *x = job->x + (n * job->h + ih) * job->w * job->c;
    int32_t pad = job->g.pad[1];
    int32_t span = (job->ow - 1) * job->g.stride[1] + (job->kw - 1) * job->g.dilation[1] + 1;
    if (!pad && span <= job->w) return x;
    size_t c = (size_t)job->c, left = (size_t)(pad < span ? pad : span);
    size_t middle = (size_t)span - left < (size_t)job->w ? (size_t)span - left : (size_t)job->w;
    memset(copy, 0, left * c * sizeof *copy);
    memcpy(copy + left * c, x, middle * c * sizeof *copy);
    memset(copy + (left + middle) * c, 0, ((size_t)span - left - middle) * c * sizeof *copy);
    return copy;
}

/* Adds one row of pixels to the partial sums of one row of taps. */
static void sum_row(const dw_job *job, const float *x, const float *dy, float *part)
{
    bool run = job->g.dilation[1] == 1 && job->g.groups == 1;
    int32_t filters = job->g.groups * job->lanes;
    weights_job t = {
        .x_step = (int64_t)job->g.stride[1] * job->c,
        .dy_step = filters,
        .pixels = job->ow,
        .part_step = filters,
    };
    int32_t columns = run ? 1 : job->kw, len = run ? job->kw * job->cg : job->cg;
    int32_t tiles = tile_count(len);
    for (int32_t g = 0; g < job->g.groups; g++)
        for (int32_t s = 0; s < columns; s++)
            for (int32_t i = 0; i < tiles; i++) {
                int32_t j = (int32_t)((int64_t)len * i / tiles);
                int32_t end = (int32_t)((int64_t)len * (i + 1) / tiles);
                t.x = x + (int64_t)s * job->g.dilation[1] * job->c + g * job->cg + j;
                for (int32_t o = 0; o < job->lanes; o += 2 * VW) {
                    t.dy = dy + g * job->lanes + o;
                    t.part = part + ((int64_t)s * job->cg + j) * filters + g * job->lanes + o;
                    CPU_NAME(tile_weights)(&t, end - j, job->lanes - o > VW ? 2 : 1);
                }
            }
}

/* A chunk and a row of taps, or all rows. */
static void dw_item(void *user, size_t item, int thread)
{
    const dw_job *job = user;
    int32_t items = job->kh / job->rows_per_item;
    int32_t r0 = (int32_t)(item % (size_t)items) * job->rows_per_item, r1 = r0 + job->rows_per_item;
    int64_t chunk = (int64_t)(item / (size_t)items), filters = (int64_t)job->g.groups * job->lanes;
    int64_t row = (int64_t)job->kw * job->cg * filters;
    float *part = job->parts + chunk * job->kh * row;
    float *db = job->db_parts + chunk * filters;
    float *copies = job->rows + job->row_floats * (size_t)thread;
    float *dy_copy = copies + job->row_floats - (size_t)job->ow * (size_t)filters;
    memset(part + r0 * row, 0, (size_t)((r1 - r0) * row) * sizeof *part);
    if (r0 == 0) memset(db, 0, (size_t)filters * sizeof *db);
    int64_t end = (chunk + 1) * job->lines_per_chunk;
    for (int64_t line = chunk * job->lines_per_chunk; line < end && line < job->lines; line++) {
        int64_t n = line / job->oh, top = line % job->oh * job->g.stride[0] - job->g.pad[0];
        const float *dy = NULL;
        for (int32_t r = r0; r < r1; r++) {
            int64_t ih = top + (int64_t)r * job->g.dilation[0];
            if (ih < 0 || ih >= job->h) continue;
            if (!dy) dy = dy_row(job, line, dy_copy);
            sum_row(job, x_row(job, n, ih, copies), dy, part + r * row);
        }
        if (r0 || !job->db) continue;
        if (!dy) dy = dy_row(job, line, dy_copy);
        for (int32_t p = 0; p < job->ow; p++)
            for (int64_t o = 0; o < filters; o++) db[o] += dy[p * filters + o];
    }
}

/* One row of dw (a tap and channel), or db: the chunks in order. */
static void add_item(void *user, size_t item, int thread)
{
    (void)thread;
    const dw_job *job = user;
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

clade_status CPU_NAME(conv_dw)(cpu_context *cpu, const clade_conv2d_dw_args *a,
                               const uint8_t *index, void *scratch)
{
    const int32_t *x = a->x.dim, *w = a->dw.dim, *y = a->dy.dim;
    dw_job job = {
        .x = clade_tensor_host(&a->x),
        .dy = clade_tensor_host(&a->dy),
        .index = index,
        .dw = clade_tensor_host(&a->dw),
        .db = clade_tensor_present(&a->db) ? clade_tensor_host(&a->db) : NULL,
        .g = CONV_GEOMETRY(a),
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
    };
    job.chunks =
        clade_conv_chunks(job.lines, (int64_t)clade_tensor_count(&a->dw), &job.lines_per_chunk);
    job.kg = job.k / job.g.groups;
    job.lanes = (job.kg + VW - 1) / VW * VW;
    size_t filters = (size_t)job.g.groups * (size_t)job.lanes;
    size_t rows = (size_t)job.kh * (size_t)job.kw * (size_t)job.cg;
    int32_t span = (job.ow - 1) * job.g.stride[1] + (job.kw - 1) * job.g.dilation[1] + 1;
    job.parts = scratch;
    job.db_parts = job.parts + (size_t)job.chunks * rows * filters;
    job.rows = job.db_parts + (size_t)job.chunks * filters;
    job.row_floats = (size_t)span * (size_t)job.c + (size_t)job.ow * filters;
    bool small = rows * filters <= first_cache && job.chunks >= 8 * clade_pool_threads(cpu->pool);
    job.rows_per_item = small ? job.kh : 1;
    clade_pool_for(cpu->pool, (size_t)job.chunks * (size_t)(job.kh / job.rows_per_item), dw_item,
                   &job);
    clade_pool_for(cpu->pool, rows + (job.db ? 1 : 0), add_item, &job);
    return CLADE_OK;
}

clade_status CPU_NAME(conv2d_dw)(void *context, const clade_conv2d_dw_args *a, void *scratch)
{
    if (conv_is_depthwise(&a->dw, a->groups)) return CPU_NAME(depthwise_dw)(context, a, scratch);
    return CPU_NAME(conv_dw)(context, a, NULL, scratch);
}
