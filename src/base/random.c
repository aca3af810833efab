/* Philox streams on the host; the same code as in the kernels. */
#include "base/random.h"

#include "../../kernels/philox.clh"

#include <math.h>

void clade_random_words(uint64_t seed, clade_stream stream, uint64_t a, uint32_t b, uint32_t out[4])
{
    philox4 r = philox(seed, (uint32_t)a, (uint32_t)(a >> 32), b, (uint32_t)stream);
    for (int i = 0; i < 4; i++) out[i] = r.v[i];
}

clade_random clade_random_start(uint64_t seed, clade_stream stream, uint64_t a)
{
    return (clade_random){.seed = seed, .stream = stream, .a = a};
}

uint32_t clade_random_u32(clade_random *r)
{
    if (r->left == 0) {
        clade_random_words(r->seed, r->stream, r->a, r->b++, r->words);
        r->left = 4;
    }
    return r->words[4 - r->left--];
}

float clade_random_unit(clade_random *r) { return philox_unit(clade_random_u32(r)); }

float clade_random_uniform(clade_random *r, float low, float high)
{
    return low + (high - low) * clade_random_unit(r);
}

void clade_random_fill_uniform(clade_random *r, float low, float high, float *out, size_t n)
{
    size_t i = 0;
    while (i < n && r->left > 0) out[i++] = clade_random_uniform(r, low, high);
    for (; i + 4 <= n; i += 4) {
        philox4 words =
            philox(r->seed, (uint32_t)r->a, (uint32_t)(r->a >> 32), r->b++, (uint32_t)r->stream);
        for (int k = 0; k < 4; k++)
            out[i + (size_t)k] = low + (high - low) * philox_unit(words.v[k]);
    }
    while (i < n) out[i++] = clade_random_uniform(r, low, high);
}

/* Box and Muller's transform, with the sine discarded; in double, so that rounding to float hides
 * differences in libm's last bits. */
float clade_random_normal(clade_random *r)
{
    double u = ((double)clade_random_u32(r) + 1) * 0x1p-32,
           v = (double)clade_random_u32(r) * 0x1p-32;
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

uint32_t clade_random_below(clade_random *r, uint32_t n)
{
    uint32_t limit = -n % n; /* 2^32 mod n: smaller words would bias the remainder */
    uint32_t word;
    do word = clade_random_u32(r);
    while (word < limit);
    return word % n;
}
