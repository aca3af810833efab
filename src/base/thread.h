/* A thread pool that shares a loop's iterations. */
#ifndef CLADE_BASE_THREAD_H
#define CLADE_BASE_THREAD_H

#include <clade/status.h>

#include <stddef.h>

typedef struct clade_pool clade_pool;

/* Lowers the calling thread's priority, so that others run first, if the system supports that. */
void clade_thread_give_way(void);

/* Creates a pool of `threads` threads, counting the calling one; 0: one per processor. */
clade_status clade_pool_create(int threads, clade_pool **out);
void clade_pool_destroy(clade_pool **pool);
int clade_pool_threads(const clade_pool *pool);

/* Calls body(user, i, thread) for i in [0, n), in any order, on any thread; thread is in [0,
 * threads). Returns when all calls have returned. Only one loop runs at a time: a body must not
 * call this function. What a body writes must depend on i alone, never on thread or order. */
void clade_pool_for(clade_pool *pool, size_t n, void (*body)(void *user, size_t i, int thread),
                    void *user);

#endif
