/* Initial weights: Keras' variance scaling from Philox streams, PyTorch's dirac_. */
#include "nn/initializer.h"

#include "base/hash.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

/* The deviation of a normal distribution truncated at ±2. */
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

/* In a convolution's kernel [kh, kw, in, out], makes each of the first filters copy one channel. */
static void pass_channels(const clade_weight *weight, float *out)
{
    const int32_t *dim = weight->shape.dim, in = dim[2], outputs = dim[3];
    const size_t size = (size_t)in * (size_t)outputs;
    const size_t middle = (size_t)(dim[0] / 2) * (size_t)dim[1] + (size_t)(dim[1] / 2);
    for (int32_t i = 0; i < in && i < outputs; i++) {
        for (size_t tap = 0; tap < (size_t)dim[0] * (size_t)dim[1]; tap++)
            for (int32_t c = 0; c < in; c++)
                out[tap * size + (size_t)c * (size_t)outputs + (size_t)i] = tap == middle && c == i;
    }
}

/* Draws the initialiser's values. */
static void draw(const clade_weight *weight, const char *name, uint64_t seed, float *out)
{
    size_t n = clade_tensor_count(&weight->shape);
    clade_random r = clade_random_start(seed, CLADE_STREAM_INIT, clade_hash(name, strlen(name)));
    double variance = 1 / fan(weight);
    float limit = (float)sqrt(3 * variance);
    float deviation = (float)(sqrt(variance) / CUT_DEVIATION);
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
    case CLADE_INIT_DIRAC:
    case CLADE_INIT_WHITENING:
        limit = (float)sqrt(variance);
        clade_random_fill_uniform(&r, -limit, limit, out, n);
        pass_channels(weight, out);
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
