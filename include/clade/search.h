/* Hyperparameter search: what to try next, given the results so far. */
#ifndef CLADE_SEARCH_H
#define CLADE_SEARCH_H

#include <clade/status.h>

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

/* A parameter to search over. Its value is a double: the number, or the index of a choice; NaN if
 * the parameter is inactive. Plain data. */
typedef struct clade_tunable {
    const char *name;
    clade_tunable_kind kind;
    double low, high;           /* for numbers, both inclusive */
    bool log;                   /* uniform in the logarithm; low > 0 */
    double step;                /* values are low, low + step, …; 0: any (integers: 1) */
    const char *const *choices; /* the text for each index */
    size_t choice_count;
    bool ordered; /* for choices: neighbours are similar, like 3, 5, 7 */
    bool has_start;
    double start;       /* its value in the first trial */
    size_t parent;      /* 1 + index of an earlier parameter that decides whether this one is
                         * active; 0: always active */
    const double *when; /* it is active if the parent's value is one of these */
    size_t when_count;
} clade_tunable;

typedef enum clade_search_method {
    CLADE_SEARCH_GP, /* Gaussian process with expected improvement */
    CLADE_SEARCH_RANDOM,
    CLADE_SEARCH_ASHA,     /* random settings; the better ones are trained longer (Li et al.
                            * 2020) */
    CLADE_SEARCH_TPE,      /* tree-structured Parzen estimators (Bergstra et al. 2011) */
    CLADE_SEARCH_HYPERBAND /* random settings in brackets of successive halving (Li et al. 2018) */
} clade_search_method;

typedef enum clade_trial_state {
    CLADE_TRIAL_RUNNING,
    CLADE_TRIAL_DONE,
    CLADE_TRIAL_FAILED
} clade_trial_state;

/* The state of a trial. */
typedef struct clade_trial {
    const double *values; /* one per parameter */
    clade_trial_state state;
    double objective;    /* when done */
    double cost;         /* when done, if there is a second objective; lower is better */
    const double *curve; /* for successive halving: the objective after each of the `epochs` so
                          * far */
    size_t epochs;
} clade_trial;

typedef struct clade_search_options {
    const clade_tunable *parameters;
    size_t count;
    clade_search_method method;
    bool maximize; /* a higher objective is better */
    uint64_t seed;
    size_t first;      /* number of space-filling trials before the GP proposes any; 0: automatic */
    double resolution; /* minimum distance of a proposal from all trials, as a share of a number's
                        * range, in at least one number; 0: it only must not be equal */
    double noise;      /* minimum variance assumed between trials with equal settings, as a share of
                        * the variance of all; 0: nearly none */
    int32_t epochs;    /* of a trial; ASHA and Hyperband: the maximum */
    int32_t least;     /* ASHA and Hyperband: epochs of the first rung; 0: automatic, 1 for
                        * Hyperband */
    int32_t factor; /* ASHA and Hyperband: one in `factor` trials of a rung is promoted, and trained
                     * `factor` times as long; 0: 3 */
    size_t trials;  /* Hyperband: the total number, which makes the last bracket smaller; 0:
                     * unlimited */
    bool has_cost;  /* GP and TPE: search for the Pareto front of objective and cost */
    const clade_trial *prior; /* GP and TPE: results of other trials, the oldest first; unknown
                               * values are NaN; their settings may be tried again */
    size_t prior_count;
} clade_search_options;

/* The next thing to do. */
typedef struct clade_suggestion {
    size_t trial;   /* an earlier trial to continue; or trial_count: a new one */
    int32_t epochs; /* train until this epoch */
    double values[CLADE_MAX_TUNABLES];
    double improvement; /* expected for a new trial, in units of the objective; NaN: unknown */
    char note[160];     /* a remark on something unusual, or empty */
} clade_suggestion;

/* Checks parameters and options. Errors: EINVAL, naming the parameter. */
CLADE_API clade_status clade_search_check(const clade_search_options *options);

/* Suggests what to do after these trials, given in order of their numbers. The result depends on
 * the arguments alone. Running trials get imputed results, so that several workers receive
 * different suggestions; failed trials count as the worst. No settings are suggested twice. Errors:
 * EINVAL; ECANCELLED: all possible settings have been tried. */
CLADE_API clade_status clade_search_next(const clade_search_options *options,
                                         const clade_trial *trials, size_t trial_count,
                                         clade_suggestion *out);

/* Returns the number of trials in one round of Hyperband's brackets. */
CLADE_API size_t clade_search_round(const clade_search_options *options);

/* Ranks trials by dominance, into rank[trial_count]. 1 is the Pareto front: done trials for which
 * no other is at least as good in objective and cost and better in one; 2 is the front of the rest,
 * and so on; 0 for trials that are not done. Errors: ENOMEM. */
CLADE_API clade_status clade_search_rank(const clade_search_options *options,
                                         const clade_trial *trials, size_t trial_count,
                                         size_t *rank);

/* Computes the hypervolume: the area between the front and a reference point that is worse in both:
 * objective, then cost. Errors: ENOMEM. */
CLADE_API clade_status clade_search_hypervolume(const clade_search_options *options,
                                                const clade_trial *trials, size_t trial_count,
                                                const double worst[2], double *volume);

/* Returns whether parameter i is active, given these values. */
CLADE_API bool clade_tunable_is_active(const clade_tunable *parameters, size_t i,
                                       const double *values);

/* Computes the importance of each parameter, into share[count] (sum 1; all 0 if too few trials are
 * done): the variance that it alone explains in a Gaussian process fitted to the done trials, over
 * the whole space (Hutter, Hoos and Leyton-Brown 2014). */
CLADE_API clade_status clade_search_importance(const clade_search_options *options,
                                               const clade_trial *trials, size_t trial_count,
                                               double *share);

#ifdef __cplusplus
}
#endif
#endif
