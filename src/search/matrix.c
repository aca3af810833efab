/* Cholesky factorisation and its uses. */
#include "search/matrix.h"

#include <math.h>

static double dot(size_t n, const double *a, const double *b)
{
    double sum[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) sum[k] += a[i + (size_t)k] * b[i + (size_t)k];
    for (; i < n; i++) sum[0] += a[i] * b[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

bool clade_matrix_factor(size_t n, double *a)
{
    for (size_t i = 0; i < n; i++) {
        double *row = a + i * n;
        for (size_t j = 0; j < i; j++) row[j] = (row[j] - dot(j, row, a + j * n)) / a[j * n + j];
        double rest = row[i] - dot(i, row, row);
        if (!(rest > 0) || !isfinite(rest)) return false;
        row[i] = sqrt(rest);
    }
    return true;
}

void clade_matrix_forward(size_t n, const double *l, double *x)
{
    for (size_t i = 0; i < n; i++) x[i] = (x[i] - dot(i, l + i * n, x)) / l[i * n + i];
}

void clade_matrix_backward(size_t n, const double *l, double *x)
{
    for (size_t i = n; i-- > 0;) {
        x[i] /= l[i * n + i];
        for (size_t j = 0; j < i; j++) x[j] -= l[i * n + j] * x[i];
    }
}

/* Row j of `out` first gets column j of L⁻¹, of which the rows above j are zero. */
void clade_matrix_invert(size_t n, const double *l, double *out)
{
    for (size_t j = 0; j < n; j++) {
        double *column = out + j * n;
        for (size_t i = 0; i < j; i++) column[i] = 0;
        column[j] = 1 / l[j * n + j];
        for (size_t i = j + 1; i < n; i++)
            column[i] = -dot(i - j, l + i * n + j, column + j) / l[i * n + i];
    }
    /* (L⁻ᵀL⁻¹)[i, j] = Σₖ L⁻¹[k, i] L⁻¹[k, j]; k ≥ i ≥ j. Later rows do not need row i below its
     * diagonal, where L⁻¹ had zeros. */
    for (size_t j = 0; j < n; j++)
        for (size_t i = n; i-- > j;) {
            double value = dot(n - i, out + i * n + i, out + j * n + i);
            if (i > j)
                out[i * n + j] = value;
            else
                out[j * n + j] = value;
        }
}
