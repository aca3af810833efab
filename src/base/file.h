/* Whole files and folders: bounded reads, atomic writes, the cache folder. Error texts name the
 * path. */
#ifndef CLADE_BASE_FILE_H
#define CLADE_BASE_FILE_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fails with ENOMEM or EIO, depending on errno, and its description: "PATH: WHAT: the disk is
 * full". */
clade_status clade_file_fail(const char *path, const char *what);

/* Reads a regular file of at most `limit` bytes into memory that the caller frees. A zero byte
 * follows the contents, not counted in *size. Errors: EIO; EFORMAT if it is larger than `limit`;
 * ENOMEM. On error *bytes is NULL. */
clade_status clade_file_read(const char *path, uint64_t limit, void **bytes, size_t *size);

/* Replaces or creates the file at `path` atomically: a reader sees the old contents or the new,
 * whatever interrupts the write. Errors: EIO (also a full disk), EINVAL if `path` exists but is not
 * a regular file, ENOMEM; the file at `path` is then unchanged. */
clade_status clade_file_write(const char *path, const void *bytes, size_t size);

/* Writes a file in the same way piece by piece: open; add, any number of times; then commit or
 * abort. */
typedef struct clade_file_writer {
    char *path, *temporary;
    int fd; /* -1: failed or finished */
} clade_file_writer;

clade_status clade_file_writer_open(clade_file_writer *writer, const char *path);
/* After an error, only abort is left to do. */
clade_status clade_file_writer_add(clade_file_writer *writer, const void *bytes, size_t size);
/* Flushes to disk and renames; releases the writer in any case. */
clade_status clade_file_writer_commit(clade_file_writer *writer);
/* Removes what was written so far. Does nothing for a zeroed writer, which has no path. */
void clade_file_writer_abort(clade_file_writer *writer);

/* Tells whether anything exists at `path`; a dangling link does not count. Errors: EIO if this
 * cannot be determined; a caller that would overwrite the file must not take that for absence. */
clade_status clade_file_exists(const char *path, bool *exists);

/* Tells whether a folder exists at `path`. Errors: likewise. */
clade_status clade_folder_exists(const char *path, bool *exists);

/* Creates the folder and its parents, unless they exist. */
clade_status clade_folder_create(const char *path);
/* Does the same; *made is the number of folders created, at the end of the path. */
clade_status clade_folder_make(const char *path, int *made);
/* Removes this many folders, starting at the end of the path, as long as they are empty. */
void clade_folder_unmake(const char *path, int made);

/* Removes the folder with its contents, not following links; succeeds if there is none. */
clade_status clade_folder_remove(const char *path);

/* Gives `name` in the user's cache folder: $XDG_CACHE_HOME/clade/name, or ~/.cache/clade/name.
 * Creates nothing. The caller frees *path. Errors: EINVAL if neither variable holds an absolute
 * path. */
clade_status clade_cache_path(const char *name, char **path);

/* Returns the concatenation of a and b, which the caller frees; NULL: out of memory. */
char *clade_string_join(const char *a, const char *b);
/* Returns folder/name in the same way. */
char *clade_path_join(const char *folder, const char *name);

#endif
