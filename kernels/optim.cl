/* norm_clip, sgd, rmsprop, adam. The steps: elements.clh. */
#include "elements.clh"
#include "optim.clh"
#include "vector.clh"

/* ---- the norm ---- */

#define CHUNK 4096 /* CLADE_REDUCE_CHUNK */
#ifndef NV
#define NV 1
#endif

/* A chunk's chains added in ascending order, from 0. */
INLINE void add_chains(global float *workspace, ulong chunk, ulong chunks)
{
    float sum = 0.0f;
    IN_ORDER for (ulong l = 0; l < OPTIM_CHAINS; l++) sum += workspace[chunk * OPTIM_CHAINS + l];
    workspace[chunks * OPTIM_CHAINS + chunk] = sum;
}

/* workspace: chains [chunks, 64], then their sums [chunks].
 *
 * One work-item per chunk and NV VW chains: chain l of a chunk is Σ g² over its elements l, l + 64,
 * … of g [n]. Work-items that follow each other read what lies together. Where a work-item has all
 * chains of a chunk, it adds them. */
kernel void norm_clip_chains(TENSOR(const float, g), global float *workspace, ulong n)
{
    const ulong first = get_global_id(0) * NV * VW;
    const ulong chunk = first / OPTIM_CHAINS, begin = chunk * CHUNK, end = min(n, begin + CHUNK);
    if (begin >= n) return;
    V sum[NV];
    UNROLL for (int v = 0; v < NV; v++) sum[v] = V_SPLAT(0.0f);
    ulong i = begin + first % OPTIM_CHAINS;
    for (; i + NV * VW <= end; i += OPTIM_CHAINS) {
        UNROLL for (int v = 0; v < NV; v++)
        {
            V x = V_LOAD(g + g0 + i + v * VW);
            sum[v] = V_FMA(x, x, sum[v]);
        }
    }
    UNROLL for (int v = 0; v < NV; v++)
    {
        if (i + v * VW < end) {
            V x = V_LOAD_PART(g + g0 + i + v * VW, (int)min(end - i - v * VW, (ulong)VW));
            sum[v] = V_FMA(x, x, sum[v]);
        }
        V_STORE(workspace + first + v * VW, sum[v]);
    }
    if (NV * VW == OPTIM_CHAINS) add_chains(workspace, chunk, (n + CHUNK - 1) / CHUNK);
}

/* One work-item per chunk. */
kernel void norm_clip_chunks(global float *workspace, ulong chunks)
{
    const ulong chunk = get_global_id(0);
    if (chunk < chunks) add_chains(workspace, chunk, chunks);
}

/* One work-group of 64, which fetches; its first work-item adds the chunks in ascending order. */
kernel __attribute__((reqd_work_group_size(64, 1, 1))) void
norm_clip_total(const global float *workspace, TENSOR(float, scale), TENSOR(float, norm),
                ulong chunks, float limit)
{
    local float block[64];
    const global float *partial = workspace + chunks * OPTIM_CHAINS;
    const ulong me = get_local_id(0);
    float sum = 0.0f;
    for (ulong begin = 0; begin < chunks; begin += 64) {
        block[me] = begin + me < chunks ? partial[begin + me] : 0.0f;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me == 0) IN_ORDER for (int i = 0; i < 64; i++) sum += block[i];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (me) return;
    float root = math_sqrt(sum);
    norm[norm0] = root;
    scale[scale0] = optim_clip_scale(root, limit);
}

/* ---- the steps ---- */

/* What g is multiplied by: the clip's scale, if there is one. */
#define CLIP const float clip = scale ? scale[scale0] : 1.0f

kernel void sgd(TENSOR(float, w), TENSOR(const float, g), TENSOR(const float, scale), float lr,
                float decay, ELEMENTS)
{
    CLIP;
    FOR_EACH(i) w[w0 + i] = sgd_plain(w[w0 + i], clip * g[g0 + i], lr, decay);
}

kernel void sgd_velocity(TENSOR(float, w), TENSOR(const float, g), TENSOR(float, v),
                         TENSOR(const float, scale), float lr, float momentum, int nesterov,
                         float decay, ELEMENTS)
{
    CLIP;
    FOR_EACH(i)
    {
        float velocity = v[v0 + i];
        w[w0 + i] =
            sgd_momentum(w[w0 + i], clip * g[g0 + i], &velocity, lr, momentum, nesterov, decay);
        v[v0 + i] = velocity;
    }
}

kernel void rmsprop(TENSOR(float, w), TENSOR(const float, g), TENSOR(float, s),
                    TENSOR(const float, scale), float lr, float rho, float eps, float decay,
                    ELEMENTS)
{
    CLIP;
    FOR_EACH(i)
    {
        float square = s[s0 + i];
        float step = rmsprop_step(clip * g[g0 + i], &square, lr, rho, eps);
        w[w0 + i] = optim_decayed(w[w0 + i], decay) - step;
        s[s0 + i] = square;
    }
}

kernel void rmsprop_velocity(TENSOR(float, w), TENSOR(const float, g), TENSOR(float, s),
                             TENSOR(float, v), TENSOR(const float, scale), float lr, float rho,
                             float momentum, float eps, float decay, ELEMENTS)
{
    CLIP;
    FOR_EACH(i)
    {
        float square = s[s0 + i];
        float step = rmsprop_step(clip * g[g0 + i], &square, lr, rho, eps);
        float velocity = FMA(momentum, v[v0 + i], step);
        w[w0 + i] = optim_decayed(w[w0 + i], decay) - velocity;
        s[s0 + i] = square;
        v[v0 + i] = velocity;
    }
}

kernel void adam(TENSOR(float, w), TENSOR(const float, g), TENSOR(float, m), TENSOR(float, v),
                 TENSOR(const float, scale), float lr, float beta1, float beta2, float eps,
                 float decay, ELEMENTS)
{
    CLIP;
    FOR_EACH(i)
    {
        float mean = m[m0 + i], square = v[v0 + i];
        w[w0 + i] =
            adam_step(w[w0 + i], clip * g[g0 + i], &mean, &square, lr, beta1, beta2, eps, decay);
        m[m0 + i] = mean;
        v[v0 + i] = square;
    }
}
