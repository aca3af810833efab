/* This process's part of the host. */
#ifndef CLADE_BASE_HOST_H
#define CLADE_BASE_HOST_H

/* Which this process is of those that a launcher (mpirun, mpiexec, srun) started together on this
 * host, and how many these are, by the environment: 0 of 1 where no launcher tells. */
void clade_host_ranks(int *own, int *count);

/* Processors that this process may run on (affinity respected), at least 1; its part of them where
 * a launcher started several processes and did not bind them to some. */
int clade_processors(void);

#endif
