/* clade evaluate: loss and metrics of trained classifiers. */
#define _XOPEN_SOURCE 700
#include "ensemble.h"
#include "evaluated.h"
#include "interrupt.h"
#include "session.h"
#include "shown.h"
#include "status_line.h"
#include "together.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { undecided = -1 };

typedef struct evaluate_request {
    session_place place;
    session_source source;
    const char *cache, *predictions, *views;
    command_list with;
    uint64_t cache_bytes;
    int64_t listed;
    int split;
    bool json, strict, thresholds;
    bool whole; /* of other data without splits, all images are taken */
    clade_ranks *ranks;
    clade_device *device;
    ensemble models;
    char *file;             /* that gets thresholds */
    clade_dataset *dataset; /* of the first model, whose names `found` has */
    evaluated found;
} evaluate_request;

/* --- the data --- */

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

static bool same_path(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

/* Were both trained on the same images? */
static bool same_images(const clade_data_options *a, const clade_data_options *b)
{
    return same_path(a->path, b->path) && same_path(a->validation, b->validation) &&
           a->validation_split == b->validation_split && a->test_split == b->test_split &&
           a->seed == b->seed && a->folds == b->folds && a->fold == b->fold;
}

/* The images of the first model, at the size of this one. */
static clade_status open_data(evaluate_request *r, size_t k, clade_dataset **out)
{
    const clade_recipe *first = clade_classifier_recipe(r->models.member[0]);
    const clade_data_options *own = clade_recipe_data(clade_classifier_recipe(r->models.member[k]));
    char *shapes = NULL;
    const char **names = NULL;
    clade_data_options o = session_data(first, &r->source, &shapes);
    o.height = own->height;
    o.width = own->width;
    o.channels = own->channels;
    o.interpolation = own->interpolation;
    o.cache_bytes = r->cache_bytes;
    o.threads = (int)r->place.threads;
    o.strict |= r->strict;
    r->whole = r->split == undecided && r->source.data &&
               are_others(r->source.data, clade_recipe_data(first)->path);
    if (r->whole) o.validation_split = o.test_split = o.folds = 0;
    if (k && !r->source.data && !same_images(own, clade_recipe_data(first)) &&
        (!r->ranks || clade_ranks_own(r->ranks) == 0))
        fprintf(stderr,
                "clade evaluate: warning: %s was trained on another split than %s and may have "
                "seen these images\n",
                shown(r->models.path[k]), shown(r->models.path[0]));
    clade_status status = CLADE_OK;
    if (!session_expect_classes(r->models.member[k], &o, &names))
        status = clade_fail(CLADE_ENOMEM, "out of memory");
    else
        status = session_open_data(&o, NULL, out);
    if (!status && k == 0) session_print_skipped(stderr, *out, 0);
    free(names);
    free(shapes);
    return status;
}

/* --- images of several data sets, by their names --- */

typedef struct named_image {
    const char *name;
    size_t at;
} named_image;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const named_image *)a)->name, ((const named_image *)b)->name);
}

/* The place of each image of a split among those of the first model, to be freed. */
static clade_status match_images(const evaluate_request *r, const clade_dataset *dataset,
                                 clade_split split, const char *path, size_t **out)
{
    const size_t n = r->found.count;
    named_image *list = malloc((n + 1) * sizeof *list);
    size_t *place = *out = malloc((n + 1) * sizeof *place);
    clade_status status =
        list && place && clade_dataset_count(dataset, split) == n
            ? CLADE_OK
            : clade_fail(CLADE_EINVAL, "%s: reads %zu of these images, expected %zu", path,
                         clade_dataset_count(dataset, split), n);
    if (!list || !place) status = clade_fail(CLADE_ENOMEM, "out of memory");
    for (size_t i = 0; i < n && !status; i++) list[i] = (named_image){r->found.name[i], i};
    if (!status) qsort(list, n, sizeof *list, by_name);
    for (size_t i = 1; i < n && !status; i++)
        if (!by_name(&list[i - 1], &list[i]))
            status = clade_fail(CLADE_EINVAL, "two images are named %s", list[i].name);
    for (size_t i = 0; i < n && !status; i++) {
        const named_image key = {clade_dataset_name(dataset, split, i), 0};
        const named_image *found = bsearch(&key, list, n, sizeof *list, by_name);
        if (found)
            place[i] = found->at;
        else
            status = clade_fail(CLADE_EINVAL, "%s: reads %s, which %s does not", path, key.name,
                                r->models.path[0]);
    }
    free(list);
    return status;
}

/* --- evaluating --- */

/* Names and labels, by the first model. */
static clade_status begin(evaluate_request *r)
{
    const clade_split split = (clade_split)r->split;
    clade_classifier *first = r->models.member[0];
    clade_status status =
        evaluated_create(first, clade_dataset_count(r->dataset, split), &r->found);
    for (size_t i = 0; i < r->found.count && !status; i++) {
        r->found.name[i] = clade_dataset_name(r->dataset, split, i);
        r->found.label[i] = clade_dataset_label(r->dataset, split, i);
        if (r->found.target)
            clade_dataset_label_row(r->dataset, split, i,
                                    r->found.target + i * (size_t)clade_classifier_classes(first));
        if (r->found.number)
            clade_dataset_target_row(r->dataset, split, i,
                                     r->found.number + i * (size_t)clade_classifier_classes(first));
    }
    r->found.split = r->whole && split == CLADE_TRAIN ? "all" : session_splits[split];
    r->found.listed = (size_t)r->listed;
    r->found.top_k = clade_recipe_training(clade_classifier_recipe(first))->top_k;
    return status;
}

static clade_status add_member(evaluate_request *r, size_t k, const clade_dataset *dataset)
{
    evaluated *e = &r->found;
    const size_t classes = (size_t)clade_classifier_classes(r->models.member[k]);
    const float *p = clade_classifier_evaluated(r->models.member[k]);
    size_t *place = NULL;
    clade_status status =
        k ? match_images(r, dataset, (clade_split)r->split, r->models.path[k], &place) : CLADE_OK;
    for (size_t i = 0; i < e->count && !status; i++)
        ensemble_add(&r->models, k, p + i * classes, 1, e->p + (place ? place[i] : i) * classes);
    free(place);
    return status;
}

static clade_status evaluate_member(evaluate_request *r, size_t k)
{
    clade_metrics metrics;
    clade_dataset *dataset = NULL;
    clade_status status = open_data(r, k, &dataset);
    if (!status && r->split == undecided) r->split = (int)choose_split(dataset);
    if (!status && r->thresholds && r->split != CLADE_VALIDATION)
        status = clade_fail(CLADE_EINVAL, "--thresholds requires a validation split to find them");
    status_line_wait("Evaluating", 0, 0, NULL);
    if (!status)
        status = clade_classifier_evaluate(r->models.member[k], dataset, (clade_split)r->split,
                                           r->ranks, &metrics);
    status_line_clear();
    const bool tells = !r->ranks || clade_ranks_own(r->ranks) == 0;
    if (k == 0) {
        r->dataset = dataset;
        if (!status && tells) status = begin(r);
        r->found.metrics = metrics;
    }
    if (!status && tells) status = add_member(r, k, dataset);
    if (k) clade_dataset_destroy(&dataset);
    return status;
}

/* Finds thresholds by what was evaluated, and keeps them in the model's file. */
static clade_status keep_thresholds(evaluate_request *r)
{
    evaluated *e = &r->found;
    clade_classifier *model = r->models.member[0];
    const int32_t classes = clade_classifier_classes(model);
    const double loss = e->metrics.loss;
    float *thresholds = malloc((size_t)classes * sizeof *thresholds);
    clade_status status = thresholds
                              ? clade_thresholds_fit(e->p, e->target, e->count, classes, thresholds)
                              : clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status) status = clade_classifier_set_thresholds(model, thresholds);
    if (!status) status = clade_classifier_save(model, r->file);
    if (!status) status = evaluated_measure(e);
    if (!status) e->metrics.loss = loss;
    if (!status) fprintf(stderr, "clade evaluate: thresholds saved in %s\n", shown(r->file));
    free(thresholds);
    return status;
}

/* Are the options for what the models tell, one class or several labels? */
static clade_status check_task(const evaluate_request *r)
{
    const clade_task task = clade_classifier_task(r->models.member[0]);
    const bool several = task == CLADE_TASK_MULTI_LABEL;
    if ((several || task == CLADE_TASK_REGRESSION) && r->listed)
        return clade_fail(CLADE_EINVAL, "--wrong is for models that predict one class");
    if (!several && r->thresholds)
        return clade_fail(CLADE_EINVAL, "--thresholds is for models of data.task: multi_label");
    return CLADE_OK;
}

static clade_status tell(evaluate_request *r)
{
    evaluated *e = &r->found;
    cJSON *root = NULL;
    clade_status status = r->models.count > 1 ? evaluated_measure(e) : CLADE_OK;
    if (!status && r->thresholds) status = keep_thresholds(r);
    if (!status && r->predictions) status = evaluated_write(e, NULL, r->predictions);
    if (!status && !r->json) return evaluated_print(e);
    if (!status) status = evaluated_json(e, &root);
    if (status)
        cJSON_Delete(root);
    else
        json_print(root, false);
    return status;
}

static int run(evaluate_request *r, const char *path)
{
    int hold = -1;
    interrupt_watch();
    clade_status status = together_join(0, &r->ranks);
    if (!status && r->thresholds) status = session_hold_model(path, &r->file, &hold);
    if (!status) status = session_open_device(&r->place, &r->device);
    if (!status) status = ensemble_open(path, &r->with, r->views, r->device, &r->models);
    if (!status) status = check_task(r);
    for (size_t k = 0; k < r->models.count && !status; k++) status = evaluate_member(r, k);
    if (!status && (!r->ranks || clade_ranks_own(r->ranks) == 0)) status = tell(r);
    evaluated_clear(&r->found);
    clade_dataset_destroy(&r->dataset);
    ensemble_clear(&r->models);
    clade_device_close(&r->device);
    if (hold >= 0) close(hold);
    free(r->file);
    if (status && together_speak(r->ranks)) command_fail("evaluate");
    return together_leave(&r->ranks, status ? COMMAND_FAILED : COMMAND_OK);
}

int command_evaluate(int argc, char **argv)
{
    evaluate_request r = {.place = {.math = session_math_default}, .split = undecided};
    const command_option options[] = {
        SESSION_SOURCE_OPTIONS(&r.source),
        OPTION_CHOICE("split", &r.split, session_splits,
                      "default: the first of validation, test and train that has images"),
        ENSEMBLE_OPTIONS(&r.with, &r.views),
        SESSION_PLACE_OPTIONS(&r.place),
        OPTION_FLAG("strict-data", &r.strict,
                    "treat a damaged image as an error instead of skipping it"),
        OPTION_TEXT("cache", "SIZE", &r.cache,
                    "memory for decoded images, such as 4G; default: half the memory"),
        OPTION_INTEGER("wrong", "N", &r.listed, 0, 1e9,
                       "list N misclassified images, the most confident mistakes first"),
        OPTION_TEXT("predictions", "FILE.csv", &r.predictions,
                    "write each image's class, its predicted class, and the value for every class "
                    "or target"),
        OPTION_FLAG("thresholds", &r.thresholds,
                    "for several labels: find for each class the probability threshold with the "
                    "best F1 on the validation images, and store the thresholds in the model"),
        OPTION_FLAG("json", &r.json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "evaluate",
        .arguments = "MODEL",
        .least = 1,
        .most = 1,
        .about =
            "Measures a trained classifier (a run folder or a .safetensors file): loss,\n"
            "accuracy with its 95 % interval, precision, recall and F1 of each class, area\n"
            "under the curve, log loss, expected calibration error, confusion matrix. Without\n"
            "--data, it uses the data and the splits of the training run. If other data has no\n"
            "splits, it uses all images; some of the classes may be missing. For several labels\n"
            "per image: mean average precision, F1 over classes and over all labels, and each\n"
            "class's scores. For numbers: mean squared and absolute error and R2.",
        .example = "clade evaluate runs/first --data photos.zip\n"
                   "  clade evaluate runs/first --with runs/second --tta flip",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (r.cache && !session_parse_bytes(r.cache, &r.cache_bytes))
        return command_misuse("evaluate", "--cache %s: expected a size, such as 512M or 4G",
                              r.cache);
    if (r.thresholds && r.with.count)
        return command_misuse("evaluate", "--thresholds cannot be combined with --with");
    if (r.predictions && !access(r.predictions, F_OK))
        return command_misuse("evaluate", "--predictions %s: already exists", r.predictions);
    return run(&r, argv[1]);
}
