/* Sums, products and learned slopes. Without broadcast: elements.clh. With it, kernels *_rows:
 * work-items (vectors of a row, rows), VW dividing the row. The gradients of an operand that is not
 * stretched are sums of one element, from 0. */
#include "elements.clh"
#include "vector.clh"
#include "broadcast.clh"
#include "elementwise.clh"

kernel void add(TENSOR(float, a), TENSOR(float, b), TENSOR(float, y), float alpha, float beta,
                ELEMENTS)
{
    FOR_EACH(i) y[y0 + i] = FMA(alpha, a[a0 + i], beta * b[b0 + i]);
}

kernel void mul(TENSOR(float, a), TENSOR(float, b), TENSOR(float, y), ELEMENTS)
{
    FOR_EACH(i) y[y0 + i] = a[a0 + i] * b[b0 + i];
}

kernel void product(TENSOR(float, a), TENSOR(float, b), TENSOR(float, y), int accumulate, ELEMENTS)
{
    FOR_EACH(i) PUT(y[y0 + i], 0.0f + a[a0 + i] * b[b0 + i]);
}

kernel void scale(TENSOR(float, a), TENSOR(float, y), float factor, int accumulate, ELEMENTS)
{
    FOR_EACH(i) PUT(y[y0 + i], factor * (0.0f + a[a0 + i]));
}

#define A ALONG(A_ALONG, a + a0 + w.a, v)
#define B ALONG(B_ALONG, b + b0 + w.b, v)
#define Y (y + y0 + (row * vectors + v) * VW)

kernel void add_rows(TENSOR(float, a), TENSOR(float, b), TENSOR(float, y), float alpha, float beta,
                     BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR V_STORE(Y, V_FMA(V_SPLAT(alpha), A, V_SPLAT(beta) * B));
}

kernel void mul_rows(TENSOR(float, a), TENSOR(float, b), TENSOR(float, y), BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR V_STORE(Y, A * B);
}

kernel void product_rows(TENSOR(float, a), TENSOR(float, b), TENSOR(float, y), int accumulate,
                         BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR
    {
        V value = V_SPLAT(0.0f) + A * B;
        V_STORE(Y, accumulate ? V_LOAD(Y) + value : value);
    }
}

/* a: x, of y's shape; b: alpha. */
kernel void prelu_rows(TENSOR(float, a), TENSOR(float, b), TENSOR(float, y), BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR
    {
        V x = A, alpha = B;
        V_STORE(Y, PRELU(x, alpha, x));
    }
}

/* The same, y being dx; dy lies as y does. */
kernel void prelu_dx_rows(TENSOR(float, a), TENSOR(float, b), TENSOR(float, y), TENSOR(float, dy),
                          int accumulate, BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR
    {
        V x = A, alpha = B, g = V_LOAD(dy + dy0 + (row * vectors + v) * VW);
        V value = PRELU(x, alpha, g);
        V_STORE(Y, accumulate ? V_LOAD(Y) + value : value);
    }
}
