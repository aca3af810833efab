/* Sources of images: the list of a folder's or an archive's files, and their bytes. */
#ifndef CLADE_DATA_SOURCE_H
#define CLADE_DATA_SOURCE_H

#include "data/image.h"

#include <stdatomic.h>

typedef enum clade_entry_kind {
    CLADE_ENTRY_FOLDER,
    CLADE_ENTRY_IMAGE,  /* its first bytes are those of a supported image */
    CLADE_ENTRY_MEMBER, /* a file of a binary set, by its name */
    CLADE_ENTRY_OTHER   /* anything else; `reason` says what */
} clade_entry_kind;

typedef struct clade_entry {
    char *name; /* relative; parts joined by '/', none of them "." or ".." */
    clade_entry_kind kind;
    bool damaged;        /* has an image's name, but not its content */
    bool unreadable;     /* the system could not provide it: missing, forbidden, broken */
    bool replaced;       /* the archive has a later entry of this name */
    bool used;           /* a member that a binary set was read from */
    char *reason;        /* for CLADE_ENTRY_OTHER */
    char *link;          /* while an archive is read: the file to which this is a hard link */
    size_t place;        /* position in the original order, from 1 */
    size_t most;         /* maximum size of its content */
    clade_stamp stamp;   /* for files on disk */
    size_t size;         /* in bytes; 0 for files on disk */
    uint8_t *bytes;      /* an archive's image or member, in memory; NULL: on disk, or freed */
    atomic_size_t users; /* number of images that still need `bytes` */
} clade_entry;

/* A folder or an archive. Its entries are in byte order of their names; only entries of kind OTHER
 * may repeat a name. */
typedef struct clade_source {
    char *path;
    clade_entry *entries;
    size_t count, room;
} clade_source;

/* Lists the contents of `path`. An archive is read once from beginning to end: its images and
 * members of binary sets stay in memory, undecoded, at most `limit` bytes; nothing is written to
 * disk. An archive is refused if it is encrypted or unpacks to far more than its size. Of files
 * with the same name the last counts, as if unpacked, and the others are listed as unusable. Hidden
 * files and files that systems create (__MACOSX, Thumbs.db) are not listed. `threads` 0:
 * automatic. */
clade_status clade_source_open(const char *path, uint64_t limit, int threads, clade_source **out);
void clade_source_close(clade_source **source);

/* Reads bytes [offset, offset + size) of an entry, or all of it with size SIZE_MAX. *bytes points
 * into the entry or into `buffer`. EIO: it can no longer be read, or has changed since it was
 * listed. An error names the entry. Thread-safe. */
clade_status clade_source_read(const clade_source *source, const clade_entry *entry, size_t offset,
                               size_t size, clade_bytes *buffer, const uint8_t **bytes,
                               size_t *got);

/* Reads an entry through a window, if the caller can use one: a large file on disk is not read at
 * once. */
clade_status clade_source_read_input(const clade_source *source, const clade_entry *entry,
                                     clade_bytes *buffer, clade_input *out);

/* Tells that one image no longer needs the entry; after the last one its bytes are freed. */
void clade_entry_release(clade_entry *entry);

/* Returns a name's parts joined by '/', malloc'ed, without "." and ".."; NULL: out of memory.
 * *outside: it contained one of these; *clutter: it should not be listed. */
char *clade_clean_name(const char *name, bool *outside, bool *clutter);
/* For both kinds of sources: adds an entry (kind OTHER without a reason) with its name in the
 * folder or archive. *out is NULL if it should not be listed. */
clade_status clade_source_add(clade_source *source, const char *name, clade_entry **out);
clade_status clade_source_read_archive(clade_source *source, uint64_t limit);
/* Counts the memory of an archive's entry; fails if it exceeds the limit. */
clade_status clade_source_keep(const clade_source *source, const clade_entry *entry, uint64_t limit,
                               uint64_t *kept);
/* Gives hard links the content of their targets, as long as all content takes at most `limit`
 * bytes, of which *kept are used. */
clade_status clade_source_follow_links(clade_source *source, uint64_t limit, uint64_t *kept);
/* Determines the kind of a file from its name and first bytes. */
clade_status clade_entry_classify(clade_entry *entry, const uint8_t *head, size_t size);
/* Marks an entry as unusable; the text is copied. */
clade_status clade_entry_reject(clade_entry *entry, const char *reason);
void clade_entry_clear(clade_entry *entry);
/* Returns whether the first part of a path, of n bytes, is one that systems create beside
 * images. */
bool clade_is_clutter(const char *part, size_t n);

/* Unpacks the first `most` bytes, or all there are, of a gzip file in memory into malloc'ed
 * *out. */
clade_status clade_gunzip(const uint8_t *bytes, size_t size, size_t most, uint8_t **out,
                          size_t *got);

/* Returns the bytes of memory available now, according to the system and its control group. */
uint64_t clade_memory_free(void);

/* Returns whether a name ends like that of a list of labels. */
bool clade_named_list(const char *name);

/* Returns the last part of a name. */
const char *clade_base_name(const char *name);

#endif
