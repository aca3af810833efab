/* dense and its gradients of bfloat16 tensors, in fast math; `halves` says of which calls. */
#ifndef CLADE_CPU_DENSE_PAIRS_H
#define CLADE_CPU_DENSE_PAIRS_H

#include "cpu/cpu.h"

extern const cpu_op CPU_NAME(dense_pairs), CPU_NAME(dense_dx_pairs), CPU_NAME(dense_dw_pairs);

#endif
