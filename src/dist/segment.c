/* Segments are files of memfd_create, which others open as /proc/PROCESS/fd/FILE. What is taken of
 * one is kept in a list in the order of addresses; the first gap that is large enough is taken. */
#define _GNU_SOURCE
#include "dist/segment.h"
#include "base/hash.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct extent {
    struct extent *next;
    size_t first, bytes;
} extent;

struct clade_shared_segment {
    char *base;
    size_t bytes, head, page;
    int file;
    pthread_mutex_t mutex; /* of the list */
    extent *taken;
};

static size_t round_up(const clade_shared_segment *s, size_t bytes)
{
    return (bytes + s->page - 1) / s->page * s->page;
}

/* The same for processes that see each other under /proc: by the start of the system, its name, and
 * the namespace of processes. 0: one of these is not to be had. */
static uint64_t find_host(void)
{
    char text[512] = "", name[256] = "";
    struct stat processes;
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    const size_t size = f ? fread(text, 1, 64, f) : 0;
    if (f) fclose(f);
    if (!size || gethostname(name, sizeof name - 1) || stat("/proc/self/ns/pid", &processes))
        return 0;
    const int length = snprintf(text + size, sizeof text - size, "%s %llu", name,
                                (unsigned long long)processes.st_ino);
    return clade_hash(text, size + (size_t)length);
}

static void *map(int file, size_t bytes)
{
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return base == MAP_FAILED ? NULL : base;
}

clade_shared_segment *clade_segment_create(size_t head, clade_segment_name *name)
{
    const long pages = sysconf(_SC_PHYS_PAGES);
    *name = (clade_segment_name){.host = 0};
    clade_shared_segment *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->page = (size_t)sysconf(_SC_PAGESIZE);
    s->head = round_up(s, head);
    s->bytes = s->head + (pages > 0 ? (size_t)pages * s->page : 0);
    s->file = memfd_create("clade", MFD_CLOEXEC);
    const uint64_t host = find_host();
    const bool made = host && s->file >= 0 && !ftruncate(s->file, (off_t)s->bytes) &&
                      getrandom(&name->token, sizeof name->token, 0) == sizeof name->token;
    s->base = made ? map(s->file, s->bytes) : NULL;
    pthread_mutex_init(&s->mutex, NULL);
    if (!s->base) {
        clade_segment_destroy(&s);
        return NULL;
    }
    memcpy(s->base, &name->token, sizeof name->token);
    name->host = host;
    name->bytes = s->bytes;
    name->process = (int32_t)getpid();
    name->file = s->file;
    return s;
}

void clade_segment_seal(clade_shared_segment *s)
{
    if (s->file >= 0) close(s->file);
    s->file = -1;
}

void clade_segment_destroy(clade_shared_segment **handle)
{
    clade_shared_segment *s = *handle;
    if (!s) return;
    clade_segment_seal(s);
    if (s->base) munmap(s->base, s->bytes);
    for (extent *b = s->taken, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    pthread_mutex_destroy(&s->mutex);
    free(s);
    *handle = NULL;
}

void *clade_segment_map(const clade_segment_name *name)
{
    char path[64];
    struct stat found;
    void *base = NULL;
    if (!name->host || name->host != find_host()) return NULL;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", name->process, name->file);
    const int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return NULL;
    if (!fstat(file, &found) && (uint64_t)found.st_size == name->bytes)
        base = map(file, name->bytes);
    close(file);
    if (base && memcmp(base, &name->token, sizeof name->token)) {
        munmap(base, name->bytes);
        return NULL;
    }
    return base;
}

void clade_segment_unmap(void *base, const clade_segment_name *name)
{
    if (base) munmap(base, name->bytes);
}

void *clade_segment_base(const clade_shared_segment *s) { return s->base; }

void *clade_segment_take(clade_shared_segment *s, size_t bytes)
{
    extent *b = malloc(sizeof *b), **at = &s->taken;
    if (!b) return NULL;
    *b = (extent){.first = s->head, .bytes = round_up(s, bytes ? bytes : 1)};
    pthread_mutex_lock(&s->mutex);
    for (; *at && (*at)->first - b->first < b->bytes; at = &(*at)->next)
        b->first = (*at)->first + (*at)->bytes;
    const bool fits = b->bytes >= bytes && b->bytes <= s->bytes - b->first;
    if (fits) {
        b->next = *at;
        *at = b;
    }
    pthread_mutex_unlock(&s->mutex);
    if (fits) return s->base + b->first;
    free(b);
    return NULL;
}

void clade_segment_give_back(clade_shared_segment *s, void *memory)
{
    if (!memory) return;
    const size_t first = (size_t)((char *)memory - s->base);
    pthread_mutex_lock(&s->mutex);
    extent **at = &s->taken;
    while ((*at)->first != first) at = &(*at)->next;
    extent *b = *at;
    madvise(memory, b->bytes, MADV_REMOVE);
    *at = b->next;
    pthread_mutex_unlock(&s->mutex);
    free(b);
}
