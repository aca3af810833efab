/* What backends for tests share: there is one device, and its memory is the host's. */
#ifndef CLADE_TESTS_CONFORM_HOST_MEMORY_H
#define CLADE_TESTS_CONFORM_HOST_MEMORY_H

#include <clade/backend.h>

#include <stdlib.h>
#include <string.h>

static inline clade_status count(size_t *n, char note[256])
{
    (void)note;
    *n = 1;
    return CLADE_OK;
}

static inline clade_status alloc_memory(void *context, size_t bytes, void **handle)
{
    (void)context;
    *handle = calloc(1, bytes ? bytes : 1);
    return *handle ? CLADE_OK : clade_fail(CLADE_ENOMEM, "plugin: out of memory: %zu bytes", bytes);
}

static inline void free_memory(void *context, void *handle)
{
    (void)context;
    free(handle);
}

static inline clade_status write_memory(void *context, void *handle, size_t offset,
                                        const void *source, size_t bytes)
{
    (void)context;
    memcpy((char *)handle + offset, source, bytes);
    return CLADE_OK;
}

static inline clade_status read_memory(void *context, void *handle, size_t offset, void *target,
                                       size_t bytes)
{
    (void)context;
    memcpy(target, (const char *)handle + offset, bytes);
    return CLADE_OK;
}

static inline clade_status finish(void *context)
{
    (void)context;
    return CLADE_OK;
}

static inline void *host(void *context, void *handle)
{
    (void)context;
    return handle;
}

#endif
