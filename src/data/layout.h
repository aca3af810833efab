/* What the folders of a source mean: which are splits, which are classes. */
#ifndef CLADE_DATA_LAYOUT_H
#define CLADE_DATA_LAYOUT_H

#include "data/dataset.h"

/* A folder right below the one that is looked at. */
typedef struct clade_folder {
    const char *name; /* not terminated */
    size_t length;
    size_t direct, deep; /* images in it, and in it or below it */
    int32_t label;       /* of a class */
} clade_folder;

typedef struct clade_folders {
    clade_folder *items;
    size_t count, room;
} clade_folders;

/* A split's folder: a source and the part of the names that leads to the classes. */
typedef struct clade_split_root {
    clade_source *source;
    char *prefix; /* empty, or ends in '/'; NULL: there is no such split */
} clade_split_root;

/* The split that a word stands for: train, training, val, …; CLADE_SPLITS: none. */
clade_split clade_split_of_word(const char *word, size_t length);

/* The folder called so in a list, which gets it if it is new; NULL: out of memory. */
clade_folder *clade_folders_take(clade_folders *in, const char *name, size_t length);
/* Lists the folders directly below a prefix. */
clade_status clade_folders_scan(const clade_source *source, const char *prefix, clade_folders *out);

/* What may say the classes where no folders do: the list that lies among the images, if one does.
 */
enum { CLADE_LABEL_HINT = 1024 };
const char *clade_label_hint(const clade_source *source, char text[CLADE_LABEL_HINT]);

/* The splits of a data set's sources. One without folders of splits is all training split. With
 * `flat`, classes are not told by folders: any split may hold its images as it likes. EINVAL where
 * folders look like splits and cannot be, or two stand for the same. The caller frees the
 * prefixes, after a failure too. */
clade_status clade_find_splits(clade_source *const sources[CLADE_SPLITS], bool flat,
                               clade_split_root roots[CLADE_SPLITS]);

#endif
