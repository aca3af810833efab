/* Large memory that is read and written from end to end. */
#ifndef CLADE_BASE_MEMORY_H
#define CLADE_BASE_MEMORY_H

#include <stddef.h>

/* At least `bytes`, aligned to cache lines; in huge pages where it is large and the system has
 * them, so that passes over several buffers do not wait for address translation. NULL: out of
 * memory. For free(). */
void *clade_memory(size_t bytes);

#endif
