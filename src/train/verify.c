/* Verified training: snapshots of what steps change, in host memory, and going on without an
 * algorithm that was wrong. */
#include "base/file.h"
#include "train/trainer.h"

#include <clade/verify.h>

#include <stdio.h>
#include <stdlib.h>

/* All numbers that a step changes, to the host's memory or from it. */
static clade_status copy(const clade_learner *learner, float *values, bool back)
{
    clade_tensor moment[CLADE_MOST_MOMENTS];
    const char *name[CLADE_MOST_MOMENTS];
    const size_t parameters = clade_model_parameters(learner->model);
    const size_t moments = clade_updater_moments(learner->updater, moment, name);
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < parameters + moments && !status; i++) {
        const clade_tensor *t = i < parameters ? &clade_model_parameter(learner->model, i)->value
                                               : &moment[i - parameters];
        status = back ? clade_tensor_write(t, values) : clade_tensor_read(t, values);
        values += clade_tensor_count(t);
    }
    return status;
}

static size_t count_values(const clade_learner *learner)
{
    clade_tensor moment[CLADE_MOST_MOMENTS];
    const char *name[CLADE_MOST_MOMENTS];
    size_t count = 0, moments = clade_updater_moments(learner->updater, moment, name);
    for (size_t i = 0; i < clade_model_parameters(learner->model); i++)
        count += clade_tensor_count(&clade_model_parameter(learner->model, i)->value);
    for (size_t i = 0; i < moments; i++) count += clade_tensor_count(&moment[i]);
    return count;
}

clade_status clade_snapshot_take(clade_snapshot *snapshot, const clade_learner *learner,
                                 const clade_progress *progress)
{
    const size_t count = count_values(learner);
    if (count != snapshot->count) {
        clade_snapshot_clear(snapshot);
        snapshot->values = malloc((count + 1) * sizeof *snapshot->values);
        if (!snapshot->values)
            return clade_fail(CLADE_ENOMEM, "out of memory for %zu weights", count);
        snapshot->count = count;
    }
    snapshot->progress = *progress;
    return copy(learner, snapshot->values, false);
}

clade_status clade_snapshot_restore(const clade_snapshot *snapshot, const clade_learner *learner,
                                    clade_progress *progress)
{
    *progress = snapshot->progress;
    return copy(learner, snapshot->values, true);
}

void clade_snapshot_clear(clade_snapshot *snapshot)
{
    free(snapshot->values);
    *snapshot = (clade_snapshot){0};
}

clade_status clade_trainer_verify(clade_trainer *t)
{
    if (t->options->verify == 0) return CLADE_OK;
    char *folder = t->run.folder ? clade_run_path(t->run.folder, "verify-failure") : NULL;
    if (t->run.folder && !folder) return CLADE_ENOMEM;
    clade_status status = clade_device_verify(
        t->device, &(clade_verify_options){
                       .rate = t->options->verify, .seed = t->settings->seed, .folder = folder});
    free(folder);
    return status;
}

/* Tells that training goes on without an algorithm. */
static clade_status tell_quarantine(const clade_trainer *t, const char *algorithm)
{
    const clade_train_observer *observer = &t->options->observer;
    char text[128];
    snprintf(text, sizeof text, "; going on without %s on %s", algorithm,
             clade_device_describe(t->device)->id);
    char *line = clade_string_join(clade_error(), text);
    if (!line) return clade_fail(CLADE_ENOMEM, "out of memory");
    if (observer->note) observer->note(observer->user, line);
    free(line);
    return CLADE_OK;
}

clade_status clade_trainer_quarantine(clade_trainer *t)
{
    const char *algorithm = clade_device_quarantine(t->device);
    if (!algorithm)
        return clade_fail(CLADE_EWRONG, "%s; there is no other algorithm to go on with",
                          clade_error());
    clade_status status = tell_quarantine(t, algorithm);
    if (!status) status = clade_trainer_renew_learner(t);
    return status ? status : clade_trainer_make_stream(t);
}
