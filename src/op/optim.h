/* How norm_clip's sums are cut up and laid out in workspace, the same in every backend. */
#ifndef CLADE_OP_OPTIM_H
#define CLADE_OP_OPTIM_H

#include <clade/ops.h>

/* Chunks of CLADE_REDUCE_CHUNK elements of g, the last of them shorter. */
static inline size_t norm_clip_chunks(const clade_tensor *g)
{
    return (clade_tensor_count(g) + CLADE_REDUCE_CHUNK - 1) / CLADE_REDUCE_CHUNK;
}

#endif
