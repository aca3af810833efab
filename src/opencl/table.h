/* Middle floor: all ops of all families. */
#ifndef CLADE_OPENCL_TABLE_H
#define CLADE_OPENCL_TABLE_H

#include "opencl/ops.h"

/* How an op is done; NULL: the backend has no version of it. */
const opencl_op *clade_opencl_op(clade_op op);

/* The format of 16 bits that a call's tensors in slots of dtype FLOAT have, all of them or
 * (`mixed`) those that are not float32; else CLADE_F32. */
clade_dtype clade_opencl_stored(clade_op op, const clade_args *args, bool mixed);

#endif
