/* Features on disk, without a net: rows come back as they were added, damaged ones do not, several
 * processes add at once, and a cache that cannot be had is a note. */
#define _DEFAULT_SOURCE
#include "../test.h"

#include "base/file.h"
#include "train/feature_cache.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static const char other[] = "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
enum { size = 5, most = 400, header = 88, record = 16 + size * 4, ample = 1 << 20 };

static char home[] = "/tmp/clade-feature-cache-XXXXXX";

static char *path_of(const char *which)
{
    char name[96], *path = NULL;
    snprintf(name, sizeof name, "features/%s.rows", which);
    CHECK_OK(clade_cache_path(name, &path));
    return path;
}

static uint64_t bytes_of(const char *which)
{
    char *path = path_of(which);
    struct stat info = {0};
    uint64_t bytes = stat(path, &info) ? 0 : (uint64_t)info.st_size;
    free(path);
    return bytes;
}

/* Changes a byte of the file, or (at < 0) cuts so many off. */
static void damage(const char *which, long at)
{
    char *path = path_of(which);
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    if (file && at >= 0) {
        fseek(file, at, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(byte ^ 1, file);
    }
    if (file) fclose(file);
    if (at < 0) CHECK(truncate(path, (off_t)bytes_of(which) + at) == 0);
    free(path);
}

static float value(uint64_t digest, size_t i) { return (float)digest * 10 + (float)i; }

/* Digests first, first + 1, … */
static clade_features places(uint64_t first, size_t count)
{
    clade_features f;
    uint64_t digest[most];
    for (size_t i = 0; i < count; i++) digest[i] = first + i;
    CHECK_OK(clade_features_create(digest, count, size, &f));
    return f;
}

/* Computes what is missing, n at a time. */
static void complete(clade_feature_cache *cache, clade_features *f, size_t n)
{
    int32_t index[most];
    size_t have = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (!f->have[i]) {
            for (size_t k = 0; k < size; k++) f->row[i * size + k] = value(f->digest[i], k);
            index[have++] = (int32_t)i;
        }
        if (have < n && (i + 1 < f->count || !have)) continue;
        clade_feature_cache_add(cache, f, index, have);
        have = 0;
    }
    CHECK(clade_features_missing(f) == 0);
}

static bool right(const clade_features *f)
{
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < size; k++)
            if (f->have[i] && f->row[i * size + k] != value(f->digest[i], k)) return false;
    return true;
}

/* How many of these rows were found; the others are added. The note, too. */
static size_t visit(const char *which, uint64_t first, size_t count, uint64_t limit, char *note)
{
    clade_feature_cache cache;
    clade_features f = places(first, count);
    clade_feature_cache_open(which, size, limit, &cache);
    clade_feature_cache_find(&cache, &f);
    size_t found = f.found;
    CHECK(found == count - clade_features_missing(&f));
    CHECK(right(&f));
    complete(&cache, &f, 7);
    CHECK(right(&f));
    if (note)
        strcpy(note, cache.note);
    else
        CHECK(!cache.note[0]);
    clade_feature_cache_close(&cache);
    clade_features_clear(&f);
    return found;
}

static void test_rows(void)
{
    CHECK(visit(key, 1, 50, ample, NULL) == 0);
    CHECK(bytes_of(key) == header + 50 * record);
    CHECK(visit(key, 1, 50, ample, NULL) == 50);
    CHECK(visit(key, 41, 20, ample, NULL) == 10);
    CHECK(bytes_of(key) == header + 60 * record);
    CHECK(visit(other, 1, 50, ample, NULL) == 0);
    CHECK(visit(key, 1, 60, 0, NULL) == 0); /* no cache */
    CHECK(visit(key, 1, 60, ample, NULL) == 60);
    /* images that are the same have one row */
    clade_feature_cache cache;
    clade_features f;
    CHECK_OK(clade_features_create((const uint64_t[]){900, 900, 3}, 3, size, &f));
    clade_feature_cache_open(key, size, ample, &cache);
    clade_feature_cache_find(&cache, &f);
    CHECK(f.found == 1 && f.have[2]);
    complete(&cache, &f, 7);
    CHECK(bytes_of(key) == header + 61 * record);
    clade_feature_cache_close(&cache);
    clade_features_clear(&f);
}

static void test_damage(void)
{
    static const long places_of[] = {header + 3 * record, header + 3 * record + 8,
                                     header + 4 * record - 1};
    char note[600];
    for (size_t i = 0; i < sizeof places_of / sizeof *places_of; i++) {
        damage(key, places_of[i]);
        CHECK(visit(key, 1, 60, ample, note) == 59);
        CHECK(strstr(note, "1 damaged") && strstr(note, key));
        CHECK(visit(key, 1, 60, ample, NULL) == 60); /* it is mended */
    }
    damage(key, -1); /* the last one, 900 or a row of test_damage */
    const size_t found = visit(key, 1, 60, ample, note);
    CHECK(found >= 59);
    CHECK(strstr(note, "1 damaged"));
    CHECK(visit(key, 1, 60, ample, NULL) == 60);
    for (long at = 0; at < header; at += 29) {
        damage(key, at);
        CHECK(visit(key, 1, 60, ample, note) == 0);
        CHECK(strstr(note, "damaged; its features are computed anew"));
        CHECK(visit(key, 1, 60, ample, NULL) == 60);
    }
    damage(key, -(60 * record + header - 3)); /* as good as nothing */
    CHECK(visit(key, 1, 60, ample, note) == 0);
    CHECK(visit(key, 1, 60, ample, NULL) == 60);
}

/* What one finds in the file of another key or with rows of another size is not taken. */
static void test_foreign(void)
{
    char note[600], *from = path_of(key), *to = path_of(other);
    CHECK(rename(from, to) == 0);
    CHECK(visit(other, 1, 60, ample, note) == 0);
    CHECK(note[0]);
    free(from);
    free(to);
}

/* What is added between the look at the file and adding is not added again. */
static void test_interleaved(void)
{
    char *path = path_of(key);
    unlink(path);
    free(path);
    clade_feature_cache cache;
    clade_features f = places(1, 60);
    clade_feature_cache_open(key, size, ample, &cache);
    clade_feature_cache_find(&cache, &f);
    CHECK(f.found == 0);
    CHECK(visit(key, 31, 60, ample, NULL) == 0);
    complete(&cache, &f, 7);
    CHECK(right(&f));
    CHECK(bytes_of(key) == header + 90 * record);
    clade_feature_cache_close(&cache);
    clade_features_clear(&f);
}

/* A process that finds the file locked waits: until it is killed, here. */
static void test_lock(void)
{
    char *path = path_of(key);
    int fd = open(path, O_RDWR), how = 0;
    CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
    fflush(stdout);
    if (fork() == 0) {
        alarm(1);
        visit(key, 1, 100, ample, NULL);
        _exit(0);
    }
    CHECK(wait(&how) > 0 && WIFSIGNALED(how) && WTERMSIG(how) == SIGALRM);
    close(fd);
    free(path);
}

/* Processes that add the same and other rows at once: each row is there once. */
static void test_together(void)
{
    enum { processes = 4, each = 60, step = 20 };
    char *path = path_of(key);
    unlink(path);
    free(path);
    fflush(stdout);
    for (int i = 0; i < processes; i++) {
        if (fork()) continue;
        test_failures = 0;
        visit(key, (uint64_t)(1 + i * step), each, ample, NULL);
        _exit(test_failures > 0);
    }
    for (int i = 0, how = 0; i < processes; i++) CHECK(wait(&how) > 0 && how == 0);
    const size_t all = (processes - 1) * step + each;
    CHECK(bytes_of(key) == header + all * record);
    CHECK(visit(key, 1, all, ample, NULL) == all);
}

/* The file used longest ago goes first; one alone never grows beyond the limit. */
static void test_limit(void)
{
    static const char third[] = "20112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const uint64_t limit = 2 * (header + 60 * record);
    const struct timespec before[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    const struct timespec after[2] = {{.tv_sec = 1100000000}, {.tv_sec = 1100000000}};
    char *path = path_of(other), *used = path_of(key);
    unlink(used);
    visit(key, 1, 60, ample, NULL);
    visit(other, 1, 60, ample, NULL);
    utimensat(AT_FDCWD, used, before, 0);
    utimensat(AT_FDCWD, path, after, 0);
    CHECK(visit(key, 1, 60, ample, NULL) == 60); /* all are found: it is used, not written */
    visit(third, 1, 60, limit, NULL);
    CHECK(bytes_of(other) == 0 && bytes_of(key) > 0 && bytes_of(third) > 0);
    visit(third, 1, 200, header + 100 * record, NULL);
    CHECK(bytes_of(third) == header + 100 * record);
    CHECK(visit(third, 1, 200, header + 100 * record, NULL) == 100);
    free(path);
    free(used);
}

/* A cache that cannot be had costs nothing but a note. */
static void test_none(void)
{
    char note[600], path[128];
    snprintf(path, sizeof path, "%s/file", home);
    CHECK_OK(clade_file_write(path, "x", 1));
    setenv("XDG_CACHE_HOME", path, 1);
    CHECK(visit(key, 1, 60, ample, note) == 0);
    CHECK(strstr(note, "features are not kept: ") && strstr(note, path));
    setenv("XDG_CACHE_HOME", "relative", 1);
    setenv("HOME", "relative", 1);
    CHECK(visit(key, 1, 60, ample, note) == 0);
    CHECK(strstr(note, "features are not kept: no cache folder"));
    setenv("XDG_CACHE_HOME", home, 1);
    char *folder = path_of(other);
    unlink(folder);
    CHECK_OK(clade_folder_create(folder));
    CHECK(visit(other, 1, 60, ample, note) == 0);
    CHECK(strstr(note, folder));
    free(folder);
}

int main(void)
{
    if (!mkdtemp(home)) return 1;
    setenv("XDG_CACHE_HOME", home, 1);
    test_rows();
    test_damage();
    test_foreign();
    test_interleaved();
    test_lock();
    test_together();
    test_limit();
    test_none();
    CHECK_OK(clade_folder_remove(home));
    return TEST_END();
}
