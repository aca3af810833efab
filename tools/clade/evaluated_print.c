/* The numbers of an evaluation as text and as JSON. */
#include "evaluated.h"

#include "predictions.h"
#include "shown.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { shown_classes = 20, shown_pairs = 10 };

static const char *class_name(const evaluated *e, int32_t c)
{
    return clade_classifier_class_name(e->classifier, c);
}

/* --- single images --- */

/* An image that was taken for another class. */
typedef struct wrong_image {
    size_t image;
    int32_t label, taken;
    float certainty; /* what it had for that class */
} wrong_image;

/* The surest first. */
static int by_certainty(const void *a, const void *b)
{
    const wrong_image *x = a, *y = b;
    if (x->certainty != y->certainty) return x->certainty > y->certainty ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

/* All of them, to be freed. */
static clade_status find_mistakes(const evaluated *e, wrong_image **out, size_t *count)
{
    const int32_t classes = clade_classifier_classes(e->classifier);
    wrong_image *list = malloc((e->count + 1) * sizeof *list);
    if (!list) return clade_fail(CLADE_ENOMEM, "out of memory for a list of images");
    *count = 0;
    for (size_t i = 0; i < e->count; i++) {
        const float *p = e->p + i * (size_t)classes;
        wrong_image m = {
            .image = i, .label = e->label[i], .taken = prediction_class(p, classes, 0)};
        m.certainty = p[m.taken];
        if (m.taken != m.label) list[(*count)++] = m;
    }
    if (*count) qsort(list, *count, sizeof *list, by_certainty);
    *out = list;
    return CLADE_OK;
}

static clade_status print_wrong(const evaluated *e)
{
    wrong_image *wrong;
    size_t count;
    clade_status status = find_mistakes(e, &wrong, &count);
    if (status) return status;
    size_t most = count < e->listed ? count : e->listed;
    printf("\n%zu wrong%s\n", count, most ? ", the most confident first" : "");
    for (size_t i = 0; i < most; i++)
        printf("  %s: %s %.4f, is %s\n", shown(e->name[wrong[i].image]),
               shown(class_name(e, wrong[i].taken)), (double)wrong[i].certainty,
               shown(class_name(e, wrong[i].label)));
    if (count > most) printf("  and %zu more\n", count - most);
    free(wrong);
    return CLADE_OK;
}

static clade_status add_wrong(const evaluated *e, cJSON *root)
{
    wrong_image *wrong;
    size_t count;
    clade_status status = find_mistakes(e, &wrong, &count);
    if (status) return status;
    cJSON *list = cJSON_AddArrayToObject(root, "wrong");
    for (size_t i = 0; i < count && i < e->listed; i++) {
        const wrong_image *m = &wrong[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "file", e->name[m->image]);
        cJSON_AddStringToObject(item, "class", class_name(e, m->label));
        cJSON_AddStringToObject(item, "predicted", class_name(e, m->taken));
        cJSON_AddNumberToObject(item, prediction_word(e->classifier), (double)m->certainty);
        clade_json_append(list, item);
    }
    free(wrong);
    return CLADE_OK;
}

/* --- means over classes --- */

/* Of the classes that have images, each alike, or each by its images. */
static clade_class_scores mean_scores(const clade_metrics *m, bool weighted)
{
    clade_class_scores mean = {0};
    double sum = 0;
    for (int32_t c = 0; c < m->classes; c++) {
        const clade_class_scores s = clade_metrics_class(m, c);
        const double weight = weighted ? (double)s.images : s.images > 0;
        mean.images += s.images;
        mean.precision += weight * s.precision;
        mean.recall += weight * s.recall;
        mean.f1 += weight * s.f1;
        sum += weight;
    }
    if (sum == 0) return mean;
    mean.precision /= sum;
    mean.recall /= sum;
    mean.f1 /= sum;
    return mean;
}

/* --- text --- */

static void print_confusion(const evaluated *e)
{
    const clade_metrics *m = &e->metrics;
    if (m->classes > shown_classes) return;
    printf("\n%-16s", "true \\ predicted");
    for (int32_t j = 0; j < m->classes; j++)
        printf(" %s", shown_cell(shown_start(class_name(e, j), 10), 10, true));
    printf("\n");
    for (int32_t i = 0; i < m->classes; i++) {
        printf("%s", shown_cell(shown_start(class_name(e, i), 16), 16, false));
        for (int32_t j = 0; j < m->classes; j++)
            printf(" %10" PRIu64, m->confusion[i * m->classes + j]);
        printf("\n");
    }
}

static void print_scores(const char *name, const clade_class_scores *s)
{
    printf("%s %10" PRIu64 "  %9.4f  %6.4f  %6.4f\n", shown_cell(shown_start(name, 16), 16, false),
           s->images, s->precision, s->recall, s->f1);
}

static void print_classes(const evaluated *e)
{
    const clade_metrics *m = &e->metrics;
    const clade_class_scores macro = mean_scores(m, false), weighted = mean_scores(m, true);
    printf("\n%-16s %10s  %9s  %6s  %6s\n", "class", "images", "precision", "recall", "f1");
    for (int32_t c = 0; c < m->classes && m->classes <= shown_classes; c++) {
        const clade_class_scores s = clade_metrics_class(m, c);
        print_scores(class_name(e, c), &s);
    }
    print_scores("mean", &macro);
    print_scores("weighted mean", &weighted);
}

static void print_confused(const evaluated *e)
{
    clade_confused_pair pair[shown_pairs];
    const size_t count = clade_metrics_confused(&e->metrics, pair, shown_pairs);
    if (!count) return;
    printf("\nMost frequent confusions\n");
    for (size_t i = 0; i < count; i++)
        printf("  %s for %s: %" PRIu64 " of %" PRIu64 "\n", shown(class_name(e, pair[i].predicted)),
               shown(class_name(e, pair[i].label)), pair[i].count,
               clade_metrics_class(&e->metrics, pair[i].label).images);
}

clade_status evaluated_print(const evaluated *e)
{
    const clade_metrics *m = &e->metrics;
    double low, high;
    if (e->target) return evaluated_print_labels(e);
    if (e->number) {
        evaluated_print_numbers(e);
        return CLADE_OK;
    }
    clade_share_interval(m->accuracy, (double)e->count, &low, &high);
    printf("%s: %zu images\n", e->split, e->count);
    printf("loss       %.4f\naccuracy   %.4f (95 %%: %.4f to %.4f)\n", m->loss, m->accuracy, low,
           high);
    if (m->task == CLADE_TASK_ORDINAL) printf("mae        %.4f (classes)\n", m->mae);
    if (e->top_k > 0) printf("top-%-7d%.4f\n", e->top_k, m->top_k);
    printf("precision  %.4f\nrecall     %.4f\nf1         %.4f\n", m->precision, m->recall, m->f1);
    if (!isnan(m->auc)) printf("auc        %.4f\n", m->auc);
    if (clade_classifier_gives_probabilities(e->classifier))
        printf("log loss   %.4f\nece        %.4f\n",
               clade_log_loss(e->p, e->label, e->count, m->classes),
               clade_calibration_measure(e->p, e->label, e->count, m->classes).error);
    print_classes(e);
    print_confusion(e);
    print_confused(e);
    return e->listed ? print_wrong(e) : CLADE_OK;
}

/* --- JSON --- */

static void add_scores(cJSON *object, const clade_class_scores *s)
{
    cJSON_AddNumberToObject(object, "images", (double)s->images);
    cJSON_AddNumberToObject(object, "precision", s->precision);
    cJSON_AddNumberToObject(object, "recall", s->recall);
    cJSON_AddNumberToObject(object, "f1", s->f1);
}

static void add_classes(const evaluated *e, cJSON *root)
{
    const clade_metrics *m = &e->metrics;
    const clade_class_scores macro = mean_scores(m, false), weighted = mean_scores(m, true);
    cJSON *list = cJSON_AddArrayToObject(root, "class_scores");
    for (int32_t c = 0; c < m->classes; c++) {
        const clade_class_scores s = clade_metrics_class(m, c);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "class", class_name(e, c));
        add_scores(item, &s);
        clade_json_append(list, item);
    }
    add_scores(cJSON_AddObjectToObject(root, "mean"), &macro);
    add_scores(cJSON_AddObjectToObject(root, "weighted_mean"), &weighted);
}

static void add_confused(const evaluated *e, cJSON *root)
{
    clade_confused_pair pair[shown_pairs];
    const size_t count = clade_metrics_confused(&e->metrics, pair, shown_pairs);
    cJSON *list = cJSON_AddArrayToObject(root, "confused");
    for (size_t i = 0; i < count; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "class", class_name(e, pair[i].label));
        cJSON_AddStringToObject(item, "predicted", class_name(e, pair[i].predicted));
        cJSON_AddNumberToObject(item, "images", (double)pair[i].count);
        clade_json_append(list, item);
    }
}

clade_status evaluated_json(const evaluated *e, cJSON **out)
{
    const clade_metrics *m = &e->metrics;
    double interval[2];
    if (e->target) return evaluated_json_labels(e, out);
    if (e->number) {
        evaluated_json_numbers(e, out);
        return CLADE_OK;
    }
    clade_share_interval(m->accuracy, (double)e->count, &interval[0], &interval[1]);
    cJSON *root = *out = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "split", e->split);
    cJSON_AddNumberToObject(root, "images", (double)e->count);
    cJSON_AddNumberToObject(root, "loss", m->loss);
    cJSON_AddNumberToObject(root, "accuracy", m->accuracy);
    clade_json_put(root, "accuracy_interval", cJSON_CreateDoubleArray(interval, 2));
    if (m->task == CLADE_TASK_ORDINAL) cJSON_AddNumberToObject(root, "mae", m->mae);
    if (e->top_k > 0) cJSON_AddNumberToObject(root, "top_k", m->top_k);
    cJSON_AddNumberToObject(root, "precision", m->precision);
    cJSON_AddNumberToObject(root, "recall", m->recall);
    cJSON_AddNumberToObject(root, "f1", m->f1);
    cJSON_AddNumberToObject(root, "auc", m->auc);
    if (clade_classifier_gives_probabilities(e->classifier)) {
        cJSON_AddNumberToObject(root, "log_loss",
                                clade_log_loss(e->p, e->label, e->count, m->classes));
        cJSON_AddNumberToObject(
            root, "ece", clade_calibration_measure(e->p, e->label, e->count, m->classes).error);
    }
    add_classes(e, root);
    add_confused(e, root);
    cJSON *classes = cJSON_AddArrayToObject(root, "classes");
    cJSON *rows = cJSON_AddArrayToObject(root, "confusion");
    for (int32_t i = 0; i < m->classes; i++) {
        clade_json_append(classes, cJSON_CreateString(class_name(e, i)));
        cJSON *row = cJSON_CreateArray();
        for (int32_t j = 0; j < m->classes; j++)
            clade_json_append(row, cJSON_CreateNumber((double)m->confusion[i * m->classes + j]));
        clade_json_append(rows, row);
    }
    return e->listed ? add_wrong(e, root) : CLADE_OK;
}
