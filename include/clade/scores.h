/* How good predictions are, by their probabilities p [n, classes] and labels [n] alone. */
#ifndef CLADE_SCORES_H
#define CLADE_SCORES_H

#include <clade/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a share of n that was seen is to be expected in 95 of 100 cases: Wilson 1927, "Probable
 * inference, the law of succession, and statistical inference". */
CLADE_API void clade_share_interval(double share, double n, double *low, double *high);

/* All metrics; the loss is clade_log_loss. `confusion` has classes × classes elements and is filled
 * in; out->confusion points to it. Errors: ENOMEM. */
CLADE_API clade_status clade_metrics_of(const float *p, const int32_t *label, size_t n,
                                        int32_t classes, int32_t top_k, uint64_t *confusion,
                                        clade_metrics *out);
/* The mean of −log p of the true class, with p of at least 1e-7 (Keras' epsilon). */
CLADE_API double clade_log_loss(const float *p, const int32_t *label, size_t n, int32_t classes);

/* ---- numbers ---- */

/* Of one target: mean squared and mean absolute error, and the coefficient of determination 1 − Σ
 * (y − t)² / Σ (t − mean)², NaN where the latter is 0. y and target of image i at [i · stride]. */
typedef struct clade_number_scores {
    double mse, mae, r2;
} clade_number_scores;
CLADE_API clade_number_scores clade_number_scores_of(const float *y, const float *target,
                                                     size_t stride, size_t n);
/* mse, mae and r2 as means over the targets, r2 over those that have one; y and target [n,
 * targets]. `loss` is NaN: only the model knows its units. */
CLADE_API void clade_number_metrics(const float *y, const float *target, size_t n, int32_t targets,
                                    clade_metrics *out);

/* ---- classes that have an order ---- */

/* The mean distance of the number of an image's class from that of the class it was taken for, by
 * the confusion matrix. */
CLADE_API double clade_metrics_rank_error(const clade_metrics *metrics);

/* ---- several labels per image: target [n, classes], each 0 or 1 ---- */

/* The mean over all labels of binary cross-entropy, with p within 1e-7 and 1 − 1e-7. */
CLADE_API double clade_label_loss(const float *p, const uint8_t *target, size_t n, int32_t classes);
/* Σ (Rₖ − Rₖ₋₁) Pₖ over the thresholds k from the highest score down, precision P and recall R at
 * each (scikit-learn's average_precision_score). Score i is p[i·stride], and shows the class where
 * target[i·stride] is 1. NaN: none does, or a score is NaN. Errors: ENOMEM. */
CLADE_API clade_status clade_average_precision(const float *p, const uint8_t *target, size_t stride,
                                               size_t n, double *out);
/* All metrics; the loss is clade_label_loss. A class is told where its probability is above its
 * threshold; thresholds NULL: 0.5. `confusion` has classes × 2 × 2 elements and is filled in;
 * out->confusion points to it. Errors: ENOMEM. */
CLADE_API clade_status clade_label_metrics(const float *p, const uint8_t *target, size_t n,
                                           int32_t classes, const float *thresholds,
                                           uint64_t *confusion, clade_metrics *out);
/* Of each class the threshold with the highest F1, half way between two probabilities that occur,
 * of equals the highest one; 0.5 where no image shows the class. Errors: EINVAL (no images; a
 * probability is NaN), ENOMEM. */
CLADE_API clade_status clade_thresholds_fit(const float *p, const uint8_t *target, size_t n,
                                            int32_t classes, float *thresholds);

/* ---- one label per image ---- */

/* How sure predictions are, and how often right, by tenths of the predicted class's probability. */
enum { CLADE_CALIBRATION_BINS = 10 };
typedef struct clade_calibration {
    double count[CLADE_CALIBRATION_BINS]; /* images */
    double sure[CLADE_CALIBRATION_BINS];  /* the sum of their probabilities */
    double right[CLADE_CALIBRATION_BINS]; /* those that are */
    double error; /* the expected calibration error: Guo et al. 2017, "On calibration of modern
                   * neural networks" */
} clade_calibration;
CLADE_API clade_calibration clade_calibration_measure(const float *p, const int32_t *label,
                                                      size_t n, int32_t classes);

/* Of one class, by the confusion matrix; 0 where a quotient has nothing below the line. */
typedef struct clade_class_scores {
    uint64_t images, predicted, right;
    double precision, recall, f1;
} clade_class_scores;
CLADE_API clade_class_scores clade_metrics_class(const clade_metrics *metrics, int32_t class_index);

/* Images of one class that were taken for another. */
typedef struct clade_confused_pair {
    int32_t label, predicted;
    uint64_t count;
} clade_confused_pair;
/* At most `most` pairs of classes, the most frequent first, of equals the first in the confusion
 * matrix; gives how many. With MULTI_LABEL there are none. */
CLADE_API size_t clade_metrics_confused(const clade_metrics *metrics, clade_confused_pair *out,
                                        size_t most);

/* Probabilities as they would be with their logits divided by a temperature: p^(1/temperature),
 * scaled to a sum of 1. */
CLADE_API void clade_temperature_apply(float *p, size_t n, int32_t classes, double temperature);
/* The temperature, 0.01 to 100, with which the log loss is least (Guo et al. 2017). Errors: EINVAL
 * (no images; a probability is NaN), ENOMEM. */
CLADE_API clade_status clade_temperature_fit(const float *p, const int32_t *label, size_t n,
                                             int32_t classes, double *temperature);

#ifdef __cplusplus
}
#endif
#endif
