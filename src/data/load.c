/* Decoding a whole data set in parallel, into the cache as far as it goes. */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What became of one image. */
typedef struct load_outcome {
    clade_status status;
    char *text; /* of the error, malloc'ed; NULL when even that failed */
} load_outcome;

typedef struct load_job {
    clade_dataset *dataset;
    clade_decoder *decoders; /* one per thread, */
    uint8_t *workspace;      /* as well as one image for what has no room in the cache */
    size_t total;
    load_outcome *outcomes;    /* total, in the order of the splits */
    atomic_bool stop;          /* cancelled */
    atomic_size_t first_error; /* the lowest image with an error that ends the work */
    pthread_mutex_t mutex;     /* of the two below */
    size_t done;
    bool (*progress)(void *user, size_t done, size_t total);
    void *user;
} load_job;

/* Errors of an image alone; others (memory) end the work. */
static bool is_damage(clade_status status)
{
    return status == CLADE_EFORMAT || status == CLADE_EIO;
}

static void record(load_job *j, size_t at, clade_status status)
{
    const char *text = clade_error();
    j->outcomes[at] = (load_outcome){status, strdup(text)};
    if (is_damage(status) && !j->dataset->strict) return;
    size_t first = atomic_load(&j->first_error);
    while (at < first && !atomic_compare_exchange_weak(&j->first_error, &first, at)) {}
}

static void load_one(void *user, size_t at, int thread)
{
    load_job *j = user;
    clade_dataset *dataset = j->dataset;
    /* every image before the first error is decoded, so that it is the first for any threads */
    if (atomic_load_explicit(&j->stop, memory_order_relaxed) || at > atomic_load(&j->first_error))
        return;
    size_t i = at;
    int split = 0;
    while (i >= dataset->split[split].count) i -= dataset->split[split++].count;
    uint8_t *spare = j->workspace + (size_t)thread * clade_dataset_bytes(dataset);
    const uint8_t *pixels;
    clade_status status =
        clade_dataset_take(dataset, (clade_split)split, i, &j->decoders[thread], spare, &pixels);
    if (status) record(j, at, status);
    pthread_mutex_lock(&j->mutex);
    j->done++;
    if (j->progress && !atomic_load(&j->stop) && !j->progress(j->user, j->done, j->total))
        atomic_store(&j->stop, true);
    pthread_mutex_unlock(&j->mutex);
}

/* Drops the damaged images; those after them move up. */
static clade_status drop_damaged(load_job *j)
{
    clade_dataset *dataset = j->dataset;
    size_t at = 0;
    for (int s = 0; s < CLADE_SPLITS; s++) {
        clade_images *in = &dataset->split[s];
        size_t kept = 0;
        for (size_t i = 0; i < in->count; i++, at++) {
            if (j->outcomes[at].status) {
                const char *name = in->items[i].name, *text = j->outcomes[at].text;
                if (!text) text = clade_status_name(j->outcomes[at].status);
                size_t n = strlen(name);
                if (strncmp(text, name, n) == 0 && strncmp(text + n, ": ", 2) == 0) text += n + 2;
                clade_status status = clade_dataset_skip(dataset, name, text);
                if (status) return status;
                clade_entry_release(in->items[i].entry);
                continue;
            }
            in->items[kept++] = in->items[i];
        }
        in->count = kept;
    }
    return clade_dataset_count_classes(dataset);
}

static clade_status finish(load_job *j)
{
    size_t first = atomic_load(&j->first_error);
    if (first < j->total) {
        const load_outcome *o = &j->outcomes[first];
        return clade_fail(o->status, "%s: %s", j->dataset->sources[0]->path,
                          o->text ? o->text : clade_status_name(o->status));
    }
    if (atomic_load(&j->stop))
        return clade_fail(CLADE_ECANCELLED, "loading of %s was stopped",
                          j->dataset->sources[0]->path);
    clade_status status = drop_damaged(j);
    if (!status) j->dataset->loaded = true;
    return status;
}

clade_status clade_dataset_load(clade_dataset *dataset,
                                bool (*progress)(void *user, size_t done, size_t total), void *user)
{
    if (!dataset) return clade_fail(CLADE_EINVAL, "no data set to load");
    if (dataset->loaded) return CLADE_OK;
    load_job j = {.dataset = dataset, .progress = progress, .user = user};
    for (int s = 0; s < CLADE_SPLITS; s++) j.total += dataset->split[s].count;
    atomic_init(&j.stop, false);
    atomic_init(&j.first_error, SIZE_MAX);
    clade_pool *pool;
    clade_status status = clade_pool_create(dataset->threads, &pool);
    if (status) return status;
    pthread_mutex_init(&j.mutex, NULL);
    size_t threads = (size_t)clade_pool_threads(pool);
    j.decoders = calloc(threads, sizeof *j.decoders);
    j.workspace = malloc(threads * clade_dataset_bytes(dataset));
    j.outcomes = calloc(j.total ? j.total : 1, sizeof *j.outcomes);
    if (!j.decoders || !j.workspace || !j.outcomes)
        status = clade_fail(CLADE_ENOMEM, "out of memory to load %zu images", j.total);
    if (!status) status = clade_dataset_make_room(dataset);
    if (!status) {
        clade_pool_for(pool, j.total, load_one, &j);
        status = finish(&j);
    }
    for (size_t i = 0; i < threads && j.decoders; i++) clade_decoder_clear(&j.decoders[i]);
    for (size_t i = 0; i < j.total && j.outcomes; i++) free(j.outcomes[i].text);
    free(j.decoders);
    free(j.workspace);
    free(j.outcomes);
    pthread_mutex_destroy(&j.mutex);
    clade_pool_destroy(&pool);
    return status;
}
