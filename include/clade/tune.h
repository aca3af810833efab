/* Searching for good settings: what to try next, given what came of the others. */
#ifndef CLADE_TUNE_H
#define CLADE_TUNE_H

#include <clade/train.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CLADE_MAX_TUNABLES = 64, CLADE_MAX_LEVELS = 1 << 24 };

typedef enum clade_tunable_kind {
    CLADE_TUNABLE_REAL,
    CLADE_TUNABLE_INTEGER,
    CLADE_TUNABLE_CHOICE
} clade_tunable_kind;

/* One thing that is searched for. A value is a double: the number, or of choices the index; NaN
 * where the parameter has no meaning. Plain data. */
typedef struct clade_tunable {
    const char *name;
    clade_tunable_kind kind;
    double low, high;           /* of numbers, both allowed */
    bool log;                   /* spread evenly over the logarithm; low > 0 */
    double step;                /* values low, low + step, …; 0: any (of integers: 1) */
    const char *const *choices; /* what to show for each index */
    size_t choice_count;
    bool ordered; /* of choices: neighbours are alike, as 3, 5, 7 */
    bool has_start;
    double start;       /* its value in the first trial */
    size_t parent;      /* 1 + position of an earlier parameter that decides whether this one has a
                         * meaning; 0: it always has */
    const double *when; /* it has when the parent's value is one of these */
    size_t when_count;
} clade_tunable;

typedef enum clade_search_method {
    CLADE_SEARCH_GP, /* Gaussian process with expected improvement */
    CLADE_SEARCH_RANDOM,
    CLADE_SEARCH_ASHA /* random settings, the better ones trained longer (Li et al. 2020) */
} clade_search_method;

typedef struct clade_search_options {
    const clade_tunable *parameters;
    size_t count;
    clade_search_method method;
    bool maximize; /* the objective is the better the higher */
    uint64_t seed;
    size_t first;      /* trials spread over the space before the process proposes; 0: chosen */
    double resolution; /* the process tries nothing whose numbers all lie closer than this share of
                        * their ranges to a trial's; 0: nothing that is equal */
    double noise;      /* the least variance that trials with equal settings are taken to have, as a
                        * share      of the variance of all; 0: nearly none */
    int32_t epochs;    /* of a trial; of ASHA the most */
    int32_t least;     /* ASHA: epochs of the first rung; 0: chosen */
    int32_t
        factor; /* ASHA: of a rung's trials one in so many goes on, so many times as long; 0: 3 */
} clade_search_options;

typedef enum clade_trial_state {
    CLADE_TRIAL_RUNNING,
    CLADE_TRIAL_DONE,
    CLADE_TRIAL_FAILED
} clade_trial_state;

/* What is known of a trial. */
typedef struct clade_trial {
    const double *values; /* one per parameter */
    clade_trial_state state;
    double objective;    /* when done */
    const double *curve; /* ASHA: the objective after each of the `epochs` so far */
    size_t epochs;
} clade_trial;

/* What to do next. */
typedef struct clade_suggestion {
    size_t trial;   /* an earlier trial that shall go on; or as many as there are: a new one */
    int32_t epochs; /* until which epoch */
    double values[CLADE_MAX_TUNABLES];
    double improvement; /* expected of a new trial, in units of the objective; NaN: not known */
    char note[160];     /* what was unusual, or empty */
} clade_suggestion;

/* Checks parameters and options. EINVAL, naming the parameter. */
CLADE_API clade_status clade_search_check(const clade_search_options *options);

/* Says what to do after these trials, in order of their numbers; a function of its arguments alone.
 * Running trials are imputed, so that several workers are told different things; failed ones
 * count as the worst. No settings are told twice. Errors: EINVAL; ECANCELLED: every setting that
 * there is has been tried. */
CLADE_API clade_status clade_search_next(const clade_search_options *options,
                                         const clade_trial *trials, size_t trial_count,
                                         clade_suggestion *out);

/* Does the parameter have a meaning beside these values? */
CLADE_API bool clade_tunable_is_active(const clade_tunable *parameters, size_t i,
                                       const double *values);

/* How much each parameter matters, to share[count] (sum 1; all 0 when too few trials are done): the
 * variance that it alone explains of a Gaussian process fitted to the done trials, over the whole
 * space (Hutter, Hoos and Leyton-Brown 2014). */
CLADE_API clade_status clade_search_importance(const clade_search_options *options,
                                               const clade_trial *trials, size_t trial_count,
                                               double *share);

/* ---- recipes ---- */

/* What the recipe's section `tune` says; the parameters belong to the recipe. Gives how many there
 * are. `start` is what the recipe itself says, where that is within the range. */
CLADE_API size_t clade_recipe_tunables(const clade_recipe *recipe, const clade_tunable **out);
/* The recipe as YAML text with its variables, repeats and the section `tune` still in it. */
CLADE_API const char *clade_recipe_source(const clade_recipe *recipe);
/* The recipe with these values of its parameters (NaN: as it is), then with the edits `sets`, as in
 * clade_recipe_read. Errors: those of clade_recipe_read. */
CLADE_API clade_status clade_recipe_vary(const clade_recipe *recipe, const double *values,
                                         const char *const *sets, size_t set_count,
                                         clade_recipe **out);
/* Is each parameter the name of something that a recipe may have? EINVAL with file and line. */
CLADE_API clade_status clade_recipe_check_tunables(const clade_recipe *recipe);

/* ---- studies ---- */

/* A study is a folder:
 *     recipe.yaml        what is searched, with its variables, repeats and the section `tune`
 *     study.json         method, objective, seed, epochs
 *     trials/0001/       a run folder, and trial.json: values, state, objective
 *     best.yaml          the recipe with the best values
 *     study.html         a page that shows it all
 * Everything is written as it comes to be known and replaced atomically; several processes may work
 * on one study, and what a killed process was at is taken up by the next. */
typedef struct clade_study clade_study;

typedef struct clade_study_settings {
    clade_search_method method;
    bool by_loss; /* the objective is the lowest val_loss; else the highest val_accuracy */
    uint64_t seed;
    int32_t epochs; /* of a trial; 0: as the recipe says */
    int32_t seeds;  /* runs of each trial, with seeds one after the other; 0: 1 */
} clade_study_settings;

typedef struct clade_study_trial {
    size_t number;        /* from 1 */
    const double *values; /* one per parameter */
    clade_trial_state state;
    double objective; /* the mean over its runs; of a running trial the best so far; NaN: none */
    int32_t epochs;   /* trained so far */
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

/* Reads what came of the trials so far, all processes' together. */
CLADE_API clade_status clade_study_update(clade_study *study);
/* Of the last update, in order of their numbers; *best: the best done one, or NULL. */
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
