/* Descriptions of ops and activations, generated from ops.def and activations.def. */
#include "op/op.h"

#include <string.h>

#define NUMBER(table) (sizeof table / sizeof *table)

/* One array of slots and one of parameters per op. Parameters end with an empty entry, since an op
 * may have none. */
#define CLADE_OP(id, family, forward, flags, doc) static const clade_slot_info id##_slots[] = {
#define CLADE_SLOT(id, kind, name, dtype, doc) {CLADE_SLOT_##kind, CLADE_SLOT_##dtype, #name, doc},
#define CLADE_OP_END(id)                                                                           \
    }                                                                                              \
    ;
#include <clade/ops.def>

#define CLADE_OP(id, family, forward, flags, doc) static const clade_param_info id##_params[] = {
#define CLADE_PARAM(id, type, name, doc)                                                           \
    {CLADE_PARAM_##type, #name, doc, offsetof(clade_##id##_args, name), 1, false},
#define CLADE_STEP_PARAM(id, type, name, doc)                                                      \
    {CLADE_PARAM_##type, #name, doc, offsetof(clade_##id##_args, name), 1, true},
#define CLADE_PARAMS(id, type, name, count, doc)                                                   \
    {CLADE_PARAM_##type, #name, doc, offsetof(clade_##id##_args, name), count, false},
#define CLADE_OP_END(id)                                                                           \
    {                                                                                              \
        0                                                                                          \
    }                                                                                              \
    }                                                                                              \
    ;
#include <clade/ops.def>

#define none OPS
#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    {CLADE_OP_##id,                                                                                \
     #id,                                                                                          \
     #family,                                                                                      \
     doc,                                                                                          \
     CLADE_OP_##forward,                                                                           \
     flags,                                                                                        \
     id##_slots,                                                                                   \
     NUMBER(id##_slots),                                                                           \
     id##_params,                                                                                  \
     NUMBER(id##_params) - 1},
#undef none
enum {
    INPLACE = CLADE_OP_INPLACE,
    PER_IMAGE = CLADE_OP_PER_IMAGE,
    PRODUCT = CLADE_OP_PRODUCT,
    INTEGER = CLADE_OP_INTEGER
};
static const clade_op_info table[CLADE_OPS] = {
#include <clade/ops.def>
};

const clade_op_info *clade_op_describe(clade_op op) { return &table[op]; }

clade_op clade_op_find(const char *name)
{
    for (int i = 0; i < CLADE_OPS; i++)
        if (!strcmp(table[i].name, name)) return (clade_op)i;
    return CLADE_OP_none;
}

int clade_slot_find(const clade_op_info *info, const char *name)
{
    for (size_t i = 0; i < info->slot_count; i++)
        if (!strcmp(info->slots[i].name, name)) return (int)i;
    return -1;
}

int clade_param_find(const clade_op_info *info, const char *name)
{
    for (size_t i = 0; i < info->param_count; i++)
        if (!strcmp(info->params[i].name, name)) return (int)i;
    return -1;
}

static const clade_activation_info activations[CLADE_ACTIVATIONS] = {
#define Y false
#define X true
#define CLADE_ACTIVATION(ID, name, size, derivative, alpha, slope, onnx, doc)                      \
    {#name, doc, onnx, CLADE_ACTIVATION_##size, derivative, alpha, slope},
#include <clade/activations.def>
#undef X
#undef Y
};

const clade_activation_info *clade_activation_describe(int32_t act) { return &activations[act]; }

const char *clade_activation_name(clade_activation act)
{
    return (unsigned)act < CLADE_ACTIVATIONS ? activations[act].name : "?";
}

const char *clade_fill_mode_name(clade_fill_mode mode)
{
    static const char *const names[CLADE_FILL_MODES] = {[CLADE_FILL_NEAREST] = "nearest",
                                                        [CLADE_FILL_CONSTANT] = "constant",
                                                        [CLADE_FILL_REFLECT] = "reflect",
                                                        [CLADE_FILL_WRAP] = "wrap"};
    return (unsigned)mode < CLADE_FILL_MODES ? names[mode] : "?";
}

const char *clade_factors_name(clade_factors factors)
{
    static const char *const names[CLADE_FACTORS] = {[CLADE_FACTORS_FLOAT32] = "float32",
                                                     [CLADE_FACTORS_TF32] = "tf32",
                                                     [CLADE_FACTORS_BFLOAT16] = "bfloat16",
                                                     [CLADE_FACTORS_FLOAT16] = "float16"};
    return (unsigned)factors < CLADE_FACTORS ? names[factors] : "?";
}
