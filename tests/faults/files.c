/* A layer under the C library's calls for files, to be preloaded: the n-th call of a kind, of all
 * or of those that FAULT_CALLERS names, fails with the error number FAULT_HOW. Where that is 0, a
 * read or write that is due is short instead: it moves one byte. All of Clade has offsets of 64
 * bits, as this file must have: what is written open here is the symbol open64. */
#define _GNU_SOURCE
#include "callers.h"
#include "fault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

/* The next one of that name, the C library's. */
#define REAL(name) (__extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void)
{
    fault_begin();
    callers_find();
}

/* Is the call to fail? Sets errno then. */
static bool fails(const char *kind, uintptr_t caller)
{
    if (caller_objects && !caller_find(caller)) return false;
    if (!fault_due(kind)) return false;
    errno = (int)fault.how;
    return true;
}

/* The size that a call may move: less than asked for where it is due to be short; 0: it fails. */
static size_t allowed(const char *kind, size_t size, uintptr_t caller)
{
    if (!fails(kind, caller)) return size;
    return fault.how ? 0 : 1;
}

/* NAME(PARAMETERS) with ARGUMENTS fails as the kind KIND, with the result BAD. */
#define CALL(kind, type, name, parameters, arguments, bad)                                         \
    EXPORTED type name parameters                                                                  \
    {                                                                                              \
        if (fails(#kind, CALLER)) return bad;                                                      \
        return REAL(name) arguments;                                                               \
    }
CALL(fopen, FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
CALL(opendir, DIR *, opendir, (const char *path), (path), NULL)
CALL(readdir, struct dirent *, readdir, (DIR * folder), (folder), NULL)
CALL(fsync, int, fsync, (int fd), (fd), -1)
CALL(rename, int, rename, (const char *from, const char *to), (from, to), -1)
CALL(mkdir, int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
CALL(unlink, int, unlink, (const char *path), (path), -1)
CALL(unlink, int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags), -1)
CALL(unlink, int, remove, (const char *path), (path), -1)
CALL(stat, int, stat, (const char *restrict path, struct stat *restrict info), (path, info), -1)
CALL(stat, int, fstat, (int fd, struct stat *info), (fd, info), -1)
CALL(truncate, int, ftruncate, (int fd, off_t size), (fd, size), -1)

/* They have an argument more where they create. */
#define OPEN(name)                                                                                 \
    EXPORTED int name(const char *path, int flags, ...)                                            \
    {                                                                                              \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;                                  \
        va_end(more);                                                                              \
        return fails("open", CALLER) ? -1 : REAL(name)(path, flags, mode);                         \
    }
OPEN(open)

/* The file is closed all the same, as Linux does it. */
EXPORTED int close(int fd)
{
    int result = REAL(close)(fd);
    return fails("close", CALLER) ? -1 : result;
}

EXPORTED int fclose(FILE *file)
{
    int result = REAL(fclose)(file);
    return fails("fclose", CALLER) ? EOF : result;
}

#define MOVE(kind, name, parameters, arguments)                                                    \
    EXPORTED ssize_t name parameters                                                               \
    {                                                                                              \
        if (size && !(size = allowed(#kind, size, CALLER))) return -1;                             \
        return REAL(name) arguments;                                                               \
    }
MOVE(read, read, (int fd, void *bytes, size_t size), (fd, bytes, size))
MOVE(pread, pread, (int fd, void *bytes, size_t size, off_t at), (fd, bytes, size, at))
MOVE(write, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))

/* Streams have no short writes; with FAULT_HOW 0 nothing of them fails. As in glibc, one that
 * fails has its error flag set. */
EXPORTED size_t fread(void *bytes, size_t size, size_t count, FILE *file)
{
    if (fails("fread", CALLER) && fault.how) {
        file->_flags |= _IO_ERR_SEEN;
        return 0;
    }
    return REAL(fread)(bytes, size, count, file);
}

EXPORTED size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file)
{
    if (fails("fwrite", CALLER) && fault.how) {
        file->_flags |= _IO_ERR_SEEN;
        return 0;
    }
    return REAL(fwrite)(bytes, size, count, file);
}
