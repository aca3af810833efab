/* Where fuzz targets put files: in memory where that is a file system, as a disk is waited for. */
#ifndef CLADE_FUZZ_TEMPORARY_H
#define CLADE_FUZZ_TEMPORARY_H

#include <stdio.h>
#include <unistd.h>

static inline void fuzz_temporary(const char *name, char path[64])
{
    const char *folder = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    snprintf(path, 64, "%s/clade-fuzz-%s-%ld", folder, name, (long)getpid());
}

#endif
