/* The largest of 2 x 2 results of a convolution: of results in memory, and of results as they are
 * computed.
 *
 * Options: VW lanes in a vector; of conv_pool_tiles also NV vectors in a block of results and PB,
 * an even number of results along each of two rows, in a tile. */
#include "opencl.clh"
#include "conv_job.clh"
#include "conv_pool_tile.clh"

#ifndef NV
#define NV 1
#endif
#ifndef PB
#define PB 4
#endif

/* x: [n, h, w, c]; y and index: [n, h / 2, w / 2, c]. Work-items stride over a plane: along
 * dimension 1 over rows of results of all images, along dimension 0 over the VW-wide vectors of a
 * row, channels fastest. VW divides c. */
kernel void conv_pool(TENSOR(const float, x), TENSOR(float, y), TENSOR(uchar, index), int has_index,
                      int relu, int n, int h, int w, int c)
{
    const uint oh = (uint)h / 2, vectors = (uint)(c / VW), items = (uint)(w / 2) * vectors;
    for (size_t row = get_global_id(1); row < (size_t)n * oh; row += get_global_size(1))
        for (uint item = get_global_id(0); item < items; item += get_global_size(0)) {
            size_t line = row / oh * h + row % oh * 2;
            uint j = item / vectors, k = item % vectors * VW;
            V_mask at;
            V best =
                conv_pool_max(x + x0 + (line * w + 2 * j) * c + k, (long)w * c, c, relu, VW, &at);
            size_t to = row * (w / 2) * c + (size_t)item * VW;
            V_STORE(y + y0 + to, best);
            if (has_index) LANES_STORE_U8(index + index0 + to, at, VW);
        }
}

/* The convolution and the pool in one. Grid: block of all groups, unit of a row of windows, row of
 * windows of all images. job: of the convolution, but out_h and out_w count windows, and windows
 * low … high − 1 have all their column taps. Units 0 … tiles − 1 are tiles of PB / 2 of these, the
 * last one overlapping the one before where they do not come out even; the units after them are the
 * single windows at the borders. */
kernel void conv_pool_tiles(TENSOR(const float, x), TENSOR(const float, w), TENSOR(const float, b),
                            TENSOR(float, y), TENSOR(uchar, index), int has_index, conv_job job)
{
    int block = get_global_id(0);
    long line = get_global_id(2);
    if (block >= job.groups * job.blocks || line >= (long)job.images * job.out_h) return;
    int group = block / job.blocks, j = (int)(line % job.out_h) * 2;
    long n = line / job.out_h;
    int lane = (block % job.blocks) * job.lanes;
    int lanes = min(job.lanes, job.cout - lane);
    long channels = (long)job.groups * job.cin, out_channels = (long)job.groups * job.cout;
    long width = job.column.size, src_row = job.row.reach * width * channels;
    const conv_epilogue epilogue = {.b = job.has_bias ? b + b0 + group * job.cout + lane : 0,
                                    .act = job.act ? ACT_RELU : ACT_LINEAR};
    global const float *source[2], *weights[2];
    int rows[2];
    UNROLL
    for (int a = 0; a < 2; a++) {
        int r0 = conv_axis_from(job.row, j + a), r1 = conv_axis_to(job.row, j + a);
        long at = (j + a) * job.row.stride + job.row.base + r0 * job.row.reach;
        rows[a] = r1 - r0;
        source[a] = x + x0 + (n * job.row.size + at) * width * channels + group * job.cin;
        weights[a] = w + w0 + (long)block * job.w_block + (long)r0 * job.kw * job.w_tap;
    }
    long to = line * job.out_w * out_channels + group * job.cout + lane;
    long w_row = (long)job.kw * job.w_tap, src_column = job.column.reach * channels;
    long step = job.column.stride * channels;
    int run = job.column.reach == 1 && job.groups == 1;
    int units = job.tiles + job.out_w - (job.high - job.low);
    V acc[2][TILE_PIXELS][TILE_VECTORS];
    for (int unit = get_global_id(1); unit < units; unit += get_global_size(1)) {
        if (unit < job.tiles) {
            int first = min(job.low + unit * (PB / 2), job.high - PB / 2);
            long at = (2 * first * job.column.stride + job.column.base) * channels;
            UNROLL
            for (int a = 0; a < 2; a++)
                tile_forward(acc[a], PB, NV, source[a] + at, step, weights[a], job.w_step, rows[a],
                             src_row, w_row, run ? 1 : job.column.taps, src_column, job.w_tap,
                             run ? job.column.taps * job.cin : job.cin);
            long result = to + first * out_channels;
            conv_pool_tile(&epilogue, acc[0], acc[1], PB / 2, NV, lanes, y + y0 + result,
                           has_index ? index + index0 + result : 0, out_channels);
            continue;
        }
        int i = unit - job.tiles;
        if (i >= job.low) i += job.high - job.low;
        UNROLL
        for (int s = 0; s < 2; s++) {
            int at = (2 * i + s) * job.column.stride + job.column.base;
            int s0 = conv_axis_from(job.column, 2 * i + s),
                s1 = conv_axis_to(job.column, 2 * i + s);
            UNROLL
            for (int a = 0; a < 2; a++)
                tile_forward(acc[a] + s, 1, NV, source[a] + (at + s0 * job.column.reach) * channels,
                             0, weights[a] + (long)s0 * job.w_tap, job.w_step, rows[a], src_row,
                             w_row, run ? (s1 > s0) : s1 - s0, src_column, job.w_tap,
                             run ? (s1 - s0) * job.cin : job.cin);
        }
        long result = to + i * out_channels;
        conv_pool_tile(&epilogue, acc[0], acc[1], 1, NV, lanes, y + y0 + result,
                       has_index ? index + index0 + result : 0, out_channels);
    }
}
