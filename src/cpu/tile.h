/* The register tiles of kernels/conv.clh as functions, one per tile size, for the instruction set
 * at hand. */
#ifndef CLADE_CPU_TILE_H
#define CLADE_CPU_TILE_H

#include "cpu/cpu.h"

#include "../../kernels/conv_pool_tile.clh"

/* As many pixels as fit: into AVX-512's 32 registers; into NEON's 32, of which compilers keep some
 * for x; into 16. */
#if VW == 16
enum { tile_most = TILE_PIXELS };
#elif defined(__aarch64__)
enum { tile_most = 10 };
#else
enum { tile_most = 6 };
#endif

/* What tile_forward reads, and what becomes of its sums: y = or += what `epilogue` makes of them.
 */
typedef struct tile_job {
    const float *src;
    int64_t step, src_row, src_column;
    const float *w;
    int64_t w_row, w_column;
    int32_t w_step, rows, columns, len;
    float *y;               /* of the first pixel and lane */
    int64_t y_step;         /* from one pixel to the next */
    conv_epilogue epilogue; /* of the first pixel and lane */
    int32_t lanes;          /* results per pixel, 1 … nv VW */
    int32_t accumulate;
    int64_t prefetch;
} tile_job;

/* Computes `pixels` (1 … tile_most) results of `vectors` (1 or 2) vectors each, and stores them;
 * what conv_epilogue_rest() does is left to the caller. */
void CPU_NAME(tile_forward)(const tile_job *job, int pixels, int vectors);

/* The largest of each 2 x 2 window of `windows` (1 … windows_most) windows of results of two rows,
 * one vector each, so that both rows fit into registers. Where they go, and how they are finished,
 * says the upper row's job; y_step is from one window to the next. index: bytes placed as y, or
 * NULL. */
enum { windows_most = tile_most / 2 };
void CPU_NAME(tile_pooled)(const tile_job rows[2], uint8_t *index, int windows);

/* The sums of a single tap as they are, added up from what acc[p · TILE_VECTORS · VW + lane] holds;
 * weights are asked for `prefetch` floats ahead. */
void CPU_NAME(tile_sums)(const tile_job *job, int pixels, int vectors, float *acc);

/* part[j · part_step + lane] += Σ over rows of pixels, as tile_weights, or = where `fresh`; `count`
 * (1 … tile_most) values of j. */
typedef struct weights_job {
    const float *x, *dy;
    int64_t x_step, dy_step, x_row, dy_row;
    int32_t pixels, rows;
    float *part;
    int64_t part_step;
    bool fresh;
} weights_job;
void CPU_NAME(tile_weights)(const weights_job *job, int count, int vectors);

/* How many tiles a row of n pixels is cut into, so that they are as even as can be. */
static inline int32_t tile_count(int64_t n) { return (int32_t)((n + tile_most - 1) / tile_most); }

#endif
