/* Archives through libarchive: zip, tar and tar under gzip, bzip2, xz or zstd, read once as a
 * stream. */
#define _POSIX_C_SOURCE 200809L
#include "data/source.h"

#include "base/content.h"
#include "data/binary.h"

#include <archive.h>
#include <archive_entry.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { block_bytes = 1 << 20, first_bytes = 64 << 10 };
/* Unpacked bytes per byte read: blank images give a few dozen, zeros a thousand. */
enum { fair_ratio = 100, most_excess = 256 << 20 };

/* An archive being read, and its excess: unpacked bytes beyond fair_ratio times those read. Credit
 * does not accumulate, so that sound data before a bomb cannot pay for it. */
typedef struct unpacker {
    struct archive *archive;
    bool filtered;   /* compressed as a whole, like tar.gz */
    int64_t in, out; /* bytes read and unpacked so far; in: the furthest position, as zip entries
                      * may overlap */
    int64_t excess;  /* at most most_excess */
} unpacker;

static const char *error_of(struct archive *archive)
{
    const char *text = archive_error_string(archive);
    return text ? text : "cannot be read";
}

/* Counts the bytes read since the last call, `got` of them an entry's. Holes of sparse files count
 * only in the latter, headers not at all. Returns false if the excess is too large. */
static bool count_bytes(unpacker *u, size_t got)
{
    int64_t in = archive_filter_bytes(u->archive, -1), out = archive_filter_bytes(u->archive, 0);
    int64_t unpacked = (int64_t)got;
    if (u->filtered && out - u->out > unpacked) unpacked = out - u->out;
    u->out = out;
    u->excess += unpacked;
    if (in > u->in) {
        u->excess -= fair_ratio * (in - u->in);
        u->in = in;
    }
    if (u->excess < 0) u->excess = 0;
    return u->excess <= most_excess;
}

static clade_status fail_excess(void)
{
    return clade_fail(CLADE_EUNSUPPORTED,
                      "unpacks to more than the limit, %d MB above %d times its size",
                      most_excess >> 20, fair_ratio);
}

/* Reads up to n bytes. *code is 0, or libarchive's when the entry (FAILED, WARN) or the rest of the
 * archive (FATAL) is lost. */
static clade_status read_some(unpacker *u, uint8_t *out, size_t n, size_t *got, int *code)
{
    *got = 0;
    *code = 0;
    while (*got < n) {
        size_t most = n - *got < block_bytes ? n - *got : block_bytes;
        la_ssize_t part = archive_read_data(u->archive, out + *got, most);
        if (part == ARCHIVE_RETRY) continue;
        if (part < 0) *code = (int)part;
        if (part <= 0) break;
        *got += (size_t)part;
        if (!count_bytes(u, (size_t)part)) return fail_excess();
    }
    return CLADE_OK;
}

/* Reads the rest of an entry after its first bytes, in all at most `limit`, into malloc'ed
 * memory. */
static clade_status read_rest(unpacker *u, const uint8_t *head, size_t head_size, size_t limit,
                              uint8_t **out, size_t *size, int *code)
{
    size_t room = limit < first_bytes ? limit : first_bytes, n = head_size;
    uint8_t *bytes = malloc(room);
    clade_status status = CLADE_OK;
    if (bytes && head_size) memcpy(bytes, head, head_size);
    *code = 0;
    while (bytes) {
        size_t got;
        status = read_some(u, bytes + n, room - n, &got, code);
        n += got;
        if (status || *code || n < room || n == limit) break;
        room = limit / 2 < room ? limit : 2 * room;
        uint8_t *more = realloc(bytes, room);
        if (!more) free(bytes);
        bytes = more;
    }
    if (!bytes) return clade_fail(CLADE_ENOMEM, "out of memory for %zu bytes", room);
    uint8_t *exact = n > 0 ? realloc(bytes, n) : NULL;
    *out = exact ? exact : bytes;
    *size = n;
    return status;
}

/* Skips the rest of an entry, which libarchive would read in one piece, however large. Unpacks
 * nothing if the archive compresses each entry separately. */
static clade_status skip_rest(unpacker *u)
{
    const void *block;
    size_t size;
    la_int64_t offset;
    do {
        if (!count_bytes(u, 0)) return fail_excess();
    } while (u->filtered &&
             archive_read_data_block(u->archive, &block, &size, &offset) == ARCHIVE_OK);
    return CLADE_OK;
}

/* Reads an image or a member of a binary set completely. */
static clade_status read_content(unpacker *u, struct archive_entry *item, clade_entry *entry,
                                 int *code)
{
    uint8_t head[clade_sniff_bytes];
    size_t head_size;
    clade_status status = read_some(u, head, sizeof head, &head_size, code);
    if (status || *code) return status;
    status = clade_entry_classify(entry, head, head_size);
    if (status || entry->kind == CLADE_ENTRY_OTHER) return status;
    bool larger =
        archive_entry_size_is_set(item) && archive_entry_size(item) > (int64_t)entry->most;
    if (!larger) {
        status = read_rest(u, head, head_size, entry->most + 1, &entry->bytes, &entry->size, code);
        if (status || entry->size <= entry->most) return status;
    }
    char reason[64];
    snprintf(reason, sizeof reason, "a file of more than %zu bytes", entry->most);
    free(entry->bytes);
    entry->bytes = NULL;
    entry->size = 0;
    entry->damaged = true;
    return clade_entry_reject(entry, reason);
}

/* Returns the name as UTF-8, or its bytes if it is not text; NULL if libarchive cannot convert
 * it. */
static const char *name_of(struct archive_entry *item)
{
    const char *name = archive_entry_pathname_utf8(item);
    return name ? name : archive_entry_pathname(item);
}

/* Lists an entry whose name cannot be read, and so has no known folder. */
static clade_status add_nameless(clade_source *source)
{
    char name[48];
    clade_entry *entry;
    snprintf(name, sizeof name, "entry %zu", source->count + 1);
    clade_status status = clade_source_add(source, name, &entry);
    if (status) return status;
    entry->damaged = true;
    return clade_entry_reject(entry, "its name is in an unknown encoding");
}

/* Reads an entry; *kept counts the memory of all entries. */
static clade_status read_entry(clade_source *source, unpacker *u, struct archive_entry *item,
                               uint64_t limit, uint64_t *kept)
{
    const char *name = name_of(item);
    if (!name) return add_nameless(source);
    if (archive_entry_is_encrypted(item))
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s: %s is encrypted: unpack the archive into a folder with its password",
                          source->path, name);
    clade_entry *entry;
    clade_status status = clade_source_add(source, name, &entry);
    if (status || !entry) return status;
    if (archive_entry_filetype(item) == AE_IFDIR) {
        entry->kind = CLADE_ENTRY_FOLDER;
        return CLADE_OK;
    }
    const char *link = archive_entry_hardlink_utf8(item);
    if (!link) link = archive_entry_hardlink(item);
    if (link && archive_entry_size(item) == 0) { /* otherwise its content follows */
        entry->link = strdup(link);
        return entry->link ? CLADE_OK
                           : clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
    }
    if (archive_entry_filetype(item) != AE_IFREG) {
        entry->damaged = true;
        return clade_entry_reject(
            entry, archive_entry_filetype(item) == AE_IFLNK ? "a symbolic link" : "a special file");
    }
    int code;
    status = read_content(u, item, entry, &code);
    if (status) return clade_context(status, "%s: %s", source->path, entry->name);
    status = clade_source_keep(source, entry, limit, kept);
    if (status) return status;
    if (code == 0) return CLADE_OK;
    if (code == ARCHIVE_FATAL)
        return clade_fail(CLADE_EFORMAT, "%s: damaged at %s: %s", source->path, entry->name,
                          error_of(u->archive));
    free(entry->bytes);
    entry->bytes = NULL;
    entry->damaged = true;
    return clade_entry_reject(entry, error_of(u->archive));
}

/* Fails for a file that is not an archive. */
static clade_status fail_kind(const clade_source *source, struct archive *archive)
{
    uint8_t head[clade_content_bytes];
    FILE *file = fopen(source->path, "rb");
    size_t size = file ? fread(head, 1, sizeof head, file) : 0;
    if (file) fclose(file);
    return clade_fail(CLADE_EFORMAT, "%s: not a folder or archive of images: %s%s", source->path,
                      error_of(archive), clade_content_hint(head, size));
}

static clade_status read_all(clade_source *source, struct archive *archive, uint64_t limit)
{
    unpacker u = {.archive = archive, .filtered = archive_filter_count(archive) > 1};
    uint64_t kept = 0;
    size_t items = 0;
    for (;; items++) {
        struct archive_entry *item;
        int code = archive_read_next_header(archive, &item);
        if (code == ARCHIVE_EOF) break;
        if (code == ARCHIVE_RETRY) continue;
        if (code < ARCHIVE_WARN)
            return items ? clade_fail(CLADE_EFORMAT, "%s: a damaged archive: %s", source->path,
                                      error_of(archive))
                         : fail_kind(source, archive);
        clade_status status = read_entry(source, &u, item, limit, &kept);
        if (!status) status = clade_context(skip_rest(&u), "%s: %s", source->path, name_of(item));
        if (status) return status;
    }
    return clade_source_follow_links(source, limit, &kept);
}

static clade_status read_archive(clade_source *source, uint64_t limit)
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
        status = fail_kind(source, archive);
    else
        status = read_all(source, archive, limit);
    archive_read_free(archive);
    return status;
}

/* libarchive converts names marked as UTF-8 to the locale's encoding and drops those it cannot
 * convert: a UTF-8 locale can represent all. */
static locale_t utf8_locale(void)
{
    static const char *const names[] = {"C.UTF-8", "en_US.UTF-8", "UTF-8"};
    locale_t locale = (locale_t)0;
    for (size_t i = 0; !locale && i < sizeof names / sizeof *names; i++)
        locale = newlocale(LC_CTYPE_MASK, names[i], (locale_t)0);
    return locale;
}

clade_status clade_source_read_archive(clade_source *source, uint64_t limit)
{
    locale_t utf8 = utf8_locale(), old = utf8 ? uselocale(utf8) : (locale_t)0;
    clade_status status = read_archive(source, limit);
    if (!utf8) return status;
    uselocale(old);
    freelocale(utf8);
    return status;
}

clade_status clade_gunzip(const uint8_t *bytes, size_t size, size_t most, uint8_t **out,
                          size_t *got)
{
    *out = NULL;
    unpacker u = {.archive = archive_read_new(), .filtered = true};
    if (!u.archive) return clade_fail(CLADE_ENOMEM, "out of memory to unpack");
    archive_read_support_filter_gzip(u.archive);
    archive_read_support_format_raw(u.archive);
    struct archive_entry *item;
    clade_status status = CLADE_OK;
    int code = archive_read_open_memory(u.archive, bytes, size);
    if (code == ARCHIVE_OK) code = archive_read_next_header(u.archive, &item);
    if (code == ARCHIVE_OK) status = read_rest(&u, NULL, 0, most, out, got, &code);
    if (!status && code) status = clade_fail(CLADE_EFORMAT, "gzip: %s", error_of(u.archive));
    archive_read_free(u.archive);
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}
