/* Files and folders on POSIX. */
#define _XOPEN_SOURCE 700
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

clade_status clade_file_fail(const char *path, const char *what)
{
    int error = errno;
    return clade_fail(error == ENOMEM ? CLADE_ENOMEM : CLADE_EIO, "%s: %s: %s", path, what,
                      error == ENOSPC   ? "the disk is full"
                      : error == EDQUOT ? "the disk quota is used up"
                                        : strerror(error));
}

char *clade_string_join(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    char *joined = malloc(n + m + 1);
    if (!joined) return NULL;
    memcpy(joined, a, n);
    memcpy(joined + n, b, m + 1);
    return joined;
}

char *clade_path_join(const char *folder, const char *name)
{
    char *start = clade_string_join(folder, "/");
    char *path = start ? clade_string_join(start, name) : NULL;
    free(start);
    return path;
}

/* Reads until `size` bytes or the end of the file. */
static ssize_t read_fully(int fd, char *bytes, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, bytes + have, size - have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

clade_status clade_file_read(const char *path, uint64_t limit, void **bytes, size_t *size)
{
    assert(path && bytes && size);
    *bytes = NULL;
    *size = 0;
    char *text = NULL;
    clade_status status;
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hang */
    if (fd < 0) return clade_file_fail(path, "cannot open");
    struct stat info;
    if (fstat(fd, &info)) {
        status = clade_file_fail(path, "cannot read");
        goto fail;
    }
    if (!S_ISREG(info.st_mode)) {
        status = clade_fail(CLADE_EIO, "%s: cannot read: %s", path,
                            S_ISDIR(info.st_mode) ? "it is a folder" : "it is not a regular file");
        goto fail;
    }
    if ((uint64_t)info.st_size > limit || (uint64_t)info.st_size >= SIZE_MAX) {
        status = clade_fail(CLADE_EFORMAT, "%s: %llu bytes, more than the %llu allowed", path,
                            (unsigned long long)info.st_size, (unsigned long long)limit);
        goto fail;
    }
    size_t expected = (size_t)info.st_size;
    text = malloc(expected + 1);
    if (!text) {
        status = clade_fail(CLADE_ENOMEM, "%s: out of memory for %zu bytes", path, expected);
        goto fail;
    }
    ssize_t got = read_fully(fd, text, expected);
    if (got < 0) {
        status = clade_file_fail(path, "cannot read");
        goto fail;
    }
    close(fd);
    text[got] = 0;
    *bytes = text;
    *size = (size_t)got;
    return CLADE_OK;
fail:
    free(text);
    close(fd);
    return status;
}

clade_status clade_file_writer_open(clade_file_writer *writer, const char *path)
{
    assert(writer && path);
    *writer = (clade_file_writer){.fd = -1};
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return clade_fail(CLADE_EINVAL, "%s: cannot write: %s", path,
                          S_ISDIR(info.st_mode) ? "it is a folder" : "it is not a regular file");
    writer->path = clade_string_join(path, "");
    size_t room = strlen(path) + 48;
    writer->temporary = malloc(room);
    if (!writer->path || !writer->temporary) {
        clade_file_writer_abort(writer);
        return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    }
    /* not mkstemp: the file must get the permissions of the user's umask */
    for (unsigned attempt = 0;; attempt++) {
        snprintf(writer->temporary, room, "%s.%ld-%u.tmp", path, (long)getpid(), attempt);
        writer->fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->fd >= 0) return CLADE_OK;
        if (errno != EEXIST || attempt == 1000) break;
    }
    clade_status status = clade_file_fail(path, "cannot write");
    clade_file_writer_abort(writer);
    return status;
}

clade_status clade_file_writer_add(clade_file_writer *writer, const void *bytes, size_t size)
{
    assert(writer->fd >= 0);
    const char *p = bytes;
    while (size > 0) {
        /* some systems refuse more than 2 GiB at once */
        ssize_t n = write(writer->fd, p, size < 1u << 30 ? size : 1u << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return clade_file_fail(writer->path, "cannot write");
        p += n;
        size -= (size_t)n;
    }
    return CLADE_OK;
}

void clade_file_writer_abort(clade_file_writer *writer)
{
    if (writer->path && writer->fd >= 0) {
        close(writer->fd);
        unlink(writer->temporary);
    }
    free(writer->path);
    free(writer->temporary);
    *writer = (clade_file_writer){.fd = -1};
}

/* Makes a rename in the folder of `path` durable. Not every file system supports this: no error
 * then. */
static void sync_folder(const char *path)
{
    char *folder = clade_string_join(path, "");
    if (!folder) return;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

clade_status clade_file_writer_commit(clade_file_writer *writer)
{
    assert(writer->fd >= 0);
    clade_status status = CLADE_OK;
    if (fsync(writer->fd) && errno != EINVAL && errno != ENOTSUP)
        status = clade_file_fail(writer->path, "cannot write");
    int closed = close(writer->fd);
    if (!status && closed) status = clade_file_fail(writer->path, "cannot write");
    if (!status && rename(writer->temporary, writer->path))
        status = clade_file_fail(writer->path, "cannot replace");
    if (status)
        unlink(writer->temporary);
    else
        sync_folder(writer->path);
    writer->fd = -1;
    clade_file_writer_abort(writer);
    return status;
}

clade_status clade_file_write(const char *path, const void *bytes, size_t size)
{
    clade_file_writer writer;
    clade_status status = clade_file_writer_open(&writer, path);
    if (status) return status;
    status = clade_file_writer_add(&writer, bytes, size);
    if (!status) return clade_file_writer_commit(&writer);
    clade_file_writer_abort(&writer);
    return status;
}

clade_status clade_file_exists(const char *path, bool *exists)
{
    struct stat info;
    *exists = stat(path, &info) == 0;
    return *exists || errno == ENOENT || errno == ENOTDIR ? CLADE_OK
                                                          : clade_file_fail(path, "cannot read");
}

clade_status clade_folder_exists(const char *path, bool *exists)
{
    struct stat info;
    const bool found = stat(path, &info) == 0;
    *exists = found && S_ISDIR(info.st_mode);
    return found || errno == ENOENT || errno == ENOTDIR ? CLADE_OK
                                                        : clade_file_fail(path, "cannot read");
}

clade_status clade_folder_create(const char *path)
{
    int made;
    return clade_folder_make(path, &made);
}

/* Cuts the last name off a path. */
static void cut(char *path)
{
    size_t n = strlen(path);
    while (n && path[n - 1] == '/') n--;
    while (n && path[n - 1] != '/') n--;
    path[n] = 0;
}

static void remove_upwards(char *path, int count)
{
    for (; count > 0 && !rmdir(path); count--) cut(path);
}

clade_status clade_folder_make(const char *path, int *made)
{
    assert(path && made);
    *made = 0;
    char *part = clade_string_join(path, "");
    if (!part) return clade_fail(CLADE_ENOMEM, "%s: out of memory", path);
    clade_status status = CLADE_OK;
    for (char *end = part; *end && !status;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char kept = *end;
        *end = 0;
        struct stat info;
        if (!mkdir(part, 0777)) {
            (*made)++;
        } else {
            int error = errno;
            if (stat(part, &info)) {
                errno = error;
                status = clade_file_fail(part, "cannot create the folder");
            } else if (!S_ISDIR(info.st_mode)) {
                status = clade_fail(
                    CLADE_EIO, "%s: cannot create the folder: a file of that name exists", part);
            }
        }
        if (!status) *end = kept;
    }
    if (status) {
        cut(part);
        remove_upwards(part, *made);
        *made = 0;
    }
    free(part);
    return status;
}

void clade_folder_unmake(const char *path, int made)
{
    char *part = clade_string_join(path, "");
    if (part) remove_upwards(part, made);
    free(part);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

clade_status clade_folder_remove(const char *path)
{
    assert(path);
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
        return clade_file_fail(path, "cannot remove");
    return CLADE_OK;
}

clade_status clade_cache_path(const char *name, char **path)
{
    assert(name && path);
    *path = NULL;
    const char *base = getenv("XDG_CACHE_HOME"), *middle = "/clade/";
    if (!base || base[0] != '/') { /* the XDG specification: a relative path must be ignored */
        base = getenv("HOME");
        middle = "/.cache/clade/";
    }
    if (!base || base[0] != '/')
        return clade_fail(CLADE_EINVAL,
                          "no cache folder: neither XDG_CACHE_HOME nor HOME is an absolute path");
    char *folder = clade_string_join(base, middle);
    if (folder) *path = clade_string_join(folder, name);
    free(folder);
    return *path ? CLADE_OK : clade_fail(CLADE_ENOMEM, "%s: out of memory", name);
}
