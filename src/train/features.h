/* What the frozen layers of a net give for every image of a split, computed once and kept on disk.
 */
#ifndef CLADE_TRAIN_FEATURES_H
#define CLADE_TRAIN_FEATURES_H

#include "train/feature_cache.h"
#include "train/feed.h"

/* Numbers that the graph's last layer gives for an image. */
size_t clade_features_size(const clade_graph *head);

/* The key of the features that `head` gives for images of this data set with the parameters of
 * `whole`, whose first layers it has: the SHA-256 of the layers, their parameters, how images are
 * read and scaled, and of the arithmetic. Exact mode gives the same bits on every device and has
 * one key; in fast mode, and with a backend from elsewhere, each device and driver has its own.
 * Errors: ENOMEM, EDEVICE. */
clade_status clade_features_key(const clade_graph *head, const clade_model *whole,
                                const clade_preprocessing *preprocessing,
                                const clade_dataset *dataset, char key[65]);

/* Places for a split's features, with those that the cache has. The images' digests must be known.
 * Errors: ENOMEM. */
clade_status clade_features_open(clade_feature_cache *cache, const clade_dataset *dataset,
                                 clade_split split, size_t size, clade_features *out);

/* Computes what `head` gives for each image that has no row yet, with the parameters of `whole`, in
 * batches of its size, and adds it to the cache. Of `feed`, dataset, split, preprocessing and
 * threads count. `stop` (may be NULL) is polled between batches; true ends it with ECANCELLED.
 * Errors: ENOMEM, EDEVICE, those of the data. */
clade_status clade_features_compute(const clade_graph *head, const clade_model *whole,
                                    const clade_feed_options *feed, clade_feature_cache *cache,
                                    bool (*stop)(void *user), void *user, clade_features *features);

#endif
