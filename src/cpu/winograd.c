/* Convolution by Winograd's tiles on the CPU: blocks of tiles are shared among threads, each of
 * which takes its block through all steps in workspace of its own. */
#include "cpu/conv_band.h"
#include "op/winograd_plan.h"

#include "../../kernels/winograd.clh"

typedef struct tiles_job {
    winograd_job w;
    winograd_tensors tensors;
    const float *weights;
    float *filters; /* transformed: [block of filters][point][c][lanes] */
    float *own;     /* each thread's, own_floats apart: u, then m */
    size_t own_floats;
} tiles_job;

/* A channel of a block of filters. */
static void filter_item(void *user, size_t item, int thread)
{
    (void)thread;
    const tiles_job *job = user;
    int32_t i = (int32_t)(item % (size_t)job->w.c), block = (int32_t)(item / (size_t)job->w.c);
    int64_t step = (int64_t)job->w.c * job->w.lanes;
    float *to = job->filters + block * WINOGRAD_POINTS * step + (int64_t)i * job->w.lanes;
    int32_t first = block * job->w.lanes;
    for (int32_t o = first; o < first + job->w.lanes && o < job->w.k; o += VW, to += VW)
        winograd_filter(&job->w, job->weights, i, o, to, step);
}

static void block_item(void *user, size_t item, int thread)
{
    const tiles_job *job = user;
    int32_t first = (int32_t)item * job->w.block, left = job->w.tiles - first;
    float *u = job->own + job->own_floats * (size_t)thread;
    float *m = u + (size_t)WINOGRAD_POINTS * (size_t)job->w.block * (size_t)job->w.cs;
    winograd_block(&job->w, &job->tensors, job->filters, first,
                   left < job->w.block ? left : job->w.block, u, m);
}

static void run_tiles(cpu_context *cpu, tiles_job *job, float *workspace)
{
    winograd_job *w = &job->w;
    winograd_plan(w, VW, clade_pool_threads(cpu->pool));
    size_t blocks = (size_t)((w->k + w->lanes - 1) / w->lanes);
    job->filters = workspace;
    job->own = workspace + winograd_filter_floats(w);
    job->own_floats = winograd_block_floats(w);
    clade_pool_for(cpu->pool, blocks * (size_t)w->c, filter_item, job);
    clade_pool_for(cpu->pool, (size_t)((w->tiles + w->block - 1) / w->block), block_item, job);
}

clade_status CPU_NAME(winograd)(cpu_context *cpu, const clade_conv2d_args *a,
                                const conv_epilogue *epilogue, float *y, uint8_t *index,
                                bool pooled, void *workspace)
{
    tiles_job job = {
        .w = winograd_forward(a),
        .tensors = {.x = clade_tensor_host(&a->x), .epilogue = *epilogue, .y = y, .to = index},
        .weights = clade_tensor_host(&a->w)};
    job.w.pooled = pooled;
    job.w.indexed = index != NULL;
    run_tiles(cpu, &job, workspace);
    return CLADE_OK;
}

clade_status CPU_NAME(winograd_dx)(cpu_context *cpu, const clade_conv2d_dx_args *a,
                                   const uint8_t *index, void *workspace)
{
    tiles_job job = {
        .w = winograd_dx(a),
        .tensors = {.x = clade_tensor_host(&a->dy), .index = index, .y = clade_tensor_host(&a->dx)},
        .weights = clade_tensor_host(&a->w)};
    job.w.unpool = index != NULL;
    run_tiles(cpu, &job, workspace);
    return CLADE_OK;
}

/* ---- the weight gradient ---- */

typedef struct dw_job {
    winograd_job w;
    const float *x, *dy;
    const uint8_t *index;
    float *dw, *db;
    float *sums, *db_sums; /* chunks × [cs][point][ks], chunks × [ks] */
    float *own;            /* each thread's, own_floats apart: u, then e */
    size_t own_floats;
} dw_job;

static void chunk_item(void *user, size_t item, int thread)
{
    const dw_job *job = user;
    size_t cs = (size_t)job->w.cs, ks = (size_t)job->w.ks;
    float *u = job->own + job->own_floats * (size_t)thread;
    float *e = u + WINOGRAD_POINTS * (size_t)job->w.block * cs;
    winograd_chunk(&job->w, job->x, job->dy, job->index, (int32_t)item,
                   job->sums + item * WINOGRAD_POINTS * cs * ks, job->db_sums + item * ks, u, e);
}

/* One channel's filters, or db. */
static void gradient_item(void *user, size_t item, int thread)
{
    (void)thread;
    const dw_job *job = user;
    const winograd_job *w = &job->w;
    if (item < (size_t)w->c) {
        for (int32_t o = 0; o < w->k; o += VW)
            winograd_filter_gradient(w, job->sums, (int32_t)item, o, job->dw);
        return;
    }
    for (int32_t o = 0; o < w->k; o++) {
        float sum = 0;
        for (int32_t i = 0; i < w->chunks; i++) sum += job->db_sums[i * w->ks + o];
        job->db[o] = w->accumulate ? job->db[o] + sum : sum;
    }
}

clade_status CPU_NAME(winograd_dw)(cpu_context *cpu, const clade_conv2d_dw_args *a,
                                   const uint8_t *index, void *workspace)
{
    dw_job job = {.w = winograd_dw(a),
                  .x = clade_tensor_host(&a->x),
                  .dy = clade_tensor_host(&a->dy),
                  .index = index,
                  .dw = clade_tensor_host(&a->dw),
                  .db = clade_tensor_present(&a->db) ? clade_tensor_host(&a->db) : NULL};
    job.w.pooled = index != NULL;
    winograd_plan_dw(&job.w, VW);
    job.sums = workspace;
    job.db_sums = job.sums + winograd_sum_floats(&job.w);
    job.own = job.db_sums + winograd_db_floats(&job.w);
    job.own_floats = winograd_dw_floats(&job.w);
    clade_pool_for(cpu->pool, (size_t)job.w.chunks, chunk_item, &job);
    clade_pool_for(cpu->pool, (size_t)job.w.c + (job.db ? 1 : 0), gradient_item, &job);
    return CLADE_OK;
}
