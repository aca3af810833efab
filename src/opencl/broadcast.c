/* Launches over broadcast index spaces. */
#include "opencl/broadcast.h"

#include <stdio.h>

opencl_launch clade_opencl_begin_broadcast(opencl_plan *plan, const char *family,
                                           const char *kernel, const uint64_t *a, const uint64_t *b,
                                           int32_t lanes)
{
    char along[32];
    snprintf(along, sizeof along, "-DA_ALONG=%d -DB_ALONG=%d", a[3] != 0, b[3] != 0);
    return clade_opencl_begin_lanes(plan, family, kernel, (uint64_t)lanes, along);
}

void clade_opencl_walk_arguments(opencl_launch *l, const uint64_t *size, const uint64_t *a,
                                 const uint64_t *b)
{
    for (int i = 0; i < 3; i++) clade_opencl_u64(l, size[i]);
    for (int i = 0; i < 3; i++) clade_opencl_u64(l, a[i]);
    for (int i = 0; i < 3; i++) clade_opencl_u64(l, b[i]);
}

void clade_opencl_run_broadcast(opencl_launch *l, const broadcast_space *s, int32_t lanes)
{
    opencl_blocks b = clade_opencl_blocks(l->plan->cl, s->size[0] * s->size[1] * s->size[2],
                                          s->size[3], lanes, 1);
    clade_opencl_block_arguments(l, &b);
    clade_opencl_walk_arguments(l, s->size, s->a, s->b);
    clade_opencl_run_blocks(l, &b);
}
