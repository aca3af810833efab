/* dense and its gradients of bfloat16 tensors, in fast math, by products of pairs: of inputs; in dx
 * of outputs; in dw of rows of the batch. */
#include "cpu/dense_pairs.h"

#include "cpu/pairs.h"
#include "cpu/products.h"
#include "cpu/tile.h"

#include "../../kernels/activation.clh"

/* ---- y ---- */

enum { rows_most = 4 * tile_most, depth_most = 128 }; /* of x, and inputs, taken at a time */

typedef struct pairs_dense {
    int32_t n, in, out, rows, parts; /* rows of x in an item; items that share a block */
    int32_t depth, act;
    float alpha;
    /* by run: */
    const bf16 *x, *w;
    const float *bias;
    bf16 *y;
} pairs_dense;

/* to[pair][2 VW] of `count` inputs' weights for two vectors of outputs. */
static void pack_weights(const pairs_dense *job, int32_t first, int32_t count, int32_t o, u32 *to)
{
    const bf16 *w = job->w + (int64_t)first * job->out + o;
    const int32_t lanes = job->out - o;
    for (int32_t i = 0; i < count; i += 2, w += 2 * job->out)
        for (int32_t v = 0; v < TILE_VECTORS; v++, to += VW)
            pairs_store(to,
                        v * VW >= lanes
                            ? _mm512_setzero_si512()
                            : pairs_join(w + v * VW, i + 1 < count ? w + job->out + v * VW : NULL,
                                         lanes - v * VW));
}

/* sums[p][2 VW] += of `pb` rows of x. */
INLINE_FOR void add_rows(const int pb, const bf16 *x, int64_t step, const u32 *w, int32_t len,
                         float *sums)
{
    V acc[TILE_PIXELS][TILE_VECTORS];
    EACH_PIXEL(p, pb)
    EACH_VECTOR(v, TILE_VECTORS) acc[p][v] = V_LOAD(sums + (p * TILE_VECTORS + v) * VW);
    pairs_product(acc, pb, TILE_VECTORS, x, step, w, TILE_VECTORS * VW, len);
    EACH_PIXEL(p, pb)
    EACH_VECTOR(v, TILE_VECTORS) V_STORE(sums + (p * TILE_VECTORS + v) * VW, acc[p][v]);
}

typedef void add_tile(const bf16 *x, int64_t step, const u32 *w, int32_t len, float *sums);
#define DEFINE(pb)                                                                                 \
    static void add_##pb(const bf16 *x, int64_t step, const u32 *w, int32_t len, float *sums)      \
    {                                                                                              \
        add_rows(pb, x, step, w, len, sums);                                                       \
    }
TILE_SIZES(DEFINE)
#undef DEFINE
#define ENTRY(pb) add_##pb,
static add_tile *const add[] = {TILE_SIZES(ENTRY)};
#undef ENTRY

/* Two vectors of outputs of some rows. */
static void dense_item(void *user, size_t item, int thread)
{
    (void)thread;
    const pairs_dense *job = user;
    const int32_t o = (int32_t)(item / (size_t)job->parts) * TILE_VECTORS * VW;
    const int32_t first = (int32_t)(item % (size_t)job->parts) * job->rows;
    const int32_t count = job->n - first < job->rows ? job->n - first : job->rows;
    const int32_t tiles = tile_count(count);
    u32 w[depth_most / 2 * TILE_VECTORS * VW];
    float sums[rows_most * TILE_VECTORS * VW];
    memset(sums, 0, (size_t)count * TILE_VECTORS * VW * sizeof *sums);
    for (int32_t i = 0; i < job->in; i += job->depth) {
        const int32_t len = job->in - i < job->depth ? job->in - i : job->depth;
        pack_weights(job, i, len, o, w);
        for (int32_t t = 0; t < tiles; t++) {
            const int32_t p = (int32_t)((int64_t)count * t / tiles);
            const int32_t end = (int32_t)((int64_t)count * (t + 1) / tiles);
            add[end - p - 1](job->x + (int64_t)(first + p) * job->in + i, job->in, w, len,
                             sums + p * TILE_VECTORS * VW);
        }
    }
    const int32_t lanes = job->out - o < TILE_VECTORS * VW ? job->out - o : TILE_VECTORS * VW;
    for (int32_t p = 0; p < count; p++) {
        float *sum = sums + p * TILE_VECTORS * VW;
        bf16 *y = job->y + (int64_t)(first + p) * job->out + o;
        for (int32_t l = 0; l < lanes; l++)
            sum[l] =
                act_forward(job->act, job->alpha, job->bias ? sum[l] + job->bias[o + l] : sum[l]);
        for (int32_t l = 0; l < lanes; l += VW) bf16_store(y + l, V_LOAD(sum + l), lanes - l);
    }
}

static bool can_y(const cpu_context *cpu, const clade_args *args)
{
    const clade_dense_args *a = &args->dense;
    return cpu_takes_pairs(cpu, a->products, a->x.dtype, a->y.dtype);
}

static clade_status plan_y(void *context, const clade_args *args, clade_plan *plan)
{
    const cpu_context *cpu = context;
    const clade_dense_args *a = &args->dense;
    pairs_dense *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    *job = (pairs_dense){.n = a->x.dim[0],
                         .in = a->x.dim[1],
                         .out = a->w.dim[1],
                         .rows = cpu->limits.dense_tiles * tile_most,
                         .depth = cpu->limits.dense_depth / 2 * 2,
                         .act = a->act,
                         .alpha = a->alpha};
    job->parts = (job->n + job->rows - 1) / job->rows;
    return CLADE_OK;
}

static clade_status run_y(void *context, const clade_args *args, const clade_plan *plan,
                          void *workspace)
{
    (void)workspace;
    const clade_dense_args *a = &args->dense;
    cpu_context *cpu = context;
    pairs_dense job = *(const pairs_dense *)plan->state;
    job.x = clade_tensor_host(&a->x);
    job.w = clade_tensor_host(&a->w);
    job.bias = cpu_host(&a->b);
    job.y = clade_tensor_host(&a->y);
    const size_t blocks = ((size_t)job.out + TILE_VECTORS * VW - 1) / (TILE_VECTORS * VW);
    clade_pool_for(cpu->pool, blocks * (size_t)job.parts, dense_item, &job);
    return CLADE_OK;
}

const cpu_op CPU_NAME(dense_pairs) = {.plan = plan_y, .run = run_y, .halves = can_y};

/* ---- dx: an input's weights are a row of numbers, the batch two vectors ---- */

typedef struct pairs_dx {
    int32_t n, in, out, blocks, per_item, accumulate; /* blocks of the batch; inputs in an item */
    /* by run: */
    const bf16 *w, *dy;
    bf16 *dx;
    u32 *packed; /* [block][pair of outputs][2 VW] */
} pairs_dx;

/* Pairs of outputs of a block of the batch. */
static void pack_item(void *user, size_t item, int thread)
{
    (void)thread;
    const pairs_dx *job = user;
    const int32_t first = (int32_t)item * TILE_VECTORS * VW, pairs = (job->out + 1) / 2;
    u32 *to = job->packed + item * (size_t)pairs * TILE_VECTORS * VW;
    memset(to, 0, (size_t)pairs * TILE_VECTORS * VW * sizeof *to);
    for (int32_t l = 0; l < TILE_VECTORS * VW && first + l < job->n; l++) {
        const bf16 *dy = job->dy + (int64_t)(first + l) * job->out;
        for (int32_t o = 0; o < job->out; o++)
            to[(int64_t)(o / 2) * TILE_VECTORS * VW + l] |= (u32)dy[o] << o % 2 * 16;
    }
}

static void dx_item(void *user, size_t item, int thread)
{
    (void)thread;
    const pairs_dx *job = user;
    const int32_t first = (int32_t)item * job->per_item, pairs = (job->out + 1) / 2;
    const int32_t end = job->in - first < job->per_item ? job->in : first + job->per_item;
    float sums[TILE_PIXELS * TILE_VECTORS * VW], row[VW] = {0};
    for (int32_t b = 0; b < job->blocks; b++) {
        const int32_t from = b * TILE_VECTORS * VW;
        const u32 *packed = job->packed + (int64_t)from * pairs;
        for (int32_t i = first; i < end; i += tile_most) {
            const int32_t count = end - i < tile_most ? end - i : tile_most;
            memset(sums, 0, sizeof sums);
            add[count - 1](job->w + (int64_t)i * job->out, job->out, packed, job->out, sums);
            for (int32_t l = 0; l < TILE_VECTORS * VW && from + l < job->n; l++) {
                bf16 *dx = job->dx + (int64_t)(from + l) * job->in + i;
                for (int32_t p = 0; p < count; p++) row[p] = sums[p * TILE_VECTORS * VW + l];
                const V sum = V_LOAD(row);
                bf16_store(dx, job->accumulate ? bf16_load(dx, count) + sum : sum, count);
            }
        }
    }
}

static bool can_dx(const cpu_context *cpu, const clade_args *args)
{
    const clade_dense_dx_args *a = &args->dense_dx;
    return cpu_takes_pairs(cpu, a->products, a->dy.dtype, a->dx.dtype);
}

static clade_status plan_dx(void *context, const clade_args *args, clade_plan *plan)
{
    const cpu_context *cpu = context;
    const clade_dense_dx_args *a = &args->dense_dx;
    pairs_dx *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    *job = (pairs_dx){.n = a->dy.dim[0],
                      .in = a->w.dim[0],
                      .out = a->w.dim[1],
                      .accumulate = a->accumulate,
                      .per_item = cpu->limits.dense_dx_tiles * tile_most};
    job->blocks = (job->n + TILE_VECTORS * VW - 1) / (TILE_VECTORS * VW);
    cpu_reserve(plan,
                (size_t)job->blocks * ((size_t)job->out + 1) / 2 * (size_t)(TILE_VECTORS * VW));
    return CLADE_OK;
}

static clade_status run_dx(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    const clade_dense_dx_args *a = &args->dense_dx;
    cpu_context *cpu = context;
    pairs_dx job = *(const pairs_dx *)plan->state;
    job.w = clade_tensor_host(&a->w);
    job.dy = clade_tensor_host(&a->dy);
    job.dx = clade_tensor_host(&a->dx);
    job.packed = workspace;
    clade_pool_for(cpu->pool, (size_t)job.blocks, pack_item, &job);
    clade_pool_for(cpu->pool, (size_t)((job.in + job.per_item - 1) / job.per_item), dx_item, &job);
    return CLADE_OK;
}

const cpu_op CPU_NAME(dense_dx_pairs) = {.plan = plan_dx, .run = run_dx, .halves = can_dx};

/* ---- dw ---- */

typedef struct pairs_dw {
    int32_t n, in, out, lanes, accumulate;
    size_t x_floats;        /* of each thread's x_pairs */
    size_t packed_at, x_at; /* in the workspace */
    /* by run: */
    const bf16 *x, *dy;
    float *dw;
    u32 *packed;  /* [pair of rows][lanes] of dy */
    u32 *x_pairs; /* each thread's [pair of rows][VW], of up to tile_most inputs */
} pairs_dw;

/* dw of `count` inputs from i on. */
INLINE_FOR void put_inputs(const pairs_dw *job, const int count, const u32 *x, int32_t i)
{
    for (int32_t o = 0; o < job->lanes; o += VW) {
        V acc[TILE_PIXELS][TILE_VECTORS];
        tile_clear(acc, count, 1);
        pairs_weights(acc, count, 1, x, VW, job->packed + o, job->lanes, job->n);
        float *dw = job->dw + (int64_t)i * job->out + o;
        const int lanes = job->out - o;
        EACH_PIXEL(j, count)
        pairs_put(dw + j * (int64_t)job->out, acc[j][0], job->accumulate, lanes);
    }
}

typedef void put_tile(const pairs_dw *job, const u32 *x, int32_t i);
#define DEFINE(count)                                                                              \
    static void put_##count(const pairs_dw *job, const u32 *x, int32_t i)                          \
    {                                                                                              \
        put_inputs(job, count, x, i);                                                              \
    }
TILE_SIZES(DEFINE)
#undef DEFINE
#define ENTRY(count) put_##count,
static put_tile *const put[] = {TILE_SIZES(ENTRY)};
#undef ENTRY

/* Up to tile_most inputs. */
static void dw_item(void *user, size_t item, int thread)
{
    const pairs_dw *job = user;
    const int32_t i = (int32_t)item * tile_most;
    const int32_t count = job->in - i < tile_most ? job->in - i : tile_most;
    u32 *x = job->x_pairs + (size_t)thread * job->x_floats, *to = x;
    for (int32_t n = 0; n < job->n; n += 2, to += VW) {
        const bf16 *row = job->x + (int64_t)n * job->in + i;
        pairs_store(to, pairs_join(row, n + 1 < job->n ? row + job->in : NULL, count));
    }
    put[count - 1](job, x, i);
}

/* Pairs of rows of dy. */
static void pack_rows(const void *user, size_t first, size_t end)
{
    const pairs_dw *job = user;
    for (size_t r = first; r < end; r++) {
        const bf16 *dy = job->dy + 2 * r * (size_t)job->out;
        const bf16 *next = 2 * r + 1 < (size_t)job->n ? dy + job->out : NULL;
        for (int32_t o = 0; o < job->lanes; o += VW)
            pairs_store(job->packed + r * (size_t)job->lanes + o,
                        pairs_join(dy + o, next ? next + o : NULL, job->out - o));
    }
}

static void add_bias(const pairs_dw *job, float *db)
{
    for (int32_t o = 0; o < job->out; o += VW) {
        const int lanes = job->out - o;
        V sum = V_SPLAT(0.0f);
        for (int32_t n = 0; n < job->n; n++)
            sum = sum + bf16_load(job->dy + (int64_t)n * job->out + o, lanes);
        pairs_put(db + o, sum, job->accumulate, lanes);
    }
}

static bool can_dw(const cpu_context *cpu, const clade_args *args)
{
    const clade_dense_dw_args *a = &args->dense_dw;
    return cpu_takes_pairs(cpu, a->products, a->x.dtype, a->dy.dtype);
}

static clade_status plan_dw(void *context, const clade_args *args, clade_plan *plan)
{
    const cpu_context *cpu = context;
    const clade_dense_dw_args *a = &args->dense_dw;
    pairs_dw *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    *job = (pairs_dw){.n = a->x.dim[0],
                      .in = a->x.dim[1],
                      .out = a->dy.dim[1],
                      .lanes = (a->dy.dim[1] + VW - 1) / VW * VW,
                      .accumulate = a->accumulate};
    const size_t pairs = ((size_t)job->n + 1) / 2;
    job->x_floats = pairs * VW;
    job->packed_at = cpu_reserve(plan, pairs * (size_t)job->lanes);
    job->x_at = cpu_reserve(plan, (size_t)clade_pool_threads(cpu->pool) * job->x_floats);
    return CLADE_OK;
}

static clade_status run_dw(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    const clade_dense_dw_args *a = &args->dense_dw;
    cpu_context *cpu = context;
    pairs_dw job = *(const pairs_dw *)plan->state;
    job.x = clade_tensor_host(&a->x);
    job.dy = clade_tensor_host(&a->dy);
    job.dw = clade_tensor_host(&a->dw);
    job.packed = (u32 *)workspace + job.packed_at;
    job.x_pairs = (u32 *)workspace + job.x_at;
    clade_cpu_range(cpu, (cpu_range){pack_rows, &job, ((size_t)job.n + 1) / 2, 64});
    clade_pool_for(cpu->pool, (size_t)((job.in + tile_most - 1) / tile_most), dw_item, &job);
    if (clade_tensor_present(&a->db)) add_bias(&job, clade_tensor_host(&a->db));
    return CLADE_OK;
}

const cpu_op CPU_NAME(dense_dw_pairs) = {.plan = plan_dw, .run = run_dw, .halves = can_dw};
