/* A study: its trials, their results, and their ranking. */
#define _DEFAULT_SOURCE
#include "tune/study.h"

#include "base/file.h"
#include "base/locale.h"

#include <dirent.h>
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

/* --- opening --- */

static void forget(clade_study *study)
{
    for (size_t i = 0; i < study->count; i++) clade_record_destroy(&study->record[i]);
    free(study->record);
    free(study->trial);
    study->record = NULL;
    study->trial = NULL;
    study->count = study->best = 0;
}

void clade_study_destroy(clade_study **handle)
{
    clade_study *study = *handle;
    if (!study) return;
    forget(study);
    clade_recipe_destroy(&study->own_recipe);
    free(study->from);
    free(study->prior);
    free(study->prior_values);
    free(study->prior_note);
    free(study->folder);
    free(study);
    *handle = NULL;
}

clade_status clade_study_open(const char *folder, const clade_recipe *recipe,
                              const clade_study_settings *settings, clade_study **out)
{
    *out = NULL;
    if (!folder || !*folder || (recipe && !settings))
        return clade_fail(CLADE_EINVAL, "a study needs a folder, and settings with its recipe");
    clade_study *study = calloc(1, sizeof *study);
    if (!study) return no_memory();
    study->folder = clade_string_join(folder, "");
    clade_status status = study->folder ? CLADE_OK : no_memory();
    if (!status) status = clade_study_found(study, recipe, settings);
    if (!status) status = clade_study_update(study);
    if (status)
        clade_study_destroy(&study);
    else
        *out = study;
    return status;
}

const clade_study_settings *clade_study_describe(const clade_study *study)
{
    return &study->settings;
}

const char *clade_study_folder(const clade_study *study) { return study->folder; }
const char *clade_study_prior(const clade_study *study) { return study->prior_note; }

const char *clade_study_objective_name(const clade_study *study)
{
    if (study->settings.by_loss) return "val_loss";
    return clade_recipe_data(study->recipe)->task == CLADE_TASK_MULTI_LABEL ? "val_map"
                                                                            : "val_accuracy";
}

const char *clade_study_cost_name(const clade_study *study)
{
    return study->settings.cost ? clade_study_costs[study->settings.cost] : NULL;
}

const clade_recipe *clade_study_recipe(const clade_study *study) { return study->recipe; }

/* --- the trials that there are --- */

/* Finds the highest number of a trial's folder. */
static clade_status find_last(const clade_study *study, size_t *last)
{
    *last = 0;
    char *path = clade_string_join(study->folder, "/trials");
    if (!path) return no_memory();
    clade_status status = CLADE_OK;
    DIR *list = opendir(path);
    if (!list && errno != ENOENT) /* otherwise there are none yet */
        status = clade_fail(CLADE_EIO, "%s: cannot read: %s", path, strerror(errno));
    for (const struct dirent *entry; list && (errno = 0, entry = readdir(list));) {
        char *end;
        unsigned long number = strtoul(entry->d_name, &end, 10);
        if (end != entry->d_name && !*end && number > *last && number < 1000000) *last = number;
    }
    if (list && errno) status = clade_fail(CLADE_EIO, "%s: cannot read: %s", path, strerror(errno));
    if (list) closedir(list);
    free(path);
    return status;
}

/* Returns whether a trial has a better objective or, in a tie, a lower cost. `best` NULL: none
 * yet. */
static bool is_better(const clade_study *study, const clade_study_trial *t,
                      const clade_study_trial *best)
{
    if (t->state != CLADE_TRIAL_DONE || isnan(t->objective)) return false;
    if (!best) return true;
    if (t->objective == best->objective) return t->cost < best->cost;
    return study->settings.by_loss ? t->objective < best->objective
                                   : t->objective > best->objective;
}

/* Ranks trials by the fronts of objective and cost. */
static clade_status rank(clade_study *study)
{
    clade_trial *trials = NULL;
    if (!study->settings.cost) return CLADE_OK;
    const clade_search_options search = clade_study_search(study);
    size_t *ranks = calloc(study->count + 1, sizeof *ranks);
    clade_status status = ranks ? clade_study_history(study, &trials) : no_memory();
    if (!status) status = clade_search_rank(&search, trials, study->count, ranks);
    for (size_t i = 0; i < study->count && !status; i++) study->trial[i].rank = ranks[i];
    free(trials);
    free(ranks);
    return status;
}

clade_status clade_study_update(clade_study *study)
{
    size_t last;
    clade_status status = find_last(study, &last);
    if (status) return status;
    forget(study);
    study->record = calloc(last + 1, sizeof *study->record);
    study->trial = calloc(last + 1, sizeof *study->trial);
    if (!study->record || !study->trial) return no_memory();
    for (size_t number = 1; number <= last && !status; number++) {
        char *path = clade_study_path(study, number, "trial.json");
        bool there = false; /* false: being created, or killed meanwhile */
        status = path ? clade_file_exists(path, &there) : CLADE_ENOMEM;
        free(path);
        if (!status && !there) continue;
        clade_record *r;
        if (!status) status = clade_record_read(study, number, &r);
        if (status) break;
        study->record[study->count++] = r;
        status = clade_record_measure(study, r);
    }
    const clade_study_trial *best = NULL;
    for (size_t i = 0; i < study->count; i++) study->trial[i] = study->record[i]->trial;
    study->best = study->count;
    for (size_t i = 0; i < study->count; i++)
        if (is_better(study, &study->trial[i], best)) {
            best = &study->trial[i];
            study->best = i;
        }
    return status ? status : rank(study);
}

const clade_study_trial *clade_study_trials(const clade_study *study, size_t *count,
                                            const clade_study_trial **best)
{
    *count = study->count;
    *best = study->best < study->count ? &study->trial[study->best] : NULL;
    return study->trial;
}

clade_search_options clade_study_search(const clade_study *study)
{
    return (clade_search_options){.parameters = study->parameter,
                                  .count = study->parameters,
                                  .method = study->settings.method,
                                  .maximize = !study->settings.by_loss,
                                  .seed = study->settings.seed,
                                  .resolution = 0.03,
                                  .noise = 0.02, /* from different seeds, and from counting
                                                  * images */
                                  .epochs = study->settings.epochs,
                                  .has_cost = study->settings.cost != CLADE_COST_NONE,
                                  .prior = study->prior,
                                  .prior_count = study->priors};
}

clade_status clade_study_history(const clade_study *study, clade_trial **out)
{
    *out = calloc(study->count + 1, sizeof **out);
    if (!*out) return no_memory();
    for (size_t i = 0; i < study->count; i++) {
        const clade_record *r = study->record[i];
        (*out)[i] = (clade_trial){.values = r->values,
                                  .state = r->trial.state,
                                  .objective = r->trial.objective,
                                  .cost = r->trial.cost,
                                  .curve = r->curve,
                                  .epochs = (size_t)r->trial.epochs};
    }
    return CLADE_OK;
}

/* --- what came of it --- */

double clade_study_hypervolume(const clade_study *study)
{
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY}, volume = NAN;
    clade_trial *trials;
    if (clade_study_history(study, &trials)) return NAN;
    for (size_t t = 0; t < study->count; t++) {
        trials[t].cost = log(trials[t].cost);
        const double value[2] = {trials[t].objective, trials[t].cost};
        for (int i = 0; i < 2 && study->trial[t].rank > 0; i++) {
            low[i] = fmin(low[i], value[i]);
            high[i] = fmax(high[i], value[i]);
        }
    }
    const clade_search_options search = clade_study_search(study);
    const double worst[2] = {search.maximize ? low[0] : high[0], high[1]};
    const double area = (high[0] - low[0]) * (high[1] - low[1]);
    if (!(area > 0) || clade_search_hypervolume(&search, trials, study->count, worst, &volume))
        volume = NAN;
    free(trials);
    return volume / area;
}

clade_status clade_study_write_best(const clade_study *study)
{
    if (study->best == study->count) return CLADE_OK;
    CLADE_PLAIN_NUMBERS;
    clade_recipe *recipe;
    const clade_record *r = study->record[study->best];
    char *path = clade_string_join(study->folder, "/best.yaml");
    clade_status status =
        path ? clade_recipe_vary(study->recipe, r->values, NULL, 0, &recipe) : no_memory();
    if (!status) {
        const char *text = clade_recipe_text(recipe);
        size_t size = strlen(text) + 160;
        char *all = malloc(size);
        if (all) {
            snprintf(all, size, "# The best of %zu trials: number %zu, %s %.6g\n%s", study->count,
                     r->trial.number, clade_study_objective_name(study), r->trial.objective, text);
            status = clade_file_write(path, all, strlen(all));
        } else {
            status = no_memory();
        }
        free(all);
        clade_recipe_destroy(&recipe);
    }
    free(path);
    return status;
}

/* Sets the state of a trial that was run, from its histories or the error. */
static clade_status judge(clade_study *study, clade_record *r, const char *error)
{
    static const char nothing[] = "no validation result: the data has no validation split";
    static const char unread[] = "cannot read an epoch from history.csv";
    clade_status status = clade_record_measure(study, r);
    if (status) return status;
    r->trial.state = CLADE_TRIAL_DONE;
    if (!error && !isfinite(r->trial.objective)) error = r->trial.epochs ? nothing : unread;
    if (!error) return clade_record_weigh(study, r);
    r->trial.state = CLADE_TRIAL_FAILED;
    r->trial.objective = NAN;
    r->error = clade_string_join(error, "");
    return r->error ? CLADE_OK : no_memory();
}

clade_status clade_study_end(clade_study *study, clade_study_job *job, bool stopped,
                             const char *error)
{
    int lock = -1;
    clade_record *r = NULL;
    clade_status status = clade_study_lock(study, &lock);
    if (!status) status = clade_record_read(study, job->number, &r);
    if (!status && !stopped) status = judge(study, r, error);
    if (!status && !stopped) status = clade_record_write(study, r);
    clade_record_destroy(&r);
    if (job->lock >= 0) close(job->lock);
    job->lock = -1;
    if (!status) status = clade_study_update(study);
    if (!status) status = clade_study_write_best(study);
    clade_study_unlock(lock);
    return status;
}
