/* clade cross-validate: as many runs as there are folds, each measured on the images it has not
 * seen. */
#define _XOPEN_SOURCE 700
#include "cross_validate.h"
#include "base/file.h"
#include "interrupt.h"
#include "progress.h"
#include "session.h"
#include "shown.h"
#include "status_line.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct cross_request {
    session_place place;
    session_source source;
    session_training training;
    const char *recipe, *out, *cache;
    command_list set;
    int64_t folds;
    bool json, quiet;
    uint64_t cache_bytes, feature_bytes;
    char *edits[COMMAND_LIST_SIZE + session_source_most + session_training_most];
    size_t edit_count;
    char *folder;
    clade_device *device;
    clade_classifier *first; /* of the first fold: the names of the classes */
    size_t filled;           /* images that are in the pooled results */
} cross_request;

static bool is_silent(const cross_request *r) { return r->json || r->quiet; }

/* --- the recipe and the folder --- */

static clade_status read_recipe(cross_request *r, int fold, clade_recipe **out)
{
    char folds[32], own[32];
    const char *edits[COMMAND_LIST_SIZE + session_source_most + session_training_most + 2];
    snprintf(folds, sizeof folds, "data.folds=%d", (int)r->folds);
    snprintf(own, sizeof own, "data.fold=%d", fold);
    for (size_t i = 0; i < r->edit_count; i++) edits[i] = r->edits[i];
    edits[r->edit_count] = folds;
    edits[r->edit_count + 1] = own;
    return clade_recipe_read(r->recipe, edits, r->edit_count + 2, out);
}

static clade_status collect_edits(cross_request *r)
{
    for (size_t i = 0; i < r->set.count; i++) {
        char *edit = malloc(strlen(r->set.item[i]) + 1);
        if (!edit) return clade_fail(CLADE_ENOMEM, "out of memory");
        r->edits[r->edit_count++] = strcpy(edit, r->set.item[i]);
    }
    return session_source_edits(&r->source, r->edits, &r->edit_count) &&
                   session_training_edits(&r->training, r->edits, &r->edit_count)
               ? CLADE_OK
               : clade_fail(CLADE_ENOMEM, "out of memory");
}

/* --out, or runs/NAME-folds, which the first fold makes. Where it is there, its folds go on. */
static clade_status choose_folder(cross_request *r, const char *name)
{
    size_t size = (r->out ? strlen(r->out) : strlen(name)) + 32;
    r->folder = malloc(size);
    if (!r->folder) return clade_fail(CLADE_ENOMEM, "out of memory");
    if (r->out)
        snprintf(r->folder, size, "%s", r->out);
    else
        snprintf(r->folder, size, "runs/%s-folds", name);
    return CLADE_OK;
}

/* Is the recipe that a fold's folder has, if it has one, the one it is to be trained by? */
static clade_status check_recipe(const fold_result *f, const clade_recipe *recipe, bool *begun)
{
    size_t size = strlen(f->folder) + sizeof "/recipe.yaml";
    char *path = malloc(size);
    clade_recipe *old = NULL;
    struct stat info;
    if (!path) return clade_fail(CLADE_ENOMEM, "out of memory");
    snprintf(path, size, "%s/recipe.yaml", f->folder);
    clade_status status = CLADE_OK;
    *begun = !stat(f->folder, &info);
    if (*begun && !stat(path, &info)) status = clade_recipe_read(path, NULL, 0, &old);
    if (old && strcmp(clade_recipe_text(old), clade_recipe_text(recipe)))
        status = clade_fail(
            CLADE_EINVAL,
            "%s: trained with another recipe or other settings; expected another --out", f->folder);
    clade_recipe_destroy(&old);
    free(path);
    return status;
}

/* --- one fold --- */

static void watch_phase(void *user, clade_train_phase phase, size_t done, size_t total)
{
    progress_wait_phase(user, phase, done, total);
}

static void watch_batch(void *user, const clade_epoch *e, size_t batch, size_t batches)
{
    progress_wait_batch(user, e, batch, batches);
}

static void print_note(void *user, const char *text)
{
    status_line_clear();
    fprintf(stderr, "clade cross-validate: %s: %s\n", (const char *)user, shown(text));
}

static bool poll_stop(void *user)
{
    (void)user;
    return interrupt_asked();
}

static clade_status open_data(const cross_request *r, const clade_recipe *recipe,
                              clade_dataset **out)
{
    clade_data_options o = *clade_recipe_data(recipe);
    o.cache_bytes = r->cache_bytes;
    o.threads = (int)r->place.threads;
    return session_open_data(&o, interrupt_asked, out);
}

/* Room for the images of all folds; of the first one its classes stay. */
static clade_status begin_pool(cross_request *r, const clade_dataset *dataset, cross_validation *c)
{
    const size_t count =
        clade_dataset_count(dataset, CLADE_TRAIN) + clade_dataset_count(dataset, CLADE_VALIDATION);
    clade_status status = evaluated_create(r->first, count, &c->pooled);
    c->fold_of = calloc(count + 1, sizeof *c->fold_of);
    if (!status && !c->fold_of) status = clade_fail(CLADE_ENOMEM, "out of memory");
    c->pooled.split = "all folds";
    c->pooled.top_k = clade_recipe_training(clade_classifier_recipe(r->first))->top_k;
    return status;
}

/* The images of fold i, as its run predicts them, join the others. */
static clade_status add_fold(cross_request *r, const clade_classifier *classifier,
                             const clade_dataset *dataset, size_t i, cross_validation *c)
{
    evaluated *e = &c->pooled;
    const size_t n = clade_dataset_count(dataset, CLADE_VALIDATION);
    const size_t classes = (size_t)clade_classifier_classes(classifier);
    if (r->filled + n > e->count)
        return clade_fail(CLADE_EIO, "the data has changed: there are more images than before");
    memcpy(e->p + r->filled * classes, clade_classifier_evaluated(classifier),
           n * classes * sizeof *e->p);
    for (size_t k = 0; k < n; k++, r->filled++) {
        const char *name = clade_dataset_name(dataset, CLADE_VALIDATION, k);
        char *own = malloc(strlen(name) + 1);
        if (!own) return clade_fail(CLADE_ENOMEM, "out of memory");
        e->name[r->filled] = strcpy(own, name);
        e->label[r->filled] = clade_dataset_label(dataset, CLADE_VALIDATION, k);
        if (e->target)
            clade_dataset_label_row(dataset, CLADE_VALIDATION, k, e->target + r->filled * classes);
        if (e->number)
            clade_dataset_target_row(dataset, CLADE_VALIDATION, k, e->number + r->filled * classes);
        c->fold_of[r->filled] = (int32_t)i + 1;
    }
    return CLADE_OK;
}

/* By the weights of the last epoch: the best one was chosen by the images that are measured. */
static clade_status measure(cross_request *r, const clade_dataset *dataset, size_t i,
                            cross_validation *c)
{
    fold_result *f = &c->fold[i];
    clade_classifier *classifier = NULL;
    clade_metrics metrics = {0};
    size_t size = strlen(f->folder) + sizeof "/last.safetensors";
    char *path = malloc(size);
    if (!path) return clade_fail(CLADE_ENOMEM, "out of memory");
    snprintf(path, size, "%s/last.safetensors", f->folder);
    clade_status status = clade_classifier_open(path, r->device, &classifier);
    free(path);
    status_line_wait("Evaluating", 0, 0, NULL);
    if (!status)
        status = clade_classifier_evaluate(classifier, dataset, CLADE_VALIDATION, NULL, &metrics);
    status_line_clear();
    f->images = metrics.count;
    const bool numbers = metrics.task == CLADE_TASK_REGRESSION;
    f->accuracy = numbers ? metrics.mae : metrics.accuracy;
    f->loss = metrics.loss;
    f->f1 = numbers ? metrics.r2 : metrics.f1;
    if (!status && !r->first) {
        r->first = classifier;
        status = begin_pool(r, dataset, c);
    }
    if (!status) status = add_fold(r, classifier, dataset, i, c);
    if (classifier != r->first) clade_classifier_destroy(&classifier);
    return status;
}

static clade_status run_fold(cross_request *r, size_t i, cross_validation *c)
{
    fold_result *f = &c->fold[i];
    char name[64];
    clade_recipe *recipe = NULL;
    clade_dataset *dataset = NULL;
    bool begun = false;
    const double start = command_clock();
    snprintf(name, sizeof name, "fold %zu of %zu", i + 1, c->count);
    clade_status status = read_recipe(r, (int)i + 1, &recipe);
    if (!status) status = check_recipe(f, recipe, &begun);
    if (!status) status = open_data(r, recipe, &dataset);
    if (!status && i == 0) session_print_skipped(stderr, dataset, 0);
    const clade_train_options options = {.out = f->folder,
                                         .resume = begun,
                                         .threads = (int)r->place.threads,
                                         .cache_bytes = r->cache_bytes,
                                         .feature_bytes = r->feature_bytes,
                                         .observer = {.user = name,
                                                      .phase = watch_phase,
                                                      .batch = watch_batch,
                                                      .note = print_note,
                                                      .stop = poll_stop}};
    if (!status) status = clade_train(recipe, dataset, r->device, &options, NULL);
    status_line_clear();
    if (!status) status = measure(r, dataset, i, c);
    f->seconds = command_clock() - start;
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
    return status;
}

/* --- all of them --- */

static clade_status prepare(cross_request *r, cross_validation *c, clade_recipe **recipe)
{
    clade_status status = session_feature_bytes(&r->feature_bytes);
    if (!status) status = collect_edits(r);
    if (!status) status = read_recipe(r, 1, recipe);
    if (!status) status = session_open_device(&r->place, &r->device);
    if (!status) status = choose_folder(r, clade_recipe_name(*recipe));
    if (status) return status;
    c->recipe = clade_recipe_name(*recipe);
    c->folder = r->folder;
    c->fold = calloc((size_t)r->folds, sizeof *c->fold);
    if (!c->fold) return clade_fail(CLADE_ENOMEM, "out of memory");
    c->count = (size_t)r->folds;
    const size_t size = strlen(r->folder) + 32;
    for (size_t i = 0; i < c->count; i++) {
        c->fold[i].folder = malloc(size);
        if (!c->fold[i].folder) return clade_fail(CLADE_ENOMEM, "out of memory");
        snprintf(c->fold[i].folder, size, "%s/fold-%zu", r->folder, i + 1);
    }
    bool begun;
    status = clade_file_exists(c->fold[0].folder, &begun);
    return status || begun ? status : session_check_empty(r->folder);
}

static int run(cross_request *r)
{
    clade_recipe *recipe = NULL;
    cross_validation c = {0};
    interrupt_watch();
    clade_status status = prepare(r, &c, &recipe);
    if (!status && !is_silent(r))
        printf("%zu folds, device %s, folder %s\n", c.count, clade_device_describe(r->device)->id,
               shown(r->folder));
    for (size_t i = 0; i < c.count && !status; i++) {
        status = run_fold(r, i, &c);
        if (!status && !is_silent(r)) cross_validation_print_fold(&c, i);
    }
    c.pooled.count = status ? c.pooled.count : r->filled;
    if (!status) status = evaluated_measure(&c.pooled);
    if (!status) status = cross_validation_write(&c);
    if (!status) status = r->json ? cross_validation_print_json(&c) : cross_validation_print(&c);
    int result = status ? command_fail_training("cross-validate", status) : COMMAND_OK;
    if (status == CLADE_ECANCELLED && r->folder)
        fprintf(stderr, "clade cross-validate: stopped; the same command continues in %s\n",
                shown(r->folder));
    if (interrupt_asked()) result = interrupt_status();
    for (size_t i = 0; i < r->filled; i++) free((char *)c.pooled.name[i]);
    evaluated_clear(&c.pooled);
    free(c.fold_of);
    for (size_t i = 0; i < c.count; i++) free(c.fold[i].folder);
    free(c.fold);
    clade_classifier_destroy(&r->first);
    clade_device_close(&r->device);
    clade_recipe_destroy(&recipe);
    return result;
}

int command_cross_validate(int argc, char **argv)
{
    cross_request r = {
        .place = {.math = session_math_default}, .folds = 5, .training = session_training_none};
    const command_option options[] = {
        OPTION_INTEGER("folds", "N", &r.folds, 2, 1000, "number of folds; default: 5"),
        SESSION_SOURCE_OPTIONS(&r.source),
        SESSION_PLACE_OPTIONS(&r.place),
        OPTION_TEXT("out", "DIR", &r.out,
                    "folder for the runs; default: runs/NAME-folds; existing runs in it continue"),
        SESSION_TRAINING_OPTIONS(&r.training),
        OPTION_LIST("set", "KEY=VALUE", &r.set, "change a key of the recipe; repeatable"),
        OPTION_TEXT(
            "cache", "SIZE", &r.cache,
            "memory for decoded images, and for features, such as 4G; default: half the memory"),
        OPTION_FLAG("json", &r.json, "print JSON"),
        OPTION_FLAG("quiet", &r.quiet, "print only errors, warnings and the results of all folds"),
    };
    static const command_usage usage = {
        .name = "cross-validate",
        .arguments = "RECIPE",
        .least = 1,
        .most = 1,
        .about =
            "Deals the training and validation images of each class out to folds. For each\n"
            "fold, trains a run without it and measures the last epoch's weights on it. The\n"
            "runs are in folders fold-1 and so on; beside them are predictions.csv and\n"
            "cross-validation.json, with the predictions for all images, and compare.html, with\n"
            "curves. If interrupted, the same command continues.",
        .example = "clade cross-validate cats-dogs-64 --data photos/ --folds 10",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (r.cache && !session_parse_bytes(r.cache, &r.cache_bytes))
        return command_misuse("cross-validate", "--cache %s: expected a size, such as 512M or 4G",
                              r.cache);
    if (r.quiet) status_line_hide();
    r.recipe = argv[1];
    int result = run(&r);
    for (size_t i = 0; i < r.edit_count; i++) free(r.edits[i]);
    free(r.folder);
    return result;
}
