/* Ground floor: vector and tile sizes of the convolution kernels; results do not depend on them. */
#ifndef CLADE_OPENCL_TILE_H
#define CLADE_OPENCL_TILE_H

#include "opencl/context.h"

typedef struct opencl_tile {
    int32_t vw, nv, pb;
    char options[64];
} opencl_tile;

/* For `across` results side by side. */
opencl_tile clade_opencl_tile(const opencl_context *cl, int32_t across);
/* Chooses pb for a row of results: the size that leaves the least to do twice. */
void clade_opencl_tile_row(const opencl_context *cl, opencl_tile *tile, int32_t results);
/* Chooses the largest pb that divides n. */
void clade_opencl_tile_divisor(const opencl_context *cl, opencl_tile *tile, int32_t n);
/* "-DVW=16 -DNV=2 -DPB=14" */
const char *clade_opencl_tile_options(opencl_tile *tile);

static inline int32_t opencl_round_up(int32_t n, int32_t to) { return (n + to - 1) / to * to; }

#endif
