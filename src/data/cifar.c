/* CIFAR-10 and CIFAR-100 as published: records of a label (CIFAR-100: coarse, then fine) and 3072
 * bytes, the red, green and blue planes of 32×32 pixels. Source: the sets' own page,
 * "Binary version". */
#include "data/binary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { plane_bytes = 3 * 32 * 32, names_bytes = 64 << 10 };

/* The files of the two sets, the training batches and the test batch before the names. */
/* The published numbers of records: files with fewer, beside one that is complete, may be
 * truncated. */
enum { published_batch = 10000, published_train = 50000 };

static const char *const ten[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                  "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin",
                                  "batches.meta.txt"};
static const char *const hundred[] = {"train.bin", "test.bin", "fine_label_names.txt"};

enum { most_files = sizeof ten / sizeof *ten };

bool clade_cifar_member(const char *base)
{
    for (size_t i = 0; i < sizeof ten / sizeof *ten; i++)
        if (strcmp(base, ten[i]) == 0) return true;
    for (size_t i = 0; i < sizeof hundred / sizeof *hundred; i++)
        if (strcmp(base, hundred[i]) == 0) return true;
    return false;
}

/* Returns the first file of this name, in any folder; NULL: there is none. */
static clade_entry *find(clade_source *source, const char *base)
{
    for (size_t i = 0; i < source->count; i++) {
        clade_entry *entry = &source->entries[i];
        if (entry->kind == CLADE_ENTRY_MEMBER && strcmp(clade_base_name(entry->name), base) == 0)
            return entry;
    }
    return NULL;
}

/* Finds the files of a set in `source`, NULL for missing ones. Returns the number of batches; the
 * last file has the names. */
static size_t find_all(clade_source *source, const char *const names[], size_t n,
                       clade_entry *out[most_files])
{
    size_t batches = 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = find(source, names[i]);
        batches += out[i] && i + 1 < n;
    }
    return batches;
}

/* Adds a class; a repeated name is an error. */
static clade_status add_name(clade_dataset *dataset, const char *name, size_t length)
{
    clade_status status = clade_dataset_add_class(dataset, name, length);
    for (size_t i = 0; !status && i + 1 < dataset->classes; i++)
        if (strcmp(dataset->names[i], dataset->names[dataset->classes - 1]) == 0)
            return clade_fail(CLADE_EFORMAT, "classes %zu and %zu are both called '%s'", i,
                              dataset->classes - 1, dataset->names[i]);
    return status;
}

/* Reads one class per non-blank line. */
static clade_status read_names(clade_dataset *dataset, clade_source *source, clade_entry *entry)
{
    clade_bytes buffer = {0};
    const uint8_t *bytes;
    size_t size;
    clade_status status = clade_source_read(source, entry, 0, names_bytes, &buffer, &bytes, &size);
    for (size_t at = 0; !status && at < size;) {
        size_t n = 0;
        while (at + n < size && bytes[at + n] != '\n') n++;
        size_t length = n;
        while (length > 0 && bytes[at + length - 1] <= ' ') length--;
        if (length > 0) status = add_name(dataset, (const char *)bytes + at, length);
        at += n + 1;
    }
    free(buffer.data);
    if (!status && dataset->classes > 256)
        status = clade_fail(CLADE_EFORMAT, "%zu classes for labels of one byte", dataset->classes);
    return clade_context(status, "%s: %s", source->path, entry->name);
}

/* Reads the labels of all records, one byte each, and their number, a few records at a time to stay
 * in the cache. */
static clade_status read_labels(const clade_source *source, const clade_entry *entry, size_t at,
                                size_t stride, uint8_t **labels, size_t *count)
{
    enum { together = 256 };
    clade_bytes buffer = {0};
    const uint8_t *bytes;
    size_t size = together * stride;
    clade_status status = CLADE_OK;
    while (!status && size == together * stride) {
        status = clade_source_read(source, entry, *count * stride, together * stride, &buffer,
                                   &bytes, &size);
        if (status || size == 0) break;
        if (size % stride != 0) {
            status = clade_fail(CLADE_EFORMAT, "%zu bytes: not a whole number of records of %zu",
                                *count * stride + size, stride);
            break;
        }
        uint8_t *grown = realloc(*labels, *count + size / stride);
        if (!grown) {
            status = clade_fail(CLADE_ENOMEM, "out of memory for labels");
            break;
        }
        *labels = grown;
        for (size_t i = at; i < size; i += stride) grown[(*count)++] = bytes[i];
    }
    free(buffer.data);
    return status;
}

static clade_status read_batch(clade_dataset *dataset, clade_source *source, clade_entry *entry,
                               clade_split split, size_t label_bytes, size_t *records_read)
{
    uint8_t *labels = NULL;
    size_t stride = label_bytes + plane_bytes, count = 0;
    clade_status status = read_labels(source, entry, label_bytes - 1, stride, &labels, &count);
    if (!status && count == 0)
        status = clade_fail(CLADE_EFORMAT, "0 bytes: not a whole number of records of %zu", stride);
    if (!status) {
        clade_records records = {.source = source,
                                 .entry = entry,
                                 .count = count,
                                 .first = label_bytes,
                                 .stride = stride,
                                 .labels = labels};
        status = clade_records_add(dataset, split, &records);
    }
    free(labels);
    *records_read = count;
    return clade_context(status, "%s: %s", source->path, entry->name);
}

/* Lists files with fewer records than published, unless all have fewer: then the set is the user's
 * own. */
static clade_status note_cut(clade_dataset *dataset, clade_entry *const *files,
                             const size_t *records, size_t batches)
{
    bool complete = false;
    size_t whole[most_files];
    for (size_t i = 0; i < batches; i++) {
        whole[i] = batches == 2 && i == 0 ? published_train : published_batch;
        complete |= records[i] >= whole[i];
    }
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < batches && complete && !status; i++) {
        if (records[i] >= whole[i]) continue;
        char reason[96];
        snprintf(reason, sizeof reason,
                 "%zu images, but %zu as published: it may have been cut short", records[i],
                 whole[i]);
        status = clade_dataset_skip(dataset, files[i]->name, reason);
    }
    return status;
}

clade_status clade_cifar_read(clade_dataset *dataset, clade_source *source, bool *found)
{
    clade_entry *files[most_files];
    const char *const *names = ten;
    size_t n = sizeof ten / sizeof *ten, label_bytes = 1;
    *found = find_all(source, names, n, files) > 0;
    if (!*found) { /* train.bin and test.bin may belong to anything */
        names = hundred;
        n = sizeof hundred / sizeof *hundred;
        label_bytes = 2;
        *found = find_all(source, names, n, files) > 0 && files[n - 1];
    }
    if (!*found) return CLADE_OK;
    for (size_t i = 0; i < n; i++) {
        if (!files[i])
            return clade_fail(CLADE_EFORMAT, "%s: %s of CIFAR-%s is missing", source->path,
                              names[i], names == ten ? "10" : "100");
        files[i]->used = true;
    }
    dataset->raw = (clade_raw){32, 32, 3, true};
    clade_status status = read_names(dataset, source, files[n - 1]);
    size_t records[most_files];
    for (size_t i = 0; i + 1 < n && !status; i++)
        status = read_batch(dataset, source, files[i], i + 2 < n ? CLADE_TRAIN : CLADE_VALIDATION,
                            label_bytes, &records[i]);
    return status ? status : note_cut(dataset, files, records, n - 1);
}
