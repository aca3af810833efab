/* Messages between ranks. */
#ifndef CLADE_DIST_RANKS_H
#define CLADE_DIST_RANKS_H

#include <clade/ranks.h>

#include <stdbool.h>

/* Begin to send to and to receive from another rank; the memory is in use until clade_ranks_wait
 * has returned. Between two ranks messages arrive in the order in which they were sent. */
clade_status clade_ranks_send(clade_ranks *ranks, int32_t to, const void *bytes, size_t size);
clade_status clade_ranks_receive(clade_ranks *ranks, int32_t from, void *bytes, size_t size);

/* Memory of this rank's that ranks on its host read where it lies, aligned to cache lines; where
 * there are none, ordinary memory. By any thread. `ranks` may be NULL. NULL: out of memory. */
void *clade_ranks_memory(clade_ranks *ranks, size_t bytes);
void clade_ranks_free(clade_ranks *ranks, void *memory);
/* Is it another rank on this host, with memory that this one reads? */
bool clade_ranks_is_local(const clade_ranks *ranks, int32_t rank);
/* Is there one? */
bool clade_ranks_have_local(const clade_ranks *ranks);
/* Are all other ranks, and more than none? */
bool clade_ranks_are_local(const clade_ranks *ranks);
/* The same memory for all ranks, all of which are local and call it; it is there until they leave.
 * A call for more than before gives other memory, and none may use what there was; else it is the
 * same memory with what it holds. Errors: ENOMEM; EIO as wait. */
clade_status clade_ranks_common(clade_ranks *ranks, size_t bytes, void **memory);
/* Begin to send what lies in memory of clade_ranks_memory, and to receive what is sent so. A local
 * rank reads it there, so that it has to stay until a later message from that rank has come, sent
 * after this one had. To other ranks it is a message like others. */
clade_status clade_ranks_show(clade_ranks *ranks, int32_t to, const void *bytes, size_t size);
clade_status clade_ranks_fetch(clade_ranks *ranks, int32_t from, void *bytes, size_t size);
/* In place of fetch, from a local rank: *bytes is where it lies, after clade_ranks_wait. */
clade_status clade_ranks_see(clade_ranks *ranks, int32_t from, const void **bytes);

/* Waits for all of them. Errors: EIO, which names a rank that has not answered within the limit. */
clade_status clade_ranks_wait(clade_ranks *ranks);

#endif
