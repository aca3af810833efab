/* Messages, by memory to ranks on the same host and by MPI, in pieces that it can count, to others;
 * waiting with a limit. */
#define _POSIX_C_SOURCE 200809L
#include "dist/ranks.h"
#include "base/clock.h"
#include "base/host.h"
#include "base/memory.h"
#include "dist/local.h"
#include "dist/mpi.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct clade_ranks {
    int own, count;
    double limit;       /* seconds */
    clade_local *local; /* NULL: no other rank on this host has memory in common with this one */
    void *common;       /* of the first rank: what all have, as clade_ranks_common says */
    size_t common_bytes;
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

/* Maps the segments of those on this host; *both: who has done so on either side. */
static clade_status map_segments(clade_ranks *ranks, clade_local *local,
                                 const clade_segment_name *name, bool *mapped, bool *both)
{
    const uint64_t host = name[ranks->own].host;
    clade_status status = CLADE_OK;
    for (int r = 0; r < ranks->count && !status; r++) {
        if (r == ranks->own || !host || name[r].host != host) continue;
        mapped[r] = clade_local_map(local, r, &name[r]);
        status = clade_ranks_send(ranks, r, &mapped[r], sizeof *mapped);
        if (!status) status = clade_ranks_receive(ranks, r, &both[r], sizeof *both);
    }
    if (!status) status = clade_ranks_wait(ranks);
    for (int r = 0; r < ranks->count; r++) both[r] &= mapped[r];
    return status;
}

/* Until then, and where there is no such memory, all messages are MPI's. */
static clade_status find_local(clade_ranks *ranks)
{
    const size_t count = (size_t)ranks->count;
    clade_segment_name own, *name = malloc(count * sizeof *name);
    bool *mapped = calloc(2 * count, sizeof *mapped), any = false;
    if (!name || !mapped) {
        free(name);
        free(mapped);
        return clade_fail(CLADE_ENOMEM, "out of memory for %zu ranks", count);
    }
    clade_local *local = clade_local_create(ranks->own, ranks->count, &own);
    clade_status status = clade_ranks_gather(ranks, &own, sizeof own, name);
    if (!status) status = map_segments(ranks, local, name, mapped, mapped + count);
    for (size_t r = 0; r < count && !status; r++) any |= mapped[count + r];
    if (any) {
        clade_local_settle(local, mapped + count);
        ranks->local = local;
    } else {
        clade_local_destroy(&local);
    }
    free(name);
    free(mapped);
    return status;
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
    return find_local(ranks);
}

void clade_ranks_leave(clade_ranks **ranks)
{
    if (!*ranks) return;
    clade_mpi_end();
    clade_local_destroy(&(*ranks)->local);
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

/* --- messages --- */

bool clade_ranks_is_local(const clade_ranks *ranks, int32_t rank)
{
    return ranks->local && clade_local_has(ranks->local, rank);
}

bool clade_ranks_have_local(const clade_ranks *ranks) { return ranks->local != NULL; }

bool clade_ranks_are_local(const clade_ranks *ranks)
{
    bool all = ranks->local != NULL;
    for (int r = 0; r < ranks->count; r++) all &= r == ranks->own || clade_ranks_is_local(ranks, r);
    return all;
}

static clade_status judge(bool added)
{
    return added ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for messages");
}

clade_status clade_ranks_send(clade_ranks *ranks, int32_t to, const void *bytes, size_t size)
{
    if (clade_ranks_is_local(ranks, to))
        return judge(clade_local_send(ranks->local, to, bytes, size));
    clade_status status = CLADE_OK;
    for (size_t at = 0; at < size && !status; at += piece)
        status = clade_mpi_send(to, (const char *)bytes + at,
                                (int)(size - at < piece ? size - at : piece));
    return status;
}

clade_status clade_ranks_receive(clade_ranks *ranks, int32_t from, void *bytes, size_t size)
{
    if (clade_ranks_is_local(ranks, from))
        return judge(clade_local_receive(ranks->local, from, bytes, size));
    clade_status status = CLADE_OK;
    for (size_t at = 0; at < size && !status; at += piece)
        status = clade_mpi_receive(from, (char *)bytes + at,
                                   (int)(size - at < piece ? size - at : piece));
    return status;
}

clade_status clade_ranks_show(clade_ranks *ranks, int32_t to, const void *bytes, size_t size)
{
    return clade_ranks_is_local(ranks, to) ? judge(clade_local_show(ranks->local, to, bytes))
                                           : clade_ranks_send(ranks, to, bytes, size);
}

clade_status clade_ranks_fetch(clade_ranks *ranks, int32_t from, void *bytes, size_t size)
{
    return clade_ranks_is_local(ranks, from)
               ? judge(clade_local_fetch(ranks->local, from, bytes, size))
               : clade_ranks_receive(ranks, from, bytes, size);
}

clade_status clade_ranks_see(clade_ranks *ranks, int32_t from, const void **bytes)
{
    return judge(clade_local_see(ranks->local, from, bytes));
}

/* Seconds to sleep before the next look. Local ranks wake this one; MPI has to be asked: sleeping
 * for a fifth of what it has waited takes little of the core that computes, and adds little to the
 * wait. */
static double pause_after(const clade_ranks *ranks, double waited, bool asks)
{
    static const double least = 20e-6, most = 1e-3;
    return asks ? fmin(fmax(waited / 5, least), most) : fmax(ranks->limit - waited, least);
}

clade_status clade_ranks_wait(clade_ranks *ranks)
{
    const double begun = clade_clock();
    int waits_for = 0;
    for (;;) {
        const unsigned heard = ranks->local ? clade_local_listen(ranks->local) : 0;
        const bool near = !ranks->local || clade_local_test(ranks->local, &waits_for);
        bool far = true;
        clade_status status = clade_mpi_test(&far, &waits_for);
        if (status || (near && far)) return status;
        const double waited = clade_clock() - begun;
        if (waited > ranks->limit)
            return clade_fail(CLADE_EIO, "rank %d has not answered for %.0f s", waits_for, waited);
        const double pause = pause_after(ranks, waited, !far);
        if (ranks->local)
            clade_local_sleep(ranks->local, heard, pause);
        else
            nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * pause)}, NULL);
    }
}

/* --- memory --- */

void *clade_ranks_memory(clade_ranks *ranks, size_t bytes)
{
    return ranks && ranks->local ? clade_segment_take(clade_local_segment(ranks->local), bytes)
                                 : clade_memory(bytes);
}

void clade_ranks_free(clade_ranks *ranks, void *memory)
{
    if (ranks && ranks->local)
        clade_segment_give_back(clade_local_segment(ranks->local), memory);
    else
        free(memory);
}

clade_status clade_ranks_common(clade_ranks *ranks, size_t bytes, void **memory)
{
    const void *seen = NULL;
    clade_status status = CLADE_OK;
    if (ranks->own) {
        status = clade_ranks_see(ranks, 0, &seen);
    } else {
        if (bytes > ranks->common_bytes) {
            if (ranks->common) clade_ranks_free(ranks, ranks->common);
            ranks->common = clade_ranks_memory(ranks, bytes);
            ranks->common_bytes = ranks->common ? bytes : 0;
        }
        seen = ranks->common;
        if (!seen) return clade_fail(CLADE_ENOMEM, "out of memory for what ranks have in common");
        for (int to = 1; to < ranks->count && !status; to++)
            status = clade_ranks_show(ranks, to, seen, bytes);
    }
    if (!status) status = clade_ranks_wait(ranks);
    *memory = (void *)(uintptr_t)seen;
    return status;
}

/* --- of all --- */

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
