/* conv2d, conv2d_dx and dense by register tiles over packed weights.
 *
 * Options: VW lanes in a vector, NV vectors in a block of results, PB results along a row in a
 * tile. On a CPU one work-item per group computes a whole row; on a GPU neighbouring work-items
 * compute neighbouring blocks of channels of the same pixels: weights are read side by side, pixels
 * are the same address for the group (a broadcast). */
#include "opencl.clh"
#include "conv.clh"
#include "conv_epilogue.clh"
#include "conv_job.clh"

#ifndef NV
#define NV 1
#endif
#ifndef PB
#define PB 4
#endif

/* Weights [kh, kw, cg, k] → [group][block][tap][channel summed over][lane], lanes beyond the last
 * 0. For an input gradient the lanes are input channels, taps are reversed and filters are summed
 * over. Grid: lane, channel summed over, tap of a block of a group; on a CPU a work-item takes all
 * of one tap. */
kernel void conv_pack(TENSOR(const float, w), TENSOR(float, packed), int taps, int cg, int k,
                      int groups, int blocks, int lanes, int backward)
{
    int kg = k / groups, summed = backward ? kg : cg, across = backward ? cg : kg;
    long row = get_global_id(2);
    int tap = (int)(row % taps), block = (int)(row / taps % blocks);
    int group = (int)(row / taps / blocks), first = block * lanes;
    if (group >= groups) return;
    long s_step = backward ? 1 : k, lane_step = backward ? k : 1;
    w += w0 + (long)(backward ? taps - 1 - tap : tap) * cg * k + group * kg + first * lane_step;
    packed += packed0 + row * summed * lanes;
    for (int s = get_global_id(1); s < summed; s += get_global_size(1))
        for (int l = get_global_id(0); l < lanes; l += get_global_size(0))
            packed[(long)s * lanes + l] = first + l < across ? w[s * s_step + l * lane_step] : 0.0f;
}

/* The sums of pb pixels, the first of which f is at, to memory; of pixels before `from` nothing. */
INLINE_FOR void put_pixels(const conv_epilogue *epilogue, V acc[TILE_PIXELS][TILE_VECTORS],
                           const int pb, int from, global float *y, long y_step, int lanes,
                           int accumulate)
{
    EACH_VECTOR(v, NV)
    {
        int left = lanes - v * VW;
        if (left <= 0) continue;
        const conv_epilogue f = conv_epilogue_at(epilogue, v * VW, v * VW);
        conv_epilogue_sums(&f, &acc[0][v], pb, TILE_VECTORS, y_step, left);
        EACH_PIXEL(p, pb)
        {
            global float *to = y + p * y_step + v * VW;
            if (p < from) continue;
            conv_store(to, accumulate ? conv_load(to, left) + acc[p][v] : acc[p][v], left);
        }
    }
    for (int p = from; conv_epilogue_leaves(epilogue->act) && p < pb; p++)
        conv_epilogue_rest(epilogue->act, epilogue->alpha, y + p * y_step, lanes);
}

/* Grid: block of all groups, unit of a row, row of all images. Units 0 … tiles − 1 are the tiles
 * of the results low … high − 1, the last one overlapping the one before where they do not come out
 * even; the units after them are the single results at the borders. */
kernel void conv_tiles(TENSOR(const float, x), TENSOR(const float, w), EPILOGUE_ARGUMENTS,
                       TENSOR(float, y), conv_job job)
{
    int block = get_global_id(0);
    long line = get_global_id(2);
    if (block >= job.groups * job.blocks || line >= (long)job.images * job.row.count) return;
    int group = block / job.blocks, j = (int)(line % job.row.count);
    long n = line / job.row.count;
    int lane = (block % job.blocks) * job.lanes;
    int lanes = min(job.lanes, job.cout - lane);
    int r0 = conv_axis_from(job.row, j), r1 = conv_axis_to(job.row, j);
    if (!job.column.taps) r1 = r0;
    long channels = (long)job.groups * job.cin, out_channels = (long)job.groups * job.cout;
    long width = job.column.size;
    global const float *source =
        x + x0 +
        (n * job.row.size * width +
         (j * job.row.stride + job.row.base + r0 * job.row.reach) * width) *
            channels +
        group * job.cin;
    global float *out =
        y + y0 +
        ((n * job.out_h + job.row.first + (long)j * job.row.out_stride) * job.out_w +
         job.column.first) *
            out_channels +
        group * job.cout + lane;
    long y_step = job.column.out_stride * out_channels;
    global const float *weights =
        w + w0 + (long)block * job.w_block +
        ((job.row.first_tap + r0 * job.row.tap_step) * job.kw + job.column.first_tap) *
            (long)job.w_tap;
    long src_row = job.row.reach * width * channels,
         w_row = (long)job.row.tap_step * job.kw * job.w_tap;
    long src_column = job.column.reach * channels, w_column = (long)job.column.tap_step * job.w_tap;
    long step = job.column.stride * channels;
    int run = job.column.reach == 1 && job.column.tap_step == 1 && job.groups == 1;
    const conv_epilogue all = FINISH;
    const conv_epilogue row = conv_epilogue_at(&all, group * job.cout + lane, out - (y + y0));
    int units = job.tiles + job.column.count - (job.high - job.low);
    V acc[TILE_PIXELS][TILE_VECTORS];
    for (int unit = get_global_id(1); unit < units; unit += get_global_size(1)) {
        if (unit < job.tiles) {
            int wanted = job.low + unit * PB, first = min(wanted, job.high - PB);
            tile_forward(acc, PB, NV,
                         source + (first * job.column.stride + job.column.base) * channels, step,
                         weights, job.w_step, r1 - r0, src_row, w_row, run ? 1 : job.column.taps,
                         src_column, w_column, run ? job.column.taps * job.cin : job.cin);
            const conv_epilogue f = conv_epilogue_at(&row, 0, first * y_step);
            put_pixels(&f, acc, PB, wanted - first, out + first * y_step, y_step, lanes,
                       job.accumulate);
        } else {
            int i = unit - job.tiles;
            if (i >= job.low) i += job.high - job.low;
            int s0 = conv_axis_from(job.column, i), s1 = conv_axis_to(job.column, i);
            tile_forward(acc, 1, NV,
                         source +
                             (i * job.column.stride + job.column.base + s0 * job.column.reach) *
                                 channels,
                         0, weights + s0 * w_column, job.w_step, r1 - r0, src_row, w_row,
                         run ? (s1 > s0) : s1 - s0, src_column, w_column,
                         run ? (s1 - s0) * job.cin : job.cin);
            const conv_epilogue f = conv_epilogue_at(&row, 0, i * y_step);
            put_pixels(&f, acc, 1, 0, out + i * y_step, y_step, lanes, job.accumulate);
        }
    }
}

#define DENSE_TILES 4   /* the most tiles of rows to a work-item */
#define DENSE_DEPTH 128 /* inputs summed over at a time: their weights stay in the first cache */

/* dense on CPUs; job: of a convolution of a row of pixels. The weights of some inputs are used by
 * all tiles of rows while those of the next are asked for. Grid: block of NV VW outputs, `tiles`
 * tiles of PB rows, the last one overlapping the one before where they do not come out even. */
kernel void dense_tiles(TENSOR(const float, x), TENSOR(const float, w), EPILOGUE_ARGUMENTS,
                        TENSOR(float, y), int tiles, conv_job job)
{
    int block = get_global_id(0), begin = get_global_id(1) * tiles, n = job.column.count;
    int lane = block * job.lanes, lanes = min(job.lanes, job.cout - lane);
    long depth_step = (long)DENSE_DEPTH * job.w_step;
    global const float *weights = w + w0 + (long)block * job.w_block;
    const conv_epilogue all = FINISH;
    V acc[TILE_PIXELS][TILE_VECTORS];
    float sums[DENSE_TILES][PB][NV * VW];
    tiles = min(tiles, (n + PB - 1) / PB - begin);
    for (int i = 0; i < job.cin; i += DENSE_DEPTH, weights += depth_step) {
        int len = min(DENSE_DEPTH, job.cin - i);
        for (int t = 0; t < tiles; t++) {
            int first = min((begin + t) * PB, n - PB);
            if (i) {
                EACH_PIXEL(p, PB)
                EACH_VECTOR(v, NV) acc[p][v] = V_LOAD(sums[t][p] + v * VW);
            } else {
                tile_clear(acc, PB, NV);
            }
            tile_product(acc, PB, NV, x + x0 + (long)first * job.cin + i, job.cin, weights,
                         job.w_step, len, !t && i + DENSE_DEPTH < job.cin ? depth_step : 0);
            EACH_PIXEL(p, PB)
            EACH_VECTOR(v, NV) V_STORE(sums[t][p] + v * VW, acc[p][v]);
        }
    }
    for (int t = 0; t < tiles; t++) {
        int wanted = (begin + t) * PB, first = min(wanted, n - PB);
        long at = (long)first * job.cout + lane;
        const conv_epilogue f = conv_epilogue_at(&all, lane, at);
        EACH_PIXEL(p, PB)
        EACH_VECTOR(v, NV) acc[p][v] = V_LOAD(sums[t][p] + v * VW);
        put_pixels(&f, acc, PB, wanted - first, y + y0 + at, job.cout, lanes, 0);
    }
}

/* dense_dx: an input is a pixel whose source is its row of weights; the batch is the vector, dyᵀ
 * packed as [block][o][lane]. Grid: block of the batch, tile of PB inputs (the last overlapping).
 */
kernel void dense_dx_tiles(TENSOR(const float, w), global const float *packed, TENSOR(float, dx),
                           int n, int in, int out, int accumulate)
{
    int block = get_global_id(0), tile = get_global_id(1);
    int lanes = min(NV * VW, n - block * NV * VW);
    if (lanes <= 0 || tile * PB >= in) return;
    int wanted = tile * PB, first = min(wanted, in - PB);
    V acc[TILE_PIXELS][TILE_VECTORS];
    tile_forward(acc, PB, NV, w + w0 + (long)first * out, out, packed + (long)block * out * NV * VW,
                 NV * VW, 1, 0, 0, 1, 0, 0, out);
    float value[TILE_PIXELS][TILE_VECTORS * VW];
    EACH_PIXEL(p, PB)
    EACH_VECTOR(v, NV) V_STORE(value[p] + v * VW, acc[p][v]);
    dx += dx0 + (long)block * NV * VW * in + first;
    for (int l = 0; l < lanes; l++, dx += in)
        for (int p = wanted - first; p < PB; p++) PUT(dx[p], value[p][l]);
}

/* [rows, columns] → [block of columns' rows][…]: to[(b · columns + o) · lanes + l] = x[b · lanes +
 * l][o], 0 beyond. One work-item per float. */
kernel void dense_transpose(TENSOR(const float, x), global float *to, ulong n, int rows,
                            int columns, int lanes)
{
    ulong i = get_global_id(0);
    if (i >= n) return;
    int l = (int)(i % lanes), o = (int)(i / lanes % columns),
        row = (int)(i / lanes / columns) * lanes + l;
    to[i] = row < rows ? x[x0 + (ulong)row * columns + o] : 0.0f;
}
