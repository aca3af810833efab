/* conv2d_dw and dense_dw: weight gradients by register tiles.
 *
 * Options: VW lanes in a vector, NV vectors of filters in a tile, PB floats of x (channels of
 * neighbouring taps) in a tile; PB divides their number. */
#include "opencl.clh"
#include "column.clh"
#include "conv.clh"
#include "conv_job.clh"
#include "conv_pool.clh"

#ifndef NV
#define NV 1
#endif
#ifndef PB
#define PB 1
#endif

/* Copies [n, groups, kg] with every group rounded up to `lanes`, zeros behind. One work-item per
 * float. */
kernel void conv_pad_lanes(TENSOR(const float, x), TENSOR(float, to), ulong n, int kg, int lanes)
{
    ulong i = get_global_id(0);
    if (i >= n) return;
    ulong group = i / lanes;
    int lane = (int)(i % lanes);
    to[to0 + i] = lane < kg ? x[x0 + group * kg + lane] : 0.0f;
}

/* Where the share of work-item `id` of n parts begins, of those along dimension 2. */
INLINE int share(int n, size_t id) { return (int)((long)n * id / get_global_size(2)); }

/* Pixels from … end − 1 of a row, some of whose taps lie outside: those add 0. first: the tile's
 * first float of x within a row of taps. */
INLINE_FOR void edge_pixels(V acc[TILE_PIXELS][TILE_VECTORS], const int nv, const conv_dw_job *job,
                            global const float *x, int first, int from, int end,
                            global const float *dy)
{
    int filters = job->groups * job->lanes;
    for (int ow = from; ow < end; ow++) {
        int left = -(ow * job->stride_w - job->pad_w), right = job->w + left; /* of s · dilation */
        int s0 = left > 0 ? (left + job->dilation_w - 1) / job->dilation_w : 0;
        int s1 = right > 0 ? (right - 1) / job->dilation_w + 1 : 0;
        int j0 = s0 * job->cg - first, j1 = s1 * job->cg - first;
        V d[TILE_VECTORS];
        EACH_VECTOR(v, nv) d[v] = V_LOAD(dy + (long)ow * filters + v * VW);
        EACH_PIXEL(j, PB)
        {
            V xv = V_SPLAT(j >= j0 && j < j1 ? x[(long)ow * job->stride_w * job->c + j] : 0.0f);
            EACH_VECTOR(v, nv) acc[j][v] = V_FMA(xv, d[v], acc[j][v]);
        }
    }
}

/* `count` rows of pixels into one tile of the partial sums; rows of x and dy are x_row and dy_row
 * apart. */
INLINE_FOR void sum_rows(const conv_dw_job *job, const int nv, global const float *x, long x_row,
                         global const float *dy, long dy_row, int count, int first,
                         global float *part)
{
    int filters = job->groups * job->lanes, x_step = job->stride_w * job->c;
    V acc[TILE_PIXELS][TILE_VECTORS];
    EACH_PIXEL(i, PB)
    EACH_VECTOR(v, nv) acc[i][v] = V_LOAD(part + (long)i * filters + v * VW);
    for (int row = 0; row < count; row++, x += x_row, dy += dy_row) {
        edge_pixels(acc, nv, job, x, first, 0, job->low, dy);
        tile_weights(acc, PB, nv, x + (long)job->low * x_step, x_step,
                     dy + (long)job->low * filters, filters, job->high - job->low);
        edge_pixels(acc, nv, job, x, first, job->high, job->ow, dy);
    }
    EACH_PIXEL(i, PB)
    EACH_VECTOR(v, nv) V_STORE(part + (long)i * filters + v * VW, acc[i][v]);
}

/* `count` rows of the full gradient from the pooled one, from `line` of all images' rows on. */
INLINE void unpool_lines(const conv_dw_job *job, global const float *dy, global const uchar *index,
                         long line, int count, global float *to)
{
    int k = job->k;
    for (int i = 0; i < count; i++, line++, to += (long)job->ow * k) {
        int row = (int)(line % job->oh), tap = row % 2 * 2;
        int windows = row / 2 < job->oh / 2 ? job->ow / 2 : 0;
        long from = (line / job->oh * (job->oh / 2) + row / 2) * (job->ow / 2) * k;
        for (int j = 0; j < windows; j++)
            for (int o = 0; o < k; o += VW) {
                long at = from + (long)j * k + o;
                UNROLL
                for (int s = 0; s < 2; s++)
                    V_STORE(to + (long)(2 * j + s) * k + o,
                            conv_pool_element(dy + at, index + at, tap + s, VW));
            }
        for (int o = 2 * windows * k; o < job->ow * k; o += VW) V_STORE(to + o, V_SPLAT(0.0f));
    }
}

/* Adds `pixels` pixels of dy to the partial sums of db. */
INLINE void sum_bias(const conv_dw_job *job, global const float *dy, long pixels, global float *db)
{
    int filters = job->groups * job->lanes;
    for (int o = 0; o < filters; o += VW) {
        V sum = V_LOAD(db + o);
        for (long p = 0; p < pixels; p++) sum = sum + V_LOAD(dy + p * filters + o);
        V_STORE(db + o, sum);
    }
}

/* Partial sums of one row of taps, r, from `count` rows of dy from `line` on, which are of one
 * image and lie at dy. A work-item takes every get_global_size-th block of filters and tile. */
INLINE void sum_taps(const conv_dw_job *job, global const float *x, global const float *dy,
                     long line, int count, int r, global float *part)
{
    int group_blocks = (job->lanes + NV * VW - 1) / (NV * VW), blocks = job->groups * group_blocks;
    int run_tiles = job->run / PB, tiles = job->columns * run_tiles;
    int filters = job->groups * job->lanes, oh = (int)(line % job->oh);
    int at = oh * job->stride_h - job->pad_h + r * job->dilation_h; /* row of x */
    long x_row = (long)job->w * job->c, dy_row = (long)job->ow * filters;
    for (; count > 0 && at < 0; count--, at += job->stride_h) dy += dy_row;
    while (count > 0 && at + (count - 1) * job->stride_h >= job->h) count--;
    if (count <= 0) return;
    x += (line / job->oh * job->h + at) * x_row - job->pad_w * job->c;
    for (int t = get_global_id(1); t < tiles; t += get_global_size(1))
        for (int b = get_global_id(0); b < blocks; b += get_global_size(0)) {
            int group = b / group_blocks, lane = b % group_blocks * NV * VW;
            int s = t / run_tiles, j = t % run_tiles * PB;
            global const float *xp = x + (long)s * job->dilation_w * job->c + group * job->cg + j;
            global const float *dp = dy + group * job->lanes + lane;
            global float *to =
                part + ((long)s * job->run + j) * filters + group * job->lanes + lane;
            if (NV == 1 || job->lanes - lane > VW)
                sum_rows(job, NV, xp, job->stride_h * x_row, dp, dy_row, count, s * job->run + j,
                         to);
            else
                sum_rows(job, 1, xp, job->stride_h * x_row, dp, dy_row, count, s * job->run + j,
                         to);
        }
}

/* Partial sums of chunks of rows, of dw and, where sums_bias, of db. Grid: block of filters of all
 * groups, tile of x within a row of taps, (chunk, rows of taps); a work-item takes every
 * get_global_size-th block and tile and its share of the chunks, with `taps` rows of taps at a
 * time. On a CPU there is one along the first two dimensions and few along the third, and `band`
 * rows of dy stay in the cache while all tiles read them; on a GPU each has its own tile. Only the
 * former sum up db, and take a pooled dy, of whole vectors and one group, which each unpools in
 * memory of its own, `own`: [work-item][band][ow][k]. */
kernel void conv_dw_part(TENSOR(const float, x), TENSOR(const float, dy),
                         TENSOR(const uchar, index), TENSOR(float, own), TENSOR(float, parts),
                         TENSOR(float, db_parts), int taps, int band, int sums_bias,
                         conv_dw_job job)
{
    int filters = job.groups * job.lanes, items = job.kh / taps;
    long row = (long)job.kw * job.cg * filters, dy_row = (long)job.ow * filters;
    long lines = (long)job.images * job.oh;
    int group_blocks = (job.lanes + NV * VW - 1) / (NV * VW);
    own += own0 + get_global_id(2) * band * dy_row;
    int last = share(job.chunks * items, get_global_id(2) + 1);
    for (int item = share(job.chunks * items, get_global_id(2)); item < last; item++) {
        int chunk = item / items, r0 = item % items * taps;
        global float *part = parts + parts0 + chunk * job.kh * row;
        global float *db = db_parts + db_parts0 + (long)chunk * filters;
        for (int t = get_global_id(1); t < taps * job.columns * job.run / PB;
             t += get_global_size(1))
            for (int b = get_global_id(0); b < job.groups * group_blocks; b += get_global_size(0)) {
                int lane = b % group_blocks * NV * VW;
                global float *to =
                    part + r0 * row + (long)t * PB * filters + b / group_blocks * job.lanes + lane;
                for (int i = 0; i < PB; i++)
                    for (int v = 0; v < NV && lane + v * VW < job.lanes; v++)
                        V_STORE(to + (long)i * filters + v * VW, V_SPLAT(0.0f));
            }
        bool bias = sums_bias && r0 == 0;
        for (int o = 0; bias && o < filters; o += VW) V_STORE(db + o, V_SPLAT(0.0f));
        long line = (long)chunk * job.lines_per_chunk, end = min(line + job.lines_per_chunk, lines);
        while (line < end) {
            long image_end = (line / job.oh + 1) * job.oh;
            int count = (int)(min(min(line + band, end), image_end) - line);
            global const float *dy_line = dy + dy0 + line * dy_row;
            if (job.pooled) {
                unpool_lines(&job, dy + dy0, index + index0, line, count, own);
                dy_line = own;
            }
            for (int r = r0; r < r0 + taps; r++)
                sum_taps(&job, x + x0, dy_line, line, count, r, part + r * row);
            if (bias) sum_bias(&job, dy_line, (long)count * job.ow, db);
            line += count;
        }
    }
}

/* Partial sums of db: [chunk][groups lanes]. Grid: vector of filters, chunk. */
kernel void conv_db_part(TENSOR(const float, dy), TENSOR(float, parts), conv_dw_job job)
{
    int filters = job.groups * job.lanes, o = get_global_id(0) * VW;
    long chunk = get_global_id(1);
    if (o >= filters || chunk >= job.chunks) return;
    long first = chunk * job.lines_per_chunk,
         end = min(first + job.lines_per_chunk, (long)job.images * job.oh);
    V sum = V_SPLAT(0.0f);
    for (long p = first * job.ow; p < end * job.ow; p++)
        sum = sum + V_LOAD(dy + dy0 + p * filters + o);
    V_STORE(parts + parts0 + chunk * filters + o, sum);
}

/* Adds the chunks in order: rows of [k] results from rows of [groups lanes], n results of dw, then
 * `biases` of db. One work-item per result. */
kernel void conv_add_parts(TENSOR(const float, parts), TENSOR(float, dw),
                           TENSOR(const float, db_parts), TENSOR(float, db), ulong n, uint biases,
                           ulong chunk_step, ulong db_step, int chunks, uint k, uint kg, uint lanes,
                           int accumulate)
{
    const ulong item = get_global_id(0);
    if (item >= n + biases) return;
    const bool bias = item >= n;
    const uint i = (uint)(bias ? item - n : item), row = i / k, o = i % k;
    global const float *p = bias ? db_parts + db_parts0 : parts + parts0;
    p += ((ulong)row * (k / kg) + o / kg) * lanes + o % kg;
    const float sum = column_sum(p, bias ? db_step : chunk_step, chunks, 8);
    if (bias)
        PUT(db[db0 + i], sum);
    else
        PUT(dw[dw0 + i], sum);
}

/* db of vectors of outputs, of which a work-item takes every get_global_size-th. */
INLINE void dense_db_vectors(global const float *dy, global float *db, int n, int out, int lanes,
                             int accumulate)
{
    for (int o = get_global_id(0) * VW; o < out; o += get_global_size(0) * VW) {
        V sum = V_SPLAT(0.0f);
        IN_ORDER for (int i = 0; i < n; i++) sum = sum + V_LOAD(dy + (long)i * lanes + o);
        float value[VW];
        V_STORE(value, sum);
        for (int l = 0; l < min(VW, out - o); l++) PUT(db[o + l], value[l]);
    }
}

/* dense_dw: dw[i, o] over ascending n. Grid: block of NV VW outputs, tile of PB inputs, and with
 * has_db one more for db; a work-item takes every get_global_size-th block: on a CPU all, so that a
 * tile's inputs stay in the cache. dy has `lanes` floats a row, a multiple of VW. */
kernel void dense_dw_tiles(TENSOR(const float, x), TENSOR(const float, dy), TENSOR(float, dw),
                           TENSOR(float, db), int has_db, int n, int in, int out, int lanes,
                           int accumulate)
{
    int i = get_global_id(1) * PB;
    if (i == in && has_db) dense_db_vectors(dy + dy0, db + db0, n, out, lanes, accumulate);
    if (i >= in) return;
    for (int o = get_global_id(0) * NV * VW; o < lanes; o += get_global_size(0) * NV * VW) {
        V acc[TILE_PIXELS][TILE_VECTORS];
        tile_clear(acc, PB, NV);
        if (NV == 1 || lanes - o > VW)
            tile_weights(acc, PB, NV, x + x0 + i, in, dy + dy0 + o, lanes, n);
        else
            tile_weights(acc, PB, 1, x + x0 + i, in, dy + dy0 + o, lanes, n);
        global float *to = dw + dw0 + (long)i * out + o;
        if (out - o >= NV * VW) {
            EACH_PIXEL(p, PB)
            EACH_VECTOR(v, NV)
            {
                global float *at = to + (long)p * out + v * VW;
                V_STORE(at, accumulate ? V_LOAD(at) + acc[p][v] : acc[p][v]);
            }
            continue;
        }
        float value[TILE_PIXELS][TILE_VECTORS * VW];
        EACH_PIXEL(p, PB)
        EACH_VECTOR(v, NV) V_STORE(value[p] + v * VW, acc[p][v]);
        for (int p = 0; p < PB; p++)
            for (int l = 0; l < out - o; l++) PUT(to[(long)p * out + l], value[p][l]);
    }
}

/* db[o] over ascending n. One work-item per output. */
kernel void dense_db(TENSOR(const float, dy), TENSOR(float, db), int n, int out, int accumulate)
{
    int o = get_global_id(0);
    if (o >= out) return;
    float sum = 0.0f;
    for (int i = 0; i < n; i++) sum += dy[dy0 + (long)i * out + o];
    PUT(db[db0 + o], sum);
}
