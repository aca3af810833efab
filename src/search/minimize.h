/* The least value of a smooth function in a box. */
#ifndef CLADE_SEARCH_MINIMIZE_H
#define CLADE_SEARCH_MINIMIZE_H

#include <stddef.h>

enum { clade_minimize_most = 80 }; /* variables */

/* Gives the function's value at x[n] and writes the gradient; a value that is not finite counts as
 * worse than all others. */
typedef double (*clade_smooth)(void *user, const double *x, double *gradient);

/* Goes downhill from x by projected steps with an approximation of the inverse Hessian (BFGS), to
 * where nothing is gained or for `steps`. Gives the value reached; x stays within [low, high]. */
double clade_minimize(clade_smooth f, void *user, size_t n, const double *low, const double *high,
                      double *x, int steps);

#endif
