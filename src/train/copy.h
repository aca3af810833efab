/* Parameters from one model to another, and rows of tensors. */
#ifndef CLADE_TRAIN_COPY_H
#define CLADE_TRAIN_COPY_H

#include <clade/model.h>

/* Queues copies of those parameters that both models, on one device, have by name; they must have
 * the same shapes. */
clade_status clade_model_copy(const clade_model *from, clade_model *to);

/* The parameter of that name; NULL: none. */
const clade_parameter *clade_model_find(const clade_model *model, const char *name);

/* The first n rows of floats. */
clade_status clade_tensor_read_rows(const clade_tensor *t, int32_t n, float *values);

#endif
