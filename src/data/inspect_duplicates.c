/* Finding images of a data set that show the same. */
#include "data/inspect.h"

#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static clade_status out_of_memory(size_t n)
{
    return clade_fail(CLADE_ENOMEM, "out of memory to compare %zu images", n);
}

/* An image, and the SHA-256 of its bytes. */
typedef struct keyed {
    const char *sha256;
    size_t at;
} keyed;

static int by_hash(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    int order = strcmp(x->sha256, y->sha256);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static clade_status add_pair(clade_inspection *in, size_t *room, clade_duplicate pair)
{
    if (in->duplicate_count == *room) {
        size_t more = *room ? 2 * *room : 64;
        clade_duplicate *list = realloc(in->duplicates, more * sizeof *list);
        if (!list) return clade_fail(CLADE_ENOMEM, "out of memory for %zu duplicates", more);
        in->duplicates = list;
        *room = more;
    }
    in->duplicates[in->duplicate_count++] = pair;
    return CLADE_OK;
}

/* Pairs each image with the first one of the same bytes; first[i] is that one, or i itself. */
static clade_status find_exact(clade_inspection *in, size_t *first, size_t *room)
{
    keyed *list = malloc((in->count ? in->count : 1) * sizeof *list);
    if (!list) return out_of_memory(in->count);
    size_t n = 0;
    for (size_t i = 0; i < in->count; i++) {
        first[i] = i;
        if (!in->images[i].fault) list[n++] = (keyed){in->images[i].sha256, i};
    }
    if (n) qsort(list, n, sizeof *list, by_hash);
    clade_status status = CLADE_OK;
    for (size_t i = 1; i < n && !status; i++) {
        if (strcmp(list[i].sha256, list[i - 1].sha256)) continue;
        size_t a = first[list[i].at] = first[list[i - 1].at];
        in->exact_groups += a == list[i - 1].at;
        status = add_pair(in, room, (clade_duplicate){a, list[i].at, true, 0, 1});
    }
    in->exact_count = in->duplicate_count;
    free(list);
    return status;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return values[n / 2];
}

/* Returns the similarity that two images of a class do not have by chance, from random pairs: a
 * number of standard deviations above the median, both robust, after Fisher's transformation.
 * Photographs of a class are hardly similar, so 0.75 is far above; handwritten digits or frames of
 * a still camera are, and only the most similar stand out. */
static double beyond_chance(clade_look *looks, const size_t *own, size_t n, size_t class_index)
{
    enum { pairs = 1000, fewest = 30 };
    static const double deviations = 6, normal = 1.4826, largest = 0.9999;
    double z[pairs], off[pairs];
    size_t count = 0;
    clade_edges edges;
    if (n < fewest) return 0;
    for (uint32_t i = 0; i < pairs; i++) {
        uint32_t words[4];
        clade_random_words(0, CLADE_STREAM_INSPECT, class_index, i, words);
        clade_look *a = &looks[own[words[0] % n]], *b = &looks[own[words[1] % n]];
        if (a == b) continue;
        clade_edges_take(b, &edges);
        double similarity = clade_look_similarity(a, &edges);
        z[count++] = atanh(similarity < largest ? similarity : largest);
    }
    double middle = median_of(z, count);
    for (size_t i = 0; i < count; i++) off[i] = fabs(z[i] - middle);
    return tanh(middle + deviations * normal * median_of(off, count));
}

/* Sets the similarity above which images are near duplicates: from the options, or at least 0.75
 * and more than images of their class have by chance. `at`: numbers of the looks' images. */
static clade_status choose_least(clade_inspection *in, const clade_inspect_options *o,
                                 clade_look *looks, const size_t *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        looks[i].least = (float)(o->similarity != 0 ? o->similarity : CLADE_LEAST_SIMILARITY);
    if (o->similarity != 0 || n == 0) return CLADE_OK;
    /* the looks of class c: own[end[c - 1]] … own[end[c] - 1] */
    size_t *own = malloc(n * sizeof *own), *end = calloc(in->classes + 1, sizeof *end);
    in->alike = calloc(in->classes, sizeof *in->alike);
    if (!own || !end || !in->alike) {
        free(own);
        free(end);
        return out_of_memory(n);
    }
    for (size_t i = 0; i < n; i++) end[in->images[at[i]].label + 1]++;
    for (size_t c = 0; c < in->classes; c++) end[c + 1] += end[c];
    for (size_t i = 0; i < n; i++) own[end[in->images[at[i]].label]++] = i;
    for (size_t c = 0, first = 0; c < in->classes; first = end[c++]) {
        in->alike[c] = beyond_chance(looks, own + first, end[c] - first, c);
        for (size_t i = first; i < end[c]; i++)
            if (in->alike[c] > (double)looks[own[i]].least)
                looks[own[i]].least = (float)in->alike[c];
    }
    free(own);
    free(end);
    return CLADE_OK;
}

/* Finds near duplicates among images of different bytes. */
static clade_status find_near(clade_inspection *in, const clade_inspect_options *o,
                              clade_pool *pool, clade_look *looks, const size_t *first,
                              size_t *room)
{
    if (o->hash_distance < 0) return CLADE_OK;
    size_t *at = malloc((in->count ? in->count : 1) * sizeof *at), n = 0;
    if (!at) return out_of_memory(in->count);
    for (size_t i = 0; i < in->count; i++) { /* looks move up: i is never less than n */
        if (in->images[i].fault || in->images[i].single_colour || first[i] != i) continue;
        looks[n] = looks[i];
        at[n++] = i;
    }
    clade_near *pairs = NULL;
    size_t count = 0;
    clade_status status = choose_least(in, o, looks, at, n);
    if (!status)
        status = clade_near_find(pool, looks, n, o->hash_distance ? o->hash_distance : 11, &pairs,
                                 &count, &in->more);
    for (size_t i = 0; i < count && !status; i++)
        status = add_pair(in, room,
                          (clade_duplicate){at[pairs[i].a], at[pairs[i].b], false,
                                            pairs[i].distance, pairs[i].similarity});
    free(pairs);
    free(at);
    return status;
}

static bool is_alike(const clade_inspection *in, size_t image)
{
    return in->alike && in->alike[in->images[image].label] > CLADE_LEAST_SIMILARITY;
}

/* Returns whether two images have different classes, or show different ones. */
static bool differs(const clade_inspection *in, const clade_inspected *a, const clade_inspected *b)
{
    const clade_dataset *d = in->dataset;
    const uint8_t *x = d->split[a->split].items[a->index].set;
    const uint8_t *y = d->split[b->split].items[b->index].set;
    for (size_t c = 0; x && y && c < in->classes; c++)
        if ((x[c / 8] ^ y[c / 8]) >> c % 8 & 1) return true;
    return a->label != b->label;
}

/* Which splits each image has duplicates in, as a set of bits. A near duplicate of one is taken
 * as one of all that have its bytes. Of a class whose images are alike by chance, near ones are
 * listed and not counted: the most alike of a hundred million pairs are no sign of anything. */
static clade_status count_shared(clade_inspection *in, const size_t *first)
{
    typedef struct sets {
        uint8_t same, near; /* of those with these bytes; of near ones */
        size_t in_split[CLADE_SPLITS];
    } sets;
    sets *s = calloc(in->count ? in->count : 1, sizeof *s);
    if (!s) return out_of_memory(in->count);
    for (size_t i = 0; i < in->count; i++) {
        const clade_inspected *p = &in->images[i];
        if (!p->fault) s[first[i]].in_split[p->split]++;
        if (!p->fault) s[first[i]].same |= (uint8_t)(1u << p->split);
    }
    for (size_t i = 0; i < in->duplicate_count; i++) {
        const clade_duplicate *d = &in->duplicates[i];
        const clade_inspected *a = &in->images[d->a], *b = &in->images[d->b];
        const bool listed_only = !d->exact && (is_alike(in, d->a) || is_alike(in, d->b));
        in->contradictions += differs(in, a, b) && !listed_only;
        if (d->exact || listed_only) continue;
        s[d->a].near |= s[d->b].same;
        s[d->b].near |= s[d->a].same;
    }
    for (size_t i = 0; i < in->count; i++) {
        const clade_inspected *p = &in->images[i];
        const sets *own = &s[first[i]];
        if (p->fault) continue;
        for (unsigned t = 0; t < CLADE_SPLITS; t++) {
            size_t others = own->in_split[t] - (t == (unsigned)p->split);
            in->shared[p->split][t] += others > 0 || (own->near >> t & 1);
        }
    }
    free(s);
    return CLADE_OK;
}

/* A pair with what it is sorted by. */
typedef struct ranked_image {
    bool within; /* both are in one split */
    clade_duplicate pair;
} ranked_image;

static int by_rank(const void *a, const void *b)
{
    const ranked_image *x = a, *y = b;
    if (x->within != y->within) return x->within ? 1 : -1;
    if (x->pair.exact != y->pair.exact) return x->pair.exact ? -1 : 1;
    if (x->pair.similarity != y->pair.similarity)
        return x->pair.similarity > y->pair.similarity ? -1 : 1;
    if (x->pair.a != y->pair.a) return x->pair.a < y->pair.a ? -1 : 1;
    return x->pair.b < y->pair.b ? -1 : x->pair.b > y->pair.b;
}

static clade_status sort_pairs(clade_inspection *in)
{
    size_t n = in->duplicate_count;
    if (n == 0) return CLADE_OK;
    ranked_image *list = malloc(n * sizeof *list);
    if (!list) return clade_fail(CLADE_ENOMEM, "out of memory for %zu duplicates", n);
    for (size_t i = 0; i < n; i++) {
        const clade_duplicate *d = &in->duplicates[i];
        list[i] = (ranked_image){in->images[d->a].split == in->images[d->b].split, *d};
    }
    qsort(list, n, sizeof *list, by_rank);
    for (size_t i = 0; i < n; i++) in->duplicates[i] = list[i].pair;
    free(list);
    return CLADE_OK;
}

clade_status clade_inspect_duplicates(clade_inspection *in, const clade_inspect_options *options,
                                      clade_pool *pool, clade_look *looks)
{
    size_t room = 0, *first = malloc((in->count ? in->count : 1) * sizeof *first);
    clade_status status = first ? CLADE_OK : out_of_memory(in->count);
    if (!status) status = find_exact(in, first, &room);
    if (!status) status = find_near(in, options, pool, looks, first, &room);
    if (!status) status = count_shared(in, first);
    if (!status) status = sort_pairs(in);
    free(first);
    return status;
}
