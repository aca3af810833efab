/* Sums along rows (clade/ops.h), for references. */
#ifndef CLADE_OP_ROWS_H
#define CLADE_OP_ROWS_H

#include "op/op.h"

typedef struct row_sum {
    REAL lane[CLADE_ROW_LANES];
} row_sum;

/* The lane to which element j of a row belongs. */
static inline REAL *lane_of(row_sum *s, size_t j) { return &s->lane[j % CLADE_ROW_LANES]; }

static inline REAL total_of(row_sum *s)
{
    for (size_t half = CLADE_ROW_LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) s->lane[l] = s->lane[l] + s->lane[l + half];
    return 0 + s->lane[0];
}

#endif
