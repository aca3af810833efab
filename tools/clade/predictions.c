/* Predictions on their way out. */
#include "predictions.h"

#include "csv.h"
#include "shown.h"

#include <stdlib.h>

const char *const prediction_formats[] = {"text", "json", "jsonl", "csv", NULL};

int32_t prediction_class(const float *p, int32_t classes, int32_t k)
{
    for (int32_t c = 0; c < classes; c++) {
        int32_t above = 0;
        for (int32_t i = 0; i < classes; i++) above += p[i] > p[c] || (p[i] == p[c] && i < c);
        if (above == k) return c;
    }
    return 0;
}

int32_t prediction_labels(const clade_classifier *classifier, const float *p, int32_t *list)
{
    const int32_t classes = clade_classifier_classes(classifier);
    const float *thresholds = clade_classifier_thresholds(classifier);
    int32_t count = 0;
    for (int32_t c = 0; c < classes; c++) {
        if (!(p[c] > thresholds[c])) continue;
        int32_t at = count++;
        for (; at > 0 && p[list[at - 1]] < p[c]; at--) list[at] = list[at - 1];
        list[at] = c;
    }
    return count;
}

const char *prediction_word(const clade_classifier *classifier)
{
    return clade_classifier_gives_probabilities(classifier) ? "probability" : "score";
}

static bool tells_numbers(const prediction_printer *out)
{
    return clade_classifier_task(out->classifier) == CLADE_TASK_REGRESSION;
}

static void print_label_head(const prediction_printer *out)
{
    printf(tells_numbers(out) ? "file" : "file,classes");
    for (int32_t c = 0; c < clade_classifier_classes(out->classifier); c++) {
        printf(",");
        csv_field(stdout, clade_classifier_class_name(out->classifier, c));
    }
    printf("\n");
}

clade_status predictions_begin(prediction_printer *out)
{
    int32_t classes = clade_classifier_classes(out->classifier);
    if (out->top > classes) out->top = classes;
    if (out->format == PREDICTION_JSON) out->list = cJSON_CreateArray();
    if (tells_numbers(out)) {
        if (out->format == PREDICTION_CSV) print_label_head(out);
        return CLADE_OK;
    }
    if (clade_classifier_task(out->classifier) == CLADE_TASK_MULTI_LABEL) {
        out->told = malloc((size_t)classes * sizeof *out->told);
        if (!out->told) return clade_fail(CLADE_ENOMEM, "out of memory for predictions");
        if (out->format == PREDICTION_CSV) print_label_head(out);
        return CLADE_OK;
    }
    if (out->format != PREDICTION_CSV) return CLADE_OK;
    const char *word = prediction_word(out->classifier);
    printf("file,class,%s", word);
    for (int32_t k = 2; k <= out->top; k++) printf(",class_%d,%s_%d", k, word, k);
    printf("\n");
    return CLADE_OK;
}

static cJSON *object_of(const prediction_printer *out, const char *path, const float *p)
{
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddStringToObject(entry, "file", path);
    if (tells_numbers(out)) {
        cJSON *targets = cJSON_AddObjectToObject(entry, "targets");
        for (int32_t k = 0; k < clade_classifier_classes(out->classifier); k++)
            cJSON_AddNumberToObject(targets, clade_classifier_class_name(out->classifier, k),
                                    (double)p[k]);
        return entry;
    }
    cJSON *ranks = cJSON_AddArrayToObject(entry, "classes");
    const int32_t count = out->told ? prediction_labels(out->classifier, p, out->told) : out->top;
    for (int32_t k = 0; k < count; k++) {
        int32_t c = out->told ? out->told[k]
                              : prediction_class(p, clade_classifier_classes(out->classifier), k);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "class", clade_classifier_class_name(out->classifier, c));
        cJSON_AddNumberToObject(item, prediction_word(out->classifier), (double)p[c]);
        clade_json_append(ranks, item);
    }
    return entry;
}

/* The labels of an image; in CSV also the probabilities of all classes. */
static void print_labels(const prediction_printer *out, const float *p)
{
    const bool csv = out->format == PREDICTION_CSV;
    const int32_t count = prediction_labels(out->classifier, p, out->told);
    printf(csv ? ",\"" : count ? "" : " none");
    for (int32_t k = 0; k < count; k++) {
        const char *name = clade_classifier_class_name(out->classifier, out->told[k]);
        if (csv) {
            printf("%s", k ? "|" : "");
            csv_part(stdout, name);
        } else {
            printf("%s %s %.4f", k ? "," : "", shown(name), (double)p[out->told[k]]);
        }
    }
    if (csv) printf("\"");
    for (int32_t c = 0; csv && c < clade_classifier_classes(out->classifier); c++)
        printf(",%.6g", (double)p[c]);
    printf("\n");
}

static void print_numbers(const prediction_printer *out, const float *p)
{
    for (int32_t k = 0; k < clade_classifier_classes(out->classifier); k++)
        if (out->format == PREDICTION_CSV)
            printf(",%.9g", (double)p[k]);
        else
            printf("%s %s %.6g", k ? "," : "",
                   shown(clade_classifier_class_name(out->classifier, k)), (double)p[k]);
    printf("\n");
}

void predictions_print(prediction_printer *out, const char *path, const float *p)
{
    const bool csv = out->format == PREDICTION_CSV;
    if (out->format == PREDICTION_JSON) {
        clade_json_append(out->list, object_of(out, path, p));
        return;
    }
    if (out->format == PREDICTION_LINES) {
        json_print(object_of(out, path, p), true);
        return;
    }
    if (csv)
        csv_field(stdout, path);
    else
        printf("%s:", shown(path));
    if (out->told) {
        print_labels(out, p);
        return;
    }
    if (tells_numbers(out)) {
        print_numbers(out, p);
        return;
    }
    for (int32_t k = 0; k < out->top; k++) {
        int32_t c = prediction_class(p, clade_classifier_classes(out->classifier), k);
        const char *name = clade_classifier_class_name(out->classifier, c);
        if (csv) {
            printf(",");
            csv_field(stdout, name);
            printf(",%.6g", (double)p[c]);
        } else {
            printf("%s %s %.4f", k ? "," : "", shown(name), (double)p[c]);
        }
    }
    if (!csv && !clade_classifier_gives_probabilities(out->classifier)) printf(" (scores)");
    printf("\n");
}

void predictions_end(prediction_printer *out, bool whole)
{
    if (whole && out->list)
        json_print(out->list, false);
    else
        cJSON_Delete(out->list);
    out->list = NULL;
    free(out->told);
    out->told = NULL;
}
