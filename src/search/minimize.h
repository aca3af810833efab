/* Minimising a smooth function in a box. */
#ifndef CLADE_SEARCH_MINIMIZE_H
#define CLADE_SEARCH_MINIMIZE_H

#include <stddef.h>

enum { clade_minimize_most = 80 }; /* maximum number of variables */

/* Returns the function's value at x[n] and writes the gradient; a value that is not finite counts
 * as worse than any other. */
typedef double (*clade_smooth)(void *user, const double *x, double *gradient);

/* Minimises from x by projected steps with an approximation of the inverse Hessian (BFGS), until
 * there is no more gain, or for `steps`. Returns the value reached; x stays within [low, high]. */
double clade_minimize(clade_smooth f, void *user, size_t n, const double *low, const double *high,
                      double *x, int steps);

#endif
