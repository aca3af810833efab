/* Ranks: processes on one or several hosts that train together, started by an MPI launcher. */
#ifndef CLADE_RANKS_H
#define CLADE_RANKS_H

#include <clade/status.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clade_ranks clade_ranks;

/* Joins the ranks that mpirun, mpiexec or srun started together with this process. Gives NULL, with
 * success, if no launcher started this process, or only this one. Call it once per process, and use
 * the ranks on one thread. Waiting for a rank longer than `seconds` (0: 300) is an error. Errors:
 * EUNSUPPORTED (the launcher's MPI library is missing; built without MPI), EIO. */
CLADE_API clade_status clade_ranks_join(double seconds, clade_ranks **out);
/* Leaves, when this rank is done; waits for the others. */
CLADE_API void clade_ranks_leave(clade_ranks **ranks);
/* Removes from the environment what marks this process as a rank, so that processes it starts are
 * not ranks. */
CLADE_API void clade_ranks_hide(void);
/* Ends all ranks with that exit status, when this rank failed. Does not return. */
CLADE_API void clade_ranks_abort(clade_ranks *ranks, int code);

/* Return this process's rank, from 0, and the number of ranks. */
CLADE_API int32_t clade_ranks_own(const clade_ranks *ranks);
CLADE_API int32_t clade_ranks_count(const clade_ranks *ranks);

/* Gives this process's position among those that a launcher started on this host, and their number;
 * 0 of 1 if no launcher says so. */
CLADE_API void clade_ranks_on_host(int *own, int *count);

/* Copies rank 0's bytes to all ranks. Every rank calls it with the same size. Errors: EIO (names
 * the rank that does not answer). */
CLADE_API clade_status clade_ranks_broadcast(clade_ranks *ranks, void *bytes, size_t size);

/* Gathers every rank's bytes on every rank: `all` [count × size], in the order of ranks. Calls and
 * errors as above. */
CLADE_API clade_status clade_ranks_gather(clade_ranks *ranks, const void *own, size_t size,
                                          void *all);

/* Sums every rank's number. Calls and errors as above. */
CLADE_API clade_status clade_ranks_add(clade_ranks *ranks, int64_t *number);

#ifdef __cplusplus
}
#endif
#endif
