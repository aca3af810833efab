/* activation, activation_dx: elements.clh. The activation is ACT, a constant of the program. */
#include "elements.clh"
#include "activation.clh"

#ifndef ACT
#define ACT ACT_RELU
#endif

kernel void activation(TENSOR(float, x), TENSOR(float, y), float alpha, ELEMENTS)
{
    FOR_EACH(i) y[y0 + i] = act_forward(ACT, alpha, x[x0 + i]);
}

/* s is x or y, as the activation needs. */
kernel void activation_dx(TENSOR(float, s), TENSOR(float, dy), TENSOR(float, dx), float alpha,
                          int accumulate, ELEMENTS)
{
    FOR_EACH(i) PUT(dx[dx0 + i], act_backward(ACT, alpha, s[s0 + i], dy[dy0 + i]));
}
