/* activation, activation_dx: elements.clh. The activation is ACT, a constant of the program. */
#include "elements.clh"
#include "activation.clh"
#include "stored.clh"

#ifndef ACT
#define ACT ACT_RELU
#endif

kernel void activation(TENSOR(stored, x), TENSOR(stored, y), float alpha, ELEMENTS)
{
    FOR_EACH(i) S_STORE(y + y0 + i, act_forward(ACT, alpha, S_LOAD(x + x0 + i)));
}

/* s is x or y, as the activation needs. */
kernel void activation_dx(TENSOR(stored, s), TENSOR(stored, dy), TENSOR(stored, dx), float alpha,
                          int accumulate, ELEMENTS)
{
    FOR_EACH(i)
    S_PUT(dx + dx0 + i, act_backward(ACT, alpha, S_LOAD(s + s0 + i), S_LOAD(dy + dy0 + i)));
}
