/* Batches prepared ahead by background threads. The content of a batch depends on (seed, epoch,
 * batch) alone, so any thread may fill any of them; they lie in a ring of slots made once. */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include "base/random.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ahead = 2 }; /* batches that are ready or under way, besides those being filled and used */

typedef struct slot {
    bool ready;
    int32_t count;
    uint8_t *pixels; /* NULL: not asked for */
    int32_t *index, *label;
    float *matrix;
    clade_status status;
    char *text; /* of the error, malloc'ed */
} slot;

struct clade_loader {
    clade_loader_options options;
    size_t count, batches; /* pictures, and batches of an epoch */
    int32_t hwc[3];
    int32_t *order; /* the epoch's permutation */
    slot *slots;
    size_t slot_count;
    pthread_t *threads;
    int thread_count;

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t work, ready;
    uint64_t epoch;
    size_t taken;    /* the next batch that a thread takes up */
    size_t released; /* batches before it have been used: their slots are free */
    size_t next;     /* the next batch for the caller */
    int busy;        /* threads that are filling */
    bool running, restart, stop;
};

static void shuffle(clade_loader *loader)
{
    for (size_t i = 0; i < loader->count; i++) loader->order[i] = (int32_t)i;
    if (!loader->options.shuffle) return;
    clade_random r = clade_random_start(loader->options.seed, CLADE_STREAM_SHUFFLE, loader->epoch);
    for (size_t i = loader->count; i-- > 1;) { /* Fisher and Yates */
        size_t j = clade_random_below(&r, (uint32_t)i + 1);
        int32_t moved = loader->order[i];
        loader->order[i] = loader->order[j];
        loader->order[j] = moved;
    }
}

static bool is_abandoned(clade_loader *loader)
{
    pthread_mutex_lock(&loader->mutex);
    bool abandoned = loader->restart || loader->stop;
    pthread_mutex_unlock(&loader->mutex);
    return abandoned;
}

/* Runs without the mutex: order, epoch and the slot do not change while a thread is busy. */
static void fill(clade_loader *loader, size_t batch, slot *s, clade_decoder *decoder)
{
    const clade_loader_options *o = &loader->options;
    size_t first = batch * (size_t)o->batch, left = loader->count - first;
    size_t size = clade_dataset_bytes(o->dataset);
    s->count = left < (size_t)o->batch ? (int32_t)left : o->batch;
    s->status = CLADE_OK;
    for (int32_t i = 0; i < s->count && s->status == CLADE_OK; i++) {
        int32_t at = loader->order[first + (size_t)i];
        s->index[i] = at;
        s->label[i] = clade_dataset_label(o->dataset, o->split, (size_t)at);
        clade_augment_matrix(&o->augment, loader->hwc[0], loader->hwc[1], o->seed, loader->epoch,
                             (uint64_t)at, s->matrix + 8 * (size_t)i);
        if (!s->pixels) continue;
        if (is_abandoned(loader)) return;
        s->status = clade_dataset_decode(o->dataset, o->split, (size_t)at, decoder,
                                         s->pixels + (size_t)i * size);
    }
    if (s->status) {
        free(s->text);
        s->text = strdup(clade_error());
    }
}

static void *run(void *arg)
{
    clade_loader *loader = arg;
    clade_decoder decoder = {0};
    pthread_mutex_lock(&loader->mutex);
    for (;;) {
        while (!loader->stop &&
               (!loader->running || loader->restart || loader->taken >= loader->batches ||
                loader->taken >= loader->released + loader->slot_count))
            pthread_cond_wait(&loader->work, &loader->mutex);
        if (loader->stop) break;
        size_t batch = loader->taken++;
        slot *s = &loader->slots[batch % loader->slot_count];
        loader->busy++;
        pthread_mutex_unlock(&loader->mutex);
        fill(loader, batch, s, &decoder);
        pthread_mutex_lock(&loader->mutex);
        loader->busy--;
        s->ready = !loader->restart;
        pthread_cond_broadcast(&loader->ready);
    }
    pthread_mutex_unlock(&loader->mutex);
    clade_decoder_clear(&decoder);
    return NULL;
}

static bool make_slots(clade_loader *loader)
{
    const clade_loader_options *o = &loader->options;
    size_t n = (size_t)o->batch;
    if (n > loader->count) n = loader->count; /* no batch is larger */
    loader->slots = calloc(loader->slot_count, sizeof *loader->slots);
    if (!loader->slots) return false;
    for (size_t i = 0; i < loader->slot_count; i++) {
        slot *s = &loader->slots[i];
        s->index = malloc(n * sizeof *s->index);
        s->label = malloc(n * sizeof *s->label);
        s->matrix = malloc(n * 8 * sizeof *s->matrix);
        if (o->pixels) s->pixels = malloc(n * clade_dataset_bytes(o->dataset));
        if (!s->index || !s->label || !s->matrix || (o->pixels && !s->pixels)) return false;
    }
    return true;
}

/* How many threads there is work for: one copies as fast as memory goes, decoding takes all. */
static int choose_threads(const clade_loader_options *o)
{
    if (o->threads) return o->threads;
    const clade_pictures *in = &o->dataset->split[o->split];
    bool decodes = false;
    for (size_t i = 0; i < in->count && o->pixels && !decodes; i++) decodes = !in->items[i].cached;
    return decodes ? clade_processors() : 1;
}

static clade_status check_options(const clade_loader_options *o)
{
    if (!o || !o->dataset) return clade_fail(CLADE_EINVAL, "a loader needs a data set");
    if (o->split < 0 || o->split >= CLADE_SPLITS)
        return clade_fail(CLADE_EINVAL, "no split %d", (int)o->split);
    if (o->batch < 1) return clade_fail(CLADE_EINVAL, "batches of %d pictures", o->batch);
    if (o->threads < 0 || o->threads > 4096)
        return clade_fail(CLADE_EINVAL, "%d threads: expected 0 (chosen) to 4096", o->threads);
    if (clade_dataset_count(o->dataset, o->split) == 0)
        return clade_fail(CLADE_EINVAL, "the %s split has no pictures", clade_split_word(o->split));
    return CLADE_OK;
}

clade_status clade_loader_create(const clade_loader_options *options, clade_loader **out)
{
    if (!out) return clade_fail(CLADE_EINVAL, "no place for a loader");
    *out = NULL;
    clade_status status = check_options(options);
    if (status) return status;
    clade_loader *loader = calloc(1, sizeof *loader);
    if (!loader) return clade_fail(CLADE_ENOMEM, "out of memory for a loader");
    loader->options = *options;
    loader->count = clade_dataset_count(options->dataset, options->split);
    loader->batches = (loader->count - 1) / (size_t)options->batch + 1;
    clade_dataset_shape(options->dataset, loader->hwc);
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->ready, NULL);
    int threads = choose_threads(options);
    loader->slot_count = (size_t)threads + ahead + 1;
    loader->order = malloc(loader->count * sizeof *loader->order);
    loader->threads = calloc((size_t)threads, sizeof *loader->threads);
    if (!loader->order || !loader->threads || !make_slots(loader)) {
        status = clade_fail(CLADE_ENOMEM, "out of memory for %zu batches of %d pictures",
                            loader->slot_count, options->batch);
        goto fail;
    }
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&loader->threads[i], NULL, run, loader)) {
            status = clade_fail(CLADE_ENOMEM, "could not start thread %d of a loader", i + 1);
            goto fail;
        }
        loader->thread_count++;
    }
    *out = loader;
    return CLADE_OK;
fail:
    clade_loader_destroy(&loader);
    return status;
}

void clade_loader_destroy(clade_loader **handle)
{
    clade_loader *loader = *handle;
    if (!loader) return;
    pthread_mutex_lock(&loader->mutex);
    loader->stop = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    for (int i = 0; i < loader->thread_count; i++) pthread_join(loader->threads[i], NULL);
    for (size_t i = 0; i < loader->slot_count && loader->slots; i++) {
        slot *s = &loader->slots[i];
        free(s->pixels);
        free(s->index);
        free(s->label);
        free(s->matrix);
        free(s->text);
    }
    pthread_cond_destroy(&loader->ready);
    pthread_cond_destroy(&loader->work);
    pthread_mutex_destroy(&loader->mutex);
    free(loader->slots);
    free(loader->order);
    free(loader->threads);
    free(loader);
    *handle = NULL;
}

size_t clade_loader_batches(const clade_loader *loader) { return loader->batches; }

clade_status clade_loader_start(clade_loader *loader, uint64_t epoch, size_t first)
{
    if (first > loader->batches)
        return clade_fail(CLADE_EINVAL, "batch %zu of an epoch of %zu", first, loader->batches);
    pthread_mutex_lock(&loader->mutex);
    loader->restart = true;
    while (loader->busy > 0) pthread_cond_wait(&loader->ready, &loader->mutex);
    for (size_t i = 0; i < loader->slot_count; i++) loader->slots[i].ready = false;
    loader->epoch = epoch;
    shuffle(loader);
    loader->taken = loader->released = loader->next = first;
    loader->restart = false;
    loader->running = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    return CLADE_OK;
}

clade_status clade_loader_next(clade_loader *loader, clade_batch *out)
{
    *out = (clade_batch){0};
    pthread_mutex_lock(&loader->mutex);
    if (!loader->running) {
        pthread_mutex_unlock(&loader->mutex);
        return clade_fail(CLADE_EINVAL, "clade_loader_start comes before clade_loader_next");
    }
    /* the batch of the call before is given back */
    if (loader->released < loader->next) {
        loader->slots[loader->released % loader->slot_count].ready = false;
        loader->released++;
        pthread_cond_signal(&loader->work);
    }
    if (loader->next == loader->batches) {
        pthread_mutex_unlock(&loader->mutex);
        return CLADE_OK;
    }
    slot *s = &loader->slots[loader->next % loader->slot_count];
    while (!s->ready) pthread_cond_wait(&loader->ready, &loader->mutex);
    loader->next++;
    pthread_mutex_unlock(&loader->mutex);
    if (s->status)
        return clade_fail(s->status, "%s", s->text ? s->text : clade_status_name(s->status));
    *out = (clade_batch){s->count, s->pixels, s->index, s->label, s->matrix};
    return CLADE_OK;
}
