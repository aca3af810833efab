/* The density of settings around those of some trials. */
#ifndef CLADE_SEARCH_MIXTURE_H
#define CLADE_SEARCH_MIXTURE_H

#include "search/search.h"

/* A mixture: a kernel for each observation, which of each parameter is a normal distribution within
 * its range or a distribution over its choices; the last kernel is the prior. */
typedef struct clade_mixture {
    const clade_space *space;
    size_t kernels;
    double *weight;                    /* logarithms */
    double *mean, *deviation, *inside; /* [kernels] of the first parameter, the second, …; inside:
                                        * log of the mass within the range. Mean NaN: the prior. */
    double low[CLADE_MAX_TUNABLES], high[CLADE_MAX_TUNABLES];
} clade_mixture;

/* Of what is known those trials that are `good`, or those that are not; is_good[known_count].
 * Errors: ENOMEM. */
clade_status clade_mixture_make(const clade_history *h, const bool *is_good, bool good,
                                clade_mixture *m);
void clade_mixture_clear(clade_mixture *m);
void clade_mixture_draw(const clade_mixture *m, clade_random *r, double *values);
/* log of the density at values (of levels the mass; NaN: of the others alone); part[kernels] is
 * overwritten. */
double clade_mixture_log_density(const clade_mixture *m, const double *values, double *part);

#endif
