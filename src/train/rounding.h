/* What the devices of a batch must have in common in exact math. */
#ifndef CLADE_TRAIN_ROUNDING_H
#define CLADE_TRAIN_ROUNDING_H

#include <clade/device.h>

/* Does each device round a fused multiply-add once? One that computes in fast math is not asked,
 * nor does it count here that one fails. Errors: EUNSUPPORTED, with the device. */
clade_status clade_rounding_check(clade_device *const *devices, size_t count);

#endif
