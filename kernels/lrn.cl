/* Local response normalisation of [..., c]. Where lanes are many, one work-item per element; on few
 * wide cores kernels *_places: elements.clh, an element being a place's c channels. */
#include "elements.clh"
#include "lrn.clh"

kernel void lrn(TENSOR(stored, x), TENSOR(stored, y), int c, int size, float bias, float scale,
                float beta, ELEMENTS)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    int k = (int)(i % (ulong)c);
    float base = lrn_base(x + x0 + i - k, c, k, size, bias, scale);
    S_STORE(y + y0 + i, S_LOAD(x + x0 + i) * lrn_power(base, beta));
}

/* term[i] = what output i adds to gradients. */
kernel void lrn_terms(TENSOR(stored, x), TENSOR(stored, dy), global float *term, int c, int size,
                      float bias, float scale, float beta, ELEMENTS)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    int k = (int)(i % (ulong)c);
    float base = lrn_base(x + x0 + i - k, c, k, size, bias, scale);
    term[i] = lrn_term(S_LOAD(x + x0 + i), S_LOAD(dy + dy0 + i), base, lrn_power(base, beta));
}

kernel void lrn_dx(TENSOR(stored, x), TENSOR(stored, dy), global const float *term,
                   TENSOR(stored, dx), int c, int size, float bias, float scale, float beta,
                   int accumulate, ELEMENTS)
{
    size_t i = get_global_id(0);
    if (i >= n) return;
    int k = (int)(i % (ulong)c);
    int first = max(k - lrn_after(size), 0), last = min(k + lrn_before(size), c - 1);
    float sum = 0.0f;
    for (int j = first; j <= last; j++) sum += term[i - k + j];
    float power = lrn_power(lrn_base(x + x0 + i - k, c, k, size, bias, scale), beta);
    S_PUT(dx + dx0 + i, lrn_gradient(S_LOAD(x + x0 + i), S_LOAD(dy + dy0 + i), power,
                                     lrn_factor(beta, scale), sum));
}

/* Runs a body for the pieces of the work-item's places, which begin at element `at`. */
#define FOR_EACH_PIECE                                                                             \
    const lrn_shape l = {c, size, bias, scale, beta};                                              \
    FOR_EACH_OWN(place, n)                                                                         \
    for (size_t at = place * c, k0 = 0, k1 = min(c, LRN_PIECE); k0 < (size_t)c;                    \
         k0 = k1, k1 = min(c, (int)k1 + LRN_PIECE))

kernel void lrn_places(TENSOR(stored, x), TENSOR(stored, y), int c, int size, float bias,
                       float scale, float beta, ELEMENTS)
{
    FOR_EACH_PIECE lrn_piece(l, x + x0 + at, y + y0 + at, k0, k1);
}

kernel void lrn_dx_places(TENSOR(stored, x), TENSOR(stored, dy), TENSOR(stored, dx), int c,
                          int size, float bias, float scale, float beta, int accumulate, ELEMENTS)
{
    FOR_EACH_PIECE
    lrn_dx_piece(l, x + x0 + at, dy + dy0 + at, dx + dx0 + at, k0, k1, accumulate);
}
