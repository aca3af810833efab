/* An image as training by a recipe sees it. */
#ifndef CLADE_REPORT_INSPECT_AUGMENT_H
#define CLADE_REPORT_INSPECT_AUGMENT_H

#include <clade/inspect.h>

/* Through the ops of training on the device, before values are scaled: image `i` in its split's
 * data set as it is read, then as each of the first `epochs` epochs augments it; uint8, (epochs +
 * 1) × the data set's height × width × channels. */
clade_status clade_inspect_augment(const clade_inspection *inspection, const clade_recipe *recipe,
                                   clade_device *device, size_t i, int32_t epochs, uint8_t *out);

#endif
