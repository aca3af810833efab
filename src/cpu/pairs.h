/* Pairs of bfloat16 numbers in the 32 bits of a float's lane, for processors that multiply and add
 * them (AVX512-BF16): twice the products of a fused multiply-add, summed in float32. Subnormal
 * numbers count as zeros. */
#ifndef CLADE_CPU_PAIRS_H
#define CLADE_CPU_PAIRS_H

#include "../../kernels/vector.clh"

typedef uint16_t bf16;
typedef __m512i V_pairs; /* lane l: low 16 bits, high 16 bits */

/* The first `lanes`, or all, of a vector of float32; the others are 0. */
INLINE V bf16_load(const bf16 *p, int lanes)
{
    const __mmask16 mask = lanes >= VW ? 0xffff : (__mmask16)((1u << lanes) - 1);
    const __m256i h = _mm256_maskz_loadu_epi16(mask, p);
    return (V)_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
}

INLINE __m256i bf16_of(V v) { return (__m256i)_mm512_cvtneps_pbh((__m512)v); }

INLINE void bf16_store(bf16 *p, V v, int lanes)
{
    const __mmask16 mask = lanes >= VW ? 0xffff : (__mmask16)((1u << lanes) - 1);
    _mm256_mask_storeu_epi16(p, mask, bf16_of(v));
}

INLINE float bf16_float(bf16 h) { return FLOAT_OF((u32)h << 16); }

/* What kernels' tensors are (stored.clh). */
#define STORED_GIVEN
typedef bf16 stored;
#define S_LOAD(p) bf16_float(*(p))
#define S_STORE(p, value) bf16_store(p, V_SPLAT(value), 1)
#define SV_LOAD(p) bf16_load(p, VW)
#define SV_STORE(p, v) bf16_store(p, v, VW)
#define SV_LOAD_PART(p, n) bf16_load(p, n)
#define SV_STORE_PART(p, v, n) bf16_store(p, v, n)
#define S_LANES_LOAD(p, lanes) bf16_load(p, lanes)
#define S_LANES_STORE(p, v, lanes) bf16_store(p, v, lanes)
#include "../../kernels/conv.clh"

/* Both rounded. */
INLINE V_pairs pairs_of(V low, V high)
{
    const __m512i in_turn =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(in_turn,
                                    (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
}

/* The first `lanes`, or all, of two rows of numbers; high: NULL: zeros. */
INLINE V_pairs pairs_join(const bf16 *low, const bf16 *high, int lanes)
{
    const __mmask16 mask = lanes >= VW ? 0xffff : (__mmask16)((1u << lanes) - 1);
    const V_pairs l = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, low));
    if (!high) return l;
    const V_pairs h = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, high));
    return _mm512_or_si512(l, _mm512_slli_epi32(h, 16));
}

INLINE void pairs_store(u32 *p, V_pairs v) { _mm512_storeu_si512(p, v); }

/* acc + low a · low b + high a · high b, in each lane. */
INLINE V pairs_add(V acc, V_pairs a, V_pairs b)
{
    return (V)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)b);
}

/* One pair in all lanes; one number and 0. */
INLINE V_pairs pairs_splat(const void *p)
{
    u32 pair;
    memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32((int)pair);
}
INLINE V_pairs pairs_splat_one(const void *p)
{
    return _mm512_maskz_broadcastw_epi16(0x55555555, _mm_loadu_si16(p));
}

/* acc[p][v] += Σ over i < len of src[p · step + i] · w, whose pairs of i, those of v VW … side by
 * side, are w_step apart. Of the last pair of an odd len the second product is left out. */
INLINE_FOR void pairs_product(V acc[TILE_PIXELS][TILE_VECTORS], const int pb, const int nv,
                              const bf16 *src, i64 step, const u32 *w, i64 w_step, i32 len)
{
    V_pairs wv[TILE_VECTORS];
    i32 i = 0;
    for (; i + 1 < len; i += 2, w += w_step) {
        EACH_VECTOR(v, nv) wv[v] = _mm512_loadu_si512(w + v * VW);
        EACH_PIXEL(p, pb)
        {
            const V_pairs xv = pairs_splat(src + p * step + i);
            EACH_VECTOR(v, nv) acc[p][v] = pairs_add(acc[p][v], xv, wv[v]);
        }
    }
    if (i == len) return;
    EACH_VECTOR(v, nv) wv[v] = _mm512_loadu_si512(w + v * VW);
    EACH_PIXEL(p, pb)
    {
        const V_pairs xv = pairs_splat_one(src + p * step + i);
        EACH_VECTOR(v, nv) acc[p][v] = pairs_add(acc[p][v], xv, wv[v]);
    }
}

/* acc[j][v] += Σ over i < len of x[j] · dy[v VW …], whose pairs of i are x_step and dy_step apart;
 * an odd len likewise. */
INLINE_FOR void pairs_weights(V acc[TILE_PIXELS][TILE_VECTORS], const int pb, const int nv,
                              const u32 *x, i64 x_step, const u32 *dy, i64 dy_step, i32 len)
{
    V_pairs d[TILE_VECTORS];
    i32 i = 0;
    for (; i + 1 < len; i += 2, x += x_step, dy += dy_step) {
        EACH_VECTOR(v, nv) d[v] = _mm512_loadu_si512(dy + v * VW);
        EACH_PIXEL(j, pb)
        {
            const V_pairs xv = pairs_splat(x + j);
            EACH_VECTOR(v, nv) acc[j][v] = pairs_add(acc[j][v], xv, d[v]);
        }
    }
    if (i == len) return;
    EACH_VECTOR(v, nv) d[v] = _mm512_loadu_si512(dy + v * VW);
    EACH_PIXEL(j, pb)
    {
        const V_pairs xv = pairs_splat_one(x + j);
        EACH_VECTOR(v, nv) acc[j][v] = pairs_add(acc[j][v], xv, d[v]);
    }
}

/* Sums of a weight's gradient, the first `lanes` or all, where they belong or to what is there. */
INLINE void pairs_put(float *p, V sum, int accumulate, int lanes)
{
    if (accumulate) sum = sum + (lanes >= VW ? V_LOAD(p) : V_LOAD_PART(p, lanes));
    if (lanes >= VW)
        V_STORE(p, sum);
    else
        V_STORE_PART(p, sum, lanes);
}

#endif
