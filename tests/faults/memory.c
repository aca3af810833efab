/* A layer under malloc, to be preloaded: allocations fail, and what the program does not free is
 * listed.
 *
 * Kind `alloc` counts the allocations of the programs and libraries that FAULT_CALLERS names; all
 * others are served. At the end what these allocated and is not free is written to the file
 * FAULT_LEAKS, a line each: bytes, object, offset in it. */
#define _GNU_SOURCE
#include "callers.h"
#include "fault.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>

/* glibc's own */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *block);

enum { slots = 1 << 20 };

/* Live blocks by address, open addressing; `gone` keeps a chain of probes together. */
typedef struct block {
    uintptr_t address, caller;
    size_t bytes;
} block;
enum { gone = 1 };
static block live[slots];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t owner;

static size_t slot_of(uintptr_t address) { return (address >> 4) * 0x9E3779B97F4A7C15u >> 44; }

static void track(void *p, size_t bytes, uintptr_t caller)
{
    pthread_mutex_lock(&lock);
    size_t i = slot_of((uintptr_t)p);
    while (live[i].address > gone) i = (i + 1) % slots;
    live[i] = (block){(uintptr_t)p, caller, bytes};
    pthread_mutex_unlock(&lock);
}

static void forget(void *p)
{
    if (!p || !caller_objects) return;
    pthread_mutex_lock(&lock);
    for (size_t i = slot_of((uintptr_t)p); live[i].address; i = (i + 1) % slots)
        if (live[i].address == (uintptr_t)p) {
            live[i].address = gone;
            break;
        }
    pthread_mutex_unlock(&lock);
}

/* May the caller have memory? Sets errno where not. */
static bool allow(uintptr_t caller, bool *counted)
{
    *counted = caller_find(caller) != NULL;
    if (!*counted || !fault_due("alloc")) return true;
    errno = ENOMEM;
    return false;
}

EXPORTED void *malloc(size_t size)
{
    bool counted;
    if (!allow(CALLER, &counted)) return NULL;
    void *p = __libc_malloc(size);
    if (p && counted) track(p, size, CALLER);
    return p;
}

EXPORTED void *calloc(size_t count, size_t size)
{
    bool counted;
    if (!allow(CALLER, &counted)) return NULL;
    void *p = __libc_calloc(count, size);
    if (p && counted) track(p, count * size, CALLER);
    return p;
}

EXPORTED void *realloc(void *old, size_t size)
{
    bool counted;
    if (!allow(CALLER, &counted)) return NULL;
    /* before: once it is free another thread may get the address */
    forget(old);
    void *p = __libc_realloc(old, size);
    if (p && counted) track(p, size, CALLER);
    return p;
}

static void *aligned(size_t align, size_t size, uintptr_t caller)
{
    bool counted;
    if (!allow(caller, &counted)) return NULL;
    void *p = __libc_memalign(align, size);
    if (p && counted) track(p, size, caller);
    return p;
}

EXPORTED void *aligned_alloc(size_t align, size_t size) { return aligned(align, size, CALLER); }

EXPORTED void *memalign(size_t align, size_t size) { return aligned(align, size, CALLER); }

EXPORTED int posix_memalign(void **p, size_t align, size_t size)
{
    void *got = aligned(align, size, CALLER);
    if (!got) return ENOMEM;
    *p = got;
    return 0;
}

EXPORTED void free(void *p)
{
    forget(p);
    __libc_free(p);
}

/* --- begin and end --- */

__attribute__((constructor)) static void begin(void)
{
    fault_begin();
    owner = getpid();
    callers_find();
}

/* A child of fork() has blocks that are its parent's to free. */
__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAULT_LEAKS");
    if (!path || getpid() != owner) return;
    char line[400];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    for (size_t i = 0; i < slots && fd >= 0; i++) {
        if (live[i].address <= gone) continue;
        const caller_object *o = caller_find(live[i].caller);
        /* the instruction before the one that is returned to */
        int n = snprintf(line, sizeof line, "%zu %s %#zx\n", live[i].bytes, o->name,
                         (size_t)(live[i].caller - 1 - o->base));
        if (write(fd, line, (size_t)n) < 0) break;
    }
    if (fd >= 0) close(fd);
}
