/* Symmetric matrices of a few hundred rows, in double, row-major. */
#ifndef CLADE_SEARCH_MATRIX_H
#define CLADE_SEARCH_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

/* Factors a[n, n] (its lower half) into L·Lᵀ in place. Returns false if it is not positive
 * definite; a is then invalid. */
bool clade_matrix_factor(size_t n, double *a);
/* Compute x ← L⁻¹x and x ← L⁻ᵀx. */
void clade_matrix_forward(size_t n, const double *l, double *x);
void clade_matrix_backward(size_t n, const double *l, double *x);
/* Writes the lower half of (L·Lᵀ)⁻¹ to out[n, n], which must not be l. */
void clade_matrix_invert(size_t n, const double *l, double *out);

#endif
