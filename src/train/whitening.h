/* Kernels that are made of training images (Li et al. 2018, Jordan 2024): what a patch of the
 * input is multiplied by so that its values become uncorrelated and of variance 1. */
#ifndef CLADE_TRAIN_WHITENING_H
#define CLADE_TRAIN_WHITENING_H

#include <clade/train.h>

/* Has the model a layer with such a kernel? */
bool clade_whitening_is_wanted(const clade_model *model);

/* Writes the kernels of a model's convolutions with init: whitening, by docs/training.md:
 * eigenvectors of the covariance of patches, in double and in one order of operations, so that the
 * bits are the same on every host and device. The data set is loaded. Errors: those of decoding,
 * ENOMEM, EDEVICE. */
clade_status clade_whitening_load(const clade_dataset *dataset,
                                  const clade_preprocessing *preprocessing, clade_model *model);

/* Eigenvalues, in falling order, and eigenvectors, row by row, of a symmetric matrix a[n, n], which
 * is spoilt: Jacobi's cyclic rotations. Of a vector the value that is largest by amount, of equals
 * the first, is positive. `value` [n], `vector` [n, n]. */
void clade_whitening_eigen(size_t n, double *a, double *value, double *vector);

#endif
