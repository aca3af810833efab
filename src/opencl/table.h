/* Middle floor: all ops of all families. */
#ifndef CLADE_OPENCL_TABLE_H
#define CLADE_OPENCL_TABLE_H

#include "opencl/ops.h"

/* How an op is done; NULL: the backend has no version of it. */
const opencl_op *clade_opencl_op(clade_op op);

/* The format of a call's slots of dtype FLOAT, where all have one of 16 bits; else CLADE_F32. */
clade_dtype clade_opencl_stored(clade_op op, const clade_args *args);

#endif
