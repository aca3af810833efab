/* Mode perf: the time of each op at a size that training uses. Gradient ops take the forward op's
 * shapes. */
#include "conform/conform.h"

#include <string.h>

#define SHAPE(op, ...) [CLADE_OP_##op] = {"training", false, {.op = {__VA_ARGS__}}}

static const clade_case shapes[CLADE_OPS] = {
    SHAPE(conv2d, .x = F32_4(16, 37, 37, 32), .w = F32_4(3, 3, 32, 64), .b = F32_1(64),
          .act = CLADE_RELU),
    SHAPE(dense, .x = F32_2(32, 3136), .w = F32_2(3136, 512), .b = F32_1(512), .act = CLADE_RELU),
    SHAPE(maxpool2d, .x = F32_4(32, 74, 74, 32), .window = {2, 2}),
    SHAPE(avgpool2d, .x = F32_4(32, 74, 74, 32), .window = {2, 2}),
    SHAPE(global_avgpool, .x = F32_4(32, 37, 37, 64)),
    SHAPE(batchnorm, .x = F32_4(32, 37, 37, 64), .gamma = F32_1(64), .beta = F32_1(64),
          .running_mean = F32_1(64), .running_var = F32_1(64), .eps = 1e-3f, .momentum = 0.99f),
    SHAPE(batchnorm_infer, .x = F32_4(32, 37, 37, 64), .gamma = F32_1(64), .beta = F32_1(64),
          .mean = F32_1(64), .var = F32_1(64), .eps = 1e-3f),
    SHAPE(lrn, .x = F32_4(32, 27, 27, 96), .size = 5, .k = 1, .alpha = 1e-4f, .beta = 0.75f),
    SHAPE(activation, .x = F32_4(32, 74, 74, 32), .act = CLADE_RELU),
    SHAPE(add, .a = F32_4(32, 37, 37, 64), .b = F32_4(32, 37, 37, 64), .alpha = 1, .beta = 1),
    SHAPE(mul, .a = F32_4(32, 37, 37, 64), .b = F32_4(32, 1, 1, 64)),
    SHAPE(reduce, .x = F32_4(32, 37, 37, 64), .y = F32_4(1, 1, 1, 64)),
    SHAPE(fill, .y = F32_1(1 << 21), .value = 1),
    SHAPE(copy, .x = F32_1(1 << 21), .y = F32_1(1 << 21)),
    SHAPE(concat, .x = F32_4(32, 37, 37, 32), .y = F32_4(32, 37, 37, 64), .axis = 3, .start = 32),
    SHAPE(pad, .x = F32_4(32, 37, 37, 64), .pad = {1, 1, 1, 1}),
    SHAPE(softmax, .x = F32_2(256, 1000)),
    SHAPE(softmax_xent, .x = F32_2(256, 1000), .label = I32_1(256)),
    SHAPE(sigmoid_bce, .x = F32_2(1024, 1), .label = I32_1(1024)),
    SHAPE(mse, .x = F32_2(256, 1000), .target = F32_2(256, 1000)),
    SHAPE(topk_count, .y = F32_2(256, 1000), .label = I32_1(256), .count = I32_1(1), .k = 1),
    SHAPE(dropout, .x = F32_2(32, 32768), .rate = 0.5f, .seed = 1),
    SHAPE(norm_clip, .g = F32_1(1 << 21), .limit = 1),
    SHAPE(sgd, .w = F32_1(1 << 21), .g = F32_1(1 << 21), .v = F32_1(1 << 21), .lr = 0.01f,
          .momentum = 0.9f),
    SHAPE(rmsprop, .w = F32_1(1 << 21), .g = F32_1(1 << 21), .s = F32_1(1 << 21), .lr = 0.001f,
          .rho = 0.9f, .eps = 1e-7f),
    SHAPE(adam, .w = F32_1(1 << 21), .g = F32_1(1 << 21), .m = F32_1(1 << 21), .v = F32_1(1 << 21),
          .lr = 0.001f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-7f),
    SHAPE(affine_sample, .x = U8_4(32, 300, 300, 3), .matrix = F32_2(32, 8),
          .y = F32_4(32, 150, 150, 3), .scale = {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}),
};

/* Multiplications and additions of conv2d, dense and their gradients. */
static double operations(const clade_op_info *info, const clade_args *forward)
{
    switch (clade_case_op(info)) {
    case CLADE_OP_conv2d: {
        const clade_tensor *w = &forward->conv2d.w, *y = &forward->conv2d.y;
        return 2 * (double)clade_tensor_count(y) * w->dim[0] * w->dim[1] * w->dim[2];
    }
    case CLADE_OP_dense:
        return 2 * (double)clade_tensor_count(&forward->dense.w) * forward->dense.x.dim[0];
    default: return 0;
    }
}

/* Bytes that a call must move: every input read once, every output written once. */
static double traffic(const conform_trial *trial)
{
    double bytes = 0;
    for (size_t i = 0; i < trial->info->slot_count; i++) {
        clade_slot_kind kind = trial->info->slots[i].kind;
        bool both = kind == CLADE_SLOT_STATE || kind == CLADE_SLOT_OPTSTATE;
        bytes += (double)trial->count[i] * (double)clade_dtype_size(trial->args.slot[i].dtype) *
                 (both ? 2 : 1);
    }
    return bytes;
}

/* Seconds of one call: the best of several batches of calls, after one that is not counted. */
static clade_status time_call(clade_device *device, const clade_call *call, double *best)
{
    clade_status status = clade_call_run(device, call);
    if (!status) status = clade_device_finish(device);
    unsigned calls = 1;
    double total = 0;
    *best = INFINITY;
    for (int batch = 0; !status && (batch < 3 || total < 0.05) && total < 0.5; batch++) {
        double begun = clade_conform_now();
        for (unsigned i = 0; !status && i < calls; i++) status = clade_call_run(device, call);
        if (!status) status = clade_device_finish(device);
        double took = clade_conform_now() - begun;
        total += took;
        if (took / calls < *best) *best = took / calls;
        if (took < 0.01) calls *= 2;
    }
    return status;
}

static clade_status time_trial(const conform_trial *trial, clade_device *device, double *seconds)
{
    clade_call call = {.op = trial->info->op, .args = trial->args};
    clade_buffer *buffers[conform_slots] = {0};
    clade_status status = CLADE_OK;
    for (size_t i = 0; !status && i < trial->info->slot_count; i++) {
        clade_tensor *t = &call.args.slot[i];
        if (!trial->initial[i]) continue;
        size_t bytes = trial->count[i] * clade_dtype_size(t->dtype);
        status = clade_buffer_create(device, bytes, &buffers[i]);
        if (!status) status = clade_buffer_write(buffers[i], 0, trial->initial[i], bytes);
        t->buffer = buffers[i];
    }
    if (!status) status = clade_call_prepare(device, &call);
    if (!status) status = time_call(device, &call, seconds);
    for (int i = 0; i < conform_slots; i++) clade_buffer_destroy(&buffers[i]);
    return status;
}

static clade_status time_op(conform_run *run, const clade_op_info *info)
{
    const clade_case *shape = &shapes[clade_case_op(info)];
    clade_device *device = run->devices[0].device;
    conform_trial *trial = NULL;
    clade_args args, forward;
    clade_conform_result result = {.mode = CLADE_CONFORM_PERF,
                                   .op = info->name,
                                   .case_name = "",
                                   .support = clade_device_support(device, info->op),
                                   .check = "",
                                   .text = ""};
    if (!shape->name) {
        result.verdict = CLADE_CONFORM_SKIP;
        result.text = "it has no shape to be timed at";
        return clade_conform_give(run, &result);
    }
    clade_status status = clade_case_args(info, shape, &args, &forward);
    if (!status) status = clade_trial_draw(info, shape, CONFORM_RANDOM, run->options->seed, &trial);
    if (!status) {
        result.bytes = traffic(trial);
        result.flops = operations(info, info->forward == CLADE_OP_none ? &args : &forward);
        if (time_trial(trial, device, &result.seconds)) {
            result.verdict = CLADE_CONFORM_FAIL;
            result.check = "status";
            result.text = clade_error();
        }
    }
    clade_trial_destroy(&trial);
    return status ? clade_context(status, "%s", info->name) : clade_conform_give(run, &result);
}

clade_status clade_conform_perf(conform_run *run)
{
    clade_status status = CLADE_OK;
    for (int op = 0; !status && op < CLADE_OPS; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        if (clade_conform_chosen(run, info)) status = time_op(run, info);
    }
    return status;
}
