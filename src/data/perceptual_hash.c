/* The perceptual hash of an image, and the similarity of two. */
#include "data/perceptual_hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { side = clade_look_cells, block = 8, coefficients = block * block };

/* Computes the lowest frequencies of the DCT-II: out[u][v] = Σ f[x][y] cos(π(2x+1)u/2N)
 * cos(π(2y+1)v/2N). Omits the factors that make it orthogonal, which are the same for all but u, v
 * = 0. */
static void transform(const float f[side][side], double out[block][block])
{
    static const double pi = 3.14159265358979323846;
    double wave[block][side], half[block][side];
    for (int u = 0; u < block; u++)
        for (int x = 0; x < side; x++) wave[u][x] = cos(pi * (2 * x + 1) * u / (2.0 * side));
    for (int u = 0; u < block; u++)
        for (int y = 0; y < side; y++) {
            double sum = 0;
            for (int x = 0; x < side; x++) sum += wave[u][x] * (double)f[x][y];
            half[u][y] = sum;
        }
    for (int u = 0; u < block; u++)
        for (int v = 0; v < block; v++) {
            double sum = 0;
            for (int y = 0; y < side; y++) sum += wave[v][y] * half[u][y];
            out[u][v] = sum;
        }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint64_t hash_of(const float f[side][side])
{
    double c[block][block], sorted[coefficients - 1];
    transform(f, c);
    const double *flat = &c[0][0];
    for (int i = 1; i < coefficients; i++) sorted[i - 1] = flat[i];
    qsort(sorted, coefficients - 1, sizeof *sorted, by_value);
    double median = sorted[(coefficients - 1) / 2];
    uint64_t hash = 0;
    for (int i = 0; i < coefficients; i++) hash = hash << 1 | (flat[i] > median);
    return hash;
}

void clade_look_take(const float *cells, int32_t channels, clade_look *out)
{
    float grey[side][side];
    for (int i = 0; i < side * side; i++) {
        const float *p = cells + i * channels;
        grey[i / side][i % side] =
            channels == 1 ? p[0] : 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
    }
    out->hash = hash_of((const float(*)[side])grey);
    for (int y = 0; y < clade_look_side; y++)
        for (int x = 0; x < clade_look_side; x++) {
            float sum = grey[2 * y][2 * x] + grey[2 * y][2 * x + 1] + grey[2 * y + 1][2 * x] +
                        grey[2 * y + 1][2 * x + 1];
            out->grey[y * clade_look_side + x] = (uint8_t)(sum / 4 + 0.5f);
        }
    memset(out->grey + clade_look_side * clade_look_side, 0, clade_look_side);
    clade_look_sum(out);
}

int32_t clade_hash_distance(uint64_t a, uint64_t b)
{
    uint64_t x = a ^ b; /* the number of bits, summed in twos, fours, bytes */
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int32_t)(x * 0x0101010101010101u >> 56);
}

enum { n = clade_look_side, differences = 2 * n * (n - 1) };

void clade_edges_take(const clade_look *look, clade_edges *out)
{
    *out = (clade_edges){.look = look};
    for (int i = 0; i < n * n; i++) {
        const uint8_t *p = look->grey + i;
        if (i % n < n - 1) out->across[i] = (int16_t)(p[1] - p[0]);
        if (i / n < n - 1) out->down[i] = (int16_t)(p[n] - p[0]);
    }
}

void clade_look_sum(clade_look *look)
{
    clade_edges e;
    clade_edges_take(look, &e);
    look->sum = look->squares = 0;
    for (int i = 0; i < n * n; i++) {
        look->sum += e.across[i] + e.down[i];
        look->squares += e.across[i] * e.across[i] + e.down[i] * e.down[i];
    }
}

double clade_look_similarity(const clade_look *a, const clade_edges *b)
{
    int32_t products = 0; /* at most 480 · 255² */
    for (int i = 0; i < n * n; i++)
        products += (a->grey[i + 1] - a->grey[i]) * b->across[i] +
                    (a->grey[i + n] - a->grey[i]) * b->down[i];
    const int64_t count = differences, sum = b->look->sum, squares = b->look->squares;
    double x = (double)(count * a->squares - (int64_t)a->sum * a->sum),
           y = (double)(count * squares - sum * sum);
    return x > 0 && y > 0 ? (double)(count * products - a->sum * sum) / sqrt(x * y) : 0;
}
