/* What the writers of TensorBoard's events share. */
#ifndef CLADE_REPORT_TENSORBOARD_H
#define CLADE_REPORT_TENSORBOARD_H

#include <clade/tensorboard.h>

#include "report/wire.h"

enum { value_tag = 1 }; /* of Summary.Value */

/* Writes the event of one value, of which the tag is still to be added; frees it. */
clade_status clade_tensorboard_value(clade_tensorboard *tensorboard, const char *tag, int64_t step,
                                     clade_wire *value);

#endif
