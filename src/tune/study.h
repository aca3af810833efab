/* The inside of a study, for the files that read and write its folder. */
#ifndef CLADE_TUNE_STUDY_H
#define CLADE_TUNE_STUDY_H

#include <clade/tune.h>

#include "base/json.h"

typedef struct clade_record {
    clade_study_trial trial;
    double values[CLADE_MAX_TUNABLES];
    double *curve; /* the best objective up to each epoch, `trial.epochs` of them */
    char *error;
    int32_t until; /* the epoch that it shall be trained to */
} clade_record;

struct clade_study {
    char *folder;
    const clade_recipe *recipe;
    clade_recipe *own_recipe; /* read from the folder */
    const clade_tunable *parameter;
    size_t parameters;
    clade_study_settings settings;
    char *from;         /* of the settings */
    clade_trial *prior; /* what is known of the other study's trials, `priors` of them */
    double (*prior_values)[CLADE_MAX_TUNABLES];
    size_t priors;
    char *prior_note;
    clade_record **record;    /* `count` of them, in order of their numbers */
    clade_study_trial *trial; /* the same, for show */
    size_t count, best;       /* best == count: none */
};

/* "FOLDER/trials/0007/NAME"; name NULL: the folder. To be freed; NULL with the error set. */
char *clade_study_path(const clade_study *study, size_t number, const char *name);
/* The folder of run `run` of a trial. */
char *clade_study_run_path(const clade_study *study, size_t number, int32_t run, const char *name);

/* trial.json. Errors: EIO (there is none), EFORMAT. */
clade_status clade_record_read(const clade_study *study, size_t number, clade_record **out);
clade_status clade_record_write(const clade_study *study, const clade_record *record);
void clade_record_destroy(clade_record **record);
/* One of the values of a trial, there a number, the text of a choice or null. */
bool clade_study_read_value(const clade_tunable *p, const cJSON *item, double *value);
void clade_study_add_value(cJSON *values, const clade_tunable *p, double value);
/* Takes epochs, curve, objective and seconds from the histories of the trial's runs. */
clade_status clade_record_measure(const clade_study *study, clade_record *record);

/* Takes what a trial that is done costs from its runs. EFORMAT: they do not say. */
clade_status clade_record_weigh(const clade_study *study, clade_record *record);
extern const char *const clade_study_costs[]; /* names, by clade_study_cost */

/* prior.json: what came of the trials of settings.from. Errors: EINVAL, naming the other study. */
clade_status clade_prior_write(const clade_study *study, const char *path);
clade_status clade_prior_read(clade_study *study, const char *path);

/* Makes the folder or opens it: recipe and settings. */
clade_status clade_study_found(clade_study *study, const clade_recipe *recipe,
                               const clade_study_settings *settings);
/* The search of the study, and its trials as the search knows them (to be freed). */
clade_search_options clade_study_search(const clade_study *study);
clade_status clade_study_history(const clade_study *study, clade_trial **out);
/* best.yaml; nothing when no trial is done. */
clade_status clade_study_write_best(const clade_study *study);
/* Locks or unlocks the whole study, for as long as it takes to add a trial. */
clade_status clade_study_lock(const clade_study *study, int *lock);
void clade_study_unlock(int lock);

#endif
