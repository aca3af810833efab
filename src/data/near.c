/* Finding near duplicates by multi-index hashing. A hash is divided into four parts of 16 bits. If
 * two hashes differ in at most d bits, at least one of the parts differs in at most d/4, so that it
 * suffices to search, for each part, the hashes with a similar part. */
#include "data/perceptual_hash.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { parts = 4, part_bits = 16, values = 1 << part_bits, together = 64 };

/* For each part: the looks in the order of its value, and their hashes; those of value v lie at
 * start[v]…start[v+1]. */
typedef struct index_of {
    uint32_t *start[parts], *items[parts];
    uint64_t *hashes[parts];
} index_of;

/* The pairs found for a run of looks. */
typedef struct list {
    clade_near *items;
    size_t count, room;
} list;

typedef struct search {
    const clade_look *looks;
    size_t n;
    int32_t distance, radius;
    index_of index;
    uint16_t *masks; /* of at most `radius` bits */
    size_t mask_count;
    list *lists; /* one for each `together` looks */
    atomic_bool more, short_of_memory;
} search;

static unsigned part_of(uint64_t hash, int part)
{
    return (unsigned)(hash >> (part_bits * part)) & (values - 1);
}

static int32_t bits_of(unsigned value) { return clade_hash_distance(value, 0); }

static clade_status make_index(search *s)
{
    for (int p = 0; p < parts; p++) {
        uint32_t *start = s->index.start[p] = calloc(values + 1, sizeof *start);
        uint32_t *items = s->index.items[p] = malloc((s->n ? s->n : 1) * sizeof *items);
        uint64_t *hashes = s->index.hashes[p] = malloc((s->n ? s->n : 1) * sizeof *hashes);
        if (!start || !items || !hashes)
            return clade_fail(CLADE_ENOMEM, "out of memory to compare %zu images", s->n);
        for (size_t i = 0; i < s->n; i++) start[part_of(s->looks[i].hash, p) + 1]++;
        for (int v = 0; v < values; v++) start[v + 1] += start[v];
        for (size_t i = 0; i < s->n; i++) { /* moves start[v] to the next place of v */
            uint32_t place = start[part_of(s->looks[i].hash, p)]++;
            items[place] = (uint32_t)i;
            hashes[place] = s->looks[i].hash;
        }
        memmove(start + 1, start, (size_t)values * sizeof *start);
        start[0] = 0;
    }
    return CLADE_OK;
}

/* All values with at most `radius` bits, those with fewer first. */
static clade_status make_masks(search *s)
{
    s->masks = malloc(values * sizeof *s->masks);
    if (!s->masks) return clade_fail(CLADE_ENOMEM, "out of memory to compare images");
    for (int32_t bits = 0; bits <= s->radius; bits++)
        for (unsigned v = 0; v < values; v++)
            if (bits_of(v) == bits) s->masks[s->mask_count++] = (uint16_t)v;
    return CLADE_OK;
}

/* Returns whether an earlier part led to this pair already. */
static bool was_seen(const search *s, uint64_t difference, int part)
{
    for (int p = 0; p < part; p++)
        if (bits_of(part_of(difference, p)) <= s->radius) return true;
    return false;
}

static bool keep(search *s, list *l, clade_near pair)
{
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 16;
        clade_near *items = realloc(l->items, room * sizeof *items);
        if (!items) {
            atomic_store(&s->short_of_memory, true);
            return false;
        }
        l->items = items;
        l->room = room;
    }
    l->items[l->count++] = pair;
    return true;
}

/* Finds the looks before b that are similar to it. */
static void find_for(search *s, size_t b, list *l)
{
    const clade_look *look = &s->looks[b];
    size_t before = l->count;
    clade_edges edges;
    clade_edges_take(&s->looks[b], &edges);
    for (int p = 0; p < parts; p++) {
        unsigned own = part_of(look->hash, p);
        for (size_t m = 0; m < s->mask_count; m++) {
            unsigned value = own ^ s->masks[m];
            const uint32_t *item = s->index.items[p] + s->index.start[p][value];
            const uint32_t *end = s->index.items[p] + s->index.start[p][value + 1];
            const uint64_t *hash = s->index.hashes[p] + s->index.start[p][value];
            for (; item < end && *item < b; item++, hash++) {
                uint64_t difference = look->hash ^ *hash;
                int32_t distance = clade_hash_distance(difference, 0);
                if (distance > s->distance || was_seen(s, difference, p)) continue;
                double similarity = clade_look_similarity(&s->looks[*item], &edges);
                if (similarity < (double)look->least || similarity < (double)s->looks[*item].least)
                    continue;
                if (l->count - before == clade_near_listed) {
                    atomic_store(&s->more, true);
                    return;
                }
                if (!keep(s, l, (clade_near){*item, b, distance, similarity})) return;
            }
        }
    }
}

static void find_some(void *user, size_t i, int thread)
{
    search *s = user;
    (void)thread;
    size_t last = (i + 1) * together < s->n ? (i + 1) * together : s->n;
    for (size_t b = i * together; b < last; b++) find_for(s, b, &s->lists[i]);
}

/* Joins the lists in order. */
static clade_status join(const search *s, size_t lists, clade_near **out, size_t *count)
{
    size_t total = 0;
    for (size_t i = 0; i < lists; i++) total += s->lists[i].count;
    *out = malloc((total ? total : 1) * sizeof **out);
    if (!*out || atomic_load(&s->short_of_memory))
        return clade_fail(CLADE_ENOMEM, "out of memory for %zu pairs of images", total);
    for (size_t i = 0; i < lists; i++) {
        if (s->lists[i].count)
            memcpy(*out + *count, s->lists[i].items, s->lists[i].count * sizeof **out);
        *count += s->lists[i].count;
    }
    return CLADE_OK;
}

clade_status clade_near_find(clade_pool *pool, const clade_look *looks, size_t n, int32_t distance,
                             clade_near **out, size_t *count, bool *more)
{
    *out = NULL;
    *count = 0;
    if (n > UINT32_MAX) return clade_fail(CLADE_EUNSUPPORTED, "%zu images to compare", n);
    search s = {.looks = looks, .n = n, .distance = distance, .radius = distance / parts};
    atomic_init(&s.more, false);
    atomic_init(&s.short_of_memory, false);
    size_t lists = (n + together - 1) / together;
    s.lists = calloc(lists ? lists : 1, sizeof *s.lists);
    clade_status status =
        s.lists ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory to compare %zu images", n);
    if (!status) status = make_index(&s);
    if (!status) status = make_masks(&s);
    if (!status) {
        clade_pool_for(pool, lists, find_some, &s);
        status = join(&s, lists, out, count);
    }
    if (status) {
        free(*out);
        *out = NULL;
    }
    *more = atomic_load(&s.more);
    for (size_t i = 0; i < lists && s.lists; i++) free(s.lists[i].items);
    for (int p = 0; p < parts; p++) {
        free(s.index.start[p]);
        free(s.index.items[p]);
        free(s.index.hashes[p]);
    }
    free(s.lists);
    free(s.masks);
    return status;
}
