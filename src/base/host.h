/* This process's share of the host. */
#ifndef CLADE_BASE_HOST_H
#define CLADE_BASE_HOST_H

/* Gives this process's position among those that a launcher (mpirun, mpiexec, srun) started
 * together on this host, and their number, from the environment: 0 of 1 if no launcher says so. */
void clade_host_ranks(int *own, int *count);

/* Returns the number of processors for this process, at least 1: those that its affinity allows,
 * divided among the processes that a launcher started without binding them. */
int clade_processors(void);

#endif
