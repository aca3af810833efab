/* Attention on the CPU. Keys, and for gradients values, are first copied block by block with places
 * side by side, so that scores of VW keys are a vector. Forward, threads share blocks of queries;
 * for gradients heads, of which each block of queries meets each block of keys once. */
#include "cpu/cpu.h"

#include "../../kernels/attention.clh"
#include "../../kernels/lanes.clh"

#include <math.h>

enum { block = ATTENTION_BLOCK, group = 4 }; /* places; rows that are done at once */

typedef struct attention_job {
    size_t n, t, heads, d, c, blocks;
    const float *qkv, *dy;
    float *y, *lse;       /* results, or what they were */
    float *keys, *values; /* copies, [n, heads, blocks, d, block]; of places beyond the last 0 */
    float *sums;          /* dq, dk and dv under way, as dqkv */
    float *dqkv;
    float scale;
    int32_t accumulate;
} attention_job;

static attention_job job_of(const clade_tensor *qkv, int32_t heads)
{
    attention_job j = {.n = (size_t)qkv->dim[0], .t = 1, .heads = heads ? (size_t)heads : 1};
    for (int32_t k = 1; k < qkv->rank - 1; k++) j.t *= (size_t)qkv->dim[k];
    j.c = (size_t)qkv->dim[qkv->rank - 1] / 3;
    j.d = j.c / j.heads;
    j.blocks = (j.t + block - 1) / block;
    j.scale = 1.0F / SQRT((float)j.d);
    return j;
}

static size_t copy_floats(const attention_job *j)
{
    return cpu_product(cpu_product(j->n * j->heads, j->blocks), j->d * block);
}

/* Where a head's queries (0), keys (1) or values (2) begin in qkv, and its rows in y. */
static size_t head_at(const attention_job *j, size_t head, size_t which)
{
    return (head / j->heads * j->t * 3 + which) * j->c + head % j->heads * j->d;
}
static size_t row_at(const attention_job *j, size_t head)
{
    return head / j->heads * j->t * j->c + head % j->heads * j->d;
}

static size_t places_of(const attention_job *j, size_t number)
{
    const size_t left = j->t - number * block;
    return left < block ? left : block;
}

/* ---- copies ---- */

static void copy_block(const attention_job *j, size_t i, size_t which, float *to)
{
    const size_t first = i % j->blocks * block, count = places_of(j, i % j->blocks);
    const float *from = j->qkv + head_at(j, i / j->blocks, which) + first * 3 * j->c;
    to += i * j->d * block;
    for (size_t e = 0; e < j->d; e++, to += block)
        for (size_t p = 0; p < block; p++) to[p] = p < count ? from[p * 3 * j->c + e] : 0.0F;
}

static void copy_blocks(const void *user, size_t first, size_t end)
{
    const attention_job *j = user;
    for (size_t i = first; i < end; i++) {
        copy_block(j, i, 1, j->keys);
        if (j->values) copy_block(j, i, 2, j->values);
    }
}

/* ---- products ---- */

/* Rows, `step` apart; those beyond the last are the last again. */
typedef struct row_group {
    const float *row[group];
} row_group;

static row_group rows_of(const float *first, size_t step, size_t count)
{
    row_group g;
    for (size_t r = 0; r < group; r++) g.row[r] = first + (r < count ? r : count - 1) * step;
    return g;
}

enum { score_vectors = VW == 16 ? 4 : 2 };

/* Sums over channels of rows' products with a copied block, times the scale: out[group][block]. */
static void multiply_block(row_group rows, const float *copy, size_t d, float scale, float *out)
{
    for (size_t first = 0; first < block; first += score_vectors * VW) {
        V sum[group][score_vectors];
        UNROLL for (int r = 0; r < group; r++) UNROLL for (int v = 0; v < score_vectors; v++)
            sum[r][v] = V_SPLAT(0.0F);
        for (size_t e = 0; e < d; e++) {
            const float *from = copy + e * block + first;
            UNROLL for (int v = 0; v < score_vectors; v++)
            {
                const V x = V_LOAD(from + v * VW);
                UNROLL for (int r = 0; r < group; r++) sum[r][v] =
                    V_FMA(V_SPLAT(rows.row[r][e]), x, sum[r][v]);
            }
        }
        UNROLL for (int r = 0; r < group; r++) UNROLL for (int v = 0; v < score_vectors; v++)
            V_STORE(out + r * block + first + (size_t)v * VW, V_SPLAT(scale) * sum[r][v]);
    }
}

/* What is added to rows: places, each times a weight. */
typedef struct weighted_places {
    const float *weight; /* of row r and place i: weight[r across + i along] */
    size_t across, along, count;
    const float *of; /* the first place's channels; the others' are `step` apart */
    size_t step;
} weighted_places;

/* Rows that are added to, each times its factor first; as in row_group, those beyond the last are
 * the last again, so that it gets the same from each. */
typedef struct sum_group {
    float *row[group];
    const float *weight[group];
    float factor[group];
} sum_group;

/* Channels k and on of `vectors` vectors. */
INLINE_FOR void add_tile(const weighted_places *w, const sum_group *g, size_t k, const int vectors,
                         const int lanes)
{
    V sum[group][2];
    UNROLL for (int r = 0; r < group; r++) UNROLL for (int v = 0; v < vectors; v++) sum[r][v] =
        LANES_LOAD(g->row[r] + k + v * VW, lanes) * V_SPLAT(g->factor[r]);
    for (size_t i = 0; i < w->count; i++) {
        const float *of = w->of + i * w->step + k;
        UNROLL for (int v = 0; v < vectors; v++)
        {
            const V x = LANES_LOAD(of + v * VW, lanes);
            UNROLL for (int r = 0; r < group; r++) sum[r][v] =
                V_FMA(V_SPLAT(g->weight[r][i * w->along]), x, sum[r][v]);
        }
    }
    UNROLL for (int r = 0; r < group; r++) UNROLL for (int v = 0; v < vectors; v++)
        LANES_STORE(g->row[r] + k + v * VW, sum[r][v], lanes);
}

/* Adds to up to `group` rows of d channels, `step` apart. */
static void add_places(weighted_places w, float *first, size_t step, size_t rows,
                       const float *factor, size_t d)
{
    sum_group g;
    for (size_t r = 0; r < group; r++) {
        const size_t row = r < rows ? r : rows - 1;
        g.row[r] = first + row * step;
        g.weight[r] = w.weight + row * w.across;
        g.factor[r] = factor ? factor[row] : 1.0F;
    }
    size_t k = 0;
    for (; k + 2 * VW <= d; k += 2 * VW) add_tile(&w, &g, k, 2, VW);
    for (; k + VW <= d; k += VW) add_tile(&w, &g, k, 1, VW);
    for (; k + 4 <= d; k += 4) add_tile(&w, &g, k, 1, 4);
    for (; k < d; k++) add_tile(&w, &g, k, 1, 1);
}

/* ---- forward ---- */

static float largest(const float *score, float max)
{
    V most = V_SPLAT(max);
    float lane[VW];
    for (int k = 0; k < block; k += VW) {
        const V x = V_LOAD(score + k);
        most = V_SELECT((V_mask)(x > most), x, most);
    }
    V_STORE(lane, most);
    for (int k = 0; k < VW; k++) max = lane[k] > max ? lane[k] : max;
    return max;
}

static float sum_of(const float *weight)
{
    float chain[ATTENTION_CHAINS];
    for (int k = 0; k < ATTENTION_CHAINS; k++) chain[k] = 0.0F;
    for (int first = 0; first < block; first += ATTENTION_CHAINS)
        for (int k = 0; k < ATTENTION_CHAINS; k++) chain[k] += weight[first + k];
    return attention_join(chain);
}

/* Of a query: the largest score so far, and the sum of weights. */
typedef struct attention_state {
    float max, sum;
} attention_state;

/* Scores become weights, of which `count` are; gives the factor of what there was. */
static float weigh(attention_state *s, float *score, size_t count)
{
    for (size_t k = count; k < block; k++) score[k] = -INFINITY;
    const float max = largest(score, s->max), factor = math_exp(s->max - max);
    for (int k = 0; k < block; k++) score[k] = math_exp(score[k] - max);
    for (size_t k = count; k < block; k++) score[k] = 0.0F;
    s->max = max;
    s->sum = FMA(s->sum, factor, sum_of(score));
    return factor;
}

/* A block of queries of a head. */
static void attend(const attention_job *j, size_t head, size_t number)
{
    const size_t queries = places_of(j, number), first = number * block, step = 3 * j->c;
    const float *q = j->qkv + head_at(j, head, 0) + first * step;
    const float *v = j->qkv + head_at(j, head, 2);
    float *y = j->y + row_at(j, head) + first * j->c;
    attention_state state[block];
    for (size_t i = 0; i < queries; i++) {
        state[i] = (attention_state){-INFINITY, 0.0F};
        for (size_t e = 0; e < j->d; e++) y[i * j->c + e] = 0.0F;
    }
    for (size_t b = 0; b < j->blocks; b++) {
        const float *keys = j->keys + (head * j->blocks + b) * j->d * block;
        const size_t count = places_of(j, b);
        for (size_t i = 0; i < queries; i += group) {
            const size_t rows = queries - i < group ? queries - i : group;
            float score[group * block], factor[group];
            multiply_block(rows_of(q + i * step, step, rows), keys, j->d, j->scale, score);
            for (size_t r = 0; r < rows; r++)
                factor[r] = weigh(&state[i + r], score + r * block, count);
            const weighted_places w = {score, block, 1, count, v + b * block * step, step};
            add_places(w, y + i * j->c, j->c, rows, factor, j->d);
        }
    }
    for (size_t i = 0; i < queries; i++) {
        const float inverse = math_div(1.0F, state[i].sum);
        for (size_t e = 0; e < j->d; e++) y[i * j->c + e] *= inverse;
        j->lse[head * j->t + first + i] = state[i].max + math_log(state[i].sum);
    }
}

static void attend_blocks(const void *user, size_t first, size_t end)
{
    const attention_job *j = user;
    for (size_t i = first; i < end; i++) attend(j, i / j->blocks, i % j->blocks);
}

/* ---- gradients ---- */

/* Weights p and slopes g of a block of queries and one of keys, [queries][block]. */
typedef struct attention_pair {
    float p[block * block], g[block * block];
} attention_pair;

static void find_pair(const attention_job *j, size_t head, size_t number, size_t keys,
                      attention_pair *pair)
{
    const size_t queries = places_of(j, number), first = number * block, step = 3 * j->c;
    const size_t copy = (head * j->blocks + keys) * j->d * block;
    const float *q = j->qkv + head_at(j, head, 0) + first * step;
    const size_t row = row_at(j, head) + first * j->c;
    const float *lse = j->lse + head * j->t + first;
    for (size_t i = 0; i < queries; i += group) {
        const size_t rows = queries - i < group ? queries - i : group;
        float score[group * block], by_value[group * block];
        multiply_block(rows_of(q + i * step, step, rows), j->keys + copy, j->d, j->scale, score);
        multiply_block(rows_of(j->dy + row + i * j->c, j->c, rows), j->values + copy, j->d, 1.0F,
                       by_value);
        for (size_t r = 0; r < rows; r++) {
            const float *dy = j->dy + row + (i + r) * j->c, *y = j->y + row + (i + r) * j->c;
            float mean = 0.0F, *p = pair->p + (i + r) * block, *g = pair->g + (i + r) * block;
            for (size_t e = 0; e < j->d; e++) mean = FMA(dy[e], y[e], mean);
            const float level = lse[i + r];
            for (size_t k = 0; k < block; k++) p[k] = attention_weight(score[r * block + k], level);
            for (size_t k = 0; k < block; k++) g[k] = p[k] * (by_value[r * block + k] - mean);
        }
    }
}

/* Adds what a block of queries and one of keys give to the sums of both. */
static void add_pair(const attention_job *j, size_t head, size_t number, size_t keys,
                     const attention_pair *pair)
{
    const size_t queries = places_of(j, number), count = places_of(j, keys), step = 3 * j->c;
    const float *q = j->qkv + head_at(j, head, 0) + number * block * step;
    const float *k = j->qkv + head_at(j, head, 1) + keys * block * step;
    const float *dy = j->dy + row_at(j, head) + number * block * j->c;
    float *dq = j->sums + head_at(j, head, 0) + number * block * step;
    float *dk = j->sums + head_at(j, head, 1) + keys * block * step, *dv = dk + j->c;
    for (size_t i = 0; i < queries; i += group) {
        const weighted_places w = {pair->g + i * block, block, 1, count, k, step};
        add_places(w, dq + i * step, step, queries - i < group ? queries - i : group, NULL, j->d);
    }
    for (size_t i = 0; i < count; i += group) {
        const size_t rows = count - i < group ? count - i : group;
        const weighted_places by_q = {pair->g + i, 1, block, queries, q, step};
        const weighted_places by_dy = {pair->p + i, 1, block, queries, dy, j->c};
        add_places(by_q, dk + i * step, step, rows, NULL, j->d);
        add_places(by_dy, dv + i * step, step, rows, NULL, j->d);
    }
}

/* The sums of a head times the scale, or as they are, to where they belong. */
static void finish_head(const attention_job *j, size_t head)
{
    for (size_t row = 0; row < 3 * j->t; row++) {
        const size_t at = head_at(j, head, row);
        const float scale = row % 3 < 2 ? j->scale : 1.0F;
        for (size_t e = at; e < at + j->d; e++) {
            const float value = scale * j->sums[e];
            j->dqkv[e] = j->accumulate ? j->dqkv[e] + value : value;
        }
    }
}

static void heads_backward(const void *user, size_t first, size_t end)
{
    const attention_job *j = user;
    for (size_t head = first; head < end; head++) {
        for (size_t row = 0; row < 3 * j->t; row++)
            memset(j->sums + head_at(j, head, row), 0, j->d * sizeof(float));
        for (size_t i = 0; i < j->blocks; i++)
            for (size_t k = 0; k < j->blocks; k++) {
                attention_pair pair;
                find_pair(j, head, i, k, &pair);
                add_pair(j, head, i, k, &pair);
            }
        finish_head(j, head);
    }
}

/* ---- ops ---- */

static clade_status plan_attention(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const attention_job j = job_of(&args->attention.qkv, args->attention.heads);
    cpu_reserve(plan, copy_floats(&j));
    return CLADE_OK;
}

static clade_status plan_attention_dqkv(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    const clade_attention_dqkv_args *a = &args->attention_dqkv;
    const attention_job j = job_of(&a->qkv, a->heads);
    cpu_reserve(plan, copy_floats(&j));
    cpu_reserve(plan, copy_floats(&j));
    if (a->accumulate) cpu_reserve(plan, clade_tensor_count(&a->qkv));
    return CLADE_OK;
}

static clade_status attention(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    (void)plan;
    const clade_attention_args *a = &args->attention;
    attention_job j = job_of(&a->qkv, a->heads);
    j.qkv = cpu_host(&a->qkv);
    j.y = cpu_host(&a->y);
    j.lse = cpu_host(&a->lse);
    j.keys = workspace;
    const size_t blocks = j.n * j.heads * j.blocks;
    clade_cpu_range(context, (cpu_range){copy_blocks, &j, blocks, 1});
    clade_cpu_range(context, (cpu_range){attend_blocks, &j, blocks, 1});
    return CLADE_OK;
}

static clade_status attention_dqkv(void *context, const clade_args *args, const clade_plan *plan,
                                   void *workspace)
{
    (void)plan;
    const clade_attention_dqkv_args *a = &args->attention_dqkv;
    attention_job j = job_of(&a->qkv, a->heads);
    j.qkv = cpu_host(&a->qkv);
    j.y = cpu_host(&a->y);
    j.lse = cpu_host(&a->lse);
    j.dy = cpu_host(&a->dy);
    j.dqkv = cpu_host(&a->dqkv);
    j.accumulate = a->accumulate;
    j.keys = workspace;
    j.values = j.keys + copy_floats(&j);
    j.sums = a->accumulate ? j.values + copy_floats(&j) : j.dqkv;
    clade_cpu_range(context, (cpu_range){copy_blocks, &j, j.n * j.heads * j.blocks, 1});
    clade_cpu_range(context, (cpu_range){heads_backward, &j, j.n * j.heads, 1});
    return CLADE_OK;
}

void CPU_NAME(attention)(cpu_op *op)
{
    op[CLADE_OP_attention] = (cpu_op){.plan = plan_attention, .run = attention};
    op[CLADE_OP_attention_dqkv] = (cpu_op){.plan = plan_attention_dqkv, .run = attention_dqkv};
}
