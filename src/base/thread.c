/* A thread pool whose threads take a loop's iterations from an atomic counter. A loop ends when its
 * iterations have ended, not when every worker has woken: a worker that is scheduled late finds the
 * loop closed and goes on to the next. */
#define _GNU_SOURCE
#include "base/thread.h"
#include "base/host.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#define relax() __builtin_ia32_pause()
#else
#define relax() ((void)0)
#endif

/* How long a worker spins for the next loop before it sleeps: about 20 µs, less than a wake-up
 * takes. */
enum { spins = 4000 };

typedef struct pool_worker {
    clade_pool *pool;
    pthread_t thread;
    int number;
} pool_worker;

struct clade_pool {
    int threads;
    int started; /* existing workers: threads - 1 unless creation failed half way */
    pool_worker *workers;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    atomic_uint generation; /* increased for each loop */
    atomic_bool open;  /* whether a worker may still enter the loop; what it reads there does not
                        * change */
    atomic_int inside; /* workers that have entered, or are about to find that they may not */
    atomic_bool stop;
    atomic_size_t next;
    size_t n;
    void (*body)(void *user, size_t i, int thread);
    void *user;
};

void clade_thread_give_way(void)
{
#ifdef __linux__
    setpriority(PRIO_PROCESS, (id_t)gettid(), 15); /* Linux: affects this thread only, contrary to
                                                    * POSIX */
#endif
}

static void share(clade_pool *pool, int thread)
{
    size_t i;
    while ((i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed)) < pool->n)
        pool->body(pool->user, i, thread);
}

static void *work(void *arg)
{
    pool_worker *self = arg;
    clade_pool *pool = self->pool;
    unsigned seen = 0;
    for (;;) {
        for (int i = 0;
             i < spins && atomic_load_explicit(&pool->generation, memory_order_acquire) == seen;
             i++)
            relax();
        if (atomic_load_explicit(&pool->generation, memory_order_acquire) == seen) {
            pthread_mutex_lock(&pool->mutex);
            while (atomic_load_explicit(&pool->generation, memory_order_acquire) == seen)
                pthread_cond_wait(&pool->wake, &pool->mutex);
            pthread_mutex_unlock(&pool->mutex);
        }
        seen = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (atomic_load(&pool->stop)) return NULL;
        atomic_fetch_add(&pool->inside, 1);
        if (atomic_load(&pool->open)) share(pool, self->number);
        if (atomic_fetch_sub(&pool->inside, 1) == 1 && !atomic_load(&pool->open)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

clade_status clade_pool_create(int threads, clade_pool **out)
{
    assert(out);
    *out = NULL;
    if (threads < 0 || threads > 4096)
        return clade_fail(CLADE_EINVAL, "%d threads: expected 0 (one per processor) to 4096",
                          threads);
    clade_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return clade_fail(CLADE_ENOMEM, "out of memory for a thread pool");
    pool->threads = threads ? threads : clade_processors();
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->workers = calloc((size_t)pool->threads, sizeof *pool->workers);
    if (!pool->workers) {
        clade_pool_destroy(&pool);
        return clade_fail(CLADE_ENOMEM, "out of memory for %d threads", threads);
    }
    for (int i = 1; i < pool->threads; i++) {
        pool_worker *w = &pool->workers[i - 1];
        *w = (pool_worker){.pool = pool, .number = i};
        if (pthread_create(&w->thread, NULL, work, w)) {
            int wanted = pool->threads;
            clade_pool_destroy(&pool);
            return clade_fail(CLADE_ENOMEM, "could not start thread %d of %d", i + 1, wanted);
        }
        pool->started++;
    }
    *out = pool;
    return CLADE_OK;
}

static void begin(clade_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

void clade_pool_destroy(clade_pool **handle)
{
    clade_pool *pool = *handle;
    if (!pool) return;
    atomic_store(&pool->stop, true);
    begin(pool);
    for (int i = 0; i < pool->started; i++) pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->workers);
    free(pool);
    *handle = NULL;
}

int clade_pool_threads(const clade_pool *pool) { return pool->threads; }

void clade_pool_for(clade_pool *pool, size_t n, void (*body)(void *user, size_t i, int thread),
                    void *user)
{
    if (n <= 1 || pool->threads == 1) {
        for (size_t i = 0; i < n; i++) body(user, i, 0);
        return;
    }
    pool->n = n;
    pool->body = body;
    pool->user = user;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_store(&pool->open, true);
    begin(pool);
    share(pool, 0);
    atomic_store(&pool->open, false);
    for (int i = 0; i < spins && atomic_load(&pool->inside); i++) relax();
    if (atomic_load(&pool->inside)) {
        pthread_mutex_lock(&pool->mutex);
        while (atomic_load(&pool->inside)) pthread_cond_wait(&pool->done, &pool->mutex);
        pthread_mutex_unlock(&pool->mutex);
    }
}
