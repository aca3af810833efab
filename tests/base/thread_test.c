/* Loops on more threads than there are processors: each iteration is run once, and has been when
 * the loop returns. */
#include "base/thread.h"
#include "../test.h"

#include <stdatomic.h>

enum { threads = 7, most = 50, loops = 20000 };

typedef struct counts {
    int of[most], by[threads];
} counts;

static void count(void *user, size_t i, int thread)
{
    counts *c = user;
    c->of[i]++;      /* no two threads are given the same i, */
    c->by[thread]++; /* nor the same number */
}

int main(void)
{
    clade_pool *pool;
    CHECK(clade_pool_create(threads, &pool) == CLADE_OK);
    for (int loop = 0; loop < loops; loop++) {
        counts c = {0};
        size_t n = (size_t)loop % (most + 1);
        int sum = 0;
        clade_pool_for(pool, n, count, &c);
        for (size_t i = 0; i < most; i++) CHECK(c.of[i] == (i < n));
        for (int i = 0; i < threads; i++) sum += c.by[i];
        CHECK(sum == (int)n);
    }
    clade_pool_destroy(&pool);
    return TEST_END();
}
