/* One algorithm for a call: is it right, and how long does it take? */
#ifndef CLADE_BENCH_CANDIDATE_H
#define CLADE_BENCH_CANDIDATE_H

#include <clade/device.h>

/* Does a call (shapes and parameters of a convolution or a dense layer) on random numbers up to 1,
 * of its first tensor up to `scale`, on a device in fast mode by one of its algorithms, compares
 * every element with the CPU's exact result within the op's error bound, and only then takes the
 * time of one call, in seconds. Errors: EMISMATCH (it is wrong, or the device does not use that
 * algorithm), those of the device. */
clade_status clade_candidate_try(const char *device, const char *algorithm, const clade_call *shape,
                                 float scale, double *seconds);

#endif
