/* Local response normalisation: one work-item per element of [..., c]. */
#include "opencl.clh"
#include "lrn.clh"

kernel void lrn(TENSOR(float, x), TENSOR(float, y), ulong n, int c, int size, float bias,
                float scale, float beta)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    int k = (int)(i % (ulong)c);
    float base = lrn_base(x + x0 + i - k, c, k, size, bias, scale);
    y[y0 + i] = x[x0 + i] * lrn_power(base, beta);
}

/* term[i] = what output i adds to gradients. */
kernel void lrn_terms(TENSOR(float, x), TENSOR(float, dy), global float *term, ulong n, int c,
                      int size, float bias, float scale, float beta)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    int k = (int)(i % (ulong)c);
    float base = lrn_base(x + x0 + i - k, c, k, size, bias, scale);
    term[i] = lrn_term(x[x0 + i], dy[dy0 + i], base, lrn_power(base, beta));
}

kernel void lrn_dx(TENSOR(float, x), TENSOR(float, dy), global const float *term, TENSOR(float, dx),
                   ulong n, int c, int size, float bias, float scale, float beta, int accumulate)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    int k = (int)(i % (ulong)c);
    int first = max(k - lrn_after(size), 0), last = min(k + lrn_before(size), c - 1);
    float sum = 0.0f;
    for (int j = first; j <= last; j++) sum += term[i - k + j];
    float power = lrn_power(lrn_base(x + x0 + i - k, c, k, size, bias, scale), beta);
    PUT(dx[dx0 + i], lrn_gradient(x[x0 + i], dy[dy0 + i], power, lrn_factor(beta, scale), sum));
}
