/* A file that is read in pieces, where they are asked for; or memory in its place. */
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

/* Errors: EIO (also what is no regular file). */
clade_status clade_blob_open(const char *path, clade_blob *out);
/* Memory, which must stay. */
clade_blob clade_blob_of(const void *bytes, size_t size, const char *name);
void clade_blob_close(clade_blob *b);

/* The `size` bytes at `at`. Errors: EFORMAT where they are beyond its end, EIO. */
clade_status clade_blob_read(const clade_blob *b, uint64_t at, void *out, size_t size);

/* A little-endian number of 1 to 8 bytes. */
uint64_t clade_blob_number(const uint8_t *p, int size);

#endif
