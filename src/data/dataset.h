/* Internals of a data set, for the files that fill it, load it and serve from it. */
#ifndef CLADE_DATA_DATASET_H
#define CLADE_DATA_DATASET_H

#include "data/source.h"

typedef enum clade_cached {
    CLADE_NOT_CACHED,
    CLADE_BEING_CACHED,
    CLADE_CACHED,
    CLADE_NO_PLACE /* permanently: the cache was full */
} clade_cached;

/* One image of a split. */
typedef struct clade_image {
    const char *name; /* within its source */
    const char *key;  /* the part of the name that splits by fraction depend on: the part below the
                       * split's folder, so that wrapping folders and their names make no
                       * difference */
    const clade_source *source;
    clade_entry *entry;
    size_t offset;                 /* of its pixels in a member of a binary set */
    int32_t label;                 /* 0 for several labels or numbers, which are in: */
    const uint8_t *set;            /* a bit for each class, lowest first; else NULL */
    const float *target;           /* its numbers, one per target; else NULL */
    float weight;                  /* of its loss, if the data set has weights */
    size_t listed;                 /* its index in the split when that was opened */
    atomic_uint_least64_t *digest; /* of its stored bytes when first read; 0: not read yet */
    char *_Atomic damage;          /* why it cannot be decoded, malloc'ed; NULL: no known damage */
    atomic_uchar cached;           /* a clade_cached: whether the cache holds its pixels */
    uint8_t *place;                /* where it does; NULL: no place yet */
} clade_image;

typedef struct clade_images {
    clade_image *items;
    size_t count, room;
    size_t listed;                 /* number of images when opened; some may have been dropped */
    atomic_uint_least64_t *digest; /* and the digest of each */
    struct clade_cache *cache;     /* created by clade_dataset_make_room; NULL: none */
    size_t *of_class;
} clade_images;

/* How a binary set stores an image. */
typedef struct clade_raw {
    int32_t height, width, channels; /* height 0: the images are files */
    bool planar;                     /* channel by channel (CIFAR) */
} clade_raw;

typedef struct clade_skip {
    char *name, *reason;
} clade_skip;

struct clade_dataset {
    clade_source
        *sources[CLADE_SPLITS]; /* the main one, the validation split's, the test split's */
    char **names;               /* of the classes */
    size_t classes;
    clade_images split[CLADE_SPLITS];
    clade_raw raw;
    char **blocks; /* texts that images' names point into */
    size_t block_count;
    clade_target target;
    uint64_t cache_bytes;
    int threads;
    bool strict, lenient, loaded;
    bool known; /* the caller gave its classes */
    clade_task task;
    bool weighted;          /* its images have weights */
    char identity[65];      /* SHA-256 of the classes, and of its images' labels and base names */
    double max_damaged;     /* share of the images */
    size_t unusable;        /* files with an image's name but not its content */
    atomic_size_t *damaged; /* these and the images found damaged, including dropped ones */
    clade_skip *skipped;
    size_t skipped_count, skipped_room;
};

const char *clade_split_word(clade_split split); /* "training", "validation", "test" */

size_t clade_dataset_bytes(const clade_dataset *dataset); /* of one image */
clade_status clade_dataset_add(clade_dataset *dataset, clade_split split, const clade_image *image);
clade_status clade_dataset_add_class(clade_dataset *dataset, const char *name, size_t length);
clade_status clade_dataset_skip(clade_dataset *dataset, const char *name, const char *reason);
/* Takes ownership of a malloc'ed text until the data set is destroyed; frees it at once on
 * failure. */
clade_status clade_dataset_keep(clade_dataset *dataset, char *text);

/* Counts the images of each class. An error if a class has none in the training or the validation
 * split, where these exist, unless the caller gave the classes. */
clade_status clade_dataset_count_classes(clade_dataset *dataset);

/* Finds splits and classes in the names of the sources' files. */
clade_status clade_layout_read(clade_dataset *dataset, const clade_data_options *options);

/* Moves images from the training split to one that has none, by fraction and seed. */
clade_status clade_split_by_fraction(clade_dataset *dataset, double validation, double test,
                                     uint64_t seed);
/* Moves all images of the training and the validation split to training, and those of one of
 * `folds` folds, numbered from 1, to validation. */
clade_status clade_split_by_fold(clade_dataset *dataset, int32_t folds, int32_t fold,
                                 uint64_t seed);

typedef struct clade_original {
    clade_header header; /* kind OTHER: a record of a binary set */
    clade_input input;   /* the image as stored */
} clade_original;
/* Decodes the rows of an image at full size (half of it for a JPEG above clade_image_pixels), with
 * the data set's channels. An error may lack the image's name. */
clade_status clade_dataset_original(const clade_dataset *dataset, clade_split split, size_t i,
                                    clade_decoder *decoder, clade_sink *sink, clade_original *out);

/* Returns whether images have rows of labels or numbers instead of a class. */
static inline bool clade_dataset_has_rows(const clade_dataset *dataset)
{
    return dataset->task == CLADE_TASK_MULTI_LABEL || dataset->task == CLADE_TASK_REGRESSION;
}

/* Reads the stored bytes of an image to compute its digest, unless it is known. Thread-safe.
 * Errors: EIO. */
clade_status clade_image_identify(const clade_dataset *dataset, const clade_image *image,
                                  clade_decoder *decoder);
/* Does the same for all images of the training and the validation split, in parallel; decodes
 * nothing. `progress` as for clade_dataset_load. */
clade_status clade_dataset_identify(clade_dataset *dataset,
                                    bool (*progress)(void *user, size_t done, size_t total),
                                    void *user);

/* Give the digests of a split's stored images [listed], in the order in which they were listed; 0
 * for images not read yet. Or set the digests of an earlier run: EIO if a known one differs. */
void clade_dataset_digests(const clade_dataset *dataset, clade_split split, uint64_t *out);
clade_status clade_dataset_expect(const clade_dataset *dataset, clade_split split,
                                  const uint64_t *digest);

/* Decodes an image's pixels into `out`. EIO if its stored bytes have changed. */
clade_status clade_dataset_decode(const clade_dataset *dataset, const clade_image *image,
                                  clade_decoder *decoder, uint8_t *out);

/* Divides the memory for decoded images among the splits, in order. Keeps memory that already
 * exists. */
clade_status clade_dataset_make_room(clade_dataset *dataset);
void clade_cache_destroy(struct clade_cache **cache);

/* Gives the pixels of an image: in the cache, decoding it there first if it has a place; else in
 * `spare`. Marks a damaged image (EFORMAT), unless the data set is strict or was loaded.
 * Thread-safe. */
clade_status clade_dataset_take(const clade_dataset *dataset, clade_split split, size_t i,
                                clade_decoder *decoder, uint8_t *spare, const uint8_t **pixels);
void clade_dataset_mark_damaged(const clade_dataset *dataset, clade_image *image);
bool clade_dataset_is_damaged(const clade_dataset *dataset, clade_split split, size_t i);
bool clade_dataset_has_damaged(const clade_dataset *dataset); /* whether any image is marked */
size_t clade_dataset_damaged(const clade_dataset *dataset);   /* damaged so far, dropped or not */
/* Fails with EFORMAT if the share of damaged images is above max_damaged. */
clade_status clade_dataset_check_damage(const clade_dataset *dataset);
/* Drops the marked images; those after them move up. EINVAL if a class loses its last image. */
clade_status clade_dataset_drop_damaged(clade_dataset *dataset);
/* Return whether every image of the split is in the cache, and whether there is room for every
 * one. */
bool clade_dataset_is_cached(const clade_dataset *dataset, clade_split split);
bool clade_dataset_has_room(const clade_dataset *dataset, clade_split split);

#endif
