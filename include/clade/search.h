/* Searching for good settings: what to try next, given what came of the others. */
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
    CLADE_SEARCH_ASHA,     /* random settings, the better ones trained longer (Li et al. 2020) */
    CLADE_SEARCH_TPE,      /* tree-structured Parzen estimators (Bergstra et al. 2011) */
    CLADE_SEARCH_HYPERBAND /* random settings in brackets of successive halving (Li et al. 2018) */
} clade_search_method;

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
    double cost;         /* when done, beside a second objective: the lower the better */
    const double *curve; /* to be halved: the objective after each of the `epochs` so far */
    size_t epochs;
} clade_trial;

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
    int32_t epochs;    /* of a trial; of ASHA and Hyperband the most */
    int32_t least;     /* ASHA and Hyperband: epochs of the first rung; 0: chosen, of Hyperband 1 */
    int32_t factor; /* ASHA and Hyperband: of a rung's trials one in so many goes on, so many times
                     * as long; 0: 3 */
    size_t trials;  /* Hyperband: as many as there will be, for a last bracket that is smaller; 0:
                     * no end */
    bool has_cost;  /* GP and TPE: look for the front of objective and cost */
    const clade_trial *prior; /* GP and TPE: what is known of other trials, the oldest first: values
                               * NaN where not known; they may be tried again */
    size_t prior_count;
} clade_search_options;

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

/* How many trials one round of Hyperband's brackets has. */
CLADE_API size_t clade_search_round(const clade_search_options *options);

/* Sorts by dominance, to rank[trial_count]: 1 for done trials than which no other is at least as
 * good in objective and cost and better in one, the front; 2 for the front of the others, and so
 * on; 0 for trials that are not done. Errors: ENOMEM. */
CLADE_API clade_status clade_search_rank(const clade_search_options *options,
                                         const clade_trial *trials, size_t trial_count,
                                         size_t *rank);

/* The area between the front and a point that is worse in both: objective, then cost. Errors:
 * ENOMEM. */
CLADE_API clade_status clade_search_hypervolume(const clade_search_options *options,
                                                const clade_trial *trials, size_t trial_count,
                                                const double worst[2], double *volume);

/* Does the parameter have a meaning beside these values? */
CLADE_API bool clade_tunable_is_active(const clade_tunable *parameters, size_t i,
                                       const double *values);

/* How much each parameter matters, to share[count] (sum 1; all 0 when too few trials are done): the
 * variance that it alone explains of a Gaussian process fitted to the done trials, over the whole
 * space (Hutter, Hoos and Leyton-Brown 2014). */
CLADE_API clade_status clade_search_importance(const clade_search_options *options,
                                               const clade_trial *trials, size_t trial_count,
                                               double *share);

#ifdef __cplusplus
}
#endif
#endif
