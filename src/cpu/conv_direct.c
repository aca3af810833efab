/* Direct convolution and its input gradient on the CPU, by register tiles over packed weights: the
 * plans, which cut the results into items of work for the threads. */
#include "cpu/conv_direct.h"
#include "cpu/tile.h"

#include <string.h>

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
    return cpu_product(height * width, (size_t)(job->groups * job->cin));
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
    const cpu_limits *limits = &cpu->limits;
    const int32_t most = limits->tiles * tile_most;
    const size_t wanted = (size_t)limits->items * (size_t)clade_pool_threads(cpu->pool);
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
        job->band = job->row.count < limits->band_rows ? job->row.count : limits->band_rows;
        while (job->band > 1 && copy_floats(job, job->column.count) > limits->band_floats)
            job->band--;
        bands = count_bands(job, images);
        while (job->band > 1 && bands < wanted) {
            job->band--;
            bands = count_bands(job, images);
        }
        int32_t few = (int32_t)(wanted + 1) / 2;
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
    s->weights_at = cpu_reserve(plan, (size_t)job->w_block * (size_t)groups * (size_t)job->blocks);
    return s;
}

static void add_job(const cpu_context *cpu, direct_plan *s, direct_job job, int64_t images)
{
    cut(cpu, &job, images);
    s->job[s->count++] = job;
}

/* Each thread's copies, which the jobs use one after the other. */
static void reserve_rows(const cpu_context *cpu, direct_plan *s, clade_plan *plan)
{
    size_t most = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->job[i].row_floats > most) most = s->job[i].row_floats;
    s->rows_at = cpu_reserve(plan, cpu_product((size_t)clade_pool_threads(cpu->pool), most));
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
        clade_pool_for(cpu->pool, job.items, CPU_NAME(direct_item), &job);
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

const conv_algorithm CPU_NAME(direct) = {"direct", false, can_any, plan_forward, run_direct};

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

const conv_algorithm CPU_NAME(pointwise) = {"pointwise", false, can_pointwise, plan_pointwise,
                                            run_direct};

/* ---- the input gradient ---- */

static clade_status plan_dx(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    const clade_conv2d_dx_args *a = &p->args.conv2d_dx;
    const conv_geometry g = CONV_GEOMETRY(a);
    const int32_t *x = a->dx.dim, *w = a->w.dim, *y = a->dy.dim;
    const int32_t rows = conv_phases(&g, &a->dx, 0), columns = conv_phases(&g, &a->dx, 1);
    direct_job job;
    direct_plan *s =
        begin_plan(&a->w, g.groups, true, false, (size_t)rows * (size_t)columns, &job, plan);
    if (!s) return CLADE_ENOMEM;
    job.out_h = x[1];
    job.out_w = x[2];
    job.accumulate = a->accumulate;
    job.unpool = p->pooled;
    for (int32_t i = 0; i < rows; i++) {
        job.row = conv_axis_backward(x[1], y[1], w[0], g.stride[0], g.pad[0], g.dilation[0], i);
        for (int32_t k = 0; k < columns; k++) {
            job.column =
                conv_axis_backward(x[2], y[2], w[1], g.stride[1], g.pad[1], g.dilation[1], k);
            add_job(cpu, s, job, x[0]);
        }
    }
    reserve_rows(cpu, s, plan);
    return CLADE_OK;
}

const conv_algorithm CPU_NAME(direct_dx) = {"direct", false, can_any, plan_dx, run_direct};
