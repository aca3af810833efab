/* Batch normalisation of a matrix [m, c]. Sums are trees (clade/ops.h): work-items stride over
 * blocks of rows (dimension 1 of the grid) and vectors of columns (dimension 0); groups of columns
 * add what is left of them; then work-items stride over rows (dimension 1) and a row's vectors
 * (dimension 0). On a narrow core a work-item sums 64 rows of one column, 8 of them in flight, so
 * that a tensor of 64 MB keeps 2^18 busy; neighbours read what lies together, also where c is
 * small; the blocks' sums are a 64th of x. Workspace: src/opencl/norm.c. */
#include "opencl.clh"
#include "norm_sums.clh"

/* partial[block, k] = the sum of x. */
kernel void norm_sum(TENSOR(stored, x), TENSOR(float, partial), ulong rows, int tail, int blocks,
                     ulong c, ulong width)
{
    FOR_SUMS(1, blocks, width)
    {
        V sum[NV], product[NV];
        norm_block(sum, product, x + x0, x + x0, 0, block, k, rows, tail, c, width, NORM_PLAIN);
        EACH_VECTOR(v) V_STORE(partial + partial0 + block * width + k + v * VW, sum[v]);
    }
}

/* The sum of (x − mean)². */
kernel void norm_square(TENSOR(stored, x), TENSOR(float, mean), TENSOR(float, partial), ulong rows,
                        int tail, int blocks, ulong c, ulong width)
{
    FOR_SUMS(1, blocks, width)
    {
        V sum[NV], product[NV];
        norm_block(sum, product, x + x0, x + x0, mean + mean0, block, k, rows, tail, c, width,
                   NORM_SQUARES);
        EACH_VECTOR(v) V_STORE(partial + partial0 + block * width + k + v * VW, sum[v]);
    }
}

/* The sums of dy, and of dy (x − mean) into the second set of partial sums. */
kernel void norm_dsum(TENSOR(stored, x), TENSOR(stored, dy), TENSOR(float, mean),
                      TENSOR(float, partial), ulong rows, int tail, int blocks, ulong c,
                      ulong width)
{
    FOR_SUMS(1, blocks, width)
    {
        V sum[NV], product[NV];
        norm_block(sum, product, x + x0, dy + dy0, mean + mean0, block, k, rows, tail, c, width,
                   NORM_SLOPES);
        EACH_VECTOR(v)
        {
            global float *to = partial + partial0 + block * width + k + v * VW;
            V_STORE(to, sum[v]);
            V_STORE(to + (size_t)blocks * width, product[v]);
        }
    }
}

/* ---- channels: n rows of sums are left of each column ---- */

#define TOTAL(set) tree_total(partial + partial0 + (size_t)(set)*n * width, c, width, n, local_)
#define CHANNEL const size_t k = get_global_id(0);

kernel void norm_mean(TENSOR(float, partial), TENSOR(float, mean), ulong m, int n, int c, int width)
{
    TREE_LOCAL(local_);
    CHANNEL
    const float total = TOTAL(0);
    if (TREE_WRITES(c)) mean[mean0 + k] = math_div(total, (float)m);
}

/* Also the running statistics, and the scale of each channel. */
kernel void norm_rstd(TENSOR(float, partial), TENSOR(float, gamma), TENSOR(float, mean),
                      TENSOR(float, rstd), TENSOR(float, running_mean), TENSOR(float, running_var),
                      TENSOR(float, channel), ulong m, int n, int c, int width, float eps,
                      float momentum, int unbiased)
{
    TREE_LOCAL(local_);
    CHANNEL
    const float squares = TOTAL(0);
    if (!TREE_WRITES(c)) return;
    float var = math_div(squares, (float)m);
    float kept = unbiased && m > 1 ? math_div(squares, (float)(m - 1)) : var;
    float r = math_rsqrt(var + eps);
    rstd[rstd0 + k] = r;
    running_mean[running_mean0 + k] =
        norm_running(momentum, running_mean[running_mean0 + k], mean[mean0 + k]);
    running_var[running_var0 + k] = norm_running(momentum, running_var[running_var0 + k], kept);
    channel[channel0 + k] = r * gamma[gamma0 + k];
}

/* The sum itself. */
kernel void norm_totals(TENSOR(float, partial), TENSOR(float, sum), int n, int c, int width)
{
    TREE_LOCAL(local_);
    CHANNEL
    const float total = TOTAL(0);
    if (TREE_WRITES(c)) sum[sum0 + k] = total;
}

/* The scale of each channel from a given variance. */
kernel void norm_scale(TENSOR(float, gamma), TENSOR(float, var), TENSOR(float, channel), int c,
                       float eps)
{
    size_t k = get_global_id(0);
    if (k < (size_t)c) channel[channel0 + k] = math_rsqrt(var[var0 + k] + eps) * gamma[gamma0 + k];
}

/* dgamma, dbeta, and the three values per channel that norm_apply_dx reads. */
kernel void norm_slopes_train(TENSOR(float, partial), TENSOR(float, channel), TENSOR(float, gamma),
                              TENSOR(float, rstd), TENSOR(float, dgamma), TENSOR(float, dbeta),
                              ulong m, int n, int c, int width, int accumulate)
{
    TREE_LOCAL(local_);
    CHANNEL
    const float db = TOTAL(0), product = TOTAL(1);
    if (!TREE_WRITES(c)) return;
    const float r = rstd[rstd0 + k], dg = r * product;
    norm_slopes s = norm_slopes_of(gamma[gamma0 + k], r, dg, db, m);
    channel[channel0 + k] = s.scale;
    channel[channel0 + c + k] = s.shift;
    channel[channel0 + 2 * (size_t)c + k] = s.slope;
    PUT(dgamma[dgamma0 + k], dg);
    PUT(dbeta[dbeta0 + k], db);
}

/* These three values from a given variance and means [2, c]. */
kernel void norm_slopes_sync(TENSOR(float, channel), TENSOR(float, gamma), TENSOR(float, var),
                             TENSOR(float, means), int c, float eps)
{
    size_t k = get_global_id(0);
    if (k >= (size_t)c) return;
    float r = math_rsqrt(var[var0 + k] + eps);
    channel[channel0 + k] = r * gamma[gamma0 + k];
    channel[channel0 + c + k] = means[means0 + c + k];
    channel[channel0 + 2 * (size_t)c + k] = means[means0 + k] * r;
}

/* dgamma and dbeta where the statistics are given; either may be absent. */
kernel void norm_slopes_infer(TENSOR(float, partial), TENSOR(float, var), TENSOR(float, dgamma),
                              TENSOR(float, dbeta), int has_dgamma, int has_dbeta, int n, int c,
                              int width, float eps, int accumulate)
{
    TREE_LOCAL(local_);
    CHANNEL
    const float db = TOTAL(0), product = TOTAL(1);
    if (!TREE_WRITES(c)) return;
    if (has_dgamma) PUT(dgamma[dgamma0 + k], math_rsqrt(var[var0 + k] + eps) * product);
    if (has_dbeta) PUT(dbeta[dbeta0 + k], db);
}

/* Places i of rows of `vectors` vectors, `rows` of them to a block; k the channel. */
#define FOR_BLOCKS                                                                                 \
    const uint vectors = (uint)(c / VW);                                                           \
    for (ulong block = get_global_id(1); block * rows < m; block += get_global_size(1))            \
        for (ulong item = get_global_id(0), end = min(rows, m - block * rows) * vectors;           \
             item < end; item += get_global_size(0))                                               \
            for (size_t i = (block * rows * vectors + item) * VW, k = (uint)item % vectors * VW,   \
                        once = 1;                                                                  \
                 once; once = 0)

kernel void norm_apply(TENSOR(stored, x), TENSOR(float, mean), TENSOR(float, channel),
                       TENSOR(float, beta), TENSOR(stored, y), ulong m, ulong rows, int c)
{
    FOR_BLOCKS
    {
        V value = norm_y(SV_LOAD(x + x0 + i), V_LOAD(mean + mean0 + k),
                         V_LOAD(channel + channel0 + k), V_LOAD(beta + beta0 + k));
        SV_STORE(y + y0 + i, value);
    }
}

kernel void norm_apply_dx(TENSOR(stored, x), TENSOR(stored, dy), TENSOR(float, mean),
                          TENSOR(float, channel), TENSOR(stored, dx), ulong m, ulong rows, int c,
                          int accumulate)
{
    FOR_BLOCKS
    {
        global const float *s = channel + channel0 + k;
        V value = norm_dx(SV_LOAD(x + x0 + i), SV_LOAD(dy + dy0 + i), V_LOAD(mean + mean0 + k),
                          V_LOAD(s), V_LOAD(s + c), V_LOAD(s + 2 * (size_t)c));
        lanes_put(dx + dx0 + i, value, accumulate, VW);
    }
}

kernel void norm_apply_infer_dx(TENSOR(stored, dy), TENSOR(float, channel), TENSOR(stored, dx),
                                ulong m, ulong rows, int c, int accumulate)
{
    FOR_BLOCKS
    {
        V value = SV_LOAD(dy + dy0 + i) * V_LOAD(channel + channel0 + k);
        lanes_put(dx + dx0 + i, value, accumulate, VW);
    }
}
