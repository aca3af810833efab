/* The values of 16-bit tensors in FLOAT slots (ops.def). */
#ifndef CLADE_OP_HALF_H
#define CLADE_OP_HALF_H

#include "op/op.h"

/* Returns element i of a block of floats, bfloat16 or float16. */
float clade_float_of(clade_dtype dtype, const void *values, size_t i);
/* Returns the nearest bfloat16 or float16, ties to even; all NaN of a sign give the same one. */
uint16_t clade_half_of(clade_dtype dtype, float value);

/* Returns a float rounded to a format. */
float clade_rounded(clade_dtype dtype, float value);

/* Returns whether the call has a 16-bit tensor. */
bool clade_args_have_halves(const clade_op_info *info, const clade_args *args);

/* Returns the format to which a call's slot of dtype FACTOR is rounded when read: that of the
 * call's 16-bit tensors. CLADE_F32: the slot has another dtype, or there are no such tensors. */
clade_dtype clade_slot_rounding(const clade_op_info *info, const clade_args *args, size_t slot);

/* Runs the reference on tensors whose buffers have `host` set, of any dtype that the slots accept.
 * Errors: ENOMEM. */
clade_status clade_reference_run(clade_op op, const clade_args *args);

#endif
