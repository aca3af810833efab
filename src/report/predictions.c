/* Predictions of a split, and what curves make of them: ROC, calibration, scores per class. */
#include "report/predictions.h"

#include "report/chart.h"

#include <clade/scores.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { together = 64, roc_classes = 8, roc_points = 400, open_classes = 20, scatters = 8 };

static bool has_several(const report_predictions *r)
{
    return clade_dataset_task(r->dataset) == CLADE_TASK_MULTI_LABEL;
}

static clade_status predict_all(report_predictions *r)
{
    int32_t hwc[3];
    clade_dataset_shape(r->dataset, hwc);
    size_t size = (size_t)hwc[0] * (size_t)hwc[1] * (size_t)hwc[2];
    r->p = malloc((r->count * r->classes + 1) * sizeof *r->p);
    r->label = malloc((r->count + 1) * sizeof *r->label);
    r->predicted = malloc((r->count + 1) * sizeof *r->predicted);
    r->pixels = malloc(together * size);
    r->target = calloc(r->count * r->classes + 1, 1);
    const bool numbers = clade_dataset_task(r->dataset) == CLADE_TASK_REGRESSION;
    if (numbers) r->number = calloc(r->count * r->classes + 1, sizeof *r->number);
    if (!r->p || !r->label || !r->predicted || !r->pixels || !r->target || (numbers && !r->number))
        return clade_fail(CLADE_ENOMEM, "out of memory for %zu predictions", r->count);
    clade_status status = CLADE_OK;
    for (size_t first = 0; first < r->count && !status; first += together) {
        size_t n = r->count - first < together ? r->count - first : together;
        for (size_t i = 0; i < n && !status; i++)
            status = clade_dataset_pixels(r->dataset, r->split, first + i, r->pixels + i * size);
        if (!status)
            status = clade_classifier_predict_pixels(r->classifier, r->pixels, n,
                                                     r->p + first * r->classes);
    }
    for (size_t i = 0; i < r->count && !status; i++) {
        const float *row = r->p + i * r->classes;
        r->label[i] = clade_dataset_label(r->dataset, r->split, i);
        clade_dataset_label_row(r->dataset, r->split, i, r->target + i * r->classes);
        if (numbers) clade_dataset_target_row(r->dataset, r->split, i, r->number + i * r->classes);
        r->predicted[i] = 0;
        for (size_t c = 1; c < r->classes; c++)
            if (row[c] > row[r->predicted[i]]) r->predicted[i] = (int32_t)c;
    }
    return status;
}

static clade_status check(const clade_classifier *classifier, const clade_dataset *dataset)
{
    int32_t classes = clade_classifier_classes(classifier), hwc[3];
    const clade_preprocessing *p = clade_recipe_preprocessing(clade_classifier_recipe(classifier));
    if (clade_dataset_task(dataset) != clade_classifier_task(classifier))
        return clade_fail(CLADE_EINVAL, "the data is for task %s, but the classifier is for %s",
                          clade_task_words()[clade_dataset_task(dataset)],
                          clade_task_words()[clade_classifier_task(classifier)]);
    if ((size_t)classes != clade_dataset_classes(dataset))
        return clade_fail(CLADE_EINVAL, "the data has %zu classes, but the classifier has %d",
                          clade_dataset_classes(dataset), classes);
    for (int32_t i = 0; i < classes; i++) {
        const char *ours = clade_classifier_class_name(classifier, i);
        const char *theirs = clade_dataset_class_name(dataset, (size_t)i);
        if (strcmp(ours, theirs))
            return clade_fail(CLADE_EINVAL, "class %d of the data is '%s', expected '%s'", i,
                              theirs, ours);
    }
    clade_dataset_shape(dataset, hwc);
    if (hwc[0] != p->height || hwc[1] != p->width || hwc[2] != p->channels)
        return clade_fail(CLADE_EINVAL, "the data was opened for %d×%d×%d, expected %d×%d×%d",
                          hwc[0], hwc[1], hwc[2], p->height, p->width, p->channels);
    return CLADE_OK;
}

clade_status clade_report_predict(clade_classifier *classifier, const clade_dataset *dataset,
                                  report_predictions *out)
{
    static const clade_split order[] = {CLADE_VALIDATION, CLADE_TEST, CLADE_TRAIN};
    *out = (report_predictions){.classifier = classifier, .dataset = dataset};
    clade_status status = check(classifier, dataset);
    if (status) return status;
    for (int i = 0; i < 3 && !out->count; i++) {
        out->split = order[i];
        out->count = clade_dataset_count(dataset, out->split);
    }
    out->classes = (size_t)clade_classifier_classes(classifier);
    status = predict_all(out);
    if (status) clade_report_predictions_clear(out);
    return status;
}

void clade_report_predictions_clear(report_predictions *r)
{
    free(r->p);
    free(r->label);
    free(r->target);
    free(r->number);
    free(r->predicted);
    free(r->pixels);
    *r = (report_predictions){0};
}

/* ---- per class ---- */

static void cell_ratio(clade_page *page, size_t part, size_t whole)
{
    if (whole)
        clade_page_cell(page, "%.3f", (double)part / (double)whole);
    else
        clade_page_cell(page, "–");
}

static void add_classes(clade_page *page, const report_predictions *r)
{
    static const clade_column columns[] = {
        {"class", false}, {"images", true}, {"precision", true}, {"recall", true}, {"F1", true}};
    const bool folded = r->classes > open_classes; /* a click opens it */
    if (folded)
        clade_page_markup(page, "<details><summary>Scores of all %zu classes</summary>\n",
                          r->classes);
    clade_page_table_begin(page, NULL, columns, sizeof columns / sizeof *columns);
    for (size_t c = 0; c < r->classes; c++) {
        size_t own = 0, told = 0, right = 0;
        for (size_t i = 0; i < r->count; i++) {
            own += r->label[i] == (int32_t)c;
            told += r->predicted[i] == (int32_t)c;
            right += r->label[i] == (int32_t)c && r->predicted[i] == (int32_t)c;
        }
        clade_page_cell(page, "%s", clade_classifier_class_name(r->classifier, (int32_t)c));
        clade_page_cell(page, "%zu", own);
        cell_ratio(page, right, told);
        cell_ratio(page, right, own);
        cell_ratio(page, 2 * right, own + told);
    }
    clade_page_table_end(page);
    if (folded) clade_page_markup(page, "</details>\n");
}

/* Of several labels, told by the classifier's thresholds. */
static clade_status add_label_scores(clade_page *page, const report_predictions *r)
{
    static const clade_column columns[] = {
        {"class", false}, {"images", true},    {"precision", true},        {"recall", true},
        {"F1", true},     {"threshold", true}, {"average precision", true}};
    const float *thresholds = clade_classifier_thresholds(r->classifier);
    const int32_t classes = (int32_t)r->classes;
    uint64_t *confusion = malloc(4 * r->classes * sizeof *confusion);
    if (!confusion) return clade_fail(CLADE_ENOMEM, "out of memory for scores of classes");
    clade_metrics m;
    clade_status status =
        clade_label_metrics(r->p, r->target, r->count, classes, thresholds, confusion, &m);
    clade_page_table_begin(page, NULL, columns, sizeof columns / sizeof *columns);
    for (int32_t c = 0; c < classes && !status; c++) {
        const clade_class_scores s = clade_metrics_class(&m, c);
        double average;
        status = clade_average_precision(r->p + c, r->target + c, r->classes, r->count, &average);
        clade_page_cell(page, "%s", clade_classifier_class_name(r->classifier, c));
        clade_page_cell(page, "%zu", (size_t)s.images);
        cell_ratio(page, s.right, s.predicted);
        cell_ratio(page, s.right, s.images);
        cell_ratio(page, 2 * s.right, s.images + s.predicted);
        clade_page_cell(page, "%.3f", (double)thresholds[c]);
        clade_page_cell(page, isnan(average) ? "–" : "%.3f", average);
    }
    clade_page_table_end(page);
    free(confusion);
    return status;
}

/* ---- ROC ---- */

typedef struct scored {
    float p;
    bool positive;
} scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    return (x->p < y->p) - (x->p > y->p);
}

/* A class's curve: x the rate of false positives, y that of true ones, at every threshold, thinned
 * to at most roc_points. Gives the area below it, or a negative number where the class or all
 * others have no image. */
static double trace_roc(const report_predictions *r, size_t c, scored *order, double *x, double *y,
                        size_t *points)
{
    size_t positives = 0, negatives, up = 0, right = 0;
    double area = 0;
    for (size_t i = 0; i < r->count; i++) {
        order[i] = (scored){r->p[i * r->classes + c], r->target[i * r->classes + c]};
        positives += order[i].positive;
    }
    negatives = r->count - positives;
    *points = 0;
    if (!positives || !negatives) return -1;
    qsort(order, r->count, sizeof *order, by_score);
    x[*points] = y[*points] = 0;
    ++*points;
    for (size_t i = 0; i < r->count;) {
        size_t old_up = up, old_right = right, tie = i;
        for (; tie < r->count && order[tie].p == order[i].p; tie++) {
            up += order[tie].positive;
            right += !order[tie].positive;
        }
        i = tie;
        area += (double)(right - old_right) * (double)(up + old_up) / 2;
        bool due = i * (roc_points - 2) / r->count >= *points - 1 || i == r->count;
        if (!due || *points == roc_points) continue;
        x[*points] = (double)right / (double)negatives;
        y[*points] = (double)up / (double)positives;
        ++*points;
    }
    x[*points - 1] = y[*points - 1] = 1;
    return area / ((double)positives * (double)negatives);
}

static void add_roc(clade_page *page, const report_predictions *r)
{
    size_t first = r->classes == 2 && !has_several(r) ? 1 : 0,
           last = r->classes < roc_classes ? r->classes : roc_classes;
    double(*x)[roc_points] = calloc(roc_classes, sizeof *x);
    double(*y)[roc_points] = calloc(roc_classes, sizeof *y);
    scored *order = malloc((r->count + 1) * sizeof *order);
    if (x && y && order) {
        static const double diagonal[] = {0, 1};
        clade_series series[roc_classes + 1];
        size_t count = 0;
        char name[roc_classes][96];
        for (size_t c = first; c < last; c++) {
            size_t points;
            double area = trace_roc(r, c, order, x[c], y[c], &points);
            if (area < 0) continue;
            snprintf(name[c], sizeof name[c], "area %.3f, %.60s", area,
                     clade_classifier_class_name(r->classifier, (int32_t)c));
            series[count++] =
                (clade_series){.name = name[c], .x = x[c], .y = y[c], .count = points};
        }
        series[count] = (clade_series){
            .name = "by chance", .x = diagonal, .y = diagonal, .count = 2, .color = -1};
        const clade_chart chart = {
            .title = r->classes > roc_classes ? "ROC of the first 8 classes" : "ROC",
            .description = "True positives against false positives, at every threshold.",
            .x = {.title = "false positives", .low = 0, .high = 1},
            .y = {.title = "true positives", .low = 0, .high = 1}};
        if (count) clade_chart_lines(page, &chart, series, count + 1);
    } else if (!page->status) {
        page->status = clade_fail(CLADE_ENOMEM, "out of memory for ROC curves");
    }
    free(x);
    free(y);
    free(order);
}

/* ---- calibration ---- */

/* How often the predicted class is right, by how sure the prediction is (Guo et al. 2017). */
static void add_calibration(clade_page *page, const report_predictions *r)
{
    double x[CLADE_CALIBRATION_BINS], y[CLADE_CALIBRATION_BINS];
    const clade_calibration c =
        clade_calibration_measure(r->p, r->label, r->count, (int32_t)r->classes);
    size_t points = 0;
    for (int b = 0; b < CLADE_CALIBRATION_BINS; b++) {
        if (c.count[b] == 0) continue;
        x[points] = c.sure[b] / c.count[b];
        y[points++] = c.right[b] / c.count[b];
    }
    char name[64];
    snprintf(name, sizeof name, "in tenths, mean gap %.3f", c.error);
    static const double diagonal[] = {0, 1};
    const clade_series series[] = {
        {.name = name, .x = x, .y = y, .count = points},
        {.name = "perfectly calibrated", .x = diagonal, .y = diagonal, .count = 2, .color = -1}};
    static const clade_chart chart = {
        .title = "Calibration",
        .description = "How often predictions are correct, by their confidence.",
        .x = {.title = "probability of the predicted class", .low = 0, .high = 1},
        .y = {.title = "share of correct predictions", .low = 0, .high = 1}};
    clade_chart_lines(page, &chart, series, 2);
}

/* ---- numbers ---- */

/* Predicted against true, a chart for each of the first targets. */
static void add_scatter(clade_page *page, const report_predictions *r, size_t k)
{
    double *x = malloc((r->count + 1) * sizeof *x), *y = malloc((r->count + 1) * sizeof *y);
    double line[2] = {INFINITY, -INFINITY};
    for (size_t i = 0; x && y && i < r->count; i++) {
        x[i] = (double)r->number[i * r->classes + k];
        y[i] = (double)r->p[i * r->classes + k];
        line[0] = fmin(line[0], x[i]);
        line[1] = fmax(line[1], x[i]);
    }
    const clade_series series[] = {
        {.name = "images", .x = x, .y = y, .count = r->count, .style = CLADE_SERIES_POINTS},
        {.name = "prediction equals truth", .x = line, .y = line, .count = 2, .color = -1}};
    const clade_chart chart = {.title = clade_classifier_class_name(r->classifier, (int32_t)k),
                               .description = "The prediction for each image against the truth.",
                               .x = {.title = "true"},
                               .y = {.title = "predicted"}};
    if (x && y)
        clade_chart_lines(page, &chart, series, 2);
    else if (!page->status)
        page->status = clade_fail(CLADE_ENOMEM, "out of memory for a scatter chart");
    free(x);
    free(y);
}

static void add_numbers(clade_page *page, const report_predictions *r)
{
    static const clade_column columns[] = {{"target", false},
                                           {"mean squared error", true},
                                           {"mean absolute error", true},
                                           {"R²", true}};
    clade_page_table_begin(page, NULL, columns, sizeof columns / sizeof *columns);
    for (size_t k = 0; k < r->classes; k++) {
        const clade_number_scores s =
            clade_number_scores_of(r->p + k, r->number + k, r->classes, r->count);
        clade_page_cell(page, "%s", clade_classifier_class_name(r->classifier, (int32_t)k));
        clade_page_cell(page, "%.5g", s.mse);
        clade_page_cell(page, "%.5g", s.mae);
        clade_page_cell(page, isnan(s.r2) ? "–" : "%.5g", s.r2);
    }
    clade_page_table_end(page);
    clade_page_grid_begin(page, CLADE_GRID_CHARTS);
    for (size_t k = 0; k < r->classes && k < scatters; k++) add_scatter(page, r, k);
    clade_page_grid_end(page);
}

void clade_report_add_scores(clade_page *page, const report_predictions *r)
{
    if (r->number) {
        add_numbers(page, r);
        return;
    }
    if (!has_several(r)) {
        add_classes(page, r);
    } else {
        clade_status status = add_label_scores(page, r);
        if (status && !page->status) page->status = status;
    }
    clade_page_grid_begin(page, CLADE_GRID_CHARTS);
    add_roc(page, r);
    if (!has_several(r)) add_calibration(page, r);
    clade_page_grid_end(page);
}
