/* Scores of predictions from probabilities and labels alone, and the temperature that suits them.
 */
#include <clade/scores.h>

#include "train/metrics.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void clade_share_interval(double share, double n, double *low, double *high)
{
    const double z = 1.959964, scale = 1 + z * z / n, middle = share + z * z / (2 * n);
    const double half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    *low = fmax(0, (middle - half) / scale);
    *high = fmin(1, (middle + half) / scale);
}

clade_status clade_metrics_of(const float *p, const int32_t *label, size_t n, int32_t classes,
                              int32_t top_k, uint64_t *confusion, clade_metrics *out)
{
    clade_tally tally = {0};
    clade_tally_add(&tally, p, classes, NULL, label, NULL, (int32_t)n, top_k);
    clade_status status =
        clade_metrics_measure(&tally, p, classes, label, n, classes, confusion, out);
    out->loss = clade_log_loss(p, label, n, classes);
    return status;
}

double clade_log_loss(const float *p, const int32_t *label, size_t n, int32_t classes)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++, p += classes) {
        const double true_p = (double)p[label[i]];
        sum -= log(true_p < 1e-7 ? 1e-7 : true_p); /* NaN stays */
    }
    return n ? sum / (double)n : 0;
}

clade_calibration clade_calibration_measure(const float *p, const int32_t *label, size_t n,
                                            int32_t classes)
{
    enum { bins = CLADE_CALIBRATION_BINS };
    clade_calibration c = {0};
    for (size_t i = 0; i < n; i++, p += classes) {
        const int32_t guess = clade_predicted_class(p, classes);
        const double sure = (double)p[guess];
        const int b = sure >= 1 ? bins - 1 : sure > 0 ? (int)(sure * bins) : 0;
        c.count[b]++;
        c.sure[b] += sure;
        c.right[b] += guess == label[i];
    }
    for (int b = 0; b < bins && n; b++) c.error += fabs(c.sure[b] - c.right[b]) / (double)n;
    return c;
}

/* --- from the confusion matrix --- */

clade_class_scores clade_metrics_class(const clade_metrics *m, int32_t c)
{
    /* of several labels each class has a matrix of its own, whose second row and column it is */
    const bool several = m->task == CLADE_TASK_MULTI_LABEL;
    const int32_t size = several ? 2 : m->classes, own = several ? 1 : c;
    const uint64_t *confusion = several ? m->confusion + 4 * c : m->confusion;
    clade_class_scores s = {.right = confusion[own * size + own]};
    for (int32_t i = 0; i < size; i++) {
        s.images += confusion[own * size + i];
        s.predicted += confusion[i * size + own];
    }
    const double right = (double)s.right;
    if (s.predicted) s.precision = right / (double)s.predicted;
    if (s.images) s.recall = right / (double)s.images;
    if (s.images + s.predicted) s.f1 = 2 * right / (double)(s.images + s.predicted);
    return s;
}

double clade_metrics_rank_error(const clade_metrics *m)
{
    double sum = 0;
    for (int32_t i = 0; i < m->classes; i++)
        for (int32_t j = 0; j < m->classes; j++)
            sum += fabs((double)(i - j)) * (double)m->confusion[i * m->classes + j];
    return m->count ? sum / (double)m->count : 0;
}

size_t clade_metrics_confused(const clade_metrics *m, clade_confused_pair *out, size_t most)
{
    size_t count = 0;
    if (m->task == CLADE_TASK_MULTI_LABEL || !m->confusion) return 0;
    for (int32_t i = 0; i < m->classes && most; i++)
        for (int32_t j = 0; j < m->classes; j++) {
            const clade_confused_pair pair = {i, j, m->confusion[i * m->classes + j]};
            if (i == j || pair.count == 0) continue;
            size_t at = count;
            while (at > 0 && out[at - 1].count < pair.count) at--;
            if (at == most) continue;
            if (count < most) count++;
            memmove(out + at + 1, out + at, (count - at - 1) * sizeof *out);
            out[at] = pair;
        }
    return count;
}

/* --- temperature --- */

static double logit(float p) { return log(p > FLT_MIN ? (double)p : (double)FLT_MIN); }

void clade_temperature_apply(float *p, size_t n, int32_t classes, double temperature)
{
    for (size_t i = 0; i < n; i++, p += classes) {
        double largest = 0, sum = 0;
        for (int32_t c = 0; c < classes; c++) largest = fmax(largest, (double)p[c]);
        largest = log(largest);
        for (int32_t c = 0; c < classes; c++)
            sum += exp((log((double)p[c]) - largest) / temperature);
        for (int32_t c = 0; c < classes; c++)
            p[c] = (float)(exp((log((double)p[c]) - largest) / temperature) / sum);
    }
}

/* Of the sum of log losses by beta = 1/temperature, which is convex, the first derivative: of each
 * image the mean logit less that of the true class; *curvature is the second, their variance. */
static double find_slope(const float *p, const int32_t *label, size_t n, int32_t classes,
                         double beta, double *curvature)
{
    double slope = 0;
    *curvature = 0;
    for (size_t i = 0; i < n; i++, p += classes) {
        double top = logit(p[0]), sum = 0, first = 0, second = 0;
        for (int32_t c = 1; c < classes; c++) top = fmax(top, logit(p[c]));
        for (int32_t c = 0; c < classes; c++) {
            const double z = logit(p[c]) - top, e = exp(beta * z);
            sum += e;
            first += e * z;
            second += e * z * z;
        }
        const double mean = first / sum;
        slope += mean - (logit(p[label[i]]) - top);
        *curvature += second / sum - mean * mean;
    }
    return slope;
}

clade_status clade_temperature_fit(const float *p, const int32_t *label, size_t n, int32_t classes,
                                   double *temperature)
{
    double low = 0.01, high = 100, beta = 1, curvature;
    if (n == 0) return clade_fail(CLADE_EINVAL, "there are no images to calibrate by");
    for (size_t i = 0; i < n * (size_t)classes; i++)
        if (isnan(p[i])) return clade_fail(CLADE_EINVAL, "a probability is NaN");
    if (find_slope(p, label, n, classes, high, &curvature) <= 0)
        return clade_fail(CLADE_EINVAL, "the predictions are right however sure they are made: no "
                                        "temperature is the best; expected more images");
    if (find_slope(p, label, n, classes, low, &curvature) >= 0)
        return clade_fail(CLADE_EINVAL, "the predictions are no better than chance: no temperature "
                                        "is the best");
    /* Newton's iteration, with bisection where that would leave the interval */
    for (int step = 0; step < 200 && high / low > 1 + 1e-12; step++) {
        const double slope = find_slope(p, label, n, classes, beta, &curvature);
        if (slope > 0)
            high = beta;
        else
            low = beta;
        const double next = beta - slope / curvature;
        const bool inside = next > low && next < high; /* false for NaN */
        if (inside && fabs(next - beta) < 1e-12 * beta) break;
        beta = inside ? next : sqrt(low * high);
    }
    *temperature = 1 / beta;
    return CLADE_OK;
}
