/* Memory of a rank that the other ranks on its host map: a file without a name, as long as the
 * host's memory is large, of which only those pages exist that were written to. It is gone with the
 * processes that have it, however they end. */
#ifndef CLADE_DIST_SEGMENT_H
#define CLADE_DIST_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

typedef struct clade_shared_segment clade_shared_segment;

/* What the others map it by. */
typedef struct clade_segment_name {
    uint64_t host;  /* of the same host alone; 0: there is nothing to map */
    uint64_t token; /* what the segment begins with */
    uint64_t bytes;
    int32_t process, file;
} clade_segment_name;

/* A segment with so many bytes, zeros, at its beginning that are the caller's but for the first 8.
 * NULL: this system has no such memory, or not enough. */
clade_shared_segment *clade_segment_create(size_t head, clade_segment_name *name);
void clade_segment_destroy(clade_shared_segment **segment);
/* Every rank that could has mapped it: from now on none can. */
void clade_segment_seal(clade_shared_segment *segment);

/* Where this process has that segment from now on; NULL: it is another host's, or cannot be
 * mapped. */
void *clade_segment_map(const clade_segment_name *name);
void clade_segment_unmap(void *base, const clade_segment_name *name);

void *clade_segment_base(const clade_shared_segment *segment);
/* Zeros, aligned to pages, by any thread. NULL: no room. */
void *clade_segment_take(clade_shared_segment *segment, size_t bytes);
/* Its pages exist no more. */
void clade_segment_give_back(clade_shared_segment *segment, void *memory);

#endif
