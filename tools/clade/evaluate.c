/* clade evaluate: loss and metrics of a trained classifier. */
#define _XOPEN_SOURCE 700
#include "csv.h"
#include "interrupt.h"
#include "predictions.h"
#include "session.h"
#include "shown.h"
#include "status_line.h"
#include "together.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_json(const clade_classifier *classifier, const char *split,
                       const clade_metrics *m, cJSON *wrong)
{
    int32_t top_k = clade_recipe_training(clade_classifier_recipe(classifier))->top_k;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "split", split);
    cJSON_AddNumberToObject(root, "images", (double)m->count);
    cJSON_AddNumberToObject(root, "loss", m->loss);
    cJSON_AddNumberToObject(root, "accuracy", m->accuracy);
    if (top_k > 0) cJSON_AddNumberToObject(root, "top_k", m->top_k);
    cJSON_AddNumberToObject(root, "precision", m->precision);
    cJSON_AddNumberToObject(root, "recall", m->recall);
    cJSON_AddNumberToObject(root, "f1", m->f1);
    cJSON_AddNumberToObject(root, "auc", m->auc);
    cJSON *classes = cJSON_AddArrayToObject(root, "classes");
    cJSON *rows = cJSON_AddArrayToObject(root, "confusion");
    for (int32_t i = 0; i < m->classes; i++) {
        clade_json_append(classes, cJSON_CreateString(clade_classifier_class_name(classifier, i)));
        cJSON *row = cJSON_CreateArray();
        for (int32_t j = 0; j < m->classes; j++)
            clade_json_append(row, cJSON_CreateNumber((double)m->confusion[i * m->classes + j]));
        clade_json_append(rows, row);
    }
    if (wrong) clade_json_put(root, "wrong", wrong);
    json_print(root, false);
}

static void print_confusion(const clade_classifier *classifier, const clade_metrics *m)
{
    enum { most = 20 };
    if (m->classes > most) return;
    printf("\n%-16s", "true \\ predicted");
    for (int32_t j = 0; j < m->classes; j++)
        printf(" %10s", shown_start(clade_classifier_class_name(classifier, j), 10));
    printf("\n");
    for (int32_t i = 0; i < m->classes; i++) {
        printf("%-16s", shown_start(clade_classifier_class_name(classifier, i), 16));
        for (int32_t j = 0; j < m->classes; j++)
            printf(" %10" PRIu64, m->confusion[i * m->classes + j]);
        printf("\n");
    }
}

static void print_text(const clade_classifier *classifier, const char *split,
                       const clade_metrics *m)
{
    int32_t top_k = clade_recipe_training(clade_classifier_recipe(classifier))->top_k;
    printf("%s: %zu images\n", split, m->count);
    printf("loss       %.4f\naccuracy   %.4f\n", m->loss, m->accuracy);
    if (top_k > 0) printf("top-%-7d%.4f\n", top_k, m->top_k);
    printf("precision  %.4f\nrecall     %.4f\nf1         %.4f\n", m->precision, m->recall, m->f1);
    if (!isnan(m->auc)) printf("auc        %.4f\n", m->auc);
    print_confusion(classifier, m);
}

/* ---- single images ---- */

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

/* All of them, to be freed; *out stays NULL where there are none. */
static clade_status find_mistakes(const clade_classifier *classifier, const clade_dataset *dataset,
                                  clade_split split, wrong_image **out, size_t *count)
{
    const float *p = clade_classifier_evaluated(classifier);
    int32_t classes = clade_classifier_classes(classifier);
    size_t images = clade_dataset_count(dataset, split);
    wrong_image *list = malloc(images * sizeof *list);
    if (!list) return clade_fail(CLADE_ENOMEM, "out of memory for a list of images");
    *count = 0;
    for (size_t i = 0; i < images; i++, p += classes) {
        wrong_image m = {.image = i,
                         .label = clade_dataset_label(dataset, split, i),
                         .taken = prediction_class(p, classes, 0)};
        m.certainty = p[m.taken];
        if (m.taken != m.label) list[(*count)++] = m;
    }
    if (*count) qsort(list, *count, sizeof *list, by_certainty);
    *out = list;
    return CLADE_OK;
}

typedef struct evaluated {
    const clade_classifier *classifier;
    const clade_dataset *dataset;
    clade_split split;
    const wrong_image *wrong;
    size_t wrong_count, listed;
} evaluated;

static void print_wrong(const evaluated *e)
{
    size_t most = e->wrong_count < e->listed ? e->wrong_count : e->listed;
    printf("\n%zu wrong%s\n", e->wrong_count, most ? ", the surest first" : "");
    for (size_t i = 0; i < most; i++) {
        const wrong_image *m = &e->wrong[i];
        printf("  %s: %s %.4f, is %s\n", shown(clade_dataset_name(e->dataset, e->split, m->image)),
               shown(clade_classifier_class_name(e->classifier, m->taken)), (double)m->certainty,
               shown(clade_classifier_class_name(e->classifier, m->label)));
    }
    if (e->wrong_count > most) printf("  and %zu more\n", e->wrong_count - most);
}

static cJSON *wrong_json(const evaluated *e)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < e->wrong_count && i < e->listed; i++) {
        const wrong_image *m = &e->wrong[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "file", clade_dataset_name(e->dataset, e->split, m->image));
        cJSON_AddStringToObject(item, "class",
                                clade_classifier_class_name(e->classifier, m->label));
        cJSON_AddStringToObject(item, "predicted",
                                clade_classifier_class_name(e->classifier, m->taken));
        cJSON_AddNumberToObject(item, prediction_word(e->classifier), (double)m->certainty);
        clade_json_append(list, item);
    }
    return list;
}

/* Every image with its class, what it was taken for, and the numbers of all classes. */
static clade_status write_predictions(const evaluated *e, const char *path)
{
    FILE *file = fopen(path, "wx");
    if (!file) return clade_fail(CLADE_EIO, "%s: %s", path, strerror(errno));
    const float *p = clade_classifier_evaluated(e->classifier);
    int32_t classes = clade_classifier_classes(e->classifier);
    fprintf(file, "file,class,predicted");
    for (int32_t c = 0; c < classes; c++) {
        fputc(',', file);
        csv_field(file, clade_classifier_class_name(e->classifier, c));
    }
    fputc('\n', file);
    for (size_t i = 0; i < clade_dataset_count(e->dataset, e->split); i++, p += classes) {
        int32_t label = clade_dataset_label(e->dataset, e->split, i);
        csv_field(file, clade_dataset_name(e->dataset, e->split, i));
        fputc(',', file);
        csv_field(file, clade_classifier_class_name(e->classifier, label));
        fputc(',', file);
        csv_field(file,
                  clade_classifier_class_name(e->classifier, prediction_class(p, classes, 0)));
        for (int32_t c = 0; c < classes; c++) fprintf(file, ",%.6g", (double)p[c]);
        fputc('\n', file);
    }
    bool good = !ferror(file);
    good = !fclose(file) && good;
    if (!good) remove(path);
    return good ? CLADE_OK : clade_fail(CLADE_EIO, "%s: cannot write", path);
}

/* The first that has images of: validation, test, train. */
static clade_split choose_split(const clade_dataset *dataset)
{
    static const clade_split order[] = {CLADE_VALIDATION, CLADE_TEST, CLADE_TRAIN};
    int i = 0;
    while (i < 2 && clade_dataset_count(dataset, order[i]) == 0) i++;
    return order[i];
}

/* Are these other data than a classifier was trained on? */
static bool are_others(const char *given, const char *trained)
{
    char *a = realpath(given, NULL), *b = trained ? realpath(trained, NULL) : NULL;
    bool others = !a || !b || strcmp(a, b);
    free(a);
    free(b);
    return others;
}

int command_evaluate(int argc, char **argv)
{
    enum { undecided = -1 };
    session_place place = {.math = session_math_default};
    session_source source = {0};
    const char *cache = NULL, *predictions = NULL;
    int64_t listed = 0;
    int split = undecided;
    bool json = false, strict = false, whole = false;
    const command_option options[] = {
        SESSION_SOURCE_OPTIONS(&source),
        OPTION_CHOICE("split", &split, session_splits,
                      "default: the first of validation, test, train that has images"),
        SESSION_PLACE_OPTIONS(&place),
        OPTION_FLAG("strict-data", &strict, "a damaged image is an error, not skipped"),
        OPTION_TEXT("cache", "SIZE", &cache,
                    "memory for decoded images, as 4G; default: half of it"),
        OPTION_INTEGER("wrong", "N", &listed, 0, 1e9,
                       "name so many images that were taken for another class, the surest first"),
        OPTION_TEXT("predictions", "FILE.csv", &predictions,
                    "write each image's class, what it was taken for, and the numbers of all"),
        OPTION_FLAG("json", &json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "evaluate",
        .arguments = "MODEL",
        .least = 1,
        .most = 1,
        .about =
            "Measures a trained classifier (a run folder or a .safetensors file): loss, accuracy,\n"
            "precision, recall, F1, area under the curve, confusion matrix. Without --data, on "
            "the\n"
            "data that it was trained on, split as it was then. Of other data without splits, all\n"
            "images are taken; they may lack some of the classes.",
        .example = "clade evaluate runs/first --data photos.zip",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    uint64_t cache_bytes = 0;
    if (cache && !session_parse_bytes(cache, &cache_bytes))
        return command_misuse("evaluate", "--cache %s: expected a size, as 512M or 4G", cache);
    if (predictions && !access(predictions, F_OK))
        return command_misuse("evaluate", "--predictions %s: is there already", predictions);
    clade_device *device = NULL;
    clade_classifier *classifier = NULL;
    clade_dataset *dataset = NULL;
    clade_metrics metrics;
    char *shapes = NULL;
    const char **names = NULL;
    wrong_image *wrong = NULL;
    clade_ranks *ranks = NULL;
    interrupt_watch();
    clade_status status = together_join(0, &ranks);
    if (!status) status = session_open_device(&place, &device);
    if (!status) status = clade_classifier_open(argv[1], device, &classifier);
    if (!status) {
        const clade_recipe *recipe = clade_classifier_recipe(classifier);
        clade_data_options opened = session_data(recipe, &source, &shapes);
        opened.cache_bytes = cache_bytes;
        opened.threads = (int)place.threads;
        opened.strict |= strict;
        whole = split == undecided && source.data &&
                are_others(source.data, clade_recipe_data(recipe)->path);
        if (whole) opened.validation_split = opened.test_split = 0;
        if (!opened.path)
            status = clade_fail(CLADE_EINVAL, "expected --data PATH");
        else if (!session_expect_classes(classifier, &opened, &names))
            status = clade_fail(CLADE_ENOMEM, "out of memory");
        else
            status = session_open_data(&opened, NULL, &dataset);
    }
    if (!status) session_print_skipped(stderr, dataset, 0);
    if (!status && split == undecided) split = (int)choose_split(dataset);
    status_line_wait("Evaluating", 0, 0, NULL);
    if (!status)
        status =
            clade_classifier_evaluate(classifier, dataset, (clade_split)split, ranks, &metrics);
    status_line_clear();
    if (!status && (!ranks || clade_ranks_own(ranks) == 0)) {
        const char *word = whole && split == CLADE_TRAIN ? "all" : session_splits[split];
        evaluated e = {.classifier = classifier,
                       .dataset = dataset,
                       .split = (clade_split)split,
                       .listed = (size_t)listed};
        if (listed) status = find_mistakes(classifier, dataset, e.split, &wrong, &e.wrong_count);
        e.wrong = wrong;
        if (!status && predictions) status = write_predictions(&e, predictions);
        if (!status && json) print_json(classifier, word, &metrics, listed ? wrong_json(&e) : NULL);
        if (!status && !json) print_text(classifier, word, &metrics);
        if (!status && !json && listed) print_wrong(&e);
    }
    free(wrong);
    free(names);
    free(shapes);
    clade_dataset_destroy(&dataset);
    clade_classifier_destroy(&classifier);
    clade_device_close(&device);
    if (status && together_speak(ranks)) command_fail("evaluate");
    return together_leave(&ranks, status ? COMMAND_FAILED : COMMAND_OK);
}
