/* The register tiles of kernels/conv.clh as functions, one per tile size. */
#include "cpu/tile.h"

/* One vector of each pixel's results, of which there are `lanes`. */
INLINE void store_vector(const tile_job *job, V acc[TILE_PIXELS][TILE_VECTORS], const int pb,
                         const int v, const int lanes)
{
    const conv_epilogue f = conv_epilogue_at(&job->epilogue, v * VW, v * VW);
    float *y = job->y + v * VW;
    conv_epilogue_sums(&f, &acc[0][v], pb, TILE_VECTORS, job->y_step, lanes);
    if (job->accumulate) {
        UNROLL
        for (int p = 0; p < pb; p++) acc[p][v] = conv_load(y + p * job->y_step, lanes) + acc[p][v];
    }
    UNROLL
    for (int p = 0; p < pb; p++) conv_store(y + p * job->y_step, acc[p][v], lanes);
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

INLINE void add_sums(const tile_job *job, V acc[TILE_PIXELS][TILE_VECTORS], const int pb,
                     const int nv)
{
    tile_product(acc, pb, nv, job->src, job->step, job->w, job->w_step, job->len, job->prefetch);
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

/* One function per size. */
#define SIZES_TO_3(S) S(1) S(2) S(3)
#define SIZES_TO_5(S) SIZES_TO_3(S) S(4) S(5)
#define SIZES_TO_6(S) SIZES_TO_5(S) S(6)
#define SIZES_TO_7(S) SIZES_TO_6(S) S(7)
#define SIZES_TO_10(S) SIZES_TO_7(S) S(8) S(9) S(10)
#if VW == 16
#define SIZES(S) SIZES_TO_10(S) S(11) S(12) S(13) S(14)
#define WINDOWS(S) SIZES_TO_7(S)
#elif defined(__aarch64__)
#define SIZES(S) SIZES_TO_10(S)
#define WINDOWS(S) SIZES_TO_5(S)
#else
#define SIZES(S) SIZES_TO_6(S)
#define WINDOWS(S) SIZES_TO_3(S)
#endif

#define DEFINE(pb, nv)                                                                             \
    static void forward_##pb##_##nv(const tile_job *job)                                           \
    {                                                                                              \
        V acc[TILE_PIXELS][TILE_VECTORS];                                                          \
        sums(job, acc, pb, nv);                                                                    \
        store(job, acc, pb, nv);                                                                   \
    }                                                                                              \
    static void sums_##pb##_##nv(const tile_job *job, float *out)                                  \
    {                                                                                              \
        V acc[TILE_PIXELS][TILE_VECTORS];                                                          \
        fill(out, acc, pb, nv);                                                                    \
        add_sums(job, acc, pb, nv);                                                                \
        spill(out, acc, pb, nv);                                                                   \
    }                                                                                              \
    static void weights_##pb##_##nv(const weights_job *job) { weights(job, pb, nv); }
#define DEFINE_BOTH(pb) DEFINE(pb, 1) DEFINE(pb, 2)
SIZES(DEFINE_BOTH)

#define DEFINE_POOLED(windows)                                                                     \
    static void pooled_##windows(const tile_job *rows, uint8_t *index)                             \
    {                                                                                              \
        pooled(rows, index, windows);                                                              \
    }
WINDOWS(DEFINE_POOLED)

void CPU_NAME(tile_forward)(const tile_job *job, int pixels, int vectors)
{
    static void (*const table[tile_most][TILE_VECTORS])(const tile_job *) = {
#define ENTRY(pb) {forward_##pb##_1, forward_##pb##_2},
        SIZES(ENTRY)
#undef ENTRY
    };
    table[pixels - 1][vectors - 1](job);
}

void CPU_NAME(tile_pooled)(const tile_job rows[2], uint8_t *index, int windows)
{
    static void (*const table[windows_most])(const tile_job *, uint8_t *) = {
#define ENTRY(windows) pooled_##windows,
        WINDOWS(ENTRY)
#undef ENTRY
    };
    table[windows - 1](rows, index);
}

void CPU_NAME(tile_sums)(const tile_job *job, int pixels, int vectors, float *acc)
{
    static void (*const table[tile_most][TILE_VECTORS])(const tile_job *, float *) = {
#define ENTRY(pb) {sums_##pb##_1, sums_##pb##_2},
        SIZES(ENTRY)
#undef ENTRY
    };
    table[pixels - 1][vectors - 1](job, acc);
}

void CPU_NAME(tile_weights)(const weights_job *job, int count, int vectors)
{
    static void (*const table[tile_most][TILE_VECTORS])(const weights_job *) = {
#define ENTRY(pb) {weights_##pb##_1, weights_##pb##_2},
        SIZES(ENTRY)
#undef ENTRY
    };
    table[count - 1][vectors - 1](job);
}
