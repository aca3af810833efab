/* Tries one algorithm for a call: is it correct, and how long does it take? */
#ifndef CLADE_BENCH_CANDIDATE_H
#define CLADE_BENCH_CANDIDATE_H

#include <clade/device.h>

/* Runs a call (shapes and parameters of a convolution or a dense layer) with one algorithm on a
 * device in fast mode. The data are random numbers up to 1, in its first tensor up to `scale`.
 * Compares every element with the CPU's exact result within the op's error bound, and only then
 * times one call, in seconds. Errors: EMISMATCH (it is wrong, or the device does not use that
 * algorithm), those of the device. */
clade_status clade_candidate_try(const char *device, const char *algorithm, const clade_call *shape,
                                 float scale, double *seconds);

#endif
