/* activation, activation_dx: one work-item per element. */
#include "opencl.clh"
#include "activation.clh"

kernel void activation(TENSOR(float, x), TENSOR(float, y), ulong n, int act, float alpha)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    y[y0 + i] = act_forward(act, alpha, x[x0 + i]);
}

/* s is x or y, as the activation needs. */
kernel void activation_dx(TENSOR(float, s), TENSOR(float, dy), TENSOR(float, dx), ulong n, int act,
                          float alpha, int accumulate)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    PUT(dx[dx0 + i], act_backward(act, alpha, s[s0 + i], dy[dy0 + i]));
}
