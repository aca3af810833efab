/* Looking at every picture of a data set, and finding those that show the same. */
#define _POSIX_C_SOURCE 200809L
#include "data/inspect.h"

#include "base/sha256.h"
#include "data/likeness.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    const clade_dataset *dataset;
    const clade_inspect_options *options;
    clade_inspection *in;
    clade_header *headers;   /* one for each picture, */
    clade_look *looks;       /* likewise */
    clade_decoder *decoders; /* one for each thread */
    clade_pool *pool;
    atomic_bool stop, short_of_memory;
    pthread_mutex_t mutex; /* of `done` and progress */
    size_t done;
} job;

static clade_status out_of_memory(size_t n)
{
    return clade_fail(CLADE_ENOMEM, "out of memory to inspect %zu pictures", n);
}

/* --- one picture --- */

static void measure(const clade_raster *raster, clade_inspected *p)
{
    size_t channels = (size_t)raster->channels, n = (size_t)raster->height * (size_t)raster->width;
    p->single_colour = true;
    for (size_t k = 0; k < channels; k++) {
        uint64_t sum = 0, squares = 0; /* exact: at most 64e6 · 255² */
        for (size_t i = 0; i < n; i++) {
            uint32_t v = raster->data[i * channels + k];
            sum += v;
            squares += v * v;
        }
        double mean = (double)sum / (double)n;
        double variance = (double)squares / (double)n - mean * mean;
        p->mean[k] = (float)mean;
        p->deviation[k] = (float)sqrt(variance > 0 ? variance : 0);
        if (p->deviation[k] >= 1) p->single_colour = false;
    }
}

/* Keeps why a picture cannot be read, without its name. */
static void keep_fault(job *j, clade_inspected *p)
{
    const char *text = clade_error();
    size_t n = strlen(p->name);
    if (strncmp(text, p->name, n) == 0 && strncmp(text + n, ": ", 2) == 0) text += n + 2;
    p->fault = strdup(text);
    if (!p->fault) atomic_store(&j->short_of_memory, true);
}

static void look_at(void *user, size_t at, int thread)
{
    job *j = user;
    clade_inspected *p = &j->in->pictures[at];
    clade_decoder *decoder = &j->decoders[thread];
    if (atomic_load(&j->stop) || atomic_load(&j->short_of_memory)) return;
    clade_original original;
    clade_status status =
        clade_dataset_original(j->dataset, p->split, p->index, decoder, &original);
    if (!status) {
        const clade_raster *raster = &original.raster;
        clade_sha256 hash;
        clade_sha256_start(&hash);
        clade_sha256_add(&hash, original.bytes, original.size);
        clade_sha256_end(&hash, p->sha256);
        p->bytes = original.size;
        p->height = raster->height;
        p->width = raster->width;
        p->orientation = original.header.orientation;
        j->headers[at] = original.header;
        measure(raster, p);
        status = clade_look_take(decoder, raster, &j->looks[at]);
        p->hash = j->looks[at].hash;
    }
    if (status == CLADE_ENOMEM)
        atomic_store(&j->short_of_memory, true);
    else if (status)
        keep_fault(j, p);
    clade_decoder_trim(decoder);
    pthread_mutex_lock(&j->mutex);
    j->done++;
    if (j->options->progress && !atomic_load(&j->stop) &&
        !j->options->progress(j->options->user, j->done, j->in->count))
        atomic_store(&j->stop, true);
    pthread_mutex_unlock(&j->mutex);
}

/* --- duplicates --- */

/* A picture by its bytes. */
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

/* Pairs each picture with the first of the same bytes; first[i] is that one, or i itself. */
static clade_status find_exact(clade_inspection *in, size_t *first, size_t *room)
{
    keyed *list = malloc((in->count ? in->count : 1) * sizeof *list);
    if (!list) return out_of_memory(in->count);
    size_t n = 0;
    for (size_t i = 0; i < in->count; i++) {
        first[i] = i;
        if (!in->pictures[i].fault) list[n++] = (keyed){in->pictures[i].sha256, i};
    }
    if (n) qsort(list, n, sizeof *list, by_hash);
    clade_status status = CLADE_OK;
    for (size_t i = 1; i < n && !status; i++) {
        if (strcmp(list[i].sha256, list[i - 1].sha256)) continue;
        size_t a = first[list[i].at] = first[list[i - 1].at];
        status = add_pair(in, room, (clade_duplicate){a, list[i].at, true, 0, 1});
    }
    in->exact_count = in->duplicate_count;
    free(list);
    return status;
}

/* Near duplicates among pictures of different bytes. */
static clade_status find_near(job *j, const size_t *first, size_t *room)
{
    clade_inspection *in = j->in;
    const clade_inspect_options *o = j->options;
    if (o->hash_distance < 0) return CLADE_OK;
    size_t *at = malloc((in->count ? in->count : 1) * sizeof *at), n = 0;
    if (!at) return out_of_memory(in->count);
    for (size_t i = 0; i < in->count; i++) { /* the looks move up: i is never before n */
        if (in->pictures[i].fault || in->pictures[i].single_colour || first[i] != i) continue;
        j->looks[n] = j->looks[i];
        at[n++] = i;
    }
    clade_near *pairs;
    size_t count;
    clade_status status =
        clade_near_find(j->pool, j->looks, n, o->hash_distance ? o->hash_distance : 11,
                        o->similarity != 0 ? o->similarity : 0.75, &pairs, &count, &in->more);
    for (size_t i = 0; i < count && !status; i++)
        status = add_pair(in, room,
                          (clade_duplicate){at[pairs[i].a], at[pairs[i].b], false,
                                            pairs[i].distance, pairs[i].similarity});
    free(pairs);
    free(at);
    return status;
}

/* Which splits each picture has duplicates in, as a set of bits. A near duplicate of one is taken
 * as one of all that have its bytes. */
static clade_status count_shared(clade_inspection *in, const size_t *first)
{
    typedef struct sets {
        uint8_t same, near; /* of those with these bytes; of near ones */
        size_t in_split[CLADE_SPLITS];
    } sets;
    sets *s = calloc(in->count ? in->count : 1, sizeof *s);
    if (!s) return out_of_memory(in->count);
    for (size_t i = 0; i < in->count; i++) {
        const clade_inspected *p = &in->pictures[i];
        if (!p->fault) s[first[i]].in_split[p->split]++;
        if (!p->fault) s[first[i]].same |= (uint8_t)(1u << p->split);
    }
    for (size_t i = 0; i < in->duplicate_count; i++) {
        const clade_duplicate *d = &in->duplicates[i];
        const clade_inspected *a = &in->pictures[d->a], *b = &in->pictures[d->b];
        in->contradictions += a->label != b->label;
        if (d->exact) continue;
        s[d->a].near |= s[d->b].same;
        s[d->b].near |= s[d->a].same;
    }
    for (size_t i = 0; i < in->count; i++) {
        const clade_inspected *p = &in->pictures[i];
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
typedef struct ranked {
    bool within; /* both are in one split */
    clade_duplicate pair;
} ranked;

static int by_rank(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
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
    ranked *list = malloc(n * sizeof *list);
    if (!list) return clade_fail(CLADE_ENOMEM, "out of memory for %zu duplicates", n);
    for (size_t i = 0; i < n; i++) {
        const clade_duplicate *d = &in->duplicates[i];
        list[i] = (ranked){in->pictures[d->a].split == in->pictures[d->b].split, *d};
    }
    qsort(list, n, sizeof *list, by_rank);
    for (size_t i = 0; i < n; i++) in->duplicates[i] = list[i].pair;
    free(list);
    return CLADE_OK;
}

static clade_status find_duplicates(job *j)
{
    size_t room = 0, *first = malloc((j->in->count ? j->in->count : 1) * sizeof *first);
    clade_status status = first ? CLADE_OK : out_of_memory(j->in->count);
    if (!status) status = find_exact(j->in, first, &room);
    if (!status) status = find_near(j, first, &room);
    if (!status) status = count_shared(j->in, first);
    if (!status) status = sort_pairs(j->in);
    free(first);
    return status;
}

/* --- all of it --- */

static void list_pictures(const clade_dataset *dataset, clade_inspection *in)
{
    size_t at = 0;
    for (int s = 0; s < CLADE_SPLITS; s++)
        for (size_t i = 0; i < clade_dataset_count(dataset, (clade_split)s); i++)
            in->pictures[at++] =
                (clade_inspected){.split = (clade_split)s,
                                  .index = i,
                                  .label = clade_dataset_label(dataset, (clade_split)s, i),
                                  .name = clade_dataset_name(dataset, (clade_split)s, i),
                                  .format = -1};
}

static clade_status run(job *j)
{
    clade_inspection *in = j->in;
    size_t room = in->count ? in->count : 1, threads = (size_t)clade_pool_threads(j->pool);
    in->pictures = calloc(room, sizeof *in->pictures);
    j->headers = calloc(room, sizeof *j->headers);
    j->looks = calloc(room, sizeof *j->looks);
    j->decoders = calloc(threads, sizeof *j->decoders);
    if (!in->pictures || !j->headers || !j->looks || !j->decoders) return out_of_memory(in->count);
    list_pictures(j->dataset, in);
    clade_pool_for(j->pool, in->count, look_at, j);
    for (size_t i = 0; i < threads; i++) clade_decoder_clear(&j->decoders[i]);
    if (atomic_load(&j->short_of_memory)) return out_of_memory(in->count);
    if (atomic_load(&j->stop))
        return clade_fail(CLADE_ECANCELLED, "inspection of %s was stopped",
                          j->dataset->sources[0]->path);
    clade_status status = clade_inspect_summarize(in, j->headers);
    if (!status) status = find_duplicates(j);
    return status ? status : clade_inspect_judge(in);
}

clade_status clade_inspect(const clade_dataset *dataset, const clade_inspect_options *options,
                           clade_inspection **out)
{
    static const clade_inspect_options defaults;
    if (!options) options = &defaults;
    if (!dataset || !out) return clade_fail(CLADE_EINVAL, "no data set to inspect");
    *out = NULL;
    if (options->hash_distance > clade_near_most_distance)
        return clade_fail(CLADE_EINVAL, "a distance of %d bits: expected at most %d",
                          options->hash_distance, clade_near_most_distance);
    if (!(options->similarity >= 0 && options->similarity <= 1))
        return clade_fail(CLADE_EINVAL, "a likeness of %g: expected 0 to 1", options->similarity);
    job j = {.dataset = dataset, .options = options};
    clade_status status = clade_pool_create(options->threads, &j.pool);
    if (status) return status;
    atomic_init(&j.stop, false);
    atomic_init(&j.short_of_memory, false);
    pthread_mutex_init(&j.mutex, NULL);
    j.in = calloc(1, sizeof *j.in);
    if (j.in) {
        j.in->dataset = dataset;
        for (int s = 0; s < CLADE_SPLITS; s++)
            j.in->count += clade_dataset_count(dataset, (clade_split)s);
        status = run(&j);
    } else {
        status = out_of_memory(0);
    }
    free(j.headers);
    free(j.looks);
    free(j.decoders);
    pthread_mutex_destroy(&j.mutex);
    clade_pool_destroy(&j.pool);
    if (status)
        clade_inspection_destroy(&j.in);
    else
        *out = j.in;
    return status;
}

static void free_counts(clade_inspect_count *list, size_t n)
{
    for (size_t i = 0; i < n; i++) free(list[i].name);
    free(list);
}

void clade_inspection_destroy(clade_inspection **handle)
{
    clade_inspection *in = *handle;
    if (!in) return;
    for (size_t i = 0; i < in->count && in->pictures; i++) free(in->pictures[i].fault);
    for (size_t i = 0; i < in->finding_count; i++) free(in->findings[i].text);
    free_counts(in->formats, in->format_count);
    free_counts(in->sizes, in->size_count);
    free(in->pictures);
    free(in->duplicates);
    free(in->readable);
    free(in->findings);
    free(in);
    *handle = NULL;
}

clade_status clade_inspection_thumbnail(const clade_inspection *in, size_t picture, int32_t side,
                                        uint8_t *hwc, int32_t *height, int32_t *width)
{
    if (!in || picture >= in->count || side < 1 || side > 4096 || !hwc || !height || !width)
        return clade_fail(CLADE_EINVAL, "no picture %zu, or no place for it", picture);
    const clade_inspected *p = &in->pictures[picture];
    clade_decoder decoder = {0};
    clade_original original;
    float *cells = NULL;
    clade_status status =
        clade_context(clade_dataset_original(in->dataset, p->split, p->index, &decoder, &original),
                      "%s", p->name);
    if (!status) {
        const clade_raster *raster = &original.raster;
        int32_t h = raster->height, w = raster->width, longer = h > w ? h : w;
        if (longer > side) {
            h = (int32_t)(((int64_t)h * side + longer / 2) / longer);
            w = (int32_t)(((int64_t)w * side + longer / 2) / longer);
        }
        *height = h > 0 ? h : 1;
        *width = w > 0 ? w : 1;
        size_t cell_count = (size_t)*height * (size_t)*width, n = (size_t)raster->channels;
        cells = malloc(cell_count * n * sizeof *cells);
        status = cells ? clade_raster_average(&decoder, raster, *height, *width, cells)
                       : clade_fail(CLADE_ENOMEM, "%s: out of memory", p->name);
        for (size_t i = 0; i < cell_count && !status; i++)
            for (size_t k = 0; k < 3; k++)
                hwc[3 * i + k] = (uint8_t)(cells[i * n + (n == 1 ? 0 : k)] + 0.5f);
    }
    free(cells);
    clade_decoder_clear(&decoder);
    return status;
}
