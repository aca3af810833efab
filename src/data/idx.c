/* The IDX files of MNIST and its kin, plain or gzipped.
 * An IDX file is two zero bytes, a type (8: unsigned bytes), the number of dimensions, each as a
 * big-endian word, then the data. Source: the MNIST page, "The IDX file format". */
#include "data/binary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file of a set: `part` is "train" or "t10k", `what` "images" or "labels"; the unpacked one
 * where both are there. `other` (or NULL) is another word for the part. */
static clade_entry *find(clade_source *source, const char *part, const char *other,
                         const char *what)
{
    clade_entry *best = NULL;
    for (size_t i = 0; i < source->count; i++) {
        clade_entry *entry = &source->entries[i];
        const char *base = clade_base_name(entry->name);
        if (entry->kind != CLADE_ENTRY_MEMBER || !clade_idx_member(base) || !strstr(base, what) ||
            !(strstr(base, part) || (other && strstr(base, other))))
            continue;
        if (!best || (clade_named_gz(best->name) && !clade_named_gz(base))) best = entry;
    }
    return best;
}

/* Replaces a gzipped entry by its content, in memory. */
static clade_status unpack(clade_source *source, clade_entry *entry)
{
    if (!clade_named_gz(entry->name)) return CLADE_OK;
    clade_bytes buffer = {0};
    const uint8_t *bytes;
    uint8_t *plain = NULL;
    size_t size, got = 0;
    clade_status status = clade_source_read(source, entry, 0, SIZE_MAX, &buffer, &bytes, &size);
    if (!status) status = clade_gunzip(bytes, size, clade_member_bytes, &plain, &got);
    free(buffer.data);
    if (status) return status;
    free(entry->bytes);
    entry->bytes = plain;
    entry->size = got;
    return CLADE_OK;
}

/* Reads the header: `dims` words after a magic number of 0x800 + dims. */
static clade_status read_header(clade_source *source, clade_entry *entry, unsigned dims,
                                uint32_t *out)
{
    clade_bytes buffer = {0};
    const uint8_t *bytes;
    size_t got, size = 4 + 4 * (size_t)dims;
    clade_status status = unpack(source, entry);
    if (!status) status = clade_source_read(source, entry, 0, size, &buffer, &bytes, &got);
    if (!status && (got < size || bytes[0] || bytes[1] || bytes[2] != 8 || bytes[3] != dims))
        status = clade_fail(CLADE_EFORMAT, "not an IDX file of bytes in %u dimensions", dims);
    for (unsigned i = 0; i < dims && !status; i++) {
        const uint8_t *p = bytes + 4 + 4 * (size_t)i;
        out[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    free(buffer.data);
    return clade_context(status, "%s: %s", source->path, entry->name);
}

/* The number of classes is one more than the largest label; their names are the numbers. */
static clade_status name_classes(clade_dataset *dataset, const uint8_t *labels, size_t n)
{
    unsigned most = 0;
    for (size_t i = 0; i < n; i++)
        if (labels[i] > most) most = labels[i];
    clade_status status = CLADE_OK;
    for (unsigned i = 0; i <= most && !status; i++) {
        char text[8];
        int length = snprintf(text, sizeof text, "%u", i);
        status = clade_dataset_add_class(dataset, text, (size_t)length);
    }
    return status;
}

static clade_status read_pair(clade_dataset *dataset, clade_source *source, clade_split split,
                              clade_entry *images, clade_entry *labels)
{
    uint32_t shape[3], count;
    clade_status status = read_header(source, images, 3, shape);
    if (!status) status = read_header(source, labels, 1, &count);
    if (status) return status;
    if (shape[0] != count || count == 0)
        return clade_fail(CLADE_EFORMAT, "%s: %u images in %s but %u labels in %s", source->path,
                          shape[0], images->name, count, labels->name);
    status = clade_check_size(shape[2], shape[1]);
    if (!status && split != CLADE_TRAIN &&
        (dataset->raw.height != (int32_t)shape[1] || dataset->raw.width != (int32_t)shape[2]))
        status = clade_fail(CLADE_EFORMAT, "%u×%u pixels, but %d×%d in the training set", shape[2],
                            shape[1], dataset->raw.width, dataset->raw.height);
    if (status) return clade_context(status, "%s: %s", source->path, images->name);
    dataset->raw = (clade_raw){(int32_t)shape[1], (int32_t)shape[2], 1, false};

    clade_bytes buffer = {0};
    const uint8_t *bytes;
    size_t got, stride = (size_t)shape[1] * shape[2];
    status = clade_source_read(source, images, 16 + (size_t)count * stride - 1, 1, &buffer, &bytes,
                               &got);
    if (!status && got < 1)
        status = clade_fail(CLADE_EFORMAT, "%s: %s: shorter than its header says", source->path,
                            images->name);
    if (!status) status = clade_source_read(source, labels, 8, count, &buffer, &bytes, &got);
    if (!status && got < count)
        status = clade_fail(CLADE_EFORMAT, "%s: %s: shorter than its header says", source->path,
                            labels->name);
    if (!status && split == CLADE_TRAIN) status = name_classes(dataset, bytes, count);
    if (!status) {
        clade_records records = {.source = source,
                                 .entry = images,
                                 .count = count,
                                 .first = 16,
                                 .stride = stride,
                                 .labels = bytes};
        status = clade_context(clade_records_add(dataset, split, &records), "%s: %s", source->path,
                               labels->name);
    }
    free(buffer.data);
    return status;
}

clade_status clade_idx_read(clade_dataset *dataset, clade_source *source, bool *found)
{
    clade_entry *images = find(source, "train", NULL, "images");
    *found = images;
    if (!images) return CLADE_OK;
    clade_entry *labels = find(source, "train", NULL, "labels");
    if (!labels)
        return clade_fail(CLADE_EINVAL, "%s: no labels beside %s", source->path, images->name);
    clade_status status = read_pair(dataset, source, CLADE_TRAIN, images, labels);
    if (status) return status;
    images = find(source, "t10k", "test", "images");
    labels = find(source, "t10k", "test", "labels");
    if (!images && !labels) return CLADE_OK;
    if (!images || !labels)
        return clade_fail(CLADE_EINVAL, "%s: no %s beside %s", source->path,
                          images ? "labels" : "images", (images ? images : labels)->name);
    return read_pair(dataset, source, CLADE_VALIDATION, images, labels);
}
