/* The search space as the unit cube: each parameter is a coordinate from 0 to 1, discrete ones at
 * levels; what has no meaning rests at 1/2. */
#ifndef CLADE_SEARCH_SPACE_H
#define CLADE_SEARCH_SPACE_H

#include <clade/search.h>

#include "base/random.h"

typedef struct clade_space {
    const clade_tunable *parameter;
    size_t count;
} clade_space;

/* Values that a parameter can take; 0: a continuum. */
size_t clade_space_levels(const clade_tunable *p);
/* The value of a level, in ascending order. */
double clade_space_level(const clade_tunable *p, size_t level);
/* The coordinate of a value. */
double clade_space_encode(const clade_tunable *p, double value);
/* The value nearest to a coordinate. */
double clade_space_decode(const clade_tunable *p, double u);
/* Is the distance of two values of it only whether they differ? */
bool clade_space_is_nominal(const clade_tunable *p);

/* Makes what has no meaning beside the others NaN. */
void clade_space_settle(const clade_space *space, double *values);
/* Values as coordinates. */
void clade_space_to_unit(const clade_space *space, const double *values, double *unit);
/* Settled values drawn at random. */
void clade_space_draw(const clade_space *space, clade_random *random, double *values);
bool clade_space_equal(const clade_space *space, const double *a, const double *b);

/* How many settings there are; `limit` when as many or more. */
size_t clade_space_size(const clade_space *space, size_t limit);

#endif
