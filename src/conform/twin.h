/* Whole nets in fast mode, where rounding differs: a twin on the CPU, whose weights differ by at
 * most `spread` of themselves, more where factors of products are rounded, says how much the net
 * makes of small differences. What is judged may be `slack` times as far from the CPU's as the
 * twin's is. */
#ifndef CLADE_CONFORM_TWIN_H
#define CLADE_CONFORM_TWIN_H

#include "base/random.h"
#include "conform/conform.h"

static const double twin_spread = 1.0 / (1 << 16);
static const double twin_slack = 4;

/* Moves the twin's weights, if there are any, each by at most `spread` of itself. */
clade_status clade_twin_move(const clade_tensor *weights, double spread, clade_random random);

/* Euclidean; b NULL: from 0. */
double clade_twin_distance(const float *a, const float *b, size_t n);

/* The element of `a` that is furthest from its fellow in `b`, or the first that is no number; in
 * exact mode the first whose bits differ. */
size_t clade_twin_worst(const float *a, const float *b, size_t n, bool exact);

#endif
