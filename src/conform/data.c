/* The data that ops are judged on. */
#include "conform/conform.h"

#include "base/random.h"

#include <string.h>

const char *clade_conform_data_name(conform_data data)
{
    static const char *const names[] = {"integers", "random", "special"};
    return names[data < CONFORM_SPECIAL ? data : CONFORM_SPECIAL];
}

/* FNV-1a of words joined by slashes. */
static uint64_t hash(uint64_t h, const char *word)
{
    for (; *word; word++) h = (h ^ (unsigned char)*word) * UINT64_C(0x100000001b3);
    return (h ^ '/') * UINT64_C(0x100000001b3);
}

clade_random clade_conform_random(uint64_t seed, const char *op, const char *case_name,
                                  const char *slot, const char *kind)
{
    uint64_t h = hash(hash(UINT64_C(0xcbf29ce484222325), op), case_name);
    return clade_random_start(seed, CLADE_STREAM_CONFORM, hash(hash(h, slot), kind));
}

void clade_conform_prefill(const clade_tensor *t, void *values)
{
    size_t n = clade_tensor_count(t);
    if (t->dtype == CLADE_U8) {
        memset(values, CONFORM_PREFILL_U8, n);
        return;
    }
    if (clade_dtype_size(t->dtype) == 2) {
        for (size_t i = 0; i < n; i++) ((uint16_t *)values)[i] = CONFORM_PREFILL_U16;
        return;
    }
    uint32_t *words = values;
    for (size_t i = 0; i < n; i++)
        words[i] = t->dtype == CLADE_F32 ? CONFORM_PREFILL_F32 : CONFORM_PREFILL_I32;
}

/* Classes that labels of this op are below: the width of the scores, two where it is 1. */
static uint32_t label_classes(const clade_op_info *info, const clade_args *args)
{
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (info->slots[i].dtype != CLADE_SLOT_F32 || !clade_tensor_present(t) || t->rank < 1)
            continue;
        int32_t c = t->dim[t->rank - 1];
        return c > 1 ? (uint32_t)c : 2;
    }
    return 2;
}

static uint32_t images(const clade_op_info *info, const clade_args *args)
{
    int x = clade_slot_find(info, "x");
    return x < 0 ? 1 : (uint32_t)args->slot[x].dim[0];
}

/* Rows that sum to 1. */
static void draw_probabilities(clade_random *r, const clade_tensor *t, float *v)
{
    size_t n = clade_tensor_count(t), c = t->rank ? (size_t)t->dim[t->rank - 1] : 1;
    for (size_t i = 0; i < n; i += c) {
        float sum = 0;
        for (size_t j = 0; j < c; j++) sum += v[i + j] = clade_random_uniform(r, 0.05f, 1);
        if (c == 1)
            v[i] = clade_random_unit(r);
        else
            for (size_t j = 0; j < c; j++) v[i + j] /= sum;
    }
}

/* Rows m0 … m7 of affine_sample that take most outputs from inside of the image; the last of
 * several takes it as it is. */
static void draw_affine(clade_random *r, const clade_op_info *info, const clade_args *args,
                        size_t rows, float *v)
{
    int x = clade_slot_find(info, "x"), y = clade_slot_find(info, "y");
    float sx = 1, sy = 1;
    if (x >= 0 && y >= 0 && args->slot[y].rank == 4) {
        sx = (float)args->slot[x].dim[2] / (float)args->slot[y].dim[2];
        sy = (float)args->slot[x].dim[1] / (float)args->slot[y].dim[1];
    }
    for (size_t i = 0; i < rows; i++, v += 8) {
        if (i && i == rows - 1) {
            memcpy(v, (const float[]){1, 0, 0, 0, 1, 0, 1, 0}, 8 * sizeof *v);
            return;
        }
        bool plain = clade_random_below(r, 3) == 0;
        v[0] = sx * clade_random_uniform(r, 0.7f, 1.3f);
        v[1] = sx * clade_random_uniform(r, -0.4f, 0.4f);
        v[2] = sx * clade_random_uniform(r, -2, 2);
        v[3] = sy * clade_random_uniform(r, -0.4f, 0.4f);
        v[4] = sy * clade_random_uniform(r, 0.7f, 1.3f);
        v[5] = sy * clade_random_uniform(r, -2, 2);
        v[6] = plain ? 1 : clade_random_uniform(r, 0.5f, 1.5f);
        v[7] = plain ? 0 : clade_random_uniform(r, -40, 40);
    }
}

/* Steps of image_adjust: each kind, and factors that leave most results between 0 and 255. */
static void draw_adjustments(clade_random *r, size_t n, float *v)
{
    for (size_t i = 0; i < n; i++, v += 2) {
        const uint32_t kind = clade_random_below(r, CLADE_ADJUSTMENTS);
        v[0] = (float)kind;
        switch (kind) {
        case CLADE_ADJUST_HUE: v[1] = clade_random_uniform(r, -0.5f, 0.5f); break;
        case CLADE_ADJUST_POSTERIZE: v[1] = (float)(2 + clade_random_below(r, 7)); break;
        case CLADE_ADJUST_SOLARIZE: v[1] = clade_random_uniform(r, 0, 255); break;
        default: v[1] = clade_random_uniform(r, 0.5f, 1.5f);
        }
    }
}

/* Signs, exponents and fractions as they come; of three numbers one is halfway between two of
 * float16 where it is normal there, and one between two of bfloat16. */
static float draw_for_cast(clade_random *r)
{
    uint32_t fraction = clade_random_below(r, 1u << 23);
    const uint32_t kind = clade_random_below(r, 3), half = kind == 1 ? 1u << 12 : 1u << 15;
    if (kind) fraction = (fraction & ~(2 * half - 1)) | half;
    const float value = ldexpf(1 + (float)fraction * 0x1p-23f, (int)clade_random_below(r, 49) - 30);
    return clade_random_below(r, 2) ? -value : value;
}

/* Any bits; without `plant` no infinity and no NaN. */
static void draw_halves(clade_random *r, const clade_tensor *t, bool plant, uint16_t *v)
{
    const uint16_t exponent = t->dtype == CLADE_F16 ? 0x7c00 : 0x7f80;
    for (size_t i = 0; i < clade_tensor_count(t); i++) {
        v[i] = (uint16_t)clade_random_below(r, 1u << 16);
        if (!plant && (v[i] & exponent) == exponent) v[i] ^= 0x4000;
    }
}

static float draw_float(clade_random *r, clade_domain domain, conform_data data)
{
    bool whole = data == CONFORM_INTEGERS;
    switch (domain) {
    case CLADE_DOMAIN_POSITIVE:
        return whole ? (float)(1 + clade_random_below(r, 2)) : clade_random_uniform(r, 0.25f, 2);
    case CLADE_DOMAIN_PIXEL:
        return whole ? (float)clade_random_below(r, 256) : clade_random_uniform(r, 0, 255);
    case CLADE_DOMAIN_CAST:
        if (!whole) return draw_for_cast(r);
        /* fall through */
    default: return whole ? (float)clade_random_below(r, 7) - 3 : clade_random_normal(r);
    }
}

static void put_float(clade_dtype dtype, void *values, size_t i, float value)
{
    if (dtype == CLADE_F32)
        ((float *)values)[i] = value;
    else
        ((uint16_t *)values)[i] = clade_half_of(dtype, value);
}

/* One element in 16 becomes special, and one is a NaN for sure. */
static void plant_specials(clade_random *r, clade_dtype dtype, size_t n, void *values)
{
    static const float specials[] = {INFINITY, -INFINITY, -0.0f, 0.0f, 1e-41f, -1e-39f, 1000, NAN};
    for (size_t i = 0; i < n; i++)
        if (clade_random_below(r, 16) == 0)
            put_float(dtype, values, i, specials[clade_random_below(r, 8)]);
    put_float(dtype, values, clade_random_below(r, (uint32_t)n), NAN);
}

void clade_conform_draw(const clade_op_info *info, const clade_args *args, size_t slot,
                        clade_domain domain, const char *case_name, conform_data data, bool plant,
                        uint64_t seed, void *values)
{
    const clade_tensor *t = &args->slot[slot];
    size_t n = clade_tensor_count(t);
    clade_random r = clade_conform_random(seed, info->name, case_name, info->slots[slot].name,
                                          clade_conform_data_name(data));
    if (t->dtype == CLADE_U8) {
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)values)[i] = (uint8_t)clade_random_below(&r, 256);
        return;
    }
    if (clade_dtype_is_half(t->dtype) && domain == CLADE_DOMAIN_CAST) {
        draw_halves(&r, t, plant, values);
        return;
    }
    if (t->dtype == CLADE_I32) {
        uint32_t below = domain == CLADE_DOMAIN_LABEL   ? label_classes(info, args)
                         : domain == CLADE_DOMAIN_INDEX ? images(info, args)
                                                        : 100;
        for (size_t i = 0; i < n; i++)
            ((int32_t *)values)[i] = (int32_t)clade_random_below(&r, below);
        return;
    }
    if (domain == CLADE_DOMAIN_LABEL) {
        draw_probabilities(&r, t, values);
        return;
    }
    if (domain == CLADE_DOMAIN_AFFINE) {
        draw_affine(&r, info, args, n / 8, values);
        return;
    }
    if (domain == CLADE_DOMAIN_ADJUST) {
        draw_adjustments(&r, n / 2, values);
        return;
    }
    for (size_t i = 0; i < n; i++) put_float(t->dtype, values, i, draw_float(&r, domain, data));
    if (plant) plant_specials(&r, t->dtype, n, values);
    for (size_t i = 0; plant && domain == CLADE_DOMAIN_POSITIVE && i < n; i++)
        put_float(t->dtype, values, i, fabsf(clade_float_of(t->dtype, values, i)));
}
