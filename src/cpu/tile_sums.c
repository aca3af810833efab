/* The register tiles of kernels/conv.clh whose sums go on being added to, as functions, one per
 * tile size: sums of a single tap, and of weight gradients. */
#include "cpu/tile.h"

/* Puts the sums away. */
INLINE void spill(float *out, V acc[TILE_PIXELS][TILE_VECTORS], const int pb, const int nv)
{
    UNROLL
    for (int p = 0; p < pb; p++) {
        UNROLL
        for (int v = 0; v < nv; v++) V_STORE(out + (p * TILE_VECTORS + v) * VW, acc[p][v]);
    }
}

/* What spill() put away. */
INLINE void fill(const float *from, V acc[TILE_PIXELS][TILE_VECTORS], const int pb, const int nv)
{
    UNROLL
    for (int p = 0; p < pb; p++) {
        UNROLL
        for (int v = 0; v < nv; v++) acc[p][v] = V_LOAD(from + (p * TILE_VECTORS + v) * VW);
    }
}

INLINE void sums(const tile_job *job, float *out, const int pb, const int nv)
{
    V acc[TILE_PIXELS][TILE_VECTORS];
    fill(out, acc, pb, nv);
    tile_product(acc, pb, nv, job->src, job->step, job->w, job->w_step, job->len, job->prefetch);
    spill(out, acc, pb, nv);
}

INLINE void weights(const weights_job *job, const int pb, const int nv)
{
    V acc[TILE_PIXELS][TILE_VECTORS];
    UNROLL
    for (int j = 0; j < pb; j++) {
        UNROLL
        for (int v = 0; v < nv; v++)
            acc[j][v] =
                job->fresh ? V_SPLAT(0.0f) : V_LOAD(job->part + j * job->part_step + v * VW);
    }
    for (int32_t r = 0; r < job->rows; r++)
        tile_weights(acc, pb, nv, job->x + r * job->x_row, job->x_step, job->dy + r * job->dy_row,
                     job->dy_step, job->pixels);
    UNROLL
    for (int j = 0; j < pb; j++) {
        UNROLL
        for (int v = 0; v < nv; v++) V_STORE(job->part + j * job->part_step + v * VW, acc[j][v]);
    }
}

#define DEFINE(pb, nv)                                                                             \
    static void sums_##pb##_##nv(const tile_job *job, float *out) { sums(job, out, pb, nv); }      \
    static void weights_##pb##_##nv(const weights_job *job) { weights(job, pb, nv); }
#define DEFINE_BOTH(pb) DEFINE(pb, 1) DEFINE(pb, 2)
TILE_SIZES(DEFINE_BOTH)

void CPU_NAME(tile_sums)(const tile_job *job, int pixels, int vectors, float *acc)
{
    static void (*const table[tile_most][TILE_VECTORS])(const tile_job *, float *) = {
#define ENTRY(pb) {sums_##pb##_1, sums_##pb##_2},
        TILE_SIZES(ENTRY)
#undef ENTRY
    };
    table[pixels - 1][vectors - 1](job, acc);
}

void CPU_NAME(tile_weights)(const weights_job *job, int count, int vectors)
{
    static void (*const table[tile_most][TILE_VECTORS])(const weights_job *) = {
#define ENTRY(pb) {weights_##pb##_1, weights_##pb##_2},
        TILE_SIZES(ENTRY)
#undef ENTRY
    };
    table[count - 1][vectors - 1](job);
}
