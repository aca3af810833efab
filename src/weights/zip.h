/* The table of contents of a zip archive with uncompressed files, as PyTorch and Keras write them.
 *
 * Supported (PKWARE's APPNOTE 6.3): the central directory, with zip64's sizes and offsets.
 * Compressed or encrypted files are listed, but cannot be read. */
#ifndef CLADE_WEIGHTS_ZIP_H
#define CLADE_WEIGHTS_ZIP_H

#include "weights/blob.h"

#include <stdbool.h>

typedef struct clade_zip_entry {
    const char *name; /* belongs to the archive */
    uint64_t header;  /* offset of its local header */
    uint64_t size;
    bool stored;
} clade_zip_entry;

typedef struct clade_zip {
    const clade_blob *bytes;
    char *names;
    clade_zip_entry *entry; /* sorted by name */
    size_t count;
} clade_zip;

/* Returns whether a file begins like a zip archive. */
bool clade_zip_is(const uint8_t start[4]);

/* `bytes` must stay valid. Clear it also after a failure. Errors: EFORMAT (damaged, truncated, a
 * repeated name), EIO, ENOMEM. */
clade_status clade_zip_open(const clade_blob *bytes, clade_zip *out);
void clade_zip_clear(clade_zip *zip);

/* Finds an entry by name; NULL: there is none. */
const clade_zip_entry *clade_zip_find(const clade_zip *zip, const char *name);
/* Gives the position of an entry's contents in the file. Errors: EFORMAT, EUNSUPPORTED
 * (compressed), EIO. */
clade_status clade_zip_locate(const clade_zip *zip, const clade_zip_entry *entry, uint64_t *at);

#endif
