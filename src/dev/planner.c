/* Devices that only plan: in the place of another one, without memory and without running anything,
 * so that what makes models and trains them shows what it would hold. */
#include "dev/device.h"

#include <stdlib.h>
#include <string.h>

static clade_status no_alloc(void *context, size_t bytes, void **handle)
{
    (void)context, (void)bytes;
    *handle = NULL;
    return CLADE_OK;
}

static void no_free(void *context, void *handle) { (void)context, (void)handle; }

static clade_status no_write(void *context, void *handle, size_t offset, const void *source,
                             size_t bytes)
{
    (void)context, (void)handle, (void)offset, (void)source, (void)bytes;
    return CLADE_OK;
}

static clade_status no_read(void *context, void *handle, size_t offset, void *target, size_t bytes)
{
    (void)context, (void)handle, (void)offset;
    memset(target, 0, bytes);
    return CLADE_OK;
}

static clade_status no_finish(void *context)
{
    (void)context;
    return CLADE_OK;
}

static void no_close(void *context) { (void)context; }

clade_status clade_device_create_planner(const clade_device *device, clade_device **out)
{
    clade_device *planner = *out = malloc(sizeof *planner);
    if (!planner) return clade_fail(CLADE_ENOMEM, "out of memory for a plan");
    *planner = *device;
    planner->planner = true;
    planner->library = NULL;
    planner->workspace = NULL;
    planner->profile = NULL;
    planner->verifier = NULL;
    planner->fallbacks = planner->bytes_now = planner->bytes_peak = planner->bytes_largest = 0;
    planner->table.alloc = no_alloc;
    planner->table.free = no_free;
    planner->table.write = no_write;
    planner->table.read = no_read;
    planner->table.finish = no_finish;
    planner->table.close = no_close;
    planner->table.host = NULL;
    planner->table.point = NULL;
    return CLADE_OK;
}

bool clade_device_is_planner(const clade_device *device) { return device->planner; }
uint64_t clade_device_largest(const clade_device *device) { return device->bytes_largest; }

uint64_t clade_device_workspace(const clade_device *device)
{
    return device->workspace ? clade_buffer_bytes(device->workspace) : 0;
}
