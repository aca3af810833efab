/* A layer under malloc, to be preloaded: allocations fail, and what the program does not free is
 * listed.
 *
 * Kind `alloc` counts the allocations of the programs and libraries that FAULT_CALLERS names (parts
 * of their paths, divided by colons); all others are served. At the end what these allocated and is
 * not free is written to the file FAULT_LEAKS, a line each: bytes, object, offset in it. */
#define _GNU_SOURCE
#include "fault.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>

/* glibc's own */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *block);

enum { most_objects = 16, slots = 1 << 20 };

static struct {
    uintptr_t begin, end, base;
    char name[256];
} object[most_objects];
static size_t objects;

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
    if (!p || !objects) return;
    pthread_mutex_lock(&lock);
    for (size_t i = slot_of((uintptr_t)p); live[i].address; i = (i + 1) % slots)
        if (live[i].address == (uintptr_t)p) {
            live[i].address = gone;
            break;
        }
    pthread_mutex_unlock(&lock);
}

static bool is_counted(uintptr_t caller)
{
    for (size_t i = 0; i < objects; i++)
        if (caller >= object[i].begin && caller < object[i].end) return true;
    return false;
}

#define CALLER ((uintptr_t)__builtin_return_address(0))

/* May the caller have memory? Sets errno where not. */
static bool allow(uintptr_t caller, bool *counted)
{
    *counted = is_counted(caller);
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

static bool is_named(const char *path, const char *names)
{
    for (const char *name = names; *name;) {
        size_t n = strcspn(name, ":");
        if (n && memmem(path, strlen(path), name, n)) return true;
        name += n + (name[n] == ':');
    }
    return false;
}

static int look_at(struct dl_phdr_info *info, size_t size, void *names)
{
    (void)size;
    char self[256] = "";
    const char *path = info->dlpi_name;
    if (!*path && readlink("/proc/self/exe", self, sizeof self - 1) > 0) path = self;
    if (objects == most_objects || !is_named(path, names)) return 0;
    uintptr_t begin = UINTPTR_MAX, end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD) continue;
        uintptr_t from = info->dlpi_addr + part->p_vaddr, to = from + part->p_memsz;
        if (from < begin) begin = from;
        if (to > end) end = to;
    }
    object[objects].begin = begin;
    object[objects].end = end;
    object[objects].base = info->dlpi_addr;
    snprintf(object[objects].name, sizeof object->name, "%s", path);
    objects++;
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *names = getenv("FAULT_CALLERS");
    fault_begin();
    owner = getpid();
    if (names) dl_iterate_phdr(look_at, (void *)(uintptr_t)names);
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
        for (size_t o = 0; o < objects; o++) {
            if (live[i].caller < object[o].begin || live[i].caller >= object[o].end) continue;
            /* the instruction before the one that is returned to */
            int n = snprintf(line, sizeof line, "%zu %s %#zx\n", live[i].bytes, object[o].name,
                             (size_t)(live[i].caller - 1 - object[o].base));
            if (write(fd, line, (size_t)n) < 0) break;
        }
    }
    if (fd >= 0) close(fd);
}
