/* Guard zones and workspace of calls that are judged. */
#include "conform/guard.h"

#include "dev/device.h"

#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(SANITIZED)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

void clade_guard_fill(unsigned char *to, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += sizeof(uint32_t)) {
        const uint32_t nan = 0x7fc00000 | (uint32_t)(i * 2654435761u) >> 10;
        memcpy(to + i, &nan, bytes - i < sizeof nan ? bytes - i : sizeof nan);
    }
}

void clade_guard_close(clade_buffer *buffer, size_t offset, size_t bytes)
{
    char *host = clade_buffer_host(buffer);
    if (host) ASAN_POISON_MEMORY_REGION(host + offset, bytes);
}

void clade_guard_open(clade_buffer *buffer, size_t offset, size_t bytes)
{
    char *host = clade_buffer_host(buffer);
    if (host) ASAN_UNPOISON_MEMORY_REGION(host + offset, bytes);
}

/* A call's workspace, `bytes` from `front` on in a buffer of `all`. */
typedef struct guarded_workspace {
    clade_buffer *buffer;
    size_t front, bytes, all;
    unsigned char *before, *after; /* the buffer's contents */
} guarded_workspace;

/* There is a zone in front only where a handle is an address. */
static clade_status create(clade_device *device, guarded_workspace *w)
{
    w->all = conform_guard + w->bytes + conform_guard;
    w->before = malloc(w->all);
    w->after = malloc(w->all);
    if (!w->before || !w->after)
        return clade_fail(CLADE_ENOMEM, "out of memory for %zu bytes of workspace", w->bytes);
    clade_guard_fill(w->before, w->all);
    clade_status status = clade_buffer_create(device, w->all, &w->buffer);
    if (status) return status;
    w->front = w->buffer->host && w->buffer->host == w->buffer->handle ? conform_guard : 0;
    return clade_buffer_write(w->buffer, 0, w->before, w->all);
}

static clade_status run_within(clade_device *device, const clade_call *call,
                               const guarded_workspace *w)
{
    clade_guard_close(w->buffer, 0, w->front);
    clade_guard_close(w->buffer, w->front + w->bytes, w->all - w->front - w->bytes);
    clade_status status = clade_call_run_within(call, (char *)w->buffer->handle + w->front);
    if (!status) status = clade_device_finish(device);
    clade_guard_open(w->buffer, 0, w->all);
    return status ? status : clade_buffer_read(w->buffer, 0, w->after, w->all);
}

static void check(const guarded_workspace *w, conform_failure *failure)
{
    const size_t end = w->front + w->bytes;
    for (size_t i = 0; i < w->all; i++) {
        if (w->before[i] == w->after[i] || (i >= w->front && i < end)) continue;
        clade_failure_set(failure, "workspace", "memory was written %zu bytes %s the workspace",
                          i < end ? w->front - i : i - end + 1,
                          i < end ? "before the start of" : "beyond the end of");
        return;
    }
}

clade_status clade_guarded_run(const clade_call *call, conform_failure *failure)
{
    clade_device *device = call->prepared->device;
    guarded_workspace w = {.bytes = clade_call_workspace(call)};
    if (!w.bytes) {
        clade_status status = clade_call_run_within(call, NULL);
        return status ? status : clade_device_finish(device);
    }
    clade_status status = create(device, &w);
    if (!status) status = run_within(device, call, &w);
    if (!status) check(&w, failure);
    clade_buffer_destroy(&w.buffer);
    free(w.before);
    free(w.after);
    return status;
}
