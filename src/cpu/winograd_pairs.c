/* Convolution by Winograd's tiles of bfloat16 tensors, in fast math: transforms in float32, and
 * their results rounded to bfloat16, whose products are summed in float32. Blocks of tiles are
 * shared among threads as in winograd.c. */
#include "cpu/pairs.h" /* says what kernels' tensors are */

/* With these points the sums over rounded transforms have less than half of the error that they
 * have with 1 and 2, and a quarter at the corners of tiles. */
#define WINOGRAD_P 0.75f
#define WINOGRAD_Q 1.5f

#include "cpu/conv.h"
#include "op/winograd_plan.h"

#include "../../kernels/winograd.clh"

/* A convolution or an input gradient. */
typedef struct pairs_tiles {
    conv_state head;
    winograd_job w;
    int32_t pairs;               /* of channels */
    size_t u_floats, own_floats; /* of each thread's u, and of u and m */
    size_t filters_at, own_at;   /* in the workspace */
    /* by run: */
    winograd_tensors tensors;
    const bf16 *weights;
    u32 *filters; /* transformed: [block of filters][point][pair of channels][lanes] */
    float *own;   /* each thread's, own_floats apart: u, then m */
} pairs_tiles;

/* A pair of channels of a block of filters. */
static void filter_item(void *user, size_t item, int thread)
{
    (void)thread;
    const pairs_tiles *job = user;
    const winograd_job *w = &job->w;
    const int32_t pair = (int32_t)(item % (size_t)job->pairs), i = 2 * pair;
    const int32_t block = (int32_t)(item / (size_t)job->pairs), first = block * w->lanes;
    const int64_t step = (int64_t)job->pairs * w->lanes;
    u32 *to = job->filters + block * WINOGRAD_POINTS * step + (int64_t)pair * w->lanes;
    float low[WINOGRAD_POINTS * VW], high[WINOGRAD_POINTS * VW] = {0};
    for (int32_t o = first; o < first + w->lanes && o < w->k; o += VW, to += VW) {
        winograd_filter(w, job->weights, i, o, low, VW);
        if (i + 1 < w->c) winograd_filter(w, job->weights, i + 1, o, high, VW);
        for (int p = 0; p < WINOGRAD_POINTS; p++)
            pairs_store(to + p * step, pairs_of(V_LOAD(low + p * VW), V_LOAD(high + p * VW)));
    }
}

/* u[point][tile][cs] of tiles first … first + count; further ones up to a multiple of WINOGRAD_PB
 * are 0. */
static void sources(const pairs_tiles *job, int32_t first, int32_t count, bf16 *u)
{
    const winograd_job *w = &job->w;
    const int64_t step = (int64_t)w->block * w->cs;
    const int32_t end = winograd_round(count, WINOGRAD_PB);
    for (int32_t t = 0; t < count; t++) {
        const winograd_place at = winograd_find(w, first + t);
        for (int32_t c = 0; c < w->cs; c += VW) {
            V m[36];
            bf16 *to = u + (int64_t)t * w->cs + c;
            winograd_source_columns(w, at, job->tensors.x + c,
                                    w->unpool ? job->tensors.index + c : NULL, w->c - c, m);
            UNROLL
            for (int i = 0; i < 6; i++) {
                V o[6];
                winograd_bt(m + 6 * i, o, 1);
                UNROLL
                for (int j = 0; j < 6; j++) bf16_store(to + (6 * i + j) * step, o[j], VW);
            }
        }
    }
    for (int p = 0; p < WINOGRAD_POINTS; p++)
        memset(u + p * step + (int64_t)count * w->cs, 0,
               (size_t)(end - count) * (size_t)w->cs * sizeof *u);
}

INLINE_FOR void product(const pairs_tiles *job, const int nv, const bf16 *u, const u32 *filters,
                        int32_t count, float *m)
{
    const winograd_job *w = &job->w;
    V acc[TILE_PIXELS][TILE_VECTORS];
    for (int p = 0; p < WINOGRAD_POINTS; p++) {
        for (int32_t t = 0; t < count; t += WINOGRAD_PB) {
            tile_clear(acc, WINOGRAD_PB, nv);
            pairs_product(acc, WINOGRAD_PB, nv, u + (int64_t)t * w->cs, w->cs, filters, w->lanes,
                          2 * job->pairs);
            EACH_PIXEL(i, WINOGRAD_PB)
            EACH_VECTOR(v, nv) V_STORE(m + (int64_t)(t + i) * w->lanes + v * VW, acc[i][v]);
        }
        u += (int64_t)w->block * w->cs;
        filters += (int64_t)job->pairs * w->lanes;
        m += (int64_t)w->block * w->lanes;
    }
}

static void block_item(void *user, size_t item, int thread)
{
    const pairs_tiles *job = user;
    const winograd_job *w = &job->w;
    const winograd_tensors *t = &job->tensors;
    const int32_t first = (int32_t)item * w->block, left = w->tiles - first;
    const int32_t count = left < w->block ? left : w->block;
    const u32 *filters = job->filters;
    float *own = job->own + job->own_floats * (size_t)thread, *m = own + job->u_floats;
    bf16 *u = (bf16 *)(void *)own;
    sources(job, first, count, u);
    for (int32_t o = 0; o < w->k; o += w->lanes) {
        const int32_t lanes = w->k - o;
        if (lanes > VW && w->lanes > VW)
            product(job, 2, u, filters, count, m);
        else
            product(job, 1, u, filters, count, m);
        filters += (int64_t)WINOGRAD_POINTS * job->pairs * w->lanes;
        for (int32_t i = 0; i < count; i++) {
            const winograd_place at = winograd_find(w, first + i);
            for (int32_t l = 0; l < w->lanes && l < lanes; l += VW) {
                const conv_epilogue f = conv_epilogue_at(&t->epilogue, o + l, o + l);
                winograd_result(w, at, m + (int64_t)i * w->lanes + l, (int64_t)w->block * w->lanes,
                                &f, t->y + o + l, w->indexed ? t->to + o + l : NULL, lanes - l);
            }
        }
    }
}

static clade_status plan_tiles(const cpu_context *cpu, winograd_job w, clade_plan *plan)
{
    pairs_tiles *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    const size_t threads = (size_t)clade_pool_threads(cpu->pool);
    /* u has half of the bytes for which it plans */
    winograd_plan(&w, VW, (int32_t)threads, cpu->limits.winograd_cache);
    job->w = w;
    job->pairs = (w.c + 1) / 2;
    job->u_floats = (size_t)WINOGRAD_POINTS * (size_t)w.block * (size_t)w.cs / 2;
    job->own_floats = job->u_floats + (size_t)WINOGRAD_POINTS * (size_t)w.block * (size_t)w.lanes;
    job->filters_at = cpu_reserve(plan, (size_t)WINOGRAD_POINTS * (size_t)job->pairs *
                                            (size_t)winograd_round(w.k, w.lanes));
    job->own_at = cpu_reserve(plan, threads * job->own_floats);
    return CLADE_OK;
}

static void run_tiles(cpu_context *cpu, pairs_tiles *job, const conv_memory *m)
{
    const winograd_job *w = &job->w;
    const size_t blocks = (size_t)((w->k + w->lanes - 1) / w->lanes);
    job->weights = m->w;
    job->filters = (u32 *)(void *)(m->workspace + job->filters_at);
    job->own = m->workspace + job->own_at;
    clade_pool_for(cpu->pool, blocks * (size_t)job->pairs, filter_item, job);
    clade_pool_for(cpu->pool, (size_t)((w->tiles + w->block - 1) / w->block), block_item, job);
}

static bool can(const conv_problem *p)
{
    const clade_conv2d_args *a = &p->args.conv2d;
    const conv_geometry g = CONV_GEOMETRY(a);
    return p->pairs && conv_is_winograd(&g, &a->w, &a->y) && !conv_epilogue_leaves(a->act);
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
    pairs_tiles job = *(const pairs_tiles *)state;
    job.tensors = (winograd_tensors){.x = m->x, .epilogue = m->epilogue, .y = m->y, .to = m->taken};
    run_tiles(cpu, &job, m);
}

const conv_algorithm CPU_NAME(winograd_pairs) = {"winograd-bf16", true, can, plan_forward,
                                                 run_forward};

static bool can_dx(const conv_problem *p)
{
    const clade_conv2d_dx_args *a = &p->args.conv2d_dx;
    const conv_geometry g = CONV_GEOMETRY(a);
    return p->pairs && conv_is_winograd(&g, &a->w, &a->dx);
}

static clade_status plan_dx(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    winograd_job w = winograd_dx(&p->args.conv2d_dx);
    w.unpool = p->pooled;
    return plan_tiles(cpu, w, plan);
}

static void run_dx(cpu_context *cpu, const void *state, const conv_memory *m)
{
    pairs_tiles job = *(const pairs_tiles *)state;
    job.tensors = (winograd_tensors){.x = m->dy, .index = m->index, .y = m->dx};
    run_tiles(cpu, &job, m);
}

const conv_algorithm CPU_NAME(winograd_pairs_dx) = {"winograd-bf16", true, can_dx, plan_dx, run_dx};

/* ---- the weight gradient ---- */

typedef struct pairs_sums {
    conv_state head;
    winograd_job w;
    int32_t rows;                  /* pairs of tiles in a block */
    size_t u_floats, own_floats;   /* of each thread's u, and of u and e */
    size_t sums_at, db_at, own_at; /* in the workspace */
    /* by run: */
    const bf16 *x, *dy;
    const uint8_t *index;
    float *dw, *db;
    float *sums, *db_sums; /* chunks × [cs][point][ks], chunks × [ks] */
    float *own;            /* each thread's, own_floats apart: u, then e */
} pairs_sums;

/* u[point][pair of tiles][cs] of tiles first … first + count. */
static void source_pairs(const pairs_sums *job, int32_t first, int32_t count, u32 *u)
{
    const winograd_job *w = &job->w;
    const int64_t step = (int64_t)job->rows * w->cs;
    V m[2][36];
    for (int32_t t = 0; t < count; t += 2)
        for (int32_t c = 0; c < w->cs; c += VW) {
            u32 *to = u + (int64_t)(t / 2) * w->cs + c;
            for (int s = 0; s < 2; s++) {
                if (t + s < count)
                    winograd_source_columns(w, winograd_find(w, first + t + s), job->x + c, NULL,
                                            w->c - c, m[s]);
                else
                    memset(m[s], 0, sizeof m[s]);
            }
            UNROLL
            for (int i = 0; i < 6; i++) {
                V o[2][6];
                winograd_bt(m[0] + 6 * i, o[0], 1);
                winograd_bt(m[1] + 6 * i, o[1], 1);
                UNROLL
                for (int j = 0; j < 6; j++)
                    pairs_store(to + (6 * i + j) * step, pairs_of(o[0][j], o[1][j]));
            }
        }
}

/* e[point][pair of tiles][ks] likewise; their sums are added to db. */
static void gradient_pairs(const pairs_sums *job, int32_t first, int32_t count, float *db, u32 *e)
{
    const winograd_job *w = &job->w;
    const int64_t step = (int64_t)job->rows * w->ks;
    V m[2][24];
    for (int32_t t = 0; t < count; t += 2)
        for (int32_t k = 0; k < w->ks; k += VW) {
            u32 *to = e + (int64_t)(t / 2) * w->ks + k;
            V sum = V_LOAD(db + k);
            for (int s = 0; s < 2; s++) {
                if (t + s < count)
                    winograd_gradient_columns(w, winograd_find(w, first + t + s), job->dy + k,
                                              w->pooled ? job->index + k : NULL, w->k - k, m[s],
                                              &sum);
                else
                    memset(m[s], 0, sizeof m[s]);
            }
            UNROLL
            for (int i = 0; i < 6; i++) {
                V o[2][6];
                winograd_a(m[0] + 4 * i, o[0], 1);
                winograd_a(m[1] + 4 * i, o[1], 1);
                UNROLL
                for (int j = 0; j < 6; j++)
                    pairs_store(to + (6 * i + j) * step, pairs_of(o[0][j], o[1][j]));
            }
            V_STORE(db + k, sum);
        }
}

/* sums[c][k] = or += Σ over pairs of tiles of u[pair][c] e[pair][k], of one point; rows of sums are
 * of all points. */
INLINE_FOR void weights(const winograd_job *w, const int nv, const u32 *u, const u32 *e,
                        int32_t rows, bool add, float *sums)
{
    const int64_t row = (int64_t)WINOGRAD_POINTS * w->ks;
    V acc[TILE_PIXELS][TILE_VECTORS];
    for (int32_t c = 0; c < w->cs; c += WINOGRAD_CB) {
        float *to = sums + c * row;
        EACH_PIXEL(j, WINOGRAD_CB)
        EACH_VECTOR(v, nv) acc[j][v] = add ? V_LOAD(to + j * row + v * VW) : V_SPLAT(0.0f);
        pairs_weights(acc, WINOGRAD_CB, nv, u + c, w->cs, e, w->ks, 2 * rows);
        EACH_PIXEL(j, WINOGRAD_CB)
        EACH_VECTOR(v, nv) V_STORE(to + j * row + v * VW, acc[j][v]);
    }
}

static void chunk_item(void *user, size_t item, int thread)
{
    const pairs_sums *job = user;
    const winograd_job *w = &job->w;
    const int32_t begin = (int32_t)item * w->per_chunk;
    const int32_t end = begin + w->per_chunk < w->tiles ? begin + w->per_chunk : w->tiles;
    const size_t cs = (size_t)w->cs, ks = (size_t)w->ks;
    float *own = job->own + job->own_floats * (size_t)thread;
    u32 *u = (u32 *)(void *)own, *e = (u32 *)(void *)(own + job->u_floats);
    float *sums = job->sums + item * WINOGRAD_POINTS * cs * ks, *db = job->db_sums + item * ks;
    memset(db, 0, ks * sizeof *db);
    for (int32_t first = begin; first < end; first += 2 * job->rows) {
        const int32_t left = end - first, count = left < 2 * job->rows ? left : 2 * job->rows;
        source_pairs(job, first, count, u);
        gradient_pairs(job, first, count, db, e);
        for (int p = 0; p < WINOGRAD_POINTS; p++)
            for (int32_t o = 0; o < w->ks; o += 2 * VW) {
                float *to = sums + (int64_t)p * w->ks + o;
                const u32 *up = u + (int64_t)p * job->rows * w->cs;
                const u32 *ep = e + (int64_t)p * job->rows * w->ks + o;
                if (w->ks - o > VW)
                    weights(w, 2, up, ep, (count + 1) / 2, first > begin, to);
                else
                    weights(w, 1, up, ep, (count + 1) / 2, first > begin, to);
            }
    }
}

/* One channel's filters, or db. */
static void gradient_item(void *user, size_t item, int thread)
{
    (void)thread;
    const pairs_sums *job = user;
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

static bool can_dw(const conv_problem *p)
{
    const clade_conv2d_dw_args *a = &p->args.conv2d_dw;
    const conv_geometry g = CONV_GEOMETRY(a);
    return p->pairs && conv_is_winograd_dw(&g, &a->dw, &a->dy);
}

static clade_status plan_dw(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    pairs_sums *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    winograd_job w = winograd_dw(&p->args.conv2d_dw);
    w.pooled = p->pooled;
    /* a pair of tiles takes the bytes of one in float32 */
    winograd_plan_dw(&w, VW, 2 * cpu->limits.winograd_dw_cache);
    job->w = w;
    job->rows = (w.block + 1) / 2;
    job->u_floats = (size_t)WINOGRAD_POINTS * (size_t)job->rows * (size_t)w.cs;
    job->own_floats = job->u_floats + (size_t)WINOGRAD_POINTS * (size_t)job->rows * (size_t)w.ks;
    job->sums_at = cpu_reserve(plan, winograd_sum_floats(&w));
    job->db_at = cpu_reserve(plan, winograd_db_floats(&w));
    job->own_at = cpu_reserve(plan, (size_t)clade_pool_threads(cpu->pool) * job->own_floats);
    return CLADE_OK;
}

static void run_dw(cpu_context *cpu, const void *state, const conv_memory *m)
{
    pairs_sums job = *(const pairs_sums *)state;
    job.x = m->x;
    job.dy = m->dy;
    job.index = m->index;
    job.dw = m->dw;
    job.db = m->db;
    job.sums = m->workspace + job.sums_at;
    job.db_sums = m->workspace + job.db_at;
    job.own = m->workspace + job.own_at;
    clade_pool_for(cpu->pool, (size_t)job.w.chunks, chunk_item, &job);
    clade_pool_for(cpu->pool, (size_t)job.w.c + (m->db ? 1 : 0), gradient_item, &job);
}

const conv_algorithm CPU_NAME(winograd_pairs_dw) = {"winograd-bf16", true, can_dw, plan_dw, run_dw};
