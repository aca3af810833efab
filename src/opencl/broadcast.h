/* Ground floor: launches over broadcast index spaces (kernels/broadcast.clh). */
#ifndef CLADE_OPENCL_BROADCAST_H
#define CLADE_OPENCL_BROADCAST_H

#include "op/broadcast.h"
#include "opencl/grid.h"

/* A kernel that has BROADCAST_ARGUMENTS, for a's and b's steps, in vectors of `lanes`. */
opencl_launch clade_opencl_begin_broadcast(opencl_plan *plan, const char *family,
                                           const char *kernel, const uint64_t *a, const uint64_t *b,
                                           int32_t lanes);
/* The last of BROADCAST_ARGUMENTS: three sizes, three steps of a and of b. */
void clade_opencl_walk_arguments(opencl_launch *l, const uint64_t *size, const uint64_t *a,
                                 const uint64_t *b);
/* BROADCAST_ARGUMENTS, which are a kernel's last, and the launch over all rows of a space. */
void clade_opencl_run_broadcast(opencl_launch *l, const broadcast_space *space, int32_t lanes);

#endif
