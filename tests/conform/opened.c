/* A backend whose dense gives zeros if its device was opened as $CLADE_TEST_WRONG says; else all
 * runs on the reference. $CLADE_TEST_DEVICE is what it calls itself. */
#include "host_memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *setting(const char *name)
{
    const char *text = getenv(name);
    return text ? text : "";
}

static clade_status describe(size_t index, clade_device_info *info)
{
    (void)index;
    memset(info, 0, sizeof *info);
    snprintf(info->id, sizeof info->id, "%s", setting("CLADE_TEST_DEVICE"));
    snprintf(info->name, sizeof info->name, "opened example");
    snprintf(info->driver, sizeof info->driver, "tests/conform");
    return CLADE_OK;
}

static clade_status open_device(size_t index, const clade_device_options *o, void **context)
{
    (void)index;
    char text[256];
    bool *wrong = *context = malloc(sizeof *wrong);
    if (!wrong) return clade_fail(CLADE_ENOMEM, "plugin: out of memory");
    snprintf(text, sizeof text, "threads=%d group_size=%" PRIu32 " algorithm=%s limits=%s",
             o->threads, o->group_size, o->algorithm ? o->algorithm : "",
             o->limits ? o->limits : "");
    *wrong = !strcmp(text, setting("CLADE_TEST_WRONG"));
    return CLADE_OK;
}

static void close_device(void *context) { free(context); }

static clade_status dense(void *context, const clade_args *args, const clade_plan *plan,
                          void *workspace)
{
    (void)context, (void)plan, (void)workspace;
    const clade_tensor *y = &args->dense.y;
    memset(clade_tensor_host(y), 0, clade_tensor_count(y) * sizeof(float));
    return CLADE_OK;
}

static void set_ops(void *context, clade_op_slot *slot)
{
    const bool *wrong = context;
    if (*wrong) slot[CLADE_OP_dense].run = dense;
}

static const clade_backend backend = {
    .abi = CLADE_BACKEND_ABI,
    .size = sizeof(clade_backend),
    .name = "opened",
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
