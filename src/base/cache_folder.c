/* Files of a cache: listing them, and deleting the least recently used. */
#define _XOPEN_SOURCE 700
#include "base/cache_folder.h"

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct cached_file {
    char *path;
    uint64_t bytes;
    struct timespec used;
} cached_file;

char *clade_cache_file(const char *folder, const char *key, const char *ending)
{
    char *start = clade_path_join(folder, key);
    char *path = start ? clade_string_join(start, ending) : NULL;
    free(start);
    return path;
}

void clade_cache_touch(const char *path) { utimensat(AT_FDCWD, path, NULL, 0); }

static int by_age(const void *a, const void *b)
{
    const struct timespec *x = &((const cached_file *)a)->used,
                          *y = &((const cached_file *)b)->used;
    if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
    return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

/* Returns whether a file belongs to the cache: a key's file, or the leftover of an interrupted
 * write of one. */
static bool is_cached(const char *name, const char *ending)
{
    return strspn(name, "0123456789abcdef") == clade_cache_key_digits &&
           !strncmp(name + clade_cache_key_digits, ending, strlen(ending));
}

/* Lists the cache's files, in memory that the caller frees; NULL if there are none. */
static cached_file *list_files(const char *folder, const char *ending, size_t *count)
{
    cached_file *files = NULL;
    *count = 0;
    DIR *dir = opendir(folder);
    if (!dir) return NULL;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!is_cached(entry->d_name, ending)) continue;
        cached_file *grown = realloc(files, (*count + 1) * sizeof *files);
        if (!grown) break;
        files = grown;
        char *path = clade_path_join(folder, entry->d_name);
        struct stat info;
        if (!path || lstat(path, &info)) {
            free(path);
            continue;
        }
        files[(*count)++] = (cached_file){path, (uint64_t)info.st_size, info.st_mtim};
    }
    closedir(dir);
    return files;
}

/* Another process may do the same: a file that is already gone counts as removed. */
void clade_cache_trim(const char *folder, const char *ending, uint64_t limit)
{
    size_t count;
    cached_file *files = list_files(folder, ending, &count);
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) total += files[i].bytes;
    if (count) qsort(files, count, sizeof *files, by_age);
    for (size_t i = 0; i < count && total > limit; i++) {
        unlink(files[i].path);
        total -= files[i].bytes;
    }
    for (size_t i = 0; i < count; i++) free(files[i].path);
    free(files);
}
