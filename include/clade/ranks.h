/* Ranks: processes on several hosts, or on one, that train together, as an MPI launcher starts
 * them. */
#ifndef CLADE_RANKS_H
#define CLADE_RANKS_H

#include <clade/status.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clade_ranks clade_ranks;

/* Joins the ranks that mpirun, mpiexec or srun started together with this process. NULL, with
 * success: it was not started so, or alone. Once in a process, and what uses it on one thread.
 * A rank that is waited for longer than `seconds` (0: 300) is an error. Errors: EUNSUPPORTED (the
 * launcher's MPI library is not there; built without MPI), EIO. */
CLADE_API clade_status clade_ranks_join(double seconds, clade_ranks **out);
/* Of a rank that is done; waits for the others. */
CLADE_API void clade_ranks_leave(clade_ranks **ranks);
/* Takes what tells a process that it is a rank out of the environment: those that this one starts
 * are none. */
CLADE_API void clade_ranks_hide(void);
/* Of a rank that failed: ends all of them with that exit status. Does not return. */
CLADE_API void clade_ranks_abort(clade_ranks *ranks, int code);

/* Which of them this process is, from 0; how many there are. */
CLADE_API int32_t clade_ranks_own(const clade_ranks *ranks);
CLADE_API int32_t clade_ranks_count(const clade_ranks *ranks);

/* Which this process is of those that a launcher started on this host, and how many these are; 0 of
 * 1 where no launcher tells. */
CLADE_API void clade_ranks_on_host(int *own, int *count);

/* Rank 0's bytes become everyone's. Called by all with the same size. Errors: EIO (a rank that does
 * not answer is named). */
CLADE_API clade_status clade_ranks_broadcast(clade_ranks *ranks, void *bytes, size_t size);

/* Everyone's bytes to everyone: `all` [count × size], in the order of ranks. Likewise. */
CLADE_API clade_status clade_ranks_gather(clade_ranks *ranks, const void *own, size_t size,
                                          void *all);

/* The sum of everyone's numbers. Likewise. */
CLADE_API clade_status clade_ranks_add(clade_ranks *ranks, int64_t *number);

#ifdef __cplusplus
}
#endif
#endif
