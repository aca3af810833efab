/* Recognises a file by its first bytes, for errors about a file of the wrong kind. */
#ifndef CLADE_BASE_CONTENT_H
#define CLADE_BASE_CONTENT_H

#include <stddef.h>

enum { clade_content_bytes = 128 }; /* number of bytes that are enough */

/* Returns the end of an error text, which says what the file is and where it fits: "; this is HDF5,
 * as Keras writes it: …"; empty if unknown. */
const char *clade_content_hint(const void *bytes, size_t size);

#endif
