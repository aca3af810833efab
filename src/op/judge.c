/* Running an op's reference and oracle on blocks of host memory, error bounds, and comparisons of
 * results with expected values. */
#include "op/judge.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* Returns the arguments with each tensor in its block; `memory` holds what they point to. */
static clade_args on_host(const clade_op_info *info, const clade_args *args,
                          void *const blocks[CLADE_MOST_SLOTS],
                          clade_buffer memory[CLADE_MOST_SLOTS])
{
    clade_args copy = *args;
    for (size_t i = 0; i < info->slot_count; i++) {
        memory[i] = (clade_buffer){.host = blocks[i]};
        copy.slot[i].buffer = blocks[i] ? &memory[i] : NULL;
        copy.slot[i].offset = 0;
        if (!blocks[i]) copy.slot[i].dtype = CLADE_NONE;
    }
    return copy;
}

clade_status clade_reference_run_on(const clade_op_info *info, const clade_args *args,
                                    void *const blocks[CLADE_MOST_SLOTS])
{
    clade_buffer memory[CLADE_MOST_SLOTS];
    const clade_args placed = on_host(info, args, blocks, memory);
    return clade_reference_run(info->op, &placed);
}

/* Does the same for the oracle, which uses doubles for all floats. */
static clade_args for_oracle(const clade_op_info *info, const clade_args *args,
                             void *const blocks[CLADE_MOST_SLOTS],
                             clade_buffer memory[CLADE_MOST_SLOTS])
{
    clade_args placed = on_host(info, args, blocks, memory);
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_dtype_is_half(placed.slot[i].dtype)) placed.slot[i].dtype = CLADE_F32;
    return placed;
}

void clade_oracle_run_on(const clade_op_info *info, const clade_args *args,
                         void *const blocks[CLADE_MOST_SLOTS])
{
    clade_buffer memory[CLADE_MOST_SLOTS];
    const clade_args placed = for_oracle(info, args, blocks, memory);
    clade_op_oracle(info->op)->run(&placed);
}

void *clade_block_widen(const clade_tensor *t, clade_dtype rounding, const void *values)
{
    size_t n = clade_tensor_count(t), bytes = n * clade_dtype_size(t->dtype);
    if (!clade_dtype_is_float(t->dtype)) {
        void *copy = malloc(bytes ? bytes : 1);
        if (copy) memcpy(copy, values, bytes);
        return copy;
    }
    double *wide = malloc((n ? n : 1) * sizeof *wide);
    for (size_t i = 0; wide && i < n; i++)
        wide[i] = (double)clade_rounded(rounding, clade_float_of(t->dtype, values, i));
    return wide;
}

static clade_products products_of(const clade_op_info *info, const clade_args *args)
{
    const int i = clade_param_find(info, "products");
    return i < 0 ? CLADE_FACTORS_FLOAT32
                 : *(const int32_t *)(const void *)((const char *)args + info->params[i].offset);
}

/* Returns the minimum absolute value that a factor in slot i counts as when products are rounded;
 * 0: none. */
static double least_factor(const clade_op_info *info, const clade_args *args, size_t i)
{
    const char *name = info->slots[i].name;
    const bool factor = !strcmp(name, "x") || !strcmp(name, "w") || !strcmp(name, "dy");
    return factor && products_of(info, args) == CLADE_FACTORS_FLOAT16 ? 0x1p-14 : 0;
}

/* Computes gamma(terms), plus the error of the products, times the oracle on absolute values. */
static clade_status bound_from_terms(const clade_op_impl *oracle, const clade_op_info *info,
                                     const clade_args *args, void *const before[CLADE_MOST_SLOTS],
                                     size_t slot, double *bound)
{
    clade_args copy = *args;
    for (size_t i = 0; i < info->param_count; i++) {
        const clade_param_info *p = &info->params[i];
        float *v = (float *)(void *)((char *)&copy + p->offset);
        for (size_t j = 0; p->type == CLADE_PARAM_float && j < p->count; j++) v[j] = fabsf(v[j]);
    }
    void *blocks[CLADE_MOST_SLOTS] = {0};
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (!before[i]) continue;
        size_t n = clade_tensor_count(t);
        size_t bytes =
            n * (clade_dtype_is_float(t->dtype) ? sizeof(double) : clade_dtype_size(t->dtype));
        blocks[i] = malloc(bytes ? bytes : 1);
        if (!blocks[i]) {
            status = clade_fail(CLADE_ENOMEM, "%s: out of memory for a bound", info->name);
            goto fail;
        }
        memcpy(blocks[i], before[i], bytes);
        double *v = blocks[i];
        const double least = least_factor(info, args, i);
        for (size_t j = 0; clade_dtype_is_float(t->dtype) && j < n; j++)
            v[j] = fabs(v[j]) < least ? least : fabs(v[j]);
    }
    clade_oracle_run_on(info, &copy, blocks);
    double gamma =
        clade_gamma(oracle->terms(args, slot)) + clade_products_error(products_of(info, args));
    const double *sum = blocks[slot];
    for (size_t j = 0; j < clade_tensor_count(&args->slot[slot]); j++) bound[j] = gamma * sum[j];
fail:
    for (size_t i = 0; i < CLADE_MOST_SLOTS; i++) free(blocks[i]);
    return status;
}

/* Computes the oracle's own bound, with factors raised to their minimum; its blocks are unchanged
 * on return. */
static clade_status own_bound(const clade_op_impl *oracle, const clade_op_info *info,
                              const clade_args *args, void *const blocks[CLADE_MOST_SLOTS],
                              size_t slot, double *bound)
{
    void *raised[CLADE_MOST_SLOTS], *own[CLADE_MOST_SLOTS] = {0};
    clade_status status = CLADE_OK;
    memcpy(raised, blocks, sizeof raised);
    for (size_t i = 0; i < info->slot_count && !status; i++) {
        const double least = least_factor(info, args, i);
        const size_t n = clade_tensor_count(&args->slot[i]);
        if (least == 0 || !blocks[i]) continue;
        double *v = raised[i] = own[i] = malloc(n * sizeof *v);
        if (!v) status = clade_fail(CLADE_ENOMEM, "%s: out of memory for a bound", info->name);
        if (v) memcpy(v, blocks[i], n * sizeof *v);
        for (size_t j = 0; v && j < n; j++)
            if (fabs(v[j]) < least) v[j] = least;
    }
    clade_buffer memory[CLADE_MOST_SLOTS];
    const clade_args placed = for_oracle(info, args, raised, memory);
    if (!status) oracle->bound(&placed, slot, bound);
    for (size_t i = 0; i < CLADE_MOST_SLOTS; i++) free(own[i]);
    return status;
}

clade_status clade_impl_bound(const clade_op_info *info, const clade_args *args,
                              void *const before[CLADE_MOST_SLOTS],
                              void *const blocks[CLADE_MOST_SLOTS], size_t slot, double *bound)
{
    const clade_op_impl *oracle = clade_op_oracle(info->op);
    if (oracle->terms) return bound_from_terms(oracle, info, args, before, slot, bound);
    if (!oracle->bound) return clade_fail(CLADE_EINVAL, "%s: it has no error bound", info->name);
    return own_bound(oracle, info, args, blocks, slot, bound);
}

uint32_t clade_bits_of(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

bool clade_same_bits(float a, float b)
{
    return clade_bits_of(a) == clade_bits_of(b) || (isnan(a) && isnan(b));
}

bool clade_both_vanish(float a, float b)
{
    return fabsf(a) < (float)CLADE_TINY && fabsf(b) < (float)CLADE_TINY && (a != 0 || b != 0);
}

bool clade_overflows(double truth, double bound, float got)
{
    return isinf(got) && fabs(truth) + bound > (double)FLT_MAX && (got > 0) == (truth > 0);
}

static float as_stored(clade_dtype dtype, double value)
{
    const uint16_t half = clade_half_of(dtype, (float)value);
    return clade_float_of(dtype, &half, 0);
}

bool clade_is_within(clade_dtype dtype, double truth, double bound, float got)
{
    if (dtype == CLADE_F32) return fabs((double)got - truth) <= bound;
    return got >= as_stored(dtype, truth - bound) && got <= as_stored(dtype, truth + bound);
}

const char *clade_place_text(const clade_tensor *t, size_t i, char text[64])
{
    clade_tensor at = {.rank = t->rank};
    for (int d = t->rank - 1; d >= 0; d--) {
        at.dim[d] = (int32_t)(i % (size_t)t->dim[d]);
        i /= (size_t)t->dim[d];
    }
    return clade_shape_text(&at, text);
}
