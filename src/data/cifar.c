/* CIFAR-10 and CIFAR-100 as published: records of a label (CIFAR-100: coarse, then fine) and 3072
 * bytes, the red, green and blue planes of 32×32 pixels. Source: the sets' own page,
 * "Binary version". */
#include "data/binary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { plane_bytes = 3 * 32 * 32, names_bytes = 64 << 10 };

static clade_entry *find(clade_source *source, const char *base)
{
    for (size_t i = 0; i < source->count; i++) {
        clade_entry *entry = &source->entries[i];
        if (entry->kind == CLADE_ENTRY_MEMBER && strcmp(clade_base_name(entry->name), base) == 0)
            return entry;
    }
    return NULL;
}

/* One class per line that is not blank. */
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
        if (length > 0) status = clade_dataset_add_class(dataset, (const char *)bytes + at, length);
        at += n + 1;
    }
    free(buffer.data);
    if (!status && dataset->classes > 256)
        status = clade_fail(CLADE_EFORMAT, "%zu classes for labels of one byte", dataset->classes);
    return clade_context(status, "%s: %s", source->path, entry->name);
}

/* The labels of all records, one byte each, and how many there are. Some records are read at a
 * time, so that what is looked at is still near. */
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
                               clade_split split, size_t label_bytes)
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
    return clade_context(status, "%s: %s", source->path, entry->name);
}

clade_status clade_cifar_read(clade_dataset *dataset, clade_source *source, bool *found)
{
    clade_entry *ten = NULL;
    for (size_t i = 0; i < source->count && !ten; i++)
        if (source->entries[i].kind == CLADE_ENTRY_MEMBER &&
            clade_cifar_batch(clade_base_name(source->entries[i].name)))
            ten = &source->entries[i];
    clade_entry *hundred = ten ? NULL : find(source, "train.bin");
    clade_entry *names = find(source, ten ? "batches.meta.txt" : "fine_label_names.txt");
    *found = ten || (hundred && names);
    if (!*found) return CLADE_OK;
    if (!names)
        return clade_fail(CLADE_EFORMAT,
                          "%s: batches.meta.txt with the names of the classes is missing",
                          source->path);
    dataset->raw = (clade_raw){32, 32, 3, true};
    clade_status status = read_names(dataset, source, names);
    for (size_t i = 0; i < source->count && !status; i++) {
        clade_entry *entry = &source->entries[i];
        const char *base = clade_base_name(entry->name);
        if (entry->kind != CLADE_ENTRY_MEMBER) continue;
        if (ten ? clade_cifar_batch(base) : strcmp(base, "train.bin") == 0)
            status = read_batch(dataset, source, entry, CLADE_TRAIN, ten ? 1 : 2);
        else if (strcmp(base, ten ? "test_batch.bin" : "test.bin") == 0)
            status = read_batch(dataset, source, entry, CLADE_VALIDATION, ten ? 1 : 2);
    }
    return status;
}
