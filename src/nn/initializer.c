/* Initial weights: Keras' variance scaling from Philox streams. */
#include "nn/initializer.h"

#include "base/hash.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

/* The deviation of a normal distribution cut at ±2. */
static const double CUT_DEVIATION = .87962566103423978;

static double fan(const clade_weight *weight)
{
    switch (weight->init) {
    case CLADE_INIT_GLOROT_UNIFORM:
    case CLADE_INIT_GLOROT_NORMAL: return ((double)weight->fan_in + (double)weight->fan_out) / 2;
    case CLADE_INIT_HE_UNIFORM:
    case CLADE_INIT_HE_NORMAL: return (double)weight->fan_in / 2;
    default: return (double)weight->fan_in;
    }
}

/* The initialiser's values. */
static void draw(const clade_weight *weight, const char *name, uint64_t seed, float *out)
{
    size_t n = clade_tensor_count(&weight->shape);
    clade_random r = clade_random_start(seed, CLADE_STREAM_INIT, clade_hash(name, strlen(name)));
    double variance = 1 / fan(weight);
    float limit = (float)sqrt(3 * variance), deviation = (float)(sqrt(variance) / CUT_DEVIATION);
    switch (weight->init) {
    case CLADE_INIT_ZEROS:
    case CLADE_INIT_ONES:
        for (size_t i = 0; i < n; i++) out[i] = weight->init == CLADE_INIT_ONES;
        return;
    case CLADE_INIT_GLOROT_NORMAL:
    case CLADE_INIT_HE_NORMAL:
    case CLADE_INIT_LECUN_NORMAL:
        for (size_t i = 0; i < n; i++) {
            float z;
            do z = clade_random_normal(&r);
            while (fabsf(z) > 2);
            out[i] = deviation * z;
        }
        return;
    default: clade_random_fill_uniform(&r, -limit, limit, out, n);
    }
}

void clade_weight_initialise(const clade_weight *weight, const char *name, uint64_t seed,
                             float *out)
{
    size_t n = clade_tensor_count(&weight->shape);
    draw(weight, name, seed, out);
    for (size_t i = 0; i < n; i++) out[i] *= weight->scale;
}
