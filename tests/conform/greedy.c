/* A backend that takes more than it was given. Its memory is the host's and all that it leaves out
 * runs on the reference, but
 *   copy       reads the element behind x;
 *   fill       writes the element behind its workspace;
 *   mul        reads its workspace before it has written it.
 * All three results are right where what lies there is a finite number. */
#include "host_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clade_status describe(size_t index, clade_device_info *info)
{
    (void)index;
    memset(info, 0, sizeof *info);
    snprintf(info->id, sizeof info->id, "plugin:0");
    snprintf(info->name, sizeof info->name, "greedy example");
    snprintf(info->driver, sizeof info->driver, "tests/conform");
    return CLADE_OK;
}

static clade_status open_device(size_t index, const clade_device_options *options, void **context)
{
    (void)index, (void)options;
    *context = NULL;
    return CLADE_OK;
}

static void close_device(void *context) { (void)context; }

static clade_status copy(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_copy_args *a = &args->copy;
    const float *x = clade_tensor_host(&a->x);
    float *y = clade_tensor_host(&a->y);
    size_t n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i++) {
        float v = x[i] + 0 * x[i + 1];
        y[i] = a->accumulate ? y[i] + v : v;
    }
    return CLADE_OK;
}

static clade_status plan_fill(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context;
    plan->workspace = clade_tensor_count(&args->fill.y) * sizeof(float);
    return CLADE_OK;
}

static clade_status fill(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)context, (void)plan;
    float *y = clade_tensor_host(&args->fill.y), *values = workspace;
    size_t n = clade_tensor_count(&args->fill.y);
    for (size_t i = 0; i <= n; i++) values[i] = args->fill.value;
    memcpy(y, values, n * sizeof *y);
    return CLADE_OK;
}

static clade_status plan_mul(void *context, const clade_args *args, clade_plan *plan)
{
    (void)context, (void)args;
    plan->workspace = sizeof(float);
    return CLADE_OK;
}

static clade_status mul(void *context, const clade_args *args, const clade_plan *plan,
                        void *workspace)
{
    (void)context, (void)plan;
    const clade_mul_args *a = &args->mul;
    const float *x = clade_tensor_host(&a->a), *z = clade_tensor_host(&a->b), *sum = workspace;
    float *y = clade_tensor_host(&a->y);
    size_t n = clade_tensor_count(&a->y), row = clade_tensor_count(&a->b);
    for (size_t i = 0; i < n; i++) y[i] = x[i] * z[i % row] + 0 * *sum;
    return CLADE_OK;
}

static void set_ops(void *context, clade_op_slot *slot)
{
    (void)context;
    slot[CLADE_OP_copy].run = copy;
    slot[CLADE_OP_fill] = (clade_op_slot){plan_fill, fill};
    slot[CLADE_OP_mul] = (clade_op_slot){plan_mul, mul};
}

static const clade_backend backend = {
    .abi = CLADE_BACKEND_ABI,
    .size = sizeof(clade_backend),
    .name = "greedy",
    .count = count,
    .describe = describe,
    .open = open_device,
    .close = close_device,
    .alloc = alloc_memory,
    .free = free_memory,
    .write = write_memory,
    .read = read_memory,
    .finish = finish,
    .host = host,
    .signatures = clade_op_signatures,
    .op_count = CLADE_OPS,
    .ops = set_ops,
};

CLADE_API const clade_backend *clade_backend_entry(void);
const clade_backend *clade_backend_entry(void) { return &backend; }
