/* Judging whole nets in fast mode, where rounding differs. A twin on the CPU, whose weights differ
 * by a share of at most `spread` (more if factors of products are rounded), shows how much the net
 * amplifies small differences. The judged net may be `slack` times as far from the CPU's as the
 * twin is. */
#ifndef CLADE_CONFORM_TWIN_H
#define CLADE_CONFORM_TWIN_H

#include "base/random.h"
#include "conform/conform.h"

static const double twin_spread = 1.0 / (1 << 16);
static const double twin_slack = 4;

/* Moves each of the twin's weights, if there are any, by a share of at most `spread`. */
clade_status clade_twin_move(const clade_tensor *weights, double spread, clade_random random);

/* Returns the Euclidean distance; b NULL: from 0. */
double clade_twin_distance(const float *a, const float *b, size_t n);

/* Returns the index of the element of `a` that is furthest from its counterpart in `b`, or of the
 * first that is not a number; in exact mode of the first whose bits differ. */
size_t clade_twin_worst(const float *a, const float *b, size_t n, bool exact);

#endif
