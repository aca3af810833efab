/* Each op's reference and oracle, and the validation of calls. */
#include "op/op.h"

#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    extern const clade_op_impl clade_##id##_reference, clade_##id##_oracle;
#include <clade/ops.def>

static const clade_op_impl *const references[CLADE_OPS] = {
#define CLADE_OP(id, family, forward, flags, doc) &clade_##id##_reference,
#include <clade/ops.def>
};
static const clade_op_impl *const oracles[CLADE_OPS] = {
#define CLADE_OP(id, family, forward, flags, doc) &clade_##id##_oracle,
#include <clade/ops.def>
};

const clade_op_impl *clade_op_reference(clade_op op) { return references[op]; }
const clade_op_impl *clade_op_oracle(clade_op op) { return oracles[op]; }

/* Fails with EINVAL if a dimension is not positive, if one of several exceeds 2^30 (planners round
 * up and add in 32 bits), or if the whole exceeds 2^40 bytes. */
static clade_status check_size(const clade_op_info *info, const char *slot, const clade_tensor *t)
{
    if (t->rank < 0 || t->rank > CLADE_MAX_RANK)
        return clade_fail(CLADE_EINVAL, "%s: %s has rank %d, expected 0 to %d", info->name, slot,
                          t->rank, CLADE_MAX_RANK);
    uint64_t count = 1;
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] < 1)
            return clade_fail(CLADE_EINVAL, "%s: dimension %d of %s is %d, expected 1 or more",
                              info->name, i, slot, t->dim[i]);
        if (t->rank > 1 && t->dim[i] > 1 << 30)
            return clade_fail(CLADE_EINVAL, "%s: dimension %d of %s is %d, expected at most 2^30",
                              info->name, i, slot, t->dim[i]);
        if (__builtin_mul_overflow(count, (uint64_t)t->dim[i], &count) ||
            count > (UINT64_C(1) << 38))
            return clade_fail(CLADE_EINVAL, "%s: %s is too large: over 2^38 elements", info->name,
                              slot);
    }
    return CLADE_OK;
}

/* Returns the value of an int32_t parameter. */
static int32_t number_at(const clade_op_info *info, const clade_args *args, int param)
{
    return *(const int32_t *)(const void *)((const char *)args + info->params[param].offset);
}

static clade_status check_products(const clade_op_info *info, const clade_args *args)
{
    const int i = clade_param_find(info, "products");
    if (i < 0) return CLADE_OK;
    const int32_t products = number_at(info, args, i);
    if (products >= 0 && products < CLADE_FACTORS) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "%s: products is %d, expected 0 to %d", info->name, products,
                      CLADE_FACTORS - 1);
}

bool clade_slot_takes(clade_slot_dtype wanted, clade_dtype given)
{
    if (wanted == CLADE_SLOT_LABEL) return given == CLADE_I32 || given == CLADE_F32;
    if (wanted == CLADE_SLOT_FLOAT) return clade_dtype_is_float(given);
    if (wanted == CLADE_SLOT_FACTOR) return given == CLADE_F32;
    return (int)wanted == (int)given;
}

bool clade_slot_has_images(const clade_slot_info *slot, const clade_tensor *t, int32_t n)
{
    return clade_tensor_present(t) && !clade_slot_is_weight(slot->kind) && t->rank > 0 &&
           t->dim[0] == n;
}

int32_t clade_args_images(const clade_op_info *info, const clade_args *args)
{
    const clade_op_info *forward =
        info->forward == CLADE_OP_none ? info : clade_op_describe(info->forward);
    const int axis = clade_param_find(info, "axis");
    int32_t n = 0;
    if (!(forward->flags & CLADE_OP_PER_IMAGE)) return 0;
    if (axis >= 0 && number_at(info, args, axis) == 0) return 0; /* it joins or cuts images */
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (!clade_tensor_present(t) || !clade_slot_writes(info->slots[i].kind)) continue;
        if (!n && t->rank > 0) n = t->dim[0];
        if (!clade_slot_has_images(&info->slots[i], t, n)) return 0;
    }
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (!clade_tensor_present(t) || clade_slot_is_weight(info->slots[i].kind)) continue;
        const bool stretched = t->rank > 0 && t->dim[0] == 1; /* the same for all images */
        if (!clade_slot_has_images(&info->slots[i], t, n) && !stretched) return 0;
    }
    return n;
}

bool clade_op_reads(const clade_op_info *info, const clade_args *args, size_t slot)
{
    const clade_slot_kind kind = info->slots[slot].kind;
    const int i = clade_param_find(info, "accumulate");
    if (clade_slot_reads(kind)) return true;
    return i >= 0 && clade_slot_accumulates(kind) && number_at(info, args, i) != 0;
}

clade_dtype clade_slot_usual(clade_slot_dtype wanted)
{
    if (wanted == CLADE_SLOT_LABEL) return CLADE_I32;
    return wanted == CLADE_SLOT_FLOAT || wanted == CLADE_SLOT_FACTOR ? CLADE_F32
                                                                     : (clade_dtype)wanted;
}

/* Applies the float32 rule; for it, it does not matter whether a FLOAT slot is stored in 16
 * bits. */
static clade_status apply_rule(const clade_op_info *info, clade_args *args)
{
    clade_dtype given[CLADE_MOST_SLOTS];
    for (size_t i = 0; i < info->slot_count; i++) {
        clade_dtype *dtype = &args->slot[i].dtype;
        given[i] = *dtype;
        if (clade_dtype_is_half(*dtype)) *dtype = CLADE_F32;
    }
    clade_status status = references[info->op]->shape(args);
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_dtype_is_half(given[i])) args->slot[i].dtype = given[i];
    return status;
}

clade_status clade_op_shape(clade_op op, clade_args *args)
{
    if ((unsigned)op >= CLADE_OPS) return clade_fail(CLADE_EINVAL, "there is no op %d", (int)op);
    const clade_op_info *info = clade_op_describe(op);
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_slot_info *slot = &info->slots[i];
        const clade_tensor *t = &args->slot[i];
        if (!clade_tensor_present(t)) {
            if (clade_slot_reads(slot->kind) && !clade_slot_is_optional(slot->kind))
                return clade_fail(CLADE_EINVAL, "%s: %s is missing", info->name, slot->name);
            continue;
        }
        if (!clade_slot_takes(slot->dtype, t->dtype))
            return clade_fail(CLADE_EINVAL, "%s: %s has the wrong dtype", info->name, slot->name);
        clade_status status = check_size(info, slot->name, t);
        if (status) return status;
    }
    clade_status status = check_products(info, args);
    if (!status) status = apply_rule(info, args);
    for (size_t i = 0; !status && i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (clade_tensor_present(t))
            status = check_size(info, info->slots[i].name, t);
        else if (!clade_slot_reads(info->slots[i].kind) &&
                 !clade_slot_is_optional(info->slots[i].kind))
            status = clade_fail(CLADE_EINVAL, "%s: the shape of %s must be given", info->name,
                                info->slots[i].name);
    }
    return status;
}
