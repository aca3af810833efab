/* The average of the weights in a run: when it is added to and shown, and statistics for it. */
#include "nn/running.h"
#include "train/trainer.h"

#include <stdlib.h>

/* Epochs whose weights are in the mean once the one under way is over; 0: none, or there is no such
 * mean. */
static int64_t count_epochs(const clade_trainer *t)
{
    const int64_t first = t->settings->swa, epochs = t->progress.epoch + 2 - first;
    return first > 0 && epochs > 0 ? epochs : 0;
}

/* What of the mean the weights at the end of the epoch under way are. */
static double share_of_epoch(const clade_trainer *t) { return 1 / (double)count_epochs(t); }

clade_status clade_trainer_show_average(clade_trainer *t)
{
    if (t->settings->swa == 0) return clade_updater_show_average(t->learner.updater, 0);
    const int64_t before = count_epochs(t) - 1; /* until an epoch is in it, the weights */
    return clade_updater_show_average(t->learner.updater, before > 0 ? 0 : 1);
}

clade_status clade_trainer_add_to_average(clade_trainer *t)
{
    return count_epochs(t) ? clade_updater_add_to_average(t->learner.updater, share_of_epoch(t))
                           : CLADE_OK;
}

/* --- statistics --- */

/* Running statistics as means over the shards of an epoch. */
typedef struct epoch_statistics {
    clade_running *running;
    size_t count;
    double **sum;  /* of each, then what it was before */
    float *values; /* as many as the largest has */
} epoch_statistics;

static void clear(epoch_statistics *s)
{
    for (size_t i = 0; i < s->count && s->sum; i++) free(s->sum[i]);
    free(s->sum);
    free(s->values);
    free(s->running);
}

static clade_status make(const clade_trainer *t, epoch_statistics *s)
{
    *s = (epoch_statistics){0};
    clade_status status = clade_running_list(t->learner.model, &s->running, &s->count);
    if (status) return status;
    size_t largest = 1;
    s->sum = calloc(s->count + 1, sizeof *s->sum);
    bool good = s->sum;
    for (size_t i = 0; i < s->count && good; i++) {
        const size_t n = clade_tensor_count(&s->running[i].value);
        largest = n > largest ? n : largest;
        s->sum[i] = calloc(2 * n, sizeof **s->sum);
        good = s->sum[i];
    }
    s->values = calloc(largest, sizeof *s->values);
    if (!good || !s->values)
        return clade_fail(CLADE_ENOMEM, "out of memory for running statistics");
    for (size_t i = 0; i < s->count && !status; i++) {
        const size_t n = clade_tensor_count(&s->running[i].value);
        status = clade_tensor_read(&s->running[i].value, s->values);
        for (size_t k = 0; k < n; k++) s->sum[i][n + k] = (double)s->values[k];
    }
    return status;
}

/* A pass makes zeros 1 - momentum times what its images give. */
static clade_status reset(clade_device *device, const epoch_statistics *s)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < s->count && !status; i++)
        status =
            clade_op_run(device, CLADE_OP_fill, &(clade_args){.fill = {.y = s->running[i].value}});
    return status;
}

static clade_status add(const epoch_statistics *s)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < s->count && !status; i++) {
        const clade_running *r = &s->running[i];
        status = clade_tensor_read(&r->value, s->values);
        for (size_t k = 0; k < clade_tensor_count(&r->value) && !status; k++)
            s->sum[i][k] += (double)s->values[k] / (1 - (double)r->momentum);
    }
    return status;
}

/* The means over so many shards, or for 0 what there was before. */
static clade_status put(const epoch_statistics *s, size_t shards)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < s->count && !status; i++) {
        const clade_running *r = &s->running[i];
        const size_t n = clade_tensor_count(&r->value);
        for (size_t k = 0; k < n; k++)
            s->values[k] = (float)(shards ? s->sum[i][k] / (double)shards : s->sum[i][n + k]);
        status = clade_tensor_write(&r->value, s->values);
    }
    return status;
}

/* Takes the epoch's images through the model once more. */
static clade_status run_epoch(clade_trainer *t, const epoch_statistics *s, size_t *shards)
{
    clade_model *model = t->learner.model;
    const int32_t shard = clade_model_input(model)->dim[0];
    const clade_train_observer *observer = &t->options->observer;
    clade_status status = clade_feed_start(t->train, (uint64_t)t->progress.epoch, 0);
    while (!status) {
        clade_batch batch;
        if (observer->stop && observer->stop(observer->user))
            return clade_fail(CLADE_ECANCELLED, "stopped while statistics were computed");
        status = clade_feed_next(t->train, &batch);
        if (status || batch.count == 0) break;
        for (int32_t first = 0; first < batch.count && !status; first += shard, ++*shards) {
            const int32_t left = batch.count - first, n = left < shard ? left : shard;
            status = reset(t->device, s);
            if (!status) status = clade_feed_load(t->train, &batch, first, n);
            if (!status) status = clade_model_gradient(model, n, (uint32_t)t->progress.step, first);
            if (!status) status = add(s);
        }
    }
    return status;
}

clade_status clade_trainer_show_epoch(clade_trainer *t)
{
    if (!count_epochs(t)) return clade_trainer_show_average(t);
    epoch_statistics s;
    size_t shards = 0;
    clade_status status = clade_updater_show_average(t->learner.updater, share_of_epoch(t));
    if (status) return status;
    status = make(t, &s);
    if (!status && s.count > 0) {
        status = run_epoch(t, &s, &shards);
        clade_status written = put(&s, status ? 0 : shards);
        if (!status) status = written;
    }
    clear(&s);
    return status;
}
