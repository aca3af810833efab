/* dense and its gradients on the CPU by register tiles. */
#include "cpu/dense_pairs.h"
#include "cpu/tile.h"

#include "../../kernels/activation.clh"

#include <string.h>

/* ---- y ---- */

enum { rows_most = 4 * tile_most }; /* of x in an item of work */

typedef struct dense_job {
    const float *x, *w, *bias;
    float *y;
    int32_t n, in, out;
    float *tail; /* the last block's weights, [in, lanes], where they end within a vector */
    int32_t lanes, blocks; /* outputs in a block */
    int32_t rows, parts;   /* rows of x in an item; items that share a block */
    int32_t depth;         /* inputs summed over at a time: their weights stay in the first cache */
    int32_t act;
    float alpha;
} dense_job;

/* Bias and activation of one row's sums. */
static void dense_put(const dense_job *job, const float *sums, int32_t row, int32_t first,
                      int32_t lanes)
{
    float *y = job->y + (int64_t)row * job->out + first;
    for (int32_t l = 0; l < lanes; l++) {
        float sum = job->bias ? sums[l] + job->bias[first + l] : sums[l];
        y[l] = act_forward(job->act, job->alpha, sum);
    }
}

/* A block of outputs of some rows. */
static void dense_item(void *user, size_t item, int thread)
{
    (void)thread;
    const dense_job *job = user;
    int32_t o = (int32_t)(item / (size_t)job->parts) * job->lanes;
    int32_t first = (int32_t)(item % (size_t)job->parts) * job->rows;
    int32_t count = job->n - first < job->rows ? job->n - first : job->rows;
    int32_t lanes = job->out - o < job->lanes ? job->out - o : job->lanes;
    bool packed = lanes % VW;
    int64_t step = packed ? job->lanes : job->out;
    const float *w = packed ? job->tail : job->w + o;
    int32_t tiles = tile_count(count), depth = job->depth;
    float acc[rows_most * TILE_VECTORS * VW];
    memset(acc, 0, sizeof *acc * (size_t)count * TILE_VECTORS * VW);
    for (int32_t i = 0; i < job->in; i += depth, w += depth * step) {
        for (int32_t t = 0; t < tiles; t++) {
            int32_t p = (int32_t)((int64_t)count * t / tiles);
            int32_t end = (int32_t)((int64_t)count * (t + 1) / tiles);
            tile_job tile = {.src = job->x + (int64_t)(first + p) * job->in + i,
                             .step = job->in,
                             .w = w,
                             .w_step = (int32_t)step,
                             .len = job->in - i < depth ? job->in - i : depth,
                             .prefetch = t == 0 && i + depth < job->in ? depth * step : 0};
            CPU_NAME(tile_sums)(&tile, end - p, lanes > VW ? 2 : 1, acc + p * TILE_VECTORS * VW);
        }
    }
    for (int32_t p = 0; p < count; p++)
        dense_put(job, acc + p * TILE_VECTORS * VW, first + p, o, lanes);
}

/* Rows of the last block's weights, zeros behind. */
static void pack_tail(const void *user, size_t first, size_t end)
{
    const dense_job *job = user;
    int32_t o = (job->blocks - 1) * job->lanes, count = job->out - o;
    for (size_t i = first; i < end; i++) {
        float *to = job->tail + i * (size_t)job->lanes;
        memcpy(to, job->w + i * (size_t)job->out + o, (size_t)count * sizeof *to);
        memset(to + count, 0, (size_t)(job->lanes - count) * sizeof *to);
    }
}

/* Outputs, or in dx images, that a block has of `all`: two vectors if there are enough. */
static int32_t block_of(int32_t all) { return all > VW ? 2 * VW : VW; }

static clade_status plan_dense(void *context, const clade_args *args, clade_plan *plan)
{
    const clade_dense_args *a = &args->dense;
    const cpu_context *cpu = context;
    dense_job *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    *job = (dense_job){.n = a->x.dim[0],
                       .in = a->x.dim[1],
                       .out = a->w.dim[1],
                       .lanes = block_of(a->w.dim[1]),
                       .rows = cpu->limits.dense_tiles * tile_most,
                       .depth = cpu->limits.dense_depth,
                       .act = a->act,
                       .alpha = a->alpha};
    job->blocks = (job->out + job->lanes - 1) / job->lanes;
    /* fewer rows to an item where there are few items */
    int32_t wanted = (cpu->limits.items + 1) / 2 * clade_pool_threads(cpu->pool);
    if (job->blocks * ((job->n + job->rows - 1) / job->rows) < wanted) job->rows = tile_most;
    job->parts = (job->n + job->rows - 1) / job->rows;
    if (job->out % VW) cpu_reserve(plan, (size_t)job->in * (size_t)job->lanes);
    return CLADE_OK;
}

static clade_status dense(void *context, const clade_args *args, const clade_plan *plan,
                          void *workspace)
{
    const clade_dense_args *a = &args->dense;
    cpu_context *cpu = context;
    dense_job job = *(const dense_job *)plan->state;
    job.x = clade_tensor_host(&a->x);
    job.w = clade_tensor_host(&a->w);
    job.bias = cpu_host(&a->b);
    job.y = clade_tensor_host(&a->y);
    job.tail = workspace;
    if (plan->workspace) clade_cpu_range(cpu, (cpu_range){pack_tail, &job, (size_t)job.in, 256});
    clade_pool_for(cpu->pool, (size_t)job.blocks * (size_t)job.parts, dense_item, &job);
    return CLADE_OK;
}

/* ---- dx ---- */

/* dx: an input is a pixel and its weights are the source; the batch is the vector. dyᵀ is packed as
 * [block][o][lane]. */
typedef struct dense_dx_job {
    const float *w, *packed;
    float *dx;
    int32_t n, in, out, lanes, blocks, accumulate;
    int32_t per_item; /* inputs in an item of work */
} dense_dx_job;

static void dx_item(void *user, size_t item, int thread)
{
    (void)thread;
    const dense_dx_job *job = user;
    int32_t per_item = job->per_item, first = (int32_t)item * per_item;
    int32_t end = job->in - first < per_item ? job->in : first + per_item;
    float acc[TILE_PIXELS * TILE_VECTORS * VW];
    for (int32_t b = 0; b < job->blocks; b++) {
        int32_t lanes = job->n - b * job->lanes < job->lanes ? job->n - b * job->lanes : job->lanes;
        for (int32_t i = first; i < end; i += tile_most) {
            int32_t pixels = end - i < tile_most ? end - i : tile_most;
            tile_job t = {.src = job->w + (int64_t)i * job->out,
                          .step = job->out,
                          .len = job->out,
                          .w = job->packed + (int64_t)b * job->out * job->lanes,
                          .w_step = job->lanes};
            memset(acc, 0, sizeof acc);
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

static clade_status plan_dense_dx(void *context, const clade_args *args, clade_plan *plan)
{
    const cpu_context *cpu = context;
    const clade_dense_dx_args *a = &args->dense_dx;
    dense_dx_job *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    *job = (dense_dx_job){.n = a->dy.dim[0],
                          .in = a->w.dim[0],
                          .out = a->w.dim[1],
                          .lanes = block_of(a->dy.dim[0]),
                          .accumulate = a->accumulate,
                          .per_item = cpu->limits.dense_dx_tiles * tile_most};
    job->blocks = (job->n + job->lanes - 1) / job->lanes;
    cpu_reserve(plan, (size_t)job->blocks * (size_t)job->out * (size_t)job->lanes);
    return CLADE_OK;
}

static clade_status dense_dx(void *context, const clade_args *args, const clade_plan *plan,
                             void *workspace)
{
    const clade_dense_dx_args *a = &args->dense_dx;
    cpu_context *cpu = context;
    dense_dx_job job = *(const dense_dx_job *)plan->state;
    job.w = clade_tensor_host(&a->w);
    job.dx = clade_tensor_host(&a->dx);
    job.packed = workspace;
    const float *dy = clade_tensor_host(&a->dy);
    float *packed = workspace;
    for (int32_t b = 0; b < job.blocks; b++)
        for (int32_t o = 0; o < job.out; o++)
            for (int32_t l = 0; l < job.lanes; l++) {
                int32_t n = b * job.lanes + l;
                *packed++ = n < job.n ? dy[(int64_t)n * job.out + o] : 0;
            }
    clade_pool_for(cpu->pool, (size_t)((job.in + job.per_item - 1) / job.per_item), dx_item, &job);
    return CLADE_OK;
}

/* ---- dw ---- */

enum { pixels_most = 256 }; /* rows of x copied at a time, at most */

typedef struct dense_dw_job {
    const float *x, *dy; /* dy with whole vectors */
    float *dw;
    int32_t n, in, out, lanes, accumulate, rows; /* rows of x copied at a time */
    size_t x_at, dy_at; /* copies in the workspace, of 16 bits, and of dy that is padded */
} dense_dw_job;

/* Adds the sums of the outputs from o on to dw. */
static void dw_put(const dense_dw_job *job, const float *part, int32_t first, int32_t count,
                   int32_t o)
{
    int32_t width = job->out - o < TILE_VECTORS * VW ? job->out - o : TILE_VECTORS * VW;
    for (int32_t i = 0; i < count; i++, part += TILE_VECTORS * VW) {
        float *dw = job->dw + (int64_t)(first + i) * job->out + o;
        for (int32_t l = 0; l < width; l++) dw[l] = job->accumulate ? dw[l] + part[l] : part[l];
    }
}

/* The weights of tile_most inputs. Those of whole vectors are summed up where they are to be. */
static void dw_item(void *user, size_t item, int thread)
{
    (void)thread;
    const dense_dw_job *job = user;
    int32_t first = (int32_t)item * tile_most;
    int32_t count = job->in - first < tile_most ? job->in - first : tile_most;
    float x[pixels_most * tile_most], part[TILE_PIXELS * TILE_VECTORS * VW];
    for (int32_t o = 0; o < job->lanes; o += TILE_VECTORS * VW) {
        bool whole = !job->accumulate && o + TILE_VECTORS * VW <= job->out;
        weights_job t = {.x = x,
                         .x_step = count,
                         .dy_step = job->lanes,
                         .rows = 1,
                         .part = whole ? job->dw + (int64_t)first * job->out + o : part,
                         .part_step = whole ? job->out : TILE_VECTORS * VW};
        for (int32_t n = 0; n < job->n; n += job->rows) {
            t.pixels = job->n - n < job->rows ? job->n - n : job->rows;
            if (o == 0 || job->n > job->rows)
                for (int32_t p = 0; p < t.pixels; p++)
                    memcpy(x + p * count, job->x + (int64_t)(n + p) * job->in + first,
                           (size_t)count * sizeof *x);
            t.dy = job->dy + (int64_t)n * job->lanes + o;
            t.fresh = n == 0;
            CPU_NAME(tile_weights)(&t, count, job->lanes - o > VW ? 2 : 1);
        }
        if (!whole) dw_put(job, part, first, count, o);
    }
}

static clade_status plan_dense_dw(void *context, const clade_args *args, clade_plan *plan)
{
    const cpu_context *cpu = context;
    const clade_dense_dw_args *a = &args->dense_dw;
    dense_dw_job *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    *job = (dense_dw_job){.n = a->x.dim[0],
                          .in = a->x.dim[1],
                          .out = a->dy.dim[1],
                          .lanes = (a->dy.dim[1] + VW - 1) / VW * VW,
                          .accumulate = a->accumulate,
                          .rows = cpu->limits.dense_dw_rows};
    const bool x_half = clade_dtype_is_half(a->x.dtype), dy_half = clade_dtype_is_half(a->dy.dtype);
    job->x_at = cpu_reserve(plan, x_half ? (size_t)job->n * (size_t)job->in : 0);
    const bool copies_dy = dy_half || job->lanes != job->out;
    job->dy_at = cpu_reserve(plan, copies_dy ? (size_t)job->n * (size_t)job->lanes : 0);
    return CLADE_OK;
}

/* Rows of dy with whole vectors. */
static const float *copy_dy(const dense_dw_job *job, const clade_tensor *dy, float *copy)
{
    const char *from = clade_tensor_host(dy);
    const bool half = clade_dtype_is_half(dy->dtype);
    const size_t out = (size_t)job->out, row = out * clade_dtype_size(dy->dtype);
    if (!half && job->lanes == job->out) return clade_tensor_host(dy);
    float *to = copy;
    for (int32_t n = 0; n < job->n; n++, to += job->lanes, from += row) {
        if (half)
            CPU_NAME(widen)(dy->dtype, from, out, to);
        else
            memcpy(to, from, row);
        memset(to + out, 0, (size_t)(job->lanes - job->out) * sizeof *to);
    }
    return copy;
}

static clade_status dense_dw(void *context, const clade_args *args, const clade_plan *plan,
                             void *workspace)
{
    const clade_dense_dw_args *a = &args->dense_dw;
    cpu_context *cpu = context;
    dense_dw_job job = *(const dense_dw_job *)plan->state;
    float *x = (float *)workspace + job.x_at;
    job.x = clade_tensor_host(&a->x);
    if (clade_dtype_is_half(a->x.dtype)) {
        CPU_NAME(widen)(a->x.dtype, job.x, clade_tensor_count(&a->x), x);
        job.x = x;
    }
    job.dy = copy_dy(&job, &a->dy, (float *)workspace + job.dy_at);
    job.dw = clade_tensor_host(&a->dw);
    clade_pool_for(cpu->pool, (size_t)((job.in + tile_most - 1) / tile_most), dw_item, &job);
    float *db = cpu_host(&a->db);
    for (int32_t o = 0; db && o < job.out; o++) {
        float sum = 0;
        for (int32_t n = 0; n < job.n; n++) sum += job.dy[(int64_t)n * job.lanes + o];
        db[o] = a->accumulate ? db[o] + sum : sum;
    }
    return CLADE_OK;
}

#ifdef __AVX512BF16__
/* In pairs where the call takes them, else as above; `halves` says what of 16 bits that takes. */
#define DENSE_OP(op, takes)                                                                        \
    static clade_status plan_either_##op(void *context, const clade_args *args, clade_plan *plan)  \
    {                                                                                              \
        const cpu_op *const pairs = &CPU_NAME(op##_pairs);                                         \
        return (pairs->halves(context, args) ? pairs->plan : plan_##op)(context, args, plan);      \
    }                                                                                              \
    static clade_status either_##op(void *context, const clade_args *args, const clade_plan *plan, \
                                    void *workspace)                                               \
    {                                                                                              \
        const cpu_op *const pairs = &CPU_NAME(op##_pairs);                                         \
        return (pairs->halves(context, args) ? pairs->run : op)(context, args, plan, workspace);   \
    }                                                                                              \
    static bool halves_##op(const cpu_context *cpu, const clade_args *args)                        \
    {                                                                                              \
        return (takes) || CPU_NAME(op##_pairs).halves(cpu, args);                                  \
    }
DENSE_OP(dense, false)
DENSE_OP(dense_dx, false)
DENSE_OP(dense_dw, true)

void CPU_NAME(dense)(cpu_op *op)
{
#define SET(name)                                                                                  \
    op[CLADE_OP_##name] =                                                                          \
        (cpu_op){.plan = plan_either_##name, .run = either_##name, .halves = halves_##name}
    SET(dense);
    SET(dense_dx);
    SET(dense_dw);
#undef SET
}
#else
void CPU_NAME(dense)(cpu_op *op)
{
    op[CLADE_OP_dense] = (cpu_op){.plan = plan_dense, .run = dense};
    op[CLADE_OP_dense_dx] = (cpu_op){.plan = plan_dense_dx, .run = dense_dx};
    op[CLADE_OP_dense_dw] = (cpu_op){.plan = plan_dense_dw, .run = dense_dw, .halves = cpu_always};
}
#endif
