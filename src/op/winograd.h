/* Convolution by Winograd's F(4×4, 3×3), for the family conv: its scalar reference and, for the
 * oracle, the same sums over absolute values, from which the bounds follow (the oracle itself stays
 * direct). Lavin and Gray 2016, section 4.3; the points are 0, ±1, ±2 and infinity.
 *
 * Results are computed in tiles of 4×4. With d the 6×6 window of the source that a tile reads, g
 * the filter and e the tile's gradient,
 *   y  = Aᵀ [Σ over channels (G g Gᵀ) ⊙ (Bᵀ d B)] A
 *   dw = Gᵀ [Σ over tiles (Bᵀ d B) ⊙ (A e Aᵀ)] G
 * where ⊙ is taken at each of the 36 points.
 *
 * Fast math may round the factors of ⊙ to bfloat16. Then sums that nearly cancel lose digits; other
 * points, 0, ±3/4, ±3/2 and infinity, lose less than half as many. */
#ifndef CLADE_OP_WINOGRAD_H
#define CLADE_OP_WINOGRAD_H

#include "op/activation.h"
#include "op/conv.h"

/* The largest number of roundings that a number goes through in a transform applied to columns and
 * rows. */
enum { rounds_b = 4, rounds_g = 8, rounds_a = 6, rounds_a_dy = 4, rounds_g_dw = 8 };

/* The one-dimensional transforms. */
typedef struct winograd_maps {
    void (*bt)(const REAL *a, REAL *o), (*g)(const REAL *a, REAL *o), (*at)(const REAL *a, REAL *o);
    void (*a)(const REAL *a, REAL *o), (*gt)(const REAL *a, REAL *o);
} winograd_maps;

#ifdef CLADE_ORACLE

/* Matrices of absolute values: [outputs][inputs]. */
#define ABSOLUTE(name, outputs, inputs, ...)                                                       \
    static void name(const REAL *a, REAL *o)                                                       \
    {                                                                                              \
        static const double m[outputs][inputs] = {__VA_ARGS__};                                    \
        for (int i = 0; i < (outputs); i++) {                                                      \
            o[i] = 0;                                                                              \
            for (int j = 0; j < (inputs); j++)                                                     \
                if (m[i][j] != 0) o[i] += m[i][j] * fabs(a[j]);                                    \
        }                                                                                          \
    }
/* For the points 0, ±1, ±2 and infinity. */
ABSOLUTE(times_bt, 6, 6, {4, 0, 5, 0, 1, 0}, {0, 4, 4, 1, 1, 0}, {0, 4, 4, 1, 1, 0},
         {0, 2, 1, 2, 1, 0}, {0, 2, 1, 2, 1, 0}, {0, 4, 0, 5, 0, 1})
ABSOLUTE(times_g, 6, 3, {1 / 4.0, 0, 0}, {1 / 6.0, 1 / 6.0, 1 / 6.0}, {1 / 6.0, 1 / 6.0, 1 / 6.0},
         {1 / 24.0, 1 / 12.0, 1 / 6.0}, {1 / 24.0, 1 / 12.0, 1 / 6.0}, {0, 0, 1})
ABSOLUTE(times_at, 4, 6, {1, 1, 1, 1, 1, 0}, {0, 1, 1, 2, 2, 0}, {0, 1, 1, 4, 4, 0},
         {0, 1, 1, 8, 8, 1})
ABSOLUTE(times_a, 6, 4, {1, 0, 0, 0}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 2, 4, 8}, {1, 2, 4, 8},
         {0, 0, 0, 1})
ABSOLUTE(times_gt, 3, 6, {1 / 4.0, 1 / 6.0, 1 / 6.0, 1 / 24.0, 1 / 24.0, 0},
         {0, 1 / 6.0, 1 / 6.0, 1 / 12.0, 1 / 12.0, 0}, {0, 1 / 6.0, 1 / 6.0, 1 / 6.0, 1 / 6.0, 1})
/* For 0, ±3/4, ±3/2 and infinity, used when transforms are rounded to bfloat16. */
ABSOLUTE(times_bt_fine, 6, 6, {81 / 64.0, 0, 45 / 16.0, 0, 1, 0},
         {0, 27 / 16.0, 9 / 4.0, 3 / 4.0, 1, 0}, {0, 27 / 16.0, 9 / 4.0, 3 / 4.0, 1, 0},
         {0, 27 / 32.0, 9 / 16.0, 3 / 2.0, 1, 0}, {0, 27 / 32.0, 9 / 16.0, 3 / 2.0, 1, 0},
         {0, 81 / 64.0, 0, 45 / 16.0, 0, 1})
ABSOLUTE(times_g_fine, 6, 3, {64 / 81.0, 0, 0}, {128 / 243.0, 32 / 81.0, 8 / 27.0},
         {128 / 243.0, 32 / 81.0, 8 / 27.0}, {32 / 243.0, 16 / 81.0, 8 / 27.0},
         {32 / 243.0, 16 / 81.0, 8 / 27.0}, {0, 0, 1})
ABSOLUTE(times_at_fine, 4, 6, {1, 1, 1, 1, 1, 0}, {0, 3 / 4.0, 3 / 4.0, 3 / 2.0, 3 / 2.0, 0},
         {0, 9 / 16.0, 9 / 16.0, 9 / 4.0, 9 / 4.0, 0},
         {0, 27 / 64.0, 27 / 64.0, 27 / 8.0, 27 / 8.0, 1})
ABSOLUTE(times_a_fine, 6, 4, {1, 0, 0, 0}, {1, 3 / 4.0, 9 / 16.0, 27 / 64.0},
         {1, 3 / 4.0, 9 / 16.0, 27 / 64.0}, {1, 3 / 2.0, 9 / 4.0, 27 / 8.0},
         {1, 3 / 2.0, 9 / 4.0, 27 / 8.0}, {0, 0, 0, 1})
ABSOLUTE(times_gt_fine, 3, 6, {64 / 81.0, 128 / 243.0, 128 / 243.0, 32 / 243.0, 32 / 243.0, 0},
         {0, 32 / 81.0, 32 / 81.0, 16 / 81.0, 16 / 81.0, 0},
         {0, 8 / 27.0, 8 / 27.0, 8 / 27.0, 8 / 27.0, 1})
#undef ABSOLUTE
static const winograd_maps maps_fine = {times_bt_fine, times_g_fine, times_at_fine, times_a_fine,
                                        times_gt_fine};
enum { rounds_fine = 4 }; /* additional roundings compared with ±1 and ±2 */

#else

static const float sixth = 1 / 6.0f, twelfth = 1 / 12.0f, twentyfourth = 1 / 24.0f;

static void times_bt(const float *a, float *o)
{
    float p = REAL_FMA(-4.0f, a[2], a[4]), q = REAL_FMA(-4.0f, a[1], a[3]);
    float r = a[4] - a[2], s = a[3] - a[1];
    o[0] = REAL_FMA(4.0f, a[0], REAL_FMA(-5.0f, a[2], a[4]));
    o[1] = p + q;
    o[2] = p - q;
    o[3] = REAL_FMA(2.0f, s, r);
    o[4] = REAL_FMA(-2.0f, s, r);
    o[5] = REAL_FMA(4.0f, a[1], REAL_FMA(-5.0f, a[3], a[5]));
}

static void times_g(const float *a, float *o)
{
    float s = a[0] + a[2], t = REAL_FMA(twentyfourth, a[0], sixth * a[2]);
    o[0] = 0.25f * a[0];
    o[1] = -sixth * (s + a[1]);
    o[2] = -sixth * (s - a[1]);
    o[3] = REAL_FMA(twelfth, a[1], t);
    o[4] = REAL_FMA(-twelfth, a[1], t);
    o[5] = a[2];
}

static void times_at(const float *a, float *o)
{
    float p = a[1] + a[2], q = a[1] - a[2], r = a[3] + a[4], s = a[3] - a[4];
    o[0] = (a[0] + p) + r;
    o[1] = REAL_FMA(2.0f, s, q);
    o[2] = REAL_FMA(4.0f, r, p);
    o[3] = REAL_FMA(8.0f, s, q) + a[5];
}

static void times_a(const float *a, float *o)
{
    float e = a[0] + a[2], f = a[1] + a[3];
    float g = REAL_FMA(4.0f, a[2], a[0]), h = REAL_FMA(8.0f, a[3], a[1] + a[1]);
    o[0] = a[0];
    o[1] = e + f;
    o[2] = e - f;
    o[3] = g + h;
    o[4] = g - h;
    o[5] = a[3];
}

static void times_gt(const float *a, float *o)
{
    float p = a[1] + a[2], q = a[2] - a[1], r = a[3] + a[4], s = a[3] - a[4];
    o[0] = REAL_FMA(twentyfourth, r, REAL_FMA(-sixth, p, 0.25f * a[0]));
    o[1] = REAL_FMA(twelfth, s, sixth * q);
    o[2] = REAL_FMA(sixth, r, REAL_FMA(-sixth, p, a[5]));
}

#endif

static const winograd_maps maps_plain = {times_bt, times_g, times_at, times_a, times_gt};

/* Applies a transform to columns, then rows: in [from][from], out [to][to] with elements `step`
 * apart. */
static void both_ways(void (*times)(const REAL *a, REAL *o), int from, int to, const REAL *in,
                      REAL *out, int step)
{
    REAL a[6], o[6], half[36];
    for (int j = 0; j < from; j++) {
        for (int i = 0; i < from; i++) a[i] = in[i * from + j];
        times(a, o);
        for (int i = 0; i < to; i++) half[i * from + j] = o[i];
    }
    for (int i = 0; i < to; i++) {
        times(&half[i * from], o);
        for (int j = 0; j < to; j++) out[(size_t)(i * to + j) * (size_t)step] = o[j];
    }
}

/* Reads size × size pixels of one channel of an image, from (row, column) on, with zeros
 * outside. */
static void read_window(const REAL *image, int32_t h, int32_t w, int32_t c, int64_t row,
                        int64_t column, int size, REAL *out)
{
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            int64_t y = row + i, x = column + j;
            bool inside = y >= 0 && y < h && x >= 0 && x < w;
            out[i * size + j] = inside ? image[(y * w + x) * c] : 0;
        }
}

enum { winograd_block = 32 }; /* results computed side by side */

/* Gives the position of tile t. */
static void find_tile(const winograd_job *job, int64_t t, int64_t *n, int32_t *row, int32_t *column)
{
    *n = t / job->columns / job->rows;
    *row = (int32_t)(t / job->columns % job->rows) * 4;
    *column = (int32_t)(t % job->columns) * 4;
}

/* Transforms the window of channel i that a tile reads. */
static void transform_source(const winograd_job *job, const winograd_maps *maps, const REAL *source,
                             int64_t t, int32_t i, REAL u[36])
{
    REAL window[36];
    int64_t n;
    int32_t row, column;
    find_tile(job, t, &n, &row, &column);
    read_window(source + n * job->h * job->w * job->c + i, job->h, job->w, job->c, row - job->top,
                column - job->left, 6, window);
    both_ways(maps->bt, 6, 6, window, u, 1);
}

/* Computes results first … first + count of tile t: sums[pixel][result]. */
static void sum_tile(const winograd_job *job, const winograd_maps *maps, const REAL *source,
                     const REAL *w, int64_t t, int32_t first, int32_t count,
                     REAL sums[16][winograd_block])
{
    REAL m[36][winograd_block] = {{0}}, u[36], v[36], tap[9], tile[16];
    for (int32_t i = 0; i < job->c; i++) {
        transform_source(job, maps, source, t, i, u);
        for (int32_t o = 0; o < count; o++) {
            for (int s = 0; s < 9; s++)
                tap[s] = job->reversed ? w[((int64_t)(8 - s) * job->k + first + o) * job->c + i]
                                       : w[((int64_t)s * job->c + i) * job->k + first + o];
            both_ways(maps->g, 3, 6, tap, v, 1);
            for (int p = 0; p < 36; p++) m[p][o] = REAL_FMA(u[p], v[p], m[p][o]);
        }
    }
    for (int32_t o = 0; o < count; o++) {
        for (int p = 0; p < 36; p++) u[p] = m[p][o];
        both_ways(maps->at, 6, 4, u, tile, 1);
        for (int p = 0; p < 16; p++) sums[p][o] = tile[p];
    }
}

/* out = act(sum + b), or out += sum. */
static void winograd_all(const winograd_job *job, const winograd_maps *maps, const REAL *source,
                         const REAL *w, const REAL *b, REAL *out)
{
    REAL sums[16][winograd_block];
    for (int64_t t = 0; t < job->tiles; t++)
        for (int32_t first = 0; first < job->k; first += winograd_block) {
            int32_t left = job->k - first, count = left < winograd_block ? left : winograd_block;
            int64_t n;
            int32_t row, column;
            find_tile(job, t, &n, &row, &column);
            sum_tile(job, maps, source, w, t, first, count, sums);
            for (int p = 0; p < 16; p++) {
                int32_t y = row + p / 4, x = column + p % 4;
                if (y >= job->oh || x >= job->ow) continue;
                REAL *to = out + ((n * job->oh + y) * job->ow + x) * job->k + first;
                for (int32_t o = 0; o < count; o++) {
                    REAL sum = b ? sums[p][o] + b[first + o] : sums[p][o];
                    put(&to[o], real_act(job->act, job->alpha, sum), job->accumulate);
                }
            }
        }
}

/* Computes channel i's weight gradients for filters first … first + count, and these filters' bias
 * gradients. */
static void sum_weights(const winograd_job *job, const winograd_maps *maps, const REAL *x,
                        const REAL *dy, int32_t i, int32_t first, int32_t count,
                        REAL dw[9][winograd_block], REAL db[winograd_block])
{
    REAL total[36][winograd_block] = {{0}}, window[16], u[36], v[36], taps[9];
    for (int32_t o = 0; o < count; o++) db[o] = 0;
    for (int32_t chunk = 0; chunk < job->chunks; chunk++) {
        REAL sum[36][winograd_block] = {{0}}, bias[winograd_block] = {0};
        int64_t begin = (int64_t)chunk * job->per_chunk, end = begin + job->per_chunk;
        for (int64_t t = begin; t < end && t < job->tiles; t++) {
            int64_t n;
            int32_t row, column;
            find_tile(job, t, &n, &row, &column);
            transform_source(job, maps, x, t, i, u);
            for (int32_t o = 0; o < count; o++) {
                read_window(dy + n * job->oh * job->ow * job->k + first + o, job->oh, job->ow,
                            job->k, row, column, 4, window);
                both_ways(maps->a, 4, 6, window, v, 1);
                for (int p = 0; p < 36; p++) sum[p][o] = REAL_FMA(u[p], v[p], sum[p][o]);
                bias[o] += v[7]; /* with ±1, the sum of the tile's gradient */
            }
        }
        for (int32_t o = 0; o < count; o++) {
            for (int p = 0; p < 36; p++) total[p][o] += sum[p][o];
            db[o] += bias[o];
        }
    }
    for (int32_t o = 0; o < count; o++) {
        for (int p = 0; p < 36; p++) u[p] = total[p][o];
        both_ways(maps->gt, 6, 3, u, taps, 1);
        for (int p = 0; p < 9; p++) dw[p][o] = taps[p];
    }
}

/* Computes dw and db, either of which may be NULL. */
static void winograd_weights(const winograd_job *job, const winograd_maps *maps, const REAL *x,
                             const REAL *dy, REAL *dw, REAL *db)
{
    REAL sums[9][winograd_block], bias[winograd_block];
    for (int32_t i = 0; i < (dw ? job->c : 1); i++)
        for (int32_t first = 0; first < job->k; first += winograd_block) {
            int32_t left = job->k - first, count = left < winograd_block ? left : winograd_block;
            sum_weights(job, maps, x, dy, i, first, count, sums, bias);
            for (int32_t o = 0; o < count; o++) {
                for (int t = 0; dw && t < 9; t++)
                    put(&dw[((int64_t)t * job->c + i) * job->k + first + o], sums[t][o],
                        job->accumulate);
                if (db && i == 0) put(&db[first + o], bias[o], job->accumulate);
            }
        }
}

#endif
