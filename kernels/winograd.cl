/* conv2d, conv2d_dx and conv2d_dw by Winograd's tiles. The arithmetic is winograd.clh's, with
 * vectors of -DVW floats on CPUs and VW=1 on GPUs.
 *
 * CPUs: a work-item is alone in its group and takes every get_global_size-th block of tiles (or
 * chunk) through all steps, in scratch memory of its own that stays in the second-level cache.
 *
 * GPUs: three kernels with u and m in global memory, for as many tiles at a time as keep these in a
 * large cache. Transforms have one work-item per tile and channel: neighbours have neighbouring
 * channels, so that all 36 loads and 36 stores are coalesced; about 80 registers let 24 warps be
 * resident, enough to hide the loads. The products at the 36 points are 36 matrix products over
 * c (or tiles), done as one launch in blocks of 4 SIDE × 4 SIDE results through local memory: each
 * work-item has 4 × 4 results in registers and reads 8 floats from local memory for 16 fma. */
#include "opencl.clh"
#include "winograd.clh"

/* Filters [3, 3, c, k] to [block of lanes][point][c][lanes]. Grid: vector of filters, channel. */
kernel void conv_winograd_filters(TENSOR(const float, w), TENSOR(float, to), winograd_job job)
{
    int first = get_global_id(0) * VW, i = get_global_id(1);
    if (first >= job.k || i >= job.c) return;
    long step = (long)job.c * job.lanes;
    winograd_filter(&job, w + w0, i, first,
                    to + to0 + first / job.lanes * WINOGRAD_POINTS * step + (long)i * job.lanes +
                        first % job.lanes,
                    step);
}

/* dw from the sums of all chunks. Grid: vector of filters, channel. */
kernel void conv_winograd_dw(TENSOR(const float, sums), TENSOR(float, dw), winograd_job job)
{
    int first = get_global_id(0) * VW, i = get_global_id(1);
    if (first >= job.k || i >= job.c) return;
    winograd_filter_gradient(&job, sums + sums0, i, first, dw + dw0);
}

#if VW > 1

/* All blocks of tiles. `own`: u and m of each work-item. */
kernel void conv_winograd_blocks(TENSOR(const float, x), TENSOR(const uchar, index),
                                 FINISH_ARGUMENTS, TENSOR(float, y), TENSOR(uchar, to),
                                 TENSOR(const float, filters), TENSOR(float, own), winograd_job job)
{
    long u_floats = (long)WINOGRAD_POINTS * job.block * job.cs;
    global float *u =
        own + own0 + get_global_id(0) * (u_floats + (long)WINOGRAD_POINTS * job.block * job.lanes);
    winograd_tensors t = {x + x0, index + index0, FINISH, y + y0, to + to0};
    for (int first = get_global_id(0) * job.block; first < job.tiles;
         first += get_global_size(0) * job.block)
        winograd_block(&job, &t, filters + filters0, first, min(job.block, job.tiles - first), u,
                       u + u_floats);
}

/* All chunks of a weight gradient. `own`: u and e of each work-item. */
kernel void conv_winograd_chunks(TENSOR(const float, x), TENSOR(const float, dy),
                                 TENSOR(const uchar, index), TENSOR(float, sums), TENSOR(float, db),
                                 TENSOR(float, own), winograd_job job)
{
    long u_floats = (long)WINOGRAD_POINTS * job.block * job.cs;
    long all = (long)WINOGRAD_POINTS * job.cs * job.ks;
    global float *u =
        own + own0 + get_global_id(0) * (u_floats + (long)WINOGRAD_POINTS * job.block * job.ks);
    for (int i = get_global_id(0); i < job.chunks; i += get_global_size(0))
        winograd_chunk(&job, x + x0, dy + dy0, index + index0, i, sums + sums0 + i * all,
                       db + db0 + (long)i * job.ks, u, u + u_floats);
}

#else

#ifndef SIDE
#define SIDE 16
#endif
#define EDGE (4 * SIDE)

/* u of tiles first … first + count. Grid: channel, tile. */
kernel void conv_winograd_sources(TENSOR(const float, x), TENSOR(const uchar, index),
                                  TENSOR(float, u), int first, int count, winograd_job job)
{
    int i = get_global_id(0), t = get_global_id(1);
    if (i >= job.c || t >= count) return;
    winograd_source(&job, winograd_find(&job, first + t), x + x0 + i, index + index0 + i, 1,
                    u + u0 + (long)t * job.cs + i, (long)job.block * job.cs);
}

/* e of the same tiles. Grid: filter, tile. */
kernel void conv_winograd_gradients(TENSOR(const float, dy), TENSOR(const uchar, index),
                                    TENSOR(float, e), int first, int count, winograd_job job)
{
    int o = get_global_id(0), t = get_global_id(1);
    if (o >= job.k || t >= count) return;
    winograd_gradient(&job, winograd_find(&job, first + t), dy + dy0 + o, index + index0 + o, 1,
                      e + e0 + (long)t * job.ks + o, (long)job.block * job.ks);
}

/* Results of the same tiles. Grid: filter, tile. */
kernel void conv_winograd_results(TENSOR(const float, m), FINISH_ARGUMENTS, TENSOR(float, y),
                                  TENSOR(uchar, to), int first, int count, winograd_job job)
{
    int o = get_global_id(0), t = get_global_id(1);
    if (o >= job.k || t >= count) return;
    const conv_finish all = FINISH;
    const conv_finish f = conv_finish_at(&all, o, o);
    winograd_result(&job, winograd_find(&job, first + t), m + m0 + (long)t * job.lanes + o,
                    (long)job.block * job.lanes, &f, y + y0 + o, to + to0 + o, 1);
}

/* c[row][column] = Σ over ascending i < inner of a · b, one chain of fma from 0, for many matrices.
 * a is [rows][inner], or [inner][rows] with a_transposed; b is [inner][columns]; rows are a_row,
 * b_row, c_row floats apart. Matrix g0 + 36 g1 begins at g0 · …_point + g1 · …_chunk; in the last
 * chunk inner is inner_last. Grid: columns, rows (both in blocks of 4 SIDE), matrices; groups of
 * SIDE × SIDE × 1. */
kernel void conv_winograd_products(TENSOR(const float, a), TENSOR(const float, b), TENSOR(float, c),
                                   int rows, int columns, int inner, int inner_last,
                                   int a_transposed, int a_row, int b_row, int c_row, ulong a_point,
                                   ulong b_point, ulong c_point, ulong a_chunk, ulong b_chunk,
                                   ulong c_chunk)
{
    local float as[SIDE][EDGE + 1], bs[SIDE][EDGE];
    int lx = get_local_id(0), ly = get_local_id(1), at = ly * SIDE + lx;
    int first_row = get_group_id(1) * EDGE, first_column = get_group_id(0) * EDGE;
    ulong point = get_group_id(2) % WINOGRAD_POINTS, chunk = get_group_id(2) / WINOGRAD_POINTS;
    int last = chunk + 1 == get_num_groups(2) / WINOGRAD_POINTS;
    int n = last ? inner_last : inner;
    a += a0 + point * a_point + chunk * a_chunk;
    b += b0 + point * b_point + chunk * b_chunk;
    c += c0 + point * c_point + chunk * c_chunk;
    float acc[4][4];
    UNROLL
    for (int i = 0; i < 4; i++) {
        UNROLL
        for (int j = 0; j < 4; j++) acc[i][j] = 0.0f;
    }
    for (int from = 0; from < n; from += SIDE) {
        /* SIDE × EDGE floats of each; neighbours read neighbouring addresses */
        for (int l = at; l < SIDE * EDGE; l += SIDE * SIDE) {
            int i = l / EDGE, r = l % EDGE;
            if (!a_transposed) {
                i = l % SIDE;
                r = l / SIDE;
            }
            int inside = first_row + r < rows && from + i < n;
            as[i][r] = !inside        ? 0.0f
                       : a_transposed ? a[(long)(from + i) * a_row + first_row + r]
                                      : a[(long)(first_row + r) * a_row + from + i];
            i = l / EDGE;
            r = l % EDGE;
            bs[i][r] = first_column + r < columns && from + i < n
                           ? b[(long)(from + i) * b_row + first_column + r]
                           : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        int end = min(SIDE, n - from);
        for (int i = 0; i < end; i++) {
            UNROLL
            for (int r = 0; r < 4; r++) {
                UNROLL
                for (int s = 0; s < 4; s++)
                    acc[r][s] = FMA(as[i][ly + r * SIDE], bs[i][lx + s * SIDE], acc[r][s]);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    UNROLL
    for (int r = 0; r < 4; r++) {
        UNROLL
        for (int s = 0; s < 4; s++) {
            int row = first_row + ly + r * SIDE, column = first_column + lx + s * SIDE;
            if (row < rows && column < columns) c[(long)row * c_row + column] = acc[r][s];
        }
    }
}

/* Partial sums of db: for each of `chunks` chunks those of e's plain sums. Grid: filter, chunk. */
kernel void conv_winograd_db(TENSOR(const float, e), TENSOR(float, db), int chunks, int count,
                             winograd_job job)
{
    int o = get_global_id(0), chunk = get_global_id(1);
    if (o >= job.k || chunk >= chunks) return;
    int end = min((chunk + 1) * job.per_chunk, count);
    global const float *from = e + e0 + (long)WINOGRAD_SUM_POINT * job.block * job.ks + o;
    float sum = 0.0f;
    for (int t = chunk * job.per_chunk; t < end; t++) sum += from[(long)t * job.ks];
    db[db0 + (long)chunk * job.ks + o] = sum;
}

#endif
