/* The IDX files of MNIST and similar sets, plain or gzipped. An IDX file has two zero bytes, a type
 * (8: unsigned bytes), the number of dimensions, each as a big-endian word, then the data. Source:
 * the MNIST page, "The IDX file format". */
#include "data/binary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Finds the file of a set: `part` is "train" or "t10k", `what` "images" or "labels". Takes the
 * first by name, an unpacked one before all others. `other` (or NULL) is another word for the
 * part. */
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
    if (best) best->used = true;
    return best;
}

/* Parses a header: a magic number of 0x800 + dims, then `dims` words. *whole is the size of the
 * file. */
static clade_status parse_header(const uint8_t *bytes, size_t size, unsigned dims, uint32_t *out,
                                 size_t *whole)
{
    size_t first = 4 + 4 * (size_t)dims, product = 1;
    if (size < first || bytes[0] || bytes[1] || bytes[2] != 8 || bytes[3] != dims)
        return clade_fail(CLADE_EFORMAT, "not an IDX file of bytes in %u dimensions", dims);
    for (unsigned i = 0; i < dims; i++) {
        const uint8_t *p = bytes + 4 + 4 * (size_t)i;
        out[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        if (__builtin_mul_overflow(product, out[i], &product)) product = SIZE_MAX;
    }
    if (product > clade_member_bytes - first)
        return clade_fail(CLADE_EFORMAT, "its header says more than %d bytes", clade_member_bytes);
    *whole = first + product;
    return CLADE_OK;
}

/* Replaces a gzipped entry by its content in memory: as much as its header says, plus a byte. */
static clade_status unpack(clade_source *source, clade_entry *entry, unsigned dims)
{
    if (!clade_named_gz(entry->name)) return CLADE_OK;
    clade_bytes buffer = {0};
    const uint8_t *bytes;
    uint8_t *plain = NULL;
    uint32_t shape[3];
    size_t size, whole, got = 0;
    clade_status status = clade_source_read(source, entry, 0, SIZE_MAX, &buffer, &bytes, &size);
    if (!status) status = clade_gunzip(bytes, size, 4 + 4 * (size_t)dims, &plain, &got);
    if (!status) status = parse_header(plain, got, dims, shape, &whole);
    free(plain);
    plain = NULL;
    if (!status) status = clade_gunzip(bytes, size, whole + 1, &plain, &got);
    free(buffer.data);
    if (status) return status;
    free(entry->bytes);
    entry->bytes = plain;
    entry->size = got;
    return CLADE_OK;
}

/* Reads the header, and checks that the file has the size it says. */
static clade_status read_header(clade_source *source, clade_entry *entry, unsigned dims,
                                uint32_t *out)
{
    clade_bytes buffer = {0};
    const uint8_t *bytes;
    size_t got, whole;
    clade_status status = unpack(source, entry, dims);
    if (!status)
        status = clade_source_read(source, entry, 0, 4 + 4 * (size_t)dims, &buffer, &bytes, &got);
    if (!status) status = parse_header(bytes, got, dims, out, &whole);
    if (!status) status = clade_source_read(source, entry, whole - 1, 2, &buffer, &bytes, &got);
    if (!status && got != 1)
        status = clade_fail(CLADE_EFORMAT, "%s than the %zu bytes that its header says",
                            got == 0 ? "shorter" : "longer", whole);
    free(buffer.data);
    return clade_context(status, "%s: %s", source->path, entry->name);
}

/* Names the classes by their numbers; there is one more than the largest label. */
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
    if (count == 0)
        return clade_fail(CLADE_EFORMAT, "%s: %s: no labels", source->path, labels->name);
    if (shape[0] != count)
        return clade_fail(CLADE_EFORMAT, "%s: %u images in %s but %u labels in %s", source->path,
                          shape[0], images->name, count, labels->name);
    status = clade_check_size(shape[2], shape[1], clade_image_pixels);
    if (!status && split != CLADE_TRAIN &&
        (dataset->raw.height != (int32_t)shape[1] || dataset->raw.width != (int32_t)shape[2]))
        status = clade_fail(CLADE_EFORMAT, "%u×%u pixels, but %d×%d in the training set", shape[2],
                            shape[1], dataset->raw.width, dataset->raw.height);
    if (status) return clade_context(status, "%s: %s", source->path, images->name);
    dataset->raw = (clade_raw){(int32_t)shape[1], (int32_t)shape[2], 1, false};

    clade_bytes buffer = {0};
    const uint8_t *bytes;
    size_t got;
    status = clade_source_read(source, labels, 8, count, &buffer, &bytes, &got);
    if (!status && got < count)
        status =
            clade_fail(CLADE_EIO, "%s: %s: the file became shorter", source->path, labels->name);
    if (!status && split == CLADE_TRAIN) status = name_classes(dataset, bytes, count);
    if (!status) {
        clade_records records = {.source = source,
                                 .entry = images,
                                 .count = count,
                                 .first = 16,
                                 .stride = (size_t)shape[1] * shape[2],
                                 .labels = bytes};
        status = clade_context(clade_records_add(dataset, split, &records), "%s: %s", source->path,
                               labels->name);
    }
    free(buffer.data);
    return status;
}

/* Finds and reads images and labels of a split; *found: whether they exist. */
static clade_status read_split(clade_dataset *dataset, clade_source *source, clade_split split,
                               bool *found)
{
    const char *part = split == CLADE_TRAIN ? "train" : "t10k";
    const char *other = split == CLADE_TRAIN ? NULL : "test";
    clade_entry *images = find(source, part, other, "images");
    clade_entry *labels = find(source, part, other, "labels");
    *found = images || labels;
    if (!*found) return CLADE_OK;
    if (!images || !labels)
        return clade_fail(CLADE_EINVAL, "%s: no %s beside %s", source->path,
                          images ? "labels" : "images", (images ? images : labels)->name);
    return read_pair(dataset, source, split, images, labels);
}

clade_status clade_idx_read(clade_dataset *dataset, clade_source *source, bool *found)
{
    bool tests;
    clade_status status = read_split(dataset, source, CLADE_TRAIN, found);
    if (status || !*found) return status;
    return read_split(dataset, source, CLADE_VALIDATION, &tests);
}
