/* Convolution by Winograd's tiles on the CPU: blocks of tiles are shared among threads, each of
 * which takes its block through all steps in workspace of its own. */
#include "cpu/conv.h"
#include "op/winograd_plan.h"

#include "../../kernels/winograd.clh"

/* A convolution or an input gradient. */
typedef struct winograd_tiles {
    conv_state head;
    winograd_job w;
    size_t own_floats;         /* of each thread's u and m */
    size_t filters_at, own_at; /* in the workspace */
    /* by run: */
    winograd_tensors tensors;
    const float *weights;
    float *filters; /* transformed: [block of filters][point][c][lanes] */
    float *own;     /* each thread's, own_floats apart: u, then m */
} winograd_tiles;

/* A channel of a block of filters. */
static void filter_item(void *user, size_t item, int thread)
{
    (void)thread;
    const winograd_tiles *job = user;
    int32_t i = (int32_t)(item % (size_t)job->w.c), block = (int32_t)(item / (size_t)job->w.c);
    int64_t step = (int64_t)job->w.c * job->w.lanes;
    float *to = job->filters + block * WINOGRAD_POINTS * step + (int64_t)i * job->w.lanes;
    int32_t first = block * job->w.lanes;
    for (int32_t o = first; o < first + job->w.lanes && o < job->w.k; o += VW, to += VW)
        winograd_filter(&job->w, job->weights, i, o, to, step);
}

static void block_item(void *user, size_t item, int thread)
{
    const winograd_tiles *job = user;
    int32_t first = (int32_t)item * job->w.block, left = job->w.tiles - first;
    float *u = job->own + job->own_floats * (size_t)thread;
    float *m = u + (size_t)WINOGRAD_POINTS * (size_t)job->w.block * (size_t)job->w.cs;
    winograd_block(&job->w, &job->tensors, job->filters, first,
                   left < job->w.block ? left : job->w.block, u, m);
}

static clade_status plan_tiles(const cpu_context *cpu, winograd_job w, clade_plan *plan)
{
    winograd_tiles *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    size_t threads = (size_t)clade_pool_threads(cpu->pool);
    winograd_plan(&w, VW, (int32_t)threads, cpu->limits.winograd_cache);
    job->w = w;
    job->own_floats = winograd_block_floats(&w);
    job->filters_at = cpu_reserve(plan, winograd_filter_floats(&w));
    job->own_at = cpu_reserve(plan, threads * job->own_floats);
    return CLADE_OK;
}

static void run_tiles(cpu_context *cpu, winograd_tiles *job, const conv_memory *m)
{
    const winograd_job *w = &job->w;
    size_t blocks = (size_t)((w->k + w->lanes - 1) / w->lanes);
    job->weights = m->w;
    job->filters = m->workspace + job->filters_at;
    job->own = m->workspace + job->own_at;
    clade_pool_for(cpu->pool, blocks * (size_t)w->c, filter_item, job);
    clade_pool_for(cpu->pool, (size_t)((w->tiles + w->block - 1) / w->block), block_item, job);
}

static bool can(const conv_problem *p)
{
    const clade_conv2d_args *a = &p->args.conv2d;
    const conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd(&g, &a->w, &a->y);
}

static clade_status plan_forward(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    winograd_job w = winograd_forward(&p->args.conv2d);
    w.pooled = p->pooled;
    w.indexed = p->indexed;
    return plan_tiles(cpu, w, plan);
}

static void run_forward(cpu_context *cpu, const void *state, const conv_memory *m)
{
    winograd_tiles job = *(const winograd_tiles *)state;
    job.tensors = (winograd_tensors){.x = m->x, .epilogue = m->epilogue, .y = m->y, .to = m->taken};
    run_tiles(cpu, &job, m);
}

const conv_algorithm CPU_NAME(winograd) = {"winograd", false, can, plan_forward, run_forward};

static bool can_dx(const conv_problem *p)
{
    const clade_conv2d_dx_args *a = &p->args.conv2d_dx;
    const conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd(&g, &a->w, &a->dx);
}

static clade_status plan_dx(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    winograd_job w = winograd_dx(&p->args.conv2d_dx);
    w.unpool = p->pooled;
    return plan_tiles(cpu, w, plan);
}

static void run_dx(cpu_context *cpu, const void *state, const conv_memory *m)
{
    winograd_tiles job = *(const winograd_tiles *)state;
    job.tensors = (winograd_tensors){.x = m->dy, .index = m->index, .y = m->dx};
    run_tiles(cpu, &job, m);
}

const conv_algorithm CPU_NAME(winograd_dx) = {"winograd", false, can_dx, plan_dx, run_dx};

/* ---- the weight gradient ---- */

typedef struct winograd_sums {
    conv_state head;
    winograd_job w;
    int32_t images; /* of 16 bits: in a thread's copies */
    conv_images x, dy;
    size_t own_floats;             /* of each thread's u, e and copies of images */
    size_t sums_at, db_at, own_at; /* in the workspace */
    /* by run: */
    const conv_memory *m;
    float *sums, *db_sums; /* chunks × [cs][point][ks], chunks × [ks] */
    float *own;            /* each thread's, own_floats apart: u, then e, then copies */
} winograd_sums;

/* What tiles from … to − 1 of image n and further ones read of `data`: of each row of tiles as many
 * rows as `reach`, `step` apart, from − `before` on. */
static const float *read_tiles(const conv_images *i, const void *data, const winograd_job *w,
                               int64_t n, int32_t from, int32_t to, const int32_t rows[3],
                               float *copy)
{
    const int32_t of_image = w->rows * w->columns, image = (to - 1) / of_image;
    int32_t first = from / w->columns * rows[0] - rows[1];
    int32_t end = (to - 1) % of_image / w->columns * rows[0] - rows[1] + rows[2];
    if (first < 0) first = 0;
    if (end > i->rows) end = i->rows;
    return conv_images_read(i, data, n, first, image * i->rows + end, copy);
}

/* A chunk some images at a time, of which there are float32 copies behind e. */
static void halves_chunk(const winograd_sums *job, int32_t chunk, float *sums, float *db, float *u,
                         float *e)
{
    const winograd_job *w = &job->w;
    const int32_t of_image = w->rows * w->columns, begin = chunk * w->per_chunk;
    const int32_t end = begin + w->per_chunk < w->tiles ? begin + w->per_chunk : w->tiles;
    const int32_t x_rows[3] = {4, w->top, 6}, dy_rows[3] = {w->pooled ? 2 : 4, 0, dy_rows[0]};
    float *x_copy = e + WINOGRAD_POINTS * (size_t)w->block * (size_t)w->ks;
    float *dy_copy = x_copy + job->x.copy_floats;
    for (int32_t first = begin, next; first < end; first = next) {
        const int32_t image = first / of_image, from = first % of_image;
        next = (image + job->images) * of_image;
        if (next > end) next = end;
        const int32_t to = next - image * of_image;
        const float *x = read_tiles(&job->x, job->m->x, w, image, from, to, x_rows, x_copy);
        const float *dy = read_tiles(&job->dy, job->m->dy, w, image, from, to, dy_rows, dy_copy);
        const size_t skip = (size_t)image * (size_t)job->dy.rows * job->dy.row;
        winograd_range(w, x, dy, w->pooled ? job->m->index + skip : NULL, from, to, first > begin,
                       sums, db, u, e);
    }
}

static void chunk_item(void *user, size_t item, int thread)
{
    const winograd_sums *job = user;
    size_t cs = (size_t)job->w.cs, ks = (size_t)job->w.ks;
    float *u = job->own + job->own_floats * (size_t)thread;
    float *e = u + WINOGRAD_POINTS * (size_t)job->w.block * cs;
    float *sums = job->sums + item * WINOGRAD_POINTS * cs * ks, *db = job->db_sums + item * ks;
    if (job->x.copy_floats || job->dy.copy_floats)
        halves_chunk(job, (int32_t)item, sums, db, u, e);
    else
        winograd_chunk(&job->w, job->m->x, job->m->dy, job->m->index, (int32_t)item, sums, db, u,
                       e);
}

/* One channel's filters, or db. */
static void gradient_item(void *user, size_t item, int thread)
{
    (void)thread;
    const winograd_sums *job = user;
    const winograd_job *w = &job->w;
    if (item < (size_t)w->c) {
        for (int32_t o = 0; o < w->k; o += VW)
            winograd_filter_gradient(w, job->sums, (int32_t)item, o, job->m->dw);
        return;
    }
    for (int32_t o = 0; o < w->k; o++) {
        float sum = 0;
        for (int32_t i = 0; i < w->chunks; i++) sum += job->db_sums[i * w->ks + o];
        float *db = job->m->db + o;
        *db = w->accumulate ? *db + sum : sum;
    }
}

static bool can_dw(const conv_problem *p)
{
    const clade_conv2d_dw_args *a = &p->args.conv2d_dw;
    const conv_geometry g = CONV_GEOMETRY(a);
    return conv_is_winograd_dw(&g, &a->dw, &a->dy);
}

static clade_status plan_dw(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    winograd_sums *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    winograd_job w = winograd_dw(&p->args.conv2d_dw);
    w.pooled = p->pooled;
    winograd_plan_dw(&w, VW, cpu->limits.winograd_dw_cache);
    job->w = w;
    /* images whose tiles are a block */
    job->images = w.block / (w.rows * w.columns);
    if (job->images < 1) job->images = 1;
    job->x = conv_images_of(&p->args.conv2d_dw.x, false, job->images);
    job->dy = conv_images_of(&p->args.conv2d_dw.dy, w.pooled, job->images);
    job->own_floats = winograd_dw_floats(&w) + job->x.copy_floats + job->dy.copy_floats;
    job->sums_at = cpu_reserve(plan, winograd_sum_floats(&w));
    job->db_at = cpu_reserve(plan, winograd_db_floats(&w));
    job->own_at = cpu_reserve(plan, (size_t)clade_pool_threads(cpu->pool) * job->own_floats);
    return CLADE_OK;
}

static void run_dw(cpu_context *cpu, const void *state, const conv_memory *m)
{
    winograd_sums job = *(const winograd_sums *)state;
    job.m = m;
    job.sums = m->workspace + job.sums_at;
    job.db_sums = m->workspace + job.db_at;
    job.own = m->workspace + job.own_at;
    clade_pool_for(cpu->pool, (size_t)job.w.chunks, chunk_item, &job);
    clade_pool_for(cpu->pool, (size_t)job.w.c + (m->db ? 1 : 0), gradient_item, &job);
}

const conv_algorithm CPU_NAME(winograd_dw) = {"winograd", true, can_dw, plan_dw, run_dw};
