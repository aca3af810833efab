/* Attention over qkv [n, t, 3, heads, d]. A work-group of ITEMS work-items has ROWS places of a
 * head (queries; in attention_dkv keys), and goes through the other places in blocks of 64, of
 * which a work-item has every ITEMS-th. Products over channels are summed with DEPTH channels of
 * both sides in local memory; those over places with the block's weights there, and a work-item has
 * COLUMNS channels of each row. Groups stride over image, head and rows. Scores are never in global
 * memory: forward reads qkv once for each group of rows and writes y. */
#include "opencl.clh"
#include "attention.clh"
#include "stored.clh"

#ifndef ITEMS
#define ITEMS 64
#define ROWS 16
#define COLUMNS 1
#endif

#define DEPTH 16
#define STRIDE (ATTENTION_BLOCK + 1) /* of a channel of a block: no two work-items share a bank */
#define SHARES (ATTENTION_BLOCK / ITEMS) /* of a work-item's, of a block */
#define SIDES local float rows[ROWS * DEPTH], block[DEPTH * STRIDE]

/* Places of a head: the first's channels, how far apart places are, and how many there are. */
typedef struct places {
    const global stored *at;
    ulong step;
    int count;
} places;

INLINE places places_of(const global stored *at, ulong step, int first, int t)
{
    return (places){at + first * step, step, t - first};
}

/* Sums over channels of products of ROWS places and a block of others, of which those there are
 * count. Begins and ends with no work-item in local memory that another one writes. */
INLINE void products(places r, places o, int d, local float *rows, local float *block, float *sum)
{
    const int item = get_local_id(0);
    UNROLL for (int i = 0; i < ROWS * SHARES; i++) sum[i] = 0.0f;
    for (int first = 0; first < d; first += DEPTH) {
        const int depth = min(DEPTH, d - first);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = item; i < ROWS * DEPTH; i += ITEMS) {
            const int row = i / DEPTH, e = i % DEPTH;
            rows[i] = row < r.count && e < depth ? S_LOAD(r.at + row * r.step + first + e) : 0.0f;
        }
        for (int i = item; i < ATTENTION_BLOCK * DEPTH; i += ITEMS) {
            const int j = i / DEPTH, e = i % DEPTH;
            block[e * STRIDE + j] =
                j < o.count && e < depth ? S_LOAD(o.at + j * o.step + first + e) : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int e = 0; e < depth; e++) UNROLL for (int s = 0; s < SHARES; s++)
            {
                const float x = block[e * STRIDE + item + s * ITEMS];
                UNROLL for (int row = 0; row < ROWS; row++) sum[row * SHARES + s] =
                    FMA(rows[row * DEPTH + e], x, sum[row * SHARES + s]);
            }
    }
}

/* Adds to the work-item's channels of each row the block's places, each times its weight. */
INLINE void add_block(places o, int d, const local float *weight, float *sum)
{
    const int count = min(o.count, ATTENTION_BLOCK);
    UNROLL for (int c = 0; c < COLUMNS; c++)
    {
        const int e = get_local_id(0) + c * ITEMS;
        for (int j = 0; e < d && j < count; j++) {
            const float x = S_LOAD(o.at + j * o.step + e);
            UNROLL for (int row = 0; row < ROWS; row++) sum[row * COLUMNS + c] =
                FMA(weight[row * ATTENTION_BLOCK + j], x, sum[row * COLUMNS + c]);
        }
    }
}

/* Runs a body for each of the work-group's rows: image, head, and the first row of those. */
#define FOR_EACH_ROWS                                                                              \
    const int item = get_local_id(0);                                                              \
    const int blocks_ = (t + ROWS - 1) / ROWS;                                                     \
    const ulong c = (ulong)heads * d, groups_ = n * heads * blocks_;                               \
    for (ulong group_ = get_group_id(0); group_ < groups_; group_ += get_num_groups(0))            \
        for (ulong first = group_ % blocks_ * ROWS, image = group_ / blocks_ / heads,              \
                   head = group_ / blocks_ % heads, once = 1;                                      \
             once; once = 0)

/* A head's queries, keys or values. */
#define HEAD(which) (qkv + qkv0 + (image * t * 3 + which) * c + head * d)
/* Its rows of y and dy. */
#define HEAD_OF(x) (x + x##0 + image * t * c + head * d)

/* Places first to first + 63 as the others. */
#define OTHERS(at, step) places_of(at, step, other, t)
#define OWN(at, step) places_of(at, step, (int)first, t)

kernel void attention(TENSOR(stored, qkv), TENSOR(stored, y), TENSOR(float, lse), ulong n, int t,
                      int heads, int d, float scale)
{
    SIDES;
    local float weight[ROWS * ATTENTION_BLOCK], most[ROWS], factor[ROWS], total[ROWS];
    FOR_EACH_ROWS
    {
        float sum[ROWS * COLUMNS], score[ROWS * SHARES];
        UNROLL for (int i = 0; i < ROWS * COLUMNS; i++) sum[i] = 0.0f;
        for (int row = item; row < ROWS; row += ITEMS) {
            most[row] = -INFINITY;
            total[row] = 0.0f;
        }
        for (int other = 0; other < t; other += ATTENTION_BLOCK) {
            const int count = min(t - other, ATTENTION_BLOCK);
            products(OWN(HEAD(0), 3 * c), OTHERS(HEAD(1), 3 * c), d, rows, block, score);
            UNROLL for (int i = 0; i < ROWS * SHARES; i++)
            {
                const int j = item + i % SHARES * ITEMS;
                weight[i / SHARES * ATTENTION_BLOCK + j] = scale * score[i];
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int row = item; row < ROWS; row += ITEMS) {
                const float before = most[row];
                float max = before;
                for (int j = 0; j < count; j++) {
                    const float x = weight[row * ATTENTION_BLOCK + j];
                    max = x > max ? x : max;
                }
                most[row] = max;
                factor[row] = math_exp(before - max);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            UNROLL for (int i = 0; i < ROWS * SHARES; i++)
            {
                const int row = i / SHARES, j = item + i % SHARES * ITEMS;
                const float p = math_exp(weight[row * ATTENTION_BLOCK + j] - most[row]);
                weight[row * ATTENTION_BLOCK + j] = j < count ? p : 0.0f;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int row = item; row < ROWS; row += ITEMS) {
                float chain[ATTENTION_CHAINS] = {0.0f};
                for (int j = 0; j < ATTENTION_BLOCK; j += ATTENTION_CHAINS)
                    for (int i = 0; i < ATTENTION_CHAINS; i++)
                        chain[i] += weight[row * ATTENTION_BLOCK + j + i];
                total[row] = FMA(total[row], factor[row], attention_join(chain));
            }
            UNROLL for (int i = 0; i < ROWS * COLUMNS; i++) sum[i] *= factor[i / COLUMNS];
            add_block(OTHERS(HEAD(2), 3 * c), d, weight, sum);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        UNROLL for (int row = 0; row < ROWS; row++)
        {
            if (first + row >= t) continue;
            const float inverse = math_div(1.0f, total[row]);
            global stored *to = HEAD_OF(y) + (first + row) * c;
            UNROLL for (int k = 0; k < COLUMNS; k++)
            {
                const int e = item + k * ITEMS;
                if (e < d) S_STORE(to + e, sum[row * COLUMNS + k] * inverse);
            }
        }
        for (int row = item; row < ROWS && first + row < t; row += ITEMS)
            lse[lse0 + (image * heads + head) * t + first + row] = most[row] + math_log(total[row]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* ---- gradients ---- */

/* Σ dy y of a place. */
INLINE float attention_mean(const global stored *dy, const global stored *y, int d)
{
    float sum = 0.0f;
    for (int e = 0; e < d; e++) sum = FMA(S_LOAD(dy + e), S_LOAD(y + e), sum);
    return sum;
}

#define GRADIENT_ARGUMENTS                                                                         \
    TENSOR(stored, qkv), TENSOR(stored, y), TENSOR(float, lse), TENSOR(stored, dy),                \
        TENSOR(stored, dqkv), ulong n, int t, int heads, int d, float scale, int accumulate

/* Of the queries, keys or values of the group's rows. */
#define PUT_ROWS(which, factor, sum)                                                               \
    UNROLL for (int i = 0; i < ROWS * COLUMNS; i++)                                                \
    {                                                                                              \
        const int row = i / COLUMNS, e = item + i % COLUMNS * ITEMS;                               \
        if (first + row < t && e < d)                                                              \
            S_PUT(dqkv + dqkv0 + ((image * t + first + row) * 3 + which) * c + head * d + e,       \
                  factor sum[i]);                                                                  \
    }

/* The group's rows are queries. Reads qkv and dy once for each group of rows, and writes dq. */
kernel void attention_dq(GRADIENT_ARGUMENTS)
{
    SIDES;
    local float slope[ROWS * ATTENTION_BLOCK], level[ROWS], mean[ROWS];
    FOR_EACH_ROWS
    {
        float sum[ROWS * COLUMNS], score[ROWS * SHARES], by_value[ROWS * SHARES];
        UNROLL for (int i = 0; i < ROWS * COLUMNS; i++) sum[i] = 0.0f;
        for (int row = item; row < ROWS; row += ITEMS) {
            level[row] = mean[row] = 0.0f;
            if (first + row >= t) continue;
            const ulong place = (first + row) * c;
            level[row] = lse[lse0 + (image * heads + head) * t + first + row];
            mean[row] = attention_mean(HEAD_OF(dy) + place, HEAD_OF(y) + place, d);
        }
        for (int other = 0; other < t; other += ATTENTION_BLOCK) {
            products(OWN(HEAD(0), 3 * c), OTHERS(HEAD(1), 3 * c), d, rows, block, score);
            products(OWN(HEAD_OF(dy), c), OTHERS(HEAD(2), 3 * c), d, rows, block, by_value);
            UNROLL for (int i = 0; i < ROWS * SHARES; i++)
            {
                const int row = i / SHARES, j = item + i % SHARES * ITEMS;
                slope[row * ATTENTION_BLOCK + j] =
                    attention_weight(scale * score[i], level[row]) * (by_value[i] - mean[row]);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            add_block(OTHERS(HEAD(1), 3 * c), d, slope, sum);
        }
        PUT_ROWS(0, scale *, sum);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* The group's rows are keys, with their values. The same of dk and dv. */
kernel void attention_dkv(GRADIENT_ARGUMENTS)
{
    SIDES;
    local float slope[ROWS * ATTENTION_BLOCK], weight[ROWS * ATTENTION_BLOCK];
    FOR_EACH_ROWS
    {
        float keys[ROWS * COLUMNS], values[ROWS * COLUMNS];
        float score[ROWS * SHARES], by_value[ROWS * SHARES];
        UNROLL for (int i = 0; i < ROWS * COLUMNS; i++) keys[i] = values[i] = 0.0f;
        for (int other = 0; other < t; other += ATTENTION_BLOCK) {
            products(OWN(HEAD(1), 3 * c), OTHERS(HEAD(0), 3 * c), d, rows, block, score);
            products(OWN(HEAD(2), 3 * c), OTHERS(HEAD_OF(dy), c), d, rows, block, by_value);
            UNROLL for (int s = 0; s < SHARES; s++)
            {
                const int j = item + s * ITEMS;
                if (other + j >= t) continue;
                const ulong place = (ulong)(other + j) * c;
                const float level = lse[lse0 + (image * heads + head) * t + other + j];
                const float mean = attention_mean(HEAD_OF(dy) + place, HEAD_OF(y) + place, d);
                UNROLL for (int row = 0; row < ROWS; row++)
                {
                    const int i = row * SHARES + s;
                    const float p = attention_weight(scale * score[i], level);
                    weight[row * ATTENTION_BLOCK + j] = p;
                    slope[row * ATTENTION_BLOCK + j] = p * (by_value[i] - mean);
                }
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            add_block(OTHERS(HEAD(0), 3 * c), d, slope, keys);
            add_block(OTHERS(HEAD_OF(dy), c), d, weight, values);
        }
        PUT_ROWS(1, scale *, keys);
        PUT_ROWS(2, , values);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
