/* A backend with one fault of each kind that a run must survive. Its memory is the host's and all
 * that it leaves out runs on the reference, but
 *   fill       hangs;
 *   copy       ends the process, where it flattens and does not add;
 *   concat_dx  writes nothing;
 *   split      gives zeros on 3 threads;
 *   concat     writes nothing the first time; a file that $CLADE_TEST_FLAKE names tells later ones.
 */
#define _POSIX_C_SOURCE 200809L
#include "host_memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static clade_status describe(size_t index, clade_device_info *info)
{
    (void)index;
    memset(info, 0, sizeof *info);
    snprintf(info->id, sizeof info->id, "plugin:0");
    snprintf(info->name, sizeof info->name, "faulty example");
    snprintf(info->driver, sizeof info->driver, "tests/conform");
    return CLADE_OK;
}

static clade_status open_device(size_t index, const clade_device_options *options, void **context)
{
    (void)index;
    int *threads = *context = malloc(sizeof *threads);
    if (!threads) return clade_fail(CLADE_ENOMEM, "plugin: out of memory");
    *threads = options->threads;
    return CLADE_OK;
}

static void close_device(void *context) { free(context); }

static clade_status fill(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)context, (void)args, (void)plan, (void)workspace;
    while (pause() < 0) {} /* it returns at signals only */
    return CLADE_OK;
}

static clade_status copy(void *context, const clade_args *args, const clade_plan *plan,
                         void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_copy_args *a = &args->copy;
    if (a->y.rank == 2 && !a->accumulate) abort();
    const float *x = clade_tensor_host(&a->x);
    float *y = clade_tensor_host(&a->y);
    size_t n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i++) y[i] = a->accumulate ? y[i] + x[i] : x[i];
    return CLADE_OK;
}

static clade_status concat_dx(void *context, const clade_args *args, const clade_plan *plan,
                              void *workspace)
{
    (void)context, (void)args, (void)plan, (void)workspace;
    return CLADE_OK;
}

static clade_status concat(void *context, const clade_args *args, const clade_plan *plan,
                           void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_concat_args *a = &args->concat;
    const char *mark = getenv("CLADE_TEST_FLAKE");
    int new = mark ? open(mark, O_WRONLY | O_CREAT | O_EXCL, 0600) : -1;
    if (new >= 0) {
        close(new);
        return CLADE_OK;
    }
    const float *x = clade_tensor_host(&a->x);
    float *y = clade_tensor_host(&a->y);
    size_t inner = 1, along = (size_t)a->x.dim[a->axis], whole = (size_t)a->y.dim[a->axis];
    for (int d = a->axis + 1; d < a->x.rank; d++) inner *= (size_t)a->x.dim[d];
    size_t rows = clade_tensor_count(&a->x) / (inner * along);
    for (size_t r = 0; r < rows; r++)
        memcpy(y + (r * whole + (size_t)a->start) * inner, x + r * along * inner,
               along * inner * sizeof *x);
    return CLADE_OK;
}

static clade_status split(void *context, const clade_args *args, const clade_plan *plan,
                          void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_tensor *y = &args->split.y;
    memset(clade_tensor_host(y), 0, clade_tensor_count(y) * sizeof(float));
    return CLADE_OK;
}

static void set_ops(void *context, clade_op_slot *slot)
{
    const int *threads = context;
    if (*threads == 3) slot[CLADE_OP_split].run = split;
    slot[CLADE_OP_fill].run = fill;
    slot[CLADE_OP_copy].run = copy;
    slot[CLADE_OP_concat].run = concat;
    slot[CLADE_OP_concat_dx].run = concat_dx;
}

static const clade_backend backend = {
    .abi = CLADE_BACKEND_ABI,
    .size = sizeof(clade_backend),
    .name = "faulty",
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
