/* What the layers share: which call is to fail, and counting over all processes of a command.
 *
 * FAULT_COUNT  a file of 16 bytes: how many calls there were, and how many of them failed
 * FAULT_KIND   the calls that are counted; each layer says which kinds it knows
 * FAULT_FIRST  the first call to fail, from 1; 0: none
 * FAULT_LAST   the last one
 * FAULT_HOW    how it fails: a number, whose meaning is the layer's */
#ifndef FAULTS_FAULT_H
#define FAULTS_FAULT_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

typedef struct fault_counts {
    _Atomic uint64_t calls, failed;
} fault_counts;

static struct {
    const char *kind;
    uint64_t first, last;
    long how;
    fault_counts *counts; /* NULL: nothing is counted, nothing fails */
} fault;

/* Without memory of its own: the layer for memory begins with it. */
static void fault_begin(void)
{
    const char *path = getenv("FAULT_COUNT"), *kind = getenv("FAULT_KIND");
    const char *first = getenv("FAULT_FIRST"), *last = getenv("FAULT_LAST");
    const char *how = getenv("FAULT_HOW");
    if (!path || !kind) return;
    fault.kind = kind;
    fault.first = first ? strtoull(first, NULL, 10) : 0;
    fault.last = last ? strtoull(last, NULL, 10) : fault.first;
    fault.how = how ? strtol(how, NULL, 10) : 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *counts = mmap(NULL, sizeof *fault.counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (counts != MAP_FAILED) fault.counts = counts;
}

/* Counts the call; is it to fail? */
static bool fault_due(const char *kind)
{
    if (!fault.counts || strcmp(kind, fault.kind)) return false;
    uint64_t n = atomic_fetch_add(&fault.counts->calls, 1) + 1;
    if (!fault.first || n < fault.first || n > fault.last) return false;
    atomic_fetch_add(&fault.counts->failed, 1);
    return true;
}

#endif
