/* Rows of features on disk. A file is a header of 88 bytes, then records of one size:
 *     "CLADEFEA"; version, little-endian u32; 4 zero bytes; floats in a row, little-endian u64; the
 *     key, 64 hexadecimal digits;
 *     each record: clade_hash of what follows in it, little-endian u64; the digest of the image's
 *     bytes, likewise; the row.
 * Records are added at the end with the file locked. A process that finds damage writes the sound
 * ones to a new file in its place. */
#define _GNU_SOURCE
#include "train/feature_cache.h"

#include "base/cache_folder.h"
#include "base/file.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { header_bytes = 88, version = 1, record_head = 16, buffer_bytes = 1 << 20 };

static const char magic[] = "CLADEFEA", ending[] = ".rows";

/* ---- rows ---- */

typedef struct clade_feature_place {
    uint64_t digest;
    size_t index;
} clade_feature_place;

static int by_digest(const void *a, const void *b)
{
    uint64_t x = ((const clade_feature_place *)a)->digest,
             y = ((const clade_feature_place *)b)->digest;
    return x < y ? -1 : x > y;
}

clade_status clade_features_create(const uint64_t *digest, size_t count, size_t size,
                                   clade_features *out)
{
    size_t n = count ? count : 1;
    *out = (clade_features){.count = count, .size = size};
    if (size <= SIZE_MAX / sizeof(float) / n) out->row = malloc(n * size * sizeof *out->row);
    out->have = calloc(n, sizeof *out->have);
    out->digest = malloc(n * sizeof *out->digest);
    out->place = malloc(n * sizeof *out->place);
    if (!out->row || !out->have || !out->digest || !out->place) {
        clade_features_clear(out);
        return clade_fail(CLADE_ENOMEM, "out of memory for the features of %zu images", count);
    }
    for (size_t i = 0; i < count; i++) {
        out->digest[i] = digest[i];
        out->place[i] = (clade_feature_place){digest[i], i};
    }
    qsort(out->place, count, sizeof *out->place, by_digest);
    return CLADE_OK;
}

void clade_features_clear(clade_features *features)
{
    free(features->row);
    free(features->have);
    free(features->digest);
    free(features->place);
    *features = (clade_features){0};
}

size_t clade_features_missing(const clade_features *features)
{
    size_t missing = 0;
    for (size_t i = 0; i < features->count; i++) missing += !features->have[i];
    return missing;
}

/* Takes in a row for all images with this digest that have none. How many these are. */
static size_t take_row(clade_features *f, uint64_t digest, const void *row)
{
    size_t low = 0, high = f->count, taken = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->place[middle].digest < digest)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < f->count && f->place[low].digest == digest; low++) {
        size_t i = f->place[low].index;
        if (f->have[i]) continue;
        memmove(f->row + i * f->size, row, f->size * sizeof *f->row);
        f->have[i] = true;
        taken++;
    }
    return taken;
}

/* ---- the file's parts ---- */

static void put_little(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_little(const unsigned char *at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void make_header(const clade_feature_cache *c, unsigned char header[header_bytes])
{
    memset(header, 0, header_bytes);
    memcpy(header, magic, sizeof magic - 1);
    put_little(header + 8, version, 4);
    put_little(header + 16, c->size, 8);
    memcpy(header + 24, c->key, clade_cache_key_digits);
}

static size_t record_bytes(const clade_feature_cache *c)
{
    return record_head + c->size * sizeof(float);
}

static void make_record(const clade_feature_cache *c, uint64_t digest, const float *row,
                        unsigned char *record)
{
    put_little(record + 8, digest, 8);
    memcpy(record + record_head, row, c->size * sizeof *row);
    put_little(record, clade_hash(record + 8, record_bytes(c) - 8), 8);
}

static bool is_sound(const clade_feature_cache *c, const unsigned char *record)
{
    return get_little(record) == clade_hash(record + 8, record_bytes(c) - 8);
}

/* Keeps the first thing that went wrong. */
static void note(clade_feature_cache *c, const char *format, ...)
{
    va_list args;
    if (c->note[0]) return;
    va_start(args, format);
    vsnprintf(c->note, sizeof c->note, format, args);
    va_end(args);
}

/* ---- opening ---- */

void clade_feature_cache_open(const char key[65], size_t size, uint64_t limit,
                              clade_feature_cache *out)
{
    *out = (clade_feature_cache){.size = size, .limit = limit};
    memcpy(out->key, key, sizeof out->key);
    if (!limit) return;
    if (clade_cache_path("features", &out->folder))
        note(out, "features are not kept: %s", clade_error());
    else
        out->path = clade_cache_file(out->folder, key, ending);
}

void clade_feature_cache_close(clade_feature_cache *cache)
{
    if (cache->added) clade_cache_trim(cache->folder, ending, cache->limit);
    free(cache->folder);
    free(cache->path);
    *cache = (clade_feature_cache){0};
}

bool clade_feature_cache_exists(const clade_feature_cache *cache)
{
    return cache->path && access(cache->path, R_OK) == 0;
}

/* Opens and locks the file that is at the path now; a file system without locks is no reason not
 * to. -1: it cannot be opened. */
static int open_locked(const char *path, int flags, int how)
{
    for (;;) {
        struct stat mine, there;
        int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0666);
        if (fd < 0) return -1;
        while (flock(fd, how) && errno == EINTR) {}
        if (fstat(fd, &mine)) mine.st_nlink = 1;
        if (mine.st_nlink > 0 && S_ISREG(mine.st_mode) &&
            (stat(path, &there) || there.st_ino == mine.st_ino))
            return fd;
        close(fd);
        if (!S_ISREG(mine.st_mode)) {
            errno = EINVAL;
            return -1;
        }
    }
}

/* ---- reading ---- */

/* What a look through records gave. */
typedef struct scan {
    size_t damaged;
    bool headless, cut; /* no header of ours; a piece of a record at the end */
} scan;

/* Reads n bytes from a place on; false: there are fewer. */
static bool read_at(int fd, void *to, size_t n, uint64_t at)
{
    char *p = to;
    while (n > 0) {
        ssize_t got = pread(fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        p += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

/* Goes through the records that were not seen yet. Sound ones are taken in by `features`, and,
 * where there is one, added to the writer. */
static scan look_through(clade_feature_cache *c, int fd, clade_features *features,
                         clade_file_writer *writer, clade_status *written)
{
    const size_t record = record_bytes(c), room = buffer_bytes / record + 1;
    unsigned char header[header_bytes], wanted[header_bytes];
    struct stat info;
    scan s = {0};
    if (!fstat(fd, &info) && info.st_size == 0) return s; /* just made */
    make_header(c, wanted);
    if (!read_at(fd, header, header_bytes, 0) || memcmp(header, wanted, header_bytes) != 0 ||
        fstat(fd, &info)) {
        s.headless = true;
        return s;
    }
    unsigned char *buffer = malloc(room * record);
    if (!buffer) return s;
    uint64_t at = c->seen > header_bytes ? c->seen : header_bytes, end = (uint64_t)info.st_size;
    if (at > end) at = header_bytes; /* another file is there now */
    while (at < end && end - at >= record) {
        size_t n = (end - at) / record < room ? (size_t)((end - at) / record) : room;
        if (!read_at(fd, buffer, n * record, at)) break;
        for (size_t i = 0; i < n; i++) {
            const unsigned char *one = buffer + i * record;
            if (!is_sound(c, one)) {
                s.damaged++;
                continue;
            }
            features->found += take_row(features, get_little(one + 8), one + record_head);
            if (writer && !*written) *written = clade_file_writer_add(writer, one, record);
        }
        at += n * record;
    }
    s.cut = at < end;
    c->seen = at;
    free(buffer);
    return s;
}

/* Writes the sound records to a new file in place of this one. */
static void repair(clade_feature_cache *c, clade_features *features)
{
    unsigned char header[header_bytes];
    clade_file_writer writer;
    int fd = open_locked(c->path, O_RDWR, LOCK_EX);
    if (fd < 0) return;
    make_header(c, header);
    clade_status status = clade_file_writer_open(&writer, c->path);
    if (!status) {
        status = clade_file_writer_add(&writer, header, header_bytes);
        c->seen = 0;
        if (!status) look_through(c, fd, features, &writer, &status);
        if (status)
            clade_file_writer_abort(&writer);
        else
            status = clade_file_writer_commit(&writer);
    }
    close(fd);
    c->seen = 0;
}

void clade_feature_cache_find(clade_feature_cache *c, clade_features *features)
{
    if (!c->path) return;
    int fd = open_locked(c->path, O_RDONLY, LOCK_SH);
    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            note(c, "%s: kept features cannot be read: %s", c->path, strerror(errno));
        return;
    }
    c->seen = 0;
    scan s = look_through(c, fd, features, NULL, NULL);
    close(fd);
    if (s.headless)
        note(c, "%s: damaged; its features are computed anew", c->path);
    else if (s.damaged || s.cut)
        note(c, "%s: %zu damaged; computed anew", c->path, s.damaged + s.cut);
    if (s.headless || s.damaged || s.cut)
        repair(c, features);
    else
        clade_cache_touch(c->path);
}

/* ---- writing ---- */

/* Writes all at the end, or nothing. */
static bool append(int fd, uint64_t end, const unsigned char *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(fd, bytes + done, size - done, (off_t)(end + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            int error = n < 0 ? errno : ENOSPC;
            if (ftruncate(fd, (off_t)end)) error = errno;
            errno = error;
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

/* The end of the file's last whole record, before which a header is; 0: neither can be had. */
static uint64_t find_end(clade_feature_cache *c, int fd, clade_features *features)
{
    unsigned char header[header_bytes];
    struct stat info;
    if (fstat(fd, &info)) return 0;
    if (info.st_size == 0) {
        make_header(c, header);
        return append(fd, 0, header, header_bytes) ? header_bytes : 0;
    }
    scan s = look_through(c, fd, features, NULL, NULL);
    if (s.headless) errno = EINVAL;
    return s.headless ? 0 : c->seen;
}

/* Records of those of the images that still have no row; how many these are. */
static size_t gather(const clade_feature_cache *c, clade_features *f, const int32_t *index,
                     size_t n, unsigned char *records)
{
    size_t count = 0;
    for (size_t k = 0; k < n; k++) {
        const size_t i = (size_t)index[k];
        const float *row = f->row + i * f->size;
        if (f->have[i]) continue;
        make_record(c, f->digest[i], row, records + count++ * record_bytes(c));
        take_row(f, f->digest[i], row);
    }
    return count;
}

/* Nothing more is tried. */
static void give_up(clade_feature_cache *c, const char *why)
{
    note(c, "features are not kept: %s", why);
    free(c->path);
    c->path = NULL;
}

/* Adds records up to the limit; false: errno says why they cannot be written. */
static bool add_records(clade_feature_cache *c, int fd, clade_features *features,
                        const int32_t *index, size_t n, unsigned char *records)
{
    const size_t record = record_bytes(c);
    const uint64_t end = find_end(c, fd, features);
    if (!end) return false;
    size_t count = gather(c, features, index, n, records);
    const uint64_t room = end < c->limit ? (c->limit - end) / record : 0;
    if (count > room) count = (size_t)room;
    if (!append(fd, end, records, count * record)) return false;
    c->seen = end + count * record;
    c->added = true;
    return true;
}

void clade_feature_cache_add(clade_feature_cache *c, clade_features *features, const int32_t *index,
                             size_t n)
{
    unsigned char *records = c->path ? malloc(n * record_bytes(c)) : NULL;
    if (records && clade_folder_create(c->folder)) {
        give_up(c, clade_error());
    } else if (records) {
        int fd = open_locked(c->path, O_RDWR | O_CREAT, LOCK_EX);
        if (fd < 0 || !add_records(c, fd, features, index, n, records)) {
            clade_file_fail(c->path, "cannot write");
            give_up(c, clade_error());
        }
        if (fd >= 0) close(fd);
    }
    free(records);
    for (size_t k = 0; k < n; k++) features->have[index[k]] = true;
}
