/* Middle floor: launches of kernels that compute matrix products by tiles: those of
 * kernels/product.clh, for narrow cores, or of kernels/matrix_tile.clh, by matrix units. */
#ifndef CLADE_OPENCL_PRODUCT_H
#define CLADE_OPENCL_PRODUCT_H

#include "opencl/plan.h"

typedef struct opencl_product {
    int64_t rows, columns, count;         /* of results; how many matrices */
    bool a_aligned, b_aligned, c_aligned; /* rows begin at multiples of 4 floats */
    bool windows;                         /* rows belong together in fours */
    clade_products products;              /* by the matrix unit for these; FLOAT32: by fma */
    clade_dtype stored;                   /* how both factors are stored */
    /* chosen by begin: a group's results, and its work-items */
    int32_t bm, bn;
    uint32_t items;
} opencl_product;

/* Are the device's work-groups large enough? And has it, for products of other factors than
 * float32, in fast math, a matrix unit? */
bool clade_opencl_product_can(const opencl_context *cl, clade_products products);
/* Cycles that products by fma take where each result has `steps` steps, as the choice of their tile
 * counts them: for comparing algorithms. */
double clade_opencl_product_cycles(const opencl_context *cl, const opencl_product *p, double steps);
/* Chooses a tile and begins a launch of `kernel` compiled for it, with `more` options. */
opencl_launch clade_opencl_product_begin(opencl_plan *plan, opencl_product *p, const char *family,
                                         const char *kernel, const char *more);
/* One group to a tile along dimension 0, matrices along dimension 1. */
void clade_opencl_product_run(opencl_launch *launch, const opencl_product *p);

/* c = a · b of as many matrices as `points` times `chunks`, rows …_row floats apart; the matrix of
 * a point and a chunk begins that many times …_point and …_chunk behind the first. a is
 * [rows][inner], or [inner][rows] if transposed; b is [inner][columns]; the last chunk has
 * inner_last. */
typedef struct opencl_product_batch {
    const clade_tensor *a, *b, *c;
    int32_t rows, columns, inner, inner_last, transposed;
    int32_t a_row, b_row, c_row;
    uint64_t a_point, b_point, c_point, a_chunk, b_chunk, c_chunk;
    int32_t points, chunks;
} opencl_product_batch;

void clade_opencl_product_batch(opencl_plan *plan, const opencl_product_batch *m);

/* Groups that cover the results of one matrix by tiles of bm × bn. */
static inline int64_t opencl_product_groups(const opencl_product *p, int32_t bm, int32_t bn)
{
    return ((p->rows + bm - 1) / bm) * ((p->columns + bn - 1) / bn);
}

/* ---- by matrix units, in matrix.c ---- */

bool clade_opencl_matrix_can(const opencl_context *cl, clade_products products);
/* Chooses a tile, and writes the compiler's options. */
void clade_opencl_matrix_choose(const opencl_context *cl, opencl_product *p, char *options,
                                size_t size);

/* n floats to a row, the first at `offset`: do all rows begin at multiples of 4? */
static inline bool opencl_aligned(int64_t n, uint64_t offset)
{
    return n % 4 == 0 && offset % 4 == 0;
}

#endif
