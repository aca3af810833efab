/* A backend whose device is lost in mid-run: after a while every copy and every wait fails; or ends
 * the process, with EXITS by exit(), with CRASHES by abort(). */
#include <clade/backend.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { calls_until_lost = 100 };

static clade_status count(size_t *n, char note[256])
{
    (void)note;
    *n = 1;
    return CLADE_OK;
}

static clade_status describe(size_t index, clade_device_info *info)
{
    (void)index;
    memset(info, 0, sizeof *info);
    snprintf(info->id, sizeof info->id, "plugin:0");
    snprintf(info->name, sizeof info->name, "unlucky example");
    return CLADE_OK;
}

static clade_status open_device(size_t index, const clade_device_options *options, void **context)
{
    (void)index;
    (void)options;
    *context = calloc(1, sizeof(int));
    return *context ? CLADE_OK : clade_fail(CLADE_ENOMEM, "plugin: out of memory");
}

static void close_device(void *context) { free(context); }

static clade_status call(void *context)
{
    int *calls = context;
#if defined(EXITS)
    if (*calls + 1 == calls_until_lost) exit(8);
#elif defined(CRASHES)
    if (*calls + 1 == calls_until_lost) abort();
#endif
    return ++*calls < calls_until_lost ? CLADE_OK
                                       : clade_fail(CLADE_EDEVICE, "plugin: the device is lost");
}

static clade_status alloc_memory(void *context, size_t bytes, void **handle)
{
    (void)context;
    *handle = malloc(bytes ? bytes : 1);
    return *handle ? CLADE_OK : clade_fail(CLADE_ENOMEM, "plugin: out of memory");
}

static void free_memory(void *context, void *handle)
{
    (void)context;
    free(handle);
}

static clade_status write_memory(void *context, void *handle, size_t offset, const void *source,
                                 size_t bytes)
{
    memcpy((char *)handle + offset, source, bytes);
    return call(context);
}

static clade_status read_memory(void *context, void *handle, size_t offset, void *target,
                                size_t bytes)
{
    memcpy(target, (const char *)handle + offset, bytes);
    return call(context);
}

static clade_status finish(void *context) { return call(context); }

static const clade_backend backend = {
    .abi = CLADE_BACKEND_ABI,
    .size = sizeof(clade_backend),
    .name = "lost",
    .count = count,
    .describe = describe,
    .open = open_device,
    .close = close_device,
    .alloc = alloc_memory,
    .free = free_memory,
    .write = write_memory,
    .read = read_memory,
    .finish = finish,
};

const clade_backend *clade_backend_entry(void);
const clade_backend *clade_backend_entry(void) { return &backend; }
