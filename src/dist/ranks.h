/* Messages between ranks. */
#ifndef CLADE_DIST_RANKS_H
#define CLADE_DIST_RANKS_H

#include <clade/ranks.h>

/* Begin to send to and to receive from another rank; the memory is in use until clade_ranks_wait
 * has returned. Between two ranks messages arrive in the order in which they were sent. */
clade_status clade_ranks_send(clade_ranks *ranks, int32_t to, const void *bytes, size_t size);
clade_status clade_ranks_receive(clade_ranks *ranks, int32_t from, void *bytes, size_t size);
/* Waits for all of them. Errors: EIO, which names a rank that has not answered within the limit. */
clade_status clade_ranks_wait(clade_ranks *ranks);

#endif
