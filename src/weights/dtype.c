/* Names, sizes and values of the dtypes of weights. */
#include "weights/dtype.h"

#include <stdint.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [CLADE_SAFETENSORS_F32] = {"F32", 4},         [CLADE_SAFETENSORS_F16] = {"F16", 2},
    [CLADE_SAFETENSORS_BF16] = {"BF16", 2},       [CLADE_SAFETENSORS_F64] = {"F64", 8},
    [CLADE_SAFETENSORS_F8_E4M3] = {"F8_E4M3", 1}, [CLADE_SAFETENSORS_F8_E5M2] = {"F8_E5M2", 1},
    [CLADE_SAFETENSORS_BOOL] = {"BOOL", 1},       [CLADE_SAFETENSORS_U8] = {"U8", 1},
    [CLADE_SAFETENSORS_I8] = {"I8", 1},           [CLADE_SAFETENSORS_U16] = {"U16", 2},
    [CLADE_SAFETENSORS_I16] = {"I16", 2},         [CLADE_SAFETENSORS_U32] = {"U32", 4},
    [CLADE_SAFETENSORS_I32] = {"I32", 4},         [CLADE_SAFETENSORS_U64] = {"U64", 8},
    [CLADE_SAFETENSORS_I64] = {"I64", 8},
};

const char *clade_safetensors_dtype_name(clade_safetensors_dtype dtype)
{
    return dtypes[dtype].name;
}
size_t clade_safetensors_dtype_size(clade_safetensors_dtype dtype) { return dtypes[dtype].size; }

bool clade_safetensors_dtype_find(const char *name, clade_safetensors_dtype *out)
{
    size_t n = sizeof dtypes / sizeof *dtypes, kind = 0;
    while (kind < n && strcmp(dtypes[kind].name, name)) kind++;
    if (kind == n) return false;
    *out = (clade_safetensors_dtype)kind;
    return true;
}

static uint64_t load(const unsigned char *p, size_t size)
{
    uint64_t word = 0;
    for (size_t i = size; i-- > 0;) word = word << 8 | p[i];
    return word;
}

static float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* A small float of `mantissa` bits below `exponent` bits of the given bias, with infinities and
 * NaNs as IEEE 754 has them, to float32: exact. */
static float widen(uint32_t word, int exponent, int mantissa, int bias)
{
    uint32_t sign = word >> (exponent + mantissa) & 1, top = (1u << exponent) - 1;
    uint32_t e = word >> mantissa & top, m = word & ((1u << mantissa) - 1);
    if (e == 0) { /* zero or denormal: m · 2^(1 - bias - mantissa), normal in float32 */
        float value = (float)m * float_of_bits((uint32_t)(127 + 1 - bias - mantissa) << 23);
        return sign ? -value : value;
    }
    uint32_t wide = e == top ? 255 : (uint32_t)((int)e + 127 - bias);
    return float_of_bits(sign << 31 | wide << 23 | m << (23 - mantissa));
}

bool clade_dtype_floats(clade_safetensors_dtype dtype, const void *data, size_t count, float *out)
{
    size_t size = dtypes[dtype].size;
    const unsigned char *p = data;
    for (size_t i = 0; i < count; i++, p += size) {
        uint64_t word = load(p, size);
        double wide;
        switch (dtype) {
        case CLADE_SAFETENSORS_F32: out[i] = float_of_bits((uint32_t)word); break;
        case CLADE_SAFETENSORS_BF16: out[i] = float_of_bits((uint32_t)word << 16); break;
        case CLADE_SAFETENSORS_F16: out[i] = widen((uint32_t)word, 5, 10, 15); break;
        case CLADE_SAFETENSORS_F8_E5M2: out[i] = widen((uint32_t)word, 5, 2, 15); break;
        case CLADE_SAFETENSORS_F8_E4M3:
            /* no infinities; only all ones are a NaN. One exponent bit more makes `widen` read it
             * so. */
            if ((word & 0x7f) == 0x7f)
                out[i] = float_of_bits(0x7fc00000 | (uint32_t)(word & 0x80) << 24);
            else
                out[i] = widen((uint32_t)((word & 0x80) << 1 | (word & 0x7f)), 5, 3, 7);
            break;
        case CLADE_SAFETENSORS_F64:
            memcpy(&wide, &word, sizeof wide);
            out[i] = (float)wide;
            break;
        default: return false;
        }
    }
    return true;
}
