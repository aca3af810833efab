/* The meaning of a source's folders: which are splits, which are classes. */
#ifndef CLADE_DATA_LAYOUT_H
#define CLADE_DATA_LAYOUT_H

#include "data/dataset.h"

/* A folder directly below the current one. */
typedef struct clade_folder {
    const char *name; /* not terminated */
    size_t length;
    size_t direct, deep; /* images directly in it, and at any depth */
    int32_t label;       /* label of its class */
} clade_folder;

typedef struct clade_folders {
    clade_folder *items;
    size_t count, room;
} clade_folders;

/* A split's folder: a source and the part of the names before the classes. */
typedef struct clade_split_root {
    clade_source *source;
    char *prefix; /* empty, or ends in '/'; NULL: there is no such split */
} clade_split_root;

/* Returns the split that a word means: train, training, val, …; CLADE_SPLITS: none. */
clade_split clade_split_of_word(const char *word, size_t length);

/* Returns the folder of this name in a list, adding it if it is new; NULL: out of memory. */
clade_folder *clade_folders_take(clade_folders *in, const char *name, size_t length);
/* Lists the folders directly below a prefix. */
clade_status clade_folders_scan(const clade_source *source, const char *prefix, clade_folders *out);

/* Returns a hint on where the classes could come from if no folders say them: the list that lies
 * among the images, if there is one. */
enum { CLADE_LABEL_HINT = 1024 };
const char *clade_label_hint(const clade_source *source, char text[CLADE_LABEL_HINT]);

/* Finds the splits of a data set's sources. A source without split folders is all training split.
 * With `flat`, folders do not determine classes: any split may arrange its images freely. EINVAL if
 * folders look like splits but cannot be, or two mean the same split. The caller frees the
 * prefixes, after a failure too. */
clade_status clade_find_splits(clade_source *const sources[CLADE_SPLITS], bool flat,
                               clade_split_root roots[CLADE_SPLITS]);

#endif
