/* Accuracy, top-k, confusion matrix, precision, recall, F1 and AUC. */
#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int32_t clade_predicted_class(const float *y, int32_t outputs)
{
    if (outputs == 1) return y[0] > 0.5f;
    int32_t best = 0;
    for (int32_t c = 1; c < outputs; c++)
        if (y[c] > y[best]) best = c;
    return best;
}

static bool has_nan(const float *y, int32_t outputs)
{
    for (int32_t c = 0; c < outputs; c++)
        if (isnan(y[c])) return true;
    return false;
}

/* Is the label among the k largest? Of equals the lower class is the larger. */
static bool is_in_top(const float *y, int32_t outputs, int32_t label, int32_t k)
{
    if (outputs == 1) return clade_predicted_class(y, 1) == label;
    int32_t above = 0;
    for (int32_t c = 0; c < outputs; c++)
        above += y[c] > y[label] || (y[c] == y[label] && c < label);
    return above < k;
}

void clade_tally_add(clade_tally *tally, const float *y, int32_t outputs, const float *loss,
                     const int32_t *label, const float *weight, int32_t n, int32_t top_k)
{
    for (int32_t i = 0; i < n; i++, y += outputs) {
        if (loss) {
            double w = weight ? (double)weight[label[i]] : 1;
            tally->loss += w * (double)loss[i];
        }
        tally->count++;
        if (has_nan(y, outputs)) continue;
        tally->correct += clade_predicted_class(y, outputs) == label[i];
        if (top_k > 0) tally->in_top_k += is_in_top(y, outputs, label[i], top_k);
    }
}

void clade_tally_add_labels(clade_tally *tally, const float *y, int32_t outputs, const float *loss,
                            const float *target, int32_t n)
{
    for (int32_t i = 0; i < n; i++) tally->loss += (double)loss[i];
    for (int32_t i = 0; i < n * outputs; i++)
        tally->correct += !isnan(y[i]) && (y[i] > 0.5f) == (target[i] > 0);
    tally->count += (uint64_t)n;
}

void clade_tally_add_numbers(clade_tally *tally, const float *y, int32_t outputs, const float *loss,
                             const float *target, int32_t n)
{
    for (int32_t i = 0; i < n; i++) tally->loss += (double)loss[i];
    for (int32_t i = 0; i < n * outputs; i++)
        tally->error += fabs((double)y[i] - (double)target[i]) / outputs;
    tally->count += (uint64_t)n;
}

double clade_metrics_score(const clade_metrics *m)
{
    if (m->task == CLADE_TASK_REGRESSION) return -m->loss;
    return m->task == CLADE_TASK_MULTI_LABEL && m->confusion ? m->map : m->accuracy;
}

clade_metrics clade_tally_means(const clade_tally *tally)
{
    clade_metrics m = {.count = (size_t)tally->count};
    if (tally->count == 0) return m;
    double n = (double)tally->count;
    m.loss = tally->loss / n;
    m.accuracy = (double)tally->correct / n;
    m.top_k = (double)tally->in_top_k / n;
    m.mae = tally->error / n;
    return m;
}

/* --- area under the curve --- */

typedef struct ranked_score {
    float score;
    bool positive;
} ranked_score;

static int by_score(const void *a, const void *b)
{
    float x = ((const ranked_score *)a)->score, y = ((const ranked_score *)b)->score;
    return (x > y) - (x < y);
}

clade_status clade_metrics_auc(const float *y, size_t stride, const int32_t *label,
                               int32_t positive, size_t n, double *out)
{
    *out = NAN;
    ranked_score *list = malloc((n ? n : 1) * sizeof *list);
    if (!list) return clade_fail(CLADE_ENOMEM, "out of memory for the scores of %zu images", n);
    double positives = 0, ranks = 0;
    bool nan = false;
    for (size_t i = 0; i < n; i++) {
        list[i] = (ranked_score){y[i * stride], label[i] == positive};
        positives += list[i].positive;
        nan |= isnan(list[i].score);
    }
    if (!nan) qsort(list, n, sizeof *list, by_score);
    for (size_t first = 0; first < n && !nan;) {
        size_t end = first;
        double among = 0;
        for (; end < n && list[end].score == list[first].score; end++) among += list[end].positive;
        /* equals share the mean of their ranks, first + 1 … end */
        ranks += among * ((double)first + 1 + (double)end) / 2;
        first = end;
    }
    free(list);
    double negatives = (double)n - positives;
    if (!nan && positives > 0 && negatives > 0)
        *out = (ranks - positives * (positives + 1) / 2) / (positives * negatives);
    return CLADE_OK;
}

/* --- from the confusion matrix --- */

/* Of one class; 0 where a quotient has nothing below the line, as in Keras. */
static void rates(const uint64_t *confusion, int32_t classes, int32_t c, double *precision,
                  double *recall, double *f1)
{
    double predicted = 0, there = 0, right = (double)confusion[c * classes + c];
    for (int32_t i = 0; i < classes; i++) {
        predicted += (double)confusion[i * classes + c];
        there += (double)confusion[c * classes + i];
    }
    *precision = predicted > 0 ? right / predicted : 0;
    *recall = there > 0 ? right / there : 0;
    *f1 = predicted + there > 0 ? 2 * right / (predicted + there) : 0;
}

static clade_status two_classes(const float *y, int32_t outputs, const int32_t *label, size_t n,
                                clade_metrics *out)
{
    rates(out->confusion, 2, 1, &out->precision, &out->recall, &out->f1);
    return clade_metrics_auc(y + outputs - 1, (size_t)outputs, label, 1, n, &out->auc);
}

static clade_status many_classes(const float *y, int32_t outputs, const int32_t *label, size_t n,
                                 clade_metrics *out)
{
    double present = 0, areas = 0, area_sum = 0;
    for (int32_t c = 0; c < out->classes; c++) {
        uint64_t there = 0;
        for (int32_t i = 0; i < out->classes; i++) there += out->confusion[c * out->classes + i];
        if (there == 0) continue;
        double precision, recall, f1, area = NAN;
        rates(out->confusion, out->classes, c, &precision, &recall, &f1);
        clade_status status = clade_metrics_auc(y + c, (size_t)outputs, label, c, n, &area);
        if (status) return status;
        present++;
        out->precision += precision;
        out->recall += recall;
        out->f1 += f1;
        if (isnan(area)) continue;
        areas++;
        area_sum += area;
    }
    if (present > 0) {
        out->precision /= present;
        out->recall /= present;
        out->f1 /= present;
    }
    out->auc = areas > 0 ? area_sum / areas : NAN;
    return CLADE_OK;
}

clade_status clade_metrics_measure(const clade_tally *tally, const float *y, int32_t outputs,
                                   const int32_t *label, size_t n, int32_t classes,
                                   uint64_t *confusion, clade_metrics *out)
{
    *out = clade_tally_means(tally);
    out->classes = classes;
    out->confusion = confusion;
    memset(confusion, 0, (size_t)classes * (size_t)classes * sizeof *confusion);
    for (size_t i = 0; i < n; i++) {
        int32_t guess = clade_predicted_class(y + i * (size_t)outputs, outputs);
        confusion[label[i] * classes + guess]++;
    }
    return classes == 2 ? two_classes(y, outputs, label, n, out)
                        : many_classes(y, outputs, label, n, out);
}
