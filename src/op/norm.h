/* How batch normalisation's workspace is laid out, the same in every backend: two sets of
 * partial sums [chunks, c], then three values per channel. */
#ifndef CLADE_OP_NORM_H
#define CLADE_OP_NORM_H

#include <clade/ops.h>

typedef struct norm_layout {
    int64_t m, rows; /* rows of [m, c]; rows in a chunk */
    int32_t c, chunks;
    size_t second, channel[3]; /* where they begin, in floats; the first set begins at 0 */
    size_t floats;
} norm_layout;

static inline norm_layout norm_layout_of(const clade_tensor *x)
{
    norm_layout l = {.c = x->dim[x->rank - 1]};
    l.m = (int64_t)(clade_tensor_count(x) / (size_t)l.c);
    l.chunks = clade_row_chunks(l.m, &l.rows);
    l.second = (size_t)l.chunks * (size_t)l.c;
    for (size_t i = 0; i < 3; i++) l.channel[i] = 2 * l.second + i * (size_t)l.c;
    l.floats = 2 * l.second + 3 * (size_t)l.c;
    return l;
}

/* Bytes for a call; 0 for ops of other families. */
static inline size_t norm_workspace_bytes(clade_op op, const clade_args *args)
{
    switch (op) {
    case CLADE_OP_batchnorm: return norm_layout_of(&args->batchnorm.x).floats * sizeof(float);
    case CLADE_OP_batchnorm_dx: return norm_layout_of(&args->batchnorm_dx.x).floats * sizeof(float);
    case CLADE_OP_batchnorm_infer:
        return norm_layout_of(&args->batchnorm_infer.x).floats * sizeof(float);
    case CLADE_OP_batchnorm_infer_dx:
        return norm_layout_of(&args->batchnorm_infer_dx.x).floats * sizeof(float);
    default: return 0;
    }
}

#endif
