/* Slices of calls with tensors of 16 bits, and weights rounded for such calls. */
#include "cpu/halves.h"

#include "op/half.h"

#include <string.h>

enum { rounded_at_once = 1 << 16 }; /* numbers of a weight, on their way through 16 bits */

/* A plan for slices of as many images, and one for the last slice where that has fewer. */
typedef struct slices {
    int32_t images, count; /* of the batch; of a slice */
    clade_plan plan[2];
    size_t copy_at[CLADE_MOST_SLOTS]; /* in the workspace, in floats */
    size_t rounding_at, inner_at;
} slices;

bool clade_cpu_cuts(clade_op op, const clade_args *args)
{
    return clade_args_images(clade_op_describe(op), args) > 0;
}

static bool is_cut(const clade_op_info *info, const clade_args *args, size_t slot, int32_t images)
{
    return clade_slot_has_images(&info->slots[slot], &args->slot[slot], images);
}

/* Elements of an image's part of a tensor. */
static size_t row_of(const clade_tensor *t) { return clade_tensor_count(t) / (size_t)t->dim[0]; }

/* How many images are taken at once, so that slices are even. */
static int32_t slice_of(const cpu_context *cpu, const clade_op_info *info, const clade_args *args,
                        int32_t images)
{
    size_t each = 0;
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_dtype_is_half(args->slot[i].dtype) && is_cut(info, args, i, images))
            each += row_of(&args->slot[i]);
    size_t most = each ? cpu->limits.slice_floats / each : 1;
    if (most < 1) most = 1;
    if (most > (size_t)images) most = (size_t)images;
    const int32_t count = (images + (int32_t)most - 1) / (int32_t)most;
    return (images + count - 1) / count;
}

/* The call on some images, in float32 but for its memory. */
static clade_args slice_args(const clade_op_info *info, const clade_args *args, int32_t images,
                             int32_t count)
{
    clade_args slice = *args;
    for (size_t i = 0; i < info->slot_count; i++) {
        clade_tensor *t = &slice.slot[i];
        if (is_cut(info, args, i, images)) t->dim[0] = count;
        if (clade_dtype_is_half(t->dtype)) t->dtype = CLADE_F32;
    }
    return slice;
}

static clade_status plan_slice(cpu_context *cpu, clade_op op, const clade_args *args,
                               clade_plan *plan, int which, int32_t count)
{
    slices *s = plan->state;
    clade_args slice = slice_args(clade_op_describe(op), args, s->images, count);
    clade_plan *inner = &s->plan[which];
    clade_status status = cpu->op[op].plan ? cpu->op[op].plan(cpu, &slice, inner) : CLADE_OK;
    clade_cpu_state_join(plan, inner);
    plan->algorithm = inner->algorithm;
    return status;
}

clade_status clade_cpu_plan_slices(cpu_context *cpu, clade_op op, const clade_args *args,
                                   clade_plan *plan)
{
    const clade_op_info *info = clade_op_describe(op);
    const int32_t images = clade_args_images(info, args);
    slices *s = clade_cpu_state(plan, sizeof *s);
    if (!s) return CLADE_ENOMEM;
    s->images = images;
    s->count = slice_of(cpu, info, args, images);
    for (size_t i = 0; i < info->slot_count; i++) {
        const clade_tensor *t = &args->slot[i];
        const bool rounded = clade_slot_rounding(info, args, i) != CLADE_F32;
        if (rounded) s->rounding_at = cpu_reserve(plan, rounded_at_once / 2);
        if (!clade_dtype_is_half(t->dtype) && !rounded) continue;
        const size_t rows = is_cut(info, args, i, images) ? (size_t)s->count : 0;
        s->copy_at[i] = cpu_reserve(plan, rows ? rows * row_of(t) : clade_tensor_count(t));
    }
    const int32_t rest = images % s->count;
    clade_status status = plan_slice(cpu, op, args, plan, 0, s->count);
    if (!status && rest) status = plan_slice(cpu, op, args, plan, 1, rest);
    const size_t a = s->plan[0].workspace, b = s->plan[1].workspace, bytes = a > b ? a : b;
    s->inner_at = cpu_reserve(plan, bytes / sizeof(float) + (bytes % sizeof(float) > 0));
    return status;
}

static clade_status cast(cpu_context *cpu, const clade_tensor *x, const clade_tensor *y)
{
    const clade_args args = {.cast = {.x = *x, .y = *y}};
    return cpu->op[CLADE_OP_cast].run(cpu, &args, NULL, NULL);
}

static clade_tensor row_at(clade_dtype dtype, clade_buffer *buffer, uint64_t offset, size_t n)
{
    clade_tensor t = clade_shape(1, (int32_t)n);
    t.dtype = dtype;
    t.buffer = buffer;
    t.offset = offset;
    return t;
}

/* w in float32 as it is in 16 bits, which a block of it is at a time in `half`. */
static clade_status round_weight(cpu_context *cpu, const clade_tensor *w, clade_dtype rounding,
                                 float *half, clade_buffer *to)
{
    clade_buffer block = {.host = half};
    const size_t all = clade_tensor_count(w);
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < all && !status; i += rounded_at_once) {
        const size_t n = all - i < rounded_at_once ? all - i : rounded_at_once;
        const clade_tensor from = row_at(CLADE_F32, w->buffer, w->offset + i, n),
                           narrow = row_at(rounding, &block, 0, n),
                           rounded = row_at(CLADE_F32, to, i, n);
        status = cast(cpu, &from, &narrow);
        if (!status) status = cast(cpu, &narrow, &rounded);
    }
    return status;
}

/* Images first … first + count − 1. */
static clade_status run_slice(cpu_context *cpu, clade_op op, const clade_args *args,
                              const slices *s, int32_t first, int32_t count, float *workspace)
{
    const clade_op_info *info = clade_op_describe(op);
    clade_args slice = slice_args(info, args, s->images, count);
    clade_tensor stored[CLADE_MOST_SLOTS];
    clade_buffer copy[CLADE_MOST_SLOTS];
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < info->slot_count && !status; i++) {
        clade_tensor *t = &slice.slot[i];
        const clade_dtype rounding = clade_slot_rounding(info, args, i);
        const bool cut = is_cut(info, args, i, s->images);
        if (cut) t->offset += (uint64_t)first * row_of(t);
        stored[i] = *t;
        stored[i].dtype = args->slot[i].dtype;
        if (!clade_dtype_is_half(stored[i].dtype) && rounding == CLADE_F32) continue;
        copy[i] = (clade_buffer){.host = workspace + s->copy_at[i]};
        if (rounding != CLADE_F32 && first == 0)
            status = round_weight(cpu, &stored[i], rounding, workspace + s->rounding_at, &copy[i]);
        t->buffer = &copy[i];
        t->offset = 0;
        if (rounding == CLADE_F32 && (cut || first == 0) && clade_op_reads(info, args, i))
            status = cast(cpu, &stored[i], t);
    }
    const clade_plan *plan = &s->plan[count < s->count];
    if (!status) status = cpu->op[op].run(cpu, &slice, plan, workspace + s->inner_at);
    for (size_t i = 0; i < info->slot_count && !status; i++)
        if (clade_dtype_is_half(args->slot[i].dtype) && clade_slot_writes(info->slots[i].kind))
            status = cast(cpu, &slice.slot[i], &stored[i]);
    return status;
}

clade_status clade_cpu_run_slices(cpu_context *cpu, clade_op op, const clade_args *args,
                                  const clade_plan *plan, void *workspace)
{
    const slices *s = plan->state;
    clade_status status = CLADE_OK;
    for (int32_t first = 0; first < s->images && !status; first += s->count) {
        const int32_t left = s->images - first;
        status = run_slice(cpu, op, args, s, first, left < s->count ? left : s->count, workspace);
    }
    return status;
}

/* ---- weights in 16 bits ---- */

/* Floats of workspace that a weight in 16 bits takes. */
static size_t weight_floats(const clade_tensor *w) { return (clade_tensor_count(w) + 1) / 2; }

void clade_cpu_reserve_weights(clade_op op, const clade_args *args, clade_plan *plan)
{
    const clade_op_info *info = clade_op_describe(op);
    for (size_t i = 0; i < info->slot_count; i++)
        if (clade_slot_rounding(info, args, i) != CLADE_F32)
            cpu_reserve(plan, weight_floats(&args->slot[i]));
}

clade_status clade_cpu_round_weights(cpu_context *cpu, clade_op op, const clade_plan *plan,
                                     void *workspace, clade_args *args,
                                     clade_buffer memory[CLADE_MOST_SLOTS])
{
    const clade_op_info *info = clade_op_describe(op);
    const clade_args given = *args;
    size_t end = plan->workspace / sizeof(float);
    clade_status status = CLADE_OK;
    for (size_t i = info->slot_count; i-- > 0 && !status;) {
        const clade_dtype rounding = clade_slot_rounding(info, &given, i);
        if (rounding == CLADE_F32) continue;
        end -= weight_floats(&given.slot[i]);
        memory[i] = (clade_buffer){.host = (float *)workspace + end};
        args->slot[i].dtype = rounding;
        args->slot[i].buffer = &memory[i];
        args->slot[i].offset = 0;
        status = cast(cpu, &given.slot[i], &args->slot[i]);
    }
    return status;
}
