/* What the methods of search share. */
#ifndef CLADE_SEARCH_METHODS_H
#define CLADE_SEARCH_METHODS_H

#include "search/gp.h"
#include "search/space.h"

typedef struct clade_history {
    const clade_search_options *options;
    clade_space space;
    const clade_trial *trial;
    size_t count;
    const clade_trial *known; /* what is learned from: of the prior, then the trials */
    size_t known_count;
} clade_history;

/* What numbers are drawn for, beside the trial's number; in the upper half of a position. */
enum { clade_search_draws = 1, clade_search_plan, clade_search_climb, clade_search_weights };
clade_random clade_search_random(const clade_history *h, int purpose, uint64_t number);

/* Has one of the trials these values? */
bool clade_search_tried(const clade_history *h, const double *values);
/* Or values whose coordinates differ by no more than `far`, and levels not at all? */
bool clade_search_tried_near(const clade_history *h, const double *values, double far);
/* Trials that spread over the space before anything is known. */
size_t clade_search_first(const clade_search_options *options);
/* Settings for trial number `count`: the start, then a Latin hypercube, then at random; none that
 * was tried. ECANCELLED: there is none left. */
clade_status clade_search_spread(const clade_history *h, double *values);

/* Pairs (value, position) of what is known of done and failed trials, the best first: low is good,
 * failed ones are as bad as the worst. Gives how many; none when fewer than two are done. *done:
 * how many of them are, which come first among equals. pair[known_count]. */
size_t clade_search_sort(const clade_history *h, double (*pair)[2], size_t *done);

/* What is known, as a fitted process, values such that low is good, about mean 0 and variance 1;
 * *unit is how much of the objective that 1 is. Failed trials are as bad as the worst. *out is NULL
 * when there are too few. nominal[] must live as long as the process. Errors: ENOMEM, EMISMATCH. */
clade_status clade_search_fit(const clade_history *h, bool *nominal, size_t room, clade_gp **out,
                              double *unit);

/* Next settings by expected improvement. EMISMATCH: the process failed; ECANCELLED: as above. */
clade_status clade_search_propose(const clade_history *h, clade_suggestion *out);
/* Next settings by Parzen estimators. ECANCELLED: as above. */
clade_status clade_search_estimate(const clade_history *h, clade_suggestion *out);
/* Which trial goes on, or a new one: by ASHA and by Hyperband. */
clade_status clade_search_halve(const clade_history *h, clade_suggestion *out);
clade_status clade_search_hyperband(const clade_history *h, clade_suggestion *out);

int32_t clade_search_factor(const clade_search_options *options);
bool clade_search_has_reached(const clade_trial *trial, int32_t rung);
/* The best trial from `first` to before `end` that is among the best `quota` at a rung and has not
 * gone on to the next; `end`: none. */
size_t clade_search_promote(const clade_history *h, size_t first, size_t end, int32_t rung,
                            int32_t next, size_t quota);

/* Puts a random weighting of objective and cost in the place of each trial's objective. */
void clade_search_scalarize(const clade_search_options *options, uint64_t number,
                            clade_trial *trials, size_t count);

#endif
