/* The inside of a data set, for the files that fill it, load it and serve from it. */
#ifndef CLADE_DATA_DATASET_H
#define CLADE_DATA_DATASET_H

#include "data/source.h"

typedef enum clade_cached {
    CLADE_NOT_CACHED,
    CLADE_BEING_CACHED,
    CLADE_CACHED,
    CLADE_NO_PLACE /* for good: the cache was full */
} clade_cached;

/* One image of a split. */
typedef struct clade_image {
    const char *name; /* within its source */
    const char *key;  /* the part of the name that the splits by fraction go by: below the split's
                       * folder, so that a wrapping folder or its name makes no difference */
    const clade_source *source;
    clade_entry *entry;
    size_t offset;                 /* of its pixels in a member of a binary set */
    int32_t label;                 /* 0 with several labels or numbers, and then: */
    const uint8_t *set;            /* a bit for each class, the lowest first; else NULL */
    const float *target;           /* its numbers, one for each target; else NULL */
    float weight;                  /* of its loss, where the data set has weights */
    size_t listed;                 /* its place in the split as that was opened */
    atomic_uint_least64_t *digest; /* of its stored bytes when first read; 0: not yet */
    char *_Atomic damage;          /* why it cannot be decoded, malloc'ed; NULL: not so far */
    atomic_uchar cached;           /* a clade_cached: do its pixels lie in the cache? */
    uint8_t *place;                /* where they do; NULL: it has none yet */
} clade_image;

typedef struct clade_images {
    clade_image *items;
    size_t count, room;
    size_t listed;                 /* images when it was opened, of which some may be dropped, */
    atomic_uint_least64_t *digest; /* and the digest of each */
    struct clade_cache *cache;     /* made by clade_dataset_make_room; NULL: none */
    size_t *of_class;
} clade_images;

/* How a binary set stores an image. */
typedef struct clade_raw {
    int32_t height, width, channels; /* height 0: the images are files */
    bool planar;                     /* channel after channel (CIFAR) */
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
    bool known; /* its classes were given */
    clade_task task;
    bool weighted;          /* its images have weights */
    char identity[65];      /* SHA-256 of classes, labels and last names of its images */
    double max_damaged;     /* share of the images */
    size_t unusable;        /* files that are only named like images */
    atomic_size_t *damaged; /* these and the images found damaged, dropped ones too */
    clade_skip *skipped;
    size_t skipped_count, skipped_room;
};

const char *clade_split_word(clade_split split); /* "training", "validation", "test" */

size_t clade_dataset_bytes(const clade_dataset *dataset); /* of one image */
clade_status clade_dataset_add(clade_dataset *dataset, clade_split split, const clade_image *image);
clade_status clade_dataset_add_class(clade_dataset *dataset, const char *name, size_t length);
clade_status clade_dataset_skip(clade_dataset *dataset, const char *name, const char *reason);
/* Keeps a malloc'ed text until the data set is destroyed; frees it at once on failure. */
clade_status clade_dataset_keep(clade_dataset *dataset, char *text);

/* Counts the images of each class. One that has none in the training or the validation split, if
 * there is that split, is an error, unless the classes were given. */
clade_status clade_dataset_count_classes(clade_dataset *dataset);

/* Finds splits and classes in the names of the sources' files. */
clade_status clade_layout_read(clade_dataset *dataset, const clade_data_options *options);

/* Moves images from the training split to one that has none, by fraction and seed. */
clade_status clade_split_by_fraction(clade_dataset *dataset, double validation, double test,
                                     uint64_t seed);
/* Moves all images of the training and the validation split to training, and those of one of so
 * many folds, numbered from 1, to validation. */
clade_status clade_split_by_fold(clade_dataset *dataset, int32_t folds, int32_t fold,
                                 uint64_t seed);

typedef struct clade_original {
    clade_header header; /* kind OTHER: a record of a binary set */
    clade_input input;   /* the image as it is stored */
} clade_original;
/* The rows of an image at its full size (half of it for a JPEG above clade_image_pixels), in the
 * data set's channels. An error may lack the image's name. */
clade_status clade_dataset_original(const clade_dataset *dataset, clade_split split, size_t i,
                                    clade_decoder *decoder, clade_sink *sink, clade_original *out);

/* Do images have rows of labels or numbers, not a class? */
static inline bool clade_dataset_has_rows(const clade_dataset *dataset)
{
    return dataset->task == CLADE_TASK_MULTI_LABEL || dataset->task == CLADE_TASK_REGRESSION;
}

/* Reads the stored bytes of an image for its digest, unless that is known. Thread-safe. EIO. */
clade_status clade_image_identify(const clade_dataset *dataset, const clade_image *image,
                                  clade_decoder *decoder);
/* The same for the training and the validation split, in parallel; nothing is decoded. `progress`
 * as for clade_dataset_load. */
clade_status clade_dataset_identify(clade_dataset *dataset,
                                    bool (*progress)(void *user, size_t done, size_t total),
                                    void *user);

/* Digests of a split's stored images [listed], in the order in which they were listed; 0 of one
 * that has not been read yet. Taking those of before, EIO where one is known to differ. */
void clade_dataset_digests(const clade_dataset *dataset, clade_split split, uint64_t *out);
clade_status clade_dataset_expect(const clade_dataset *dataset, clade_split split,
                                  const uint64_t *digest);

/* An image's pixels, decoded into `out`. EIO where its stored bytes are not those of before. */
clade_status clade_dataset_decode(const clade_dataset *dataset, const clade_image *image,
                                  clade_decoder *decoder, uint8_t *out);

/* Shares the memory for decoded images among the splits in their order. What has been made before
 * stays as it is. */
clade_status clade_dataset_make_room(clade_dataset *dataset);
void clade_cache_destroy(struct clade_cache **cache);

/* Where the pixels of an image are: in the cache, into which it is decoded first if there is a
 * place left for it, else in `spare`. A damaged image (EFORMAT) is marked as such, unless the data
 * set is strict or was loaded. Thread-safe. */
clade_status clade_dataset_take(const clade_dataset *dataset, clade_split split, size_t i,
                                clade_decoder *decoder, uint8_t *spare, const uint8_t **pixels);
void clade_dataset_mark_damaged(const clade_dataset *dataset, clade_image *image);
bool clade_dataset_is_damaged(const clade_dataset *dataset, clade_split split, size_t i);
bool clade_dataset_has_damaged(const clade_dataset *dataset); /* any that is marked? */
size_t clade_dataset_damaged(const clade_dataset *dataset);   /* found so far, dropped or not */
/* EFORMAT when the share of damaged images is above max_damaged. */
clade_status clade_dataset_check_damage(const clade_dataset *dataset);
/* Drops the images that are marked; those after them move up. EINVAL when a class has none left. */
clade_status clade_dataset_drop_damaged(clade_dataset *dataset);
/* Does every image of the split lie in the cache? There is a place for every one? */
bool clade_dataset_is_cached(const clade_dataset *dataset, clade_split split);
bool clade_dataset_has_room(const clade_dataset *dataset, clade_split split);

#endif
