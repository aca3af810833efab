/* Messages in pieces that MPI can count, and waiting with a limit. */
#define _POSIX_C_SOURCE 200809L
#include "dist/ranks.h"
#include "base/clock.h"
#include "base/host.h"
#include "dist/mpi.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct clade_ranks {
    int own, count;
    double limit; /* seconds */
};

enum { piece = 1 << 30 };

/* What launchers tell the processes that they start: how many there are, or which it is. */
static const struct {
    const char *name;
    clade_mpi_kind kind;
    bool size;
} told[] = {{"OMPI_COMM_WORLD_SIZE", CLADE_OPEN_MPI, true},
            {"PMI_SIZE", CLADE_MPICH, true},
            {"PMI_RANK", CLADE_MPICH, false},
            {"PMIX_RANK", CLADE_OPEN_MPI, false}};
enum { told_count = sizeof told / sizeof *told };

/* *alone: the launcher says that it started one process. */
static clade_mpi_kind find_launcher(bool *alone)
{
    *alone = false;
    for (size_t i = 0; i < told_count; i++) {
        const char *value = getenv(told[i].name);
        if (!value) continue;
        *alone = told[i].size && !strcmp(value, "1");
        return told[i].kind;
    }
    return CLADE_NO_MPI;
}

void clade_ranks_hide(void)
{
    for (size_t i = 0; i < told_count; i++) unsetenv(told[i].name);
}

clade_status clade_ranks_join(double seconds, clade_ranks **out)
{
    bool alone;
    const clade_mpi_kind kind = find_launcher(&alone);
    *out = NULL;
    if (kind == CLADE_NO_MPI || alone) return CLADE_OK;
    clade_ranks *ranks = calloc(1, sizeof *ranks);
    if (!ranks) return clade_fail(CLADE_ENOMEM, "out of memory for ranks");
    clade_status status = clade_mpi_start(kind, &ranks->own, &ranks->count);
    if (status) {
        free(ranks);
        return status;
    }
    /* the lowest rank tells of it first, and ends the others */
    ranks->limit = (seconds > 0 ? seconds : 300) + 0.5 * ranks->own;
    *out = ranks;
    return CLADE_OK;
}

void clade_ranks_leave(clade_ranks **ranks)
{
    if (!*ranks) return;
    clade_mpi_end();
    free(*ranks);
    *ranks = NULL;
}

void clade_ranks_abort(clade_ranks *ranks, int code)
{
    (void)ranks;
    clade_mpi_abort(code);
    abort();
}

void clade_ranks_on_host(int *own, int *count) { clade_host_ranks(own, count); }

int32_t clade_ranks_own(const clade_ranks *ranks) { return ranks->own; }
int32_t clade_ranks_count(const clade_ranks *ranks) { return ranks->count; }

clade_status clade_ranks_send(clade_ranks *ranks, int32_t to, const void *bytes, size_t size)
{
    (void)ranks;
    clade_status status = CLADE_OK;
    for (size_t at = 0; at < size && !status; at += piece)
        status = clade_mpi_send(to, (const char *)bytes + at,
                                (int)(size - at < piece ? size - at : piece));
    return status;
}

clade_status clade_ranks_receive(clade_ranks *ranks, int32_t from, void *bytes, size_t size)
{
    (void)ranks;
    clade_status status = CLADE_OK;
    for (size_t at = 0; at < size && !status; at += piece)
        status = clade_mpi_receive(from, (char *)bytes + at,
                                   (int)(size - at < piece ? size - at : piece));
    return status;
}

clade_status clade_ranks_wait(clade_ranks *ranks)
{
    /* seconds; sleeping for a fifth of what it has waited takes little of the core that computes,
     * and adds little to the wait */
    static const double least = 20e-6, most = 1e-3;
    const double begun = clade_clock();
    bool ended = false;
    int waits_for = 0;
    for (;;) {
        clade_status status = clade_mpi_test(&ended, &waits_for);
        double waited = clade_clock() - begun;
        if (status || ended) return status;
        if (waited > ranks->limit)
            return clade_fail(CLADE_EIO, "rank %d has not answered for %.0f s", waits_for, waited);
        double pause = fmin(fmax(waited / 5, least), most);
        nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * pause)}, NULL);
    }
}

clade_status clade_ranks_broadcast(clade_ranks *ranks, void *bytes, size_t size)
{
    clade_status status = CLADE_OK;
    if (ranks->own) status = clade_ranks_receive(ranks, 0, bytes, size);
    for (int to = 1; !ranks->own && to < ranks->count && !status; to++)
        status = clade_ranks_send(ranks, to, bytes, size);
    return status ? status : clade_ranks_wait(ranks);
}

clade_status clade_ranks_gather(clade_ranks *ranks, const void *own, size_t size, void *all)
{
    clade_status status = CLADE_OK;
    memcpy((char *)all + (size_t)ranks->own * size, own, size);
    for (int r = 0; r < ranks->count && !status; r++) {
        if (r == ranks->own) continue;
        status = clade_ranks_send(ranks, r, own, size);
        if (!status) status = clade_ranks_receive(ranks, r, (char *)all + (size_t)r * size, size);
    }
    return status ? status : clade_ranks_wait(ranks);
}

clade_status clade_ranks_add(clade_ranks *ranks, int64_t *number)
{
    int64_t *all = malloc((size_t)ranks->count * sizeof *all), sum = 0;
    if (!all) return clade_fail(CLADE_ENOMEM, "out of memory for %d ranks", ranks->count);
    clade_status status = clade_ranks_gather(ranks, number, sizeof *number, all);
    for (int r = 0; r < ranks->count; r++) sum += all[r];
    free(all);
    if (!status) *number = sum;
    return status;
}
