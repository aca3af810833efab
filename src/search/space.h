/* The search space as the unit cube: each parameter is a coordinate from 0 to 1, discrete ones at
 * levels; inactive ones are at 1/2. */
#ifndef CLADE_SEARCH_SPACE_H
#define CLADE_SEARCH_SPACE_H

#include <clade/search.h>

#include "base/random.h"

typedef struct clade_space {
    const clade_tunable *parameter;
    size_t count;
} clade_space;

/* Returns the number of values that a parameter can take; 0: a continuum. */
size_t clade_space_levels(const clade_tunable *p);
/* Returns the value of a level, in ascending order. */
double clade_space_level(const clade_tunable *p, size_t level);
/* Returns the coordinate of a value. */
double clade_space_encode(const clade_tunable *p, double value);
/* Returns the value nearest to a coordinate. */
double clade_space_decode(const clade_tunable *p, double u);
/* Returns whether two values of the parameter can only be equal or different, without a
 * distance. */
bool clade_space_is_nominal(const clade_tunable *p);

/* Sets inactive parameters to NaN. */
void clade_space_settle(const clade_space *space, double *values);
/* Converts values to coordinates. */
void clade_space_to_unit(const clade_space *space, const double *values, double *unit);
/* Draws random settled values. */
void clade_space_draw(const clade_space *space, clade_random *random, double *values);
bool clade_space_equal(const clade_space *space, const double *a, const double *b);

/* Returns the number of possible settings; `limit` if there are as many or more. */
size_t clade_space_size(const clade_space *space, size_t limit);

#endif
