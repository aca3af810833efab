/* A device with a planted fault: a backend in host memory on which every op is the reference. */
#include "conform/fault.h"

#include "dev/device.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fault_context {
    const conform_fault *fault;
    int variant;
    unsigned calls; /* of the faulty op, on several elements */
} fault_context;

/* ---- spoiling ---- */

static void alter_param(const conform_fault *fault, const clade_param_info *p, void *param)
{
    if (p->type == CLADE_PARAM_float) {
        float *v = (float *)param + fault->index;
        if (fault->kind == FAULT_PARAM_ADD) *v += (float)fault->value;
        if (fault->kind == FAULT_PARAM_SET) *v = (float)fault->value;
        if (fault->kind == FAULT_PARAM_SCALE) *v *= (float)fault->value;
        return;
    }
    int32_t *v = (int32_t *)param + fault->index, first = *v;
    if (fault->kind == FAULT_PARAM_ADD) *v += (int32_t)fault->value;
    if (fault->kind == FAULT_PARAM_SET) *v = (int32_t)fault->value;
    if (fault->kind == FAULT_PARAM_FLIP) *v = !*v;
    if (fault->kind == FAULT_PARAM_SWAP) {
        v[0] = v[1];
        v[1] = first;
    }
}

void clade_fault_alter(const conform_fault *fault, const clade_op_info *info, clade_args *args)
{
    if (fault->kind >= FAULT_PARAM_ADD && fault->kind <= FAULT_PARAM_SWAP) {
        int p = clade_param_find(info, fault->slot);
        alter_param(fault, &info->params[p], (char *)args + info->params[p].offset);
        return;
    }
    int slot = clade_slot_find(info, fault->slot);
    int also = fault->also ? clade_slot_find(info, fault->also) : -1;
    if (fault->kind == FAULT_ABSENT) args->slot[slot] = (clade_tensor){0};
    if (fault->kind == FAULT_FORMAT && clade_dtype_size(args->slot[slot].dtype) == 2)
        args->slot[slot].dtype = args->slot[slot].dtype == CLADE_F16 ? CLADE_BF16 : CLADE_F16;
    if (fault->kind != FAULT_SHRINK) return;
    if (args->slot[slot].dim[fault->index] < 2) return;
    args->slot[slot].dim[fault->index]--;
    if (also >= 0) args->slot[also].dim[fault->index]--;
}

void clade_fault_spoil(const conform_fault *fault, const clade_op_info *info,
                       const clade_args *args, void *const blocks[conform_slots],
                       void *const x[conform_slots])
{
    int slot = clade_slot_find(info, fault->slot), dy = clade_slot_find(info, "dy");
    if (fault->kind <= FAULT_SHRINK || !blocks[slot]) return;
    double *v = blocks[slot];
    const double *incoming = dy >= 0 ? blocks[dy] : NULL;
    int of = clade_slot_gradient_of(clade_op_describe(info->forward), fault->slot);
    size_t n = clade_tensor_count(&args->slot[slot]);
    if (fault->kind == FAULT_NAN) v[n / 2] = NAN;
    if (fault->kind == FAULT_ELEMENT && n > (size_t)fault->index) v[fault->index] *= fault->value;
    for (size_t i = 0; fault->kind == FAULT_SCALE && i < n; i++) v[i] *= fault->value;
    if (fault->kind != FAULT_KINK || args->activation_dx.act != CLADE_RELU) return;
    for (size_t i = 0; i < n; i++)
        if (((const double *)x[of])[i] == 0) v[i] = fault->value * incoming[i];
}

static void flip_last_bit(void *value)
{
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    bits ^= 1;
    memcpy(value, &bits, sizeof bits);
}

/* Is slot `slot` the memory of an input? */
static bool in_place(const clade_op_info *info, const clade_args *args, size_t slot)
{
    const clade_tensor *y = &args->slot[slot];
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        if (i != slot && t->buffer == y->buffer && t->offset == y->offset) return true;
    }
    return false;
}

/* Is no slot named, or has that one a NaN? */
static bool reads_nan(const clade_op_info *info, const clade_args *args, const char *name)
{
    const clade_tensor *t = name ? &args->slot[clade_slot_find(info, name)] : NULL;
    const void *v = t ? clade_tensor_host(t) : NULL;
    for (size_t i = 0; v && i < clade_tensor_count(t); i++)
        if (isnan(clade_float_of(t->dtype, v, i))) return true;
    return !t;
}

static bool several_buffers(const clade_op_info *info, const clade_args *args)
{
    for (size_t i = 1; i < info->slot_count; i++)
        if (args->slot[i].buffer && args->slot[i].buffer != args->slot[0].buffer) return true;
    return false;
}

/* dx = gamma rstd dy */
static void freeze_statistics(const clade_batchnorm_dx_args *a)
{
    const float *dy = clade_tensor_host(&a->dy), *gamma = clade_tensor_host(&a->gamma);
    const float *rstd = clade_tensor_host(&a->rstd);
    float *dx = clade_tensor_host(&a->dx);
    size_t n = clade_tensor_count(&a->x), c = (size_t)a->gamma.dim[0];
    for (size_t i = 0; i < n; i++) dx[i] = gamma[i % c] * rstd[i % c] * dy[i];
}

/* The kinds that change tiles of 4 × 4 pixels of [n, h, w, c]. */
static void spoil_tiles(const conform_fault *fault, const clade_tensor *t, float *v,
                        const float *before)
{
    int32_t h = t->dim[1], w = t->dim[2], c = t->dim[3];
    size_t n = clade_tensor_count(t);
    for (size_t i = 0; i < n; i++) {
        int32_t column = (int32_t)(i / (size_t)c % (size_t)w);
        int32_t row = (int32_t)(i / (size_t)c / (size_t)w % (size_t)h);
        bool last_row = row / 4 == (h - 1) / 4, last_column = column / 4 == (w - 1) / 4;
        bool last_image = i / (size_t)c / (size_t)w / (size_t)h == (size_t)t->dim[0] - 1;
        switch (fault->kind) {
        case FAULT_TILE_ROW:
            if (row % 4 == 3) v[i] *= (float)fault->value;
            break;
        case FAULT_TILE_DROPPED:
            if (last_row && last_column && last_image) v[i] = before[i];
            break;
        default:
            if ((last_row && h % 4) || (last_column && w % 4)) v[i] = 0;
        }
    }
}

/* The kinds that change every element of a float32 slot. */
static void spoil_elements(const conform_fault *fault, float *v, const float *before, size_t n)
{
    for (size_t i = 0; i < n; i++) switch (fault->kind) {
        case FAULT_SWALLOW: v[i] = isnan(v[i]) ? 0 : v[i]; break;
        case FAULT_SATURATE: v[i] = isinf(v[i]) ? copysignf(FLT_MAX, v[i]) : v[i]; break;
        case FAULT_ADD_PRIOR: v[i] += before[i]; break;
        case FAULT_SCALE:
        case FAULT_TILE_SUM: v[i] *= (float)fault->value; break;
        case FAULT_FLOOR: v[i] = v[i] < 0 ? 0 : v[i]; break;
        case FAULT_ROUND: {
            int exponent;
            float m = frexpf(v[i], &exponent), scale = ldexpf(1, (int)fault->value);
            if (isfinite(v[i])) v[i] = ldexpf(rintf(m * scale) / scale, exponent);
            break;
        }
        default: break;
        }
}

/* Spoils the faulty slot after the reference wrote it; `before` is what the slot held. */
static void spoil(fault_context *c, const clade_op_info *info, const clade_args *args, size_t slot,
                  const void *before)
{
    const conform_fault *fault = c->fault;
    const clade_tensor *t = &args->slot[slot];
    size_t size = clade_dtype_size(t->dtype), n = clade_tensor_count(t);
    char *v = clade_tensor_host(t), *last = v + (n - 1) * size;
    bool bit = false;
    switch (fault->kind) {
    case FAULT_KEEP: memcpy(v, before, n * size); return;
    case FAULT_KEEP_TAIL: memcpy(last, (const char *)before + (n - 1) * size, size); return;
    case FAULT_STRAY_BEFORE: memset(v - (1 + (size_t)fault->index) * size, 0, size); return;
    case FAULT_STRAY_APART:
        if (!several_buffers(info, args)) return;
        /* fall through */
    case FAULT_STRAY_AFTER: memset(v + (n + (size_t)fault->index) * size, 0, size); return;
    case FAULT_NEIGHBOUR:
        if (n > 1) memcpy(last, last - size, size);
        return;
    case FAULT_NEXT:
        for (size_t i = 0; i < n; i++) v[i * size]++;
        return;
    case FAULT_FROZEN: freeze_statistics(&args->batchnorm_dx); return;
    case FAULT_NAN:
        if (t->dtype == CLADE_F32 && reads_nan(info, args, fault->also))
            ((float *)(void *)v)[n / 2] = NAN;
        return;
    case FAULT_CLOBBER:
    case FAULT_LAST_BIT: bit = true; break;
    case FAULT_FLICKER: bit = n > 1 && ++c->calls % 2 == 0; break;
    case FAULT_VARIANT: bit = c->variant > 0; break;
    case FAULT_UNALIGNED: bit = t->offset % 4 != 0; break;
    case FAULT_SEPARATE: bit = several_buffers(info, args); break;
    case FAULT_IN_PLACE: bit = in_place(info, args, slot); break;
    case FAULT_WITHOUT:
        bit = !clade_tensor_present(&args->slot[clade_slot_find(info, fault->also)]);
        break;
    case FAULT_TILE_ROW:
    case FAULT_TILE_DROPPED:
    case FAULT_TILE_EDGE: spoil_tiles(fault, t, (float *)(void *)v, before); return;
    default:
        if (t->dtype == CLADE_F32) spoil_elements(fault, (float *)(void *)v, before, n);
        return;
    }
    if (bit) flip_last_bit(last);
}

static clade_status run_op(fault_context *c, clade_op op, const clade_args *args)
{
    const clade_op_impl *impl = clade_op_reference(op);
    const conform_fault *fault = c->fault;
    if (!fault || fault->op != op) {
        return clade_reference_run(op, args);
    }
    const clade_op_info *info = clade_op_describe(op);
    if (fault->kind == FAULT_STATUS)
        return clade_fail(CLADE_EDEVICE, "%s: a planted fault", info->name);
    if (fault->kind <= FAULT_SHRINK) {
        clade_args altered = *args;
        clade_fault_alter(fault, info, &altered);
        return clade_reference_run(op, &altered);
    }
    int slot = clade_slot_find(info, fault->slot);
    const clade_tensor *t = &args->slot[slot];
    bool tiles = fault->kind >= FAULT_TILE_ROW;
    if (!clade_tensor_present(t) || (tiles && !impl->transforms(args))) {
        return clade_reference_run(op, args);
    }
    size_t bytes = clade_tensor_count(t) * clade_dtype_size(t->dtype);
    void *before = malloc(bytes + 1);
    if (!before) return clade_fail(CLADE_ENOMEM, "out of memory");
    memcpy(before, clade_tensor_host(t), bytes);
    clade_status status = clade_reference_run(op, args);
    if (!status) spoil(c, info, args, (size_t)slot, before);
    free(before);
    return status;
}

/* ---- the backend ---- */

#define CLADE_OP(id, family, forward, flags, doc)                                                  \
    static clade_status run_##id(void *context, const clade_args *args, const clade_plan *plan,    \
                                 void *workspace)                                                  \
    {                                                                                              \
        (void)plan, (void)workspace;                                                               \
        return run_op(context, CLADE_OP_##id, args);                                               \
    }
#include <clade/ops.def>

static void fault_ops(void *context, clade_op_slot *slot)
{
    (void)context;
#define CLADE_OP(id, family, forward, flags, doc) slot[CLADE_OP_##id].run = run_##id;
#include <clade/ops.def>
}

static bool fault_takes_halves(void *context, const clade_call *call)
{
    (void)context, (void)call;
    return true;
}

static void fault_close(void *context) { free(context); }

static clade_status fault_alloc(void *context, size_t bytes, void **handle)
{
    (void)context;
    *handle = malloc(bytes ? bytes : 1);
    return *handle ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory: %zu bytes", bytes);
}

static void fault_free(void *context, void *handle)
{
    (void)context;
    free(handle);
}

static clade_status fault_write(void *context, void *handle, size_t offset, const void *source,
                                size_t bytes)
{
    (void)context;
    memcpy((char *)handle + offset, source, bytes);
    return CLADE_OK;
}

static clade_status fault_read(void *context, void *handle, size_t offset, void *target,
                               size_t bytes)
{
    (void)context;
    memcpy(target, (const char *)handle + offset, bytes);
    return CLADE_OK;
}

static clade_status fault_finish(void *context)
{
    (void)context;
    return CLADE_OK;
}

static void *fault_host(void *context, void *handle)
{
    (void)context;
    return handle;
}

static const clade_backend backend = {
    .abi = CLADE_BACKEND_ABI,
    .size = sizeof(clade_backend),
    .name = "fault",
    .close = fault_close,
    .alloc = fault_alloc,
    .free = fault_free,
    .write = fault_write,
    .read = fault_read,
    .finish = fault_finish,
    .host = fault_host,
    .signatures = clade_op_signatures,
    .op_count = CLADE_OPS,
    .ops = fault_ops,
    .takes_halves = fault_takes_halves,
};

clade_status clade_fault_device(const conform_fault *fault, int variant, clade_device **out)
{
    clade_device *device = *out = calloc(1, sizeof *device);
    fault_context *context = calloc(1, sizeof *context);
    if (!device || !context) {
        free(device);
        free(context);
        *out = NULL;
        return clade_fail(CLADE_ENOMEM, "out of memory");
    }
    context->fault = fault;
    context->variant = variant;
    device->context = context;
    clade_status status = clade_device_take_table(device, &backend);
    if (status) {
        free(device);
        free(context);
        *out = NULL;
        return status;
    }
    snprintf(device->info.id, sizeof device->info.id, "self-test");
    return CLADE_OK;
}
