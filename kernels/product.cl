/* Many matrix products of one size in one launch. */
#include "opencl.clh"
#include "product.clh"

#ifndef A_TURNED
#define A_TURNED 1
#endif
#if A_TURNED
#define FETCH_A product_fetch_transposed
#define PUT_A product_put_turned
#else
#define FETCH_A product_fetch
#define PUT_A product_put
#endif

/* c = a · b for `points` times the number of chunks matrices. a is [rows][inner] (A_TURNED) or
 * [inner][rows]; b is [inner][columns]; rows are a_row, b_row, c_row floats apart. Matrix point +
 * points · chunk begins at point · …_point + chunk · …_chunk; in the last chunk inner is
 * inner_last. Grid: tile (columns fastest, so that neighbouring groups read the same rows of a),
 * matrix. */
PRODUCT_KERNEL void product_batch(TENSOR(const stored, a), TENSOR(const stored_factor, b),
                                  TENSOR(float, c), int rows, int columns, int inner,
                                  int inner_last, int points, int a_row, int b_row, int c_row,
                                  ulong a_point, ulong b_point, ulong c_point, ulong a_chunk,
                                  ulong b_chunk, ulong c_chunk)
{
    PRODUCT_LOCAL;
    int at = get_local_id(0), across = (columns + BN - 1) / BN;
    int tile = get_group_id(0), row = tile / across * BM, column = tile % across * BN;
    int matrix = get_group_id(1), point = matrix % points, chunk = matrix / points;
    int n = (chunk + 1) * points == (int)get_num_groups(1) ? inner_last : inner;
    long a_step = A_TURNED ? 1 : a_row; /* from one step to the next */
    a += a0 + point * a_point + chunk * a_chunk + row * (A_TURNED ? (long)a_row : 1);
    b += b0 + point * b_point + chunk * b_chunk + column;
    c += c0 + point * c_point + chunk * c_chunk + (long)row * c_row + column;
    float acc[WM][WN], av[FETCHES(BM, AV) * AV], bv[FETCHES(BN, BV) * BV];
    product_clear(acc);
    FETCH_A(av, BM, AV, a, a_row, n, rows - row, at);
    product_fetch_factors(bv, BN, BV, b, b_row, n, columns - column, at);
    for (int k = 0; k < n; k += KS) {
        PUT_A(as, BM, AV, av, at);
        product_put(bs, BN, BV, bv, at);
        barrier(CLK_LOCAL_MEM_FENCE);
        int next = k + KS;
        FETCH_A(av, BM, AV, a + next * a_step, a_row, n - next, rows - row, at);
        product_fetch_factors(bv, BN, BV, b + (long)next * b_row, b_row, n - next, columns - column,
                              at);
        product_add(acc, as, bs, min(KS, n - k), at);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    WHOLE
    for (int r = 0; r < WM; r++) {
        int i = PRODUCT_ROW(r, at);
        if (row + i >= rows) continue;
        WHOLE
        for (int j = 0; j < WN; j += RUN_N) {
            int o = PRODUCT_COLUMN(j, at);
            product_store_sums(c + (long)i * c_row + o, acc[r] + j, columns - column - o, 0);
        }
    }
}
