/* Metrics from outputs and labels. */
#ifndef CLADE_TRAIN_METRICS_H
#define CLADE_TRAIN_METRICS_H

#include <clade/train.h>

/* Sums over the images so far; goes into checkpoints. */
typedef struct clade_tally {
    double loss, error; /* error: of numbers, the absolute ones */
    uint64_t count, correct, in_top_k;
} clade_tally;

/* Which class a row of outputs means: with one output class 1 above 0.5 (Keras' threshold), else
 * the largest, of equals the first. */
int32_t clade_predicted_class(const float *y, int32_t outputs);

/* Adds n rows of `outputs` each. loss: [n], multiplied by weight[label] (weight NULL: 1); loss
 * NULL: not known. A row that has a NaN is never correct. */
void clade_tally_add(clade_tally *tally, const float *y, int32_t outputs, const float *loss,
                     const int32_t *label, const float *weight, int32_t n, int32_t top_k);
/* The same where an image may have several labels: `correct` counts labels. target: [n, outputs],
 * each 0 or 1. A NaN is never correct. */
void clade_tally_add_labels(clade_tally *tally, const float *y, int32_t outputs, const float *loss,
                            const float *target, int32_t n);
/* The same of numbers, which both have the targets' units: the mean over the outputs goes into
 * `error`. */
void clade_tally_add_numbers(clade_tally *tally, const float *y, int32_t outputs, const float *loss,
                             const float *target, int32_t n);
/* What tells whether one epoch is better than another: the mean average precision of several
 * labels, if it was measured, of numbers the loss, negative, else the accuracy. */
double clade_metrics_score(const clade_metrics *metrics);
/* Means of a tally; the other metrics stay 0. */
clade_metrics clade_tally_means(const clade_tally *tally);

/* Everything about a split, from all its outputs. `confusion` has classes × classes elements and is
 * filled in; out->confusion points to it. y: [n, outputs]. Errors: ENOMEM. */
clade_status clade_metrics_measure(const clade_tally *tally, const float *y, int32_t outputs,
                                   const int32_t *label, size_t n, int32_t classes,
                                   uint64_t *confusion, clade_metrics *out);

/* Area under the receiver operating characteristic by ranks (Mann and Whitney), ties counted half:
 * score i is y[i·stride], positive where label[i] == positive. NaN when there are no positives or
 * no negatives, or a score is NaN. Errors: ENOMEM. */
clade_status clade_metrics_auc(const float *y, size_t stride, const int32_t *label,
                               int32_t positive, size_t n, double *out);

#endif
