/* Studies: searches for a recipe's best settings, each a folder that any number of processes may
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
 *     prior.json         what another study's trials came to, if there is one
 *     trials/0001/       a run folder, and trial.json: values, state, objective
 *     best.yaml          the recipe with the best values
 *     study.html         a page that shows it all
 * Everything is written as it comes to be known and replaced atomically; several processes may work
 * on one study, and what a killed process was at is taken up by the next. */
typedef struct clade_study clade_study;

/* What shall be low beside the objective; the study then looks for the front of both. */
typedef enum clade_study_cost {
    CLADE_COST_NONE,
    CLADE_COST_PARAMETERS, /* all of the net's */
    CLADE_COST_FLOP,       /* of the products of a forward pass of one image */
    CLADE_COST_SECONDS     /* of training, of an epoch */
} clade_study_cost;

typedef struct clade_study_settings {
    clade_search_method method;
    bool by_loss; /* the objective is the lowest val_loss; else the highest val_accuracy, where an
                   * image may have several labels val_map */
    clade_study_cost cost;
    uint64_t seed;
    int32_t epochs;   /* of a trial; 0: as the recipe says */
    int32_t seeds;    /* runs of each trial, with seeds one after the other; 0: 1 */
    const char *from; /* the folder of another study whose trials are observations; NULL: none */
} clade_study_settings;

typedef struct clade_study_trial {
    size_t number;        /* from 1 */
    const double *values; /* one per parameter */
    clade_trial_state state;
    double objective; /* the mean over its runs; of a running trial the best so far; NaN: none */
    double cost;      /* when done, the mean over its runs; NaN: none */
    size_t rank; /* 1: on the front of objective and cost, 2: on that of the others, …; 0: none */
    int32_t epochs; /* trained so far */
    int32_t best_epoch;
    double seconds;    /* of training */
    const char *error; /* of a failed trial; else NULL */
} clade_study_trial;

typedef enum clade_study_todo {
    CLADE_STUDY_RUN,  /* train the runs of the trial */
    CLADE_STUDY_WAIT, /* other processes work on what is left */
    CLADE_STUDY_END   /* all is done */
} clade_study_todo;

typedef struct clade_study_job {
    clade_study_todo todo;
    size_t number;  /* of the trial, from 1 */
    bool resumed;   /* it was begun before */
    int32_t epochs; /* that its recipe says */
    int32_t until;  /* epoch to train to */
    char note[160]; /* what was unusual, or empty */
    int lock;       /* a descriptor; a process that is started inherits it, so that nobody else
                     * takes the trial while that lives */
} clade_study_job;

/* Makes the folder, or goes on with the study in it. recipe NULL: the one that is in it, and the
 * settings as well. The recipe stays the caller's and must live as long. Errors: EINVAL (no section
 * `tune`, or keys that do not exist; a folder with something else in it; another recipe, other
 * settings), EIO, EFORMAT. */
CLADE_API clade_status clade_study_open(const char *folder, const clade_recipe *recipe,
                                        const clade_study_settings *settings, clade_study **out);
CLADE_API void clade_study_destroy(clade_study **study);
CLADE_API const clade_study_settings *clade_study_describe(const clade_study *study);
CLADE_API const char *clade_study_folder(const clade_study *study);
CLADE_API const clade_recipe *clade_study_recipe(const clade_study *study);
/* "val_accuracy", "val_loss" or "val_map" */
CLADE_API const char *clade_study_objective_name(const clade_study *study);
/* "parameters", "flop" or "seconds_per_epoch"; NULL: there is no cost. */
CLADE_API const char *clade_study_cost_name(const clade_study *study);
/* What was taken from another study, in a sentence; NULL: there is none. */
CLADE_API const char *clade_study_prior(const clade_study *study);
/* The share of the rectangle between the best and the worst objective and cost of the done trials
 * that the front dominates; NaN: there is none yet. */
CLADE_API double clade_study_hypervolume(const clade_study *study);

/* Reads what came of the trials so far, all processes' together. */
CLADE_API clade_status clade_study_update(clade_study *study);
/* Of the last update, in order of their numbers; *best: the done one with the best objective (of
 * equals the one with the lowest cost), or NULL. */
CLADE_API const clade_study_trial *clade_study_trials(const clade_study *study, size_t *count,
                                                      const clade_study_trial **best);

/* What to do next, with at most `trials` trials in the study: a trial that nobody is at, or a new
 * one, which is then made and belongs to the caller until clade_study_end. Settings that do not
 * make a recipe are recorded as failed trials on the way. Errors: EINVAL when the first trials all
 * failed; ECANCELLED when every setting has been tried. */
CLADE_API clade_status clade_study_next(clade_study *study, size_t trials, clade_study_job *out);
/* The folder of one of the trial's runs (from 0), which holds recipe.yaml and is to be resumed; to
 * be freed. NULL: out of memory. */
CLADE_API char *clade_study_run_folder(const clade_study *study, const clade_study_job *job,
                                       int32_t run);
/* Epochs that the run has behind it. */
CLADE_API int32_t clade_study_run_epochs(const clade_study *study, const clade_study_job *job,
                                         int32_t run);
/* Records what came of it: the objective from the runs' histories, or with `error` that it failed;
 * with `stopped` the trial stays to be resumed. Writes best.yaml. */
CLADE_API clade_status clade_study_end(clade_study *study, clade_study_job *job, bool stopped,
                                       const char *error);

/* Writes study.html, from what the last update found: the objective by trial, parallel coordinates,
 * importance, slices, tables. Errors: EIO, ENOMEM. */
CLADE_API clade_status clade_study_write_page(const clade_study *study);

#ifdef __cplusplus
}
#endif
#endif
