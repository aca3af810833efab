/* conv2d, conv2d_dx and conv2d_dw by Winograd's tiles. The arithmetic is winograd.clh's, with
 * vectors of -DVW floats on CPUs and VW=1 on GPUs.
 *
 * CPUs: a work-item is alone in its group and takes its share of the tiles (or chunks), which lie
 * side by side, block by block through all steps, in workspace of its own that stays in the
 * second-level cache. Shares are as even as can be: drivers like to give half of all groups to the
 * first thread that asks.
 *
 * GPUs: three kernels with u and m in global memory, for as many tiles at a time as keep these in a
 * large cache. Transforms have one work-item per tile and channel: neighbours have neighbouring
 * channels, so that all 36 loads and 36 stores are coalesced; about 80 registers let 24 warps be
 * resident, enough to hide the loads. Those that wait for nothing share a launch: sources and
 * filters, sources and gradients. The products at the 36 points are 36 matrix products over c (or
 * tiles), one launch of product.cl. The sums of a weight gradient's chunks are added with a
 * work-item for each of them, by the groups that then transform the totals.
 *
 * For a tile u and m are 144 (c + k) bytes, written once and read once, and its 16 results by taps
 * would be 288 c k flops: tiles are faster where c k / (c + k) is more than the flops that a device
 * does in the time of a byte of that cache. One of 60 TFLOP/s and 5.5 TB/s, as an H100, does 11:
 *
 *     layer             c → k      c k / (c + k)   by tiles, bound by      by taps
 *     horses-or-humans  16 → 32    10.7            0.11 ms  the cache      0.11 ms
 *     horses-or-humans  32 → 64    21              0.05     the cache      0.10
 *     cats-dogs-dropout 64 → 128   43              0.03     the cache      0.10
 *     ResNet-50         256 → 256  128             0.02     arithmetic     0.06
 */
#include "opencl.clh"
#include "column.clh"
#include "winograd.clh"

/* A vector of filters from `first` on for channel i: of [3, 3, c, k] to [block of
 * lanes][point][c][lanes]. */
INLINE void filter(const winograd_job *job, global const stored_factor *w, int i, int first,
                   global float *to)
{
    long step = (long)job->c * job->lanes;
    winograd_filter(job, w, i, first,
                    to + first / job->lanes * WINOGRAD_POINTS * step + (long)i * job->lanes +
                        first % job->lanes,
                    step);
}

/* db of filter o from the sums of its chunks, [chunk][ks]. */
INLINE void filter_bias(const winograd_job *job, global const float *sums, int chunks, int o,
                        global float *db)
{
    const float sum = column_sum(sums + o, job->ks, chunks, 8);
    db[o] = job->accumulate ? db[o] + sum : sum;
}

#if VW > 1

/* dw from the sums of all chunks, and db from those of db_chunks, in a row behind the channels'; 0:
 * there is no db. Grid: vector of filters, channel. */
kernel void conv_winograd_dw(TENSOR(const float, sums), TENSOR(float, dw),
                             TENSOR(const float, db_sums), TENSOR(float, db), int db_chunks,
                             winograd_job job)
{
    int first = get_global_id(0) * VW, i = get_global_id(1);
    if (first >= job.k || i >= job.c + (db_chunks > 0)) return;
    if (i < job.c) {
        winograd_filter_gradient(&job, sums + sums0, i, first, dw + dw0);
        return;
    }
    for (int o = first; o < min(first + VW, job.k); o++)
        filter_bias(&job, db_sums + db_sums0, db_chunks, o, db + db0);
}

/* All filters. Grid: vector of filters, channel. */
kernel void conv_winograd_filters(TENSOR(const stored_factor, w), TENSOR(float, to),
                                  winograd_job job)
{
    int first = get_global_id(0) * VW, i = get_global_id(1);
    if (first < job.k && i < job.c) filter(&job, w + w0, i, first, to + to0);
}

/* Where the share of work-item `id` of n parts begins. */
INLINE int share(int n, size_t id) { return (int)((long)n * id / get_global_size(0)); }

/* All tiles. `own`: u and m of each work-item. */
kernel void conv_winograd_blocks(TENSOR(const stored, x), TENSOR(const uchar, index),
                                 EPILOGUE_ARGUMENTS, TENSOR(stored, y), TENSOR(uchar, to),
                                 TENSOR(const float, filters), TENSOR(float, own), winograd_job job)
{
    long u_floats = (long)WINOGRAD_POINTS * job.block * job.cs;
    global float *u =
        own + own0 + get_global_id(0) * (u_floats + (long)WINOGRAD_POINTS * job.block * job.lanes);
    winograd_tensors t = {x + x0, index + index0, FINISH, y + y0, to + to0};
    int products = (job.tiles + WINOGRAD_PB - 1) / WINOGRAD_PB, id = get_global_id(0);
    int end = min(share(products, id + 1) * WINOGRAD_PB, job.tiles);
    for (int first = share(products, id) * WINOGRAD_PB; first < end; first += job.block)
        winograd_block(&job, &t, filters + filters0, first, min(job.block, end - first), u,
                       u + u_floats);
}

/* All chunks of a weight gradient. `own`: u and e of each work-item. */
kernel void conv_winograd_chunks(TENSOR(const stored, x), TENSOR(const stored, dy),
                                 TENSOR(const uchar, index), TENSOR(float, sums), TENSOR(float, db),
                                 TENSOR(float, own), winograd_job job)
{
    long u_floats = (long)WINOGRAD_POINTS * job.block * job.cs;
    long all = (long)WINOGRAD_POINTS * job.cs * job.ks;
    global float *u =
        own + own0 + get_global_id(0) * (u_floats + (long)WINOGRAD_POINTS * job.block * job.ks);
    int end = share(job.chunks, get_global_id(0) + 1);
    for (int i = share(job.chunks, get_global_id(0)); i < end; i++)
        winograd_chunk(&job, x + x0, dy + dy0, index + index0, i, sums + sums0 + i * all,
                       db + db0 + (long)i * job.ks, u, u + u_floats);
}

#else

/* u of channel i of tile `first` + t, the tiles from `first` on being those that u has. */
INLINE_TILE void source(const winograd_job *job, global const stored *x, global const uchar *index,
                        int first, int t, int i, global float *u)
{
    winograd_source(job, winograd_find(job, first + t), x + i, index + i, 1,
                    u + (long)t * job->cs + i, (long)job->block * job->cs);
}

/* u of tiles first … first + count, then filters: n work-items, of which the first c × count are
 * one for a tile and channel each, the others one for a channel and filter. */
kernel void conv_winograd_sources(TENSOR(const stored, x), TENSOR(const uchar, index),
                                  TENSOR(float, u), TENSOR(const stored_factor, w),
                                  TENSOR(float, to), ulong n, int first, int count,
                                  winograd_job job)
{
    const uint c = job.c, k = job.k;
    const ulong item = get_global_id(0), sources = (ulong)c * count;
    if (item >= n) return;
    if (item < sources) {
        const uint at = (uint)item;
        source(&job, x + x0, index + index0, first, at / c, at % c, u + u0);
    } else {
        const uint at = (uint)(item - sources);
        filter(&job, w + w0, at / k, at % k, to + to0);
    }
}

/* u of tiles first … first + count of x, then e of those of dy: work-items are one for a tile and
 * channel, then one for a tile and filter. */
kernel void conv_winograd_gradients(TENSOR(const stored, x), TENSOR(float, u),
                                    TENSOR(const stored, dy), TENSOR(const uchar, index),
                                    TENSOR(float, e), int first, int count, winograd_job job)
{
    const uint c = job.c, k = job.k;
    const ulong item = get_global_id(0), sources = (ulong)c * count;
    if (item >= sources + (ulong)k * count) return;
    if (item < sources) {
        const uint at = (uint)item;
        source(&job, x + x0, 0, first, at / c, at % c, u + u0);
        return;
    }
    const uint at = (uint)(item - sources), o = at % k, t = at / k;
    winograd_gradient(&job, winograd_find(&job, first + t), dy + dy0 + o, index + index0 + o, 1,
                      e + e0 + (long)t * job.ks + o, (long)job.block * job.ks);
}

/* Results of the same tiles. Grid: filter, tile. */
kernel void conv_winograd_results(TENSOR(const float, m), EPILOGUE_ARGUMENTS, TENSOR(stored, y),
                                  TENSOR(uchar, to), int first, int count, winograd_job job)
{
    int o = get_global_id(0), t = get_global_id(1);
    if (o >= job.k || t >= count) return;
    const conv_epilogue all = FINISH;
    const conv_epilogue f = conv_epilogue_at(&all, o, o);
    winograd_result(&job, winograd_find(&job, first + t), m + m0 + (long)t * job.lanes + o,
                    (long)job.block * job.lanes, &f, y + y0 + o, to + to0 + o, 1);
}

/* Partial sums of db: for each of `chunks` chunks those of e's plain sums. Grid: filter, chunk. */
kernel void conv_winograd_db(TENSOR(const float, e), TENSOR(float, db), int chunks, int count,
                             winograd_job job)
{
    int o = get_global_id(0), chunk = get_global_id(1);
    if (o >= job.k || chunk >= chunks) return;
    int first = chunk * job.per_chunk;
    global const float *from = e + e0 + ((long)WINOGRAD_SUM_POINT * job.block + first) * job.ks + o;
    db[db0 + (long)chunk * job.ks + o] =
        column_sum(from, job.ks, min(job.per_chunk, count - first), COLUMN_MOST);
}

/* dw and db, as above. A group has WINOGRAD_DW_FILTERS filters of a channel: its work-items add the
 * chunks of their points, 36 for each that then transforms the totals, which lie in the place of
 * the first chunk. Bytes of a filter and channel: 144 (chunks + 2) + 36. Grid: filters, channel,
 * the latter in groups of 1. */
kernel void conv_winograd_dw(TENSOR(float, sums), TENSOR(float, dw), TENSOR(const float, db_sums),
                             TENSOR(float, db), int db_chunks, winograd_job job)
{
    const int first = get_group_id(0) * WINOGRAD_DW_FILTERS, i = get_group_id(1);
    const int filters = min(WINOGRAD_DW_FILTERS, job.k - first);
    const long row = (long)WINOGRAD_POINTS * job.ks;
    winograd_job total = job;
    total.chunks = 1;
    sums += sums0;
    for (int s = get_local_id(0); s < WINOGRAD_POINTS * WINOGRAD_DW_FILTERS && i < job.c;
         s += get_local_size(0)) {
        const int point = s / WINOGRAD_DW_FILTERS, f = s % WINOGRAD_DW_FILTERS;
        global float *p = sums + i * row + (long)point * job.ks + first + f;
        if (f < filters) *p = column_sum(p, row * job.cs, job.chunks, 8);
    }
    barrier(CLK_GLOBAL_MEM_FENCE);
    for (int f = get_local_id(0); f < filters; f += get_local_size(0)) {
        if (i < job.c)
            winograd_filter_gradient(&total, sums, i, first + f, dw + dw0);
        else
            filter_bias(&job, db_sums + db_sums0, db_chunks, first + f, db + db0);
    }
}

#endif
