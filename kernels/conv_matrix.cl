/* Convolutions, dense layers and their gradients by matrix units, as implicit matrix products: what
 * conv_implicit.cl does, with factors rounded to MATRIX_FORMAT. The order of sums is the unit's.
 *
 * Options: those of matrix_tile.clh; ACT the activation, POOL the maxima of 2 × 2 results or their
 * gradient, BACKWARD an input gradient, UNPOOL that of such maxima. */
#include "opencl.clh"
#include "matrix_tile.clh"

#include "conv_implicit.clh"

/* ---- convolution and its input gradient ---- */

/* Both blocks from step k on, which is `next` for the group; then k is a block further. */
INLINE_FOR void fetch_blocks(float *av, float *bv, const conv_job *job, local const int4 *rows,
                             global const source *x, global const uchar *index,
                             global const stored_factor *w, conv_step *k, const conv_step *by,
                             int next, int steps, int left, int at)
{
    long filters = (long)job->groups * job->cout;
    fetch_windows(av, job, rows, x, index, k, at);
    if (BACKWARD)
        fetch_weights(bv, job, w, k, left, at);
    else
        tile_fetch_factors_across(bv, BN, BV, w + next * filters, filters, steps - next, left, at);
    conv_step_on(job, k, by);
}

INLINE_FOR void put_blocks(local matrix_element *as, local matrix_element *bs, const float *av,
                           const float *bv, int at)
{
    tile_put(as, BM, AV, av, at);
    if (BACKWARD)
        tile_put(bs, BN, BV, bv, at);
    else
        tile_put_across(bs, BN, BV, bv, at);
}

/* Rows: results, of all images; columns: filters of a group (BACKWARD: channels); k: taps, then
 * channels (filters). Grid: tile, columns fastest; group of filters. Bytes of memory: images and
 * weights are read once, as far as caches hold them, results are written once; from caches a tile
 * of 128 × 64 reads 768 bytes for each of 8192 products. */
MATRIX_KERNEL void conv_matrix(TENSOR(const source, x), TENSOR(const stored_factor, w),
                               EPILOGUE_ARGUMENTS, TENSOR(result, y), TENSOR(uchar, index),
                               int has_index, conv_job job)
{
    MATRIX_LOCAL;
    local int4 rows[BM];
    int at = get_local_id(0), group = get_group_id(1), across = (job.cout + BN - 1) / BN;
    int tile = get_group_id(0), row = tile / across * BM, column = tile % across * BN;
    int left = job.cout - column;
    for (int i = at; i < BM; i += GROUP) rows[i] = find_row(&job, row + i);
    int n = job.row.taps * job.column.taps * job.cin;
    conv_step k = conv_step_at(&job, at % (KS / AV) * AV), by = conv_step_at(&job, KS);
    x += x0 + group * job.cin;
    global const uchar *from = index + index0 + group * job.cin; /* x's, with UNPOOL */
    w += w0 + (BACKWARD ? (long)column * job.groups * job.cin + group * job.cin
                        : group * job.cout + column);
    barrier(CLK_LOCAL_MEM_FENCE);
    matrix_tile sums;
    float av[FETCHES(BM, AV) * AV], bv[FETCHES(BN, BV) * BV];
    tile_clear(&sums);
    fetch_blocks(av, bv, &job, rows, x, from, w, &k, &by, 0, n, left, at);
    put_blocks(A_BLOCK(0), B_BLOCK(0), av, bv, at);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int first = 0, which = 0; first < n; first += KS, which ^= 1) {
        int next = first + KS;
        if (next < n) fetch_blocks(av, bv, &job, rows, x, from, w, &k, &by, next, n, left, at);
        tile_add(&sums, A_BLOCK(which), B_BLOCK(which), lane, sub_group, exchange);
        if (next < n) put_blocks(A_BLOCK(which ^ 1), B_BLOCK(which ^ 1), av, bv, at);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    conv_epilogue f = FINISH;
    f.act = ACT;
    FRAGMENTS
    for (int i = 0; i < WM / UNIT_M; i++) {
        tile_store(&sums, i, C_ROWS, lane);
        for (int l = lane; l < C_RUNS(POOL ? 4 : 1); l += LANES) {
            int r = C_RUN_ROW(l, POOL ? 4 : 1), o = C_COLUMN + C_RUN_COLUMN(l);
            int first = group * job.cout + column + o;
            long to = (long)rows[C_ROW(i) + r].s3 * job.groups * job.cout + first;
            float value[(POOL ? 4 : 1) * RUN_N];
            if (to < 0) continue;
            WHOLE
            for (int s = 0; s < (POOL ? 4 : 1); s++) {
                vstore4(*(local const float4 *)(C_ROWS + (r + s) * C_PITCH + C_RUN_COLUMN(l)), s,
                        value);
                epilogue_run(&f, value + s * RUN_N, first, to, left - o);
            }
            if (POOL)
                store_windows(value, RUN_N, (global stored *)(y + y0) + to,
                              has_index ? index + index0 + to : 0, left - o);
            else
                PRODUCT_STORE(y + y0 + to, value, left - o, job.accumulate);
        }
    }
}

/* ---- the weight gradient ---- */

/* What all work-items need to know of a row of weights: its tap's line and column, and its first
 * channel; −1: it is none, −2: it is the bias. */
INLINE int4 find_weight(const conv_dw_job *job, int row)
{
    int rows = job->kh * job->kw * job->cg, tap = row / job->cg;
    return (int4)(tap / job->kw * job->dilation_h, tap % job->kw * job->dilation_w,
                  row < rows    ? row % job->cg
                  : row == rows ? -2
                                : -1,
                  0);
}

/* What the weights of a block of rows are multiplied by at a pixel: channels under a tap that lie
 * side by side; for the bias 1. */
INLINE_FOR void fetch_pixels(float *value, const conv_dw_job *job, local const int4 *weights,
                             global const stored *x, int4 pixel, int at)
{
    WHOLE
    for (int f = 0; f < FETCHES(BM, AV); f++) {
        int4 tap = weights[min(EDGE_ROW(f, 1, at), BM / AV - 1)];
        int inside = tap.s2 >= 0 && (uint)(pixel.s1 + tap.s0) < (uint)job->h &&
                     (uint)(pixel.s2 + tap.s1) < (uint)job->w;
        long from = (long)(pixel.s0 + tap.s0 * job->w + tap.s1) * job->c + tap.s2;
        product_load(value + f * AV, AV, x + from, inside);
        if (tap.s2 == -2) value[f * AV] = 1.0f;
    }
}

/* The gradient at as many pixels, of which dy is at the first; with POOL that of 2 × 2 maxima,
 * unpooled, and dy is at that of all images. */
INLINE_FOR void fetch_gradients(float *value, const conv_dw_job *job, int4 pixel,
                                global const gradient *dy, global const uchar *index, int steps,
                                int left, int at)
{
    if (!POOL) {
        tile_fetch_across(value, BN, BV, dy, job->k, steps, left, at);
        return;
    }
    int k = pixel.s3, tap = k & 3;
    WHOLE
    for (int f = 0; f < FETCHES(BN, BV); f++) {
        int o = EDGE_ROW(f, BV, at), inside = k >= 0 && o < left;
        long from = (long)(k >> 2) * job->k + o;
        product_load_gradient(value + f * BV, BV, dy + from, inside);
        WHOLE
        for (int m = 0; m < BV; m++)
            if (!inside || index[from + m] != tap) value[f * BV + m] = 0.0f;
    }
}

/* Sums of one chunk of rows of pixels. Rows: weights of a filter, (r, s, c), and with has_bias one
 * more; columns: filters of a group; k: pixels, of which each work-item follows one of a block's.
 * dw and db: where a chunk's sums go, dw_step and db_step floats apart. Grid: tile, columns
 * fastest; group of filters and chunk. dy is pooled with POOL. Bytes of memory: those of
 * conv_implicit_dw. */
MATRIX_KERNEL void conv_matrix_dw(TENSOR(const stored, x), TENSOR(const gradient, dy),
                                  TENSOR(const uchar, index), TENSOR(float, dw), TENSOR(float, db),
                                  ulong dw_step, ulong db_step, conv_dw_job job)
{
    MATRIX_LOCAL;
    local int4 weights[BM / AV];
    int at = get_local_id(0), across = (job.kg + BN - 1) / BN;
    int matrix = get_group_id(1), group = matrix % job.groups, chunk = matrix / job.groups;
    int tile = get_group_id(0), row = tile / across * BM, column = tile % across * BN;
    int left = job.kg - column;
    int k = chunk * job.lines_per_chunk * job.ow;
    int end = min((chunk + 1) * job.lines_per_chunk, job.images * job.oh) * job.ow;
    int rows = job.kh * job.kw * job.cg, first = group * job.kg + column;
    x += x0 + group * job.cg;
    dy += dy0 + first + (POOL ? 0 : (long)k * job.k);
    index += index0 + first;
    dw += dw0 + chunk * dw_step + first;
    db += db0 + chunk * db_step + first;
    for (int i = at; i < BM / AV; i += GROUP) weights[i] = find_weight(&job, row + i * AV);
    conv_pixel pixel = conv_pixel_at(&job, k + at % KS), by = conv_pixel_at(&job, KS);
    barrier(CLK_LOCAL_MEM_FENCE);
    matrix_tile sums;
    float av[FETCHES(BM, AV) * AV], bv[FETCHES(BN, BV) * BV];
    tile_clear(&sums);
    int4 found = conv_pixel_find(&job, &pixel, k + at % KS < end);
    fetch_pixels(av, &job, weights, x, found, at);
    fetch_gradients(bv, &job, found, dy, index, end - k, left, at);
    tile_put_across(A_BLOCK(0), BM, AV, av, at);
    tile_put_across(B_BLOCK(0), BN, BV, bv, at);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int which = 0; k < end; k += KS, which ^= 1) {
        int more = k + KS < end;
        if (more) {
            conv_pixel_on(&job, &pixel, &by);
            found = conv_pixel_find(&job, &pixel, k + KS + at % KS < end);
            dy += POOL ? 0 : (long)KS * job.k;
            fetch_pixels(av, &job, weights, x, found, at);
            fetch_gradients(bv, &job, found, dy, index, end - k - KS, left, at);
        }
        tile_add(&sums, A_BLOCK(which), B_BLOCK(which), lane, sub_group, exchange);
        if (more) {
            tile_put_across(A_BLOCK(which ^ 1), BM, AV, av, at);
            tile_put_across(B_BLOCK(which ^ 1), BN, BV, bv, at);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    FRAGMENTS
    for (int i = 0; i < WM / UNIT_M; i++) {
        tile_store(&sums, i, C_ROWS, lane);
        for (int l = lane; l < C_RUNS(1); l += LANES) {
            int r = row + C_ROW(i) + C_RUN_ROW(l, 1), o = C_COLUMN + C_RUN_COLUMN(l);
            float value[RUN_N];
            if (r > rows || (r == rows && !job.has_bias)) continue;
            global float *to = r < rows ? dw + (long)r * job.k : db;
            vstore4(*(local const float4 *)(C_ROWS + C_RUN_ROW(l, 1) * C_PITCH + C_RUN_COLUMN(l)),
                    0, value);
            product_store_sums(to + o, value, left - o, job.accumulate);
        }
    }
}
