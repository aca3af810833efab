/* The training loop. */
#include "base/clock.h"
#include "data/dataset.h"
#include "train/classifier.h"
#include "train/evaluation.h"
#include "train/learner.h"
#include "train/report.h"
#include "train/schedule.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct trainer {
    const clade_recipe *recipe;
    const clade_training *settings;
    clade_dataset *dataset;
    clade_device *device;
    const clade_train_options *options;
    clade_class_names classes;
    clade_learner learner;
    float *class_weight; /* one per class, or NULL */
    clade_scheduler scheduler;
    clade_features features[2]; /* of the training and the validation split, if kept */
    clade_loader *early;        /* decodes the first pictures while the model is made; or NULL */
    clade_feed *train, *validation; /* validation NULL: there is no such split */
    clade_results *results;
    clade_evaluation *evaluation;
    clade_run run;
    clade_progress progress;
    clade_epoch epoch;    /* what the observer is told */
    double started, told; /* told 0: nothing yet, so that the first step is told of at once */
    int64_t pictures_before, batches_before; /* of this epoch, done by an earlier process */
} trainer;

/* --- setting up --- */

static clade_status check(const clade_recipe *recipe, const clade_dataset *dataset)
{
    const clade_preprocessing *p = clade_recipe_preprocessing(recipe);
    int32_t hwc[3];
    clade_dataset_shape(dataset, hwc);
    if (clade_recipe_training(recipe)->loss == CLADE_LOSS_NONE)
        return clade_fail(CLADE_EINVAL, "%s: the recipe has no train.loss",
                          clade_recipe_name(recipe));
    if (hwc[0] != p->height || hwc[1] != p->width || hwc[2] != p->channels)
        return clade_fail(CLADE_EINVAL,
                          "%s: the recipe takes pictures of %d×%d×%d, the data set was opened for "
                          "%d×%d×%d",
                          clade_recipe_name(recipe), p->height, p->width, p->channels, hwc[0],
                          hwc[1], hwc[2]);
    if (clade_dataset_count(dataset, CLADE_TRAIN) == 0)
        return clade_fail(CLADE_EINVAL, "the data set has no training split");
    return CLADE_OK;
}

/* The class that a weight is for: by name, else by number; -1: none. */
static int32_t find_class(const clade_class_names *classes, const char *name)
{
    for (int32_t i = 0; i < classes->count; i++)
        if (!strcmp(classes->name[i], name)) return i;
    char *end;
    long number = strtol(name, &end, 10);
    return *name && !*end && number >= 0 && number < classes->count ? (int32_t)number : -1;
}

static clade_status weigh_classes(trainer *t)
{
    const clade_training *s = t->settings;
    size_t classes = (size_t)t->classes.count;
    if (!s->balanced && s->class_weights == 0) return CLADE_OK;
    t->class_weight = malloc(classes * sizeof *t->class_weight);
    if (!t->class_weight) return clade_fail(CLADE_ENOMEM, "out of memory for %zu classes", classes);
    double count = (double)clade_dataset_count(t->dataset, CLADE_TRAIN);
    for (size_t i = 0; i < classes; i++) {
        size_t own = clade_dataset_class_count(t->dataset, CLADE_TRAIN, i);
        t->class_weight[i] = s->balanced ? (float)(count / ((double)classes * (double)own)) : 1;
    }
    for (size_t i = 0; i < s->class_weights && !s->balanced; i++) {
        int32_t class_index = find_class(&t->classes, s->class_weight[i].name);
        if (class_index < 0)
            return clade_fail(CLADE_EINVAL, "class_weight: the data has no class '%s'",
                              s->class_weight[i].name);
        t->class_weight[class_index] = s->class_weight[i].weight;
    }
    return CLADE_OK;
}

static clade_status make_learner(trainer *t, clade_learner *out)
{
    const clade_learner_options options = {.recipe = t->recipe,
                                           .classes = t->classes.count,
                                           .device = t->device,
                                           .unfrozen = t->progress.unfrozen > 0,
                                           .unfrozen_step = (uint64_t)t->progress.unfrozen,
                                           .dataset = t->dataset,
                                           .cache_bytes = t->options->cache_bytes};
    return clade_learner_create(&options, out);
}

/* Computes the split's features where the learner begins with them. */
static clade_status make_features(trainer *t, clade_feed_options *feed)
{
    const clade_train_observer *observer = &t->options->observer;
    clade_features *features = &t->features[feed->split];
    if (!t->learner.head) return CLADE_OK;
    clade_status status = clade_features_compute(t->learner.head, t->learner.whole, feed,
                                                 observer->stop, observer->user, features);
    feed->rows = features->row;
    return status;
}

/* The splits may take a quarter of the device's memory, the training split first. */
static clade_status make_feeds(trainer *t)
{
    const clade_training *s = t->settings;
    uint64_t share = clade_device_describe(t->device)->memory_bytes / 4;
    clade_feed_options options = {.dataset = t->dataset,
                                  .split = CLADE_TRAIN,
                                  .model = t->learner.model,
                                  .preprocessing = clade_recipe_preprocessing(t->recipe),
                                  .augment = clade_recipe_augment(t->recipe),
                                  .shuffle = !s->no_shuffle,
                                  .seed = s->seed,
                                  .class_weight = t->class_weight,
                                  .threads = t->options->threads};
    options.resident =
        !t->learner.head && clade_feed_is_resident(t->dataset, CLADE_TRAIN, t->device, share);
    clade_status status = make_features(t, &options);
    if (!status) status = clade_feed_create(&options, &t->train);
    if (status || clade_dataset_count(t->dataset, CLADE_VALIDATION) == 0) return status;
    if (options.resident) share -= clade_feed_bytes(t->dataset, CLADE_TRAIN);
    options.split = CLADE_VALIDATION;
    options.augment = NULL;
    options.shuffle = false;
    options.class_weight = NULL;
    options.resident =
        !t->learner.head && clade_feed_is_resident(t->dataset, CLADE_VALIDATION, t->device, share);
    status = make_features(t, &options);
    if (!status) status = clade_feed_create(&options, &t->validation);
    return status;
}

/* What is made for the model at hand. */
static clade_status make_stream(trainer *t)
{
    clade_status status = make_feeds(t);
    size_t validation = clade_dataset_count(t->dataset, CLADE_VALIDATION);
    if (!status && t->validation)
        status = clade_evaluation_create(t->learner.model, validation, t->classes.count,
                                         t->settings->top_k, &t->evaluation);
    clade_loader_destroy(&t->early);
    return status ? status : clade_results_create(t->learner.model, &t->results);
}

static void drop_stream(trainer *t)
{
    clade_evaluation_destroy(&t->evaluation);
    clade_results_destroy(&t->results);
    clade_feed_destroy(&t->train);
    clade_feed_destroy(&t->validation);
    clade_features_clear(&t->features[CLADE_TRAIN]);
    clade_features_clear(&t->features[CLADE_VALIDATION]);
}

/* In a run that goes on, `unfrozen` is the step at which more began to be trained. */
static clade_status set_up(trainer *t, int64_t unfrozen)
{
    const clade_training *s = t->settings;
    size_t count = clade_dataset_count(t->dataset, CLADE_TRAIN), batch = (size_t)s->batch;
    t->progress = (clade_progress){.batch_size = s->batch,
                                   .plateau_factor = 1,
                                   .plateau_best = INFINITY,
                                   .stop_best = INFINITY,
                                   .unfrozen = unfrozen,
                                   .best_accuracy = -1,
                                   .best_loss = INFINITY};
    clade_status status = clade_class_names_copy(t->dataset, &t->classes);
    if (!status) status = weigh_classes(t);
    if (!status) status = make_learner(t, &t->learner);
    t->scheduler =
        clade_scheduler_start(&s->schedule, (double)clade_optimizer_resolve(&s->optimizer).lr,
                              s->epochs, (count + batch - 1) / batch);
    return status;
}

static void tear_down(trainer *t)
{
    clade_loader_destroy(&t->early);
    drop_stream(t);
    clade_learner_clear(&t->learner);
    clade_class_names_clear(&t->classes);
    free(t->class_weight);
    t->class_weight = NULL;
}

/* --- checkpoints --- */

static clade_status save_model(trainer *t, const char *name)
{
    clade_status status = clade_learner_gather(&t->learner);
    return status ? status
                  : clade_run_write_model(&t->run, name, t->recipe, &t->classes,
                                          clade_learner_whole(&t->learner));
}

static clade_status save_state(trainer *t)
{
    t->progress.plateau_factor = t->scheduler.factor;
    t->progress.plateau_best = t->scheduler.best;
    t->progress.plateau_wait = t->scheduler.wait;
    clade_status status = clade_learner_gather(&t->learner);
    return status
               ? status
               : clade_run_save(&t->run, t->recipe, &t->classes, clade_learner_whole(&t->learner),
                                t->learner.updater, &t->progress);
}

/* --- unfreezing --- */

/* Is the epoch to come the one, or past the one, that begins with more layers trained? */
static bool must_unfreeze(const trainer *t)
{
    int32_t epoch = clade_recipe_transfer(t->recipe)->unfreeze;
    return epoch > 0 && t->progress.unfrozen == 0 && t->progress.epoch + 1 >= epoch;
}

/* From here on with a model in which more is trained; what was trained before keeps its moments. */
static clade_status unfreeze(trainer *t)
{
    clade_learner next;
    drop_stream(t);
    t->progress.unfrozen = t->progress.step;
    clade_status status = make_learner(t, &next);
    if (status) return status;
    status = clade_learner_pass_on(&t->learner, &next);
    clade_learner_clear(&t->learner);
    t->learner = next;
    return status;
}

/* --- beginning --- */

/* The weights, and all else that a run goes on with. */
static clade_status restore(trainer *t)
{
    clade_status status = clade_run_restore(&t->run, clade_learner_whole(&t->learner),
                                            t->learner.updater, &t->progress);
    t->scheduler.factor = t->progress.plateau_factor;
    t->scheduler.best = t->progress.plateau_best;
    t->scheduler.wait = (int32_t)t->progress.plateau_wait;
    return status;
}

/* Goes on from the state that there is, or begins; either way a folder that can be resumed is there
 * afterwards. */
static clade_status begin(trainer *t, bool found)
{
    clade_status status =
        found ? restore(t) : clade_recipe_load(t->recipe, clade_learner_whole(&t->learner));
    if (!status) status = clade_learner_spread(&t->learner);
    if (!status && must_unfreeze(t)) status = unfreeze(t);
    if (!status)
        status = clade_run_write_text(&t->run, "recipe.yaml", clade_recipe_text(t->recipe));
    return status ? status : make_stream(t);
}

/* --- an epoch --- */

/* Takes in what a batch gave. */
static clade_status take(void *user, const clade_result *r)
{
    trainer *t = user;
    for (int32_t i = 0; i < r->count; i++) {
        if (isfinite(r->loss[i])) continue;
        return clade_fail(CLADE_EMISMATCH,
                          "the loss became %s in epoch %d, batch %" PRIu64
                          " of %zu, at learning rate %g; a lower rate or clip_norm may help%s",
                          isnan(r->loss[i]) ? "NaN" : "infinite", t->epoch.epoch, r->batch + 1,
                          clade_feed_batches(t->train), t->epoch.lr,
                          t->run.folder && t->epoch.epoch > 1
                              ? " (the run folder keeps the last good epoch)"
                              : "");
    }
    clade_tally_add(&t->progress.tally, r->y, clade_model_output(t->learner.model)->dim[1], r->loss,
                    r->label, t->class_weight, r->count, t->settings->top_k);
    return CLADE_OK;
}

static clade_status flush(trainer *t)
{
    clade_status status = clade_results_flush(t->results, take, t);
    if (status) return status;
    const clade_tally *tally = &t->progress.tally;
    int64_t batches = t->progress.batch - t->batches_before;
    t->told = clade_clock();
    double spent = t->told - t->started;
    t->epoch.train = clade_tally_means(tally);
    t->epoch.step = t->progress.step;
    t->epoch.seconds = t->progress.seconds + spent;
    t->epoch.images_per_second =
        spent > 0 ? (double)((int64_t)tally->count - t->pictures_before) / spent : 0;
    t->epoch.step_ms = batches > 0 ? 1000 * spent / (double)batches : 0;
    const clade_train_observer *observer = &t->options->observer;
    if (observer->batch && batches > 0)
        observer->batch(observer->user, &t->epoch, (size_t)t->progress.batch,
                        clade_feed_batches(t->train));
    return CLADE_OK;
}

static bool stop(trainer *t)
{
    const clade_train_observer *observer = &t->options->observer;
    return observer->stop && observer->stop(observer->user);
}

/* Decodes what was not needed yet. Ends with an error if something of it is damaged: then what was
 * trained so far was in another order than a run that goes on would have. */
static clade_status complete(trainer *t)
{
    if (t->dataset->loaded) return CLADE_OK;
    size_t skipped = clade_dataset_skipped(t->dataset);
    drop_stream(t);
    clade_status status = clade_dataset_load(t->dataset, NULL, NULL);
    if (!status && clade_dataset_skipped(t->dataset) > skipped)
        status =
            clade_fail(CLADE_EFORMAT, "%s: %s", clade_dataset_skipped_name(t->dataset, skipped),
                       clade_dataset_skipped_reason(t->dataset, skipped));
    return status;
}

/* Saves where training is, in the middle of an epoch or before its validation. */
static clade_status pause_here(trainer *t)
{
    size_t batches = clade_feed_batches(t->train);
    clade_status status = flush(t);
    t->progress.seconds = t->epoch.seconds;
    if (!status) status = complete(t);
    if (!status) status = save_model(t, "last.safetensors");
    if (!status) status = save_state(t);
    if (status) return status;
    return clade_fail(CLADE_ECANCELLED, "stopped in epoch %d after batch %" PRId64 " of %zu",
                      t->epoch.epoch, t->progress.batch, batches);
}

static clade_status train_batch(trainer *t, const clade_batch *batch)
{
    clade_progress *p = &t->progress;
    t->epoch.lr = clade_scheduler_rate(&t->scheduler, (int32_t)p->epoch, (size_t)p->batch);
    clade_status status = clade_model_gradient(t->learner.model, batch->count, (uint32_t)p->step);
    if (!status)
        status = clade_results_push(t->results, (uint64_t)p->batch, batch->count, batch->label);
    p->step++;
    p->batch++;
    return status ? status : clade_updater_step(t->learner.updater, t->epoch.lr, (uint64_t)p->step);
}

static clade_status train_epoch(trainer *t)
{
    static const double quiet = 0.1; /* seconds between looks at the results */
    clade_status status =
        clade_feed_start(t->train, (uint64_t)t->progress.epoch, (size_t)t->progress.batch);
    while (!status) {
        clade_batch batch;
        if (stop(t)) return pause_here(t);
        status = clade_feed_next(t->train, &batch);
        if (!status && batch.count == 0) break;
        if (!status) status = train_batch(t, &batch);
        if (!status && (clade_results_full(t->results) || clade_clock() - t->told > quiet))
            status = flush(t);
    }
    return status ? status : flush(t);
}

static clade_status validate(trainer *t)
{
    t->epoch.validation = (clade_metrics){0};
    if (!t->validation) return CLADE_OK;
    const clade_train_observer *observer = &t->options->observer;
    clade_status status =
        clade_evaluation_run(t->evaluation, t->learner.model, t->validation, t->results,
                             observer->stop, observer->user, &t->epoch.validation);
    return status == CLADE_ECANCELLED ? pause_here(t) : status;
}

/* Is this epoch better than all before? */
static bool is_best(const clade_epoch *e, const clade_progress *p)
{
    if (e->validation.count == 0) return e->train.loss < p->best_loss;
    if (e->validation.accuracy != p->best_accuracy)
        return e->validation.accuracy > p->best_accuracy;
    return e->validation.loss < p->best_loss;
}

static clade_status end_epoch(trainer *t)
{
    clade_progress *p = &t->progress;
    clade_epoch *e = &t->epoch;
    const clade_metrics *judged = e->validation.count ? &e->validation : &e->train;
    e->seconds = p->seconds + clade_clock() - t->started;
    e->best = is_best(e, p);
    if (e->best) {
        p->best_epoch = e->epoch;
        p->best_accuracy = judged->accuracy;
        p->best_loss = judged->loss;
    }
    clade_scheduler_epoch(&t->scheduler, judged->loss);
    if (judged->loss < p->stop_best) {
        p->stop_best = judged->loss;
        p->stop_wait = 0;
    } else {
        p->stop_wait++;
    }
    p->epoch++;
    p->batch = 0;
    p->tally = (clade_tally){0};
    p->seconds = 0;
    char *json = NULL;
    clade_status status = CLADE_OK;
    /* the state last: after a crash between these files the epoch is done again */
    if (e->best) status = save_model(t, "best.safetensors");
    if (!status) status = save_model(t, "last.safetensors");
    if (!status) status = clade_run_add_history(&t->run, e);
    if (!status)
        status = clade_report_metrics(t->recipe, &t->classes, clade_learner_whole(&t->learner), p,
                                      e, &json);
    if (!status) status = clade_run_write_text(&t->run, "metrics.json", json);
    if (!status) status = save_state(t);
    free(json);
    if (status) return status;
    if (t->options->observer.epoch) t->options->observer.epoch(t->options->observer.user, e);
    return CLADE_OK;
}

static bool is_over(const trainer *t)
{
    int32_t patience = t->settings->early_stopping;
    return t->progress.epoch >= t->settings->epochs ||
           (patience > 0 && t->progress.stop_wait >= patience);
}

static clade_status run_epochs(trainer *t)
{
    clade_status status = CLADE_OK;
    while (!status && !is_over(t)) {
        if (must_unfreeze(t)) {
            status = unfreeze(t);
            if (!status) status = make_stream(t);
            if (status) break;
        }
        int64_t done = t->progress.batch;
        t->epoch =
            (clade_epoch){.epoch = (int32_t)t->progress.epoch + 1,
                          .epochs = t->settings->epochs,
                          .lr = clade_scheduler_rate(&t->scheduler, (int32_t)t->progress.epoch,
                                                     (size_t)(done > 0 ? done - 1 : 0))};
        t->pictures_before = (int64_t)t->progress.tally.count;
        t->batches_before = t->progress.batch;
        t->started = clade_clock();
        status = train_epoch(t);
        if (!status) status = validate(t);
        if (!status) status = end_epoch(t);
    }
    return status;
}

/* From the beginning, or from the state that was found. */
static clade_status train(trainer *t, bool found)
{
    clade_progress at = {0};
    clade_status status = found ? clade_run_peek(&t->run, &at) : CLADE_OK;
    if (!status) status = set_up(t, at.unfrozen);
    if (!status) status = begin(t, found);
    return status ? status : run_epochs(t);
}

/* Training begins before all pictures are decoded, as if none were damaged. The first epoch ends
 * with an error where one is; then all are decoded, and it begins again without the damaged ones,
 * as it would have begun had they been known. */
static clade_status train_early(trainer *t)
{
    const clade_training *s = t->settings;
    const clade_loader_options first = {.dataset = t->dataset,
                                        .split = CLADE_TRAIN,
                                        .batch = s->batch,
                                        .shuffle = !s->no_shuffle,
                                        .seed = s->seed,
                                        .threads = t->options->threads,
                                        .pixels = true};
    size_t skipped = clade_dataset_skipped(t->dataset);
    clade_status status = clade_dataset_make_room(t->dataset);
    if (!status) status = clade_loader_create(&first, &t->early);
    if (!status) status = clade_loader_start(t->early, 0, 0);
    if (!status) status = train(t, false);
    if (status != CLADE_EFORMAT && status != CLADE_EIO) return status;
    clade_loader_destroy(&t->early);
    drop_stream(t);
    clade_status loaded = clade_dataset_load(t->dataset, NULL, NULL);
    if (loaded) return loaded;
    if (clade_dataset_skipped(t->dataset) == skipped) return status; /* it was something else */
    tear_down(t);
    clade_run_describe(&t->run, t->dataset);
    return train(t, false);
}

clade_status clade_train(const clade_recipe *recipe, clade_dataset *dataset, clade_device *device,
                         const clade_train_options *options, clade_classifier **out)
{
    static const clade_train_options defaults;
    if (out) *out = NULL;
    if (!recipe || !dataset || !device)
        return clade_fail(CLADE_EINVAL, "training needs a recipe, a data set and a device");
    trainer t = {.recipe = recipe,
                 .settings = clade_recipe_training(recipe),
                 .dataset = dataset,
                 .device = device,
                 .options = options ? options : &defaults};
    bool found = false, resume = t.options->resume;
    clade_status status = check(recipe, dataset);
    /* a state was saved with damaged pictures known; and what is to lie on the device is decoded */
    if (!status && (resume || !clade_device_describe(device)->host_memory))
        status = clade_dataset_load(dataset, NULL, NULL);
    if (!status) status = clade_run_open(t.options->out, resume, dataset, &t.run, &found);
    if (!status) status = dataset->loaded ? train(&t, found) : train_early(&t);
    if (out && (!status || status == CLADE_ECANCELLED)) {
        clade_status made = clade_learner_gather(&t.learner);
        clade_model **whole = t.learner.whole ? &t.learner.whole : &t.learner.model;
        if (!made) made = clade_classifier_create(recipe, whole, &t.classes, out);
        if (made) status = made;
    }
    tear_down(&t);
    clade_run_close(&t.run);
    return status;
}
