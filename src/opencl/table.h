/* Middle floor: all ops of all families. */
#ifndef CLADE_OPENCL_TABLE_H
#define CLADE_OPENCL_TABLE_H

#include "opencl/ops.h"

/* How an op is done; NULL: the backend has no version of it. */
const opencl_op *clade_opencl_op(clade_op op);

#endif
