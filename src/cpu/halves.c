/* Slices of calls with tensors of 16 bits. */
#include "cpu/halves.h"

#include "op/op.h"

#include <string.h>

/* A plan for slices of as many images, and one for the last slice where that has fewer. */
typedef struct slices {
    int32_t images, count; /* of the batch; of a slice */
    clade_plan plan[2];
    size_t copy_at[CLADE_MOST_SLOTS]; /* in the workspace, in floats */
    size_t inner_at;
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
        if (!clade_dtype_is_half(t->dtype)) continue;
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
        const bool cut = is_cut(info, args, i, s->images);
        if (cut) t->offset += (uint64_t)first * row_of(t);
        stored[i] = *t;
        stored[i].dtype = args->slot[i].dtype;
        if (!clade_dtype_is_half(stored[i].dtype)) continue;
        copy[i] = (clade_buffer){.host = workspace + s->copy_at[i]};
        t->buffer = &copy[i];
        t->offset = 0;
        if ((cut || first == 0) && clade_op_reads(info, args, i)) status = cast(cpu, &stored[i], t);
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
