/* Ops to be timed, each at a size that training uses. Gradient ops take the forward op's shapes. */
#include "bench/bench.h"

#include "conform/conform.h"

#include <stdlib.h>
#include <string.h>

#define SHAPE(op, ...) [CLADE_OP_##op] = {"training", false, {.op = {__VA_ARGS__}}}

static const clade_case shapes[CLADE_OPS] = {
    SHAPE(conv2d, .x = F32_4(16, 37, 37, 32), .w = F32_4(3, 3, 32, 64), .b = F32_1(64),
          .act = CLADE_RELU),
    SHAPE(conv2d_norm, .x = F32_4(16, 28, 28, 128), .w = F32_4(1, 1, 128, 512), .gamma = F32_1(512),
          .beta = F32_1(512), .mean = F32_1(512), .var = F32_1(512), .z = F32_4(16, 28, 28, 512),
          .eps = 1e-3f, .act = CLADE_RELU),
    SHAPE(conv2d_maxpool, .x = F32_4(16, 149, 149, 3), .w = F32_4(3, 3, 3, 16), .b = F32_1(16),
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

/* An op with memory of its own. */
typedef struct bench_op {
    clade_device *device;
    clade_call call;
    clade_buffer *buffer[conform_slots];
} bench_op;

static clade_status run(void *user)
{
    bench_op *o = user;
    return clade_call_run(&o->call);
}

static void destroy(void *user)
{
    bench_op *o = user;
    clade_call_release(&o->call);
    for (int i = 0; i < conform_slots; i++) clade_buffer_destroy(&o->buffer[i]);
    free(o);
}

/* Puts a problem's random data on the device. */
static clade_status stage(bench_op *o, const conform_problem *problem)
{
    clade_status status = CLADE_OK;
    o->call = (clade_call){.op = problem->info->op, .args = problem->args};
    for (size_t i = 0; !status && i < problem->info->slot_count; i++) {
        clade_tensor *t = &o->call.args.slot[i];
        if (!problem->initial[i]) continue;
        size_t bytes = problem->count[i] * clade_dtype_size(t->dtype);
        status = clade_buffer_create(o->device, bytes, &o->buffer[i]);
        if (!status) status = clade_buffer_write(o->buffer[i], 0, problem->initial[i], bytes);
        t->buffer = o->buffer[i];
    }
    return status ? status : clade_call_prepare(o->device, &o->call);
}

static clade_status add_op(clade_bench *bench, clade_op op)
{
    const clade_op_info *info = clade_op_describe(op);
    const clade_case *shape = &shapes[clade_case_op(info)];
    if (!shape->name)
        return clade_fail(CLADE_EUNSUPPORTED, "%s: there is no size to time it at", info->name);
    conform_problem *problem = NULL;
    bench_op *o = calloc(1, sizeof *o);
    if (!o) return clade_fail(CLADE_ENOMEM, "out of memory for a benchmark");
    o->device = bench->device;
    clade_status status = clade_problem_draw(info, shape, CONFORM_RANDOM, 0, &problem);
    if (!status) status = stage(o, problem);
    clade_problem_destroy(&problem);
    if (status) {
        destroy(o);
        return clade_context(status, "%s", info->name);
    }
    bench_cost cost = clade_bench_call_cost(&o->call);
    return clade_bench_add(
        bench, &(bench_thing){.run = run,
                              .user = o,
                              .destroy = destroy,
                              .less = -1,
                              .result = {.name = info->name,
                                         .part = CLADE_BENCH_OP,
                                         .support = clade_device_support(bench->device, op),
                                         .algorithm = clade_call_algorithm(&o->call),
                                         .flops = cost.flops,
                                         .bytes = cost.bytes}});
}

clade_status clade_bench_add_ops(clade_bench *bench, const char *pattern)
{
    clade_status status = CLADE_OK;
    size_t before = bench->count;
    for (int op = 0; op < CLADE_OPS && !status; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        if (clade_conform_fits(pattern, info->name) || !strcmp(pattern, info->family))
            status = add_op(bench, (clade_op)op);
    }
    if (!status && bench->count == before)
        status = clade_fail(CLADE_EINVAL, "no op and no family is called '%s'", pattern);
    return status;
}
