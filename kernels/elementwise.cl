/* Sums, products and learned slopes. Without broadcast: elements.clh. With it, kernels *_rows:
 * work-items (vectors of a row, rows), VW dividing the row. The gradients of an operand that is not
 * stretched are sums of one element, from 0. */
#include "elements.clh"
#include "stored.clh"
#include "broadcast.clh"
#include "elementwise.clh"

kernel void add(TENSOR(stored, a), TENSOR(stored, b), TENSOR(stored, y), float alpha, float beta,
                ELEMENTS)
{
    FOR_EACH(i) S_STORE(y + y0 + i, FMA(alpha, S_LOAD(a + a0 + i), beta * S_LOAD(b + b0 + i)));
}

kernel void mul(TENSOR(stored, a), TENSOR(stored, b), TENSOR(stored, y), ELEMENTS)
{
    FOR_EACH(i) S_STORE(y + y0 + i, S_LOAD(a + a0 + i) * S_LOAD(b + b0 + i));
}

kernel void product(TENSOR(stored, a), TENSOR(stored, b), TENSOR(stored, y), int accumulate,
                    ELEMENTS)
{
    FOR_EACH(i) S_PUT(y + y0 + i, 0.0f + S_LOAD(a + a0 + i) * S_LOAD(b + b0 + i));
}

kernel void scale(TENSOR(stored, a), TENSOR(stored, y), float factor, int accumulate, ELEMENTS)
{
    FOR_EACH(i) S_PUT(y + y0 + i, factor * (0.0f + S_LOAD(a + a0 + i)));
}

#define A S_ALONG(A_ALONG, a + a0 + w.a, v)
#define B S_ALONG(B_ALONG, b + b0 + w.b, v)
#define Y (y + y0 + (row * vectors + v) * VW)

kernel void add_rows(TENSOR(stored, a), TENSOR(stored, b), TENSOR(stored, y), float alpha,
                     float beta, BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR SV_STORE(Y, V_FMA(V_SPLAT(alpha), A, V_SPLAT(beta) * B));
}

kernel void mul_rows(TENSOR(stored, a), TENSOR(stored, b), TENSOR(stored, y), BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR SV_STORE(Y, A * B);
}

kernel void product_rows(TENSOR(stored, a), TENSOR(stored, b), TENSOR(stored, y), int accumulate,
                         BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR
    {
        V value = V_SPLAT(0.0f) + A * B;
        SV_STORE(Y, accumulate ? SV_LOAD(Y) + value : value);
    }
}

/* a: x, of y's shape; b: alpha, which is float32. */
#define SLOPE ALONG(B_ALONG, b + b0 + w.b, v)
kernel void prelu_rows(TENSOR(stored, a), TENSOR(float, b), TENSOR(stored, y), BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR
    {
        V x = A, alpha = SLOPE;
        SV_STORE(Y, PRELU(x, alpha, x));
    }
}

/* The same, y being dx; dy lies as y does. */
kernel void prelu_dx_rows(TENSOR(stored, a), TENSOR(float, b), TENSOR(stored, y),
                          TENSOR(stored, dy), int accumulate, BROADCAST_ARGUMENTS)
{
    FOR_EACH_VECTOR
    {
        V x = A, alpha = SLOPE, g = SV_LOAD(dy + dy0 + (row * vectors + v) * VW);
        V value = PRELU(x, alpha, g);
        SV_STORE(Y, accumulate ? SV_LOAD(Y) + value : value);
    }
}
