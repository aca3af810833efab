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

/* S(size) for each number of pixels, and of windows, in a tile. */
#define TILE_SIZES_TO_3(S) S(1) S(2) S(3)
#define TILE_SIZES_TO_5(S) TILE_SIZES_TO_3(S) S(4) S(5)
#define TILE_SIZES_TO_6(S) TILE_SIZES_TO_5(S) S(6)
#define TILE_SIZES_TO_7(S) TILE_SIZES_TO_6(S) S(7)
#define TILE_SIZES_TO_10(S) TILE_SIZES_TO_7(S) S(8) S(9) S(10)
#if VW == 16
#define TILE_SIZES(S) TILE_SIZES_TO_10(S) S(11) S(12) S(13) S(14)
#define TILE_WINDOWS(S) TILE_SIZES_TO_7(S)
#elif defined(__aarch64__)
#define TILE_SIZES(S) TILE_SIZES_TO_10(S)
#define TILE_WINDOWS(S) TILE_SIZES_TO_5(S)
#else
#define TILE_SIZES(S) TILE_SIZES_TO_6(S)
#define TILE_WINDOWS(S) TILE_SIZES_TO_3(S)
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
