/* Opening a data set: its sources, its layout and its splits. */
#include "base/sha256.h"
#include "base/utf8.h"
#include "data/binary.h"

#include <stdlib.h>
#include <string.h>

/* A binary set consists of its own files; all others are listed as skipped. */
static clade_status skip_others(clade_dataset *dataset, const clade_source *source, bool binary)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < source->count && !status; i++) {
        clade_entry *entry = &source->entries[i];
        if (entry->kind == CLADE_ENTRY_MEMBER && !binary) {
            free(entry->bytes);
            entry->bytes = NULL;
            status = clade_entry_reject(entry, "not an image");
        } else if (binary && entry->kind == CLADE_ENTRY_MEMBER && !entry->used) {
            status = clade_dataset_skip(dataset, entry->name, "not one of the files of the set");
        } else if (binary &&
                   (entry->kind == CLADE_ENTRY_IMAGE || entry->kind == CLADE_ENTRY_OTHER)) {
            status =
                clade_dataset_skip(dataset, entry->name,
                                   entry->damaged ? entry->reason : "not a part of the binary set");
        }
    }
    return status;
}

/* Listed files must exist; a missing one is not damage, and can be restored. */
static clade_status check_readable(const clade_source *source)
{
    for (size_t i = 0; i < source->count; i++)
        if (source->entries[i].unreadable)
            return clade_fail(CLADE_EIO, "%s/%s: %s; expected every listed file to be readable",
                              source->path, source->entries[i].name, source->entries[i].reason);
    return CLADE_OK;
}

static clade_status read_sources(clade_dataset *dataset, const clade_data_options *options)
{
    const char *const paths[CLADE_SPLITS] = {options->path, options->validation, options->test};
    uint64_t limit = clade_memory_free() / 4 * 3;
    for (int s = 0; s < CLADE_SPLITS; s++) {
        if (!paths[s]) continue;
        clade_status status =
            clade_source_open(paths[s], limit, options->threads, &dataset->sources[s]);
        if (!status && !dataset->lenient) status = check_readable(dataset->sources[s]);
        if (status) return status;
    }
    clade_source *first = dataset->sources[0];
    bool binary;
    clade_status status = clade_cifar_read(dataset, first, &binary);
    if (!status && !binary) status = clade_idx_read(dataset, first, &binary);
    if (status) return status;
    if (binary && clade_dataset_has_rows(dataset))
        return clade_fail(CLADE_EINVAL, "%s: has one class per image, not several labels%s",
                          first->path, dataset->task == CLADE_TASK_REGRESSION ? " or numbers" : "");
    if (binary && (options->validation || options->test))
        return clade_fail(CLADE_EINVAL, "%s: a set with its own splits; expected no others",
                          first->path);
    for (int s = 0; s < CLADE_SPLITS && !status; s++)
        if (dataset->sources[s]) status = skip_others(dataset, dataset->sources[s], binary);
    if (!status && !binary) status = clade_layout_read(dataset, options);
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
            clade_input input;
            clade_header header;
            status = clade_source_read_input(p->source, p->entry, &decoder.file, &input);
            if (!status) status = clade_image_header(&input, &header);
            if (status && status != CLADE_EFORMAT) break;
            if (status) continue;
            bool swap = header.orientation >= 5;
            dataset->target.height = swap ? header.width : header.height;
            dataset->target.width = swap ? header.height : header.width;
        }
    }
    clade_decoder_clear(&decoder);
    return status;
}

/* Computes an identity by which a resumed run recognises its images: the same whether they are in a
 * folder or an archive. */
static void identify(clade_dataset *dataset)
{
    clade_sha256 hash;
    clade_sha256_start(&hash);
    for (size_t i = 0; i < dataset->classes; i++)
        clade_sha256_add(&hash, dataset->names[i], strlen(dataset->names[i]) + 1);
    for (int s = CLADE_TRAIN; s <= CLADE_VALIDATION; s++) {
        const clade_images *in = &dataset->split[s];
        for (size_t i = 0; i < in->count; i++) {
            const char *name = clade_base_name(in->items[i].name);
            uint8_t mark[4];
            uint32_t label = (uint32_t)in->items[i].label;
            for (int b = 0; b < 4; b++) mark[b] = (uint8_t)(label >> (8 * b));
            clade_sha256_add(&hash, mark, sizeof mark);
            if (dataset->weighted)
                clade_sha256_add(&hash, &in->items[i].weight, sizeof in->items[i].weight);
            if (in->items[i].set)
                clade_sha256_add(&hash, in->items[i].set, dataset->classes / 8 + 1);
            if (in->items[i].target)
                clade_sha256_add(&hash, in->items[i].target,
                                 dataset->classes * sizeof *in->items[i].target);
            clade_sha256_add(&hash, name, strlen(name) + 1);
        }
        clade_sha256_add(&hash, "", 1);
    }
    clade_sha256_end(&hash, dataset->identity);
}

/* Sets what stays known of each image however many are dropped later, and counts the files that are
 * damaged from the start. */
static clade_status settle(clade_dataset *dataset)
{
    dataset->damaged = calloc(1, sizeof *dataset->damaged);
    if (!dataset->damaged) return clade_fail(CLADE_ENOMEM, "out of memory for a data set");
    for (int s = 0; s < CLADE_SPLITS; s++) {
        clade_images *in = &dataset->split[s];
        in->listed = in->count;
        in->digest = calloc(in->count ? in->count : 1, sizeof *in->digest);
        if (!in->digest)
            return clade_fail(CLADE_ENOMEM, "out of memory for a list of %zu images", in->count);
        for (size_t i = 0; i < in->count; i++) {
            in->items[i].listed = i;
            in->items[i].digest = &in->digest[i];
            in->items[i].entry->users++;
        }
        const clade_source *source = dataset->raw.height ? NULL : dataset->sources[s];
        for (size_t i = 0; source && i < source->count; i++)
            dataset->unusable += source->entries[i].damaged;
    }
    atomic_store(dataset->damaged, dataset->unusable);
    identify(dataset);
    return clade_dataset_check_damage(dataset);
}

static clade_status check_options(const clade_data_options *options)
{
    if (!options || !options->path) return clade_fail(CLADE_EINVAL, "no path of a data set");
    int32_t h = options->height, w = options->width;
    if (h < 0 || w < 0 || (h == 0) != (w == 0) || (double)h * w > clade_image_pixels)
        return clade_fail(CLADE_EINVAL, "images of %d×%d pixels", w, h);
    if (options->channels != 0 && options->channels != 1 && options->channels != 3)
        return clade_fail(CLADE_EINVAL, "%d channels: expected 1 or 3", options->channels);
    clade_status status = clade_check_interpolation(options->interpolation);
    if (status) return status;
    if ((unsigned)options->task > CLADE_TASK_ORDINAL)
        return clade_fail(CLADE_EINVAL, "there is no task %d", (int)options->task);
    if (options->threads < 0) return clade_fail(CLADE_EINVAL, "%d threads", options->threads);
    if (!(options->max_damaged >= 0 && options->max_damaged <= 1))
        return clade_fail(CLADE_EINVAL, "a share of %g damaged images: expected 0 to 1",
                          options->max_damaged);
    return CLADE_OK;
}

/* Checks names now rather than when a model with them is saved: its files contain only UTF-8. */
static clade_status check_names(const clade_dataset *dataset)
{
    uint32_t code;
    for (size_t i = 0; i < dataset->classes && !dataset->lenient; i++)
        for (const char *p = dataset->names[i]; *p;) {
            size_t n = clade_utf8_read(p, &code);
            if (n == 0)
                return clade_fail(CLADE_EINVAL,
                                  "%s: the name of class '%s' is not UTF-8: rename it",
                                  dataset->sources[0]->path, dataset->names[i]);
            p += n;
        }
    return CLADE_OK;
}

static clade_status open_all(clade_dataset *dataset, const clade_data_options *options)
{
    clade_status status = read_sources(dataset, options);
    if (!status)
        status = clade_context(
            clade_split_by_fraction(dataset, options->folds ? 0 : options->validation_split,
                                    options->test_split, options->seed),
            "%s", options->path);
    if (!status && options->folds)
        status = clade_context(
            clade_split_by_fold(dataset, options->folds, options->fold, options->seed), "%s",
            options->path);
    if (!status) status = clade_dataset_count_classes(dataset);
    if (!status) status = check_names(dataset);
    if (!status && dataset->target.height == 0) status = size_of_first(dataset);
    return status ? status : settle(dataset);
}

clade_status clade_dataset_open(const clade_data_options *options, clade_dataset **out)
{
    if (!out) return clade_fail(CLADE_EINVAL, "no place for a data set");
    *out = NULL;
    clade_status status = check_options(options);
    if (status) return status;
    clade_dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset) return clade_fail(CLADE_ENOMEM, "out of memory for a data set");
    dataset->target =
        (clade_target){options->height, options->width, options->channels, options->interpolation};
    dataset->cache_bytes = options->cache_bytes;
    dataset->threads = options->threads;
    dataset->strict = options->strict;
    dataset->lenient = options->lenient;
    dataset->known = options->class_count > 0;
    dataset->task = options->task;
    dataset->max_damaged = options->max_damaged > 0 ? options->max_damaged : 0.1;
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
        for (size_t i = 0; i < dataset->split[s].count; i++)
            free(dataset->split[s].items[i].damage);
        free(dataset->split[s].items);
        free(dataset->split[s].digest);
        clade_cache_destroy(&dataset->split[s].cache);
        free(dataset->split[s].of_class);
    }
    for (size_t i = 0; i < dataset->classes; i++) free(dataset->names[i]);
    for (size_t i = 0; i < dataset->block_count; i++) free(dataset->blocks[i]);
    for (size_t i = 0; i < dataset->skipped_count; i++) {
        free(dataset->skipped[i].name);
        free(dataset->skipped[i].reason);
    }
    free(dataset->damaged);
    free(dataset->names);
    free(dataset->blocks);
    free(dataset->skipped);
    free(dataset);
    *handle = NULL;
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
