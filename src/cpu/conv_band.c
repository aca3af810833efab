/* Bands of results of a direct convolution or an input gradient on the CPU: rows that reach into
 * the padding are copied with zeros around them, so that every tile is whole (a product with zero
 * adds nothing: the bits are those of leaving it out). Results that are pooled are so two rows at a
 * time, in registers; a pooled gradient is unpooled by the copies. */
#include "cpu/conv_direct.h"
#include "cpu/conv_pool.h"
#include "cpu/tile.h"

#include <string.h>

/* Results first … first + count − 1 of rows j0 … j1 − 1 of image n; where they are pooled, these
 * are two whole rows of 2 x 2 windows. */
typedef struct direct_band {
    int64_t n;
    int32_t j0, j1, first, count;
    int32_t b0, b1;  /* blocks of each group */
    float *out;      /* where the first row's first result's first channel goes */
    int64_t out_row; /* from one row to the next */
} direct_band;

/* Where the source of some rows of results lies. */
typedef struct source_rows {
    const float *row; /* the first row, at the first result's first tap */
    int32_t first;    /* which of the source's rows that is */
    int64_t row_floats;
} source_rows;

/* Copies source rows first … end − 1 of image n, columns left … left + width, zeros where they
 * lie outside. */
static void copy_rows(const direct_job *job, int64_t n, int32_t first, int32_t end, int32_t left,
                      int32_t width, float *to)
{
    int32_t channels = job->groups * job->cin, size = job->column.size;
    size_t all = (size_t)width * (size_t)channels;
    if (job->unpool) {
        int64_t pooled = n * (job->row.size / 2) * (size / 2) * channels;
        const conv_unpool unpool = {job->src + pooled, job->index + pooled, job->row.size, size,
                                    channels};
        for (int32_t i = first; i < end; i++, to += all)
            CPU_NAME(conv_unpool_row)(&unpool, i, left, width, to);
        return;
    }
    int32_t from = left < 0 ? 0 : left, until = left + width > size ? size : left + width;
    if (until < from) from = until = left + width;
    size_t before = (size_t)(from - left) * (size_t)channels;
    size_t middle = (size_t)(until - from) * (size_t)channels;
    const float *x = job->src + ((n * job->row.size + first) * size + from) * (int64_t)channels;
    for (int32_t i = first; i < end; i++, to += all, x += (int64_t)size * channels) {
        memset(to, 0, before * sizeof *to);
        if (middle) memcpy(to + before, x, middle * sizeof *to);
        memset(to + before + middle, 0, (all - before - middle) * sizeof *to);
    }
}

/* What the tiles of row j of results have in common. */
static tile_job row_tiles(const direct_job *job, int32_t j, source_rows source)
{
    const conv_axis *row = &job->row, *column = &job->column;
    int32_t r0 = conv_axis_from(*row, j), r1 = conv_axis_to(*row, j), taps = column->taps;
    int64_t channels = (int64_t)job->groups * job->cin;
    int64_t tap = (row->first_tap + r0 * row->tap_step) * (int64_t)job->window + column->first_tap;
    /* taps that lie side by side, in source and weights, are one long run */
    bool run = column->reach == 1 && column->tap_step == 1 && job->groups == 1;
    tile_job t = {
        .src = source.row,
        .step = column->stride * channels,
        .src_row = row->reach * source.row_floats,
        .src_column = column->reach * channels,
        .w = job->weights + tap * job->w_tap,
        .w_row = row->tap_step * job->window * job->w_tap,
        .w_column = column->tap_step * job->w_tap,
        .w_step = job->lanes,
        .rows = taps ? r1 - r0 : 0,
        .columns = run ? 1 : taps,
        .len = run ? taps * job->cin : job->cin,
        .accumulate = job->accumulate,
    };
    int32_t at = j * row->stride + row->base + r0 * row->reach;
    if (r1 > r0) t.src += (at - source.first) * source.row_floats;
    return t;
}

/* One row of results, or of windows of two rows. */
static void conv_row(const direct_job *job, const direct_band *band, int32_t j, source_rows source)
{
    const int side = job->pooled ? 2 : 1; /* of a window */
    int64_t out_channels = (int64_t)job->groups * job->cout;
    tile_job t[2];
    const float *src[2], *w[2];
    for (int a = 0; a < side; a++) {
        t[a] = row_tiles(job, j + a, source);
        src[a] = t[a].src;
        w[a] = t[a].w;
    }
    t[0].y_step = job->pooled ? out_channels : job->column.out_stride * out_channels;
    /* pixels a multiple of 4 KiB apart share a set of the first-level cache, which has 8 places */
    bool crowded = t[0].step % 1024 == 0 && tile_most > 7;
    int32_t most = (crowded ? 7 : tile_most) / side, count = band->count / side;
    int32_t tiles = (count + most - 1) / most;
    float *out = band->out + (j - band->j0) / side * band->out_row;
    for (int32_t g = 0; g < job->groups; g++) {
        for (int32_t b = band->b0; b < band->b1; b++) {
            int64_t lane = g * job->cout + b * job->lanes;
            int32_t lanes = job->cout - b * job->lanes;
            t[0].lanes = lanes < job->lanes ? lanes : job->lanes;
            int vectors = t[0].lanes > VW ? 2 : 1;
            for (int32_t i = 0; i < tiles; i++) {
                int32_t p = (int32_t)((int64_t)count * i / tiles);
                int32_t n = (int32_t)((int64_t)count * (i + 1) / tiles) - p;
                for (int a = 0; a < side; a++) {
                    t[a].src = src[a] + p * side * t[a].step + g * job->cin;
                    t[a].w = w[a] + (g * job->blocks + b) * job->w_block;
                }
                t[0].y = out + p * t[0].y_step + lane;
                t[0].epilogue =
                    conv_epilogue_at(&job->epilogue, lane, job->epilogue.z ? t[0].y - job->out : 0);
                if (!job->pooled) {
                    CPU_NAME(tile_forward)(t, n, vectors);
                    continue;
                }
                uint8_t *taken = job->taken ? job->taken + (t[0].y - job->out) : NULL;
                CPU_NAME(tile_pooled)(t, taken, n);
            }
        }
    }
    int64_t from = band->b0 * job->lanes;
    int64_t to = band->b1 < job->blocks ? band->b1 * job->lanes : out_channels;
    for (int32_t p = 0; conv_epilogue_leaves(job->epilogue.act) && p < count; p++)
        conv_epilogue_rest(job->epilogue.act, job->epilogue.alpha, out + p * t[0].y_step + from,
                           to - from);
}

static void run_band(const direct_job *job, const direct_band *band, int thread)
{
    const conv_axis *row = &job->row, *column = &job->column;
    int64_t channels = (int64_t)job->groups * job->cin;
    int32_t left = band->first * column->stride + column->base, taps = column->taps;
    int32_t span = (band->count - 1) * column->stride + (taps ? (taps - 1) * column->reach : 0) + 1;
    bool copies = taps && (job->unpool || left < 0 || left + span > column->size);
    float *copy = job->rows + job->row_floats * (size_t)thread;
    int32_t step = copies ? job->band : band->j1 - band->j0;
    for (int32_t j0 = band->j0; j0 < band->j1; j0 += step) {
        int32_t j1 = band->j1 - j0 < step ? band->j1 : j0 + step;
        int32_t first = j0 * row->stride + row->base;
        int32_t end = (j1 - 1) * row->stride + row->base + (row->taps - 1) * row->reach + 1;
        if (first < 0) first = 0;
        if (end > row->size) end = row->size;
        source_rows source = {copy, first, span * channels};
        if (copies) {
            copy_rows(job, band->n, first, end, left, span, copy);
        } else {
            source.row_floats = column->size * channels;
            source.row = job->src;
            if (taps && first < end)
                source.row += ((band->n * row->size + first) * column->size + left) * channels;
        }
        for (int32_t j = j0; j < j1; j += job->pooled ? 2 : 1) conv_row(job, band, j, source);
    }
}

/* Some blocks of one segment of a band of results. */
void CPU_NAME(direct_item)(void *user, size_t item, int thread)
{
    const direct_job *job = user;
    const conv_axis *row = &job->row, *column = &job->column;
    int32_t part = (int32_t)(item % (size_t)job->parts);
    size_t at = item / (size_t)job->parts;
    int32_t first = (int32_t)(at % (size_t)job->segments) * job->segment;
    at /= (size_t)job->segments;
    size_t bands = ((size_t)row->count + (size_t)job->band - 1) / (size_t)job->band;
    int32_t j = (int32_t)(at % bands) * job->band, side = job->pooled ? 2 : 1;
    int64_t n = (int64_t)(at / bands), out_row = (int64_t)job->out_w * job->groups * job->cout;
    direct_band band = {
        .n = n,
        .j0 = j,
        .j1 = row->count - j < job->band ? row->count : j + job->band,
        .first = first,
        .count = column->count - first < job->segment ? column->count - first : job->segment,
        .b0 = (int32_t)((int64_t)job->blocks * part / job->parts),
        .b1 = (int32_t)((int64_t)job->blocks * (part + 1) / job->parts),
        .out_row = row->out_stride * out_row,
    };
    band.out = job->out + (n * job->out_h + row->first + j / side * row->out_stride) * out_row +
               (column->first + (int64_t)first * column->out_stride) * job->groups * job->cout;
    run_band(job, &band, thread);
}
