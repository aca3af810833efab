/* Ground floor: how work is cut for a device. Few wide cores have a work-item do a row, a block or
 * a tile, in vectors; many narrow ones have a work-item for each element or vector, in groups. The
 * files above ask here, not what the device is. Results do not depend on any of it.
 *
 * Kernels that stride over a plane of rows and of items in a row do so by
 * for (row = get_global_id(1); …; row += get_global_size(1)), items likewise along dimension 0; VW
 * is the width of their vectors (kernels/lanes.clh). */
#ifndef CLADE_OPENCL_GRID_H
#define CLADE_OPENCL_GRID_H

#include "opencl/plan.h"

/* ---- vectors ---- */

/* The VW that suits rows of `width` elements: the widest of 16, 8, 4 that divides it on wide cores,
 * 4 where that divides it elsewhere; else 1. */
int32_t clade_opencl_lanes(const opencl_context *cl, uint64_t width);
/* The same where each lane is a long sum: 1 on narrow cores, which keeps more of them busy. */
int32_t clade_opencl_sum_lanes(const opencl_context *cl, uint64_t width);
/* Vectors side by side that a work-item sums, of n: 4, 2 or 1. */
int32_t clade_opencl_sum_vectors(const opencl_context *cl, uint64_t n);
/* clade_opencl_begin with -DVW for rows of `width` elements and `more` options. */
opencl_launch clade_opencl_begin_lanes(opencl_plan *plan, const char *family, const char *kernel,
                                       uint64_t width, const char *more);

/* ---- sizes ---- */

/* Work-items for n things side by side: one for each; on wide cores for up to `each` of them. */
size_t clade_opencl_shares(const opencl_context *cl, size_t n, size_t each);
/* Floats that go from kernel to kernel at a time: so many stay in a wide core's cache, or keep
 * narrow ones busy. */
size_t clade_opencl_batch_floats(const opencl_context *cl);

/* ---- launches ---- */

/* One work-item per element of n (rounded up to whole groups of the context's size; the kernel
 * checks). */
void clade_opencl_run_elements(opencl_launch *l, uint64_t n);
/* n work-items that take long: each alone on a wide core, else as run_elements. */
void clade_opencl_run_long(opencl_launch *l, uint64_t n);
/* The arguments ELEMENTS (kernels/elements.clh), which are the kernel's last, and its launch for n
 * elements, each of which takes the time of `work` floats. */
void clade_opencl_run_each(opencl_launch *l, uint64_t n, uint64_t work);
/* On wide cores one work-item per row; else one per item, in groups of the context's size. */
void clade_opencl_run_rows(opencl_launch *l, uint64_t items, uint64_t rows);
/* A grid of work-items that check their place: single ones on wide cores, else groups of about 64.
 */
void clade_opencl_run_checked(opencl_launch *l, size_t x, size_t y, size_t z);
/* The same, of z lines: on wide cores a work-item does all of a line. */
void clade_opencl_run_lines(opencl_launch *l, size_t x, size_t y, size_t z);

/* Rows of vectors, and how many of each a work-item takes, one after another: blocks on wide cores,
 * else one. */
typedef struct opencl_blocks {
    uint64_t rows, row_block, vectors, vector_block;
} opencl_blocks;

/* Rows of `width` elements in vectors of `lanes`, each of which takes the time of `work` others. */
opencl_blocks clade_opencl_blocks(const opencl_context *cl, uint64_t rows, uint64_t width,
                                  int32_t lanes, uint64_t work);
/* The kernel's arguments rows, row_block, vectors, vector_block. */
void clade_opencl_block_arguments(opencl_launch *l, const opencl_blocks *blocks);
void clade_opencl_run_blocks(opencl_launch *l, const opencl_blocks *blocks);

#endif
