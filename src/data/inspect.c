/* Inspecting every image of a data set. */
#define _POSIX_C_SOURCE 200809L
#include "data/inspect.h"

#include "base/sha256.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct inspect_job {
    const clade_dataset *dataset;
    const clade_inspect_options *options;
    clade_inspection *in;
    clade_header *headers;   /* one for each image, */
    clade_look *looks;       /* likewise */
    clade_decoder *decoders; /* one for each thread */
    clade_pool *pool;
    atomic_bool stop, short_of_memory;
    pthread_mutex_t mutex; /* protects `done` and progress */
    size_t done;
} inspect_job;

static clade_status out_of_memory(size_t n)
{
    return clade_fail(CLADE_ENOMEM, "out of memory to inspect %zu images", n);
}

/* --- one image --- */

/* Computes the statistics of an image's pixels. */
typedef struct gatherer {
    clade_sink sink;
    clade_average average;
    float cells[clade_look_cells * clade_look_cells * 3];
    clade_layout layout;
    uint64_t sum[3], squares[3]; /* exact: at most 64e6 · 255² */
} gatherer;

static clade_status gather_begin(clade_sink *sink, const clade_layout *layout)
{
    gatherer *g = (gatherer *)sink;
    g->layout = *layout;
    return g->average.sink.begin(&g->average.sink, layout);
}

static void gather_row(clade_sink *sink, int32_t y, const uint8_t *row)
{
    gatherer *g = (gatherer *)sink;
    const size_t channels = (size_t)g->layout.channels, width = (size_t)g->layout.width;
    for (size_t k = 0; k < channels; k++) {
        uint64_t sum = 0, squares = 0;
        for (size_t i = 0; i < width; i++) {
            uint32_t v = row[i * channels + k];
            sum += v;
            squares += v * v;
        }
        g->sum[k] += sum;
        g->squares[k] += squares;
    }
    g->average.sink.row(&g->average.sink, y, row);
}

static void gather_init(gatherer *g, clade_decoder *decoder)
{
    *g = (gatherer){.sink = {gather_begin, gather_row}};
    clade_average_init(&g->average, decoder, clade_look_cells, clade_look_cells, g->cells);
}

static void measure(const gatherer *g, clade_inspected *p)
{
    double n = (double)g->layout.height * g->layout.width;
    p->single_colour = true;
    for (int32_t k = 0; k < g->layout.channels; k++) {
        double mean = (double)g->sum[k] / n;
        double variance = (double)g->squares[k] / n - mean * mean;
        p->mean[k] = (float)mean;
        p->deviation[k] = (float)sqrt(variance > 0 ? variance : 0);
        if (p->deviation[k] >= 1) p->single_colour = false;
    }
}

/* Stores why an image cannot be used, without its name. */
static void keep_fault(inspect_job *j, clade_inspected *p, clade_status status)
{
    p->damaged = status == CLADE_EFORMAT;
    const char *text = clade_error();
    size_t n = strlen(p->name);
    if (strncmp(text, p->name, n) == 0 && strncmp(text + n, ": ", 2) == 0) text += n + 2;
    p->fault = strdup(text);
    if (!p->fault) atomic_store(&j->short_of_memory, true);
}

static clade_status digest(clade_input *input, char text[65])
{
    clade_sha256 hash;
    clade_sha256_start(&hash);
    const uint8_t *bytes;
    size_t got = 0;
    for (size_t at = 0; at < input->size; at += got) {
        clade_status status = clade_input_look(input, at, clade_window_bytes, &bytes, &got);
        if (status) return status;
        clade_sha256_add(&hash, bytes, got);
    }
    clade_sha256_end(&hash, text);
    return CLADE_OK;
}

static void look_at(void *user, size_t at, int thread)
{
    inspect_job *j = user;
    clade_inspected *p = &j->in->images[at];
    clade_decoder *decoder = &j->decoders[thread];
    if (atomic_load(&j->stop) || atomic_load(&j->short_of_memory)) return;
    clade_original original;
    gatherer g;
    gather_init(&g, decoder);
    clade_status status =
        clade_dataset_original(j->dataset, p->split, p->index, decoder, &g.sink, &original);
    if (!status) {
        const clade_header *header = &original.header;
        bool swap = clade_turn_of(header->orientation).swap;
        p->bytes = original.input.size;
        p->height = swap ? header->width : header->height;
        p->width = swap ? header->height : header->width;
        p->orientation = header->orientation;
        j->headers[at] = *header;
        measure(&g, p);
        clade_look_take(g.cells, g.layout.channels, &j->looks[at]);
        p->hash = j->looks[at].hash;
        status = digest(&original.input, p->sha256);
    }
    if (status == CLADE_ENOMEM)
        atomic_store(&j->short_of_memory, true);
    else if (status)
        keep_fault(j, p, status);
    clade_decoder_trim(decoder);
    pthread_mutex_lock(&j->mutex);
    j->done++;
    if (j->options->progress && !atomic_load(&j->stop) &&
        !j->options->progress(j->options->user, j->done, j->in->count))
        atomic_store(&j->stop, true);
    pthread_mutex_unlock(&j->mutex);
}

/* --- all of them --- */

/* Returns the class of an image, or the first of those that it shows; 0: none. */
static int32_t class_of(const clade_dataset *dataset, clade_split split, size_t i)
{
    const clade_image *image = &dataset->split[split].items[i];
    for (size_t c = 0; image->set && c < dataset->classes; c++)
        if (image->set[c / 8] >> c % 8 & 1) return (int32_t)c;
    return image->label;
}

static void list_images(const clade_dataset *dataset, clade_inspection *in)
{
    size_t at = 0;
    for (int s = 0; s < CLADE_SPLITS; s++)
        for (size_t i = 0; i < clade_dataset_count(dataset, (clade_split)s); i++)
            in->images[at++] =
                (clade_inspected){.split = (clade_split)s,
                                  .index = i,
                                  .label = class_of(dataset, (clade_split)s, i),
                                  .name = clade_dataset_name(dataset, (clade_split)s, i),
                                  .format = -1};
}

static clade_status run(inspect_job *j)
{
    clade_inspection *in = j->in;
    size_t room = in->count ? in->count : 1, threads = (size_t)clade_pool_threads(j->pool);
    in->images = calloc(room, sizeof *in->images);
    j->headers = calloc(room, sizeof *j->headers);
    j->looks = calloc(room, sizeof *j->looks);
    j->decoders = calloc(threads, sizeof *j->decoders);
    if (!in->images || !j->headers || !j->looks || !j->decoders) return out_of_memory(in->count);
    list_images(j->dataset, in);
    clade_pool_for(j->pool, in->count, look_at, j);
    for (size_t i = 0; i < threads; i++) clade_decoder_clear(&j->decoders[i]);
    if (atomic_load(&j->short_of_memory)) return out_of_memory(in->count);
    if (atomic_load(&j->stop))
        return clade_fail(CLADE_ECANCELLED, "inspection of %s was stopped",
                          j->dataset->sources[0]->path);
    clade_status status = clade_inspect_summarize(in, j->headers);
    if (!status) status = clade_inspect_duplicates(in, j->options, j->pool, j->looks);
    return status ? status : clade_inspect_judge(in);
}

clade_status clade_inspect(const clade_dataset *dataset, const clade_inspect_options *options,
                           clade_inspection **out)
{
    static const clade_inspect_options defaults;
    if (!options) options = &defaults;
    if (!dataset || !out) return clade_fail(CLADE_EINVAL, "no data set to inspect");
    *out = NULL;
    if (dataset->task == CLADE_TASK_REGRESSION)
        return clade_fail(CLADE_EUNSUPPORTED, "a data set of numbers (task: regression) cannot be "
                                              "inspected; expected classes");
    if (dataset->loaded)
        return clade_fail(CLADE_EINVAL, "a data set is inspected before it is loaded");
    if (options->hash_distance > clade_near_most_distance)
        return clade_fail(CLADE_EINVAL, "a distance of %d bits: expected at most %d",
                          options->hash_distance, clade_near_most_distance);
    if (!(options->similarity >= 0 && options->similarity <= 1))
        return clade_fail(CLADE_EINVAL, "a similarity of %g: expected 0 to 1", options->similarity);
    inspect_job j = {.dataset = dataset, .options = options};
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
    for (size_t i = 0; i < in->count && in->images; i++) free(in->images[i].fault);
    for (size_t i = 0; i < in->finding_count; i++) free(in->findings[i].text);
    free_counts(in->formats, in->format_count);
    free_counts(in->sizes, in->size_count);
    free(in->images);
    free(in->duplicates);
    free(in->alike);
    free(in->readable);
    free(in->findings);
    free(in);
    *handle = NULL;
}

clade_status clade_inspection_thumbnail(const clade_inspection *in, size_t image, int32_t side,
                                        uint8_t *hwc, int32_t *height, int32_t *width)
{
    if (!in || image >= in->count || side < 1 || side > 4096 || !hwc || !height || !width)
        return clade_fail(CLADE_EINVAL, "no image %zu, or no place for it", image);
    const clade_inspected *p = &in->images[image];
    if (p->fault) return clade_fail(CLADE_EFORMAT, "%s: %s", p->name, p->fault);
    int32_t h = p->height, w = p->width, longer = h > w ? h : w;
    if (longer > side) {
        h = (int32_t)(((int64_t)h * side + longer / 2) / longer);
        w = (int32_t)(((int64_t)w * side + longer / 2) / longer);
    }
    *height = h > 0 ? h : 1;
    *width = w > 0 ? w : 1;
    size_t cell_count = (size_t)*height * (size_t)*width;
    float *cells = malloc(cell_count * 3 * sizeof *cells);
    if (!cells) return clade_fail(CLADE_ENOMEM, "%s: out of memory", p->name);
    clade_decoder decoder = {0};
    clade_original original;
    clade_average average;
    clade_average_init(&average, &decoder, *height, *width, cells);
    clade_status status =
        clade_dataset_original(in->dataset, p->split, p->index, &decoder, &average.sink, &original);
    size_t n = (size_t)average.layout.channels;
    for (size_t i = 0; i < cell_count && !status; i++)
        for (size_t k = 0; k < 3; k++)
            hwc[3 * i + k] = (uint8_t)(cells[i * n + (n == 1 ? 0 : k)] + 0.5f);
    free(cells);
    clade_decoder_clear(&decoder);
    return clade_context(status, "%s", p->name);
}
