/* Archives through libarchive: zip, tar and tar under gzip, bzip2, xz or zstd, read once as a
 * stream. */
#include "data/source.h"

#include "data/binary.h"

#include <archive.h>
#include <archive_entry.h>

#include <stdlib.h>
#include <string.h>

enum { block_bytes = 1 << 20, first_bytes = 64 << 10 };

static const char *error_of(struct archive *archive)
{
    const char *text = archive_error_string(archive);
    return text ? text : "cannot be read";
}

/* Reads up to n bytes. Returns 0, or libarchive's code when the entry (FAILED, WARN) or the rest of
 * the archive (FATAL) is lost. */
static int read_some(struct archive *archive, uint8_t *out, size_t n, size_t *got)
{
    *got = 0;
    while (*got < n) {
        la_ssize_t part = archive_read_data(archive, out + *got, n - *got);
        if (part == ARCHIVE_RETRY) continue;
        if (part < 0) return (int)part;
        if (part == 0) break;
        *got += (size_t)part;
    }
    return 0;
}

/* Reads the rest of the current entry after its first bytes into malloc'ed memory. */
static clade_status read_rest(struct archive *archive, const uint8_t *head, size_t head_size,
                              size_t limit, uint8_t **out, size_t *size, int *code)
{
    size_t room = first_bytes, n = head_size;
    uint8_t *bytes = malloc(room);
    if (bytes && head_size) memcpy(bytes, head, head_size);
    *code = 0;
    while (bytes && *code == 0) {
        size_t got;
        *code = read_some(archive, bytes + n, room - n, &got);
        n += got;
        if (n < room || n > limit) break;
        room *= 2;
        uint8_t *more = realloc(bytes, room);
        if (!more) free(bytes);
        bytes = more;
    }
    if (!bytes) return clade_fail(CLADE_ENOMEM, "out of memory for %zu bytes", room);
    uint8_t *exact = n > 0 ? realloc(bytes, n) : NULL;
    *out = exact ? exact : bytes;
    *size = n;
    return CLADE_OK;
}

static clade_status read_entry(clade_source *source, struct archive *archive,
                               struct archive_entry *item, uint64_t limit, uint64_t *kept)
{
    /* UTF-8 whatever the locale; names that are not text come as their bytes */
    const char *name = archive_entry_pathname_utf8(item);
    if (!name) name = archive_entry_pathname(item);
    if (!name) return CLADE_OK;
    clade_entry *entry;
    clade_status status = clade_source_add(source, name, &entry);
    if (status || !entry) return status;
    if (archive_entry_filetype(item) == AE_IFDIR) {
        entry->kind = CLADE_ENTRY_FOLDER;
        return CLADE_OK;
    }
    entry->damaged = true; /* until it is found to be sound */
    if (archive_entry_filetype(item) != AE_IFREG || archive_entry_hardlink(item))
        return clade_entry_reject(entry, "a link or special file");
    if (archive_entry_is_data_encrypted(item)) return clade_entry_reject(entry, "encrypted");

    uint8_t head[clade_sniff_bytes];
    size_t head_size;
    int code = read_some(archive, head, sizeof head, &head_size);
    if (code == 0) {
        entry->damaged = false;
        status = clade_entry_classify(entry, head, head_size);
        if (status || entry->kind == CLADE_ENTRY_OTHER) return status;
        size_t most = entry->kind == CLADE_ENTRY_MEMBER ? clade_member_bytes : clade_image_bytes;
        status = read_rest(archive, head, head_size, most, &entry->bytes, &entry->size, &code);
        if (status) return status;
        if (code == 0 && entry->size > most) {
            entry->damaged = true;
            free(entry->bytes);
            entry->bytes = NULL;
            return clade_entry_reject(entry, "too large a file");
        }
        *kept += entry->size;
        if (*kept > limit)
            return clade_fail(CLADE_EUNSUPPORTED,
                              "%s: holds more than %.1f GB of images, more than there is memory "
                              "for: unpack it into a folder",
                              source->path, (double)limit / 1e9);
    }
    if (code == 0) return CLADE_OK;
    if (code == ARCHIVE_FATAL)
        return clade_fail(CLADE_EFORMAT, "%s: damaged at %s: %s", source->path, entry->name,
                          error_of(archive));
    free(entry->bytes);
    entry->bytes = NULL;
    entry->damaged = true;
    return clade_entry_reject(entry, error_of(archive));
}

static clade_status read_all(clade_source *source, struct archive *archive, uint64_t limit)
{
    uint64_t kept = 0;
    size_t items = 0;
    for (;; items++) {
        struct archive_entry *item;
        int code = archive_read_next_header(archive, &item);
        if (code == ARCHIVE_EOF) break;
        if (code == ARCHIVE_RETRY) continue;
        if (code < ARCHIVE_WARN)
            return clade_fail(CLADE_EFORMAT,
                              items ? "%s: a damaged archive: %s"
                                    : "%s: not a folder or archive of images: %s",
                              source->path, error_of(archive));
        clade_status status = read_entry(source, archive, item, limit, &kept);
        if (status) return status;
    }
    return CLADE_OK;
}

clade_status clade_source_read_archive(clade_source *source, uint64_t limit)
{
    struct archive *archive = archive_read_new();
    if (!archive) return clade_fail(CLADE_ENOMEM, "out of memory to read %s", source->path);
    /* not filter_all, which may start other programs */
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_bzip2(archive);
    archive_read_support_filter_lzma(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_zip(archive);
    archive_read_support_format_tar(archive);
    archive_read_support_format_gnutar(archive);
    clade_status status;
    if (archive_read_open_filename(archive, source->path, block_bytes) != ARCHIVE_OK)
        status = clade_fail(CLADE_EFORMAT, "%s: not a folder or archive of images: %s",
                            source->path, error_of(archive));
    else
        status = read_all(source, archive, limit);
    archive_read_free(archive);
    return status;
}

clade_status clade_gunzip(const uint8_t *bytes, size_t size, size_t limit, uint8_t **out,
                          size_t *got)
{
    *out = NULL;
    struct archive *archive = archive_read_new();
    if (!archive) return clade_fail(CLADE_ENOMEM, "out of memory to unpack");
    archive_read_support_filter_gzip(archive);
    archive_read_support_format_raw(archive);
    struct archive_entry *item;
    clade_status status;
    int code = archive_read_open_memory(archive, bytes, size);
    if (code == ARCHIVE_OK) code = archive_read_next_header(archive, &item);
    if (code == ARCHIVE_OK) {
        status = read_rest(archive, NULL, 0, limit, out, got, &code);
        if (!status && code == 0 && *got > limit)
            status = clade_fail(CLADE_EFORMAT, "more than %zu bytes when unpacked", limit);
    } else {
        status = CLADE_OK;
    }
    if (!status && code) status = clade_fail(CLADE_EFORMAT, "gzip: %s", error_of(archive));
    archive_read_free(archive);
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}
