/* Sums over the rows of [m, c] as trees (clade/ops.h) on the CPU. A run of neighbouring blocks, a
 * power of two of them, is summed by one thread into a binary counter of partial sums: level i has
 * the sum of 2^i blocks where bit i of the blocks so far is set. Then the runs' sums are added. */
#ifndef CLADE_CPU_TREE_H
#define CLADE_CPU_TREE_H

#include "cpu/cpu.h"

#include "../../kernels/norm.clh"

enum { tree_most_width = 64 }; /* where there are several lanes */

/* `lanes` rows side by side are one of `width` floats: `rows` whole ones and `tail` floats of
 * another. */
typedef struct cpu_tree {
    size_t c, lanes, width, rows, tail;
    size_t blocks, run, runs, levels; /* `run` blocks in each of the runs */
} cpu_tree;

static inline cpu_tree cpu_tree_of(int64_t m, size_t c, size_t most_runs)
{
    cpu_tree t = {.c = c, .lanes = 1, .run = 1, .levels = 1};
    if (c < tree_most_width) t.lanes = (size_t)clade_tree_lanes((int32_t)c);
    t.width = t.lanes * c;
    t.rows = (size_t)m / t.lanes;
    t.tail = (size_t)m % t.lanes * c;
    t.blocks = (t.rows + (t.tail > 0) + CLADE_TREE_ROWS - 1) / CLADE_TREE_ROWS;
    for (; t.blocks > most_runs * t.run; t.run *= 2) t.levels++;
    t.runs = (t.blocks + t.run - 1) / t.run;
    return t;
}

/* Floats of a run's levels; with `sets` 2 a level has two sums of each column, one set behind the
 * other. */
static inline size_t cpu_tree_floats(const cpu_tree *t, size_t sets)
{
    return cpu_product(t->levels, sets * t->width);
}

/* What is summed; mean has a value for each column, also where there are lanes. */
typedef struct cpu_columns {
    const float *x, *dy, *mean;
    float *level; /* [runs, levels, sets, width] */
} cpu_columns;

/* Gives each lane the values of the channels. */
static inline void tree_widen(const cpu_tree *t, const float *values, float *wide)
{
    for (size_t i = 0; i < t->lanes; i++) memcpy(wide + i * t->c, values, t->c * sizeof *wide);
}

/* ---- a run ---- */

/* Puts the sum of block i of a run into the counter at `level`, `step` floats from one level to the
 * next. */
INLINE void tree_count(float *level, size_t step, size_t i, V *sum, const int nv, const int lanes)
{
    for (; i & 1; i >>= 1, level += step) {
        UNROLL
        for (int v = 0; v < nv; v++) sum[v] = LANES_LOAD(level + v * VW, lanes) + sum[v];
    }
    UNROLL
    for (int v = 0; v < nv; v++) LANES_STORE(level + v * VW, sum[v], lanes);
}

/* The sums of the block that begins at `row`, for nv vectors of columns from k on. */
INLINE void tree_block_sums(const cpu_tree *t, const cpu_columns *s, size_t row, size_t k, V *sum,
                            V *product, const int what, const int nv, const int lanes)
{
    const size_t at = row * t->width + k, left = t->rows - row;
    const size_t count = left < CLADE_TREE_ROWS ? left : CLADE_TREE_ROWS;
    const float *dy = NORM_OF_TWO(what) ? s->dy + at : NULL;
    V mean[NORM_VECTORS] = {0};
    if (NORM_CENTERED(what)) {
        UNROLL
        for (int v = 0; v < nv; v++) mean[v] = LANES_LOAD(s->mean + k + v * VW, lanes);
    }
    norm_add(sum, product, s->x + at, dy, mean, count, t->width, what, nv, lanes);
    if (left < CLADE_TREE_ROWS && k < t->tail) {
        const size_t end = at + left * t->width, more = t->tail - k, most = (size_t)(nv * lanes);
        norm_add_part(sum, product, s->x + end, s->dy ? s->dy + end : NULL, mean,
                      (int)(more < most ? more : most), what, nv);
    }
}

/* Block i of a run into its levels. */
INLINE void tree_block(const cpu_tree *t, const cpu_columns *s, float *level, size_t i, size_t row,
                       size_t k, const int what, const int nv, const int lanes)
{
    const size_t step = (what == NORM_SLOPES ? 2 : 1) * t->width;
    V sum[NORM_VECTORS] = {0}, product[NORM_VECTORS] = {0};
    tree_block_sums(t, s, row, k, sum, product, what, nv, lanes);
    tree_count(level + k, step, i, sum, nv, lanes);
    if (what == NORM_SLOPES) tree_count(level + t->width + k, step, i, product, nv, lanes);
}

/* Adds what n blocks have left in the levels of `width` columns, from the lowest level to the
 * highest; the sum lies in the first. */
static inline void tree_collapse(float *level, size_t levels, size_t step, size_t n, size_t width)
{
    const float *from = NULL;
    for (size_t l = 0; l < levels; l++) {
        if (!(n >> l & 1)) continue;
        float *more = level + l * step;
        for (size_t k = 0; k < width && from; k++) more[k] = more[k] + from[k];
        from = more;
    }
    if (from != level) memcpy(level, from, width * sizeof *level);
}

/* The sums of a run, for channels [first, end), into its first level. */
INLINE void tree_run(const cpu_tree *t, const cpu_columns *s, size_t run, size_t first, size_t end,
                     const int what)
{
    const size_t sets = what == NORM_SLOPES ? 2 : 1, step = sets * t->width;
    const size_t begin = run * t->run, left = t->blocks - begin;
    const size_t n = left < t->run ? left : t->run;
    const bool whole = end - first == t->c; /* all lanes' columns lie side by side */
    const size_t pieces = whole ? 1 : t->lanes, width = whole ? t->width : end - first;
    float *level = s->level + run * t->levels * step;
    for (size_t i = 0; i < n; i++)
        for (size_t piece = 0; piece < pieces; piece++) {
            const size_t row = (begin + i) * CLADE_TREE_ROWS, at = first + piece * t->c;
            size_t k = 0;
            for (; k + NORM_VECTORS * VW <= width; k += NORM_VECTORS * VW)
                tree_block(t, s, level, i, row, at + k, what, NORM_VECTORS, VW);
#define BODY(lane, lanes) tree_block(t, s, level, i, row, at + k + (size_t)(lane), what, 1, lanes)
            FOR_LANES((int32_t)(width - k), BODY);
#undef BODY
        }
    for (size_t piece = 0; piece < sets * t->lanes; piece++)
        tree_collapse(level + piece * t->c + first, t->levels, step, n, end - first);
}

/* ---- totals ---- */

/* What is left of the runs' sums and the lanes of channels [first, end): their totals lie at the
 * begin of each set of the first level. */
static inline void tree_join(const cpu_tree *t, const cpu_columns *s, size_t sets, size_t first,
                             size_t end)
{
    const size_t step = cpu_tree_floats(t, sets);
    for (size_t apart = 1; apart < t->runs; apart *= 2)
        for (size_t run = 0; run + apart < t->runs; run += 2 * apart)
            for (size_t piece = 0; piece < sets * t->lanes; piece++) {
                float *to = s->level + run * step + piece * t->c, *from = to + apart * step;
                for (size_t k = first; k < end; k++) to[k] = to[k] + from[k];
            }
    for (size_t set = 0; set < sets; set++) {
        float *to = s->level + set * t->width;
        for (size_t half = t->lanes / 2; half; half /= 2)
            for (size_t lane = 0; lane < half; lane++)
                for (size_t k = lane * t->c + first; k < lane * t->c + end; k++)
                    to[k] = to[k] + to[k + half * t->c];
        for (size_t k = first; k < end; k++) to[k] = 0.0f + to[k];
    }
}

#endif
