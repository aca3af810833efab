/* Looking for a learning rate: a training run whose rate rises at each step and whose losses are
 * noted. */
#include <clade/lr_find.h>

#include "data/dataset.h"
#include "train/trainer.h"

#include <math.h>

static clade_lr_find_options resolve(const clade_lr_find_options *options)
{
    clade_lr_find_options o = options ? *options : (clade_lr_find_options){0};
    if (o.low == 0) o.low = 1e-7;
    if (o.high == 0) o.high = 10;
    if (o.steps == 0) o.steps = 200;
    return o;
}

int32_t clade_lr_find_steps(const clade_lr_find_options *options) { return resolve(options).steps; }

static clade_status check(const clade_trainer *t, const clade_lr_find_options *o)
{
    if (!(o->low > 0 && o->low < o->high && o->high <= 1e6))
        return clade_fail(CLADE_EINVAL, "rates from %g to %g, expected to rise, up to 1e6", o->low,
                          o->high);
    if (o->steps < 10) return clade_fail(CLADE_EINVAL, "%d steps, expected at least 10", o->steps);
    if (t->settings->sync_batchnorm && clade_training_shard(t->settings) < t->settings->batch)
        return clade_fail(CLADE_EINVAL,
                          "%s: a rate is looked for with shards that do not wait for each other; "
                          "found train.sync_batchnorm with train.shard",
                          clade_recipe_name(t->recipe));
    return clade_trainer_check(t->recipe, t->dataset);
}

/* A model as training begins with it, and its batches. */
static clade_status begin(clade_trainer *t)
{
    clade_status status = clade_dataset_load(t->dataset, NULL, NULL);
    if (!status) status = clade_trainer_set_up(t, 0);
    if (!status) status = clade_trainer_load_weights(t);
    if (!status) status = clade_learner_spread(&t->learner);
    if (!status) status = clade_updater_begin_average(t->learner.updater);
    return status ? status : clade_trainer_make_stream(t);
}

static clade_status take(void *user, const clade_result *r)
{
    clade_trainer *t = user;
    clade_trainer_count(t, r);
    return CLADE_OK;
}

/* A step at this rate, on the next batch. */
static clade_status take_step(clade_trainer *t, double lr, double *loss)
{
    clade_progress *p = &t->progress;
    clade_batch batch;
    clade_status status = clade_feed_next(t->train, &batch);
    if (!status && batch.count == 0) {
        p->epoch++;
        status = clade_feed_start(t->train, (uint64_t)p->epoch, 0);
        if (!status) status = clade_feed_next(t->train, &batch);
    }
    p->tally = (clade_tally){0};
    if (!status) status = clade_trainer_scale_loss(t);
    if (!status) status = clade_trainer_run_shards(t, &batch, take);
    if (!status) status = clade_results_flush(t->results, take, t);
    if (!status) status = clade_trainer_step(t, lr);
    *loss = clade_tally_means(&p->tally).loss;
    return status;
}

static clade_status rise(clade_trainer *t, const clade_lr_find_options *o, clade_lr_point *points,
                         size_t *count)
{
    static const double kept = 0.98, most = 4; /* as fastai has them */
    double sum = 0, least = INFINITY;
    clade_status status = clade_feed_start(t->train, 0, 0);
    for (int32_t i = 0; i < o->steps && !status; i++) {
        if (o->stop && o->stop(o->user, i, o->steps))
            return clade_fail(CLADE_ECANCELLED, "stopped after %d of %d steps", i, o->steps);
        clade_lr_point *p = &points[i];
        p->lr = o->low * pow(o->high / o->low, (double)i / (o->steps - 1));
        status = take_step(t, p->lr, &p->loss);
        if (status || !isfinite(p->loss)) break;
        sum = kept * sum + (1 - kept) * p->loss;
        p->smoothed = sum / (1 - pow(kept, i + 1));
        *count = (size_t)i + 1;
        if (p->smoothed > most * least) break;
        least = fmin(least, p->smoothed);
    }
    return status;
}

/* By the difference of the averages a twentieth of all steps before and after one: from step to
 * step it is that of the batches. */
static double steepest(const clade_lr_point *points, size_t count)
{
    const size_t reach = count / 20 ? count / 20 : 1;
    double fastest = 0, rate = 0;
    for (size_t i = count / 10 + reach; i + reach < count; i++) {
        double slope = points[i + reach].smoothed - points[i - reach].smoothed;
        if (slope >= fastest) continue;
        fastest = slope;
        rate = points[i].lr;
    }
    return rate;
}

clade_status clade_lr_find(const clade_recipe *recipe, clade_dataset *dataset, clade_device *device,
                           const clade_lr_find_options *options, clade_lr_point *points,
                           size_t *count, double *suggestion)
{
    if (!recipe || !dataset || !device || !points || !count || !suggestion)
        return clade_fail(CLADE_EINVAL, "a rate is looked for with a recipe, a data set, a device "
                                        "and room for steps");
    const clade_lr_find_options o = resolve(options);
    const clade_train_options plain = {.threads = o.threads};
    clade_device_share share = {0};
    clade_trainer t = {.recipe = recipe,
                       .settings = clade_recipe_training(recipe),
                       .dataset = dataset,
                       .device = device,
                       .devices = &device,
                       .share = &share,
                       .device_count = 1,
                       .lead = true,
                       .options = &plain};
    *count = 0;
    *suggestion = 0;
    clade_status status = check(&t, &o);
    if (!status) status = begin(&t);
    if (!status) status = rise(&t, &o, points, count);
    if (!status) *suggestion = steepest(points, *count);
    clade_trainer_clear(&t);
    return status;
}
