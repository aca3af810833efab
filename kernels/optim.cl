/* norm_clip, sgd, rmsprop, adam, lion, lamb. The steps: elements.clh. */
#include "elements.clh"
#include "norm_sums.clh"
#include "optim.clh"

/* ---- the norm: a tree (clade/ops.h) over g as [n, 1] ---- */

/* partial[block, 64] = the sums of squares: on a narrow core a work-item has 64 of them, 8 in
 * flight, and its neighbours theirs beside; reads 4 n bytes. */
kernel void norm_clip_sums(TENSOR(float, g), TENSOR(float, partial), ulong rows, int tail,
                           int blocks, ulong c, ulong width)
{
    FOR_SUMS(1, blocks, width)
    {
        V sum[NV], product[NV];
        norm_block(sum, product, g + g0, g + g0, 0, block, k, rows, tail, c, width, NORM_SQUARES);
        EACH_VECTOR(v) V_STORE(partial + partial0 + block * width + k + v * VW, sum[v]);
    }
}

/* From what is left of each lane, n rows. */
kernel void norm_clip_total(TENSOR(float, partial), TENSOR(float, scale), TENSOR(float, norm),
                            int n, int c, int width, float limit)
{
    TREE_LOCAL(local_);
    const float total = tree_total(partial + partial0, c, width, n, local_);
    if (!TREE_WRITES(c)) return;
    const float root = math_sqrt(total);
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
                         int of_gradients, float decay, ELEMENTS)
{
    CLIP;
    FOR_EACH(i)
    {
        const float old = w[w0 + i], gradient = clip * g[g0 + i];
        float velocity = v[v0 + i];
        w[w0 + i] = of_gradients
                        ? sgd_of_gradients(old, gradient, &velocity, lr, momentum, nesterov, decay)
                        : sgd_of_steps(old, gradient, &velocity, lr, momentum, nesterov, decay);
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

kernel void lion(TENSOR(float, w), TENSOR(const float, g), TENSOR(float, m),
                 TENSOR(const float, scale), float lr, float beta1, float beta2, float decay,
                 ELEMENTS)
{
    CLIP;
    FOR_EACH(i)
    {
        float mean = m[m0 + i];
        w[w0 + i] = lion_step(w[w0 + i], clip * g[g0 + i], &mean, lr, beta1, beta2, decay);
        m[m0 + i] = mean;
    }
}

/* r: as w. */
kernel void lamb_directions(TENSOR(const float, w), TENSOR(const float, g), TENSOR(float, m),
                            TENSOR(float, v), TENSOR(const float, scale), TENSOR(float, r),
                            float beta1, float beta2, float eps, float m1, float v1, float decay,
                            ELEMENTS)
{
    CLIP;
    FOR_EACH(i)
    {
        float mean = m[m0 + i], square = v[v0 + i];
        r[r0 + i] = lamb_direction(w[w0 + i], clip * g[g0 + i], &mean, &square, beta1, beta2, eps,
                                   m1, v1, decay);
        m[m0 + i] = mean;
        v[v0 + i] = square;
    }
}

/* norms: of w and of r. Every work-item has the ratio; that of element 0 tells it. */
kernel void lamb(TENSOR(float, w), TENSOR(const float, r), TENSOR(const float, norms),
                 TENSOR(float, ratio), float lr, ELEMENTS)
{
    const float quotient = lamb_ratio(norms[norms0], norms[norms0 + 1]);
    FOR_EACH(i)
    {
        w[w0 + i] = FMA(-(lr * quotient), r[r0 + i], w[w0 + i]);
        if (i == 0) ratio[ratio0] = quotient;
    }
}
