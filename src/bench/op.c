/* Ops to time, each on the marked case of its family. Gradient ops use the forward op's. */
#include "bench/bench.h"

#include "conform/conform.h"

#include <stdlib.h>
#include <string.h>

/* An op with its own memory. */
typedef struct bench_op {
    clade_device *device;
    clade_call call;
    clade_buffer *buffer[conform_slots];
    char text[CLADE_CALL_TEXT_SIZE];
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

/* Returns the case on which to time an op: the marked one, or the one that moves the most bytes.
 * NULL: there is none. */
static const clade_case *case_of(const clade_op_info *info)
{
    const clade_op_impl *source = clade_op_reference(clade_case_op(info));
    const clade_case *best = NULL;
    double most = -1;
    for (size_t i = 0; i < source->case_count; i++) {
        const clade_case *test = &source->cases[i];
        clade_call call = {.op = info->op};
        clade_args forward;
        if (test->kind == CASE_TIMED) return test;
        if (clade_case_args(info, test, &call.args, &forward)) continue;
        double bytes = clade_bench_call_cost(&call).bytes;
        if (bytes > most) {
            best = test;
            most = bytes;
        }
    }
    return best;
}

static clade_status add_op(clade_bench *bench, clade_op op)
{
    const clade_op_info *info = clade_op_describe(op);
    const clade_case *shape = case_of(info);
    if (!shape) return clade_fail(CLADE_EUNSUPPORTED, "%s: it has no case to time", info->name);
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
                                         .call = clade_call_text(op, &o->call.args, o->text),
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
