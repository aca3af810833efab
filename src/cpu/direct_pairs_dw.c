/* Direct weight gradients of bfloat16 tensors, in fast math, by products of pairs of pixels that
 * are neighbours in a row: every chunk of rows is summed into its own copy of dw; then the copies
 * are added in order. */
#include "cpu/direct_pairs.h"

typedef struct pairs_gradient {
    conv_state head;
    pairs_geometry g;
    bool pooled;
    int32_t rows;  /* of dy, at most, that are taken at once */
    int32_t pairs; /* of pixels in a row of dy */
    int32_t chunks, accumulate;
    int64_t lines, lines_per_chunk;
    size_t x_row, x_floats,
        own_floats;                 /* of a thread's row of x; of all of them; with those of dy */
    size_t parts_at, db_at, own_at; /* in the workspace */
    /* by run: */
    const bf16 *x, *dy;
    const uint8_t *index;
    float *dw, *db;
    float *parts, *db_parts; /* chunks × [kh][run][lanes], chunks × [lanes] */
    float *own;              /* each thread's rows of x, then of dy */
} pairs_gradient;

/* to[i] = the pair of numbers i and i + stride · c of a padded row. */
static void pair_row(const pairs_gradient *job, const bf16 *row, bf16 *padded, u32 *to)
{
    const pairs_geometry *g = &job->g;
    const size_t n = direct_pairs_row(g), apart = (size_t)g->stride[1] * (size_t)g->c;
    direct_pairs_copy(g, row, padded);
    memset(padded + n, 0, apart * sizeof *padded);
    for (size_t i = 0; i < n; i++) to[i] = padded[i] | (u32)padded[i + apart] << 16;
}

/* Row oh of image n of dy: [pair of pixels][lanes]. */
static void pair_gradient(const pairs_gradient *job, int64_t n, int32_t oh, u32 *to)
{
    const pairs_geometry *g = &job->g;
    const bf16 *dy = job->dy + (n * g->oh + oh) * g->ow * g->k;
    for (int32_t i = 0; i < job->pairs; i++, dy += 2 * g->k, to += g->lanes)
        for (int32_t o = 0; o < g->k; o += VW)
            pairs_store(to + o,
                        pairs_join(dy + o, 2 * i + 1 < g->ow ? dy + g->k + o : NULL, g->k - o));
}

/* The same from the gradient of 2 × 2 windows. */
static void pair_windows(const pairs_gradient *job, int64_t n, int32_t oh, u32 *to)
{
    const pairs_geometry *g = &job->g;
    const int32_t covered = oh / 2 < g->oh / 2 ? g->ow / 2 : 0, tap = oh % 2 * 2;
    const int64_t row = (n * (g->oh / 2) + oh / 2) * (g->ow / 2) * g->k;
    const bf16 *dy = job->dy + row;
    const uint8_t *index = job->index + row;
    for (int32_t i = 0; i < covered; i++, dy += g->k, index += g->k, to += g->lanes)
        for (int32_t o = 0; o < g->k; o += VW) {
            const __mmask16 mask = g->k - o >= VW ? 0xffff : (__mmask16)((1u << (g->k - o)) - 1);
            const __m512i d = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, dy + o));
            const __m512i from = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, index + o));
            const __mmask16 low = _mm512_cmpeq_epi32_mask(from, _mm512_set1_epi32(tap));
            const __mmask16 high = _mm512_cmpeq_epi32_mask(from, _mm512_set1_epi32(tap + 1));
            const V_pairs pair = _mm512_maskz_mov_epi32(low, d);
            pairs_store(to + o, _mm512_mask_slli_epi32(pair, high, d, 16));
        }
    memset(to, 0, (size_t)(job->pairs - covered) * (size_t)g->lanes * sizeof *to);
}

/* part[j][v] += the sums over a row of dy. */
INLINE_FOR void sum_row(const pairs_gradient *job, const int nv, const int count, const u32 *x,
                        const u32 *dy, float *part)
{
    const pairs_geometry *g = &job->g;
    V acc[TILE_PIXELS][TILE_VECTORS];
    EACH_PIXEL(j, count)
    EACH_VECTOR(v, nv) acc[j][v] = V_LOAD(part + j * g->lanes + v * VW);
    pairs_weights(acc, count, nv, x, (int64_t)2 * g->stride[1] * g->c, dy, g->lanes, g->ow);
    EACH_PIXEL(j, count)
    EACH_VECTOR(v, nv) V_STORE(part + j * g->lanes + v * VW, acc[j][v]);
}

typedef void row_sums(const pairs_gradient *job, const u32 *x, const u32 *dy, float *part);
#define DEFINE(count)                                                                              \
    static void row_##count##_1(const pairs_gradient *job, const u32 *x, const u32 *dy,            \
                                float *part)                                                       \
    {                                                                                              \
        sum_row(job, 1, count, x, dy, part);                                                       \
    }                                                                                              \
    static void row_##count##_2(const pairs_gradient *job, const u32 *x, const u32 *dy,            \
                                float *part)                                                       \
    {                                                                                              \
        sum_row(job, 2, count, x, dy, part);                                                       \
    }
TILE_SIZES(DEFINE)
#undef DEFINE

/* Adds a row of dy, for a row of taps. */
static void add_row(const pairs_gradient *job, const u32 *x, const u32 *dy, float *part)
{
#define ROWS(count) {row_##count##_1, row_##count##_2},
    static row_sums *const sums[][TILE_VECTORS] = {TILE_SIZES(ROWS)};
    const pairs_geometry *g = &job->g;
    const int32_t tiles = tile_count(g->run);
    for (int32_t i = 0; i < tiles; i++) {
        const int32_t j = (int32_t)((int64_t)g->run * i / tiles);
        const int32_t count = (int32_t)((int64_t)g->run * (i + 1) / tiles) - j;
        for (int32_t o = 0; o < g->lanes; o += 2 * VW)
            sums[count - 1][g->lanes - o > VW](job, x + j, dy + o, part + j * g->lanes + o);
    }
}

/* Adds both numbers of each pair of a row. */
static void add_bias(const pairs_gradient *job, const u32 *dy, float *db)
{
    const pairs_geometry *g = &job->g;
    const V_pairs ones = _mm512_set1_epi32(0x3f803f80);
    for (int32_t o = 0; o < g->lanes; o += VW) {
        V sum = V_LOAD(db + o);
        for (int32_t i = 0; i < job->pairs; i++)
            sum = pairs_add(sum, ones, _mm512_loadu_si512(dy + (int64_t)i * g->lanes + o));
        V_STORE(db + o, sum);
    }
}

/* `count` rows of dy from `line` on, all of one image. */
static void add_rows(const pairs_gradient *job, int64_t line, int32_t count, float *part, float *db,
                     float *own)
{
    const pairs_geometry *g = &job->g;
    const int64_t n = line / g->oh, row = (int64_t)g->w * g->c;
    const int32_t oh = (int32_t)(line % g->oh);
    u32 *xs = (u32 *)(void *)own, *dys = xs + job->x_floats;
    bf16 *padded =
        (bf16 *)(void *)(dys + (size_t)job->rows * (size_t)job->pairs * (size_t)g->lanes);
    const int64_t from = direct_pairs_source(g, oh, 0) < 0 ? 0 : direct_pairs_source(g, oh, 0);
    int64_t end = direct_pairs_source(g, oh + count - 1, g->kh - 1) + 1;
    if (end > g->h) end = g->h;
    for (int64_t ih = from; ih < end; ih++)
        pair_row(job, job->x + (n * g->h + ih) * row, padded,
                 xs + (size_t)(ih - from) * job->x_row);
    for (int32_t i = 0; i < count; i++) {
        u32 *dy = dys + (size_t)i * (size_t)job->pairs * (size_t)g->lanes;
        if (job->pooled)
            pair_windows(job, n, oh + i, dy);
        else
            pair_gradient(job, n, oh + i, dy);
        if (job->db) add_bias(job, dy, db);
    }
    for (int32_t r = 0; r < g->kh; r++)
        for (int32_t i = 0; i < count; i++) {
            const int64_t ih = direct_pairs_source(g, oh + i, r);
            if (ih < 0 || ih >= g->h) continue;
            add_row(job, xs + (size_t)(ih - from) * job->x_row,
                    dys + (size_t)i * (size_t)job->pairs * (size_t)g->lanes,
                    part + (int64_t)r * g->run * g->lanes);
        }
}

static void chunk_item(void *user, size_t item, int thread)
{
    const pairs_gradient *job = user;
    const pairs_geometry *g = &job->g;
    const size_t floats = (size_t)g->kh * (size_t)g->run * (size_t)g->lanes;
    float *part = job->parts + item * floats, *db = job->db_parts + item * (size_t)g->lanes;
    int64_t line = (int64_t)item * job->lines_per_chunk, end = line + job->lines_per_chunk;
    if (end > job->lines) end = job->lines;
    memset(part, 0, floats * sizeof *part);
    if (job->db) memset(db, 0, (size_t)g->lanes * sizeof *db);
    while (line < end) {
        int64_t next = (line / g->oh + 1) * g->oh; /* image */
        if (next > line + job->rows) next = line + job->rows;
        if (next > end) next = end;
        add_rows(job, line, (int32_t)(next - line), part, db,
                 job->own + job->own_floats * (size_t)thread);
        line = next;
    }
}

/* One row of dw (a tap and channel), or db: the chunks in order. */
static void add_item(void *user, size_t item, int thread)
{
    (void)thread;
    const pairs_gradient *job = user;
    const pairs_geometry *g = &job->g;
    const size_t rows = (size_t)g->kh * (size_t)g->run;
    const bool bias = item == rows;
    const float *part = bias ? job->db_parts : job->parts + item * (size_t)g->lanes;
    const size_t step = bias ? (size_t)g->lanes : rows * (size_t)g->lanes;
    float *out = bias ? job->db : job->dw + item * (size_t)g->k;
    for (int32_t o = 0; o < g->k; o += VW) {
        V sum = V_SPLAT(0.0f);
        for (int32_t i = 0; i < job->chunks; i++) sum = sum + V_LOAD(part + (size_t)i * step + o);
        pairs_put(out + o, sum, job->accumulate, g->k - o);
    }
}

static bool can_dw(const conv_problem *p)
{
    const clade_conv2d_dw_args *a = &p->args.conv2d_dw;
    const conv_geometry g = CONV_GEOMETRY(a);
    return direct_pairs_can(p, &g);
}

static clade_status plan_dw(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    const clade_conv2d_dw_args *a = &p->args.conv2d_dw;
    const conv_geometry of = CONV_GEOMETRY(a);
    const pairs_geometry g = direct_pairs_geometry(&of, &a->x, &a->dw, &a->dy);
    pairs_gradient *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    job->g = g;
    job->pooled = p->pooled;
    job->accumulate = a->accumulate;
    job->pairs = (g.ow + 1) / 2;
    job->lines = (int64_t)a->x.dim[0] * g.oh;
    job->chunks =
        clade_conv_chunks(job->lines, (int64_t)clade_tensor_count(&a->dw), &job->lines_per_chunk);
    job->x_row = direct_pairs_row(&g);
    const size_t dy_row = cpu_product((size_t)job->pairs, (size_t)g.lanes);
    job->rows = g.oh < cpu->limits.band_rows ? g.oh : cpu->limits.band_rows;
    if (job->rows > job->lines_per_chunk) job->rows = (int32_t)job->lines_per_chunk;
    while (job->rows > 1 && cpu_product((size_t)job->rows, dy_row) > cpu->limits.band_floats)
        job->rows--;
    int64_t height = (int64_t)(job->rows - 1) * g.stride[0] + (int64_t)(g.kh - 1) * g.dilation + 1;
    if (height > g.h) height = g.h;
    job->x_floats = cpu_product((size_t)height, job->x_row);
    const size_t dy_floats =
        cpu_product((size_t)job->rows, dy_row) + job->x_row + (size_t)g.stride[1] * (size_t)g.c;
    job->own_floats = job->x_floats > SIZE_MAX - dy_floats ? SIZE_MAX : job->x_floats + dy_floats;
    const size_t parts = (size_t)job->chunks * (size_t)g.lanes;
    job->parts_at = cpu_reserve(plan, parts * (size_t)g.kh * (size_t)g.run);
    job->db_at = cpu_reserve(plan, clade_tensor_present(&a->db) ? parts : 0);
    job->own_at =
        cpu_reserve(plan, cpu_product((size_t)clade_pool_threads(cpu->pool), job->own_floats));
    return CLADE_OK;
}

static void run_dw(cpu_context *cpu, const void *state, const conv_memory *m)
{
    pairs_gradient job = *(const pairs_gradient *)state;
    job.x = m->x;
    job.dy = m->dy;
    job.index = m->index;
    job.dw = m->dw;
    job.db = m->db;
    job.parts = m->workspace + job.parts_at;
    job.db_parts = m->workspace + job.db_at;
    job.own = m->workspace + job.own_at;
    clade_pool_for(cpu->pool, (size_t)job.chunks, chunk_item, &job);
    clade_pool_for(cpu->pool, (size_t)job.g.kh * (size_t)job.g.run + (job.db ? 1 : 0), add_item,
                   &job);
}

const conv_algorithm CPU_NAME(direct_pairs_dw) = {"direct-bf16", true, can_dw, plan_dw, run_dw};
