/* Launching kernels over broadcast index spaces (kernels/broadcast.clh), and sums over stretched
 * dimensions. */
#ifndef CLADE_OPENCL_BROADCAST_H
#define CLADE_OPENCL_BROADCAST_H

#include "opencl/opencl.h"
#include "op/broadcast.h"

/* A kernel compiled for vectors that divide this width. */
opencl_launch clade_opencl_begin_rows(opencl_context *cl, const char *family, const char *kernel,
                                      uint64_t width);
/* BROADCAST_ARGUMENTS, which are a kernel's last, and the launch. `width`: as given at the beginning. */
clade_status clade_opencl_run_broadcast(opencl_launch *launch, const broadcast_space *space);

/* target = factor Σ x, or factor Σ x b, or added to it; b may be NULL. In opencl/reduce.c. */
clade_status clade_opencl_sum(opencl_context *cl, const clade_tensor *x, const clade_tensor *b,
                              const clade_tensor *target, float factor, int32_t accumulate,
                              void *scratch);

/* Rows of `width` elements, one work-item each, striding over rows where they are many. */
clade_status clade_opencl_run_plain_rows(opencl_launch *launch, uint64_t rows, uint64_t width);

/* The launch of BROADCAST_ARGUMENTS in general: `units` rows in all, each `work` elements of time per
 * vector. */
typedef struct broadcast_grid {
    uint64_t rows, units, width; /* a multiple of the vectors' */
    uint64_t work;
    const uint64_t *size, *a, *b; /* three sizes; four steps */
} broadcast_grid;
clade_status clade_opencl_run_grid_of_rows(opencl_launch *launch, const broadcast_grid *grid);

#endif
