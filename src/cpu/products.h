/* Which calls are multiplied in pairs of bfloat16 numbers (pairs.h). */
#ifndef CLADE_CPU_PRODUCTS_H
#define CLADE_CPU_PRODUCTS_H

#include "cpu/cpu.h"

/* Those of fast math whose tensors, of these dtypes, are bfloat16, as factors of products may be.
 */
static inline bool cpu_takes_pairs(const cpu_context *cpu, clade_products products, clade_dtype a,
                                   clade_dtype b)
{
    return cpu->math == CLADE_FAST && products == CLADE_FACTORS_BFLOAT16 && a == CLADE_BF16 &&
           b == CLADE_BF16;
}

#endif
