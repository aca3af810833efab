/* Large memory that is read and written sequentially. */
#ifndef CLADE_BASE_MEMORY_H
#define CLADE_BASE_MEMORY_H

#include <stddef.h>

/* Allocates at least `bytes`, aligned to cache lines. Large blocks use huge pages where the system
 * has them, which saves address translation in passes over several buffers. NULL: out of memory.
 * Release with free(). */
void *clade_memory(size_t bytes);

#endif
