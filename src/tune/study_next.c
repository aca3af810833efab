/* What to do next in a study: continuing trials, creating new ones. */
#define _DEFAULT_SOURCE
#include "tune/study.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static clade_status no_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for a study");
}

/* Locks a trial; *lock is -1 if another process works on it. Child processes inherit the
 * descriptor. */
static clade_status lock_trial(const clade_study *study, size_t number, int *lock)
{
    char *path = clade_study_path(study, number, "trial.lock");
    if (!path) return CLADE_ENOMEM;
    *lock = open(path, O_RDWR | O_CREAT, 0666);
    if (*lock < 0) {
        clade_status status = clade_fail(CLADE_EIO, "%s: cannot open: %s", path, strerror(errno));
        free(path);
        return status;
    }
    free(path);
    if (flock(*lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        close(*lock);
        *lock = -1;
    }
    return CLADE_OK;
}

/* Writes recipe.yaml for each of the trial's runs, with the values and consecutive seeds. */
static clade_status write_recipes(const clade_study *study, size_t number, const double *values)
{
    char epochs[48], seed[48];
    const char *const sets[] = {epochs, seed};
    clade_status status = CLADE_OK;
    for (int32_t run = 0; run < study->settings.seeds && !status; run++) {
        clade_recipe *recipe = NULL;
        snprintf(epochs, sizeof epochs, "train.epochs=%d", study->settings.epochs);
        snprintf(seed, sizeof seed, "train.seed=%llu",
                 (unsigned long long)clade_recipe_training(study->recipe)->seed +
                     (unsigned long long)run);
        char *folder = clade_study_run_path(study, number, run, NULL);
        char *path = clade_study_run_path(study, number, run, "recipe.yaml");
        if (!folder || !path) status = CLADE_ENOMEM;
        if (!status) status = clade_recipe_vary(study->recipe, values, sets, 2, &recipe);
        if (!status) status = clade_folder_create(folder);
        if (!status)
            status = clade_file_write(path, clade_recipe_text(recipe),
                                      strlen(clade_recipe_text(recipe)));
        clade_recipe_destroy(&recipe);
        free(folder);
        free(path);
    }
    return status;
}

/* Creates a trial's folder and locks it. It writes trial.json last, which makes it a trial.
 * Settings that do not make a valid recipe become a failed trial. */
static clade_status make_trial(clade_study *study, size_t number, const double *values,
                               int32_t until, int *lock, bool *failed)
{
    clade_record r = {.trial = {.number = number, .objective = NAN, .cost = NAN}, .until = until};
    memcpy(r.values, values, study->parameters * sizeof *values);
    char *folder = clade_study_path(study, number, NULL);
    if (!folder) return CLADE_ENOMEM;
    clade_status status = clade_folder_remove(folder); /* left by a killed process */
    if (!status) status = clade_folder_create(folder);
    free(folder);
    if (!status) status = lock_trial(study, number, lock);
    if (status) return status;
    status = write_recipes(study, number, values);
    *failed = status == CLADE_EINVAL || status == CLADE_EFORMAT || status == CLADE_EUNSUPPORTED;
    if (*failed) {
        r.trial.state = CLADE_TRIAL_FAILED;
        r.error = clade_string_join(clade_error(), "");
        status = r.error ? CLADE_OK : no_memory();
    }
    if (!status) status = clade_record_write(study, &r);
    free(r.error);
    return status;
}

/* Finds an unfinished trial that no process works on. *others: there are some that others work
 * on. */
static clade_status take_up(clade_study *study, clade_study_job *job, bool *others)
{
    *others = false;
    for (size_t i = 0; i < study->count; i++) {
        const clade_study_trial *t = &study->trial[i];
        if (t->state != CLADE_TRIAL_RUNNING) continue;
        int lock;
        clade_status status = lock_trial(study, t->number, &lock);
        if (status) return status;
        if (lock < 0) {
            *others = true;
            continue;
        }
        job->todo = CLADE_STUDY_RUN;
        job->number = t->number;
        job->resumed = true;
        job->until = study->record[i]->until;
        job->lock = lock;
        return CLADE_OK;
    }
    return CLADE_OK;
}

/* Fails if all of the first trials failed: more of them would be useless. */
static clade_status check_failures(const clade_study *study)
{
    enum { patience = 5 };
    size_t failed = 0;
    for (size_t i = 0; i < study->count; i++) failed += study->trial[i].state == CLADE_TRIAL_FAILED;
    if (failed < patience || failed < study->count) return CLADE_OK;
    const char *last = study->trial[study->count - 1].error;
    return clade_fail(CLADE_EINVAL, "%s: all of %zu trials failed; the last: %s", study->folder,
                      failed, last ? last : "no reason is recorded");
}

/* Marks a trial that is done as unfinished again. */
static clade_status reopen(clade_study *study, size_t i, clade_study_job *job)
{
    clade_record *r = study->record[i];
    clade_status status = lock_trial(study, r->trial.number, &job->lock);
    if (status) return status;
    job->todo = job->lock < 0 ? CLADE_STUDY_WAIT : CLADE_STUDY_RUN;
    job->number = r->trial.number;
    job->resumed = true;
    r->trial.state = CLADE_TRIAL_RUNNING;
    r->until = job->until;
    return job->lock < 0 ? CLADE_OK : clade_record_write(study, r);
}

/* Decides once, with the study locked. *again: decide again. */
static clade_status decide(clade_study *study, size_t trials, clade_study_job *job, bool *again)
{
    bool others, failed = false;
    clade_trial *history = NULL;
    clade_suggestion next;
    *again = false;
    clade_status status = clade_study_update(study);
    if (!status) status = check_failures(study);
    if (!status) status = take_up(study, job, &others);
    if (status) return status;
    if (job->todo == CLADE_STUDY_RUN) return CLADE_OK;
    job->todo = others ? CLADE_STUDY_WAIT : CLADE_STUDY_END;
    const clade_search_method method = study->settings.method;
    bool halves = method == CLADE_SEARCH_ASHA || method == CLADE_SEARCH_HYPERBAND;
    if (study->count >= trials && !halves) return CLADE_OK;
    clade_search_options search = clade_study_search(study);
    search.trials = trials;
    status = clade_study_history(study, &history);
    if (!status) status = clade_search_next(&search, history, study->count, &next);
    free(history);
    if (status == CLADE_ECANCELLED && others) return CLADE_OK;
    if (status) return status;
    if (next.trial == study->count && study->count >= trials) return CLADE_OK;
    job->until = next.epochs;
    snprintf(job->note, sizeof job->note, "%s", next.note);
    if (next.trial < study->count) return reopen(study, next.trial, job);
    job->number = study->count ? study->trial[study->count - 1].number + 1 : 1;
    status = make_trial(study, job->number, next.values, next.epochs, &job->lock, &failed);
    if (failed || status) {
        if (job->lock >= 0) close(job->lock);
        job->lock = -1;
        *again = failed;
        return status;
    }
    job->todo = CLADE_STUDY_RUN;
    return CLADE_OK;
}

clade_status clade_study_next(clade_study *study, size_t trials, clade_study_job *out)
{
    int lock;
    bool again = true;
    clade_status status = clade_study_lock(study, &lock);
    if (status) return status;
    while (!status && again) {
        *out = (clade_study_job){
            .todo = CLADE_STUDY_END, .epochs = study->settings.epochs, .lock = -1};
        status = decide(study, trials, out, &again);
    }
    if (!status) status = clade_study_update(study);
    /* the process that ended the last trial may have been killed before it wrote this */
    if (!status && out->todo == CLADE_STUDY_END) status = clade_study_write_best(study);
    clade_study_unlock(lock);
    return status;
}

char *clade_study_run_folder(const clade_study *study, const clade_study_job *job, int32_t run)
{
    return clade_study_run_path(study, job->number, run, NULL);
}

int32_t clade_study_run_epochs(const clade_study *study, const clade_study_job *job, int32_t run)
{
    void *text;
    size_t size;
    int32_t lines = 0;
    char *path = clade_study_run_path(study, job->number, run, "history.csv");
    if (path && !clade_file_read(path, 64 << 20, &text, &size)) {
        for (size_t i = 0; i < size; i++) lines += ((char *)text)[i] == '\n';
        free(text);
    }
    free(path);
    return lines > 1 ? lines - 1 : 0;
}
