/* Features on disk: a file for each net, weights and preprocessing in the folder features/ of
 * clade's cache, with a row for each image. A cache that does not work costs the time of computing,
 * never more: nothing here is an error but short memory. */
#ifndef CLADE_TRAIN_FEATURE_CACHE_H
#define CLADE_TRAIN_FEATURE_CACHE_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct clade_feature_cache {
    char *folder, *path; /* NULL: nothing is kept */
    char key[65];
    size_t size;    /* floats in a row */
    uint64_t limit; /* of all files, in bytes */
    uint64_t seen;  /* bytes of the file that were looked through */
    bool added;     /* something, so that the limit is to be looked at */
    char note[600]; /* what went wrong first, for the user; empty: nothing */
} clade_feature_cache;

/* The rows of a split's images: those that are known, and places for the others. */
typedef struct clade_features {
    float *row; /* [count, size] */
    size_t count, size;
    bool *have;                        /* [count]: is the row known? */
    uint64_t *digest;                  /* [count]: of the images' bytes, */
    struct clade_feature_place *place; /* [count]: and in their order */
    size_t found;                      /* rows that were on disk */
} clade_features;

/* Places for rows of these images, by the digests of their bytes; none is known. ENOMEM. */
clade_status clade_features_create(const uint64_t *digest, size_t count, size_t size,
                                   clade_features *out);
void clade_features_clear(clade_features *features);
size_t clade_features_missing(const clade_features *features);

/* `key` is the SHA-256, in hexadecimal, of all that a row depends on besides the image. Limit 0:
 * nothing is kept. Makes nothing. */
void clade_feature_cache_open(const char key[65], size_t size, uint64_t limit,
                              clade_feature_cache *out);
/* Drops the files used longest ago, if there is more than the limit. */
void clade_feature_cache_close(clade_feature_cache *cache);

/* Is there a file? */
bool clade_feature_cache_exists(const clade_feature_cache *cache);
/* Fills in the rows that are there. Damaged ones are dropped from the file, and noted. */
void clade_feature_cache_find(clade_feature_cache *cache, clade_features *features);
/* Adds n rows that were computed, for images at `index`, and marks them as known; rows that another
 * process has added since are taken in, and not added again. */
void clade_feature_cache_add(clade_feature_cache *cache, clade_features *features,
                             const int32_t *index, size_t n);

#endif
