/* The density of settings around those of some trials. */
#ifndef CLADE_SEARCH_MIXTURE_H
#define CLADE_SEARCH_MIXTURE_H

#include "search/search.h"

/* A mixture of one kernel per observation. For each parameter, a kernel is a normal distribution
 * truncated to its range, or a distribution over its choices; the last kernel is the prior. */
typedef struct clade_mixture {
    const clade_space *space;
    size_t kernels;
    double *weight;                    /* logarithms */
    double *mean, *deviation, *inside; /* [kernels] for the first parameter, the second, …; inside:
                                        * log of the mass within the range. Mean NaN: the prior. */
    double low[CLADE_MAX_TUNABLES], high[CLADE_MAX_TUNABLES];
} clade_mixture;

/* Builds it from the known trials that are `good`, or from those that are not;
 * is_good[known_count]. Errors: ENOMEM. */
clade_status clade_mixture_make(const clade_history *h, const bool *is_good, bool good,
                                clade_mixture *m);
void clade_mixture_clear(clade_mixture *m);
void clade_mixture_draw(const clade_mixture *m, clade_random *r, double *values);
/* Returns the log density at values (for levels the mass; NaN: of the other parameters alone);
 * overwrites part[kernels]. */
double clade_mixture_log_density(const clade_mixture *m, const double *values, double *part);

#endif
