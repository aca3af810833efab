/* The amount of memory available. */
#define _GNU_SOURCE
#include "data/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Returns the first number in a file, or `otherwise`. */
static uint64_t read_number(const char *path, uint64_t otherwise)
{
    FILE *file = fopen(path, "re");
    if (!file) return otherwise;
    uint64_t value;
    if (fscanf(file, "%" SCNu64, &value) != 1) value = otherwise; /* "max": no limit */
    fclose(file);
    return value;
}

static uint64_t available(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    if (file) {
        char line[128];
        uint64_t kib = 0;
        bool found = false;
        while (!found && fgets(line, sizeof line, file))
            found = sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1;
        fclose(file);
        if (found) return kib * 1024;
    }
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 2 : (uint64_t)1 << 30;
}

uint64_t clade_memory_free(void)
{
    uint64_t bytes = available();
    uint64_t limit = read_number("/sys/fs/cgroup/memory.max", UINT64_MAX);
    uint64_t used = read_number("/sys/fs/cgroup/memory.current", 0);
    uint64_t left = limit > used ? limit - used : 0;
    return left < bytes ? left : bytes;
}
