/* Reading a zip archive's central directory. */
#include "weights/zip.h"

#include <stdlib.h>
#include <string.h>

enum {
    end_bytes = 22,     /* of the end of the central directory, without its comment */
    end64_bytes = 56,   /* of zip64's */
    locator_bytes = 20, /* of zip64's, which says where that is */
    central_bytes = 46, /* of an entry, without name, extra field and comment */
    local_bytes = 30,   /* of the header before its contents */
    most_comment = 65535,
    most_directory = 64 << 20
};

static const uint64_t wide16 = 0xffff, wide32 = 0xffffffff; /* "see zip64" */

static uint64_t number(const uint8_t *p, int size) { return clade_blob_number(p, size); }

static clade_status damaged(const clade_zip *zip, const char *what)
{
    return clade_fail(CLADE_EFORMAT, "%s: damaged zip archive: %s", zip->bytes->name, what);
}

bool clade_zip_is(const uint8_t start[4]) { return !memcmp(start, "PK\3\4", 4); }

/* Where the central directory is. */
typedef struct zip_directory {
    uint64_t at, size, count;
} zip_directory;

/* Zip64's record, where there is one before `end`, holds for what did not fit. */
static clade_status read_end64(const clade_zip *zip, uint64_t end, zip_directory *d)
{
    uint8_t locator[locator_bytes], record[end64_bytes];
    if (end < locator_bytes) return CLADE_OK;
    clade_status status = clade_blob_read(zip->bytes, end - locator_bytes, locator, locator_bytes);
    if (status || memcmp(locator, "PK\6\7", 4)) return status;
    status = clade_blob_read(zip->bytes, number(locator + 8, 8), record, end64_bytes);
    if (status) return status;
    if (memcmp(record, "PK\6\6", 4)) return damaged(zip, "no zip64 record where it should be");
    if (d->count == wide16) d->count = number(record + 32, 8);
    if (d->size == wide32) d->size = number(record + 40, 8);
    if (d->at == wide32) d->at = number(record + 48, 8);
    return CLADE_OK;
}

/* The record at the end of the file, which a comment may follow. */
static clade_status find_directory(const clade_zip *zip, zip_directory *out)
{
    const uint64_t size = zip->bytes->size;
    size_t span = size < end_bytes + most_comment ? (size_t)size : end_bytes + most_comment;
    uint8_t *tail = malloc(span + 1);
    if (!tail) return clade_fail(CLADE_ENOMEM, "%s: out of memory", zip->bytes->name);
    clade_status status = clade_blob_read(zip->bytes, size - span, tail, span);
    size_t i = span < end_bytes ? 0 : span - end_bytes + 1;
    bool found = false;
    while (!status && i > 0 && !found) {
        const uint8_t *p = tail + --i;
        found = !memcmp(p, "PK\5\6", 4) && number(p + 20, 2) == span - i - end_bytes;
        *out = (zip_directory){number(p + 16, 4), number(p + 12, 4), number(p + 10, 2)};
    }
    free(tail);
    if (status) return status;
    if (!found)
        return clade_fail(CLADE_EFORMAT, "%s: a zip archive that is cut short", zip->bytes->name);
    return read_end64(zip, size - span + i, out);
}

/* Zip64's extra field has, in this order, those of size, packed size and offset that do not fit. */
static bool widen(const uint8_t *extra, size_t size, uint64_t *plain, uint64_t *packed,
                  uint64_t *header)
{
    uint64_t *const values[] = {plain, packed, header};
    while (size >= 4) {
        size_t length = (size_t)number(extra + 2, 2);
        if (length > size - 4) break;
        const uint8_t *p = extra + 4;
        for (size_t left = length, i = 0; number(extra, 2) == 1 && i < 3; i++) {
            if (*values[i] != wide32) continue;
            if (left < 8) return false;
            *values[i] = number(p, 8);
            p += 8;
            left -= 8;
        }
        extra += 4 + length;
        size -= 4 + length;
    }
    return *plain != wide32 && *packed != wide32 && *header != wide32;
}

static clade_status read_entry(clade_zip *zip, const uint8_t **at, size_t *left, char **name)
{
    const uint8_t *p = *at;
    if (*left < central_bytes || memcmp(p, "PK\1\2", 4))
        return damaged(zip, "its table of contents");
    size_t length = (size_t)number(p + 28, 2), extra = (size_t)number(p + 30, 2),
           whole = central_bytes + length + extra + (size_t)number(p + 32, 2);
    if (whole > *left) return damaged(zip, "its table of contents");
    uint64_t packed = number(p + 20, 4), plain = number(p + 24, 4), header = number(p + 42, 4);
    if (!widen(p + central_bytes + length, extra, &plain, &packed, &header))
        return damaged(zip, "a size that is not there");
    if (memchr(p + central_bytes, 0, length)) return damaged(zip, "a name with a zero in it");
    zip->entry[zip->count++] = (clade_zip_entry){
        .name = *name,
        .header = header,
        .size = plain,
        .stored = number(p + 10, 2) == 0 && !(number(p + 8, 2) & 1) && plain == packed};
    memcpy(*name, p + central_bytes, length);
    (*name)[length] = 0;
    *name += length + 1;
    *at += whole;
    *left -= whole;
    return CLADE_OK;
}

static int by_name(const void *left, const void *right)
{
    const clade_zip_entry *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static clade_status read_directory(clade_zip *zip, const zip_directory *d, const uint8_t *bytes)
{
    zip->names = malloc((size_t)d->size + (size_t)d->count + 1);
    zip->entry = malloc(((size_t)d->count + 1) * sizeof *zip->entry);
    if (!zip->names || !zip->entry)
        return clade_fail(CLADE_ENOMEM, "%s: out of memory", zip->bytes->name);
    char *name = zip->names;
    size_t left = (size_t)d->size;
    for (uint64_t i = 0; i < d->count; i++) {
        clade_status status = read_entry(zip, &bytes, &left, &name);
        if (status) return status;
    }
    qsort(zip->entry, zip->count, sizeof *zip->entry, by_name);
    for (size_t i = 1; i < zip->count; i++)
        if (!strcmp(zip->entry[i - 1].name, zip->entry[i].name))
            return damaged(zip, "a name appears twice");
    return CLADE_OK;
}

clade_status clade_zip_open(const clade_blob *bytes, clade_zip *out)
{
    zip_directory d = {0};
    *out = (clade_zip){.bytes = bytes};
    clade_status status = find_directory(out, &d);
    if (status) return status;
    if (d.size > most_directory || d.count > d.size / central_bytes)
        return damaged(out, "the size of its table of contents");
    uint8_t *directory = malloc((size_t)d.size + 1);
    if (!directory) return clade_fail(CLADE_ENOMEM, "%s: out of memory", bytes->name);
    status = clade_blob_read(bytes, d.at, directory, (size_t)d.size);
    if (!status) status = read_directory(out, &d, directory);
    free(directory);
    return status;
}

void clade_zip_clear(clade_zip *zip)
{
    free(zip->names);
    free(zip->entry);
    *zip = (clade_zip){0};
}

const clade_zip_entry *clade_zip_find(const clade_zip *zip, const char *name)
{
    const clade_zip_entry wanted = {.name = name};
    if (!zip->count) return NULL;
    return bsearch(&wanted, zip->entry, zip->count, sizeof *zip->entry, by_name);
}

clade_status clade_zip_locate(const clade_zip *zip, const clade_zip_entry *entry, uint64_t *at)
{
    uint8_t local[local_bytes];
    if (!entry->stored)
        return clade_fail(
            CLADE_EUNSUPPORTED,
            "%s: '%s' in it is compressed; expected a zip archive without compression",
            zip->bytes->name, entry->name);
    clade_status status = clade_blob_read(zip->bytes, entry->header, local, local_bytes);
    if (status) return status;
    if (memcmp(local, "PK\3\4", 4)) return damaged(zip, "no file where one should be");
    *at = entry->header + local_bytes + number(local + 26, 2) + number(local + 28, 2);
    if (*at > zip->bytes->size || entry->size > zip->bytes->size - *at)
        return damaged(zip, "a file beyond its end");
    return CLADE_OK;
}
