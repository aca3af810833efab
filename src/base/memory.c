/* Large memory that is read and written sequentially. */
#define _GNU_SOURCE
#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { cache_line = 64, huge_page = 2 << 20 };

void *clade_memory(size_t bytes)
{
    size_t align = bytes >= 2 * huge_page ? huge_page : cache_line;
    size_t size = (bytes + align - 1) / align * align;
    void *p = size >= bytes ? aligned_alloc(align, size ? size : align) : NULL;
#ifdef MADV_HUGEPAGE
    if (p && align == huge_page) madvise(p, size, MADV_HUGEPAGE);
#endif
    return p;
}
