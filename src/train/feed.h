/* A split of a data set as the input, labels and weights of a model, batch by batch. */
#ifndef CLADE_TRAIN_FEED_H
#define CLADE_TRAIN_FEED_H

#include <clade/train.h>

typedef struct clade_feed_options {
    const clade_dataset *dataset; /* loaded */
    clade_split split;
    const clade_model *model;
    int32_t batch; /* images; the model may take fewer at a time. 0: as many as it takes */
    const clade_preprocessing *preprocessing;
    const clade_augment *augment; /* NULL: none */
    bool shuffle;
    uint64_t seed;
    const float *class_weight; /* one per class, or NULL */
    int threads;               /* of the loader; 0: chosen */
    clade_loader **loader;     /* one of these options that is under way: taken over (then NULL),
                                * if images are streamed; NULL: none */
    bool resident;             /* the whole split lies on the device from the start */
    const float *rows;         /* the model's input for each image of the split, in place of
                                * the image; NULL: none. preprocessing and augment do not count */
} clade_feed_options;

typedef struct clade_feed clade_feed;

clade_status clade_feed_create(const clade_feed_options *options, clade_feed **out);
void clade_feed_destroy(clade_feed **feed);
size_t clade_feed_batches(const clade_feed *feed); /* of an epoch */
/* Begins epoch `epoch` at batch `first`. */
clade_status clade_feed_start(clade_feed *feed, uint64_t epoch, size_t first);
/* Waits for the next batch. count 0: the epoch's end. Valid until the next call. */
clade_status clade_feed_next(clade_feed *feed, clade_batch *out);
/* Queues n of its images from `first` on: input, and where the model has a loss labels and weights
 * (class weight over the batch's size). */
clade_status clade_feed_load(clade_feed *feed, const clade_batch *batch, int32_t first, int32_t n);

/* Does the split suit to lie on the device: at most `share` bytes, within one allocation, and the
 * device has memory of its own (where it shares the host's, a copy there gains nothing)? */
bool clade_feed_is_resident(const clade_dataset *dataset, clade_split split,
                            const clade_device *device, uint64_t share);
uint64_t clade_feed_bytes(const clade_dataset *dataset, clade_split split);

#endif
