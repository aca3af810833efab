/* Ranks on one host: messages of every length arrive whole and in order, what is shown is read
 * where it lies, whoever sleeps is woken, and memory that is given back is there again. */
#define _GNU_SOURCE
#include "../test.h"

#include "base/clock.h"
#include "dist/local.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ranks = 3, rounds = 4000, longest = 100000 }; /* several times what a ring holds */

/* What the test's processes tell each other before they map anything. */
typedef struct board {
    clade_segment_name name[ranks];
    volatile int told, mapped, slept;
} board;

static void wait_until(volatile int *number, int least)
{
    while (__atomic_load_n(number, __ATOMIC_SEQ_CST) < least) usleep(100);
}

static void finish(clade_local *l)
{
    int waits_for;
    for (;;) {
        const unsigned heard = clade_local_listen(l);
        const double begun = clade_clock();
        if (clade_local_test(l, &waits_for)) return;
        clade_local_sleep(l, heard, 20);
        CHECK(clade_clock() - begun < 15); /* else it was not woken */
    }
}

static size_t size_of(int round, int from, int to)
{
    return (size_t)((round * 7919 + from * 31 + to * 17) % 97 * (round % 2 ? 40 : longest / 97));
}

static char byte_of(int round, int from, int to, size_t i)
{
    return (char)((size_t)(round * 5 + from * 3 + to) + i * 7 + (i >> 9));
}

/* Each to each, sent before and after it is waited for. */
static void check_messages(clade_local *l, int own)
{
    static char out[ranks][longest], in[ranks][longest];
    for (int round = 0; round < rounds; round++) {
        for (int r = 0; r < ranks; r++) {
            if (r == own) continue;
            const size_t size = size_of(round, own, r), half = size / 2;
            for (size_t i = 0; i < size; i++) out[r][i] = byte_of(round, own, r, i);
            memset(in[r], 0, longest);
            CHECK(clade_local_receive(l, r, in[r], size_of(round, r, own)));
            CHECK(clade_local_send(l, r, out[r], half));
            CHECK(clade_local_send(l, r, out[r] + half, size - half));
        }
        finish(l);
        for (int r = 0; r < ranks; r++) {
            size_t same = 0;
            const size_t size = r == own ? 0 : size_of(round, r, own);
            for (size_t i = 0; i < size; i++) same += in[r][i] == byte_of(round, r, own, i);
            CHECK(same == size);
        }
    }
}

/* In a ring: from the one before, by a look and by a copy, to the one after. */
static void check_shown(clade_local *l, int own)
{
    const int next = (own + 1) % ranks, before = (own + ranks - 1) % ranks;
    clade_shared_segment *s = clade_local_segment(l);
    int *shown = clade_segment_take(s, longest * sizeof *shown);
    int *copied = malloc(longest * sizeof *copied);
    const void *seen = NULL;
    for (int round = 0; round < 20; round++) {
        char done = 1, theirs = 0;
        for (int i = 0; i < longest; i++) shown[i] = own * 1000003 + round + i;
        CHECK(clade_local_show(l, next, shown) && clade_local_show(l, next, shown + 5));
        CHECK(clade_local_see(l, before, &seen));
        CHECK(clade_local_fetch(l, before, copied, (longest - 5) * sizeof *copied));
        finish(l);
        int same = 0;
        const int *values = seen;
        for (int i = 0; i < longest; i++)
            same +=
                values[i] == before * 1000003 + round + i && (i < 5 || copied[i - 5] == values[i]);
        CHECK(same == longest);
        CHECK(clade_local_send(l, before, &done, 1) && clade_local_receive(l, next, &theirs, 1));
        finish(l); /* it is read: it may be written again */
    }
    clade_segment_give_back(s, shown);
    free(copied);
}

/* One sleeps for what the others send later. */
static void check_wake(clade_local *l, int own, board *b)
{
    char byte = 0;
    if (own) {
        wait_until(&b->slept, 1);
        usleep(50000);
        CHECK(clade_local_send(l, 0, "w", 1));
        return;
    }
    for (int r = 1; r < ranks; r++) CHECK(clade_local_receive(l, r, &byte, 1));
    __atomic_fetch_add(&b->slept, 1, __ATOMIC_SEQ_CST);
    finish(l);
    CHECK(byte == 'w');
}

static int run(int own, board *b)
{
    bool both[ranks] = {false};
    clade_local *l = clade_local_create(own, ranks, &b->name[own]);
    __atomic_fetch_add(&b->told, 1, __ATOMIC_SEQ_CST);
    wait_until(&b->told, ranks);
    for (int r = 0; r < ranks && l; r++)
        if (r != own) CHECK(both[r] = clade_local_map(l, r, &b->name[r]));
    __atomic_fetch_add(&b->mapped, 1, __ATOMIC_SEQ_CST);
    wait_until(&b->mapped, ranks);
    CHECK(l != NULL);
    if (!l) return TEST_END();
    clade_local_settle(l, both);
    check_messages(l, own);
    check_shown(l, own);
    check_wake(l, own, b);
    clade_local_destroy(&l);
    return TEST_END();
}

/* Memory is taken from the first gap, and is zero however it was left. */
static void test_segment(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    clade_segment_name name, other;
    clade_shared_segment *s = clade_segment_create(100, &name);
    CHECK(s != NULL);
    if (!s) return;
    char *a = clade_segment_take(s, page + 1), *b = clade_segment_take(s, 1),
         *c = clade_segment_take(s, 9);
    CHECK(a && b == a + 2 * page && c == b + page && a >= (char *)clade_segment_base(s) + 100);
    memset(a, 1, page + 1);
    clade_segment_give_back(s, a);
    CHECK(clade_segment_take(s, 2 * page + 1) == c + page);
    CHECK(clade_segment_take(s, page) == a && a[0] == 0 && a[page - 1] == 0);
    CHECK(clade_segment_take(s, 1) == a + page);
    CHECK(!clade_segment_take(s, (size_t)-1) && !clade_segment_take(s, name.bytes));
    /* a name of another host, a wrong token, a file that is sealed */
    other = name;
    other.host++;
    CHECK(!clade_segment_map(&other));
    other = name;
    other.token++;
    CHECK(!clade_segment_map(&other));
    void *mapped = clade_segment_map(&name);
    c[0] = 7;
    CHECK(mapped && ((char *)mapped)[c - (char *)clade_segment_base(s)] == 7);
    clade_segment_unmap(mapped, &name);
    clade_segment_seal(s);
    CHECK(!clade_segment_map(&name));
    clade_segment_destroy(&s);
}

int main(void)
{
    board *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    test_segment();
    pid_t child[ranks];
    for (int r = 1; r < ranks; r++)
        if ((child[r] = fork()) == 0) exit(run(r, b));
    CHECK(run(0, b) == 0);
    for (int r = 1; r < ranks; r++) {
        int status;
        CHECK(waitpid(child[r], &status, 0) == child[r] && status == 0);
    }
    munmap(b, sizeof *b);
    return TEST_END();
}
