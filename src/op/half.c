/* 16-bit formats: their values, and the reference of an op that reads and writes them. */
#include "op/half.h"

#include <stdlib.h>

/* A 16-bit format: bits of fraction and exponent, and the exponent of the smallest normal
 * number. */
typedef struct half_format {
    int fraction, exponent, least;
} half_format;

static half_format format_of(clade_dtype dtype)
{
    return dtype == CLADE_BF16 ? (half_format){7, 8, -126} : (half_format){10, 5, -14};
}

/* In units of the last place, a number in the binade 2^e is its bits minus those of 2^e. */
uint16_t clade_half_of(clade_dtype dtype, float value)
{
    const half_format f = format_of(dtype);
    const int infinity = ((1 << f.exponent) - 1) << f.fraction, sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) return (uint16_t)(sign | infinity | 1 << (f.fraction - 1));
    if (isinf(value)) return (uint16_t)(sign | infinity);
    int e = value == 0 ? f.least : ilogb((double)value);
    if (e < f.least) e = f.least;
    const double units = rint(ldexp(fabs((double)value), f.fraction - e));
    const int bits = ((e - f.least) << f.fraction) + (int)units;
    return (uint16_t)(sign | (bits < infinity ? bits : infinity));
}

static float widened(uint16_t bits, half_format f)
{
    const int magnitude = bits & 0x7fff, e = magnitude >> f.fraction;
    const int fraction = magnitude & ((1 << f.fraction) - 1), all = (1 << f.exponent) - 1;
    double value = e ? ldexp(fraction + (1 << f.fraction), e - 1 + f.least - f.fraction)
                     : ldexp(fraction, f.least - f.fraction);
    if (e == all) value = fraction ? NAN : INFINITY;
    return (float)copysign(value, bits & 0x8000 ? -1 : 1);
}

float clade_float_of(clade_dtype dtype, const void *values, size_t i)
{
    return dtype == CLADE_F32 ? ((const float *)values)[i]
                              : widened(((const uint16_t *)values)[i], format_of(dtype));
}

bool clade_args_have_halves(const clade_op_info *info, const clade_args *args)
{
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_dtype_is_half(args->slot[i].dtype)) return true;
    return false;
}

float clade_rounded(clade_dtype dtype, float value)
{
    if (dtype == CLADE_F32) return value;
    return widened(clade_half_of(dtype, value), format_of(dtype));
}

clade_dtype clade_slot_rounding(const clade_op_info *info, const clade_args *args, size_t slot)
{
    if (info->slots[slot].dtype != CLADE_SLOT_FACTOR) return CLADE_F32;
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_dtype_is_half(args->slot[i].dtype)) return args->slot[i].dtype;
    return CLADE_F32;
}

static void *host_of(const clade_tensor *t)
{
    return (char *)t->buffer->host + t->offset * clade_dtype_size(t->dtype);
}

/* Runs the op in float32, on separate blocks for 16-bit tensors and for what is rounded. */
static clade_status run_widened(const clade_op_info *info, const clade_args *args)
{
    clade_args wide = *args;
    clade_buffer memory[CLADE_MOST_SLOTS];
    float *block[CLADE_MOST_SLOTS] = {0};
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < info->slot_count && !status; i++) {
        clade_tensor *t = &wide.slot[i];
        const clade_dtype rounding = clade_slot_rounding(info, args, i);
        if (!clade_dtype_is_half(t->dtype) && rounding == CLADE_F32) continue;
        const size_t n = clade_tensor_count(t);
        block[i] = malloc((n + 1) * sizeof(float));
        if (!block[i]) status = clade_fail(CLADE_ENOMEM, "%s: out of memory", info->name);
        for (size_t j = 0; !status && j < n; j++)
            block[i][j] = clade_rounded(rounding, clade_float_of(t->dtype, host_of(t), j));
        memory[i] = (clade_buffer){.host = block[i]};
        t->dtype = CLADE_F32;
        t->buffer = &memory[i];
        t->offset = 0;
    }
    if (!status) clade_op_reference(info->op)->run(&wide);
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (!status && block[i] && clade_slot_writes(info->slots[i].kind))
            for (size_t j = 0; j < clade_tensor_count(t); j++)
                ((uint16_t *)host_of(t))[j] = clade_half_of(t->dtype, block[i][j]);
        free(block[i]);
    }
    return status;
}

clade_status clade_reference_run(clade_op op, const clade_args *args)
{
    const clade_op_info *info = clade_op_describe(op);
    if (clade_args_have_halves(info, args)) return run_widened(info, args);
    clade_op_reference(op)->run(args);
    return CLADE_OK;
}
