/* Transforms objectives for fitting a Gaussian process. */
#ifndef CLADE_SEARCH_WARP_H
#define CLADE_SEARCH_WARP_H

#include <stddef.h>

/* Scales y[n] (low is good) in place. The better half keeps its distances; the worse half is put at
 * quantiles of a normal distribution with the better half's spread, so that a few terrible values
 * do not hide the rest. Then normalises to mean 0 and variance 1. Returns the difference among the
 * good values that 1 stands for. */
double clade_warp(double *y, size_t n);

#endif
