/* A data set: opening, what it knows about its images, and their pixels. */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include "data/binary.h"

#include <assert.h>
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

clade_status clade_dataset_count_classes(clade_dataset *dataset)
{
    const char *path = dataset->sources[0]->path;
    if (dataset->classes < 2)
        return clade_fail(CLADE_EINVAL, "%s: %zu classes: a classifier needs two", path,
                          dataset->classes);
    for (int s = 0; s < CLADE_SPLITS; s++) {
        clade_images *in = &dataset->split[s];
        free(in->of_class);
        in->of_class = calloc(dataset->classes, sizeof *in->of_class);
        if (!in->of_class) return out_of_memory();
        for (size_t i = 0; i < in->count; i++) in->of_class[in->items[i].label]++;
        for (size_t c = 0; c < dataset->classes && in->count > 0; c++)
            if (in->of_class[c] == 0 && !dataset->lenient)
                return clade_fail(CLADE_EINVAL, "%s: class '%s' has no images in the %s split",
                                  dataset->sources[s] ? dataset->sources[s]->path : path,
                                  dataset->names[c], clade_split_word((clade_split)s));
    }
    return CLADE_OK;
}

/* A binary set goes by its own files; whatever else lies there is only listed. */
static clade_status skip_others(clade_dataset *dataset, const clade_source *source, bool binary)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < source->count && !status; i++) {
        clade_entry *entry = &source->entries[i];
        if (entry->kind == CLADE_ENTRY_MEMBER && !binary) {
            free(entry->bytes);
            entry->bytes = NULL;
            status = clade_entry_reject(entry, "not a JPEG or PNG image");
        } else if (binary &&
                   (entry->kind == CLADE_ENTRY_IMAGE || entry->kind == CLADE_ENTRY_OTHER)) {
            status = clade_dataset_skip(dataset, entry->name, "not a part of the binary set");
        }
    }
    return status;
}

static clade_status read_sources(clade_dataset *dataset, const clade_data_options *options)
{
    const char *const paths[CLADE_SPLITS] = {options->path, options->validation, options->test};
    uint64_t limit = clade_memory_free() / 4 * 3;
    for (int s = 0; s < CLADE_SPLITS; s++) {
        if (!paths[s]) continue;
        clade_status status =
            clade_source_open(paths[s], limit, options->threads, &dataset->sources[s]);
        if (status) return status;
    }
    clade_source *first = dataset->sources[0];
    bool binary;
    clade_status status = clade_cifar_read(dataset, first, &binary);
    if (!status && !binary) status = clade_idx_read(dataset, first, &binary);
    if (status) return status;
    if (binary && (options->validation || options->test))
        return clade_fail(CLADE_EINVAL, "%s: a set with splits of its own: it cannot have another",
                          first->path);
    for (int s = 0; s < CLADE_SPLITS && !status; s++)
        if (dataset->sources[s]) status = skip_others(dataset, dataset->sources[s], binary);
    if (!status && !binary) status = clade_layout_read(dataset);
    return status;
}

/* Takes height and width from the first image whose header can be read. */
static clade_status size_of_first(clade_dataset *dataset)
{
    if (dataset->raw.height) {
        dataset->target.height = dataset->raw.height;
        dataset->target.width = dataset->raw.width;
        return CLADE_OK;
    }
    clade_decoder decoder = {0};
    clade_status status = clade_fail(CLADE_EFORMAT, "%s: no images", dataset->sources[0]->path);
    for (int s = 0; s < CLADE_SPLITS && status; s++) {
        for (size_t i = 0; i < dataset->split[s].count && status; i++) {
            const clade_image *p = &dataset->split[s].items[i];
            const uint8_t *bytes;
            size_t size;
            clade_header header;
            status =
                clade_source_read(p->source, p->entry, 0, SIZE_MAX, &decoder.file, &bytes, &size);
            if (!status) status = clade_image_header(&decoder, bytes, size, &header);
            if (status == CLADE_ENOMEM) break;
            if (status) continue;
            bool swap = header.orientation >= 5;
            dataset->target.height = swap ? header.width : header.height;
            dataset->target.width = swap ? header.height : header.width;
        }
    }
    clade_decoder_clear(&decoder);
    return status;
}

static clade_status check_options(const clade_data_options *options)
{
    if (!options || !options->path) return clade_fail(CLADE_EINVAL, "no path of a data set");
    int32_t h = options->height, w = options->width;
    if (h < 0 || w < 0 || (h == 0) != (w == 0) || (double)h * w > clade_image_pixels)
        return clade_fail(CLADE_EINVAL, "images of %d×%d pixels", w, h);
    if (options->channels != 0 && options->channels != 1 && options->channels != 3)
        return clade_fail(CLADE_EINVAL, "%d channels: expected 1 or 3", options->channels);
    if (options->interpolation != CLADE_NEAREST && options->interpolation != CLADE_BILINEAR)
        return clade_fail(CLADE_EINVAL, "unknown interpolation %d", (int)options->interpolation);
    if (options->threads < 0) return clade_fail(CLADE_EINVAL, "%d threads", options->threads);
    return CLADE_OK;
}

static clade_status open_all(clade_dataset *dataset, const clade_data_options *options)
{
    clade_status status = read_sources(dataset, options);
    if (!status)
        status = clade_context(clade_split_by_fraction(dataset, options->validation_split,
                                                       options->test_split, options->seed),
                               "%s", options->path);
    if (!status) status = clade_dataset_count_classes(dataset);
    if (!status && dataset->target.height == 0) status = size_of_first(dataset);
    for (int s = 0; s < CLADE_SPLITS && !status; s++) {
        const clade_images *in = &dataset->split[s];
        for (size_t i = 0; i < in->count; i++) in->items[i].entry->users++;
    }
    return status;
}

clade_status clade_dataset_open(const clade_data_options *options, clade_dataset **out)
{
    if (!out) return clade_fail(CLADE_EINVAL, "no place for a data set");
    *out = NULL;
    clade_status status = check_options(options);
    if (status) return status;
    clade_dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset) return out_of_memory();
    dataset->target =
        (clade_target){options->height, options->width, options->channels, options->interpolation};
    dataset->cache_bytes = options->cache_bytes;
    dataset->threads = options->threads;
    dataset->strict = options->strict;
    dataset->lenient = options->lenient;
    status = open_all(dataset, options);
    if (status) {
        clade_dataset_destroy(&dataset);
        return status;
    }
    if (dataset->target.channels == 0)
        dataset->target.channels = dataset->raw.channels == 1 ? 1 : 3;
    *out = dataset;
    return CLADE_OK;
}

void clade_dataset_destroy(clade_dataset **handle)
{
    clade_dataset *dataset = *handle;
    if (!dataset) return;
    for (int s = 0; s < CLADE_SPLITS; s++) {
        clade_source_close(&dataset->sources[s]);
        free(dataset->split[s].items);
        clade_cache_destroy(&dataset->split[s].cache);
        free(dataset->split[s].of_class);
    }
    for (size_t i = 0; i < dataset->classes; i++) free(dataset->names[i]);
    for (size_t i = 0; i < dataset->block_count; i++) free(dataset->blocks[i]);
    for (size_t i = 0; i < dataset->skipped_count; i++) {
        free(dataset->skipped[i].name);
        free(dataset->skipped[i].reason);
    }
    free(dataset->names);
    free(dataset->blocks);
    free(dataset->skipped);
    free(dataset);
    *handle = NULL;
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

/* A record of a binary set in the target's channels. */
static clade_status read_record(const clade_dataset *dataset, const clade_image *image,
                                clade_decoder *decoder, const uint8_t **record, size_t *size,
                                clade_raster *out)
{
    const clade_raw *raw = &dataset->raw;
    const clade_target *target = &dataset->target;
    size_t plane = (size_t)raw->height * (size_t)raw->width, channels = (size_t)raw->channels;
    const uint8_t *bytes;
    size_t got;
    clade_status status = clade_source_read(image->source, image->entry, image->offset,
                                            plane * channels, &decoder->file, &bytes, &got);
    if (!status && got < plane * channels)
        status = clade_fail(CLADE_EIO, "the file became shorter");
    if (!status) status = clade_bytes_reserve(&decoder->pixels, 3 * plane);
    if (status) return status;
    clade_raster raster = {decoder->pixels.data, raw->height, raw->width, raw->channels};
    size_t pixel = raw->planar ? 1 : channels, next = raw->planar ? plane : 1;
    if (raw->channels == 1 && target->channels == 3) { /* grey, three times */
        raster.channels = 3;
        next = 0;
    }
    for (size_t i = 0; i < plane; i++)
        for (size_t k = 0; k < (size_t)raster.channels; k++)
            raster.data[i * (size_t)raster.channels + k] = bytes[i * pixel + k * next];
    if (target->channels == 1) clade_raster_grey(&raster);
    *record = bytes;
    *size = got;
    *out = raster;
    return CLADE_OK;
}

clade_status clade_dataset_decode(const clade_dataset *dataset, const clade_image *image,
                                  clade_decoder *decoder, uint8_t *out)
{
    const uint8_t *bytes;
    size_t size;
    if (dataset->raw.height) {
        clade_raster raster;
        clade_status read = read_record(dataset, image, decoder, &bytes, &size, &raster);
        if (!read) read = clade_raster_resize(decoder, &raster, &dataset->target, out);
        return clade_context(read, "%s", image->name);
    }
    clade_status status =
        clade_source_read(image->source, image->entry, 0, SIZE_MAX, &decoder->file, &bytes, &size);
    if (status) return status;
    return clade_decoder_image(decoder, bytes, size, image->name, &dataset->target, out);
}

clade_status clade_dataset_original(const clade_dataset *dataset, clade_split split, size_t i,
                                    clade_decoder *decoder, clade_original *out)
{
    const clade_image *p = &dataset->split[split].items[i];
    const clade_raw *raw = &dataset->raw;
    *out = (clade_original){.header = {raw->height, raw->width, raw->channels, .orientation = 1}};
    clade_status status;
    if (raw->height) return read_record(dataset, p, decoder, &out->bytes, &out->size, &out->raster);
    status = clade_source_read(p->source, p->entry, 0, SIZE_MAX, &decoder->file, &out->bytes,
                               &out->size);
    if (!status) status = clade_image_header(decoder, out->bytes, out->size, &out->header);
    if (!status)
        status = clade_decoder_original(decoder, out->bytes, out->size, dataset->target.channels,
                                        &out->raster);
    return status;
}

clade_status clade_dataset_pixels(const clade_dataset *dataset, clade_split split, size_t i,
                                  uint8_t *hwc)
{
    if (!dataset || !hwc || split < 0 || split >= CLADE_SPLITS || i >= dataset->split[split].count)
        return clade_fail(CLADE_EINVAL, "no image %zu in split %d", i, (int)split);
    clade_decoder decoder = {0};
    const uint8_t *pixels;
    clade_status status = clade_dataset_take(dataset, split, i, &decoder, hwc, &pixels);
    if (!status && pixels != hwc) memcpy(hwc, pixels, clade_dataset_bytes(dataset));
    clade_decoder_clear(&decoder);
    return status;
}
