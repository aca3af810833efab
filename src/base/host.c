/* Processors, and the environment that launchers set for the processes they start. */
#define _GNU_SOURCE
#include "base/host.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

static int read_number(const char *const *names, int otherwise)
{
    for (; *names; names++)
        if (getenv(*names)) return (int)strtol(getenv(*names), NULL, 10);
    return otherwise;
}

void clade_host_ranks(int *own, int *count)
{
    static const char *const ranks[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                                        "SLURM_LOCALID", NULL};
    static const char *const counts[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", NULL};
    *count = read_number(counts, 1);
    *own = read_number(ranks, 0);
    if (*count < 1 || *own < 0) *count = 1, *own = 0;
}

int clade_processors(void)
{
    int own, ranks;
    long there = sysconf(_SC_NPROCESSORS_ONLN), n = there;
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
#endif
    clade_host_ranks(&own, &ranks);
    if (n >= there) n /= ranks; /* not bound */
    return n > 1 ? (int)n : 1;
}
