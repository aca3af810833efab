/* Images, labels and weights of a batch, on their way to one device. */
#ifndef CLADE_TRAIN_UPLOAD_H
#define CLADE_TRAIN_UPLOAD_H

#include "train/targets.h"

typedef struct clade_upload_options {
    const clade_dataset *dataset; /* loaded, where the split is to be resident */
    clade_split split;
    const clade_model *model;
    const clade_preprocessing *preprocessing;
    const clade_augment *augment;    /* NULL: none */
    const float *class_weight;       /* one per class, or NULL */
    const float *label_weight;       /* [2, outputs], of labels 0 and 1, or NULL */
    const clade_target_scale *scale; /* of targets that are numbers, or NULL */
    bool resident;                   /* the whole split lies on the device from the start */
    const float *rows;               /* the model's input for each image of the split, in place of
                                      * the image; NULL: none. preprocessing and augment do not count */
} clade_upload_options;

typedef struct clade_upload clade_upload;

clade_status clade_upload_create(const clade_upload_options *options, clade_upload **out);
void clade_upload_destroy(clade_upload **upload);
/* Plans for n images, as clade_sampler_prepare. */
clade_status clade_upload_prepare(clade_upload *upload, int32_t n);
/* Queues n images of the batch from `first` on: input, and where the model has a loss labels and
 * weights (class weight over the batch's size). */
clade_status clade_upload_run(clade_upload *upload, const clade_batch *batch, int32_t first,
                              int32_t n);

/* Does the split suit to lie on the device: at most `share` bytes, within one allocation, and the
 * device has memory of its own (where it shares the host's, a copy there gains nothing)? */
bool clade_upload_is_resident(const clade_dataset *dataset, clade_split split,
                              const clade_device *device, uint64_t share);
uint64_t clade_upload_bytes(const clade_dataset *dataset, clade_split split);

#endif
