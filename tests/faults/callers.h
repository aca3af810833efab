/* Who calls: the programs and libraries that FAULT_CALLERS names, parts of their paths divided by
 * colons. */
#ifndef FAULTS_CALLERS_H
#define FAULTS_CALLERS_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the function that this stands in. */
#define CALLER ((uintptr_t)__builtin_return_address(0))

typedef struct caller_object {
    uintptr_t begin, end, base;
    char name[256];
} caller_object;

enum { most_objects = 16 };
static caller_object caller_object_at[most_objects];
static size_t caller_objects;

/* That which has the address; NULL: none that is named. */
static inline const caller_object *caller_find(uintptr_t address)
{
    for (size_t i = 0; i < caller_objects; i++)
        if (address >= caller_object_at[i].begin && address < caller_object_at[i].end)
            return &caller_object_at[i];
    return NULL;
}

static bool caller_is_named(const char *path, const char *names)
{
    for (const char *name = names; *name;) {
        size_t n = strcspn(name, ":");
        if (n && memmem(path, strlen(path), name, n)) return true;
        name += n + (name[n] == ':');
    }
    return false;
}

static int caller_look_at(struct dl_phdr_info *info, size_t size, void *names)
{
    (void)size;
    char self[256] = "";
    const char *path = info->dlpi_name;
    if (!*path && readlink("/proc/self/exe", self, sizeof self - 1) > 0) path = self;
    if (caller_objects == most_objects || !caller_is_named(path, names)) return 0;
    uintptr_t begin = UINTPTR_MAX, end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD) continue;
        uintptr_t from = info->dlpi_addr + part->p_vaddr, to = from + part->p_memsz;
        if (from < begin) begin = from;
        if (to > end) end = to;
    }
    caller_object *o = &caller_object_at[caller_objects++];
    o->begin = begin;
    o->end = end;
    o->base = info->dlpi_addr;
    snprintf(o->name, sizeof o->name, "%s", path);
    return 0;
}

/* Without memory of its own. */
static inline void callers_find(void)
{
    const char *names = getenv("FAULT_CALLERS");
    if (names) dl_iterate_phdr(caller_look_at, (void *)(uintptr_t)names);
}

#endif
