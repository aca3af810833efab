/* Gaussian process regression in the unit cube, in double: Matérn 5/2 with a length scale for each
 * coordinate (Rasmussen and Williams 2006, chapters 2, 4 and 5). */
#ifndef CLADE_SEARCH_GP_H
#define CLADE_SEARCH_GP_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>

enum { clade_gp_most = 500 }; /* maximum number of points */

typedef struct clade_gp clade_gp;

/* Creates a process without points, with room for `room`. nominal[d]: for such a coordinate it only
 * matters whether two values are equal. noise: the minimum variance of the values' noise. Errors:
 * ENOMEM. */
clade_status clade_gp_create(size_t d, const bool *nominal, double noise, size_t room,
                             clade_gp **out);
void clade_gp_destroy(clade_gp **gp);

/* Adds a point, x[d] with the value y; there must be room. Call fit or update next. */
void clade_gp_add(clade_gp *gp, const double *x, double y);
size_t clade_gp_count(const clade_gp *gp);

/* Fits length scales, variance, noise and mean by maximising marginal likelihood times priors,
 * which assume values of mean 0 and variance 1, roughly. Errors: EMISMATCH, the matrix could not be
 * factored whatever was added to its diagonal; ENOMEM. */
clade_status clade_gp_fit(clade_gp *gp);
/* Includes the added points, with all parameters as they were fitted before. */
clade_status clade_gp_update(clade_gp *gp);

/* Gives mean and standard deviation of the function (without noise) at x[d], and their gradients
 * unless NULL. */
void clade_gp_predict(const clade_gp *gp, const double *x, double *mean, double *deviation,
                      double *mean_dx, double *deviation_dx);

double clade_gp_noise(const clade_gp *gp); /* variance */

#endif
