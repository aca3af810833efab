/* The files of a folder or an archive as one sorted list, and reading them. */
#define _GNU_SOURCE
#include "data/source.h"

#include "base/thread.h"
#include "data/binary.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { folder_depth = 32 };

/* path/name, malloc'ed. */
static char *join(const char *path, const char *name)
{
    size_t size = strlen(path) + strlen(name) + 2;
    char *whole = malloc(size);
    if (whole) snprintf(whole, size, "%s/%s", path, name);
    return whole;
}

/* Returns the type of an item according to readdir, or of the target of a link; 0: a dangling
 * link. */
static mode_t kind_of(const struct dirent *item, const char *path)
{
    if (item->d_type == DT_REG) return S_IFREG;
    if (item->d_type == DT_DIR) return S_IFDIR;
    struct stat info;
    return stat(path, &info) ? 0 : info.st_mode;
}

/* Lists folder `path`, whose name within the source is `name` ("" at the top); files have no kind
 * yet. Links are followed; the depth limits cycles of links. */
static clade_status list_folder(clade_source *source, const char *path, const char *name, int depth)
{
    if (depth > folder_depth)
        return clade_fail(CLADE_EINVAL, "%s: folders nested more than %d deep, or a loop of links",
                          path, folder_depth);
    DIR *folder = opendir(path);
    if (!folder) return clade_fail(CLADE_EIO, "%s: %s", path, strerror(errno));
    clade_status status = CLADE_OK;
    struct dirent *item;
    while (!status && (errno = 0, item = readdir(folder))) {
        if (clade_is_clutter(item->d_name, strlen(item->d_name))) continue;
        char *inner_path = join(path, item->d_name);
        char *inner_name = *name ? join(name, item->d_name) : strdup(item->d_name);
        mode_t kind = inner_path ? kind_of(item, inner_path) : 0;
        int error = errno;
        clade_entry *entry;
        if (!inner_path || !inner_name)
            status = clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
        else
            status = clade_source_add(source, inner_name, &entry);
        if (!status && entry && kind == 0) { /* a dangling link */
            entry->unreadable = true;
            status = clade_entry_reject(entry, strerror(error));
        } else if (!status && S_ISDIR(kind)) {
            if (entry) entry->kind = CLADE_ENTRY_FOLDER;
            status = list_folder(source, inner_path, inner_name, depth + 1);
        }
        free(inner_path);
        free(inner_name);
    }
    if (!status && errno) status = clade_fail(CLADE_EIO, "%s: %s", path, strerror(errno));
    closedir(folder);
    return status;
}

static bool has_no_kind(const clade_entry *entry)
{
    return entry->kind == CLADE_ENTRY_OTHER && !entry->reason;
}

/* Determines the kind of a listed file. If memory is short, it has none. */
static void look_into(void *user, size_t i, int thread)
{
    (void)thread;
    clade_source *source = user;
    clade_entry *entry = &source->entries[i];
    char *path = has_no_kind(entry) ? join(source->path, entry->name) : NULL;
    if (!path) return;
    uint8_t bytes[clade_sniff_bytes];
    clade_bytes head = {bytes, sizeof bytes};
    size_t got = 0;
    clade_status status =
        clade_bytes_read(path, 0, sizeof bytes, sizeof bytes, NULL, &entry->stamp, &head, &got);
    if (status) {
        entry->unreadable = status == CLADE_EIO;
        clade_entry_reject(entry, clade_error());
    } else {
        clade_entry_classify(entry, bytes, got);
    }
    free(path);
}

/* Lists the contents of a folder. Opening files takes longer than finding them, so threads share
 * it. */
static clade_status read_folder(clade_source *source, int threads)
{
    clade_pool *pool;
    clade_status status = list_folder(source, source->path, "", 0);
    if (!status) status = clade_pool_create(threads, &pool);
    if (status) return status;
    clade_pool_for(pool, source->count, look_into, source);
    clade_pool_destroy(&pool);
    for (size_t i = 0; i < source->count; i++)
        if (has_no_kind(&source->entries[i]))
            return clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
    return CLADE_OK;
}

static int by_name(const void *a, const void *b)
{
    const clade_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int by_name_place(const void *a, const void *b)
{
    const clade_entry *x = a, *y = b;
    int order = by_name(a, b);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* Sorts the entries. An archive may hold a name several times; if unpacked, the last one would
 * replace the others. */
static clade_status sort_entries(clade_source *source)
{
    if (source->count == 0) return CLADE_OK;
    qsort(source->entries, source->count, sizeof *source->entries, by_name_place);
    size_t n = 0;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < source->count; i++) {
        clade_entry *entry = &source->entries[i];
        bool replaced = i + 1 < source->count && by_name(entry, entry + 1) == 0;
        if (replaced && entry->kind == CLADE_ENTRY_FOLDER) {
            clade_entry_clear(entry);
            continue;
        }
        if (replaced && !entry->reason && !status) {
            free(entry->bytes);
            entry->bytes = NULL;
            entry->replaced = true;
            status =
                clade_entry_reject(entry, "the archive has another file of this name later on");
        }
        source->entries[n++] = *entry;
    }
    source->count = n;
    return status;
}

clade_status clade_source_open(const char *path, uint64_t limit, int threads, clade_source **out)
{
    *out = NULL;
    struct stat info;
    if (stat(path, &info) != 0)
        return clade_fail(CLADE_EIO, "%s: %s%s", path, strerror(errno),
                          strstr(path, "://") ? "; this is an address: download the file first"
                                              : "");
    clade_source *source = calloc(1, sizeof *source);
    if (!source) return clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
    source->path = strdup(path);
    clade_status status = CLADE_OK;
    if (!source->path)
        status = clade_fail(CLADE_ENOMEM, "out of memory for a list of files");
    else if (S_ISDIR(info.st_mode))
        status = read_folder(source, threads);
    else if (!S_ISREG(info.st_mode))
        status = clade_fail(CLADE_EINVAL, "%s: neither a folder nor a file", path);
    else if (clade_binary_member(clade_base_name(path)))
        status = clade_fail(CLADE_EINVAL, "%s: one file of a set; pass the folder that contains it",
                            path);
    else
        status = clade_source_read_archive(source, limit);
    if (!status) status = sort_entries(source);
    if (status)
        clade_source_close(&source);
    else
        *out = source;
    return status;
}

void clade_source_close(clade_source **handle)
{
    clade_source *source = *handle;
    if (!source) return;
    for (size_t i = 0; i < source->count; i++) clade_entry_clear(&source->entries[i]);
    free(source->entries);
    free(source->path);
    free(source);
    *handle = NULL;
}

clade_status clade_source_read(const clade_source *source, const clade_entry *entry, size_t offset,
                               size_t size, clade_bytes *buffer, const uint8_t **bytes, size_t *got)
{
    if (entry->bytes) {
        size_t left = offset < entry->size ? entry->size - offset : 0;
        *bytes = entry->bytes + (left ? offset : 0);
        *got = size < left ? size : left;
        return CLADE_OK;
    }
    char *path = join(source->path, entry->name);
    if (!path) return clade_fail(CLADE_ENOMEM, "out of memory for the name of a file");
    clade_status status =
        clade_bytes_read(path, offset, size, entry->most, &entry->stamp, NULL, buffer, got);
    free(path);
    *bytes = buffer->data;
    return status;
}

clade_status clade_source_read_input(const clade_source *source, const clade_entry *entry,
                                     clade_bytes *buffer, clade_input *out)
{
    size_t size = (size_t)entry->stamp.size;
    if (!entry->bytes && size > clade_whole_bytes && size <= entry->most) {
        *out = (clade_input){.size = size, .source = source, .entry = entry, .buffer = buffer};
        return CLADE_OK;
    }
    const uint8_t *bytes = NULL;
    clade_status status = clade_source_read(source, entry, 0, SIZE_MAX, buffer, &bytes, &size);
    if (!status) *out = clade_input_of(bytes, size);
    return status;
}
