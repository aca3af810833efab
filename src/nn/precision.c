/* Mixed precision: 16-bit tensors. For calls that the device must run in float32 it adds casts,
 * with copies that live for a call or two. */
#include "nn/precision.h"

#include <stdlib.h>
#include <string.h>

const char *const *clade_precision_words(void)
{
    static const char *const words[] = {"float32", "mixed_bfloat16", "mixed_float16", "tf32", NULL};
    return words;
}

clade_dtype clade_precision_dtype(clade_precision precision)
{
    static const clade_dtype dtypes[CLADE_PRECISIONS] = {CLADE_F32, CLADE_BF16, CLADE_F16,
                                                         CLADE_F32};
    return dtypes[precision];
}

clade_factors clade_precision_factors(clade_precision precision)
{
    static const clade_factors factors[CLADE_PRECISIONS] = {
        CLADE_FACTORS_FLOAT32, CLADE_FACTORS_BFLOAT16, CLADE_FACTORS_FLOAT16, CLADE_FACTORS_TF32};
    return factors[precision];
}

void clade_set_products(clade_build *build)
{
    const clade_products products = clade_precision_factors(build->blueprint->precision);
    for (size_t c = 0; c < build->call_count && products; c++) {
        clade_call *call = &build->call[c].call;
        const clade_op_info *info = clade_op_describe(call->op);
        for (size_t i = 0; i < info->param_count; i++)
            if (info->params[i].type == CLADE_PARAM_clade_products)
                *(clade_products *)(void *)((char *)&call->args + info->params[i].offset) =
                    products;
    }
}

/* The float32 copy of a value. */
typedef struct wide_copy {
    uint64_t value; /* its number */
    size_t end;     /* the call before which it still exists; 0: there is none */
} wide_copy;

typedef struct narrower {
    clade_build *build;
    clade_dtype dtype;
    size_t values;   /* number of original values; later ones are created here */
    wide_copy *wide; /* for each of them */
    int32_t layer;   /* of the current call */
} narrower;

static bool is_narrow(const narrower *n, const clade_tensor *t)
{
    return clade_tensor_present(t) && !t->buffer && t->offset < n->values &&
           n->build->value[t->offset].narrow;
}

/* Returns whether it is the input, which is rounded separately for each call that reads it. */
static bool is_input(const narrower *n, const clade_op_info *info, size_t slot,
                     const clade_tensor *t)
{
    return clade_tensor_present(t) && t->buffer == n->build->blueprint->input.buffer &&
           clade_slot_reads(info->slots[slot].kind);
}

static void cast(narrower *n, const clade_tensor *x, const clade_tensor *y)
{
    CLADE_BUILD_CALL(n->build, n->layer, cast, .x = *x, .y = *y);
}

/* Creates a value of this shape. */
static clade_tensor make(narrower *n, const clade_tensor *shape, clade_dtype dtype, bool shared)
{
    clade_tensor t = *shape;
    t.dtype = dtype;
    t = clade_build_like(n->build, &t);
    if (!n->build->status) n->build->value[t.offset].shared = shared;
    return t;
}

/* Rounds to 16 bits, or widens to float32. */
static clade_tensor rounded(narrower *n, const clade_tensor *t, clade_dtype dtype)
{
    const bool shared = t->buffer != n->build->blueprint->input.buffer;
    const clade_tensor narrow = make(n, t, n->dtype, shared);
    cast(n, t, &narrow);
    if (dtype == n->dtype) return narrow;
    const clade_tensor wide = make(n, t, dtype, shared);
    cast(n, &narrow, &wide);
    return wide;
}

/* Returns the tensor as it is stored. */
static clade_tensor stored(const narrower *n, const clade_tensor *t)
{
    clade_tensor s = *t;
    s.dtype = n->dtype;
    return s;
}

/* Returns the float32 copy that call c uses for a slot: that of the previous call, or a new one,
 * into which the value is widened if the call reads it. */
static clade_tensor widened(narrower *n, const clade_tensor *t, size_t c, bool read)
{
    wide_copy *wide = &n->wide[t->offset];
    clade_tensor copy = *t;
    if (wide->end <= c) {
        copy = make(n, t, CLADE_F32, false);
        const clade_tensor narrow = stored(n, t);
        if (read) cast(n, &narrow, &copy);
        *wide = (wide_copy){.value = copy.offset};
    }
    wide->end = c + 2;
    copy.offset = wide->value;
    return copy;
}

/* Returns whether the device takes the call with its narrow tensors and the input in 16 bits. */
static bool takes_halves(const narrower *n, const clade_call *from)
{
    const clade_op_info *info = clade_op_describe(from->op);
    clade_call call = {.op = from->op, .args = from->args};
    for (size_t s = 0; s < info->slot_count; s++) {
        clade_tensor *t = &call.args.slot[s];
        if (!is_narrow(n, t) && !is_input(n, info, s, t)) continue;
        if (info->slots[s].dtype != CLADE_SLOT_FLOAT) return false;
        *t = stored(n, t);
    }
    return clade_device_takes_halves(n->build->blueprint->device, &call);
}

/* Adds call c, with casts around it if the device needs them. */
static void add_call(narrower *n, const clade_layer_call *from, size_t c)
{
    const clade_op_info *info = clade_op_describe(from->call.op);
    const bool *decided = n->build->blueprint->halves[n->build->pass];
    const bool halves = n->build->halves[c] = decided ? decided[c] : takes_halves(n, &from->call);
    clade_args args = from->call.args;
    n->layer = from->layer;
    for (size_t s = 0; s < info->slot_count && !n->build->status; s++) {
        clade_tensor *t = &args.slot[s];
        if (is_narrow(n, t))
            *t =
                halves ? stored(n, t) : widened(n, t, c, clade_op_reads(info, &from->call.args, s));
        else if (is_input(n, info, s, t))
            *t = rounded(n, t, halves ? n->dtype : CLADE_F32);
        else if (!halves && info->slots[s].dtype == CLADE_SLOT_FACTOR)
            *t = rounded(n, t, CLADE_F32);
    }
    clade_build_add(n->build, from->layer, from->call.op, &args);
    for (size_t s = 0; s < info->slot_count && !n->build->status; s++) {
        const clade_tensor *t = &from->call.args.slot[s];
        if (!is_narrow(n, t) || !clade_slot_writes(info->slots[s].kind)) continue;
        const clade_tensor narrow = stored(n, t);
        if (!halves) cast(n, &args.slot[s], &narrow);
        n->wide[t->offset].end = 0; /* the float32 copy was not rounded */
    }
}

static void add_all(narrower *n, const clade_layer_call *call, size_t count)
{
    clade_build *build = n->build;
    size_t sync = 0;
    for (size_t c = 0; c < count; c++) {
        for (; sync < build->sync_count && build->sync[sync].call == c; sync++)
            build->sync[sync].call = build->call_count;
        add_call(n, &call[c], c);
    }
    for (size_t v = 0; v < n->values; v++)
        if (build->value[v].narrow)
            build->value[v].bytes =
                build->value[v].bytes / sizeof(float) * clade_dtype_size(n->dtype);
}

void clade_narrow(clade_build *build)
{
    const clade_dtype dtype = clade_precision_dtype(build->blueprint->precision);
    if (dtype == CLADE_F32 || build->status) return;
    narrower n = {.build = build, .dtype = dtype, .values = build->value_count};
    clade_layer_call *call = build->call;
    const size_t count = build->call_count;
    n.wide = calloc(n.values + 1, sizeof *n.wide);
    build->halves = calloc(count + 1, sizeof *build->halves);
    build->call = NULL;
    build->call_count = build->call_capacity = 0;
    if (n.wide && build->halves)
        add_all(&n, call, count);
    else
        build->status = clade_fail(CLADE_ENOMEM, "out of memory for a schedule");
    free(n.wide);
    free(call);
}
