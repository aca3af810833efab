/* The numbers of an evaluation where an image may have several labels, as text and as JSON. */
#include "evaluated.h"

#include "shown.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { shown_classes = 20 };

/* What is said of class c. */
typedef struct label_row {
    const char *name;
    clade_class_scores scores;
    float threshold;
    double average; /* precision; NaN: no image shows the class */
} label_row;

static clade_status find_row(const evaluated *e, int32_t c, label_row *out)
{
    const int32_t classes = e->metrics.classes;
    *out = (label_row){.name = clade_classifier_class_name(e->classifier, c),
                       .scores = clade_metrics_class(&e->metrics, c),
                       .threshold = clade_classifier_thresholds(e->classifier)[c]};
    return clade_average_precision(e->p + c, e->target + c, (size_t)classes, e->count,
                                   &out->average);
}

clade_status evaluated_print_labels(const evaluated *e)
{
    const clade_metrics *m = &e->metrics;
    printf("%s: %zu images\n", e->split, e->count);
    printf("loss       %.4f\naccuracy   %.4f (of all labels)\nmap        %.4f\n", m->loss,
           m->accuracy, m->map);
    printf("precision  %.4f\nrecall     %.4f\nf1         %.4f\nmicro f1   %.4f\n", m->precision,
           m->recall, m->f1, m->micro_f1);
    if (!isnan(m->auc)) printf("auc        %.4f\n", m->auc);
    if (m->classes > shown_classes) return CLADE_OK;
    printf("\n%-16s %10s  %9s  %6s  %6s  %10s  %17s\n", "class", "images", "precision", "recall",
           "f1", "threshold", "average precision");
    for (int32_t c = 0; c < m->classes; c++) {
        label_row row;
        clade_status status = find_row(e, c, &row);
        if (status) return status;
        const clade_class_scores *s = &row.scores;
        printf("%s %10" PRIu64 "  %9.4f  %6.4f  %6.4f  %10.4f  ",
               shown_cell(shown_start(row.name, 16), 16, false), s->images, s->precision, s->recall,
               s->f1, (double)row.threshold);
        if (isnan(row.average))
            printf("%17s\n", "-");
        else
            printf("%17.4f\n", row.average);
    }
    return CLADE_OK;
}

clade_status evaluated_json_labels(const evaluated *e, cJSON **out)
{
    const clade_metrics *m = &e->metrics;
    cJSON *root = *out = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "split", e->split);
    cJSON_AddNumberToObject(root, "images", (double)e->count);
    cJSON_AddNumberToObject(root, "loss", m->loss);
    cJSON_AddNumberToObject(root, "accuracy", m->accuracy);
    cJSON_AddNumberToObject(root, "map", m->map);
    cJSON_AddNumberToObject(root, "precision", m->precision);
    cJSON_AddNumberToObject(root, "recall", m->recall);
    cJSON_AddNumberToObject(root, "f1", m->f1);
    cJSON_AddNumberToObject(root, "micro_f1", m->micro_f1);
    cJSON_AddNumberToObject(root, "auc", m->auc);
    cJSON *list = cJSON_AddArrayToObject(root, "class_scores");
    for (int32_t c = 0; c < m->classes; c++) {
        label_row row;
        clade_status status = find_row(e, c, &row);
        if (status) return status;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "class", row.name);
        cJSON_AddNumberToObject(item, "images", (double)row.scores.images);
        cJSON_AddNumberToObject(item, "precision", row.scores.precision);
        cJSON_AddNumberToObject(item, "recall", row.scores.recall);
        cJSON_AddNumberToObject(item, "f1", row.scores.f1);
        cJSON_AddNumberToObject(item, "threshold", (double)row.threshold);
        cJSON_AddNumberToObject(item, "average_precision", row.average);
        clade_json_append(list, item);
    }
    return CLADE_OK;
}
