/* An op's reference and oracle on blocks of host memory: one for each slot, NULL where it is
 * absent; and when a result is the expected one. */
#ifndef CLADE_OP_JUDGE_H
#define CLADE_OP_JUDGE_H

#include "op/half.h"

/* Runs the reference on blocks. Errors: ENOMEM, with tensors of 16 bits alone. */
clade_status clade_reference_run_on(const clade_op_info *info, const clade_args *args,
                                    void *const blocks[CLADE_MOST_SLOTS]);
/* Runs the oracle on blocks, of doubles for floats of all formats. */
void clade_oracle_run_on(const clade_op_info *info, const clade_args *args,
                         void *const blocks[CLADE_MOST_SLOTS]);
/* Doubles of a block of floats of any format, rounded to `rounding` (clade_slot_rounding()); other
 * dtypes are copied. NULL if out of memory. */
void *clade_block_widen(const clade_tensor *t, clade_dtype rounding, const void *values);
/* The bound of each element of output `slot` after the oracle has run on `blocks`. `before`: what
 * the blocks held when it began. */
clade_status clade_impl_bound(const clade_op_info *info, const clade_args *args,
                              void *const before[CLADE_MOST_SLOTS],
                              void *const blocks[CLADE_MOST_SLOTS], size_t slot, double *bound);

/* The smallest normal float32: what may underflow to zero is free to. */
#define CLADE_TINY 0x1p-126

/* Element i of a block of numbers that are not float32; of 16 bits their bits. */
static inline int32_t clade_whole_of(clade_dtype dtype, const void *values, size_t i)
{
    return clade_dtype_size(dtype) == 1   ? ((const uint8_t *)values)[i]
           : clade_dtype_size(dtype) == 2 ? ((const uint16_t *)values)[i]
                                          : ((const int32_t *)values)[i];
}
uint32_t clade_bits_of(float v);
/* All NaN count as one. */
bool clade_same_bits(float a, float b);
/* Subnormal results may be zero and zeros' signs then differ from theirs. */
bool clade_both_vanish(float a, float b);
/* Is `got` the infinity that a truth beyond the largest float32, or within its bound of it,
 * becomes? */
bool clade_overflows(double truth, double bound, float got);
/* Is `got`, stored as `dtype`, no further than `bound` from a truth, which is finite? In 16 bits:
 * is it between both ends of what is allowed, each rounded as it is stored? */
bool clade_is_within(clade_dtype dtype, double truth, double bound, float got);
/* "[1, 0, 4, 2]" of element i */
const char *clade_place_text(const clade_tensor *t, size_t i, char text[64]);

#endif
