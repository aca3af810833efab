/* Launching kernels that work along channels in vectors of VW (kernels/lanes.clh) and stride over a
 * plane of rows and of items in a row: for (row = get_global_id(1); …; row += get_global_size(1)),
 * and the same for items along dimension 0. */
#ifndef CLADE_OPENCL_ROWS_H
#define CLADE_OPENCL_ROWS_H

#include "opencl/opencl.h"

/* The VW that suits c channels: the widest of 16, 8, 4 that divides it on few wide cores, 4 where
 * that divides it elsewhere; else 1. */
int32_t clade_opencl_lanes(const opencl_context *cl, int32_t c);
/* clade_opencl_begin with -DVW for c channels and `more` options. */
opencl_launch clade_opencl_begin_lanes(opencl_context *cl, const char *family, const char *kernel,
                                       int32_t c, const char *more);
/* On few wide cores one work-item per row; else one per item, in groups of the context's size. */
clade_status clade_opencl_run_rows(opencl_launch *launch, uint64_t items, uint64_t rows);

#endif
