/* A file that is read piece by piece on demand; or memory in its place. */
#ifndef CLADE_WEIGHTS_BLOB_H
#define CLADE_WEIGHTS_BLOB_H

#include <clade/status.h>

#include <stddef.h>
#include <stdint.h>

typedef struct clade_blob {
    const char *name;     /* for error texts; not owned */
    const uint8_t *bytes; /* NULL: a file */
    int fd;               /* -1: memory */
    uint64_t size;
} clade_blob;

/* Opens a file. Errors: EIO (also if it is not a regular file). */
clade_status clade_blob_open(const char *path, clade_blob *out);
/* Wraps memory, which must stay valid. */
clade_blob clade_blob_of(const void *bytes, size_t size, const char *name);
void clade_blob_close(clade_blob *b);

/* Reads the `size` bytes at `at`. Errors: EFORMAT if they are beyond its end, EIO. */
clade_status clade_blob_read(const clade_blob *b, uint64_t at, void *out, size_t size);

/* Returns a little-endian number of 1 to 8 bytes. */
uint64_t clade_blob_number(const uint8_t *p, int size);

#endif
