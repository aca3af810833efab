/* Batches of a split, in a ring of slots allocated once. While images need decoding, background
 * threads take them one by one in the epoch's order, a few batches ahead of the caller, which helps
 * when its own batch is not ready. Once all images are in the data set's cache, a batch is just a
 * list of positions in it: the caller makes it, and no other thread wakes. The contents of a batch
 * depend only on (seed, epoch, batch), so that any thread may fill any part of it.
 *
 * Batches are cut from the listed images, and damaged ones are left out of theirs, so that it does
 * not matter when the damage is found. */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include "base/host.h"
#include "base/random.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ahead = 2 }; /* batches that are ready or in progress, besides the one in use */
/* numbers per image in `steps` and `erase` */
enum { steps_of_one = 2 * CLADE_ADJUST_STEPS, erase_of_one = 4 * CLADE_ERASE_RECTANGLES };

typedef struct slot {
    int32_t count, left;    /* images of the batch, and those of them still to be filled in */
    const uint8_t **pixels; /* each image's; NULL: not asked for */
    uint8_t *spare;         /* for those without a place in the cache; NULL: all have one */
    int32_t *index;         /* -1: left out */
    int32_t *label;
    float *weight;
    float *matrix;
    float *steps;   /* NULL, as what follows: the augmentation has none */
    int32_t *erase; /* rectangles */
    clade_chain *chains;
    int32_t *other;      /* labels of the images that these are mixed with */
    clade_status status; /* of the first image in it with an error, */
    int32_t failed;      /* which one that is, */
    char *text;          /* and what the error says, malloc'ed */
} slot;

struct clade_loader {
    clade_loader_options options;
    size_t count, batches; /* images that were listed, and batches of an epoch */
    int32_t hwc[3];
    size_t chains;  /* of an image */
    int32_t *place; /* the current position of a listed image; -1: it was dropped */
    int32_t *order; /* the epoch's permutation of the listed images */
    slot *slots;
    size_t slot_count;
    pthread_t *threads;
    int thread_count;
    bool direct;           /* nothing to decode in this epoch */
    clade_decoder decoder; /* the caller's */

    pthread_mutex_t mutex; /* protects what follows */
    pthread_cond_t work, ready;
    uint64_t epoch;
    size_t taken;    /* the next image, in the epoch's order, for a thread to take */
    size_t released; /* earlier batches have been used: their slots are free */
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

static slot *slot_of(clade_loader *loader, size_t batch)
{
    return &loader->slots[batch % loader->slot_count];
}

/* Assigns the slot to this batch, empty. */
static void assign(clade_loader *loader, size_t batch)
{
    size_t size = (size_t)loader->options.batch;
    if (batch >= loader->batches) return;
    slot *s = slot_of(loader, batch);
    size_t left = loader->count - batch * size;
    s->count = s->left = (int32_t)(left < size ? left : size);
    s->status = CLADE_OK;
}

/* Fills image i of a slot, which is image `place` of the epoch. Runs without the mutex: order,
 * epoch and the slot's count do not change while a thread is busy. */
static clade_status fill(clade_loader *loader, slot *s, int32_t i, size_t place,
                         clade_decoder *decoder)
{
    const clade_loader_options *o = &loader->options;
    int32_t listed = loader->order[place], at = loader->place[listed];
    s->index[i] = at;
    if (at < 0) return CLADE_OK;
    s->label[i] = clade_dataset_has_rows(o->dataset)
                      ? at
                      : clade_dataset_label(o->dataset, o->split, (size_t)at);
    s->weight[i] = clade_dataset_weight(o->dataset, o->split, (size_t)at);
    clade_augment_matrix(&o->augment, loader->hwc[0], loader->hwc[1], o->seed, loader->epoch,
                         (uint64_t)listed, s->matrix + 8 * (size_t)i);
    if (s->steps) {
        const uint64_t position = (uint64_t)listed;
        clade_augment_adjust(&o->augment, o->seed, loader->epoch, position,
                             s->steps + steps_of_one * (size_t)i);
        clade_augment_erase(&o->augment, loader->hwc[0], loader->hwc[1], o->seed, loader->epoch,
                            position, s->erase + erase_of_one * (size_t)i);
    }
    if (s->chains)
        clade_augment_chain(&o->augment, loader->hwc[0], loader->hwc[1], o->seed, loader->epoch,
                            (uint64_t)listed, s->chains + loader->chains * (size_t)i);
    if (!s->pixels) return CLADE_OK;
    uint8_t *spare = s->spare ? s->spare + (size_t)i * clade_dataset_bytes(o->dataset) : NULL;
    clade_status status =
        clade_dataset_take(o->dataset, o->split, (size_t)at, decoder, spare, &s->pixels[i]);
    if (!status || !clade_dataset_is_damaged(o->dataset, o->split, (size_t)at)) return status;
    s->index[i] = -1;
    return clade_dataset_check_damage(o->dataset);
}

static void move_adjustments(slot *s, size_t from, size_t to)
{
    memcpy(s->steps + steps_of_one * to, s->steps + steps_of_one * from,
           steps_of_one * sizeof *s->steps);
    memcpy(s->erase + erase_of_one * to, s->erase + erase_of_one * from,
           erase_of_one * sizeof *s->erase);
}

/* Moves images up over those that are left out. */
static void close_gaps(slot *s, size_t chains)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < s->count; i++) {
        if (s->index[i] < 0) continue;
        if (kept < i) {
            s->index[kept] = s->index[i];
            s->label[kept] = s->label[i];
            s->weight[kept] = s->weight[i];
            if (s->pixels) s->pixels[kept] = s->pixels[i];
            memcpy(s->matrix + 8 * (size_t)kept, s->matrix + 8 * (size_t)i, 8 * sizeof *s->matrix);
            if (s->steps) move_adjustments(s, (size_t)i, (size_t)kept);
            if (s->chains)
                memcpy(s->chains + chains * (size_t)kept, s->chains + chains * (size_t)i,
                       chains * sizeof *s->chains);
        }
        kept++;
    }
    s->count = kept;
}

/* Returns whether there is an image to take, of a batch before `end`. Needs the mutex, as do the
 * next functions. */
static bool has_work(const clade_loader *loader, size_t end)
{
    return loader->running && !loader->restart && !loader->direct &&
           loader->taken < loader->count && loader->taken / (size_t)loader->options.batch < end;
}

static void fill_next(clade_loader *loader, clade_decoder *decoder)
{
    size_t place = loader->taken++, batch = (size_t)loader->options.batch;
    slot *s = slot_of(loader, place / batch);
    int32_t i = (int32_t)(place % batch);
    loader->busy++;
    pthread_mutex_unlock(&loader->mutex);
    clade_status status = fill(loader, s, i, place, decoder);
    pthread_mutex_lock(&loader->mutex);
    loader->busy--;
    if (status && (!s->status || i < s->failed)) {
        s->status = status;
        s->failed = i;
        free(s->text);
        s->text = strdup(clade_error());
    }
    if (--s->left == 0 || loader->restart) pthread_cond_broadcast(&loader->ready);
}

static void *run(void *arg)
{
    clade_loader *loader = arg;
    clade_decoder decoder = {0};
    clade_thread_give_way();
    pthread_mutex_lock(&loader->mutex);
    while (!loader->stop) {
        if (has_work(loader, loader->released + loader->slot_count))
            fill_next(loader, &decoder);
        else
            pthread_cond_wait(&loader->work, &loader->mutex);
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
        s->weight = malloc(n * sizeof *s->weight);
        s->matrix = malloc(n * 8 * sizeof *s->matrix);
        if (!s->index || !s->label || !s->weight || !s->matrix) return false;
        if (clade_augment_adjusts(&o->augment)) {
            s->steps = malloc(n * steps_of_one * sizeof *s->steps);
            s->erase = malloc(n * erase_of_one * sizeof *s->erase);
            if (!s->steps || !s->erase) return false;
        }
        if (loader->chains && !(s->chains = malloc(n * loader->chains * sizeof *s->chains)))
            return false;
        if (clade_augment_mixes(&o->augment) && !(s->other = malloc(n * sizeof *s->other)))
            return false;
        if (!o->pixels) continue;
        s->pixels = malloc(n * sizeof *s->pixels);
        bool fits = clade_dataset_has_room(o->dataset, o->split);
        if (!fits) s->spare = malloc(n * clade_dataset_bytes(o->dataset));
        if (!s->pixels || (!fits && !s->spare)) return false;
    }
    return true;
}

/* Returns whether there is nothing left to decode. */
static bool is_direct(const clade_loader_options *o)
{
    return !o->pixels || clade_dataset_is_cached(o->dataset, o->split);
}

static clade_status check_options(const clade_loader_options *o)
{
    if (!o || !o->dataset) return clade_fail(CLADE_EINVAL, "a loader needs a data set");
    if (o->split < 0 || o->split >= CLADE_SPLITS)
        return clade_fail(CLADE_EINVAL, "no split %d", (int)o->split);
    if (o->batch < 1) return clade_fail(CLADE_EINVAL, "batches of %d images", o->batch);
    if (o->threads < 0 || o->threads > 4096)
        return clade_fail(CLADE_EINVAL, "%d threads: expected 0 (chosen) to 4096", o->threads);
    if (clade_dataset_count(o->dataset, o->split) == 0)
        return clade_fail(CLADE_EINVAL, "the %s split has no images", clade_split_word(o->split));
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
    const clade_images *images = &options->dataset->split[options->split];
    loader->count = images->listed;
    loader->batches = (loader->count - 1) / (size_t)options->batch + 1;
    clade_dataset_shape(options->dataset, loader->hwc);
    loader->chains = (size_t)clade_augment_chains(&options->augment);
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->ready, NULL);
    int threads = is_direct(options) ? 0 : options->threads ? options->threads : clade_processors();
    loader->slot_count = threads > 0 ? ahead + 1 : 1;
    loader->order = malloc(loader->count * sizeof *loader->order);
    loader->place = malloc(loader->count * sizeof *loader->place);
    loader->threads = calloc((size_t)threads + 1, sizeof *loader->threads);
    if (!loader->order || !loader->place || !loader->threads || !make_slots(loader)) {
        status = clade_fail(CLADE_ENOMEM, "out of memory for %zu batches of %d images",
                            loader->slot_count, options->batch);
        goto fail;
    }
    for (size_t i = 0; i < loader->count; i++) loader->place[i] = -1;
    for (size_t i = 0; i < images->count; i++) loader->place[images->items[i].listed] = (int32_t)i;
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
        free(s->spare);
        free(s->index);
        free(s->label);
        free(s->weight);
        free(s->matrix);
        free(s->steps);
        free(s->erase);
        free(s->chains);
        free(s->other);
        free(s->text);
    }
    pthread_cond_destroy(&loader->ready);
    pthread_cond_destroy(&loader->work);
    pthread_mutex_destroy(&loader->mutex);
    clade_decoder_clear(&loader->decoder);
    free(loader->slots);
    free(loader->order);
    free(loader->place);
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
    if (loader->running && loader->epoch == epoch && loader->next == first) {
        pthread_mutex_unlock(&loader->mutex);
        return CLADE_OK;
    }
    loader->restart = true;
    while (loader->busy > 0) pthread_cond_wait(&loader->ready, &loader->mutex);
    loader->epoch = epoch;
    loader->direct = is_direct(&loader->options);
    shuffle(loader);
    loader->taken = first * (size_t)loader->options.batch;
    loader->released = loader->next = first;
    for (size_t i = 0; i < loader->slot_count; i++) assign(loader, first + i);
    loader->restart = false;
    loader->running = true;
    if (!loader->direct) pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    return CLADE_OK;
}

/* Waits for the next batch, and releases the previous one; *out is NULL at the epoch's end. Needs
 * the mutex. */
static void advance(clade_loader *loader, slot **out)
{
    *out = NULL;
    if (loader->released < loader->next) {
        assign(loader, loader->released + loader->slot_count);
        loader->released++;
        if (!loader->direct) pthread_cond_broadcast(&loader->work);
    }
    if (loader->next == loader->batches) return;
    slot *s = *out = slot_of(loader, loader->next);
    size_t first = loader->next++ * (size_t)loader->options.batch;
    for (int32_t i = 0; loader->direct && i < s->count; i++)
        fill(loader, s, i, first + (size_t)i, NULL); /* from the cache: no error */
    while (!loader->direct && s->left > 0) {
        if (has_work(loader, loader->next))
            fill_next(loader, &loader->decoder);
        else
            pthread_cond_wait(&loader->ready, &loader->mutex);
    }
    close_gaps(s, loader->chains);
}

/* Gives the labels of a mixed batch, each image mixed with the one before it: those with the larger
 * share become its labels, with their weights. */
static void mix_labels(const slot *s, clade_mix *mix)
{
    int32_t before = s->label[s->count - 1];
    float weight_before = s->weight[s->count - 1];
    for (int32_t i = 0; i < s->count; i++) {
        const int32_t own = s->label[i];
        const float weight = s->weight[i];
        s->label[i] = mix->share < 0.5f ? before : own;
        s->other[i] = mix->share < 0.5f ? own : before;
        s->weight[i] = mix->share < 0.5f ? weight_before : weight;
        before = own;
        weight_before = weight;
    }
}

clade_status clade_loader_next(clade_loader *loader, clade_batch *out)
{
    *out = (clade_batch){0};
    pthread_mutex_lock(&loader->mutex);
    if (!loader->running) {
        pthread_mutex_unlock(&loader->mutex);
        return clade_fail(CLADE_EINVAL, "clade_loader_start comes before clade_loader_next");
    }
    slot *s;
    do advance(loader, &s);
    while (s && !s->status && s->count == 0); /* all its images are damaged */
    size_t number = loader->next - 1;
    pthread_mutex_unlock(&loader->mutex);
    if (!s) return CLADE_OK;
    if (s->status)
        return clade_fail(s->status, "%s", s->text ? s->text : clade_status_name(s->status));
    *out = (clade_batch){.count = s->count,
                         .number = number,
                         .pixels = s->pixels,
                         .index = s->index,
                         .label = s->label,
                         .weight = s->weight,
                         .matrix = s->matrix,
                         .steps = s->steps,
                         .erase = s->erase,
                         .chains = s->chains,
                         .other = s->other};
    const clade_loader_options *o = &loader->options;
    clade_augment_mix(&o->augment, loader->hwc[0], loader->hwc[1], o->seed, loader->epoch, number,
                      &out->mix);
    if (s->other) mix_labels(s, &out->mix);
    return CLADE_OK;
}
