/* Making what a training run holds, and taking it apart. */
#include "train/trainer.h"
#include "base/clock.h"
#include "data/dataset.h"
#include "nn/sync.h"
#include "train/classifier.h"
#include "train/whitening.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- phases --- */

static void tell_phase(const clade_trainer *t)
{
    const clade_train_observer *observer = &t->options->observer;
    if (observer->phase) observer->phase(observer->user, t->phase, t->phase_done, t->phase_total);
}

/* Not before there is a model, which a stop gives. */
static bool asks_to_stop(const clade_trainer *t)
{
    const clade_train_observer *observer = &t->options->observer;
    if (!t->learner.model || (t->ranks && t->phase != CLADE_PHASE_FEATURES)) return false;
    return observer->stop && observer->stop(observer->user);
}

void clade_trainer_begin_phase(clade_trainer *t, clade_train_phase phase, size_t images,
                               size_t batch)
{
    t->phase = phase;
    t->phase_done = 0;
    t->phase_total = images;
    t->phase_batch = batch;
    if (!images) tell_phase(t);
}

bool clade_trainer_poll_phase(void *trainer)
{
    clade_trainer *t = trainer;
    size_t left = t->phase_total - t->phase_done;
    tell_phase(t);
    t->phase_done += left < t->phase_batch ? left : t->phase_batch;
    return asks_to_stop(t);
}

static bool watch_reading(void *trainer, size_t done, size_t total)
{
    clade_trainer *t = trainer;
    t->phase_done = done;
    t->phase_total = total;
    tell_phase(t);
    return !asks_to_stop(t);
}

clade_status clade_trainer_read_images(clade_trainer *t)
{
    t->phase = CLADE_PHASE_READ;
    return clade_dataset_load(t->dataset, watch_reading, t);
}

/* --- making --- */

clade_status clade_trainer_check(const clade_recipe *recipe, const clade_dataset *dataset)
{
    const clade_preprocessing *p = clade_recipe_preprocessing(recipe);
    int32_t hwc[3];
    clade_dataset_shape(dataset, hwc);
    if (clade_recipe_training(recipe)->loss == CLADE_LOSS_NONE)
        return clade_fail(CLADE_EINVAL, "%s: the recipe has no train.loss",
                          clade_recipe_name(recipe));
    if (hwc[0] != p->height || hwc[1] != p->width || hwc[2] != p->channels)
        return clade_fail(CLADE_EINVAL,
                          "%s: the recipe takes images of %d×%d×%d, the data set was opened for "
                          "%d×%d×%d",
                          clade_recipe_name(recipe), p->height, p->width, p->channels, hwc[0],
                          hwc[1], hwc[2]);
    if (clade_recipe_data(recipe)->task != clade_dataset_task(dataset))
        return clade_fail(
            CLADE_EINVAL, "%s: the recipe's task is %s, the data set was opened for %s",
            clade_recipe_name(recipe), clade_task_words()[clade_recipe_data(recipe)->task],
            clade_task_words()[clade_dataset_task(dataset)]);
    if (clade_dataset_count(dataset, CLADE_TRAIN) == 0)
        return clade_fail(
            CLADE_EINVAL,
            "the data set has no training split: expected a folder train, or classes");
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

/* Those that the recipe names. */
static clade_status set_weights(clade_trainer *t, float *weight)
{
    const clade_training *s = t->settings;
    for (size_t i = 0; i < s->class_weights && !s->balanced; i++) {
        int32_t class_index = find_class(&t->classes, s->class_weight[i].name);
        if (class_index < 0)
            return clade_fail(CLADE_EINVAL, "class_weight: the data has no class '%s'",
                              s->class_weight[i].name);
        weight[class_index] = s->class_weight[i].weight;
    }
    return CLADE_OK;
}

/* Of several labels, in the order 0, 1: `balanced` gives both of a class the same part of its
 * loss; a class's own weight is that of 1. */
static clade_status weigh_labels(clade_trainer *t)
{
    const clade_training *s = t->settings;
    const size_t classes = (size_t)t->classes.count;
    const double count = (double)clade_dataset_count(t->dataset, CLADE_TRAIN);
    float *zero = t->label_weight = malloc(2 * classes * sizeof *t->label_weight);
    float *one = zero + classes;
    if (!zero) return clade_fail(CLADE_ENOMEM, "out of memory for %zu classes", classes);
    for (size_t i = 0; i < classes; i++) {
        const double own = (double)clade_dataset_class_count(t->dataset, CLADE_TRAIN, i);
        const bool both = s->balanced && own > 0 && own < count;
        zero[i] = both ? (float)(count / (2 * (count - own))) : 1;
        one[i] = both ? (float)(count / (2 * own)) : 1;
    }
    return set_weights(t, one);
}

static clade_status weigh_classes(clade_trainer *t)
{
    const clade_training *s = t->settings;
    size_t classes = (size_t)t->classes.count;
    if (!s->balanced && s->class_weights == 0) return CLADE_OK;
    if (clade_dataset_task(t->dataset) == CLADE_TASK_MULTI_LABEL) return weigh_labels(t);
    t->class_weight = malloc(classes * sizeof *t->class_weight);
    if (!t->class_weight) return clade_fail(CLADE_ENOMEM, "out of memory for %zu classes", classes);
    double count = (double)clade_dataset_count(t->dataset, CLADE_TRAIN);
    for (size_t i = 0; i < classes; i++) {
        size_t own = clade_dataset_class_count(t->dataset, CLADE_TRAIN, i);
        t->class_weight[i] = s->balanced ? (float)(count / ((double)classes * (double)own)) : 1;
    }
    return set_weights(t, t->class_weight);
}

/* Room for rows of labels and numbers, and the scale of these. */
static clade_status make_rows(clade_trainer *t)
{
    const clade_task task = clade_dataset_task(t->dataset);
    if (task == CLADE_TASK_CLASS) return CLADE_OK;
    t->row = malloc(2 * (size_t)t->classes.count * sizeof *t->row);
    if (!t->row) return clade_fail(CLADE_ENOMEM, "out of memory for %d classes", t->classes.count);
    if (task != CLADE_TASK_REGRESSION || t->settings->raw_targets) return CLADE_OK;
    return clade_target_scale_measure(t->dataset, &t->scale);
}

void clade_trainer_count(clade_trainer *t, const clade_result *r)
{
    const int32_t outputs = clade_model_output(t->learner.model)->dim[1];
    clade_tally *tally = &t->progress.tally;
    for (int32_t i = 0; i < r->count; i++) {
        const float *y = r->y + i * outputs, loss = r->weight[i] * r->loss[i];
        switch (clade_dataset_task(t->dataset)) {
        case CLADE_TASK_MULTI_LABEL:
            clade_dataset_target_row(t->dataset, CLADE_TRAIN, (size_t)r->label[i], t->row);
            clade_tally_add_labels(tally, y, outputs, &loss, t->row, 1);
            break;
        case CLADE_TASK_REGRESSION: {
            float *told = t->row + outputs;
            memcpy(told, y, (size_t)outputs * sizeof *told);
            clade_target_scale_undo(&t->scale, outputs, 1, told);
            clade_dataset_target_row(t->dataset, CLADE_TRAIN, (size_t)r->label[i], t->row);
            clade_tally_add_numbers(tally, told, outputs, &loss, t->row, 1);
            break;
        }
        default:
            if (t->row) clade_steps_to_classes(y, 1, t->classes.count, t->row);
            clade_tally_add(tally, t->row ? t->row : y, t->row ? t->classes.count : outputs, &loss,
                            r->label + i, t->class_weight, 1, t->settings->top_k);
        }
    }
}

clade_status clade_trainer_make_learner(clade_trainer *t, clade_learner *out)
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

/* All images are decoded first, so that kernels are made of the sound ones, whichever those are. */
clade_status clade_trainer_load_weights(clade_trainer *t)
{
    clade_model *model = clade_learner_whole(&t->learner);
    clade_status status = clade_recipe_load(t->recipe, model);
    if (status || !clade_whitening_is_wanted(model)) return status;
    clade_loader_destroy(&t->early);
    if (!t->dataset->loaded) status = clade_trainer_read_images(t);
    clade_trainer_begin_phase(t, CLADE_PHASE_PREPARE, 0, 0);
    return status ? status
                  : clade_whitening_load(t->dataset, clade_recipe_preprocessing(t->recipe), model);
}

/* --- features --- */

static size_t features_missing(const clade_trainer *t)
{
    return clade_features_missing(&t->features[CLADE_TRAIN]) +
           clade_features_missing(&t->features[CLADE_VALIDATION]);
}

static void clear_features(clade_trainer *t)
{
    clade_features_clear(&t->features[CLADE_TRAIN]);
    clade_features_clear(&t->features[CLADE_VALIDATION]);
}

/* Takes those that are on disk. */
static clade_status find_features(clade_trainer *t)
{
    const double start = clade_clock();
    const size_t size = clade_features_size(t->learner.head);
    clade_status status = CLADE_OK;
    clear_features(t);
    for (int split = CLADE_TRAIN; split <= CLADE_VALIDATION && !status; split++)
        status = clade_features_open(&t->cache, t->dataset, (clade_split)split, size,
                                     &t->features[split]);
    t->feature_seconds += clade_clock() - start;
    return status;
}

/* Nothing is decoded where all of them are on disk: an image that has features is sound. Else all
 * images are, for features are of the sound ones. */
static clade_status begin_features(clade_trainer *t)
{
    const clade_learner *l = &t->learner;
    /* what a device in doubt has computed is not kept, nor what another run may have got from it */
    const uint64_t limit = t->options->verify > 0 ? 0 : t->options->feature_bytes;
    char key[65] = "";
    clade_status status = CLADE_OK;
    if (limit)
        status = clade_features_key(l->head, l->whole, clade_recipe_preprocessing(t->recipe),
                                    t->dataset, key);
    if (status) return status;
    clade_feature_cache_open(key, clade_features_size(l->head), limit, &t->cache);
    if (t->dataset->loaded) return find_features(t);
    clade_loader_destroy(&t->early);
    if (clade_feature_cache_exists(&t->cache)) {
        t->phase = CLADE_PHASE_READ;
        status = clade_dataset_identify(t->dataset, watch_reading, t);
        if (status == CLADE_ECANCELLED) return status;
        if (!status) status = find_features(t);
        if (!status && !features_missing(t)) return CLADE_OK;
    }
    status = clade_trainer_read_images(t);
    return status ? status : find_features(t);
}

/* Computes the split's features where the learner begins with them and they were not found. */
static clade_status make_features(clade_trainer *t, clade_feed_options *feed)
{
    const clade_split split = feed->upload.split;
    clade_features *features = &t->features[split];
    const double start = clade_clock();
    clade_status status = CLADE_OK;
    if (!t->learner.head) return CLADE_OK;
    feed->upload.rows = features->row;
    if (clade_features_missing(features)) {
        clade_trainer_begin_phase(t, CLADE_PHASE_FEATURES, clade_dataset_count(t->dataset, split),
                                  (size_t)clade_model_input(t->learner.whole)->dim[0]);
        status = clade_features_compute(t->learner.head, t->learner.whole, feed, &t->cache,
                                        clade_trainer_poll_phase, t, features);
    }
    t->feature_seconds += clade_clock() - start;
    return status;
}

/* Tells of them, where there are any. */
static void end_features(clade_trainer *t, bool complete)
{
    const clade_train_observer *observer = &t->options->observer;
    const clade_features *train = &t->features[CLADE_TRAIN];
    const clade_features *validation = &t->features[CLADE_VALIDATION];
    if (t->cache.note[0] && observer->note) observer->note(observer->user, t->cache.note);
    clade_feature_cache_close(&t->cache);
    if (t->learner.head && complete && observer->features)
        observer->features(observer->user, train->count + validation->count,
                           train->found + validation->found, t->feature_seconds);
}

/* --- the stream --- */

static bool is_resident(const clade_trainer *t, clade_split split, uint64_t share)
{
    return !t->learner.head && clade_upload_is_resident(t->dataset, split, t->device, share);
}

/* One device does without a team, unless the shards of a batch need each other's statistics. */
static bool needs_team(const clade_trainer *t)
{
    size_t stops;
    clade_model_syncs(t->learner.model, &stops);
    return t->device_count > 1 || t->ranks || stops > 0;
}

/* All devices work on the batches of one feed. */
static clade_status make_team(clade_trainer *t, const clade_upload_options *upload)
{
    return clade_team_create(&(clade_team_options){.model = t->learner.model,
                                                   .like = t->learner.options,
                                                   .devices = t->devices,
                                                   .count = t->device_count,
                                                   .ranks = t->ranks,
                                                   .feeds = clade_feed_upload(t->train),
                                                   .upload = *upload,
                                                   .batch = t->settings->batch,
                                                   .updater = t->learner.updater,
                                                   .threads = t->options->threads,
                                                   .share = t->share},
                             &t->team);
}

/* The splits may take a quarter of the device's memory, the training split first. */
static clade_status make_feeds(clade_trainer *t)
{
    const clade_training *s = t->settings;
    uint64_t memory = t->options->memory_bytes;
    uint64_t share = (memory ? memory : clade_device_describe(t->device)->memory_bytes) / 4;
    clade_feed_options options = {.upload = {.dataset = t->dataset,
                                             .split = CLADE_TRAIN,
                                             .model = t->learner.model,
                                             .preprocessing = clade_recipe_preprocessing(t->recipe),
                                             .augment = clade_recipe_augment(t->recipe),
                                             .class_weight = t->class_weight,
                                             .label_weight = t->label_weight,
                                             .scale = &t->scale,
                                             .resident = is_resident(t, CLADE_TRAIN, share)},
                                  .batch = s->batch,
                                  .shuffle = !s->no_shuffle,
                                  .seed = s->seed,
                                  .threads = t->options->threads,
                                  .pixels = needs_team(t),
                                  .loader = &t->early};
    clade_upload_options *to = &options.upload;
    clade_status status = make_features(t, &options);
    if (!status) status = clade_feed_create(&options, &t->train);
    if (!status && needs_team(t)) status = make_team(t, to);
    if (status || clade_dataset_count(t->dataset, CLADE_VALIDATION) == 0) return status;
    if (to->resident) share -= clade_upload_bytes(t->dataset, CLADE_TRAIN);
    options.loader = NULL;
    options.batch = 0;
    options.shuffle = false;
    to->split = CLADE_VALIDATION;
    to->augment = NULL;
    to->class_weight = to->label_weight = NULL;
    to->resident = is_resident(t, CLADE_VALIDATION, share);
    status = make_features(t, &options);
    if (!status) status = clade_feed_create(&options, &t->validation);
    return status;
}

clade_status clade_trainer_make_stream(clade_trainer *t)
{
    clade_status status = t->learner.head ? begin_features(t) : CLADE_OK;
    if (!status) status = make_feeds(t);
    end_features(t, !status);
    if (t->learner.head) clade_trainer_begin_phase(t, CLADE_PHASE_PREPARE, 0, 0);
    if (!status && t->validation)
        status = clade_evaluation_create(t->learner.model, t->dataset, CLADE_VALIDATION,
                                         t->classes.count, t->settings->top_k, &t->evaluation);
    if (t->evaluation) clade_evaluation_scale_by(t->evaluation, &t->scale);
    clade_loader_destroy(&t->early);
    int32_t batch = t->settings->batch, shard = clade_model_input(t->learner.model)->dim[0];
    if (!status) status = clade_results_create(t->learner.model, &t->results);
    return status || t->team
               ? status
               : clade_shard_sum_create(t->device, clade_model_gradients(t->learner.model),
                                        (batch - 1) / shard + 1, &t->sum);
}

void clade_trainer_drop_stream(clade_trainer *t)
{
    clade_evaluation_destroy(&t->evaluation);
    clade_results_destroy(&t->results);
    clade_shard_sum_destroy(&t->sum);
    clade_team_destroy(&t->team);
    clade_feed_destroy(&t->train);
    clade_feed_destroy(&t->validation);
    clear_features(t);
}

clade_status clade_trainer_renew_learner(clade_trainer *t)
{
    clade_learner next;
    clade_trainer_begin_phase(t, CLADE_PHASE_PREPARE, 0, 0);
    clade_trainer_drop_stream(t);
    clade_status status = clade_trainer_make_learner(t, &next);
    if (status) return status;
    status = clade_learner_pass_on(&t->learner, &next);
    clade_learner_clear(&t->learner);
    t->learner = next;
    return status;
}

clade_status clade_trainer_set_up(clade_trainer *t, int64_t unfrozen)
{
    const clade_training *s = t->settings;
    size_t count = t->dataset->split[CLADE_TRAIN].listed, batch = (size_t)s->batch;
    size_t batches = s->steps_per_epoch ? (size_t)s->steps_per_epoch : (count + batch - 1) / batch;
    const bool numbers = clade_dataset_task(t->dataset) == CLADE_TASK_REGRESSION;
    const bool scaled = s->precision == CLADE_PRECISION_MIXED_FLOAT16;
    t->progress = (clade_progress){.batch_size = s->batch,
                                   .loss_scale.scale = scaled ? CLADE_LOSS_SCALE_START : 0,
                                   .plateau_factor = 1,
                                   .plateau_best = INFINITY,
                                   .stop_best = INFINITY,
                                   .unfrozen = unfrozen,
                                   .best_accuracy = numbers ? -DBL_MAX : -1,
                                   .best_loss = INFINITY};
    clade_trainer_begin_phase(t, CLADE_PHASE_PREPARE, 0, 0);
    clade_status status = clade_class_names_copy(t->dataset, &t->classes);
    if (!status) status = weigh_classes(t);
    if (!status) status = make_rows(t);
    if (!status) status = clade_trainer_make_learner(t, &t->learner);
    t->scheduler = clade_lr_scheduler_start(
        &s->schedule, (double)clade_optimizer_resolve(&s->optimizer).lr, s->epochs, batches);
    return status;
}

void clade_trainer_clear(clade_trainer *t)
{
    clade_loader_destroy(&t->early);
    clade_trainer_drop_stream(t);
    clade_learner_clear(&t->learner);
    clade_snapshot_clear(&t->snapshot);
    clade_class_names_clear(&t->classes);
    free(t->class_weight);
    t->class_weight = NULL;
    free(t->label_weight);
    t->label_weight = NULL;
    clade_target_scale_clear(&t->scale);
    free(t->row);
    t->row = NULL;
}
