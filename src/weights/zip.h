/* The table of contents of a zip archive whose files are stored as they are, as PyTorch and Keras
 * write them.
 *
 * Read here (PKWARE's APPNOTE 6.3): the central directory, with zip64's sizes and offsets. What is
 * compressed or encrypted is listed, and cannot be read. */
#ifndef CLADE_WEIGHTS_ZIP_H
#define CLADE_WEIGHTS_ZIP_H

#include "weights/blob.h"

#include <stdbool.h>

typedef struct clade_zip_entry {
    const char *name; /* belongs to the archive */
    uint64_t header;  /* where its local header is */
    uint64_t size;
    bool stored;
} clade_zip_entry;

typedef struct clade_zip {
    const clade_blob *bytes;
    char *names;
    clade_zip_entry *entry; /* sorted by name */
    size_t count;
} clade_zip;

/* Does it begin as a zip archive? */
bool clade_zip_is(const uint8_t start[4]);

/* `bytes` must stay. Cleared also after a failure. Errors: EFORMAT (damaged, cut short, a name
 * twice), EIO, ENOMEM. */
clade_status clade_zip_open(const clade_blob *bytes, clade_zip *out);
void clade_zip_clear(clade_zip *zip);

/* NULL: there is none. */
const clade_zip_entry *clade_zip_find(const clade_zip *zip, const char *name);
/* Where an entry's contents are in the file. Errors: EFORMAT, EUNSUPPORTED (compressed), EIO. */
clade_status clade_zip_locate(const clade_zip *zip, const clade_zip_entry *entry, uint64_t *at);

#endif
