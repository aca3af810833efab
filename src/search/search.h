/* What the search methods share. */
#ifndef CLADE_SEARCH_METHODS_H
#define CLADE_SEARCH_METHODS_H

#include "search/gp.h"
#include "search/space.h"

typedef struct clade_history {
    const clade_search_options *options;
    clade_space space;
    const clade_trial *trial;
    size_t count;
    const clade_trial *known; /* the data to learn from: those of the prior, then the trials */
    size_t known_count;
} clade_history;

/* The purposes of random numbers, besides the trial's number; in the upper half of a position. */
enum { clade_search_draws = 1, clade_search_plan, clade_search_climb, clade_search_weights };
clade_random clade_search_random(const clade_history *h, int purpose, uint64_t number);

/* Returns whether a trial has these values. */
bool clade_search_tried(const clade_history *h, const double *values);
/* Returns whether a trial has values whose coordinates differ by at most `far`, and whose levels
 * are equal. */
bool clade_search_tried_near(const clade_history *h, const double *values, double far);
/* Returns the number of space-filling trials. */
size_t clade_search_first(const clade_search_options *options);
/* Gives settings for trial number `count`: the start, then a Latin hypercube, then random ones, but
 * none that was tried. ECANCELLED: there are none left. */
clade_status clade_search_spread(const clade_history *h, double *values);

/* Sorts the known done and failed trials as pairs (value, index), best first: low is good, failed
 * ones are as bad as the worst. Returns their number; 0 if fewer than two are done. *done: how many
 * of them are done; these come first among equals. pair[known_count]. */
size_t clade_search_sort(const clade_history *h, double (*pair)[2], size_t *done);

/* Fits a process to the known trials, with values such that low is good, of mean 0 and variance 1,
 * roughly; *unit is the difference in the objective that 1 stands for. Failed trials are as bad as
 * the worst. *out is NULL if there are too few. nominal[] must live as long as the process. Errors:
 * ENOMEM, EMISMATCH. */
clade_status clade_search_fit(const clade_history *h, bool *nominal, size_t room, clade_gp **out,
                              double *unit);

/* Suggests settings by expected improvement. EMISMATCH: the process failed; ECANCELLED: as
 * above. */
clade_status clade_search_propose(const clade_history *h, clade_suggestion *out);
/* Suggests settings by Parzen estimators. ECANCELLED: as above. */
clade_status clade_search_estimate(const clade_history *h, clade_suggestion *out);
/* Suggest a trial to continue, or a new one: by ASHA and by Hyperband. */
clade_status clade_search_halve(const clade_history *h, clade_suggestion *out);
clade_status clade_search_hyperband(const clade_history *h, clade_suggestion *out);

int32_t clade_search_factor(const clade_search_options *options);
bool clade_search_has_reached(const clade_trial *trial, int32_t rung);
/* Returns the best trial, from `first` to before `end`, that is among the best `quota` at a rung
 * and was not promoted yet; `end`: none. */
size_t clade_search_promote(const clade_history *h, size_t first, size_t end, int32_t rung,
                            int32_t next, size_t quota);

/* Replaces each trial's objective by a random weighting of objective and cost. */
void clade_search_scalarize(const clade_search_options *options, uint64_t number,
                            clade_trial *trials, size_t count);

#endif
