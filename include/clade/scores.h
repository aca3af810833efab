/* Scores of predictions, computed from probabilities p [n, classes] and labels [n] alone. */
#ifndef CLADE_SCORES_H
#define CLADE_SCORES_H

#include <clade/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Gives the 95 % confidence interval of a share observed in n cases: Wilson 1927, "Probable
 * inference, the law of succession, and statistical inference". */
CLADE_API void clade_share_interval(double share, double n, double *low, double *high);

/* Computes all metrics; the loss is clade_log_loss. Fills in `confusion`, of classes × classes
 * elements; out->confusion points to it. Errors: ENOMEM. */
CLADE_API clade_status clade_metrics_of(const float *p, const int32_t *label, size_t n,
                                        int32_t classes, int32_t top_k, uint64_t *confusion,
                                        clade_metrics *out);
/* Returns the mean of −log p of the true class, with p at least 1e-7 (Keras' epsilon). */
CLADE_API double clade_log_loss(const float *p, const int32_t *label, size_t n, int32_t classes);

/* ---- numbers ---- */

/* Scores of one target: mean squared and mean absolute error, and the coefficient of determination
 * 1 − Σ (y − t)² / Σ (t − mean)², NaN if the latter sum is 0. y and target of image i are at [i ·
 * stride]. */
typedef struct clade_number_scores {
    double mse, mae, r2;
} clade_number_scores;
CLADE_API clade_number_scores clade_number_scores_of(const float *y, const float *target,
                                                     size_t stride, size_t n);
/* Computes mse, mae and r2 as means over the targets, r2 over those that have one; y and target are
 * [n, targets]. `loss` is NaN: only the model knows its units. */
CLADE_API void clade_number_metrics(const float *y, const float *target, size_t n, int32_t targets,
                                    clade_metrics *out);

/* ---- ordered classes ---- */

/* Returns the mean distance between the numbers of an image's class and of the predicted class,
 * from the confusion matrix. */
CLADE_API double clade_metrics_rank_error(const clade_metrics *metrics);

/* ---- several labels per image: target [n, classes], each 0 or 1 ---- */

/* Returns the mean binary cross-entropy over all labels, with p clipped to 1e-7 … 1 − 1e-7. */
CLADE_API double clade_label_loss(const float *p, const uint8_t *target, size_t n, int32_t classes);
/* Computes Σ (Rₖ − Rₖ₋₁) Pₖ over the thresholds k from the highest score down, with precision P and
 * recall R at each (scikit-learn's average_precision_score). Score i is p[i·stride]; its image
 * shows the class if target[i·stride] is 1. NaN if none does, or if a score is NaN. Errors:
 * ENOMEM. */
CLADE_API clade_status clade_average_precision(const float *p, const uint8_t *target, size_t stride,
                                               size_t n, double *out);
/* Computes all metrics; the loss is clade_label_loss. A class is predicted if its probability is
 * above its threshold; thresholds NULL: 0.5. Fills in `confusion`, of classes × 2 × 2 elements;
 * out->confusion points to it. Errors: ENOMEM. */
CLADE_API clade_status clade_label_metrics(const float *p, const uint8_t *target, size_t n,
                                           int32_t classes, const float *thresholds,
                                           uint64_t *confusion, clade_metrics *out);
/* Finds each class's threshold with the highest F1, half way between two probabilities that occur;
 * the highest one in a tie; 0.5 if no image shows the class. Errors: EINVAL (no images; a
 * probability is NaN), ENOMEM. */
CLADE_API clade_status clade_thresholds_fit(const float *p, const uint8_t *target, size_t n,
                                            int32_t classes, float *thresholds);

/* ---- one label per image ---- */

/* Confidence and accuracy of predictions, by tenths of the predicted class's probability. */
enum { CLADE_CALIBRATION_BINS = 10 };
typedef struct clade_calibration {
    double count[CLADE_CALIBRATION_BINS]; /* images */
    double sure[CLADE_CALIBRATION_BINS];  /* the sum of their probabilities */
    double right[CLADE_CALIBRATION_BINS]; /* number of correct predictions */
    double error; /* the expected calibration error: Guo et al. 2017, "On calibration of modern
                   * neural networks" */
} clade_calibration;
CLADE_API clade_calibration clade_calibration_measure(const float *p, const int32_t *label,
                                                      size_t n, int32_t classes);

/* Scores of one class, from the confusion matrix; a quotient by 0 counts as 0. */
typedef struct clade_class_scores {
    uint64_t images, predicted, right;
    double precision, recall, f1;
} clade_class_scores;
CLADE_API clade_class_scores clade_metrics_class(const clade_metrics *metrics, int32_t class_index);

/* Number of images of one class that were predicted as another. */
typedef struct clade_confused_pair {
    int32_t label, predicted;
    uint64_t count;
} clade_confused_pair;
/* Lists at most `most` pairs of classes, the most frequent first, ties in the order of the
 * confusion matrix, and returns their number. None with MULTI_LABEL. */
CLADE_API size_t clade_metrics_confused(const clade_metrics *metrics, clade_confused_pair *out,
                                        size_t most);

/* Rescales probabilities as if their logits were divided by a temperature: p^(1/temperature),
 * normalised to a sum of 1. */
CLADE_API void clade_temperature_apply(float *p, size_t n, int32_t classes, double temperature);
/* Finds the temperature, 0.01 to 100, with the least log loss (Guo et al. 2017). Errors: EINVAL (no
 * images; a probability is NaN), ENOMEM. */
CLADE_API clade_status clade_temperature_fit(const float *p, const int32_t *label, size_t n,
                                             int32_t classes, double *temperature);

#ifdef __cplusplus
}
#endif
#endif
