/* Which lane of a matrix unit holds which element: a product by a unit whose registers are those
 * that its vendor's documents give for an element, loaded and stored as kernels/matrix_layout.clh
 * says, is the product. Compiled for each MATRIX_UNIT and MATRIX_FORMAT. */
#include "test.h"

#include "../../kernels/matrix_layout.clh"

#include <stdbool.h>
#include <stdint.h>

enum { M = UNIT_M, N = UNIT_N, K = K_WORDS * MATRIX_PACK };

typedef struct place {
    int lane, word, half;
} place;

/* ---- the documents: where an element is ---- */

/* Element (row, k) of a; of a second copy, if there is one. */
static place place_a(int row, int k, int copy)
{
    const int w = k / MATRIX_PACK, half = k % MATRIX_PACK;
    switch (MATRIX_UNIT) {
    case MATRIX_MMA: return (place){row % 8 * 4 + w % 4, row / 8 + w / 4 * 2, half};
    case MATRIX_WMMA11: return (place){row + 16 * copy, w, half};
    case MATRIX_WMMA12: return (place){row + k / 8 * 16, w % 4, half};
    case MATRIX_MFMA: return (place){row + w / A_WORDS * 16, w % A_WORDS, half};
    case MATRIX_XMX8: return (place){w, row, half};
    default:
        return MATRIX_FORMAT == MATRIX_TF32 ? (place){k + row % 2 * 8, row / 2, 0}
                                            : (place){k, row / 2, row % 2};
    }
}

static place place_b(int k, int column, int copy)
{
    const int w = k / MATRIX_PACK, half = k % MATRIX_PACK;
    switch (MATRIX_UNIT) {
    case MATRIX_MMA: return (place){column * 4 + w % 4, w / 4, half};
    case MATRIX_WMMA11: return (place){column + 16 * copy, w, half};
    case MATRIX_WMMA12: return (place){column + k / 8 * 16, w % 4, half};
    case MATRIX_MFMA: return (place){column + w / B_WORDS * 16, w % B_WORDS, half};
    default: return (place){column, w, half};
    }
}

static place place_c(int row, int column)
{
    switch (MATRIX_UNIT) {
    case MATRIX_MMA: return (place){row % 8 * 4 + column / 2, row / 8 * 2 + column % 2, 0};
    case MATRIX_WMMA11: return (place){column + row % 2 * 16, row / 2, 0};
    case MATRIX_WMMA12: return (place){column + row / 8 * 16, row % 8, 0};
    case MATRIX_MFMA: return (place){column + row / 4 * 16, row % 4, 0};
    default: return (place){column, row, 0};
    }
}

/* ---- the unit ---- */

static uint32_t a_of[LANES][A_WORDS], b_of[LANES][B_WORDS];
static int32_t c_of[LANES][C_COUNT];

static int element(uint32_t word, int half)
{
    return MATRIX_PACK == 1 ? (int)word : (int)(word >> 16 * half & 0xffff);
}

static int read_a(int row, int k, int copy)
{
    const place p = place_a(row, k, copy);
    return element(a_of[p.lane][p.word], p.half);
}

static int read_b(int k, int column, int copy)
{
    const place p = place_b(k, column, copy);
    return element(b_of[p.lane][p.word], p.half);
}

/* ---- memory ---- */

static int a[M][K], b[K][N], c[M][N];

/* Words along k of a row of a, of a column of b. */
static uint32_t word_a(int row, int w)
{
    return MATRIX_PACK == 1 ? (uint32_t)a[row][w]
                            : (uint32_t)a[row][2 * w] | (uint32_t)a[row][2 * w + 1] << 16;
}

static uint32_t word_b(int w, int column)
{
    return MATRIX_PACK == 1 ? (uint32_t)b[w][column]
                            : (uint32_t)b[2 * w][column] | (uint32_t)b[2 * w + 1][column] << 16;
}

static void load(void)
{
    for (int lane = 0; lane < LANES; lane++) {
        for (int i = 0; i < A_WORDS; i++) {
            const int row = MATRIX_A_ROW(lane, i);
            if (MATRIX_A_TWO_ROWS)
                a_of[lane][i] = (uint32_t)a[row][lane] | (uint32_t)a[row + 1][lane] << 16;
            else
                a_of[lane][i] = word_a(row, MATRIX_A_WORD(lane, i));
        }
        for (int i = 0; i < B_WORDS; i++)
            b_of[lane][i] = word_b(MATRIX_B_WORD(lane, i), MATRIX_B_COLUMN(lane, i));
    }
}

int main(void)
{
    const int copies = MATRIX_UNIT == MATRIX_WMMA11 ? 2 : 1;
    for (int row = 0; row < M; row++)
        for (int k = 0; k < K; k++) a[row][k] = 1 + (row * 31 + k * 7) % 101;
    for (int k = 0; k < K; k++)
        for (int column = 0; column < N; column++) b[k][column] = 1 + (k * 13 + column * 29) % 97;
    load();
    for (int copy = 0; copy < copies; copy++) {
        int wrong = 0;
        memset(c_of, 0, sizeof c_of);
        memset(c, 0, sizeof c);
        for (int row = 0; row < M; row++)
            for (int column = 0; column < N; column++) {
                const place p = place_c(row, column);
                for (int k = 0; k < K; k++)
                    c_of[p.lane][p.word] += read_a(row, k, copy) * read_b(k, column, copy);
            }
        for (int lane = 0; lane < LANES; lane++)
            for (int i = 0; i < C_COUNT; i++)
                c[MATRIX_C_ROW(lane, i)][MATRIX_C_COLUMN(lane, i)] = c_of[lane][i];
        for (int row = 0; row < M; row++)
            for (int column = 0; column < N; column++) {
                int sum = 0;
                for (int k = 0; k < K; k++) sum += a[row][k] * b[k][column];
                wrong += c[row][column] != sum;
            }
        CHECK(!wrong);
    }
    return TEST_END();
}
