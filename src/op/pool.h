/* What the references of pooling share. */
#ifndef CLADE_OP_POOL_H
#define CLADE_OP_POOL_H

#include "op/op.h"

#include "../../kernels/portable.clh"
#include "../../kernels/math.clh"

#ifdef CLADE_ORACLE
static inline REAL reciprocal(int64_t count) { return 1.0 / (double)count; }
#else
static inline REAL reciprocal(int64_t count) { return math_rcp((float)count); }
#endif

/* Returns whether v replaces the best element so far. The first NaN wins and stays. */
static inline bool is_larger(REAL v, REAL best) { return v > best || (isnan(v) && !isnan(best)); }

#endif
