/* Verification: while a device works, some of its calls are repeated on the reference. */
#ifndef CLADE_VERIFY_H
#define CLADE_VERIFY_H

#include <clade/device.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clade_verify_options {
    double rate;        /* the share of calls, above 0 to 1 */
    uint64_t seed;      /* which calls these are */
    const char *folder; /* made where a call is found wrong, for its inputs; NULL: none is */
    int threads;        /* that the device was opened with, for the line that repeats a call */
} clade_verify_options;

/* From now on calls that belong to a step are verified; NULL: no longer. A call is drawn by seed,
 * step, its number in the step and how much work its reference is: those that take long come more
 * seldom (clade_verify_share). Below a rate of 1 one image is judged of a batch that an op may be
 * cut into; it is drawn too. In exact math every bit must be the reference's, in fast math numbers
 * must be within the op's bounds of the oracle's. Calls that read what is not finite are not
 * judged. Results stay as they are, but clade_call_run waits for a call that is drawn, and gives
 * EWRONG where it was wrong: the text names the step, the op, the algorithm, the device, the first
 * number, and the line that repeats it. Errors: EINVAL (the rate), ENOMEM. */
CLADE_API clade_status clade_device_verify(clade_device *device,
                                           const clade_verify_options *options);
/* Calls from now on belong to this step, from its first on; a negative one: to none. */
CLADE_API void clade_device_verify_step(clade_device *device, int64_t step);
/* Calls that were judged so far. */
CLADE_API uint64_t clade_device_verified(const clade_device *device);
/* How probable it is that a call is drawn whose reference takes so many operations. */
CLADE_API double clade_verify_share(double rate, double work);

/* Takes the algorithm of the call that was found wrong last out of use for its op on this device:
 * calls that are prepared from now on are done by others. Its name, or NULL where there is no other
 * or none was wrong. */
CLADE_API const char *clade_device_quarantine(clade_device *device);

/* Runs the call that a verification has kept in the folder, and judges it. Errors: EWRONG, EIO,
 * EFORMAT, ENOMEM, EDEVICE. */
CLADE_API clade_status clade_verify_repeat(clade_device *device, const char *folder);

#ifdef __cplusplus
}
#endif
#endif
