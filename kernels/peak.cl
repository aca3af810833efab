/* What a device can do at most. peak_fma: each work-item has chains of its own. peak_triad: one
 * vector per work-item. */
#include "opencl.clh"
#include "peak.clh"

kernel void peak_fma(global float *y, float x, int steps)
{
    V_STORE(y + get_global_id(0) * VW, peak_chains(x, steps));
}

kernel void peak_triad(global float *a, global const float *b, global const float *c, float scale)
{
    size_t at = get_global_id(0) * VW;
    V_STORE(a + at, V_FMA(V_SPLAT(scale), V_LOAD(c + at), V_LOAD(b + at)));
}
