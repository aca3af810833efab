/* Convolutions, dense layers and their gradients on GPUs as implicit matrix products: the matrix
 * whose rows are the windows (im2col) is never in memory, a group reads the part that it works on
 * from the images themselves. The sums go in the order of the direct kernels, so the bits are
 * theirs; a tap outside of the image adds 0.
 *
 * Options: those of product.clh; ACT the activation, POOL the maxima of 2 × 2 results or
 * their gradient, BACKWARD an input gradient, UNPOOL that of such maxima. */
#include "opencl.clh"
#include "product.clh"

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
        product_fetch_factors(bv, BN, BV, w + next * filters, filters, steps - next, left, at);
    conv_step_on(job, k, by);
}

/* Rows: results, of all images; columns: filters of a group (BACKWARD: channels); k: taps
 * (ascending, or as conv_axis turns them), then channels (filters). Grid: tile, columns fastest;
 * group of filters.
 *
 * Traffic. A tile of 128 × 64 reads 192 floats for every 8192 fma, 0.05 bytes a flop, from L2 and
 * L1: there the overlap of windows is met, each pixel being read nine times, as a tile's rows are
 * neighbours. From memory a layer reads its images once and writes its results once. With batches
 * of 32, a card of 15 TFLOP/s and 500 GB/s does 30 flops in the time of a byte:
 *
 *     horses-or-humans, 300² × 3 → 16        216 MB  2.5 GFLOP   11 flops a byte: memory
 *     the same with POOL                       91               27            both
 *     cats-dogs-dropout, 150² × 3 → 32, POOL   37    1.2         33            both
 *     cats-dogs-dropout, 74² × 32 → 64, POOL   36    6.1        171            arithmetic
 *     dense 3136 → 512                          7    0.1         15            memory: weights
 *     ResNet-50, batch 16, 56² × 64 → 256, z  116    1.6         14            memory
 *     the same, 14² × 256 → 1024, z            30    1.6         55            arithmetic
 *
 * (the fourth where it is not done by Winograd's tiles). Nothing goes to or from the host. */
PRODUCT_KERNEL void conv_implicit(TENSOR(const source, x), TENSOR(const stored_factor, w),
                                  EPILOGUE_ARGUMENTS, TENSOR(result, y), TENSOR(uchar, index),
                                  int has_index, conv_job job)
{
    PRODUCT_LOCAL;
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
    float acc[WM][WN], av[FETCHES(BM, AV) * AV], bv[FETCHES(BN, BV) * BV];
    product_clear(acc);
    fetch_blocks(av, bv, &job, rows, x, from, w, &k, &by, 0, n, left, at);
    for (int first = 0; first < n; first += KS) {
        product_put_turned(as, BM, AV, av, at);
        if (BACKWARD)
            product_put_turned(bs, BN, BV, bv, at);
        else
            product_put(bs, BN, BV, bv, at);
        barrier(CLK_LOCAL_MEM_FENCE);
        fetch_blocks(av, bv, &job, rows, x, from, w, &k, &by, first + KS, n, left, at);
        product_add(acc, as, bs, min(KS, n - first), at);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    conv_epilogue f = FINISH;
    f.act = ACT;
    WHOLE
    for (int c = 0; c < WN; c += RUN_N) {
        int o = PRODUCT_COLUMN(c, at), first = group * job.cout + column + o;
        WHOLE
        for (int r = 0; r < WM; r++) {
            long to = (long)rows[PRODUCT_ROW(r, at)].s3 * job.groups * job.cout + first;
            if (to < 0) continue;
            epilogue_run(&f, acc[r] + c, first, to, left - o);
            if (!POOL)
                PRODUCT_STORE(y + y0 + to, acc[r] + c, left - o, job.accumulate);
            else if (r % 4 == 3)
                store_windows(acc[r - 3] + c, WN, (global stored *)(y + y0) + to,
                              has_index ? index + index0 + to : 0, left - o);
        }
    }
}

/* ---- the weight gradient ---- */

/* What the weights of row `row` are multiplied by: channels of the pixels under a tap that lie side
 * by side. The row after the last is 1, which makes it the bias's gradient. */
INLINE_FOR void fetch_pixels(float *value, const conv_dw_job *job, local const int4 *pixels,
                             global const stored *x, int row, int at)
{
    int rows = job->kh * job->kw * job->cg, tap = row / job->cg;
    int r = tap / job->kw * job->dilation_h, s = tap % job->kw * job->dilation_w;
    int away = r * job->w + s;
    uint lines = row < rows ? (uint)job->h : 0; /* places before 0 are large */
    x += row % job->cg;
    WHOLE
    for (int f = 0; f < FETCHES(BM, AV); f++) {
        int4 k = pixels[min((at + f * GROUP) / (BM / AV), KS - 1)];
        int inside = (uint)(k.s1 + r) < lines && (uint)(k.s2 + s) < (uint)job->w;
        product_load(value + f * AV, AV, x + (long)(k.s0 + away) * job->c, inside);
        if (row == rows) value[f * AV] = 1.0f;
    }
}

/* The gradient at as many pixels, of which dy is at the first; with POOL that of 2 × 2 maxima,
 * unpooled, and dy is at that of all images. */
INLINE_FOR void fetch_gradients(float *value, const conv_dw_job *job, local const int4 *pixels,
                                global const gradient *dy, global const uchar *index, int steps,
                                int left, int at)
{
    if (!POOL) {
        product_fetch_gradient(value, BN, BV, dy, job->k, steps, left, at);
        return;
    }
    int o = at % (BN / BV) * BV;
    WHOLE
    for (int f = 0; f < FETCHES(BN, BV); f++) {
        int l = at + f * GROUP, k = pixels[min(l / (BN / BV), KS - 1)].s3, tap = k & 3;
        int inside = k >= 0 && o < left;
        long from = (long)(k >> 2) * job->k + o;
        product_load_gradient(value + f * BV, BV, dy + from, inside);
        WHOLE
        for (int m = 0; m < BV; m++)
            if (!inside || index[from + m] != tap) value[f * BV + m] = 0.0f;
    }
}

/* Sums of one chunk of rows of pixels. Rows: weights of a filter, (r, s, c), and with has_bias one
 * more; columns: filters of a group; k: pixels. dw and db: where a chunk's sums go, dw_step and
 * db_step floats apart. Grid: tile, columns fastest; group of filters and chunk. dy is pooled with
 * POOL: the full gradient, three quarters zeros, is made on the way.
 *
 * Chunks are part of the op's definition, from 64 to 1024 of them by the batch: the first layer of
 * horses-or-humans, of 32 images, has 1024 · 28 × 16 chains of some 2,800 fma. What counts is how
 * soon a chain's next step is at hand: local memory, with the next block on its way, and few
 * instructions on the way there: where a block's pixels lie is found once, by as many work-items as
 * it has steps. By ptxas that makes 10 instructions a step. POOL spares memory the full gradient,
 * written and read again 364 MB there, for 57. db costs no pass of its own. */
PRODUCT_KERNEL void conv_implicit_dw(TENSOR(const stored, x), TENSOR(const gradient, dy),
                                     TENSOR(const uchar, index), TENSOR(float, dw),
                                     TENSOR(float, db), ulong dw_step, ulong db_step,
                                     conv_dw_job job)
{
    PRODUCT_LOCAL;
    local int4 pixels[KS];
    int at = get_local_id(0), across = (job.kg + BN - 1) / BN;
    int matrix = get_group_id(1), group = matrix % job.groups, chunk = matrix / job.groups;
    int tile = get_group_id(0), row = tile / across * BM, column = tile % across * BN;
    int left = job.kg - column;
    int k = chunk * job.lines_per_chunk * job.ow;
    int end = min((chunk + 1) * job.lines_per_chunk, job.images * job.oh) * job.ow;
    int rows = job.kh * job.kw * job.cg, a_row = row + at % (BM / AV) * AV;
    int first = group * job.kg + column;
    x += x0 + group * job.cg;
    dy += dy0 + first + (POOL ? 0 : (long)k * job.k);
    index += index0 + first;
    dw += dw0 + chunk * dw_step + first;
    db += db0 + chunk * db_step + first;
    conv_pixel pixel = conv_pixel_at(&job, k + at), by = conv_pixel_at(&job, KS);
    if (at < KS) pixels[at] = conv_pixel_find(&job, &pixel, k + at < end);
    barrier(CLK_LOCAL_MEM_FENCE);
    float acc[WM][WN], av[FETCHES(BM, AV) * AV], bv[FETCHES(BN, BV) * BV];
    product_clear(acc);
    fetch_pixels(av, &job, pixels, x, a_row, at);
    fetch_gradients(bv, &job, pixels, dy, index, end - k, left, at);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (; k < end; k += KS) {
        product_put(as, BM, AV, av, at);
        product_put(bs, BN, BV, bv, at);
        conv_pixel_on(&job, &pixel, &by);
        if (at < KS) pixels[at] = conv_pixel_find(&job, &pixel, k + KS + at < end);
        dy += POOL ? 0 : (long)KS * job.k;
        barrier(CLK_LOCAL_MEM_FENCE);
        fetch_pixels(av, &job, pixels, x, a_row, at);
        fetch_gradients(bv, &job, pixels, dy, index, end - k - KS, left, at);
        product_add(acc, as, bs, min(KS, end - k), at);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    WHOLE
    for (int r = 0; r < WM; r++) {
        int i = row + PRODUCT_ROW(r, at);
        if (i > rows || (i == rows && !job.has_bias)) continue;
        global float *to = i < rows ? dw + (long)i * job.k : db;
        WHOLE
        for (int c = 0; c < WN; c += RUN_N) {
            int o = PRODUCT_COLUMN(c, at);
            product_store_sums(to + o, acc[r] + c, left - o, job.accumulate);
        }
    }
}
