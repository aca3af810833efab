/* What a file is by its first bytes, for those who gave it where another kind is expected. */
#ifndef CLADE_BASE_CONTENT_H
#define CLADE_BASE_CONTENT_H

#include <stddef.h>

enum { clade_content_bytes = 128 }; /* as many are enough */

/* "; this is HDF5, as Keras writes it: …": what it is and where it fits, to end an error with;
 * empty where it is not known. */
const char *clade_content_hint(const void *bytes, size_t size);

#endif
