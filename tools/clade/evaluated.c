/* What was found of images' predictions: memory for it, its mistakes, and its CSV. */
#include "evaluated.h"

#include "csv.h"
#include "output_file.h"
#include "predictions.h"

#include <stdlib.h>
#include <string.h>

clade_status evaluated_create(const clade_classifier *classifier, size_t count, evaluated *out)
{
    const size_t classes = (size_t)clade_classifier_classes(classifier);
    *out = (evaluated){.classifier = classifier, .count = count};
    out->name = calloc(count + 1, sizeof *out->name);
    out->label = calloc(count + 1, sizeof *out->label);
    out->p = calloc(count * classes + 1, sizeof *out->p);
    const bool several = clade_classifier_task(classifier) == CLADE_TASK_MULTI_LABEL;
    const bool numbers = clade_classifier_task(classifier) == CLADE_TASK_REGRESSION;
    out->confusion = calloc(classes * (several ? 4 : classes), sizeof *out->confusion);
    if (several) out->target = calloc(count * classes + 1, 1);
    if (numbers) out->number = calloc(count * classes + 1, sizeof *out->number);
    if (out->name && out->label && out->p && out->confusion && (out->target || !several) &&
        (out->number || !numbers))
        return CLADE_OK;
    evaluated_clear(out);
    return clade_fail(CLADE_ENOMEM, "out of memory for %zu predictions", count);
}

void evaluated_clear(evaluated *e)
{
    free(e->name);
    free(e->label);
    free(e->target);
    free(e->number);
    free(e->p);
    free(e->confusion);
    *e = (evaluated){0};
}

clade_status evaluated_measure(evaluated *e)
{
    if (e->target)
        return clade_label_metrics(
            e->p, e->target, e->count, clade_classifier_classes(e->classifier),
            clade_classifier_thresholds(e->classifier), e->confusion, &e->metrics);
    if (e->number) {
        clade_number_metrics(e->p, e->number, e->count, clade_classifier_classes(e->classifier),
                             &e->metrics);
        return CLADE_OK;
    }
    clade_status status =
        clade_metrics_of(e->p, e->label, e->count, clade_classifier_classes(e->classifier),
                         e->top_k, e->confusion, &e->metrics);
    e->metrics.task = clade_classifier_task(e->classifier);
    if (!status) e->metrics.mae = clade_metrics_rank_error(&e->metrics);
    return status;
}

/* The classes of one image's row that are there, or told by their probabilities. */
static void write_labels(FILE *file, const evaluated *e, size_t i, bool told)
{
    const int32_t classes = clade_classifier_classes(e->classifier);
    const float *thresholds = clade_classifier_thresholds(e->classifier);
    bool any = false;
    fputc('"', file);
    for (int32_t c = 0; c < classes; c++) {
        const size_t at = i * (size_t)classes + (size_t)c;
        if (told ? !(e->p[at] > thresholds[c]) : !e->target[at]) continue;
        if (any) fputc('|', file);
        csv_part(file, clade_classifier_class_name(e->classifier, c));
        any = true;
    }
    fputc('"', file);
}

static void write_classes(FILE *file, const evaluated *e, size_t i)
{
    const int32_t classes = clade_classifier_classes(e->classifier);
    const float *p = e->p + i * (size_t)classes;
    if (e->target) {
        write_labels(file, e, i, false);
        fputc(',', file);
        write_labels(file, e, i, true);
        return;
    }
    csv_field(file, clade_classifier_class_name(e->classifier, e->label[i]));
    fputc(',', file);
    csv_field(file, clade_classifier_class_name(e->classifier, prediction_class(p, classes, 0)));
}

clade_status evaluated_write(const evaluated *e, const int32_t *fold, const char *path)
{
    output_file output;
    clade_status status = output_open(&output, path);
    if (status) return status;
    FILE *file = output.to;
    const float *p = e->p;
    const int32_t classes = clade_classifier_classes(e->classifier);
    fprintf(file, "file%s%s", fold ? ",fold" : "", e->number ? "" : ",class,predicted");
    for (int32_t c = 0; e->number && c < classes; c++) {
        fputc(',', file);
        csv_field(file, clade_classifier_class_name(e->classifier, c));
    }
    for (int32_t c = 0; c < classes; c++) {
        fprintf(file, e->number ? ",predicted_" : ",");
        csv_field(file, clade_classifier_class_name(e->classifier, c));
    }
    fputc('\n', file);
    for (size_t i = 0; i < e->count; i++, p += classes) {
        csv_field(file, e->name[i]);
        if (fold) fprintf(file, ",%d", fold[i]);
        if (!e->number) fputc(',', file);
        if (!e->number) write_classes(file, e, i);
        for (int32_t c = 0; e->number && c < classes; c++)
            fprintf(file, ",%.9g", (double)e->number[i * (size_t)classes + (size_t)c]);
        for (int32_t c = 0; c < classes; c++)
            fprintf(file, e->number ? ",%.9g" : ",%.6g", (double)p[c]);
        fputc('\n', file);
    }
    return output_close(&output);
}
