/* Shows an image as training with a recipe sees it. */
#ifndef CLADE_REPORT_INSPECT_AUGMENT_H
#define CLADE_REPORT_INSPECT_AUGMENT_H

#include <clade/inspect.h>

/* Runs the ops of training on the device, before values are scaled. Gives image `i` of its split as
 * it is read, then as augmented in each of the first `epochs` epochs; uint8, (epochs + 1) × the
 * data set's height × width × channels. */
clade_status clade_inspect_augment(const clade_inspection *inspection, const clade_recipe *recipe,
                                   clade_device *device, size_t i, int32_t epochs, uint8_t *out);

#endif
