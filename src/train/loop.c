/* The training loop. */
#include "base/clock.h"
#include "base/file.h"
#include "data/dataset.h"
#include "train/agree.h"
#include "train/classifier.h"
#include "train/report.h"
#include "train/trainer.h"

#include <clade/verify.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* --- checkpoints --- */

/* With the average of the weights where there is one. */
static clade_status save_model(clade_trainer *t, const char *name)
{
    clade_status status = clade_trainer_show_average(t);
    if (!status) status = clade_learner_gather(&t->learner);
    if (!status)
        status = clade_run_write_model(&t->run, name, t->recipe, &t->classes,
                                       clade_learner_whole(&t->learner), &t->scale);
    return status ? status : clade_updater_hide_average(t->learner.updater);
}

static clade_status save_state(clade_trainer *t)
{
    t->progress.plateau_factor = t->scheduler.factor;
    t->progress.plateau_best = t->scheduler.best;
    t->progress.plateau_wait = t->scheduler.wait;
    t->progress.damaged = (int64_t)clade_dataset_damaged(t->dataset);
    clade_status status = clade_learner_gather(&t->learner);
    return status
               ? status
               : clade_run_save(&t->run, t->recipe, &t->classes, clade_learner_whole(&t->learner),
                                t->learner.updater, &t->progress);
}

/* --- unfreezing --- */

/* Is the epoch to come the one, or past the one, that begins with more layers trained? */
static bool must_unfreeze(const clade_trainer *t)
{
    int32_t epoch = clade_recipe_transfer(t->recipe)->unfreeze;
    return epoch > 0 && t->progress.unfrozen == 0 && t->progress.epoch + 1 >= epoch;
}

/* From here on with a model in which more is trained. */
static clade_status unfreeze(clade_trainer *t)
{
    const int64_t updates = clade_trainer_updates(t);
    t->progress.unfrozen = updates > 0 ? updates : 1;
    return clade_trainer_renew_learner(t);
}

/* --- beginning --- */

/* The weights, and all else that a run goes on with. */
static clade_status restore(clade_trainer *t)
{
    return clade_run_restore(&t->run, t->settings, clade_learner_whole(&t->learner),
                             t->learner.updater, &t->progress);
}

/* Goes on from the state that there is, or begins; either way a folder that can be resumed is there
 * afterwards. */
static clade_status begin(clade_trainer *t, bool found)
{
    clade_status status = CLADE_OK;
    if (t->lead) status = found ? restore(t) : clade_trainer_load_weights(t);
    if (!status && t->ranks) status = clade_agree_begin(t);
    t->scheduler.factor = t->progress.plateau_factor;
    t->scheduler.best = t->progress.plateau_best;
    t->scheduler.wait = (int32_t)t->progress.plateau_wait;
    if (!status) status = clade_learner_spread(&t->learner);
    if (!status && t->progress.step == 0) status = clade_updater_begin_average(t->learner.updater);
    if (!status && must_unfreeze(t)) status = unfreeze(t);
    if (!status)
        status = clade_run_write_text(&t->run, "recipe.yaml", clade_recipe_text(t->recipe));
    return status ? status : clade_trainer_make_stream(t);
}

/* --- an epoch --- */

static size_t batches_of_epoch(const clade_trainer *t)
{
    const int32_t steps = t->settings->steps_per_epoch;
    return steps ? (size_t)steps : clade_feed_batches(t->train);
}

/* Where the data go on: with steps_per_epoch an epoch may end, and begin, anywhere in them. */
static clade_status start_feed(clade_trainer *t)
{
    uint64_t pass = (uint64_t)t->progress.epoch, batch = (uint64_t)t->progress.batch;
    if (t->settings->steps_per_epoch) {
        const uint64_t all = clade_feed_batches(t->train);
        batch += pass * (uint64_t)t->settings->steps_per_epoch;
        pass = batch / all;
        batch %= all;
    }
    return clade_feed_start(t->train, pass, (size_t)batch);
}

/* The next batch of the epoch; count 0: its end. */
static clade_status next_batch(clade_trainer *t, clade_batch *batch)
{
    const int32_t steps = t->settings->steps_per_epoch;
    *batch = (clade_batch){0};
    if (steps && t->progress.batch >= steps) return CLADE_OK;
    clade_status status = clade_feed_next(t->train, batch);
    if (status || batch->count || !steps) return status;
    status = start_feed(t);
    return status ? status : clade_feed_next(t->train, batch);
}

/* Takes in what a batch gave. */
static clade_status take(void *user, const clade_result *r)
{
    clade_trainer *t = user;
    for (int32_t i = 0; i < r->count; i++) {
        if (isfinite(r->loss[i])) continue;
        const bool overflow = t->settings->precision == CLADE_PRECISION_MIXED_FLOAT16 &&
                              clade_trainer_updates(t) == 0;
        return clade_fail(
            CLADE_EMISMATCH,
            "the loss became %s in epoch %d, batch %" PRIu64 " of %zu, at learning rate %g; %s%s",
            isnan(r->loss[i]) ? "NaN" : "infinite", t->epoch.epoch, r->batch + 1,
            batches_of_epoch(t), t->epoch.lr,
            overflow ? "float16 ends at 65504: mixed_bfloat16 or smaller inputs "
                       "(input.rescale) may help"
                     : "a lower rate or clip_norm may help",
            t->run.folder && t->epoch.epoch > 1 ? " (the run folder keeps the last good epoch)"
                                                : "");
    }
    clade_trainer_count(t, r);
    return CLADE_OK;
}

static clade_status flush(clade_trainer *t)
{
    clade_status status = clade_results_flush(t->results, take, t);
    if (status) return status;
    const clade_tally *tally = &t->progress.tally;
    int64_t batches = t->progress.batch - t->batches_before;
    t->told = clade_clock();
    double spent = t->told - t->started;
    t->epoch.train = clade_tally_means(tally);
    t->epoch.train.task = clade_dataset_task(t->dataset);
    if (t->epoch.train.task == CLADE_TASK_MULTI_LABEL) t->epoch.train.accuracy /= t->classes.count;
    t->epoch.step = t->progress.step;
    t->epoch.skipped = t->progress.loss_scale.skipped;
    t->epoch.loss_scale = t->progress.loss_scale.scale;
    t->epoch.seconds = t->progress.seconds + spent;
    t->epoch.images_per_second =
        spent > 0 ? (double)((int64_t)tally->count - t->images_before) / spent : 0;
    t->epoch.step_ms = batches > 0 ? 1000 * spent / (double)batches : 0;
    const clade_train_observer *observer = &t->options->observer;
    if (observer->batch && batches > 0)
        observer->batch(observer->user, &t->epoch, (size_t)t->progress.batch, batches_of_epoch(t));
    return CLADE_OK;
}

static bool stop(clade_trainer *t)
{
    const clade_train_observer *observer = &t->options->observer;
    return t->ranks ? t->asked : observer->stop && observer->stop(observer->user);
}

/* Saves where training is, in the middle of an epoch or before its validation. */
static clade_status save_here(clade_trainer *t)
{
    if (!t->lead) return CLADE_OK;
    if (t->team && !clade_team_is_gathered(t->team))
        return clade_fail(CLADE_EIO, "other ranks have a part of the optimizer's state");
    clade_status status = flush(t);
    t->progress.seconds = t->epoch.seconds;
    if (!status) status = save_model(t, "last.safetensors");
    return status ? status : save_state(t);
}

static clade_status pause_here(clade_trainer *t)
{
    clade_status status = clade_trainer_gather(t);
    if (!status) status = save_here(t);
    if (status) return status;
    return clade_fail(CLADE_ECANCELLED, "stopped in epoch %d after batch %" PRId64 " of %zu",
                      t->epoch.epoch, t->progress.batch, batches_of_epoch(t));
}

/* After an error that is not training's own: it can go on from here once that is mended. */
static clade_status stop_for(clade_trainer *t, clade_status error)
{
    char *text = clade_string_join(clade_error(), "");
    if (!text) return error;
    clade_status status = save_here(t);
    if (status)
        clade_fail(error, "%s; what was trained since then is not saved: %s", text, clade_error());
    else
        clade_fail(error, "%s; stopped in epoch %d after batch %" PRId64 " of %zu%s", text,
                   t->epoch.epoch, t->progress.batch, batches_of_epoch(t),
                   t->run.folder ? ", and saved: the run can be resumed" : "");
    free(text);
    return error;
}

/* The gradient of a batch by several devices, or ranks. */
static clade_status train_together(clade_trainer *t, const clade_batch *batch)
{
    const clade_train_observer *observer = &t->options->observer;
    const char *note;
    t->asked = observer->stop && observer->stop(observer->user);
    const clade_team_step step = {.step = (uint32_t)t->progress.step,
                                  .lr = t->epoch.lr,
                                  .update = (uint64_t)clade_trainer_updates(t) + 1};
    clade_status status = clade_team_run(t->team, batch, &step, &t->asked, &note);
    if (note && observer->note) observer->note(observer->user, note);
    if (status) return status;
    const clade_result result = {.batch = (uint64_t)t->progress.batch,
                                 .count = batch->count,
                                 .y = clade_team_outputs(t->team),
                                 .loss = clade_team_losses(t->team),
                                 .label = batch->label,
                                 .weight = batch->weight};
    return t->lead ? take(t, &result) : CLADE_OK;
}

static void tell_step(const clade_trainer *t, const clade_batch *batch)
{
    const clade_train_observer *observer = &t->options->observer;
    const clade_step step = {.epoch = t->epoch.epoch,
                             .batch = t->progress.batch + 1,
                             .step = t->progress.step + 1,
                             .lr = t->epoch.lr,
                             .count = batch->count,
                             .image = batch->index,
                             .matrix = batch->matrix};
    if (observer->step) observer->step(observer->user, &step);
}

static clade_status train_batch(clade_trainer *t, const clade_batch *batch)
{
    clade_progress *p = &t->progress;
    t->epoch.lr = clade_lr_scheduler_rate(&t->scheduler, (int32_t)p->epoch, (size_t)p->batch);
    tell_step(t, batch);
    clade_device_verify_step(t->device, p->step);
    clade_status status = clade_trainer_scale_loss(t);
    if (!status)
        status = t->team ? train_together(t, batch) : clade_trainer_run_shards(t, batch, take);
    if (!status) status = clade_trainer_step(t, t->epoch.lr);
    p->batch++;
    clade_device_verify_step(t->device, -1);
    return status;
}

/* Keeps what to go back to, every so many steps, or `now`, where all results are taken in. */
static clade_status keep_snapshot(clade_trainer *t, bool now)
{
    const int64_t steps = t->progress.step - t->snapshot.progress.step;
    if (t->options->verify <= 0 || (!now && steps < CLADE_SNAPSHOT_STEPS)) return CLADE_OK;
    clade_status status = now ? CLADE_OK : flush(t);
    return status ? status : clade_snapshot_take(&t->snapshot, &t->learner, &t->progress);
}

/* After a call that was wrong: back to the last snapshot, which is saved; then on from there
 * without the algorithm, if that is wanted and there is another. */
static clade_status go_back(clade_trainer *t, clade_status wrong)
{
    clade_results_drop(t->results);
    clade_status status = clade_snapshot_restore(&t->snapshot, &t->learner, &t->progress);
    if (status) return status;
    wrong = stop_for(t, wrong);
    if (!t->options->quarantine) return wrong;
    status = clade_trainer_quarantine(t);
    return status ? status : start_feed(t);
}

static void tell_begun(clade_trainer *t)
{
    const clade_train_observer *observer = &t->options->observer;
    if (!t->begun && observer->begin) observer->begin(observer->user);
    t->begun = true;
}

static clade_status train_epoch(clade_trainer *t)
{
    static const double quiet = 0.1; /* seconds between looks at the results */
    clade_status status = start_feed(t);
    if (!status) status = keep_snapshot(t, true);
    while (!status) {
        clade_batch batch;
        if (stop(t)) return pause_here(t);
        if ((status = keep_snapshot(t, false))) break;
        status = next_batch(t, &batch);
        if (status) return t->progress.step > 0 ? stop_for(t, status) : status;
        if (batch.count == 0) break;
        tell_begun(t);
        status = train_batch(t, &batch);
        if (status == CLADE_EWRONG) status = go_back(t, status);
        if (!status && (clade_results_full(t->results) || clade_clock() - t->told > quiet))
            status = flush(t);
    }
    return status ? status : flush(t);
}

static clade_status validate(clade_trainer *t)
{
    t->epoch.validation = (clade_metrics){0};
    clade_status status = clade_trainer_gather(t);
    if (status) return stop_for(t, status);
    status = clade_trainer_show_epoch(t);
    if (!status && t->validation) {
        clade_trainer_begin_phase(t, CLADE_PHASE_VALIDATE,
                                  clade_dataset_count(t->dataset, CLADE_VALIDATION),
                                  (size_t)clade_model_input(t->learner.model)->dim[0]);
        status =
            clade_evaluation_run(t->evaluation, t->learner.model, t->validation, t->results, NULL,
                                 t->ranks, clade_trainer_poll_phase, t, &t->epoch.validation);
    }
    const clade_status hidden = clade_updater_hide_average(t->learner.updater);
    if (hidden && !status) return hidden;
    if (status == CLADE_ECANCELLED) return pause_here(t);
    return status == CLADE_EIO || status == CLADE_EFORMAT ? stop_for(t, status) : status;
}

/* Is this epoch better than all before? */
static bool is_best(const clade_epoch *e, const clade_progress *p)
{
    if (e->validation.count == 0) return e->train.loss < p->best_loss;
    const double score = clade_metrics_score(&e->validation);
    if (score != p->best_accuracy) return score > p->best_accuracy;
    return e->validation.loss < p->best_loss;
}

/* Writes what an epoch has given. The state last: after a crash between these files the epoch is
 * done again. */
static clade_status write_epoch(clade_trainer *t)
{
    const clade_epoch *e = &t->epoch;
    char *json = NULL;
    clade_status status = CLADE_OK;
    if (e->best) status = save_model(t, "best.safetensors");
    if (!status) status = save_model(t, "last.safetensors");
    if (!status) status = clade_run_add_history(&t->run, e);
    if (!status)
        status = clade_report_metrics(t->recipe, &t->classes, t->dataset,
                                      clade_learner_whole(&t->learner), &t->progress, e, &json);
    if (!status) status = clade_run_write_text(&t->run, "metrics.json", json);
    if (!status) status = save_state(t);
    free(json);
    return status;
}

static clade_status end_epoch(clade_trainer *t)
{
    clade_progress *p = &t->progress;
    clade_epoch *e = &t->epoch;
    if (t->ranks) { /* what follows from the metrics is the same on all */
        const uint64_t *confusion = t->epoch.validation.confusion;
        clade_status status = clade_ranks_broadcast(t->ranks, e, sizeof *e);
        if (status) return status;
        e->validation.confusion = confusion;
    }
    const clade_metrics *judged = e->validation.count ? &e->validation : &e->train;
    e->seconds = p->seconds + clade_clock() - t->started;
    e->best = is_best(e, p);
    t->feature_seconds = 0;
    if (e->best) {
        p->best_epoch = e->epoch;
        p->best_accuracy = clade_metrics_score(judged);
        p->best_loss = isnan(judged->loss) ? INFINITY : judged->loss;
    }
    clade_lr_scheduler_epoch(&t->scheduler, judged->loss);
    const double value =
        t->settings->stop_on_accuracy ? -clade_metrics_score(judged) : judged->loss;
    if (value + (double)t->settings->min_delta < p->stop_best) {
        p->stop_best = value;
        p->stop_wait = 0;
    } else {
        p->stop_wait++;
    }
    clade_status status = clade_trainer_add_to_average(t);
    if (status) return status;
    p->epoch++;
    p->batch = 0;
    p->tally = (clade_tally){0};
    p->loss_scale.skipped = 0;
    p->seconds = 0;
    status = t->lead ? write_epoch(t) : CLADE_OK;
    if (status) return status;
    const clade_train_observer *observer = &t->options->observer;
    e->model = t->learner.model;
    if (observer->epoch) observer->epoch(observer->user, e);
    e->model = NULL;
    if ((t->ranks || t->device_count > 1) && observer->shares)
        observer->shares(observer->user, t->share, t->device_count);
    return CLADE_OK;
}

static bool is_over(const clade_trainer *t)
{
    int32_t patience = t->settings->early_stopping;
    return t->progress.epoch >= t->settings->epochs ||
           (patience > 0 && t->progress.stop_wait >= patience);
}

/* Makes anew what depends on the layers that are trained, or on the images that are left. */
static clade_status renew(clade_trainer *t)
{
    bool fewer = clade_dataset_has_damaged(t->dataset);
    clade_status status = CLADE_OK;
    if (!fewer && !must_unfreeze(t)) return CLADE_OK;
    clade_trainer_drop_stream(t);
    if (fewer)
        status = clade_dataset_check_damage(t->dataset); /* also what was read ahead in vain */
    if (fewer && !status) status = clade_dataset_drop_damaged(t->dataset);
    if (!status && must_unfreeze(t)) status = unfreeze(t);
    return status ? status : clade_trainer_make_stream(t);
}

static clade_status run_epochs(clade_trainer *t)
{
    clade_status status = CLADE_OK;
    while (!status && !is_over(t)) {
        if ((status = renew(t))) break;
        int64_t done = t->progress.batch;
        t->progress.seconds += t->feature_seconds;
        t->epoch =
            (clade_epoch){.epoch = (int32_t)t->progress.epoch + 1,
                          .epochs = t->settings->epochs,
                          .feature_seconds = t->feature_seconds,
                          .lr = clade_lr_scheduler_rate(&t->scheduler, (int32_t)t->progress.epoch,
                                                        (size_t)(done > 0 ? done - 1 : 0))};
        t->images_before = (int64_t)t->progress.tally.count;
        t->batches_before = t->progress.batch;
        t->started = clade_clock();
        status = train_epoch(t);
        if (!status) status = validate(t);
        if (!status) status = end_epoch(t);
    }
    return status;
}

/* Where damage is known all of it is looked for at once: what is too much is refused again, before
 * a step is taken. */
clade_status clade_trainer_run(clade_trainer *t, bool found)
{
    clade_progress at = {0};
    clade_status status = found && t->lead ? clade_run_peek(&t->run, &at) : CLADE_OK;
    if (!status && t->ranks) status = clade_ranks_broadcast(t->ranks, &at, sizeof at);
    if (!status && at.damaged > 0) status = clade_trainer_read_images(t);
    if (!status) status = clade_trainer_set_up(t, at.unfrozen);
    if (!status) status = begin(t, found);
    return status ? status : run_epochs(t);
}
