/* Studies: searches for a recipe's best settings. Each is a folder that any number of processes may
 * work on. */
#ifndef CLADE_TUNE_H
#define CLADE_TUNE_H

#include <clade/recipe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A study is a folder:
 *     recipe.yaml        what is searched, with its variables, repeats and the section `tune`
 *     study.json         method, objective, seed, epochs
 *     prior.json         results of another study's trials, if there is one
 *     trials/0001/       a run folder, and trial.json: values, state, objective
 *     best.yaml          the recipe with the best values
 *     study.html         a page that shows everything
 * Everything is written as soon as it is known, and replaced atomically. Several processes may work
 * on one study; the next one continues the work of a killed process. */
typedef struct clade_study clade_study;

/* What to minimise beside the objective; the study then looks for the Pareto front of both. */
typedef enum clade_study_cost {
    CLADE_COST_NONE,
    CLADE_COST_PARAMETERS, /* the net's parameters */
    CLADE_COST_FLOP,       /* in the products of one image's forward pass */
    CLADE_COST_SECONDS     /* of training, per epoch */
} clade_study_cost;

typedef struct clade_study_settings {
    clade_search_method method;
    bool by_loss; /* the objective is the lowest val_loss; else the highest val_accuracy or, for
                   * MULTI_LABEL, val_map */
    clade_study_cost cost;
    uint64_t seed;
    int32_t epochs;   /* per trial; 0: the recipe's */
    int32_t seeds;    /* runs per trial, with consecutive seeds; 0: 1 */
    const char *from; /* the folder of another study whose trials count as observations; NULL:
                       * none */
} clade_study_settings;

typedef struct clade_study_trial {
    size_t number;        /* from 1 */
    const double *values; /* one per parameter */
    clade_trial_state state;
    double objective; /* the mean over its runs; while running, the best so far; NaN: none */
    double cost;      /* when done, the mean over its runs; NaN: none */
    size_t rank;      /* 1: on the Pareto front, 2: on the front of the rest, …; 0: none */
    int32_t epochs;   /* trained so far */
    int32_t best_epoch;
    double seconds;    /* of training */
    const char *error; /* if it failed; else NULL */
} clade_study_trial;

typedef enum clade_study_todo {
    CLADE_STUDY_RUN,  /* train the runs of the trial */
    CLADE_STUDY_WAIT, /* other processes have the remaining work */
    CLADE_STUDY_END   /* all is done */
} clade_study_todo;

typedef struct clade_study_job {
    clade_study_todo todo;
    size_t number;  /* of the trial, from 1 */
    bool resumed;   /* it was started before */
    int32_t epochs; /* in its recipe */
    int32_t until;  /* epoch to train to */
    char note[160]; /* a remark on something unusual, or empty */
    int lock;       /* a file descriptor, inherited by child processes, which keeps others from
                     * taking the trial while one of them lives */
} clade_study_job;

/* Creates the folder, or continues the study in it. recipe NULL: uses the recipe and the settings
 * in the folder. The caller owns the recipe, which must outlive the study. Errors: EINVAL (no
 * section `tune`, or unknown keys; a folder with other contents; another recipe, other settings),
 * EIO, EFORMAT. */
CLADE_API clade_status clade_study_open(const char *folder, const clade_recipe *recipe,
                                        const clade_study_settings *settings, clade_study **out);
CLADE_API void clade_study_destroy(clade_study **study);
CLADE_API const clade_study_settings *clade_study_describe(const clade_study *study);
CLADE_API const char *clade_study_folder(const clade_study *study);
CLADE_API const clade_recipe *clade_study_recipe(const clade_study *study);
/* Returns "val_accuracy", "val_loss" or "val_map". */
CLADE_API const char *clade_study_objective_name(const clade_study *study);
/* Returns "parameters", "flop" or "seconds_per_epoch"; NULL if there is no cost. */
CLADE_API const char *clade_study_cost_name(const clade_study *study);
/* Returns a sentence on what was taken from another study; NULL if there is none. */
CLADE_API const char *clade_study_prior(const clade_study *study);
/* Returns the share that the front dominates of the rectangle between the best and the worst
 * objective and cost of the done trials; NaN if none is done. */
CLADE_API double clade_study_hypervolume(const clade_study *study);

/* Reads the results of the trials so far, from all processes. */
CLADE_API clade_status clade_study_update(clade_study *study);
/* Returns the trials of the last update, in order of their numbers; *best: the done trial with the
 * best objective (in a tie, the lowest cost), or NULL. */
CLADE_API const clade_study_trial *clade_study_trials(const clade_study *study, size_t *count,
                                                      const clade_study_trial **best);

/* Gives the next job, in a study of at most `trials` trials: a trial that no process works on, or a
 * new one, which is created and belongs to the caller until clade_study_end. Settings that do not
 * make a valid recipe are recorded as failed trials on the way. Errors: EINVAL if all of the first
 * trials failed; ECANCELLED when every setting has been tried. */
CLADE_API clade_status clade_study_next(clade_study *study, size_t trials, clade_study_job *out);
/* Returns the folder of one of the trial's runs (from 0), which holds recipe.yaml and is to be
 * resumed; the caller frees it. NULL: out of memory. */
CLADE_API char *clade_study_run_folder(const clade_study *study, const clade_study_job *job,
                                       int32_t run);
/* Returns the number of epochs that the run has finished. */
CLADE_API int32_t clade_study_run_epochs(const clade_study *study, const clade_study_job *job,
                                         int32_t run);
/* Records the result: the objective from the runs' histories or, with `error`, that the trial
 * failed; with `stopped` it can be resumed. Writes best.yaml. */
CLADE_API clade_status clade_study_end(clade_study *study, clade_study_job *job, bool stopped,
                                       const char *error);

/* Writes study.html from the results of the last update: the objective by trial, parallel
 * coordinates, importance, slices, tables. Errors: EIO, ENOMEM. */
CLADE_API clade_status clade_study_write_page(const clade_study *study);

#ifdef __cplusplus
}
#endif
#endif
