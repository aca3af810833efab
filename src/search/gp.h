/* Gaussian process regression in the unit cube, in double: Matérn 5/2 with a length scale for each
 * coordinate (Rasmussen and Williams 2006, chapters 2, 4 and 5). */
#ifndef CLADE_SEARCH_GP_H
#define CLADE_SEARCH_GP_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>

enum { clade_gp_most = 500 }; /* points */

typedef struct clade_gp clade_gp;

/* No points yet, room for `room`. nominal[d]: a coordinate of which only matters whether two values
 * are the same. noise: the least variance of the values' noise. Errors: ENOMEM. */
clade_status clade_gp_create(size_t d, const bool *nominal, double noise, size_t room,
                             clade_gp **out);
void clade_gp_destroy(clade_gp **gp);

/* One more point, x[d] with the value y; there must be room. Call fit or update next. */
void clade_gp_add(clade_gp *gp, const double *x, double y);
size_t clade_gp_count(const clade_gp *gp);

/* Finds length scales, variance, noise and mean at the most of marginal likelihood times priors,
 * which are made for values of about mean 0 and variance 1. Errors: EMISMATCH, the matrix could not
 * be factored whatever was added to its diagonal; ENOMEM. */
clade_status clade_gp_fit(clade_gp *gp);
/* Takes in points that were added, everything else as it was found before. */
clade_status clade_gp_update(clade_gp *gp);

/* Mean and standard deviation of the function (without noise) at x[d], and their gradients unless
 * NULL. */
void clade_gp_predict(const clade_gp *gp, const double *x, double *mean, double *deviation,
                      double *mean_dx, double *deviation_dx);

double clade_gp_noise(const clade_gp *gp); /* variance */

#endif
