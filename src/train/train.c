/* A training run: its data, its folder, and the devices that take part. */
#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"
#include "train/agree.h"
#include "train/classifier.h"
#include "train/rounding.h"
#include "train/trainer.h"

#include <clade/verify.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Has the first images decoded while the model is made. */
static clade_status start_early(clade_trainer *t)
{
    const clade_training *s = t->settings;
    const clade_loader_options first = {.dataset = t->dataset,
                                        .split = CLADE_TRAIN,
                                        .batch = s->batch,
                                        .shuffle = !s->no_shuffle,
                                        .seed = s->seed,
                                        .augment = *clade_recipe_augment(t->recipe),
                                        .threads = t->options->threads,
                                        .pixels = true};
    clade_status status = clade_dataset_make_room(t->dataset);
    if (!status) status = clade_loader_create(&first, &t->early);
    return status ? status : clade_loader_start(t->early, 0, 0);
}

/* One of the devices holds the weights, the others help. */
static clade_status attempt(clade_trainer *t, bool resume, clade_classifier **out)
{
    bool found = false;
    /* what is to lie on the device is decoded, weights of classes and scales of targets go by the
     * sound images, and ranks compare the contents */
    const bool scaled = clade_dataset_task(t->dataset) == CLADE_TASK_REGRESSION;
    bool first = t->settings->balanced || scaled || t->ranks ||
                 !clade_device_describe(t->device)->host_memory;
    clade_status status = first ? clade_dataset_load(t->dataset, NULL, NULL) : CLADE_OK;
    if (!status && t->ranks) status = clade_agree_check(t);
    if (!status)
        status = clade_run_open(t->lead ? t->options->out : NULL, resume, t->dataset,
                                t->settings->precision == CLADE_PRECISION_MIXED_FLOAT16, &t->run,
                                &found);
    if (!status && !found && !t->dataset->loaded) status = start_early(t);
    if (!status) status = clade_trainer_verify(t);
    if (!status) status = clade_trainer_run(t, found);
    if (t->options->verify > 0) clade_device_verify(t->device, NULL);
    if (out && (!status || status == CLADE_ECANCELLED)) {
        clade_status made = clade_trainer_show_average(t);
        if (!made) made = clade_learner_gather(&t->learner);
        clade_model **whole = t->learner.whole ? &t->learner.whole : &t->learner.model;
        if (!made) made = clade_classifier_create(t->recipe, whole, &t->classes, out);
        if (!made && t->scale.mean) made = clade_classifier_scale_by(*out, &t->scale);
        if (made) status = made;
    }
    if (status && status != CLADE_ECANCELLED && !resume && t->progress.step == 0)
        clade_run_withdraw(&t->run);
    clade_trainer_clear(t);
    clade_run_close(&t->run);
    return status;
}

/* After an error of the device that holds the weights: which one does so from now on. NULL: none,
 * or that was no error of a device. */
static clade_device *find_next(clade_trainer *t, clade_status status)
{
    const clade_train_observer *observer = &t->options->observer;
    clade_device *next = NULL;
    char text[1024];
    if (!clade_team_is_device_failure(status) || t->ranks) return NULL;
    for (size_t i = t->device_count; i-- > 0;) {
        if (t->devices[i] == t->device) t->share[i].failed = true;
        if (!t->share[i].failed) next = t->devices[i];
    }
    if (!next || !observer->note) return next;
    snprintf(text, sizeof text, "%s failed: %s; going on from the last state, with %s",
             clade_device_describe(t->device)->id, clade_error(), clade_device_describe(next)->id);
    observer->note(observer->user, text);
    return next;
}

/* Is there a shard for each device? Other ranks are taken to have as many as this one. */
static clade_status check_shards(const clade_trainer *t)
{
    const int32_t batch = t->settings->batch, shard = clade_training_shard(t->settings);
    const int32_t shards = (batch - 1) / shard + 1;
    const size_t ranks = t->ranks ? (size_t)clade_ranks_count(t->ranks) : 1;
    const size_t devices = ranks * t->device_count;
    if ((size_t)shards >= devices) return CLADE_OK;
    return clade_fail(CLADE_EINVAL,
                      "train.shard is %d, so that a batch of %d has %d; expected one for each of "
                      "%zu %s",
                      shard, batch, shards, devices, ranks > 1 ? "ranks' devices" : "devices");
}

/* The passes that compute statistics anew are one device's. */
static clade_status check_swa(const clade_trainer *t)
{
    const clade_training *s = t->settings;
    const bool waits = s->sync_batchnorm && clade_training_shard(s) < s->batch;
    if (s->swa == 0 || (t->device_count == 1 && !t->ranks && !waits)) return CLADE_OK;
    return clade_fail(CLADE_EINVAL,
                      "train.swa is for one device, shards of which do not wait for "
                      "each other; found %s",
                      t->ranks              ? "ranks"
                      : t->device_count > 1 ? "several devices"
                                            : "train.sync_batchnorm");
}

/* What is verified must not depend on which device or thread was faster. */
static clade_status check_verify(const clade_trainer *t)
{
    const clade_training *s = t->settings;
    const double rate = t->options->verify;
    if (rate == 0) return CLADE_OK;
    if (!(rate > 0 && rate <= 1))
        return clade_fail(CLADE_EINVAL, "the share of calls to verify is %g, expected 0 to 1",
                          rate);
    if (t->device_count > 1 || t->ranks)
        return clade_fail(CLADE_EINVAL, "calls are verified on one device, without ranks; found %s",
                          t->ranks ? "ranks" : "several devices");
    if (s->sync_batchnorm && clade_training_shard(s) < s->batch)
        return clade_fail(CLADE_EINVAL, "calls are verified where shards do not wait for each "
                                        "other; found train.sync_batchnorm with train.shard");
    return CLADE_OK;
}

static clade_status train_on(clade_trainer *t, clade_classifier **out)
{
    clade_device *next;
    clade_status status = clade_trainer_check(t->recipe, t->dataset);
    if (!status) status = check_shards(t);
    if (!status) status = check_swa(t);
    if (!status) status = check_verify(t);
    if (!status && (t->device_count > 1 || t->ranks))
        status = clade_rounding_check(t->devices, t->device_count);
    if (status) return status;
    status = attempt(t, t->options->resume, out);
    while ((next = find_next(t, status))) {
        *t = (clade_trainer){.recipe = t->recipe,
                             .settings = t->settings,
                             .dataset = t->dataset,
                             .device = next,
                             .devices = t->devices,
                             .share = t->share,
                             .device_count = t->device_count,
                             .lead = t->lead,
                             .options = t->options};
        /* what failed before it wrote anything has left no folder */
        status = attempt(t, t->options->out && !access(t->options->out, F_OK), out);
    }
    return status;
}

clade_status clade_train(const clade_recipe *recipe, clade_dataset *dataset, clade_device *device,
                         const clade_train_options *options, clade_classifier **out)
{
    static const clade_train_options defaults;
    if (out) *out = NULL;
    if (!recipe || !dataset || !device)
        return clade_fail(CLADE_EINVAL, "training needs a recipe, a data set and a device");
    if (!options) options = &defaults;
    clade_trainer t = {.recipe = recipe,
                       .settings = clade_recipe_training(recipe),
                       .dataset = dataset,
                       .device = device,
                       .device_count = options->further_count + 1,
                       .ranks = options->ranks,
                       .lead = !options->ranks || clade_ranks_own(options->ranks) == 0,
                       .options = options};
    clade_status status = CLADE_ENOMEM;
    t.devices = malloc(t.device_count * sizeof(clade_device *));
    t.share = calloc(t.device_count, sizeof *t.share);
    if (t.devices && t.share) {
        t.devices[0] = device;
        for (size_t i = 1; i < t.device_count; i++) t.devices[i] = options->further[i - 1];
        status = train_on(&t, out);
    } else {
        clade_fail(status, "out of memory for %zu devices", t.device_count);
    }
    free(t.devices);
    free(t.share);
    if (!clade_dataset_has_damaged(dataset)) return status;
    clade_status dropped = clade_dataset_drop_damaged(dataset);
    return status ? status : dropped;
}
