/* Batch normalisation of a matrix [m, c]. Sums run over chunks of rows (dimension 1 of the grid)
 * for NV vectors of VW channels (dimension 0); then one work-item per channel; then work-items
 * stride over rows (dimension 1) and a row's vectors (dimension 0). NV VW divides c. Workspace:
 * src/opencl/norm.c. */
#include "opencl.clh"
#include "norm.clh"

#ifndef NV
#define NV 1
#endif

/* Runs a body for rows [begin, end) of each chunk and NV vectors from channel k on. */
#define FOR_CHUNKS                                                                                 \
    for (size_t chunk = get_global_id(1); chunk < (size_t)chunks; chunk += get_global_size(1))     \
        for (size_t k = get_global_id(0) * NV * VW, begin = chunk * rows,                          \
                    end = min((ulong)(begin + rows), m);                                           \
             k < (size_t)c; k += get_global_size(0) * NV * VW)

#define EACH_VECTOR(v) UNROLL for (int v = 0; v < NV; v++)

/* partial[chunk, k] = the sum of x. */
kernel void norm_sum(TENSOR(float, x), global float *partial, ulong m, ulong rows, int chunks,
                     int c)
{
    FOR_CHUNKS
    {
        V sum[NV];
        EACH_VECTOR(v) sum[v] = V_SPLAT(0.0f);
        norm_add(sum, NV, x + x0 + begin * c + k, end - begin, c, VW);
        EACH_VECTOR(v) V_STORE(partial + chunk * c + k + v * VW, sum[v]);
    }
}

/* The sum of (x − mean)². */
kernel void norm_square(TENSOR(float, x), TENSOR(float, mean), global float *partial, ulong m,
                        ulong rows, int chunks, int c)
{
    FOR_CHUNKS
    {
        V sum[NV];
        EACH_VECTOR(v) sum[v] = V_SPLAT(0.0f);
        norm_add_squares(sum, NV, x + x0 + begin * c + k, mean + mean0 + k, end - begin, c, VW);
        EACH_VECTOR(v) V_STORE(partial + chunk * c + k + v * VW, sum[v]);
    }
}

/* The sums of dy, and of dy (x − mean) into the second set of partial sums. */
kernel void norm_dsum(TENSOR(float, x), TENSOR(float, dy), TENSOR(float, mean),
                      global float *partial, ulong m, ulong rows, int chunks, int c)
{
    FOR_CHUNKS
    {
        V sum[NV], product[NV];
        EACH_VECTOR(v) sum[v] = product[v] = V_SPLAT(0.0f);
        norm_add_slopes(sum, product, NV, x + x0 + begin * c + k, dy + dy0 + begin * c + k,
                        mean + mean0 + k, end - begin, c, VW);
        EACH_VECTOR(v)
        {
            global float *to = partial + chunk * c + k + v * VW;
            V_STORE(to, sum[v]);
            V_STORE(to + (size_t)chunks * c, product[v]);
        }
    }
}

/* One work-item per channel. */
kernel void norm_mean(global const float *partial, TENSOR(float, mean), ulong m, int chunks, int c)
{
    size_t k = get_global_id(0);
    if (k < (size_t)c) mean[mean0 + k] = math_div(norm_total(partial + k, chunks, c), (float)m);
}

/* Also the running statistics, and the scale of each channel into `channel`. */
kernel void norm_rstd(global const float *partial, TENSOR(float, gamma), TENSOR(float, mean),
                      TENSOR(float, rstd), TENSOR(float, running_mean), TENSOR(float, running_var),
                      global float *workspace, ulong channel, ulong m, int chunks, int c, float eps,
                      float momentum, int unbiased)
{
    size_t k = get_global_id(0);
    if (k >= (size_t)c) return;
    float squares = norm_total(partial + k, chunks, c), var = math_div(squares, (float)m);
    float kept = unbiased && m > 1 ? math_div(squares, (float)(m - 1)) : var;
    float r = math_rsqrt(var + eps);
    rstd[rstd0 + k] = r;
    running_mean[running_mean0 + k] =
        norm_running(momentum, running_mean[running_mean0 + k], mean[mean0 + k]);
    running_var[running_var0 + k] = norm_running(momentum, running_var[running_var0 + k], kept);
    workspace[channel + k] = r * gamma[gamma0 + k];
}

/* The sum itself. */
kernel void norm_totals(global const float *partial, TENSOR(float, sum), int chunks, int c)
{
    size_t k = get_global_id(0);
    if (k < (size_t)c) sum[sum0 + k] = norm_total(partial + k, chunks, c);
}

/* The scale of each channel from a given variance. */
kernel void norm_scale(TENSOR(float, gamma), TENSOR(float, var), global float *workspace,
                       ulong channel, int c, float eps)
{
    size_t k = get_global_id(0);
    if (k < (size_t)c) workspace[channel + k] = math_rsqrt(var[var0 + k] + eps) * gamma[gamma0 + k];
}

/* dgamma, dbeta, and the three values per channel that norm_apply_dx reads. */
kernel void norm_slopes_train(global float *workspace, ulong channel, TENSOR(float, gamma),
                              TENSOR(float, rstd), TENSOR(float, dgamma), TENSOR(float, dbeta),
                              ulong m, int chunks, int c, int accumulate)
{
    size_t k = get_global_id(0);
    if (k >= (size_t)c) return;
    float r = rstd[rstd0 + k], db = norm_total(workspace + k, chunks, c);
    float dg = r * norm_total(workspace + (size_t)chunks * c + k, chunks, c);
    norm_slopes s = norm_slopes_of(gamma[gamma0 + k], r, dg, db, m);
    workspace[channel + k] = s.scale;
    workspace[channel + c + k] = s.shift;
    workspace[channel + 2 * (size_t)c + k] = s.slope;
    PUT(dgamma[dgamma0 + k], dg);
    PUT(dbeta[dbeta0 + k], db);
}

/* These three values from a given variance and means [2, c]. */
kernel void norm_slopes_sync(global float *workspace, ulong channel, TENSOR(float, gamma),
                             TENSOR(float, var), TENSOR(float, means), int c, float eps)
{
    size_t k = get_global_id(0);
    if (k >= (size_t)c) return;
    float r = math_rsqrt(var[var0 + k] + eps);
    workspace[channel + k] = r * gamma[gamma0 + k];
    workspace[channel + c + k] = means[means0 + c + k];
    workspace[channel + 2 * (size_t)c + k] = means[means0 + k] * r;
}

/* dgamma and dbeta where the statistics are given; either may be absent. */
kernel void norm_slopes_infer(global const float *workspace, TENSOR(float, var),
                              TENSOR(float, dgamma), TENSOR(float, dbeta), int has_dgamma,
                              int has_dbeta, int chunks, int c, float eps, int accumulate)
{
    size_t k = get_global_id(0);
    if (k >= (size_t)c) return;
    float r = math_rsqrt(var[var0 + k] + eps);
    if (has_dgamma)
        PUT(dgamma[dgamma0 + k], r * norm_total(workspace + (size_t)chunks * c + k, chunks, c));
    if (has_dbeta) PUT(dbeta[dbeta0 + k], norm_total(workspace + k, chunks, c));
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

kernel void norm_apply(TENSOR(float, x), TENSOR(float, mean), global const float *workspace,
                       ulong channel, TENSOR(float, beta), TENSOR(float, y), ulong m, ulong rows,
                       int c)
{
    FOR_BLOCKS
    {
        V value = norm_y(V_LOAD(x + x0 + i), V_LOAD(mean + mean0 + k),
                         V_LOAD(workspace + channel + k), V_LOAD(beta + beta0 + k));
        V_STORE(y + y0 + i, value);
    }
}

kernel void norm_apply_dx(TENSOR(float, x), TENSOR(float, dy), TENSOR(float, mean),
                          global const float *workspace, ulong channel, TENSOR(float, dx), ulong m,
                          ulong rows, int c, int accumulate)
{
    FOR_BLOCKS
    {
        global const float *s = workspace + channel + k;
        V value = norm_dx(V_LOAD(x + x0 + i), V_LOAD(dy + dy0 + i), V_LOAD(mean + mean0 + k),
                          V_LOAD(s), V_LOAD(s + c), V_LOAD(s + 2 * (size_t)c));
        lanes_put(dx + dx0 + i, value, accumulate, VW);
    }
}

kernel void norm_apply_infer_dx(TENSOR(float, dy), global const float *workspace, ulong channel,
                                TENSOR(float, dx), ulong m, ulong rows, int c, int accumulate)
{
    FOR_BLOCKS
    {
        V value = V_LOAD(dy + dy0 + i) * V_LOAD(workspace + channel + k);
        lanes_put(dx + dx0 + i, value, accumulate, VW);
    }
}
