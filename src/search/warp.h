/* Objectives as values that a Gaussian process can be fitted to. */
#ifndef CLADE_SEARCH_WARP_H
#define CLADE_SEARCH_WARP_H

#include <stddef.h>

/* Scales y[n] (low is good) in place: the better half keeps its distances, the worse half is put
 * where the quantiles of a normal distribution of the better half's spread would be, so that a few
 * terrible values do not hide the rest; then mean 0 and variance 1. Gives what a difference of 1
 * among the good values was. */
double clade_warp(double *y, size_t n);

#endif
