/* An op's reference and oracle on blocks of host memory, one per slot, NULL if absent; and
 * comparisons of results with expected values. */
#ifndef CLADE_OP_JUDGE_H
#define CLADE_OP_JUDGE_H

#include "op/half.h"

/* Runs the reference on blocks. Errors: ENOMEM, only with 16-bit tensors. */
clade_status clade_reference_run_on(const clade_op_info *info, const clade_args *args,
                                    void *const blocks[CLADE_MOST_SLOTS]);
/* Runs the oracle on blocks, with doubles in place of floats of all formats. */
void clade_oracle_run_on(const clade_op_info *info, const clade_args *args,
                         void *const blocks[CLADE_MOST_SLOTS]);
/* Returns a block of floats of any format as doubles, rounded to `rounding`
 * (clade_slot_rounding()); copies other dtypes. NULL: out of memory. */
void *clade_block_widen(const clade_tensor *t, clade_dtype rounding, const void *values);
/* Computes the bound of each element of output `slot` after the oracle has run on `blocks`.
 * `before`: the blocks' contents before it ran. */
clade_status clade_impl_bound(const clade_op_info *info, const clade_args *args,
                              void *const before[CLADE_MOST_SLOTS],
                              void *const blocks[CLADE_MOST_SLOTS], size_t slot, double *bound);

/* The smallest normal float32: results below it may be 0. */
#define CLADE_TINY 0x1p-126

/* Returns element i of a block other than float32; for 16-bit formats, its bits. */
static inline int32_t clade_whole_of(clade_dtype dtype, const void *values, size_t i)
{
    return clade_dtype_size(dtype) == 1   ? ((const uint8_t *)values)[i]
           : clade_dtype_size(dtype) == 2 ? ((const uint16_t *)values)[i]
                                          : ((const int32_t *)values)[i];
}
uint32_t clade_bits_of(float v);
/* Returns whether two floats have the same bits; all NaN count as equal. */
bool clade_same_bits(float a, float b);
/* Returns whether both count as zero: subnormal results may be zero, and signs of zeros may then
 * differ. */
bool clade_both_vanish(float a, float b);
/* Returns whether `got` is the right infinity for a true value beyond the largest float32, or
 * within its bound of it. */
bool clade_overflows(double truth, double bound, float got);
/* Returns whether `got`, stored as `dtype`, is at most `bound` from a finite true value. For 16
 * bits: whether it is between the ends of that range, rounded as they are stored. */
bool clade_is_within(clade_dtype dtype, double truth, double bound, float got);
/* Writes the index of element i: "[1, 0, 4, 2]". */
const char *clade_place_text(const clade_tensor *t, size_t i, char text[64]);

#endif
