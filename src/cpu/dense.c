/* dense_dx and dense_dw on the CPU by register tiles; dense itself is in conv.c. */
#include "cpu/conv.h"
#include "cpu/tile.h"

#include <string.h>

/* dx: an input is a pixel and its weights are the source; the batch is the vector. dyᵀ is packed as
 * [block][o][lane]. */
typedef struct dx_job {
    const float *w, *packed;
    float *dx;
    int32_t n, in, out, lanes, blocks, accumulate;
} dx_job;

enum { dx_tiles = 8 }; /* tiles per item of work */

static void dx_item(void *user, size_t item, int thread)
{
    (void)thread;
    const dx_job *job = user;
    int32_t per_item = dx_tiles * tile_most, first = (int32_t)item * per_item;
    int32_t end = job->in - first < per_item ? job->in : first + per_item;
    float acc[TILE_PIXELS * TILE_VECTORS * VW];
    for (int32_t b = 0; b < job->blocks; b++) {
        int32_t lanes = job->n - b * job->lanes < job->lanes ? job->n - b * job->lanes : job->lanes;
        for (int32_t i = first; i < end; i += tile_most) {
            int32_t pixels = end - i < tile_most ? end - i : tile_most;
            tile_job t = {.src = job->w + (int64_t)i * job->out,
                          .step = job->out,
                          .rows = 1,
                          .columns = 1,
                          .len = job->out,
                          .w = job->packed + (int64_t)b * job->out * job->lanes,
                          .w_step = job->lanes};
            CPU_NAME(tile_sums)(&t, pixels, lanes > VW ? 2 : 1, acc);
            for (int32_t l = 0; l < lanes; l++) {
                float *dx = job->dx + (int64_t)(b * job->lanes + l) * job->in + i;
                for (int32_t p = 0; p < pixels; p++) {
                    float sum = acc[p * TILE_VECTORS * VW + l];
                    dx[p] = job->accumulate ? dx[p] + sum : sum;
                }
            }
        }
    }
}

static clade_status dense_dx(void *context, const clade_dense_dx_args *a, void *scratch)
{
    cpu_context *cpu = context;
    dx_job job = {.w = clade_tensor_host(&a->w),
                  .dx = clade_tensor_host(&a->dx),
                  .packed = scratch,
                  .n = a->dy.dim[0],
                  .in = a->w.dim[0],
                  .out = a->w.dim[1],
                  .accumulate = a->accumulate};
    job.lanes = job.n > VW ? 2 * VW : VW;
    job.blocks = (job.n + job.lanes - 1) / job.lanes;
    const float *dy = clade_tensor_host(&a->dy);
    float *packed = scratch;
    for (int32_t b = 0; b < job.blocks; b++)
        for (int32_t o = 0; o < job.out; o++)
            for (int32_t l = 0; l < job.lanes; l++) {
                int32_t n = b * job.lanes + l;
                *packed++ = n < job.n ? dy[(int64_t)n * job.out + o] : 0;
            }
    int32_t per_item = dx_tiles * tile_most;
    clade_pool_for(cpu->pool, (size_t)((job.in + per_item - 1) / per_item), dx_item, &job);
    return CLADE_OK;
}

typedef struct dw_job {
    const float *x, *dy; /* dy with whole vectors */
    float *dw;
    int32_t n, in, out, lanes, accumulate;
} dw_job;

static void dw_item(void *user, size_t item, int thread)
{
    (void)thread;
    const dw_job *job = user;
    int32_t first = (int32_t)item * tile_most;
    int32_t count = job->in - first < tile_most ? job->in - first : tile_most;
    float part[TILE_PIXELS * TILE_VECTORS * VW];
    for (int32_t o = 0; o < job->lanes; o += TILE_VECTORS * VW) {
        memset(part, 0, sizeof part);
        weights_job t = {.x = job->x + first,
                         .dy = job->dy + o,
                         .x_step = job->in,
                         .dy_step = job->lanes,
                         .pixels = job->n,
                         .rows = 1,
                         .part = part,
                         .part_step = TILE_VECTORS * VW};
        CPU_NAME(tile_weights)(&t, count, job->lanes - o > VW ? 2 : 1);
        int32_t width = job->out - o < TILE_VECTORS * VW ? job->out - o : TILE_VECTORS * VW;
        for (int32_t i = 0; i < count; i++) {
            float *dw = job->dw + (int64_t)(first + i) * job->out + o;
            const float *sum = part + i * TILE_VECTORS * VW;
            if (job->accumulate)
                for (int32_t l = 0; l < width; l++) dw[l] += sum[l];
            else
                memcpy(dw, sum, (size_t)width * sizeof *dw);
        }
    }
}

static clade_status dense_dw(void *context, const clade_dense_dw_args *a, void *scratch)
{
    cpu_context *cpu = context;
    dw_job job = {.x = clade_tensor_host(&a->x),
                  .dy = clade_tensor_host(&a->dy),
                  .dw = clade_tensor_host(&a->dw),
                  .n = a->x.dim[0],
                  .in = a->x.dim[1],
                  .out = a->dy.dim[1],
                  .accumulate = a->accumulate};
    const float *dy = job.dy;
    job.lanes = (job.out + VW - 1) / VW * VW;
    if (job.lanes != job.out) {
        float *to = scratch;
        for (int32_t n = 0; n < job.n; n++, to += job.lanes) {
            memcpy(to, dy + (int64_t)n * job.out, (size_t)job.out * sizeof *to);
            memset(to + job.out, 0, (size_t)(job.lanes - job.out) * sizeof *to);
        }
        job.dy = scratch;
    }
    clade_pool_for(cpu->pool, (size_t)((job.in + tile_most - 1) / tile_most), dw_item, &job);
    if (!clade_tensor_present(&a->db)) return CLADE_OK;
    float *db = clade_tensor_host(&a->db);
    for (int32_t o = 0; o < job.out; o++) {
        float sum = 0;
        for (int32_t n = 0; n < job.n; n++) sum += dy[(int64_t)n * job.out + o];
        db[o] = a->accumulate ? db[o] + sum : sum;
    }
    return CLADE_OK;
}

void CPU_NAME(dense)(clade_backend *table);
void CPU_NAME(dense)(clade_backend *table)
{
    table->dense_dx = dense_dx;
    table->dense_dw = dense_dw;
}
