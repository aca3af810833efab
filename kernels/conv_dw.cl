/* conv2d_dw and dense_dw: weight gradients by register tiles.
 *
 * Options: VW lanes in a vector, NV vectors of filters in a tile, PB floats of x (channels of
 * neighbouring taps) in a tile; PB divides their number. */
#include "opencl.clh"
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

/* A pixel some of whose taps lie outside: those add 0. */
INLINE void edge_pixel(V acc[TILE_PIXELS][TILE_VECTORS], const int nv, global const float *x,
                       int first, int cg, int from, int to, global const float *dy)
{
    V d[TILE_VECTORS];
    for (int v = 0; v < nv; v++) d[v] = V_LOAD(dy + v * VW);
    UNROLL
    for (int j = 0; j < PB; j++) {
        int s = (first + j) / cg;
        V xv = V_SPLAT(s >= from && s < to ? x[j] : 0.0f);
        UNROLL
        for (int v = 0; v < nv; v++) acc[j][v] = V_FMA(xv, d[v], acc[j][v]);
    }
}

/* One row of pixels into one tile of the partial sums. */
INLINE void dw_row(conv_dw_job job, const int nv, global const float *x, global const float *dy,
                   int s, int j, int ow_step, global float *part)
{
    int filters = job.groups * job.lanes;
    V acc[TILE_PIXELS][TILE_VECTORS];
    UNROLL
    for (int i = 0; i < PB; i++) {
        UNROLL
        for (int v = 0; v < nv; v++) acc[i][v] = V_LOAD(part + (long)i * filters + v * VW);
    }
    for (int ow = 0; ow < job.low; ow++) {
        int from = -(ow * job.stride_w - job.pad_w), to = job.w + from; /* of s · dilation */
        from = from > 0 ? (from + job.dilation_w - 1) / job.dilation_w : 0;
        to = to > 0 ? (to - 1) / job.dilation_w + 1 : 0;
        edge_pixel(acc, nv, x + (long)ow * ow_step, s * job.run + j, job.cg, from, to,
                   dy + (long)ow * filters);
    }
    tile_weights(acc, PB, nv, x + (long)job.low * ow_step, ow_step, dy + (long)job.low * filters,
                 filters, job.high - job.low);
    for (int ow = job.high; ow < job.ow; ow++) {
        int from = -(ow * job.stride_w - job.pad_w), to = job.w + from;
        from = from > 0 ? (from + job.dilation_w - 1) / job.dilation_w : 0;
        to = to > 0 ? (to - 1) / job.dilation_w + 1 : 0;
        edge_pixel(acc, nv, x + (long)ow * ow_step, s * job.run + j, job.cg, from, to,
                   dy + (long)ow * filters);
    }
    UNROLL
    for (int i = 0; i < PB; i++) {
        UNROLL
        for (int v = 0; v < nv; v++) V_STORE(part + (long)i * filters + v * VW, acc[i][v]);
    }
}

/* A row of the full gradient from the pooled one: `line` of all pictures' rows. */
INLINE void spread_line(const conv_dw_job *job, global const float *dy, global const uchar *index,
                        long line, global float *to)
{
    int k = job->k, row = (int)(line % job->oh), windows = row / 2 < job->oh / 2 ? job->ow / 2 : 0;
    long from = (line / job->oh * (job->oh / 2) + row / 2) * (job->ow / 2) * k;
    int tap = row % 2 * 2;
    for (int j = 0; j < windows; j++)
        for (int o = 0; o < k; o += VW) {
            long at = from + (long)j * k + o;
            for (int s = 0; s < 2; s++)
                V_STORE(to + (long)(2 * j + s) * k + o,
                        conv_pool_element(dy + at, index + at, tap + s, VW));
        }
    for (int i = 2 * windows * k; i < job->ow * k; i += VW) V_STORE(to + i, V_SPLAT(0.0f));
}

/* Partial sums of one chunk of rows. Grid: block of filters of all groups, tile of x within a row
 * of taps, (chunk, row of taps). A work-item takes every get_global_size-th block and tile: on a
 * CPU there is one, and a row of pixels stays in the cache while all tiles read it; on a GPU each
 * has its own tile. Where dy is pooled, of whole vectors and one group, there must be one work-item
 * to a chunk and row of taps, which spreads each row into its place in `own`: [chunk][row of
 * taps][ow][k]. */
kernel void conv_dw_part(TENSOR(const float, x), TENSOR(const float, dy),
                         TENSOR(const uchar, index), TENSOR(float, own), TENSOR(float, parts),
                         conv_dw_job job)
{
    int r = get_global_id(2) % job.kh, chunk = get_global_id(2) / job.kh;
    if (chunk >= job.chunks) return;
    int group_blocks = (job.lanes + NV * VW - 1) / (NV * VW), blocks = job.groups * group_blocks;
    int run_tiles = job.run / PB, tiles = job.columns * run_tiles;
    int filters = job.groups * job.lanes;
    global float *part = parts + parts0 + ((long)chunk * job.kh + r) * job.kw * job.cg * filters;
    for (int t = get_global_id(1); t < tiles; t += get_global_size(1))
        for (int b = get_global_id(0); b < blocks; b += get_global_size(0)) {
            int lane = b % group_blocks * NV * VW, s = t / run_tiles;
            int nv = min(NV, (job.lanes - lane) / VW);
            global float *to = part + ((long)s * job.run + t % run_tiles * PB) * filters +
                               b / group_blocks * job.lanes + lane;
            for (int i = 0; i < PB; i++)
                for (int v = 0; v < nv; v++)
                    V_STORE(to + (long)i * filters + v * VW, V_SPLAT(0.0f));
        }
    long first = (long)chunk * job.lines_per_chunk, lines = (long)job.images * job.oh;
    for (long line = first; line < min(first + job.lines_per_chunk, lines); line++) {
        long n = line / job.oh;
        int ih = (int)(line % job.oh) * job.stride_h - job.pad_h + r * job.dilation_h;
        if (ih < 0 || ih >= job.h) continue;
        global const float *dy_line = dy + dy0 + line * job.ow * filters;
        if (job.pooled) {
            global float *to = own + own0 + ((long)chunk * job.kh + r) * job.ow * filters;
            spread_line(&job, dy + dy0, index + index0, line, to);
            dy_line = to;
        }
        for (int t = get_global_id(1); t < tiles; t += get_global_size(1))
            for (int b = get_global_id(0); b < blocks; b += get_global_size(0)) {
                int group = b / group_blocks, lane = b % group_blocks * NV * VW;
                int s = t / run_tiles, j = t % run_tiles * PB;
                global const float *xp =
                    x + x0 + ((n * job.h + ih) * job.w - job.pad_w + s * job.dilation_w) * job.c +
                    group * job.cg + j;
                global const float *dp = dy_line + group * job.lanes + lane;
                global float *to =
                    part + ((long)s * job.run + j) * filters + group * job.lanes + lane;
                if (NV == 1 || job.lanes - lane > VW)
                    dw_row(job, NV, xp, dp, s, j, job.stride_w * job.c, to);
                else
                    dw_row(job, 1, xp, dp, s, j, job.stride_w * job.c, to);
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

/* The same of a pooled gradient; what is not in a window adds 0. */
kernel void conv_db_pooled(TENSOR(const float, dy), TENSOR(const uchar, index),
                           TENSOR(float, parts), conv_dw_job job)
{
    int k = job.k, o = get_global_id(0) * VW;
    long chunk = get_global_id(1);
    if (o >= k || chunk >= job.chunks) return;
    long first = chunk * job.lines_per_chunk,
         end = min(first + job.lines_per_chunk, (long)job.images * job.oh);
    V sum = V_SPLAT(0.0f);
    for (long line = first; line < end; line++) {
        int row = (int)(line % job.oh);
        if (row / 2 >= job.oh / 2) continue;
        long from = (line / job.oh * (job.oh / 2) + row / 2) * (job.ow / 2) * k + o;
        for (int j = 0; j < job.ow / 2; j++)
            for (int s = 0; s < 2; s++)
                sum = sum + conv_pool_element(dy + dy0 + from + (long)j * k,
                                              index + index0 + from + (long)j * k, row % 2 * 2 + s,
                                              VW);
    }
    V_STORE(parts + parts0 + chunk * k + o, sum);
}

/* Adds the chunks in order: rows of [k] results from rows of [groups lanes]. One work-item per
 * result. */
kernel void conv_add_parts(TENSOR(const float, parts), TENSOR(float, out), ulong n,
                           ulong chunk_step, int chunks, int k, int kg, int lanes, int accumulate)
{
    ulong i = get_global_id(0);
    if (i >= n) return;
    int o = (int)(i % k);
    global const float *p = parts + parts0 + (i / k * (k / kg) + o / kg) * lanes + o % kg;
    float sum = 0.0f;
    for (int c = 0; c < chunks; c++) sum += p[c * chunk_step];
    PUT(out[out0 + i], sum);
}

/* Depthwise: partial sums of one tap and one chunk. Grid: vector of channels, tap, chunk. Parts:
 * [chunk][tap][c rounded up]. */
kernel void conv_dw_depthwise(TENSOR(const float, x), TENSOR(const float, dy), TENSOR(float, parts),
                              conv_dw_job job)
{
    int o = get_global_id(0) * VW, tap = get_global_id(1);
    long chunk = get_global_id(2);
    if (o >= job.c || tap >= job.kh * job.kw || chunk >= job.chunks) return;
    int r = tap / job.kw, s = tap % job.kw, lanes = min(VW, job.c - o);
    int padded = (job.c + VW - 1) / VW * VW;
    long first = chunk * job.lines_per_chunk, lines = (long)job.images * job.oh;
    V sum = V_SPLAT(0.0f);
    for (long line = first; line < min(first + job.lines_per_chunk, lines); line++) {
        int ih = (int)(line % job.oh) * job.stride_h - job.pad_h + r * job.dilation_h;
        if (ih < 0 || ih >= job.h) continue;
        for (int ow = 0; ow < job.ow; ow++) {
            int iw = ow * job.stride_w - job.pad_w + s * job.dilation_w;
            if (iw < 0 || iw >= job.w) continue;
            global const float *xp =
                x + x0 + ((line / job.oh * job.h + ih) * job.w + iw) * job.c + o;
            global const float *dp = dy + dy0 + (line * job.ow + ow) * job.c + o;
            sum = lanes == VW ? V_FMA(V_LOAD(xp), V_LOAD(dp), sum)
                              : V_FMA(V_LOAD_PART(xp, lanes), V_LOAD_PART(dp, lanes), sum);
        }
    }
    V_STORE(parts + parts0 + (chunk * job.kh * job.kw + tap) * padded + o, sum);
}

/* dense_dw: dw[i, o] over ascending n. Grid: block of NV VW outputs, tile of PB inputs. dy has
 * `lanes` floats a row. */
kernel void dense_dw_tiles(TENSOR(const float, x), TENSOR(const float, dy), TENSOR(float, dw),
                           int n, int in, int out, int lanes, int accumulate)
{
    int o = get_global_id(0) * NV * VW, i = get_global_id(1) * PB;
    if (o >= lanes || i >= in) return;
    V acc[TILE_PIXELS][TILE_VECTORS];
    int nv = min(NV, (lanes - o) / VW);
    UNROLL
    for (int p = 0; p < PB; p++) {
        UNROLL
        for (int v = 0; v < NV; v++) acc[p][v] = V_SPLAT(0.0f);
    }
    if (nv == NV)
        tile_weights(acc, PB, NV, x + x0 + i, in, dy + dy0 + o, lanes, n);
    else
        tile_weights(acc, PB, 1, x + x0 + i, in, dy + dy0 + o, lanes, n);
    int width = min(out - o, NV * VW);
    for (int p = 0; p < PB; p++) {
        global float *to = dw + dw0 + (long)(i + p) * out + o;
        if (width == NV * VW) {
            UNROLL
            for (int v = 0; v < NV; v++)
                V_STORE(to + v * VW, accumulate ? V_LOAD(to + v * VW) + acc[p][v] : acc[p][v]);
            continue;
        }
        float value[TILE_VECTORS * VW];
        for (int v = 0; v < NV; v++) V_STORE(value + v * VW, acc[p][v]);
        for (int l = 0; l < width; l++) PUT(to[l], value[l]);
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
