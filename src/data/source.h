/* Where images come from: the list of a folder's or an archive's files, and their bytes. */
#ifndef CLADE_DATA_SOURCE_H
#define CLADE_DATA_SOURCE_H

#include "data/image.h"

#include <stdatomic.h>

typedef enum clade_entry_kind {
    CLADE_ENTRY_FOLDER,
    CLADE_ENTRY_IMAGE,  /* its first bytes are those of an image that is read */
    CLADE_ENTRY_MEMBER, /* a file of a binary set, by its name */
    CLADE_ENTRY_OTHER   /* anything else; `reason` says what */
} clade_entry_kind;

typedef struct clade_entry {
    char *name; /* relative, parts joined by '/', no "." or ".." among them */
    clade_entry_kind kind;
    bool damaged;        /* named like an image */
    bool unreadable;     /* the system did not give it: gone, forbidden, broken */
    bool replaced;       /* the archive has another of its name */
    bool used;           /* a member that a binary set was read from */
    char *reason;        /* of CLADE_ENTRY_OTHER */
    char *link;          /* while an archive is read: the file that this is a hard link to */
    size_t place;        /* among the entries as they came, from 1 on */
    size_t most;         /* bytes that its content may have */
    clade_stamp stamp;   /* of what is on disk */
    size_t size;         /* of bytes; 0 for what is on disk */
    uint8_t *bytes;      /* an archive's image or member, kept; NULL: on disk, or given back */
    atomic_size_t users; /* images that still need `bytes` */
} clade_entry;

/* A folder or an archive. Its entries are in byte order of their names; a name stands more than
 * once only with entries of kind OTHER. */
typedef struct clade_source {
    char *path;
    clade_entry *entries;
    size_t count, room;
} clade_source;

/* Lists what `path` holds. An archive is read through once: its images and members of binary sets
 * stay in memory as they are, at most `limit` bytes; nothing is written to disk. One that is
 * encrypted or unpacks to far more than its size is refused; of files with one name the last
 * counts, as if unpacked, and the others are listed as unusable. Hidden files and what systems
 * leave behind
 * (__MACOSX, Thumbs.db) are not listed. `threads` 0: chosen. */
clade_status clade_source_open(const char *path, uint64_t limit, int threads, clade_source **out);
void clade_source_close(clade_source **source);

/* Bytes [offset, offset + size) of an entry, all of it with size SIZE_MAX: in *bytes, which points
 * into the entry or into `buffer`. EIO: it cannot be read any more, or has changed since it was
 * listed. An error names the entry. Thread-safe. */
clade_status clade_source_read(const clade_source *source, const clade_entry *entry, size_t offset,
                               size_t size, clade_bytes *buffer, const uint8_t **bytes,
                               size_t *got);

/* All of an entry, for what can do with a window on it: a large file on disk is not read at once.
 */
clade_status clade_source_read_input(const clade_source *source, const clade_entry *entry,
                                     clade_bytes *buffer, clade_input *out);

/* One image needs the entry no more; the last gives its bytes back. */
void clade_entry_release(clade_entry *entry);

/* A name's parts joined by '/', malloc'ed, without "." and ".."; NULL: out of memory. *outside: it
 * had one of these; *clutter: it is not to be listed. */
char *clade_clean_name(const char *name, bool *outside, bool *clutter);
/* For the two kinds of sources: adds an entry (kind OTHER without a reason) under the name as it
 * stands in the folder or archive. *out is NULL when it is not to be listed. */
clade_status clade_source_add(clade_source *source, const char *name, clade_entry **out);
clade_status clade_source_read_archive(clade_source *source, uint64_t limit);
/* Counts the memory that an entry of an archive takes; an error when that is too much. */
clade_status clade_source_keep(const clade_source *source, const clade_entry *entry, uint64_t limit,
                               uint64_t *kept);
/* Gives hard links the content of what they lead to, as long as all takes at most `limit` bytes, of
 * which *kept are taken. */
clade_status clade_source_follow_links(clade_source *source, uint64_t limit, uint64_t *kept);
/* What a file is, by its name and first bytes. */
clade_status clade_entry_classify(clade_entry *entry, const uint8_t *head, size_t size);
/* Marks an entry as unusable; the text is copied. */
clade_status clade_entry_reject(clade_entry *entry, const char *reason);
void clade_entry_clear(clade_entry *entry);
/* Is the first part of a path, of n bytes, what systems leave beside images? */
bool clade_is_clutter(const char *part, size_t n);

/* Unpacks the first `most` bytes, or all there are, of a gzip file in memory into malloc'ed *out.
 */
clade_status clade_gunzip(const uint8_t *bytes, size_t size, size_t most, uint8_t **out,
                          size_t *got);

/* Bytes of memory that could be used now, by what the system and its control group say. */
uint64_t clade_memory_free(void);

/* Does a name end like that of a list of labels? */
bool clade_named_list(const char *name);

/* The last part of a name. */
const char *clade_base_name(const char *name);

#endif
