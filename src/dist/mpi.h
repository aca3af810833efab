/* The few calls of an MPI library that ranks need, found at run time: nothing of MPI is there when
 * Clade is built, and one binary runs under Open MPI and under MPICH and its relatives. */
#ifndef CLADE_DIST_MPI_H
#define CLADE_DIST_MPI_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>

typedef enum clade_mpi_kind { CLADE_NO_MPI, CLADE_OPEN_MPI, CLADE_MPICH } clade_mpi_kind;

/* Loads such a library and joins the others. Once in a process. Errors: EUNSUPPORTED, with the
 * packages that have it, or where Clade is built without MPI. */
clade_status clade_mpi_start(clade_mpi_kind kind, int *rank, int *count);
/* After all messages; waits for the other ranks. */
void clade_mpi_end(void);
/* Ends all ranks. */
void clade_mpi_abort(int code);

/* Begins to send or to receive up to 2^30 bytes; messages between two ranks arrive in order. EIO:
 * the library's error. */
clade_status clade_mpi_send(int to, const void *bytes, int size);
clade_status clade_mpi_receive(int from, void *bytes, int size);
/* Have all that were begun ended? If so they are forgotten. If not, *waits_for is a rank that one
 * of them waits for. */
clade_status clade_mpi_test(bool *ended, int *waits_for);

#endif
