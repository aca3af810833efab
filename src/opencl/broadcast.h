/* Launching kernels over rows of vectors cut into blocks, and over broadcast index spaces
 * (kernels/broadcast.clh). */
#ifndef CLADE_OPENCL_BROADCAST_H
#define CLADE_OPENCL_BROADCAST_H

#include "opencl/opencl.h"
#include "op/broadcast.h"

/* Rows of vectors, and how many of each a work-item takes, one after another: blocks on few wide
 * cores, else one. */
typedef struct opencl_blocks {
    uint64_t rows, row_block, vectors, vector_block;
} opencl_blocks;

/* Rows of `width` elements in vectors of `lanes`; each vector takes the time of `work` others. */
opencl_blocks clade_opencl_blocks(const opencl_context *cl, uint64_t rows, uint64_t width,
                                  int32_t lanes, uint64_t work);
/* The kernel's arguments rows, row_block, vectors, vector_block. */
void clade_opencl_block_arguments(opencl_launch *launch, const opencl_blocks *blocks);
clade_status clade_opencl_run_blocks(opencl_launch *launch, const opencl_blocks *blocks);

/* The VW of rows of `width` elements, and a kernel compiled for it. */
int32_t clade_opencl_row_lanes(const opencl_context *cl, uint64_t width);
opencl_launch clade_opencl_begin_rows(opencl_context *cl, const char *family, const char *kernel,
                                      int32_t lanes);

/* The same of a kernel that has BROADCAST_ARGUMENTS, for a's and b's steps. */
opencl_launch clade_opencl_begin_broadcast(opencl_context *cl, const char *family,
                                           const char *kernel, const uint64_t *a, const uint64_t *b,
                                           int32_t lanes);

/* The last of BROADCAST_ARGUMENTS: three sizes, three steps of a and of b. */
void clade_opencl_walk_arguments(opencl_launch *launch, const uint64_t *size, const uint64_t *a,
                                 const uint64_t *b);
/* BROADCAST_ARGUMENTS, which are a kernel's last, and the launch over all rows of a space. */
clade_status clade_opencl_run_broadcast(opencl_launch *launch, const broadcast_space *space,
                                        int32_t lanes);

/* target = factor Σ x, or factor Σ x b, or added to it; b may be NULL. In opencl/reduce.c. */
clade_status clade_opencl_sum(opencl_context *cl, const clade_tensor *x, const clade_tensor *b,
                              const clade_tensor *target, float factor, int32_t accumulate,
                              void *workspace);

#endif
