/* The table of ops: what ops.def says of each, its reference and its oracle. */
#include "op/op.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NUMBER(table) (sizeof table / sizeof *table)

/* One array of slots and one of parameters per op; the parameters end with an empty entry, as an op
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
     FLAGS_##flags,                                                                                \
     id##_slots,                                                                                   \
     NUMBER(id##_slots),                                                                           \
     id##_params,                                                                                  \
     NUMBER(id##_params) - 1,                                                                      \
     sizeof(clade_##id##_args)},
#undef none
enum { FLAGS_0 = 0, FLAGS_INPLACE = CLADE_OP_INPLACE };
static const clade_op_info table[CLADE_OPS] = {
#include <clade/ops.def>
};

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

const clade_op_info *clade_op_describe(clade_op op) { return &table[op]; }

clade_op clade_op_find(const char *name)
{
    for (int i = 0; i < CLADE_OPS; i++)
        if (!strcmp(table[i].name, name)) return (clade_op)i;
    return CLADE_OP_none;
}

const clade_op_impl *clade_op_reference(clade_op op) { return references[op]; }
const clade_op_impl *clade_op_oracle(clade_op op) { return oracles[op]; }

double clade_gamma(int64_t k)
{
    double worst = (double)k * CLADE_UNIT / (1 - (double)k * CLADE_UNIT);
    double likely = 8 * sqrt((double)k) * CLADE_UNIT;
    return worst > 0 && worst < likely ? worst : likely;
}

/* Elements of a tensor; EINVAL where a dimension is not positive or the whole exceeds 2^40 bytes.
 */
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
        count *= (uint64_t)t->dim[i];
        if (count > (UINT64_C(1) << 38))
            return clade_fail(CLADE_EINVAL, "%s: %s is too large: over 2^38 elements", info->name,
                              slot);
    }
    return CLADE_OK;
}

static bool dtype_fits(clade_slot_dtype wanted, clade_dtype given)
{
    if (wanted == CLADE_SLOT_LABEL) return given == CLADE_I32 || given == CLADE_F32;
    return (int)wanted == (int)given;
}

clade_status clade_op_shape(clade_op op, clade_args *args)
{
    if ((unsigned)op >= CLADE_OPS) return clade_fail(CLADE_EINVAL, "there is no op %d", (int)op);
    const clade_op_info *info = &table[op];
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_slot_info *slot = &info->slots[i];
        const clade_tensor *t = &args->slot[i];
        if (!clade_tensor_present(t)) {
            if (slot->kind == CLADE_SLOT_IN || slot->kind == CLADE_SLOT_STATE)
                return clade_fail(CLADE_EINVAL, "%s: %s is missing", info->name, slot->name);
            continue;
        }
        if (!dtype_fits(slot->dtype, t->dtype))
            return clade_fail(CLADE_EINVAL, "%s: %s has the wrong dtype", info->name, slot->name);
        clade_status status = check_size(info, slot->name, t);
        if (status) return status;
    }
    clade_status status = references[op]->shape(args);
    for (size_t i = 0; !status && i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (clade_tensor_present(t))
            status = check_size(info, info->slots[i].name, t);
        else if (info->slots[i].kind == CLADE_SLOT_OUT || info->slots[i].kind == CLADE_SLOT_GRAD)
            status = clade_fail(CLADE_EINVAL, "%s: the shape of %s must be given", info->name,
                                info->slots[i].name);
    }
    return status;
}

clade_tensor clade_shape(int rank, ...)
{
    clade_tensor t = {.dtype = CLADE_F32, .rank = rank};
    va_list args;
    va_start(args, rank);
    for (int i = 0; i < rank && i < CLADE_MAX_RANK; i++) t.dim[i] = va_arg(args, int);
    va_end(args);
    return t;
}

const char *clade_shape_text(const clade_tensor *t, char text[64])
{
    int n = snprintf(text, 64, "[");
    for (int i = 0; i < t->rank && i < CLADE_MAX_RANK; i++)
        n += snprintf(text + n, 64 - (size_t)n, "%s%d", i ? ", " : "", t->dim[i]);
    snprintf(text + n, 64 - (size_t)n, "]");
    return text;
}

clade_status clade_expect_rank(clade_op op, const char *slot, const clade_tensor *t, int rank)
{
    char text[64];
    if (t->rank != rank)
        return clade_fail(CLADE_EINVAL, "%s: %s is %s, expected %d dimensions", table[op].name,
                          slot, clade_shape_text(t, text), rank);
    return CLADE_OK;
}

clade_status clade_expect_shape(clade_op op, const char *slot, const clade_tensor *t,
                                clade_dtype dtype, int rank, const int32_t *dim)
{
    bool same = t->rank == rank;
    clade_tensor wanted = {.rank = rank};
    for (int i = 0; i < rank; i++) {
        wanted.dim[i] = dim[i];
        same = same && t->dim[i] == dim[i];
    }
    char is[64], should[64];
    if (!same)
        return clade_fail(CLADE_EINVAL, "%s: %s is %s, expected %s", table[op].name, slot,
                          clade_shape_text(t, is), clade_shape_text(&wanted, should));
    if (t->dtype != dtype)
        return clade_fail(CLADE_EINVAL, "%s: %s has the wrong dtype", table[op].name, slot);
    return CLADE_OK;
}

clade_status clade_infer_shape(clade_op op, const char *slot, clade_tensor *t, clade_dtype dtype,
                               int rank, const int32_t *dim)
{
    if (clade_tensor_present(t)) return clade_expect_shape(op, slot, t, dtype, rank, dim);
    t->dtype = dtype;
    t->rank = rank;
    for (int i = 0; i < rank; i++) t->dim[i] = dim[i];
    return CLADE_OK;
}

clade_status clade_window_size(clade_op op, const char *axis, int64_t size, int64_t pads,
                               int64_t window, int64_t stride, int64_t dilation, int32_t *out)
{
    int64_t extent = dilation * (window - 1) + 1, room = size + pads;
    if (extent > room)
        return clade_fail(CLADE_EINVAL, "%s: a window of %lld %s does not fit into %lld",
                          table[op].name, (long long)extent, axis, (long long)room);
    *out = (int32_t)((room - extent) / stride + 1);
    return CLADE_OK;
}

int32_t clade_conv_chunks(int64_t rows, int64_t outputs, int64_t *rows_per_chunk)
{
    /* enough chunks to occupy a device, few enough that the partial sums stay small */
    int64_t most = (INT64_C(1) << 22) / (outputs > 0 ? outputs : 1);
    int64_t chunks = most < 1 ? 1 : most > 64 ? 64 : most;
    if (chunks > rows) chunks = rows > 0 ? rows : 1;
    *rows_per_chunk = (rows + chunks - 1) / chunks;
    return (int32_t)((rows + *rows_per_chunk - 1) / *rows_per_chunk);
}

int32_t clade_winograd_chunks(int64_t tiles, int32_t c, int32_t k, int64_t *tiles_per_chunk)
{
    /* 64 or fewer, so that chunks have 64 tiles and the partial sums 2^22 floats at most; but 8 at
     * least */
    int64_t sums = 36 * (int64_t)c * k, chunks = 64;
    while (chunks > 8 && (tiles < 64 * chunks || chunks * sums > INT64_C(1) << 22)) chunks /= 2;
    if (chunks > tiles) chunks = tiles;
    *tiles_per_chunk = (tiles + chunks - 1) / chunks;
    return (int32_t)((tiles + *tiles_per_chunk - 1) / *tiles_per_chunk);
}

int32_t clade_row_chunks(int64_t m, int64_t *rows_per_chunk)
{
    int64_t chunks = m / 128;
    if (chunks < 1) chunks = 1;
    if (chunks > 64) chunks = 64;
    *rows_per_chunk = (m + chunks - 1) / chunks;
    return (int32_t)((m + *rows_per_chunk - 1) / *rows_per_chunk);
}

const char *clade_activation_name(clade_activation act)
{
    static const char *const names[CLADE_ACTIVATIONS] = {
        [CLADE_LINEAR] = "linear",
        [CLADE_RELU] = "relu",
        [CLADE_LEAKY_RELU] = "leaky_relu",
        [CLADE_RELU6] = "relu6",
        [CLADE_SIGMOID] = "sigmoid",
        [CLADE_TANH] = "tanh",
        [CLADE_HARD_SIGMOID] = "hard_sigmoid",
        [CLADE_SILU] = "silu",
        [CLADE_HARD_SWISH] = "hard_swish",
        [CLADE_GELU] = "gelu",
    };
    return (unsigned)act < CLADE_ACTIVATIONS ? names[act] : "?";
}
