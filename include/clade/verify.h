/* Verification: while a device works, some of its calls are repeated on the reference. */
#ifndef CLADE_VERIFY_H
#define CLADE_VERIFY_H

#include <clade/device.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clade_verify_options {
    double rate;        /* the share of calls, above 0 to 1 */
    uint64_t seed;      /* selects the calls */
    const char *folder; /* created when a call is wrong, to hold its inputs; NULL: none is */
    int threads;        /* with which the device was opened, for the command that repeats a call */
} clade_verify_options;

/* Starts verifying calls that belong to a step; NULL: stops. Whether a call is selected depends on
 * the seed, the step, the call's number in the step and the cost of its reference: expensive calls
 * are selected less often (clade_verify_share). Below a rate of 1, only one image, also selected at
 * random, is judged if the op's batch may be cut. In exact math every bit must match the reference;
 * in fast math numbers must be within the op's bounds of the oracle's. Calls that read values that
 * are not finite are not judged. Results are unchanged, but clade_call_run waits for a selected
 * call and returns EWRONG if it was wrong; the text names the step, the op, the algorithm, the
 * device, the first wrong number, and the command that repeats it. Errors: EINVAL (the rate),
 * ENOMEM. */
CLADE_API clade_status clade_device_verify(clade_device *device,
                                           const clade_verify_options *options);
/* Assigns all calls from now on to this step, starting with its first; negative: to none. */
CLADE_API void clade_device_verify_step(clade_device *device, int64_t step);
/* Returns the number of calls judged so far. */
CLADE_API uint64_t clade_device_verified(const clade_device *device);
/* Returns the probability of selecting a call whose reference takes this many operations. */
CLADE_API double clade_verify_share(double rate, double work);

/* Excludes the algorithm of the last wrong call for its op on this device: calls prepared from now
 * on use others. Returns its name, or NULL if there is no other or no call was wrong. */
CLADE_API const char *clade_device_quarantine(clade_device *device);

/* Runs and judges the call that a verification kept in the folder. Errors: EWRONG, EIO, EFORMAT,
 * ENOMEM, EDEVICE. */
CLADE_API clade_status clade_verify_repeat(clade_device *device, const char *folder);

#ifdef __cplusplus
}
#endif
#endif
