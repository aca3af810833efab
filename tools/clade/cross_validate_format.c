/* A cross-validation as text, JSON, CSV and a page. */
#include "cross_validate.h"

#include "output_file.h"
#include "shown.h"

#include <clade/report.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- means over the folds --- */

typedef enum fold_number { FOLD_ACCURACY, FOLD_LOSS, FOLD_F1, FOLD_NUMBERS } fold_number;

static const char *word_of(const cross_validation *c, fold_number n)
{
    static const char *const words[] = {"accuracy", "loss", "f1"};
    static const char *const of_numbers[] = {"mae", "loss", "r2"};
    return c->pooled.number ? of_numbers[n] : words[n];
}

static double number_of(const fold_result *f, fold_number n)
{
    return n == FOLD_ACCURACY ? f->accuracy : n == FOLD_LOSS ? f->loss : f->f1;
}

/* The mean over the folds, and the deviation of one of them (n − 1). */
static double find_mean(const cross_validation *c, fold_number n, double *deviation)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < c->count; i++) sum += number_of(&c->fold[i], n);
    const double mean = sum / (double)c->count;
    for (size_t i = 0; i < c->count; i++) {
        const double d = number_of(&c->fold[i], n) - mean;
        squares += d * d;
    }
    *deviation = sqrt(squares / (double)(c->count - 1));
    return mean;
}

/* --- text --- */

void cross_validation_print_fold(const cross_validation *c, size_t i)
{
    const fold_result *f = &c->fold[i];
    printf(c->pooled.number ? "fold %zu of %zu: %zu images, %s %.6g, loss %.6g, %.1f s\n"
                            : "fold %zu of %zu: %zu images, %s %.4f, loss %.4f, %.1f s\n",
           i + 1, c->count, f->images, word_of(c, FOLD_ACCURACY), f->accuracy, f->loss, f->seconds);
    fflush(stdout);
}

clade_status cross_validation_print(const cross_validation *c)
{
    printf("\n%zu folds\n", c->count);
    for (fold_number n = 0; n < FOLD_NUMBERS; n++) {
        double deviation, mean = find_mean(c, n, &deviation);
        printf(c->pooled.number ? "%-10s %.6g ± %.6g\n" : "%-10s %.4f ± %.4f\n", word_of(c, n),
               mean, deviation);
    }
    printf("\n");
    return evaluated_print(&c->pooled);
}

/* --- JSON --- */

static clade_status to_tree(const cross_validation *c, cJSON **out)
{
    cJSON *root = *out = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "recipe", c->recipe);
    cJSON *list = cJSON_AddArrayToObject(root, "folds");
    for (size_t i = 0; i < c->count; i++) {
        const fold_result *f = &c->fold[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "folder", f->folder);
        cJSON_AddNumberToObject(item, "images", (double)f->images);
        for (fold_number n = 0; n < FOLD_NUMBERS; n++)
            cJSON_AddNumberToObject(item, word_of(c, n), number_of(f, n));
        clade_json_append(list, item);
    }
    cJSON *means = cJSON_AddObjectToObject(root, "mean");
    cJSON *deviations = cJSON_AddObjectToObject(root, "deviation");
    for (fold_number n = 0; n < FOLD_NUMBERS; n++) {
        double deviation, mean = find_mean(c, n, &deviation);
        cJSON_AddNumberToObject(means, word_of(c, n), mean);
        cJSON_AddNumberToObject(deviations, word_of(c, n), deviation);
    }
    cJSON *pooled = NULL;
    clade_status status = evaluated_json(&c->pooled, &pooled);
    clade_json_put(root, "pooled", pooled);
    return status;
}

clade_status cross_validation_print_json(const cross_validation *c)
{
    cJSON *root;
    clade_status status = to_tree(c, &root);
    if (status)
        cJSON_Delete(root);
    else
        json_print(root, false);
    return status;
}

/* --- files --- */

/* Text, or where it is NULL the table of all images. */
static clade_status write_file(const cross_validation *c, const char *name, const char *text)
{
    output_file file;
    char *path = clade_path_join(c->folder, name);
    clade_status status = path ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status && !text) status = evaluated_write(&c->pooled, c->fold_of, path);
    if (!status && text) status = output_open(&file, path);
    if (!status && text) {
        fprintf(file.to, "%s\n", text);
        status = output_close(&file);
    }
    free(path);
    return status;
}

static clade_status write_page(const cross_validation *c)
{
    char title[256], note[256];
    const char *const notes[] = {note};
    double deviation, low, high, mean = find_mean(c, FOLD_ACCURACY, &deviation);
    clade_share_interval(c->pooled.metrics.accuracy, (double)c->pooled.count, &low, &high);
    snprintf(title, sizeof title, "Cross-validation of %.200s", c->recipe);
    if (c->pooled.number)
        snprintf(note, sizeof note,
                 "Mean absolute error of the last epoch %.4g ± %.4g over %zu folds; of all %zu "
                 "images together %.4g.",
                 mean, deviation, c->count, c->pooled.count, c->pooled.metrics.mae);
    else
        snprintf(
            note, sizeof note,
            "Accuracy of the last epoch %.4f ± %.4f over %zu folds; of all %zu images together "
            "%.4f, 95 %%: %.4f to %.4f.",
            mean, deviation, c->count, c->pooled.count, c->pooled.metrics.accuracy, low, high);
    const clade_compare_options options = {.title = title, .notes = notes, .note_count = 1};
    const char **runs = malloc(c->count * sizeof *runs);
    char *path = clade_path_join(c->folder, "compare.html");
    clade_status status = CLADE_OK;
    if (!runs || !path) status = clade_fail(CLADE_ENOMEM, "out of memory");
    for (size_t i = 0; i < c->count && !status; i++) runs[i] = c->fold[i].folder;
    if (!status) status = clade_report_compare(runs, c->count, &options, path);
    free(runs);
    free(path);
    return status;
}

clade_status cross_validation_write(const cross_validation *c)
{
    cJSON *root;
    clade_status status = to_tree(c, &root);
    char *text = status ? NULL : json_text(root, false);
    cJSON_Delete(root);
    if (!status && !text) status = clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status) status = write_file(c, "cross-validation.json", text);
    cJSON_free(text);
    if (!status) status = write_file(c, "predictions.csv", NULL);
    return status ? status : write_page(c);
}
