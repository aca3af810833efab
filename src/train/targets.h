/* Targets that are numbers: what a net learns of them, and what its outputs mean. Classes that have
 * an order: likewise. */
#ifndef CLADE_TRAIN_TARGETS_H
#define CLADE_TRAIN_TARGETS_H

#include <clade/train.h>

/* A net learns (target − mean) / deviation, [targets] each; both NULL: targets as they are. */
typedef struct clade_target_scale {
    float *mean, *deviation;
} clade_target_scale;

/* Mean and deviation (of n) of the training split; 1 in place of a deviation of 0. Errors: ENOMEM.
 */
clade_status clade_target_scale_measure(const clade_dataset *dataset, clade_target_scale *out);
/* A copy of these, of `targets` each. Errors: ENOMEM. */
clade_status clade_target_scale_copy(const float *mean, const float *deviation, int32_t targets,
                                     clade_target_scale *out);
void clade_target_scale_clear(clade_target_scale *scale);

/* In place, a row of targets to what is learnt; n rows of outputs to numbers in the targets' units.
 * `scale` NULL: as they are. */
void clade_target_scale_apply(const clade_target_scale *scale, int32_t targets, float *row);
void clade_target_scale_undo(const clade_target_scale *scale, int32_t targets, size_t n, float *y);

/* Of the probabilities y [n, classes - 1] that each step from a class to the next is taken, those
 * of the classes, [n, classes]. A step is no more probable than the one before it. */
void clade_steps_to_classes(const float *y, size_t n, int32_t classes, float *p);

#endif
