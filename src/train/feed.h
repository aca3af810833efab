/* A split of a data set as the input, labels and weights of a model, batch by batch. */
#ifndef CLADE_TRAIN_FEED_H
#define CLADE_TRAIN_FEED_H

#include "train/upload.h"

typedef struct clade_feed_options {
    clade_upload_options upload;
    int32_t batch; /* images; the model may take fewer at a time. 0: as many as it takes */
    bool shuffle;
    uint64_t seed;
    int threads;           /* of the loader; 0: chosen */
    bool pixels;           /* batches have pixels even where this model does not need them */
    clade_loader **loader; /* one of these options that is under way: taken over (then NULL),
                            * if images are streamed; NULL: none */
} clade_feed_options;

typedef struct clade_feed clade_feed;

clade_status clade_feed_create(const clade_feed_options *options, clade_feed **out);
void clade_feed_destroy(clade_feed **feed);
size_t clade_feed_batches(const clade_feed *feed); /* of an epoch */
/* Begins epoch `epoch` at batch `first`. */
clade_status clade_feed_start(clade_feed *feed, uint64_t epoch, size_t first);
/* Waits for the next batch. count 0: the epoch's end. Valid until the next call. */
clade_status clade_feed_next(clade_feed *feed, clade_batch *out);
/* What brings the batches to its model. */
clade_upload *clade_feed_upload(clade_feed *feed);
/* Queues n of its images from `first` on, as clade_upload_run. */
clade_status clade_feed_load(clade_feed *feed, const clade_batch *batch, int32_t first, int32_t n);

#endif
