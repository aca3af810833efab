/* The register tiles of kernels/conv.clh whose sums become results, as functions, one per tile
 * size. */
#include "cpu/tile.h"

/* One vector of each pixel's results, of which there are `lanes`. */
INLINE void store_vector(const tile_job *job, V acc[TILE_PIXELS][TILE_VECTORS], const int pb,
                         const int v, const int lanes)
{
    const conv_epilogue f = conv_epilogue_at(&job->epilogue, v * VW, v * VW);
    float *y = job->y + v * VW;
    conv_epilogue_sums(&f, &acc[0][v], pb, TILE_VECTORS, job->y_step, lanes);
    if (job->accumulate) {
        EACH_PIXEL(p, pb) acc[p][v] = conv_load(y + p * job->y_step, lanes) + acc[p][v];
    }
    EACH_PIXEL(p, pb) conv_store(y + p * job->y_step, acc[p][v], lanes);
}

INLINE void store(const tile_job *job, V acc[TILE_PIXELS][TILE_VECTORS], const int pb, const int nv)
{
    UNROLL
    for (int v = 0; v < nv; v++) {
        if (job->lanes >= (v + 1) * VW)
            store_vector(job, acc, pb, v, VW);
        else
            store_vector(job, acc, pb, v, job->lanes - v * VW);
    }
}

INLINE void sums(const tile_job *job, V acc[TILE_PIXELS][TILE_VECTORS], const int pb, const int nv)
{
    tile_forward(acc, pb, nv, job->src, job->step, job->w, job->w_step, job->rows, job->src_row,
                 job->w_row, job->columns, job->src_column, job->w_column, job->len);
}

INLINE void pooled(const tile_job rows[2], uint8_t *index, const int windows)
{
    V acc[2][TILE_PIXELS][TILE_VECTORS];
    const tile_job *job = &rows[0];
    const conv_epilogue f = {.b = job->epilogue.b,
                             .act = job->epilogue.act ? ACT_RELU : ACT_LINEAR};
    sums(&rows[0], acc[0], 2 * windows, 1);
    sums(&rows[1], acc[1], 2 * windows, 1);
    if (job->lanes == VW)
        conv_pool_tile(&f, acc[0], acc[1], windows, 1, VW, job->y, index, job->y_step);
    else
        conv_pool_tile(&f, acc[0], acc[1], windows, 1, job->lanes, job->y, index, job->y_step);
}

#define DEFINE(pb, nv)                                                                             \
    static void forward_##pb##_##nv(const tile_job *job)                                           \
    {                                                                                              \
        V acc[TILE_PIXELS][TILE_VECTORS];                                                          \
        sums(job, acc, pb, nv);                                                                    \
        store(job, acc, pb, nv);                                                                   \
    }
#define DEFINE_BOTH(pb) DEFINE(pb, 1) DEFINE(pb, 2)
TILE_SIZES(DEFINE_BOTH)

#define DEFINE_POOLED(windows)                                                                     \
    static void pooled_##windows(const tile_job *rows, uint8_t *index)                             \
    {                                                                                              \
        pooled(rows, index, windows);                                                              \
    }
TILE_WINDOWS(DEFINE_POOLED)

void CPU_NAME(tile_forward)(const tile_job *job, int pixels, int vectors)
{
    static void (*const table[tile_most][TILE_VECTORS])(const tile_job *) = {
#define ENTRY(pb) {forward_##pb##_1, forward_##pb##_2},
        TILE_SIZES(ENTRY)
#undef ENTRY
    };
    table[pixels - 1][vectors - 1](job);
}

void CPU_NAME(tile_pooled)(const tile_job rows[2], uint8_t *index, int windows)
{
    static void (*const table[windows_most])(const tile_job *, uint8_t *) = {
#define ENTRY(windows) pooled_##windows,
        TILE_WINDOWS(ENTRY)
#undef ENTRY
    };
    table[windows - 1](rows, index);
}
