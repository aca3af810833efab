/* Processing a whole data set in parallel: decoding it into the cache as far as it fits, or only
 * reading it for the digests of its images. */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct load_job {
    clade_dataset *dataset;
    clade_decoder *decoders; /* one per thread, */
    uint8_t *workspace;      /* and one image that does not fit the cache; NULL: nothing is
                              * decoded */
    size_t total;
    atomic_bool stop;          /* cancelled */
    atomic_size_t first_error; /* the lowest image, in the order of the splits, with a fatal
                                * error */
    pthread_mutex_t mutex;     /* protects what follows */
    clade_status status;       /* that error's, */
    char *text;                /* and what it says, malloc'ed; NULL when even that failed */
    size_t done;
    bool (*progress)(void *user, size_t done, size_t total);
    void *user;
} load_job;

/* Keeps the error of the lowest image. */
static void record(load_job *j, size_t at, clade_status status)
{
    pthread_mutex_lock(&j->mutex);
    if (at < atomic_load(&j->first_error)) {
        atomic_store(&j->first_error, at);
        j->status = status;
        free(j->text);
        j->text = strdup(clade_error());
    }
    pthread_mutex_unlock(&j->mutex);
}

static void load_one(void *user, size_t at, int thread)
{
    load_job *j = user;
    clade_dataset *dataset = j->dataset;
    /* every image before the first error is decoded, so that it is the first for any number of
     * threads */
    if (atomic_load_explicit(&j->stop, memory_order_relaxed) || at > atomic_load(&j->first_error))
        return;
    size_t i = at;
    int split = 0;
    while (i >= dataset->split[split].count) i -= dataset->split[split++].count;
    clade_decoder *decoder = &j->decoders[thread];
    uint8_t *spare =
        j->workspace ? j->workspace + (size_t)thread * clade_dataset_bytes(dataset) : NULL;
    const uint8_t *pixels;
    clade_status status =
        spare ? clade_dataset_take(dataset, (clade_split)split, i, decoder, spare, &pixels)
              : clade_image_identify(dataset, &dataset->split[split].items[i], decoder);
    if (status && !clade_dataset_is_damaged(dataset, (clade_split)split, i)) record(j, at, status);
    pthread_mutex_lock(&j->mutex);
    j->done++;
    if (j->progress && !atomic_load(&j->stop) && !j->progress(j->user, j->done, j->total))
        atomic_store(&j->stop, true);
    pthread_mutex_unlock(&j->mutex);
}

static clade_status finish(const load_job *j)
{
    const char *path = j->dataset->sources[0]->path;
    if (j->status)
        return clade_fail(j->status, "%s: %s", path,
                          j->text ? j->text : clade_status_name(j->status));
    if (atomic_load(&j->stop))
        return clade_fail(CLADE_ECANCELLED, "loading of %s was stopped", path);
    return CLADE_OK;
}

/* Processes the first `splits` of the splits. */
static clade_status run(clade_dataset *dataset, int splits, bool decode,
                        bool (*progress)(void *user, size_t done, size_t total), void *user)
{
    load_job j = {.dataset = dataset, .progress = progress, .user = user};
    for (int s = 0; s < splits; s++) j.total += dataset->split[s].count;
    atomic_init(&j.stop, false);
    atomic_init(&j.first_error, SIZE_MAX);
    clade_pool *pool;
    clade_status status = clade_pool_create(dataset->threads, &pool);
    if (status) return status;
    pthread_mutex_init(&j.mutex, NULL);
    size_t threads = (size_t)clade_pool_threads(pool);
    j.decoders = calloc(threads, sizeof *j.decoders);
    if (decode) j.workspace = malloc(threads * clade_dataset_bytes(dataset));
    if (!j.decoders || (decode && !j.workspace))
        status = clade_fail(CLADE_ENOMEM, "out of memory to load %zu images", j.total);
    if (!status && decode) status = clade_dataset_make_room(dataset);
    if (!status) {
        clade_pool_for(pool, j.total, load_one, &j);
        status = finish(&j);
    }
    for (size_t i = 0; i < threads && j.decoders; i++) clade_decoder_clear(&j.decoders[i]);
    free(j.decoders);
    free(j.workspace);
    free(j.text);
    pthread_mutex_destroy(&j.mutex);
    clade_pool_destroy(&pool);
    return status;
}

clade_status clade_dataset_load(clade_dataset *dataset,
                                bool (*progress)(void *user, size_t done, size_t total), void *user)
{
    if (!dataset) return clade_fail(CLADE_EINVAL, "no data set to load");
    if (dataset->loaded) return CLADE_OK;
    clade_status status = run(dataset, CLADE_SPLITS, true, progress, user);
    if (!status) status = clade_dataset_check_damage(dataset);
    if (!status) status = clade_dataset_drop_damaged(dataset);
    if (!status) dataset->loaded = true;
    return status;
}

clade_status clade_dataset_identify(clade_dataset *dataset,
                                    bool (*progress)(void *user, size_t done, size_t total),
                                    void *user)
{
    return run(dataset, CLADE_VALIDATION + 1, false, progress, user);
}
