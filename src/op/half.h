/* Tensors of 16 bits in FLOAT slots (ops.def), by what their numbers are worth. */
#ifndef CLADE_OP_HALF_H
#define CLADE_OP_HALF_H

#include "op/op.h"

/* Element i of a block of floats, bfloat16 or float16. */
float clade_float_of(clade_dtype dtype, const void *values, size_t i);
/* The nearest bfloat16 or float16, of two the even one; NaN become one of each sign. */
uint16_t clade_half_of(clade_dtype dtype, float value);

/* A float rounded to a format. */
float clade_rounded(clade_dtype dtype, float value);

/* Does the call have a tensor of 16 bits? */
bool clade_args_have_halves(const clade_op_info *info, const clade_args *args);

/* What a call's slot of dtype FACTOR is rounded to as it is read: the format of its tensors of 16
 * bits. CLADE_F32: the slot is another, or there is no such tensor. */
clade_dtype clade_slot_rounding(const clade_op_info *info, const clade_args *args, size_t slot);

/* Runs the reference on tensors whose buffers have `host` set, of any dtype that the slots take.
 * Errors: ENOMEM. */
clade_status clade_reference_run(clade_op op, const clade_args *args);

#endif
