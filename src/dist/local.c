/* A segment begins with a head: a bell, which others ring when they have written or read, and a
 * ring of bytes to each other rank, which its owner writes and that rank reads. A message is its
 * bytes alone: both sides know how many these are. Of memory that is shown, it is the place in the
 * sender's segment. */
#define _GNU_SOURCE
#include "dist/local.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { line = 64, ring_bytes = 1 << 16 };

typedef struct ring {
    _Alignas(line) atomic_uint written; /* bytes since the beginning, modulo 2^32 */
    atomic_bool full;                   /* the writer waits for room */
    _Alignas(line) atomic_uint read;
    _Alignas(line) char bytes[ring_bytes];
} ring;

typedef struct local_head {
    uint64_t token;
    _Alignas(line) atomic_uint bell; /* how often it was rung */
    atomic_uint asleep;
    ring to[];
} local_head;

typedef enum transfer_kind { SEND, RECEIVE, FETCH, SEE } transfer_kind;

typedef struct transfer {
    transfer_kind kind;
    int peer;
    size_t done, size; /* of the message; of SEND and RECEIVE, at: */
    char *bytes;
    size_t fetched;    /* bytes that FETCH copies to `bytes` then */
    const void **seen; /* where SEE leaves the place */
    uint64_t place;    /* the message itself, of what is shown */
} transfer;

typedef struct peer {
    local_head *head; /* NULL: none on this host */
    clade_segment_name name;
    bool waits[2]; /* a message from it, and to it, that others wait behind; within a test */
    size_t sends;  /* transfers to it */
} peer;

struct clade_local {
    int own, count;
    clade_shared_segment *segment;
    local_head *head;
    peer *peer; /* [count] */
    transfer *list;
    size_t transfers, room;
};

clade_local *clade_local_create(int own, int count, clade_segment_name *name)
{
    *name = (clade_segment_name){.host = 0};
    clade_local *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    l->own = own;
    l->count = count;
    l->peer = calloc((size_t)count, sizeof *l->peer);
    l->segment = clade_segment_create(sizeof(local_head) + (size_t)count * sizeof(ring), name);
    if (!l->peer || !l->segment) {
        *name = (clade_segment_name){.host = 0};
        clade_local_destroy(&l);
        return NULL;
    }
    l->head = clade_segment_base(l->segment);
    return l;
}

static void forget(peer *p)
{
    clade_segment_unmap(p->head, &p->name);
    p->head = NULL;
}

void clade_local_destroy(clade_local **handle)
{
    clade_local *l = *handle;
    if (!l) return;
    for (int i = 0; i < l->count && l->peer; i++) forget(&l->peer[i]);
    clade_segment_destroy(&l->segment);
    free(l->peer);
    free(l->list);
    free(l);
    *handle = NULL;
}

bool clade_local_map(clade_local *l, int rank, const clade_segment_name *name)
{
    l->peer[rank].name = *name;
    l->peer[rank].head = clade_segment_map(name);
    return l->peer[rank].head != NULL;
}

void clade_local_settle(clade_local *l, const bool *both)
{
    for (int i = 0; i < l->count; i++)
        if (!both[i]) forget(&l->peer[i]);
    clade_segment_seal(l->segment);
}

bool clade_local_has(const clade_local *l, int rank) { return l->peer[rank].head != NULL; }
clade_shared_segment *clade_local_segment(const clade_local *l) { return l->segment; }

/* --- the bell --- */

static void ring_bell(local_head *h)
{
    atomic_fetch_add(&h->bell, 1);
    if (atomic_exchange(&h->asleep, 0)) syscall(SYS_futex, &h->bell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

unsigned clade_local_listen(const clade_local *l) { return atomic_load(&l->head->bell); }

void clade_local_sleep(const clade_local *l, unsigned heard, double seconds)
{
    const time_t whole = (time_t)seconds;
    const struct timespec t = {.tv_sec = whole, .tv_nsec = (long)(1e9 * (seconds - (double)whole))};
    atomic_store(&l->head->asleep, 1);
    syscall(SYS_futex, &l->head->bell, FUTEX_WAIT, heard, &t, NULL, 0);
    atomic_store(&l->head->asleep, 0);
}

/* --- rings --- */

/* Copies between `bytes` and the ring's from place `at` on, around its end. */
static void copy(ring *r, unsigned at, char *bytes, unsigned size, bool out)
{
    while (size) {
        char *place = r->bytes + at % ring_bytes;
        const unsigned end = ring_bytes - at % ring_bytes, n = size < end ? size : end;
        memcpy(out ? bytes : place, out ? place : bytes, n);
        at += n, bytes += n, size -= n;
    }
}

static unsigned room_of(ring *r) { return ring_bytes - (r->written - r->read); }

/* As much of `size` bytes as can be now. Who finds less room says so before the last look, and who
 * reads looks after it has read: one of them sees the other. */
static unsigned write_some(clade_local *l, int rank, char *bytes, size_t size)
{
    ring *r = &l->head->to[rank];
    if (room_of(r) < size) r->full = true;
    const unsigned room = room_of(r), n = size < room ? (unsigned)size : room;
    if (n == 0) return 0;
    copy(r, r->written, bytes, n, false);
    r->written += n;
    ring_bell(l->peer[rank].head);
    return n;
}

static unsigned read_some(clade_local *l, int rank, char *bytes, size_t size)
{
    local_head *theirs = l->peer[rank].head;
    ring *r = &theirs->to[l->own];
    const unsigned held = r->written - r->read, n = size < held ? (unsigned)size : held;
    if (n == 0) return 0;
    copy(r, r->read, bytes, n, true);
    r->read += n;
    if (atomic_exchange(&r->full, false)) ring_bell(theirs);
    return n;
}

/* --- transfers --- */

static bool advance(clade_local *l, transfer *t)
{
    char *bytes = t->bytes && t->kind != FETCH ? t->bytes : (char *)&t->place;
    while (t->done < t->size) {
        const unsigned n = (t->kind == SEND ? write_some : read_some)(l, t->peer, bytes + t->done,
                                                                      t->size - t->done);
        if (n == 0) return false;
        t->done += n;
    }
    const char *theirs = (const char *)l->peer[t->peer].head + t->place;
    if (t->kind == FETCH) memcpy(t->bytes, theirs, t->fetched);
    if (t->kind == SEE) *t->seen = theirs;
    return true;
}

bool clade_local_test(clade_local *l, int *waits_for)
{
    size_t left = 0;
    for (int i = 0; i < l->count; i++) l->peer[i].waits[0] = l->peer[i].waits[1] = false;
    for (size_t i = 0; i < l->transfers; i++) {
        transfer *t = &l->list[i];
        bool *waits = &l->peer[t->peer].waits[t->kind == SEND];
        if (!*waits && advance(l, t)) {
            l->peer[t->peer].sends -= t->kind == SEND;
            continue;
        }
        *waits = true; /* those behind it come after it */
        if (left == 0) *waits_for = t->peer;
        l->list[left++] = *t;
    }
    l->transfers = left;
    return left == 0;
}

/* What can go, goes at once. */
static bool add(clade_local *l, transfer t)
{
    if (t.kind == SEND && !l->peer[t.peer].sends && advance(l, &t)) return true;
    if (l->transfers == l->room) {
        const size_t room = l->room ? 2 * l->room : 64;
        transfer *list = realloc(l->list, room * sizeof *list);
        if (!list) return false;
        l->list = list;
        l->room = room;
    }
    l->peer[t.peer].sends += t.kind == SEND;
    l->list[l->transfers++] = t;
    return true;
}

bool clade_local_send(clade_local *l, int to, const void *bytes, size_t size)
{
    return add(
        l, (transfer){.kind = SEND, .peer = to, .bytes = (char *)(uintptr_t)bytes, .size = size});
}

bool clade_local_receive(clade_local *l, int from, void *bytes, size_t size)
{
    return add(l, (transfer){.kind = RECEIVE, .peer = from, .bytes = bytes, .size = size});
}

bool clade_local_show(clade_local *l, int to, const void *bytes)
{
    const uint64_t place = (uint64_t)((const char *)bytes - (const char *)l->head);
    return add(l, (transfer){.kind = SEND, .peer = to, .size = sizeof place, .place = place});
}

bool clade_local_fetch(clade_local *l, int from, void *bytes, size_t size)
{
    return add(l, (transfer){.kind = FETCH,
                             .peer = from,
                             .bytes = bytes,
                             .fetched = size,
                             .size = sizeof(uint64_t)});
}

bool clade_local_see(clade_local *l, int from, const void **bytes)
{
    return add(l, (transfer){.kind = SEE, .peer = from, .seen = bytes, .size = sizeof(uint64_t)});
}
