/* Scores of predictions where an image may have several labels. */
#include <clade/scores.h>

#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double clade_label_loss(const float *p, const uint8_t *target, size_t n, int32_t classes)
{
    const size_t count = n * (size_t)classes;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const double right = target[i] ? (double)p[i] : 1 - (double)p[i];
        sum -= log(right < 1e-7 ? 1e-7 : right); /* NaN stays */
    }
    return count ? sum / (double)count : 0;
}

/* --- by rank --- */

typedef struct ranked_label {
    float score;
    uint8_t there;
} ranked_label;

static int by_score(const void *a, const void *b)
{
    const float x = ((const ranked_label *)a)->score, y = ((const ranked_label *)b)->score;
    return (x < y) - (x > y);
}

/* The scores of a class from the highest down, to be freed, and how many show it. A NaN is none. */
static clade_status rank_class(const float *p, const uint8_t *target, size_t stride, size_t n,
                               ranked_label **out, size_t *positives, bool *nan)
{
    *positives = 0;
    *nan = false;
    *out = malloc((n ? n : 1) * sizeof **out);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for the scores of %zu images", n);
    for (size_t i = 0; i < n; i++) {
        (*out)[i] = (ranked_label){p[i * stride], target[i * stride]};
        *positives += target[i * stride];
        *nan |= isnan(p[i * stride]);
    }
    if (!*nan) qsort(*out, n, sizeof **out, by_score);
    return CLADE_OK;
}

/* Where the scores that equal that of `first` end; adds those that show the class to *found. */
static size_t end_of_equals(const ranked_label *list, size_t n, size_t first, size_t *found)
{
    size_t end = first;
    for (; end < n && list[end].score == list[first].score; end++) *found += list[end].there;
    return end;
}

clade_status clade_average_precision(const float *p, const uint8_t *target, size_t stride, size_t n,
                                     double *out)
{
    ranked_label *list;
    size_t positives, found = 0;
    bool nan;
    *out = NAN;
    clade_status status = rank_class(p, target, stride, n, &list, &positives, &nan);
    if (status) return status;
    double sum = 0;
    for (size_t first = 0; first < n && !nan;) {
        const size_t before = found;
        first = end_of_equals(list, n, first, &found);
        sum += (double)(found - before) * (double)found / (double)first;
    }
    free(list);
    if (!nan && positives) *out = sum / (double)positives;
    return CLADE_OK;
}

/* A number that parts what is above it from what is not. */
static float between(float low, float high)
{
    const float middle = low + (high - low) / 2;
    return middle < high ? middle : low;
}

static clade_status fit_threshold(const float *p, const uint8_t *target, size_t stride, size_t n,
                                  float *threshold)
{
    ranked_label *list;
    size_t positives, found = 0;
    bool nan;
    *threshold = 0.5f;
    clade_status status = rank_class(p, target, stride, n, &list, &positives, &nan);
    if (!status && nan) status = clade_fail(CLADE_EINVAL, "a probability is NaN");
    double best = 0;
    for (size_t first = 0; first < n && !status;) {
        const float score = list[first].score;
        first = end_of_equals(list, n, first, &found);
        const double f1 = 2 * (double)found / (double)(first + positives);
        if (!(f1 > best)) continue;
        best = f1;
        *threshold = between(first < n ? list[first].score : 0, score);
    }
    free(list);
    return status;
}

clade_status clade_thresholds_fit(const float *p, const uint8_t *target, size_t n, int32_t classes,
                                  float *thresholds)
{
    if (n == 0) return clade_fail(CLADE_EINVAL, "there are no images to find thresholds by");
    clade_status status = CLADE_OK;
    for (int32_t c = 0; c < classes && !status; c++)
        status = fit_threshold(p + c, target + c, (size_t)classes, n, &thresholds[c]);
    return status;
}

/* --- all metrics --- */

/* Counts [it is there][it is told] of each class. A NaN is told wrong. */
static void count_labels(const float *p, const uint8_t *target, size_t n, int32_t classes,
                         const float *thresholds, uint64_t *confusion)
{
    memset(confusion, 0, 4 * (size_t)classes * sizeof *confusion);
    for (size_t i = 0; i < n; i++, p += classes, target += classes)
        for (int32_t c = 0; c < classes; c++) {
            const bool told = isnan(p[c]) ? !target[c] : p[c] > (thresholds ? thresholds[c] : 0.5f);
            confusion[4 * c + 2 * target[c] + told]++;
        }
}

/* Means over the classes of areas under curves. */
static clade_status measure_areas(const float *p, const uint8_t *target, size_t n, int32_t classes,
                                  clade_metrics *out)
{
    int32_t *label = malloc((n ? n : 1) * sizeof *label);
    if (!label) return clade_fail(CLADE_ENOMEM, "out of memory for the labels of %zu images", n);
    double auc = 0, auc_count = 0, precision = 0, precision_count = 0;
    clade_status status = CLADE_OK;
    for (int32_t c = 0; c < classes && !status; c++) {
        double area, average;
        for (size_t i = 0; i < n; i++) label[i] = target[i * (size_t)classes + (size_t)c];
        status = clade_metrics_auc(p + c, (size_t)classes, label, 1, n, &area);
        if (!status)
            status = clade_average_precision(p + c, target + c, (size_t)classes, n, &average);
        if (status) break;
        if (!isnan(area)) {
            auc += area;
            auc_count++;
        }
        if (!isnan(average)) {
            precision += average;
            precision_count++;
        }
    }
    free(label);
    out->auc = auc_count > 0 ? auc / auc_count : NAN;
    out->map = precision_count > 0 ? precision / precision_count : 0;
    return status;
}

clade_status clade_label_metrics(const float *p, const uint8_t *target, size_t n, int32_t classes,
                                 const float *thresholds, uint64_t *confusion, clade_metrics *out)
{
    *out = (clade_metrics){.count = n,
                           .task = CLADE_TASK_MULTI_LABEL,
                           .classes = classes,
                           .confusion = confusion,
                           .loss = clade_label_loss(p, target, n, classes)};
    count_labels(p, target, n, classes, thresholds, confusion);
    double right = 0, found = 0, either = 0;
    for (int32_t c = 0; c < classes; c++) {
        const clade_class_scores s = clade_metrics_class(out, c);
        out->precision += s.precision / classes;
        out->recall += s.recall / classes;
        out->f1 += s.f1 / classes;
        right += (double)(confusion[4 * c] + confusion[4 * c + 3]);
        found += (double)s.right;
        either += (double)(s.images + s.predicted);
    }
    if (n) out->accuracy = right / ((double)n * classes);
    if (either > 0) out->micro_f1 = 2 * found / either;
    return measure_areas(p, target, n, classes, out);
}
