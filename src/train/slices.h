/* A rank's slices of the parameters, one of each bucket: the optimizer's step is taken for these
 * alone, in host memory, where their gradients are added up. */
#ifndef CLADE_TRAIN_SLICES_H
#define CLADE_TRAIN_SLICES_H

#include "train/exchange.h"
#include "train/optimizer.h"

typedef struct clade_slices_options {
    const clade_updater *updater; /* of the model; element by element. Its step is not taken any
                                   * more, and its moments are where it has them, or copied to */
    clade_exchange *exchange;
    size_t buckets;
    float *w, *g; /* [parameters] in host memory, kept: where the step finds and leaves them */
    clade_math math;
    int threads; /* 0: one for each processor */
} clade_slices_options;

typedef struct clade_slices clade_slices;

/* Errors: ENOMEM, those of devices. */
clade_status clade_slices_create(const clade_slices_options *options, clade_slices **out);
void clade_slices_destroy(clade_slices **slices);

/* Step t, from 1, at this rate for the slice of a bucket. */
clade_status clade_slices_step(clade_slices *slices, size_t bucket, double lr, uint64_t t);
/* Makes the updater's moments whole on each rank; called by all. Errors: EIO (a rank that does not
 * answer). */
clade_status clade_slices_gather(clade_slices *slices);

#endif
