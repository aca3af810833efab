/* The learning rate over the epochs. */
#ifndef CLADE_TRAIN_LR_SCHEDULE_H
#define CLADE_TRAIN_LR_SCHEDULE_H

#include <clade/train.h>

typedef struct clade_lr_scheduler {
    clade_lr_schedule settings; /* with defaults in place of zeros */
    double base;                /* the optimizer's rate */
    int32_t epochs;
    size_t batches; /* of an epoch */
    /* what a plateau has come to; goes into checkpoints */
    double factor, best;
    int32_t wait;
} clade_lr_scheduler;

clade_lr_scheduler clade_lr_scheduler_start(const clade_lr_schedule *settings, double base,
                                            int32_t epochs, size_t batches);
/* The rate of a step: epoch and batch from 0. */
double clade_lr_scheduler_rate(const clade_lr_scheduler *s, int32_t epoch, size_t batch);
/* Tells it the loss that an epoch ended with. */
void clade_lr_scheduler_epoch(clade_lr_scheduler *s, double loss);

#endif
