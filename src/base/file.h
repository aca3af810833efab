/* Whole files and folders: bounded reads, atomic writes, the cache folder. Error texts name the
 * path. */
#ifndef CLADE_BASE_FILE_H
#define CLADE_BASE_FILE_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ENOMEM or EIO by errno, in its words: "PATH: WHAT: the disk is full". */
clade_status clade_file_fail(const char *path, const char *what);

/* Reads a regular file of at most `limit` bytes into memory that the caller frees. A zero byte
 * follows the contents and is not counted in *size. Errors: EIO; EFORMAT when it is larger than
 * `limit`; ENOMEM. On error *bytes is NULL. */
clade_status clade_file_read(const char *path, uint64_t limit, void **bytes, size_t *size);

/* Replaces the file at `path`, or makes it, in one step: a reader sees the old contents or the new,
 * whatever interrupts the write. Errors: EIO (also a full disk), EINVAL when `path` is something
 * else than a regular file, ENOMEM; the file at `path` is then as it was. */
clade_status clade_file_write(const char *path, const void *bytes, size_t size);

/* The same in pieces: open; add, any number of times; then either commit or abort. */
typedef struct clade_file_writer {
    char *path, *temporary;
    int fd; /* -1: a failed or finished writer */
} clade_file_writer;

clade_status clade_file_writer_open(clade_file_writer *writer, const char *path);
/* An error leaves nothing more to do than abort. */
clade_status clade_file_writer_add(clade_file_writer *writer, const void *bytes, size_t size);
/* Flushes to the disk and renames; releases the writer whatever comes of it. */
clade_status clade_file_writer_commit(clade_file_writer *writer);
/* Removes what was written so far. Does nothing on a zeroed writer that has no path. */
void clade_file_writer_abort(clade_file_writer *writer);

/* Whether there is something at `path`; a link that leads nowhere is nothing. Errors: EIO when that
 * cannot be found out, which must not be taken for absence by who would replace what is there. */
clade_status clade_file_exists(const char *path, bool *exists);

/* Whether there is a folder at `path`. Errors: likewise. */
clade_status clade_folder_exists(const char *path, bool *exists);

/* Makes the folder and its parents; fine when it is there already. */
clade_status clade_folder_create(const char *path);
/* The same; *made is how many folders at the end of the path were not there before. */
clade_status clade_folder_make(const char *path, int *made);
/* Removes so many folders from the end of the path on, as far as there is nothing in them. */
void clade_folder_unmake(const char *path, int made);

/* Removes the folder and all that is in it, links not followed; fine when there is none. */
clade_status clade_folder_remove(const char *path);

/* `name` in the user's cache folder: $XDG_CACHE_HOME/clade/name, or ~/.cache/clade/name. Makes
 * nothing. The caller frees *path. Errors: EINVAL when neither variable names an absolute path. */
clade_status clade_cache_path(const char *name, char **path);

/* The strings a and b one after the other, to be freed; NULL when memory is short. */
char *clade_string_join(const char *a, const char *b);
/* folder/name, as clade_string_join. */
char *clade_path_join(const char *folder, const char *name);

#endif
