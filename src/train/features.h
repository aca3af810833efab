/* What the frozen layers of a net give for every image of a split, computed once. */
#ifndef CLADE_TRAIN_FEATURES_H
#define CLADE_TRAIN_FEATURES_H

#include "train/feed.h"

typedef struct clade_features {
    float *row; /* [images, size] */
    size_t size;
} clade_features;

/* Computes what `head` gives for each image, with the parameters of `whole`, whose first layers
 * `head` has, in batches of its size. Of `feed`, dataset, split, preprocessing and threads count.
 * `stop` (may be NULL) is polled between batches; true ends it with ECANCELLED. Errors: ENOMEM,
 * EDEVICE, those of the data. */
clade_status clade_features_compute(const clade_graph *head, const clade_model *whole,
                                    const clade_feed_options *feed, bool (*stop)(void *user),
                                    void *user, clade_features *out);
void clade_features_clear(clade_features *features);

#endif
