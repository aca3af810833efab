/* Direct convolution of bfloat16 tensors by products of pairs, in fast math: pairs of numbers that
 * lie side by side in a row of the source, which is copied with zeros around where it is padded. */
#include "cpu/direct_pairs.h"

/* Do rows of results reach into the padding, or behind the images' last column? */
static bool makes_copies(const pairs_geometry *g) { return g->left || g->span > g->w; }

/* The rows of taps first … end − 1 that lie in the image for row `oh` of results. */
typedef struct pairs_taps {
    int32_t first, end;
} pairs_taps;

static pairs_taps taps_of(const pairs_geometry *g, int32_t oh)
{
    const int64_t row = (int64_t)oh * g->stride[0] - g->top;
    pairs_taps t = {0, g->kh};
    while (t.first < t.end && row + (int64_t)t.first * g->dilation < 0) t.first++;
    while (t.end > t.first && row + (int64_t)(t.end - 1) * g->dilation >= g->h) t.end--;
    return t;
}

typedef struct pairs_forward {
    conv_state head;
    pairs_geometry g;
    bool pooled, copies;
    int32_t rows;      /* of results in an item: 1, or 2 where they are pooled */
    int32_t pairs;     /* in a row of taps */
    size_t row_floats; /* of a copy of what a row of results reads */
    size_t items, weights_at, rows_at;
    /* by run: */
    const bf16 *x, *w;
    bf16 *y;
    uint8_t *taken;
    conv_epilogue epilogue;
    u32 *weights; /* [vector of filters][row of taps][pair][VW] */
    float *copy;  /* each thread's rows of x: of one row of results, then of the next */
} pairs_forward;

/* A row of taps for a vector of filters. */
static void pack_item(void *user, size_t item, int thread)
{
    (void)thread;
    const pairs_forward *job = user;
    const pairs_geometry *g = &job->g;
    const int32_t r = (int32_t)(item % (size_t)g->kh), o = (int32_t)(item / (size_t)g->kh) * VW;
    const bf16 *w = job->w + (int64_t)r * g->run * g->k + o;
    u32 *to = job->weights + item * (size_t)job->pairs * VW;
    for (int32_t i = 0; i < g->run; i += 2, w += 2 * g->k, to += VW)
        pairs_store(to, pairs_join(w, i + 1 < g->run ? w + g->k : NULL, g->k - o));
}

/* What a row of results reads: its taps, the first one's row, and how far apart rows are. */
typedef struct pairs_source {
    pairs_taps taps;
    const bf16 *row;
    int64_t step;
} pairs_source;

static pairs_source source_of(const pairs_forward *job, int64_t n, int32_t oh, float *copy)
{
    const pairs_geometry *g = &job->g;
    const int64_t line = (int64_t)g->w * g->c;
    pairs_source s = {.taps = taps_of(g, oh), .step = g->dilation * line};
    if (s.taps.first == s.taps.end) return s;
    s.row = job->x + (n * g->h + direct_pairs_source(g, oh, s.taps.first)) * line;
    if (!job->copies) return s;
    bf16 *to = (bf16 *)(void *)copy;
    for (int32_t r = s.taps.first; r < s.taps.end; r++, s.row += s.step, to += direct_pairs_row(g))
        direct_pairs_copy(g, s.row, to);
    s.row = (const bf16 *)(const void *)copy;
    s.step = (int64_t)direct_pairs_row(g);
    return s;
}

/* acc[pixel] = the sums of a vector of filters, from pixel `first` on. */
INLINE_FOR void sum_pixels(const pairs_forward *job, V acc[TILE_PIXELS][TILE_VECTORS], const int pb,
                           const pairs_source *s, int32_t first, const u32 *weights)
{
    const pairs_geometry *g = &job->g;
    const int64_t step = (int64_t)g->stride[1] * g->c;
    const bf16 *row = s->row + first * step;
    weights += (int64_t)s->taps.first * job->pairs * VW;
    tile_clear(acc, pb, 1);
    for (int32_t r = s->taps.first; r < s->taps.end;
         r++, weights += job->pairs * VW, row += s->step)
        pairs_product(acc, pb, 1, row, step, weights, VW, g->run);
}

/* The results of `pb` pixels from `first` on, of a vector of filters from o on, at y. */
INLINE_FOR void put_pixels(const pairs_forward *job, const int pb, const pairs_source *s,
                           int32_t first, int32_t o, bf16 *y)
{
    const pairs_geometry *g = &job->g;
    const u32 *weights = job->weights + (int64_t)(o / VW) * g->kh * job->pairs * VW;
    const conv_epilogue f = conv_epilogue_at(&job->epilogue, o, 0);
    const int32_t lanes = g->k - o;
    V acc[TILE_PIXELS][TILE_VECTORS];
    sum_pixels(job, acc, pb, s, first, weights);
    conv_epilogue_sums(&f, &acc[0][0], pb, TILE_VECTORS, 0, lanes);
    y += (int64_t)first * g->k + o;
    EACH_PIXEL(p, pb) bf16_store(y + (int64_t)p * g->k, acc[p][0], lanes);
}

/* The largest of each of `windows` windows of two rows from `first` on, likewise; index: placed as
 * y, or NULL. */
INLINE_FOR void put_windows(const pairs_forward *job, const int windows, const pairs_source s[2],
                            int32_t first, int32_t o, bf16 *y, uint8_t *index)
{
    const pairs_geometry *g = &job->g;
    const u32 *weights = job->weights + (int64_t)(o / VW) * g->kh * job->pairs * VW;
    const conv_epilogue f = conv_epilogue_at(&job->epilogue, o, 0);
    const int32_t lanes = g->k - o;
    const int64_t at = (int64_t)first * g->k + o;
    V acc[2][TILE_PIXELS][TILE_VECTORS];
    UNROLL
    for (int a = 0; a < 2; a++) {
        sum_pixels(job, acc[a], 2 * windows, &s[a], 2 * first, weights);
        conv_epilogue_sums(&f, &acc[a][0][0], 2 * windows, TILE_VECTORS, 0, lanes);
    }
    EACH_PIXEL(i, windows)
    {
        const V window[4] = {acc[0][2 * i][0], acc[0][2 * i + 1][0], acc[1][2 * i][0],
                             acc[1][2 * i + 1][0]};
        V_mask from;
        const V best = conv_pool_best(window, f.act == ACT_RELU, &from);
        bf16_store(y + at + (int64_t)i * g->k, best, lanes);
        if (index) conv_pool_store_index(index + at + (int64_t)i * g->k, from, lanes);
    }
}

#define DEFINE(pb)                                                                                 \
    static void pixels_##pb(const pairs_forward *job, const pairs_source *s, int32_t first,        \
                            int32_t o, bf16 *y, uint8_t *index)                                    \
    {                                                                                              \
        (void)index;                                                                               \
        put_pixels(job, pb, s, first, o, y);                                                       \
    }
TILE_SIZES(DEFINE)
#undef DEFINE
#define DEFINE(windows)                                                                            \
    static void windows_##windows(const pairs_forward *job, const pairs_source *s, int32_t first,  \
                                  int32_t o, bf16 *y, uint8_t *index)                              \
    {                                                                                              \
        put_windows(job, windows, s, first, o, y, index);                                          \
    }
TILE_WINDOWS(DEFINE)
#undef DEFINE

typedef void put_tile(const pairs_forward *job, const pairs_source *s, int32_t first, int32_t o,
                      bf16 *y, uint8_t *index);

/* A row of results, or of windows of two. */
static void forward_item(void *user, size_t item, int thread)
{
#define PIXELS(pb) pixels_##pb,
#define WINDOWS(windows) windows_##windows,
    static put_tile *const pixels[] = {TILE_SIZES(PIXELS)}, *const windows[] = {
                                                                TILE_WINDOWS(WINDOWS)};
    const pairs_forward *job = user;
    const pairs_geometry *g = &job->g;
    const int32_t lines = g->oh / job->rows, columns = g->ow / job->rows;
    const int32_t line = (int32_t)(item % (size_t)lines), most = tile_most / job->rows;
    const int64_t n = (int64_t)(item / (size_t)lines), out = (n * lines + line) * columns * g->k;
    float *copy = job->copy + job->row_floats * (size_t)job->rows * (size_t)thread;
    pairs_source s[2];
    for (int32_t a = 0; a < job->rows; a++)
        s[a] = source_of(job, n, line * job->rows + a, copy + job->row_floats * (size_t)a);
    const int32_t tiles = (columns + most - 1) / most;
    for (int32_t i = 0; i < tiles; i++) {
        const int32_t first = (int32_t)((int64_t)columns * i / tiles);
        const int32_t count = (int32_t)((int64_t)columns * (i + 1) / tiles) - first;
        put_tile *const put = job->pooled ? windows[count - 1] : pixels[count - 1];
        for (int32_t o = 0; o < g->k; o += VW)
            put(job, s, first, o, job->y + out, job->taken ? job->taken + out : NULL);
    }
}

static bool can(const conv_problem *p)
{
    const clade_conv2d_args *a = &p->args.conv2d;
    const conv_geometry g = CONV_GEOMETRY(a);
    return direct_pairs_can(p, &g) && !conv_epilogue_leaves(a->act);
}

static clade_status plan_forward(const cpu_context *cpu, const conv_problem *p, clade_plan *plan)
{
    const clade_conv2d_args *a = &p->args.conv2d;
    const conv_geometry of = CONV_GEOMETRY(a);
    const pairs_geometry g = direct_pairs_geometry(&of, &a->x, &a->w, &a->y);
    pairs_forward *job = clade_cpu_state(plan, sizeof *job);
    if (!job) return CLADE_ENOMEM;
    job->g = g;
    job->pooled = p->pooled;
    job->copies = makes_copies(&g);
    job->rows = p->pooled ? 2 : 1;
    job->pairs = (g.run + 1) / 2;
    if (job->copies) job->row_floats = cpu_product((direct_pairs_row(&g) + 1) / 2, (size_t)g.kh);
    job->items = (size_t)a->x.dim[0] * (size_t)(g.oh / job->rows);
    job->weights_at = cpu_reserve(plan, (size_t)g.lanes * (size_t)g.kh * (size_t)job->pairs);
    job->rows_at =
        cpu_reserve(plan, cpu_product((size_t)clade_pool_threads(cpu->pool) * (size_t)job->rows,
                                      job->row_floats));
    return CLADE_OK;
}

static void run_forward(cpu_context *cpu, const void *state, const conv_memory *m)
{
    pairs_forward job = *(const pairs_forward *)state;
    job.x = m->x;
    job.w = m->w;
    job.y = m->y;
    job.taken = m->taken;
    job.epilogue = m->epilogue;
    job.weights = (u32 *)(void *)(m->workspace + job.weights_at);
    job.copy = m->workspace + job.rows_at;
    clade_pool_for(cpu->pool, (size_t)(job.g.lanes / VW) * (size_t)job.g.kh, pack_item, &job);
    clade_pool_for(cpu->pool, job.items, forward_item, &job);
}

const conv_algorithm CPU_NAME(direct_pairs) = {"direct-bf16", true, can, plan_forward, run_forward};
