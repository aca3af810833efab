/* The memory for decoded images. It is assigned in the order of decoding, so that only filled
 * memory is touched: the first batch is needed before everything else. */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include "base/memory.h"

#include <sched.h>
#include <stdlib.h>

typedef struct clade_cache {
    uint8_t *bytes;
    size_t room;        /* number of images that have room */
    atomic_size_t used; /* places assigned; exceeds `room` once an image was refused */
    bool roomy;         /* whether there was room for every image at the start */
} clade_cache;

static clade_status create(size_t count, size_t size, uint64_t limit, clade_cache **out)
{
    uint64_t fit = limit / size;
    size_t room = fit < count ? (size_t)fit : count;
    clade_cache *cache = *out = calloc(1, sizeof *cache);
    if (cache && room > 0) cache->bytes = clade_memory(room * size);
    if (!cache || (room > 0 && !cache->bytes)) {
        clade_cache_destroy(out);
        return clade_fail(CLADE_ENOMEM, "out of memory for a cache of %zu MB",
                          room * size / 1000000);
    }
    cache->room = room;
    cache->roomy = room == count;
    return CLADE_OK;
}

void clade_cache_destroy(clade_cache **cache)
{
    if (*cache) free((*cache)->bytes);
    free(*cache);
    *cache = NULL;
}

clade_status clade_dataset_make_room(clade_dataset *dataset)
{
    uint64_t left = dataset->cache_bytes ? dataset->cache_bytes : clade_memory_free() / 2;
    size_t size = clade_dataset_bytes(dataset);
    clade_status status = CLADE_OK;
    for (int s = 0; s < CLADE_SPLITS && !status; s++) {
        clade_images *in = &dataset->split[s];
        if (!in->cache) status = create(in->count, size, left, &in->cache);
        if (!status) left -= (uint64_t)in->cache->room * size;
    }
    return status;
}

static uint8_t *find_place(clade_cache *cache, size_t size)
{
    size_t at = atomic_fetch_add(&cache->used, 1);
    return at < cache->room ? cache->bytes + at * size : NULL;
}

/* Claims an image for this thread to decode, or returns its state. */
static clade_cached claim(clade_image *image)
{
    for (;;) {
        unsigned char state = CLADE_NOT_CACHED;
        if (atomic_compare_exchange_strong(&image->cached, &state, CLADE_BEING_CACHED))
            return CLADE_BEING_CACHED;
        if (state != CLADE_BEING_CACHED) return (clade_cached)state;
        sched_yield(); /* another thread is decoding it */
    }
}

clade_status clade_dataset_take(const clade_dataset *dataset, clade_split split, size_t i,
                                clade_decoder *decoder, uint8_t *spare, const uint8_t **pixels)
{
    clade_image *image = &dataset->split[split].items[i];
    clade_cache *cache = dataset->split[split].cache;
    clade_cached state = cache ? claim(image) : CLADE_NO_PLACE;
    if (state == CLADE_BEING_CACHED && !image->place)
        image->place = find_place(cache, clade_dataset_bytes(dataset));
    uint8_t *place = image->place ? image->place : spare;
    *pixels = place;
    if (state == CLADE_CACHED) return CLADE_OK;
    clade_status status = clade_dataset_decode(dataset, image, decoder, place);
    if (status == CLADE_EFORMAT && !dataset->strict && !dataset->loaded)
        clade_dataset_mark_damaged(dataset, image);
    if (state == CLADE_NO_PLACE) return status;
    if (!image->place) {
        atomic_store(&image->cached, CLADE_NO_PLACE);
    } else {
        if (!status) clade_entry_release(image->entry);
        atomic_store(&image->cached, status ? CLADE_NOT_CACHED : CLADE_CACHED);
    }
    return status;
}

bool clade_dataset_is_cached(const clade_dataset *dataset, clade_split split)
{
    const clade_images *in = &dataset->split[split];
    for (size_t i = 0; i < in->count; i++)
        if (atomic_load(&in->items[i].cached) != CLADE_CACHED) return false;
    return true;
}

bool clade_dataset_has_room(const clade_dataset *dataset, clade_split split)
{
    const clade_cache *cache = dataset->split[split].cache;
    return cache && cache->roomy;
}
