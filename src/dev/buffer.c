/* Device memory: allocation and copies, checked. */
#include "dev/device.h"

#include <clade/borrow.h>

#include <stdlib.h>
#include <string.h>

/* A buffer as it is here, behind what backends see of it. */
typedef struct buffer_record {
    clade_buffer buffer;
    bool moved; /* the memory is not what the backend gave */
} buffer_record;

/* A planner goes on, so as to say how much it would be. */
static clade_status check_size(const clade_device *device, size_t bytes)
{
    const clade_device_info *info = &device->info;
    if (device->planner || !info->max_alloc_bytes || bytes <= info->max_alloc_bytes)
        return CLADE_OK;
    return clade_fail(CLADE_ENOMEM,
                      "%s: %zu bytes asked for in one buffer; it allows %llu, of %llu in all",
                      info->id, bytes, (unsigned long long)info->max_alloc_bytes,
                      (unsigned long long)info->memory_bytes);
}

clade_status clade_buffer_create(clade_device *device, size_t bytes, clade_buffer **out)
{
    *out = NULL;
    buffer_record *record = calloc(1, sizeof *record);
    if (!record) return clade_fail(CLADE_ENOMEM, "out of memory");
    clade_buffer *buffer = &record->buffer;
    buffer->device = device;
    buffer->bytes = bytes;
    clade_status status = check_size(device, bytes);
    if (!status) status = device->table.alloc(device->context, bytes, &buffer->handle);
    if (status) {
        free(record);
        return status;
    }
    if (device->table.host) buffer->host = device->table.host(device->context, buffer->handle);
    device->bytes_now += bytes;
    if (device->bytes_now > device->bytes_peak) device->bytes_peak = device->bytes_now;
    if (bytes > device->bytes_largest) device->bytes_largest = bytes;
    *out = buffer;
    return CLADE_OK;
}

clade_status clade_buffer_borrow(clade_device *cpu, void *memory, size_t bytes, clade_buffer **out)
{
    *out = NULL;
    if (strcmp(cpu->info.id, "cpu"))
        return clade_fail(CLADE_EUNSUPPORTED, "%s: memory is lent to the CPU alone", cpu->info.id);
    *out = calloc(1, sizeof **out);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory");
    **out = (clade_buffer){.device = cpu, .handle = memory, .host = memory, .bytes = bytes};
    return CLADE_OK;
}

void clade_buffer_give_back(clade_buffer **buffer)
{
    free(*buffer);
    *buffer = NULL;
}

static void free_memory(const buffer_record *r)
{
    const clade_device *device = r->buffer.device;
    if (!r->moved) device->table.free(device->context, r->buffer.handle);
}

clade_status clade_buffer_move(clade_buffer *buffer, void *memory)
{
    const clade_device *device = buffer->device;
    if (strcmp(device->info.id, "cpu"))
        return clade_fail(CLADE_EUNSUPPORTED, "%s: buffers of the CPU alone are moved",
                          device->info.id);
    void *to = memory;
    clade_status status =
        memory ? CLADE_OK : device->table.alloc(device->context, buffer->bytes, &to);
    if (status) return status;
    buffer_record *r = (buffer_record *)buffer;
    if (to != buffer->host) memcpy(to, buffer->host, buffer->bytes);
    free_memory(r);
    buffer->handle = buffer->host = to;
    r->moved = memory != NULL;
    return CLADE_OK;
}

void clade_buffer_destroy(clade_buffer **handle)
{
    clade_buffer *buffer = *handle;
    if (!buffer) return;
    clade_device *device = buffer->device;
    device->bytes_now -= buffer->bytes;
    buffer_record *r = (buffer_record *)buffer;
    free_memory(r);
    free(r);
    *handle = NULL;
}

size_t clade_buffer_bytes(const clade_buffer *buffer) { return buffer->bytes; }

void *clade_buffer_host(clade_buffer *buffer) { return buffer->host; }

static clade_status check_range(const clade_buffer *buffer, size_t offset, size_t bytes)
{
    if (offset > buffer->bytes || bytes > buffer->bytes - offset)
        return clade_fail(CLADE_EINVAL, "%zu bytes at %zu are outside a buffer of %zu", bytes,
                          offset, buffer->bytes);
    return CLADE_OK;
}

clade_status clade_buffer_write(clade_buffer *buffer, size_t offset, const void *source,
                                size_t bytes)
{
    clade_status status = check_range(buffer, offset, bytes);
    if (status || !bytes) return status;
    clade_device *device = buffer->device;
    return device->table.write(device->context, buffer->handle, offset, source, bytes);
}

clade_status clade_buffer_read(clade_buffer *buffer, size_t offset, void *target, size_t bytes)
{
    clade_status status = check_range(buffer, offset, bytes);
    if (status || !bytes) return status;
    clade_device *device = buffer->device;
    return device->table.read(device->context, buffer->handle, offset, target, bytes);
}

clade_status clade_device_point(clade_device *device, void **point)
{
    *point = NULL;
    return device->table.point ? device->table.point(device->context, point) : CLADE_OK;
}

clade_status clade_buffer_read_at(clade_buffer *buffer, void *point, size_t offset, void *target,
                                  size_t bytes)
{
    clade_device *device = buffer->device;
    if (!point) return target ? clade_buffer_read(buffer, offset, target, bytes) : CLADE_OK;
    clade_status status = check_range(buffer, offset, bytes);
    if (status || !bytes) target = NULL;
    clade_status ended =
        device->table.read_at(device->context, point, buffer->handle, offset, target, bytes);
    return status ? status : ended;
}

clade_status clade_tensor_write(const clade_tensor *t, const void *source)
{
    if (!t->buffer) return clade_fail(CLADE_EINVAL, "the tensor has no memory");
    size_t size = clade_dtype_size(t->dtype);
    return clade_buffer_write(t->buffer, (size_t)t->offset * size, source,
                              clade_tensor_count(t) * size);
}

clade_status clade_tensor_read(const clade_tensor *t, void *target)
{
    if (!t->buffer) return clade_fail(CLADE_EINVAL, "the tensor has no memory");
    size_t size = clade_dtype_size(t->dtype);
    return clade_buffer_read(t->buffer, (size_t)t->offset * size, target,
                             clade_tensor_count(t) * size);
}
