/* What the writers of TensorBoard's events share. */
#ifndef CLADE_REPORT_TENSORBOARD_H
#define CLADE_REPORT_TENSORBOARD_H

#include <clade/tensorboard.h>

#include "report/wire.h"

enum { value_tag = 1 }; /* field number in Summary.Value */

/* Writes an event with one value, to which it adds the tag; frees the value. */
clade_status clade_tensorboard_value(clade_tensorboard *tensorboard, const char *tag, int64_t step,
                                     clade_wire *value);

#endif
