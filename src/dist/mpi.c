/* Two binary interfaces cover today's libraries: Open MPI's (versions 3 to 5), whose handles are
 * addresses, and the one that MPICH, Intel MPI, MVAPICH and Cray MPI share ("MPICH ABI
 * Compatibility Initiative"), whose handles are numbers. */
#define _GNU_SOURCE
#include "dist/mpi.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { thread_funneled = 1, tag = 1 }; /* the same number in both */

typedef struct request {
    void *handle; /* or a number */
    int peer;
} request;

static struct {
    void *opened; /* the library */
    bool numbers; /* MPICH's interface */
    void *world, *byte;
    request *list;
    size_t count, room;
    int (*init)(int *, char ***, int, int *);
    int (*finalize)(void);
    void *rank, *size, *abort, *send, *receive, *test; /* as the interface has them */
    int (*error_string)(int, char *, int *);
} mpi;

/* Calls `member` as the interface at hand declares it: handles are addresses or ints. */
#define WORLD_CALL(member, address_types, number_types, ...)                                       \
    (mpi.numbers                                                                                   \
         ? ((int(*) number_types)(uintptr_t)mpi.member)((int)(intptr_t)mpi.world, __VA_ARGS__)     \
         : ((int(*) address_types)(uintptr_t)mpi.member)(mpi.world, __VA_ARGS__))

/* --- which library --- */

static clade_status open_library(clade_mpi_kind which)
{
    static const char *const names[][3] = {
        [CLADE_OPEN_MPI] = {"libmpi.so.40", "libmpi.so", NULL},
        [CLADE_MPICH] = {"libmpich.so.12", "libmpi.so.12", NULL}};
    static const char *const what[] = {
        [CLADE_OPEN_MPI] = "Open MPI: expected libmpi.so.40, which Debian "
                           "and Ubuntu have in openmpi-bin and Fedora in "
                           "openmpi",
        [CLADE_MPICH] = "MPICH: expected libmpich.so.12 or libmpi.so.12, "
                        "which Debian, Ubuntu and Fedora have in mpich"};
    for (size_t i = 0; names[which][i] && !mpi.opened; i++)
        mpi.opened = dlopen(names[which][i], RTLD_NOW | RTLD_GLOBAL);
    if (!mpi.opened)
        return clade_fail(CLADE_EUNSUPPORTED, "started by a launcher of %s", what[which]);
    return CLADE_OK;
}

static clade_status find_symbols(clade_mpi_kind which)
{
    const struct {
        const char *name;
        void *to;
    } wanted[] = {{"MPI_Init_thread", &mpi.init},
                  {"MPI_Finalize", &mpi.finalize},
                  {"MPI_Error_string", &mpi.error_string},
                  {"MPI_Comm_rank", &mpi.rank},
                  {"MPI_Comm_size", &mpi.size},
                  {"MPI_Abort", &mpi.abort},
                  {"MPI_Isend", &mpi.send},
                  {"MPI_Irecv", &mpi.receive},
                  {"MPI_Test", &mpi.test},
                  {"ompi_mpi_comm_world", &mpi.world},
                  {"ompi_mpi_byte", &mpi.byte}};
    mpi.numbers = which == CLADE_MPICH;
    size_t count = sizeof wanted / sizeof *wanted - (mpi.numbers ? 2 : 0);
    for (size_t i = 0; i < count; i++) {
        void *found = dlsym(mpi.opened, wanted[i].name);
        if (!found)
            return clade_fail(CLADE_EUNSUPPORTED, "the MPI library has no %s", wanted[i].name);
        memcpy(wanted[i].to, &found, sizeof found);
    }
    if (mpi.numbers) {
        mpi.world = (void *)(intptr_t)0x44000000;
        mpi.byte = (void *)(intptr_t)0x4c00010d;
    }
    return CLADE_OK;
}

/* --- calls --- */

static clade_status judge(int error, const char *what)
{
    char text[1024] = ""; /* at least MPI_MAX_ERROR_STRING of both */
    int length;
    if (!error) return CLADE_OK;
    mpi.error_string(error, text, &length);
    return clade_fail(CLADE_EIO, "%s: %s", what, text);
}

clade_status clade_mpi_start(clade_mpi_kind kind, int *rank, int *count)
{
    int provided;
    clade_status status = open_library(kind);
    if (!status) status = find_symbols(kind);
    if (!status)
        status = judge(mpi.init(NULL, NULL, thread_funneled, &provided), "MPI_Init_thread");
    if (!status)
        status = judge(WORLD_CALL(rank, (void *, int *), (int, int *), rank), "MPI_Comm_rank");
    if (!status)
        status = judge(WORLD_CALL(size, (void *, int *), (int, int *), count), "MPI_Comm_size");
    return status;
}

void clade_mpi_end(void)
{
    mpi.finalize();
    free(mpi.list);
    mpi.list = NULL;
    mpi.count = mpi.room = 0;
}

void clade_mpi_abort(int code) { WORLD_CALL(abort, (void *, int), (int, int), code); }

/* Where the next request goes; NULL: out of memory. */
static request *add_request(int peer)
{
    if (mpi.count == mpi.room) {
        size_t room = mpi.room ? 2 * mpi.room : 64;
        request *list = realloc(mpi.list, room * sizeof *list);
        if (!list) return NULL;
        mpi.list = list;
        mpi.room = room;
    }
    mpi.list[mpi.count] = (request){.peer = peer};
    return &mpi.list[mpi.count];
}

/* MPI_Isend and MPI_Irecv take the same arguments but for const. */
static clade_status begin(void *function, void *bytes, int size, int peer, const char *what)
{
    request *r = add_request(peer);
    int error, number = 0;
    if (!r) return clade_fail(CLADE_ENOMEM, "out of memory for messages");
    if (mpi.numbers) {
        error = ((int (*)(void *, int, int, int, int, int, int *))(uintptr_t)function)(
            bytes, size, (int)(intptr_t)mpi.byte, peer, tag, (int)(intptr_t)mpi.world, &number);
        r->handle = (void *)(intptr_t)number;
    } else {
        error = ((int (*)(void *, int, void *, int, int, void *, void **))(uintptr_t)function)(
            bytes, size, mpi.byte, peer, tag, mpi.world, &r->handle);
    }
    mpi.count += !error;
    return judge(error, what);
}

clade_status clade_mpi_send(int to, const void *bytes, int size)
{
    return begin(mpi.send, (void *)(uintptr_t)bytes, size, to, "MPI_Isend");
}

clade_status clade_mpi_receive(int from, void *bytes, int size)
{
    return begin(mpi.receive, bytes, size, from, "MPI_Irecv");
}

/* Statuses are not wanted: Open MPI's MPI_STATUS_IGNORE is address 0, MPICH's is 1. */
static clade_status test(request *r, int *ended)
{
    int number = (int)(intptr_t)r->handle;
    if (!mpi.numbers)
        return judge(
            ((int (*)(void **, int *, void *))(uintptr_t)mpi.test)(&r->handle, ended, NULL),
            "MPI_Test");
    return judge(
        ((int (*)(int *, int *, void *))(uintptr_t)mpi.test)(&number, ended, (void *)(intptr_t)1),
        "MPI_Test");
}

clade_status clade_mpi_test(bool *ended, int *waits_for)
{
    size_t left = 0;
    for (size_t i = 0; i < mpi.count; i++) {
        int done = 0;
        clade_status status = test(&mpi.list[i], &done);
        if (status) return status;
        if (!done) mpi.list[left++] = mpi.list[i];
    }
    mpi.count = left;
    *ended = left == 0;
    if (left) *waits_for = mpi.list[0].peer;
    return CLADE_OK;
}
