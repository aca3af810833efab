/* Internals of a study, for the files that read and write its folder. */
#ifndef CLADE_TUNE_STUDY_H
#define CLADE_TUNE_STUDY_H

#include <clade/tune.h>

#include "base/json.h"

typedef struct clade_record {
    clade_study_trial trial;
    double values[CLADE_MAX_TUNABLES];
    double *curve; /* the best objective up to each epoch, `trial.epochs` of them */
    char *error;
    int32_t until; /* the epoch to train it to */
} clade_record;

struct clade_study {
    char *folder;
    const clade_recipe *recipe;
    clade_recipe *own_recipe; /* read from the folder */
    const clade_tunable *parameter;
    size_t parameters;
    clade_study_settings settings;
    char *from;         /* of the settings */
    clade_trial *prior; /* known data on the other study's trials, `priors` of them */
    double (*prior_values)[CLADE_MAX_TUNABLES];
    size_t priors;
    char *prior_note;
    clade_record **record;    /* `count` of them, in order of their numbers */
    clade_study_trial *trial; /* the same, for callers */
    size_t count, best;       /* best == count: none */
};

/* Returns "FOLDER/trials/0007/NAME", which the caller frees; name NULL: the folder. NULL with the
 * error set. */
char *clade_study_path(const clade_study *study, size_t number, const char *name);
/* Returns the same in the folder of run `run` of a trial. */
char *clade_study_run_path(const clade_study *study, size_t number, int32_t run, const char *name);

/* Reads trial.json. Errors: EIO (there is none), EFORMAT. */
clade_status clade_record_read(const clade_study *study, size_t number, clade_record **out);
clade_status clade_record_write(const clade_study *study, const clade_record *record);
void clade_record_destroy(clade_record **record);
/* Read and write one value of a trial, in JSON a number, the text of a choice or null. */
bool clade_study_read_value(const clade_tunable *p, const cJSON *item, double *value);
void clade_study_add_value(cJSON *values, const clade_tunable *p, double value);
/* Sets epochs, curve, objective and seconds from the histories of the trial's runs. */
clade_status clade_record_measure(const clade_study *study, clade_record *record);

/* Sets the cost of a trial that is done from its runs. EFORMAT: they do not contain it. */
clade_status clade_record_weigh(const clade_study *study, clade_record *record);
extern const char *const clade_study_costs[]; /* names, indexed by clade_study_cost */

/* Write and read prior.json: the results of the trials of settings.from. Errors: EINVAL, naming the
 * other study. */
clade_status clade_prior_write(const clade_study *study, const char *path);
clade_status clade_prior_read(clade_study *study, const char *path);

/* Creates or opens the folder: recipe and settings. */
clade_status clade_study_found(clade_study *study, const clade_recipe *recipe,
                               const clade_study_settings *settings);
/* Give the search options of the study, and its trials for the search (the caller frees them). */
clade_search_options clade_study_search(const clade_study *study);
clade_status clade_study_history(const clade_study *study, clade_trial **out);
/* Writes best.yaml; does nothing if no trial is done. */
clade_status clade_study_write_best(const clade_study *study);
/* Lock or unlock the whole study, while a trial is added. */
clade_status clade_study_lock(const clade_study *study, int *lock);
void clade_study_unlock(int lock);

#endif
