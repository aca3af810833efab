/* The functions of math.clh and philox.clh as a device computes them, for tests/op/math_test.c. */
#include "math.clh"
#include "philox.clh"

/* out[i] = the bits of function `which` of the float whose bits are first + i * step. */
kernel void math_bits(global uint *out, uint n, uint which, uint first, uint step)
{
    uint i = get_global_id(0);
    if (i >= n) return;
    float x = as_float(first + i * step), y = 0.0f;
    switch (which) {
    case 0: y = math_rcp(x); break;
    case 1: y = math_rsqrt(x); break;
    case 2: y = math_sqrt(x); break;
    case 3: y = math_exp(x); break;
    case 4: y = math_log(x); break;
    case 5: y = math_sigmoid(x); break;
    case 6: y = math_tanh(x); break;
    case 7: y = math_erf(x); break;
    case 8: y = math_expm1(x); break;
    case 9: y = math_softplus(x); break;
    default: y = math_div(x, as_float(as_uint(x) * 2654435761u + 12345u)); break;
    }
    out[i] = as_uint(y);
}

/* out[4 i …] = the words of key and counter (i, 2 i, 3 i, 4 i). */
kernel void philox_words(global uint *out, uint n, ulong key)
{
    uint i = get_global_id(0);
    if (i >= n) return;
    philox4 four = philox(key, i, 2 * i, 3 * i, 4 * i);
    for (int j = 0; j < 4; j++) out[4 * i + j] = four.v[j];
}
