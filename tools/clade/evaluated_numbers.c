/* The numbers of an evaluation where images have numbers, as text and as JSON. */
#include "evaluated.h"

#include "shown.h"

#include <math.h>
#include <stdio.h>

/* Of target k. */
static clade_number_scores scores_of(const evaluated *e, int32_t k)
{
    return clade_number_scores_of(e->p + k, e->number + k, (size_t)e->metrics.classes, e->count);
}

void evaluated_print_numbers(const evaluated *e)
{
    const clade_metrics *m = &e->metrics;
    printf("%s: %zu images\n", e->split, e->count);
    if (!isnan(m->loss)) printf("loss       %.6g\n", m->loss);
    printf("mse        %.6g\nmae        %.6g\n", m->mse, m->mae);
    if (!isnan(m->r2)) printf("r2         %.6g\n", m->r2);
    if (m->classes < 2) return;
    printf("\n%-16s %12s  %12s  %12s\n", "target", "mse", "mae", "r2");
    for (int32_t k = 0; k < m->classes; k++) {
        const clade_number_scores s = scores_of(e, k);
        printf(
            "%s %12.6g  %12.6g  ",
            shown_cell(shown_start(clade_classifier_class_name(e->classifier, k), 16), 16, false),
            s.mse, s.mae);
        if (isnan(s.r2))
            printf("%12s\n", "-");
        else
            printf("%12.6g\n", s.r2);
    }
}

void evaluated_json_numbers(const evaluated *e, cJSON **out)
{
    const clade_metrics *m = &e->metrics;
    cJSON *root = *out = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "split", e->split);
    cJSON_AddNumberToObject(root, "images", (double)e->count);
    if (!isnan(m->loss)) cJSON_AddNumberToObject(root, "loss", m->loss);
    cJSON_AddNumberToObject(root, "mse", m->mse);
    cJSON_AddNumberToObject(root, "mae", m->mae);
    cJSON_AddNumberToObject(root, "r2", m->r2);
    cJSON *list = cJSON_AddArrayToObject(root, "target_scores");
    for (int32_t k = 0; k < m->classes; k++) {
        const clade_number_scores s = scores_of(e, k);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "target", clade_classifier_class_name(e->classifier, k));
        cJSON_AddNumberToObject(item, "mse", s.mse);
        cJSON_AddNumberToObject(item, "mae", s.mae);
        cJSON_AddNumberToObject(item, "r2", s.r2);
        clade_json_append(list, item);
    }
}
