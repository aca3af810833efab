/* A data set: its images' properties and pixels. */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include "base/hash.h"
#include "data/binary.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *clade_split_word(clade_split split)
{
    static const char *const words[CLADE_SPLITS] = {"training", "validation", "test"};
    return words[split];
}

size_t clade_dataset_bytes(const clade_dataset *dataset)
{
    const clade_target *t = &dataset->target;
    return (size_t)t->height * (size_t)t->width * (size_t)t->channels;
}

static clade_status out_of_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for a list of images");
}

clade_status clade_dataset_add(clade_dataset *dataset, clade_split split, const clade_image *image)
{
    clade_images *in = &dataset->split[split];
    if (in->count >= INT32_MAX)
        return clade_fail(CLADE_EUNSUPPORTED, "more than %d images in a split", INT32_MAX);
    if (in->count == in->room) {
        size_t room = in->room ? 2 * in->room : 256;
        clade_image *items = realloc(in->items, room * sizeof *items);
        if (!items) return out_of_memory();
        in->items = items;
        in->room = room;
    }
    in->items[in->count++] = *image;
    return CLADE_OK;
}

clade_status clade_dataset_add_class(clade_dataset *dataset, const char *name, size_t length)
{
    char **names = realloc(dataset->names, (dataset->classes + 1) * sizeof *names);
    if (!names) return out_of_memory();
    dataset->names = names;
    names[dataset->classes] = strndup(name, length);
    if (!names[dataset->classes]) return out_of_memory();
    dataset->classes++;
    return CLADE_OK;
}

clade_status clade_dataset_skip(clade_dataset *dataset, const char *name, const char *reason)
{
    if (dataset->skipped_count == dataset->skipped_room) {
        size_t room = dataset->skipped_room ? 2 * dataset->skipped_room : 16;
        clade_skip *skipped = realloc(dataset->skipped, room * sizeof *skipped);
        if (!skipped) return out_of_memory();
        dataset->skipped = skipped;
        dataset->skipped_room = room;
    }
    clade_skip *skip = &dataset->skipped[dataset->skipped_count++];
    *skip = (clade_skip){strdup(name), strdup(reason)};
    return skip->name && skip->reason ? CLADE_OK : out_of_memory();
}

clade_status clade_dataset_keep(clade_dataset *dataset, char *text)
{
    char **blocks = realloc(dataset->blocks, (dataset->block_count + 1) * sizeof *blocks);
    if (!blocks) {
        free(text);
        return out_of_memory();
    }
    dataset->blocks = blocks;
    blocks[dataset->block_count++] = text;
    return CLADE_OK;
}

/* Returns "; dogs/0.jpg: not an image (and 3 more)": what was skipped in the folder of a class, if
 * anything. */
static const char *why_empty(const clade_dataset *dataset, size_t class_index, char text[512])
{
    const clade_skip *first = NULL;
    size_t more = 0, n = strlen(dataset->names[class_index]);
    for (size_t i = 0; i < dataset->skipped_count; i++) {
        const char *at = strstr(dataset->skipped[i].name, dataset->names[class_index]);
        if (!at || at[n] != '/' || (at > dataset->skipped[i].name && at[-1] != '/')) continue;
        if (first)
            more++;
        else
            first = &dataset->skipped[i];
    }
    text[0] = 0;
    if (!first) return text;
    int used = snprintf(text, 512, "; %.200s: %.200s", first->name, first->reason);
    if (more) snprintf(text + used, 512 - (size_t)used, " (and %zu more)", more);
    return text;
}

/* Returns whether an image with a set of classes shows class c. */
static bool shows(const clade_image *image, size_t c) { return image->set[c / 8] >> c % 8 & 1; }

clade_status clade_dataset_count_classes(clade_dataset *dataset)
{
    char why[512];
    const char *path = dataset->sources[0]->path;
    const bool numbers = dataset->task == CLADE_TASK_REGRESSION;
    if (dataset->classes < 2 && !numbers)
        return clade_fail(CLADE_EINVAL, "%s: %zu classes: a classifier needs two", path,
                          dataset->classes);
    for (int s = 0; s < CLADE_SPLITS; s++) {
        clade_images *in = &dataset->split[s];
        free(in->of_class);
        in->of_class = calloc(dataset->classes, sizeof *in->of_class);
        if (!in->of_class) return out_of_memory();
        const bool several = dataset->task == CLADE_TASK_MULTI_LABEL;
        for (size_t i = 0; i < in->count && !numbers; i++) {
            if (!several) in->of_class[in->items[i].label]++;
            for (size_t c = 0; c < dataset->classes && several; c++)
                in->of_class[c] += shows(&in->items[i], c);
        }
        const bool all = !numbers && !dataset->lenient && !dataset->known && s != CLADE_TEST &&
                         !(several && s == CLADE_VALIDATION) && (in->count > 0 || in->listed > 0);
        for (size_t c = 0; c < dataset->classes && all; c++)
            if (in->of_class[c] == 0)
                return clade_fail(CLADE_EINVAL, "%s: class '%s' has no images in the %s split%s",
                                  dataset->sources[s] ? dataset->sources[s]->path : path,
                                  dataset->names[c], clade_split_word((clade_split)s),
                                  why_empty(dataset, c, why));
    }
    return CLADE_OK;
}

size_t clade_dataset_classes(const clade_dataset *dataset) { return dataset->classes; }

const char *clade_dataset_class_name(const clade_dataset *dataset, size_t class_index)
{
    return class_index < dataset->classes ? dataset->names[class_index] : NULL;
}

size_t clade_dataset_count(const clade_dataset *dataset, clade_split split)
{
    assert(split >= 0 && split < CLADE_SPLITS);
    return dataset->split[split].count;
}

size_t clade_dataset_class_count(const clade_dataset *dataset, clade_split split,
                                 size_t class_index)
{
    assert(split >= 0 && split < CLADE_SPLITS);
    return class_index < dataset->classes ? dataset->split[split].of_class[class_index] : 0;
}

void clade_dataset_shape(const clade_dataset *dataset, int32_t hwc[3])
{
    hwc[0] = dataset->target.height;
    hwc[1] = dataset->target.width;
    hwc[2] = dataset->target.channels;
}

clade_task clade_dataset_task(const clade_dataset *dataset) { return dataset->task; }

const char *const *clade_task_words(void)
{
    static const char *const words[] = {"classification", "multi_label", "regression", "ordinal",
                                        NULL};
    return words;
}

void clade_dataset_label_row(const clade_dataset *dataset, clade_split split, size_t i,
                             uint8_t *row)
{
    assert(i < clade_dataset_count(dataset, split));
    const clade_image *image = &dataset->split[split].items[i];
    for (size_t c = 0; c < dataset->classes; c++)
        row[c] = image->set ? shows(image, c) : image->label == (int32_t)c;
}

void clade_dataset_target_row(const clade_dataset *dataset, clade_split split, size_t i, float *row)
{
    assert(i < clade_dataset_count(dataset, split));
    const clade_image *image = &dataset->split[split].items[i];
    for (size_t c = 0; c < dataset->classes; c++)
        row[c] = image->target ? image->target[c]
                 : image->set  ? shows(image, c)
                               : image->label == (int32_t)c;
}

float clade_dataset_weight(const clade_dataset *dataset, clade_split split, size_t i)
{
    assert(i < clade_dataset_count(dataset, split));
    return dataset->weighted ? dataset->split[split].items[i].weight : 1;
}

int32_t clade_dataset_label(const clade_dataset *dataset, clade_split split, size_t i)
{
    assert(i < clade_dataset_count(dataset, split));
    return dataset->split[split].items[i].label;
}

const char *clade_dataset_name(const clade_dataset *dataset, clade_split split, size_t i)
{
    assert(i < clade_dataset_count(dataset, split));
    return dataset->split[split].items[i].name;
}

size_t clade_dataset_skipped(const clade_dataset *dataset) { return dataset->skipped_count; }

const char *clade_dataset_skipped_name(const clade_dataset *dataset, size_t i)
{
    return i < dataset->skipped_count ? dataset->skipped[i].name : NULL;
}

const char *clade_dataset_skipped_reason(const clade_dataset *dataset, size_t i)
{
    return i < dataset->skipped_count ? dataset->skipped[i].reason : NULL;
}

/* Gives an image's stored bytes: in the decoder's memory or the source's, or for a large file a
 * window on it. */
static clade_status read_stored(const clade_dataset *dataset, const clade_image *image,
                                clade_decoder *decoder, clade_input *out)
{
    const clade_raw *raw = &dataset->raw;
    size_t record = (size_t)raw->height * (size_t)raw->width * (size_t)raw->channels;
    if (record == 0)
        return clade_source_read_input(image->source, image->entry, &decoder->file, out);
    const uint8_t *bytes;
    size_t got;
    clade_status status = clade_source_read(image->source, image->entry, image->offset, record,
                                            &decoder->file, &bytes, &got);
    if (status) return status;
    *out = clade_input_of(bytes, got);
    return got == record ? CLADE_OK
                         : clade_fail(CLADE_EIO, "%s: its file became shorter", image->name);
}

/* Gives the rows of a record of a binary set, with the target's channels. */
static clade_status read_record(const clade_dataset *dataset, clade_decoder *decoder,
                                const uint8_t *record, clade_sink *sink)
{
    const clade_raw *raw = &dataset->raw;
    size_t width = (size_t)raw->width, plane = (size_t)raw->height * width;
    size_t channels = (size_t)raw->channels;
    size_t pixel = raw->planar ? 1 : channels, next = raw->planar ? plane : 1;
    clade_layout layout = {raw->height, raw->width, raw->channels, 1};
    if (raw->channels == 1 && dataset->target.channels == 3) { /* grey, repeated three times */
        layout.channels = 3;
        next = 0;
    }
    clade_rows rows;
    clade_status status = clade_rows_begin(&rows, decoder, layout, dataset->target.channels, sink);
    for (; !status && rows.y < raw->height; clade_rows_push(&rows)) {
        const uint8_t *from = record + (size_t)rows.y * width * pixel;
        uint8_t *row = clade_rows_next(&rows);
        for (size_t i = 0; i < width; i++)
            for (size_t k = 0; k < (size_t)layout.channels; k++)
                *row++ = from[i * pixel + k * next];
    }
    return status;
}

static clade_status fail_changed(const clade_image *image)
{
    return clade_fail(CLADE_EIO, "%s: its content has changed since it was first read",
                      image->name);
}

/* Checks that the bytes of an image are those that were read before. */
static clade_status check_digest(const clade_image *image, clade_input *input)
{
    uint64_t hash = clade_hash(NULL, 0), before = 0;
    const uint8_t *bytes;
    size_t got = 0;
    for (size_t at = 0; at < input->size; at += got) {
        clade_status status = clade_input_look(input, at, clade_window_bytes, &bytes, &got);
        if (status) return status;
        hash = clade_hash_more(hash, bytes, got);
    }
    uint64_t now = hash ? hash : 1;
    bool same = atomic_compare_exchange_strong(image->digest, &before, now) || before == now;
    return same ? CLADE_OK : fail_changed(image);
}

clade_status clade_image_identify(const clade_dataset *dataset, const clade_image *image,
                                  clade_decoder *decoder)
{
    clade_input input = {0};
    if (atomic_load(image->digest)) return CLADE_OK; /* its bytes may have been freed */
    clade_status status = read_stored(dataset, image, decoder, &input);
    return status ? status : check_digest(image, &input);
}

void clade_dataset_digests(const clade_dataset *dataset, clade_split split, uint64_t *out)
{
    const clade_images *in = &dataset->split[split];
    for (size_t i = 0; i < in->listed; i++) out[i] = atomic_load(&in->digest[i]);
}

clade_status clade_dataset_expect(const clade_dataset *dataset, clade_split split,
                                  const uint64_t *digest)
{
    const clade_images *in = &dataset->split[split];
    size_t at = 0; /* index in what is left of the listed images */
    for (size_t i = 0; i < in->listed; i++) {
        while (at < in->count && in->items[at].listed < i) at++;
        uint64_t before = digest[i], now = 0;
        if (!before || atomic_compare_exchange_strong(&in->digest[i], &now, before) ||
            now == before)
            continue;
        if (at < in->count && in->items[at].listed == i) return fail_changed(&in->items[at]);
        return clade_fail(CLADE_EIO,
                          "a damaged image of the %s split has changed since it was first read",
                          clade_split_word(split));
    }
    return CLADE_OK;
}

clade_status clade_dataset_decode(const clade_dataset *dataset, const clade_image *image,
                                  clade_decoder *decoder, uint8_t *out)
{
    clade_input input = {0};
    clade_status status = read_stored(dataset, image, decoder, &input);
    if (!status) status = check_digest(image, &input);
    if (status) return status;
    if (!dataset->raw.height)
        return clade_decoder_image(decoder, &input, image->name, &dataset->target, out);
    clade_resize resize;
    clade_resize_init(&resize, decoder, &dataset->target, out);
    return clade_context(read_record(dataset, decoder, input.window, &resize.sink), "%s",
                         image->name);
}

clade_status clade_dataset_original(const clade_dataset *dataset, clade_split split, size_t i,
                                    clade_decoder *decoder, clade_sink *sink, clade_original *out)
{
    const clade_raw *raw = &dataset->raw;
    *out = (clade_original){.header = {raw->height, raw->width, raw->channels, .orientation = 1}};
    clade_status status =
        read_stored(dataset, &dataset->split[split].items[i], decoder, &out->input);
    if (status) return status;
    if (raw->height) return read_record(dataset, decoder, out->input.window, sink);
    status = clade_image_header(&out->input, &out->header);
    if (status) return status;
    return clade_decode_original(decoder, &out->input, dataset->target.channels, sink);
}
