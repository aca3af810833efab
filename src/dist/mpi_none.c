/* In place of mpi.c, where Clade is built without MPI. */
#include "dist/mpi.h"

static clade_status refuse(void)
{
    return clade_fail(CLADE_EUNSUPPORTED,
                      "started by an MPI launcher, and built without MPI: expected -Dmpi=enabled");
}

clade_status clade_mpi_start(clade_mpi_kind kind, int *rank, int *count)
{
    (void)kind, (void)rank, (void)count;
    return refuse();
}

void clade_mpi_end(void) {}
void clade_mpi_abort(int code) { (void)code; }

clade_status clade_mpi_send(int to, const void *bytes, int size)
{
    (void)to, (void)bytes, (void)size;
    return refuse();
}

clade_status clade_mpi_receive(int from, void *bytes, int size)
{
    (void)from, (void)bytes, (void)size;
    return refuse();
}

clade_status clade_mpi_test(bool *ended, int *waits_for)
{
    (void)ended, (void)waits_for;
    return refuse();
}
