/* Symmetric matrices of a few hundred rows, in double, row after row. */
#ifndef CLADE_SEARCH_MATRIX_H
#define CLADE_SEARCH_MATRIX_H

#include <stdbool.h>
#include <stddef.h>

/* Factors a[n, n] (its lower half) into L·Lᵀ in place. False: it is not positive definite; then a
 * is spoilt. */
bool clade_matrix_factor(size_t n, double *a);
/* x ← L⁻¹x and x ← L⁻ᵀx. */
void clade_matrix_forward(size_t n, const double *l, double *x);
void clade_matrix_backward(size_t n, const double *l, double *x);
/* The lower half of (L·Lᵀ)⁻¹ to out[n, n], which may not be l. */
void clade_matrix_invert(size_t n, const double *l, double *out);

#endif
