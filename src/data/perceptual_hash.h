/* Similarity of images: a hash to find candidates, a small image to judge them. */
#ifndef CLADE_DATA_PERCEPTUAL_HASH_H
#define CLADE_DATA_PERCEPTUAL_HASH_H

#include "data/image.h"

#include "base/thread.h"

enum { clade_look_side = 16, clade_look_cells = 32 };

typedef struct clade_look {
    uint64_t hash;
    float least;          /* similarity above which another image is its near duplicate */
    int32_t sum, squares; /* of the differences between neighbours */
    uint8_t grey[clade_look_side * (clade_look_side + 1)]; /* the last row only makes reads safe */
} clade_look;

/* The differences between neighbours in a look, 0 beyond its edges; other looks are compared with
 * them. */
typedef struct clade_edges {
    const clade_look *look;
    int16_t across[clade_look_side * clade_look_side], down[clade_look_side * clade_look_side];
} clade_edges;

/* Computes a look from the image averaged to clade_look_cells × clade_look_cells × channels.
 * clade_inspect describes hash and similarity, and their sources. */
void clade_look_take(const float *cells, int32_t channels, clade_look *out);
void clade_look_sum(clade_look *look); /* sets its sums, as clade_look_take does */
void clade_edges_take(const clade_look *look, clade_edges *out);
/* Returns the correlation of the differences; symmetric. */
double clade_look_similarity(const clade_look *a, const clade_edges *b);
int32_t clade_hash_distance(uint64_t a, uint64_t b);

/* Two similar images, a < b. */
typedef struct clade_near {
    size_t a, b;
    int32_t distance;
    double similarity;
} clade_near;

enum { clade_near_most_distance = 15, clade_near_listed = 64 };

/* Finds all pairs of n looks whose hashes differ by at most `distance` (0…15) and that are similar
 * enough for both, in the order of b. For each b it lists at most clade_near_listed; if there are
 * more, *more becomes true. The caller frees the list. Errors: ENOMEM. */
clade_status clade_near_find(clade_pool *pool, const clade_look *looks, size_t n, int32_t distance,
                             clade_near **out, size_t *count, bool *more);

#endif
