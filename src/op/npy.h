/* Arrays in files, as NumPy has them. Source: numpy.lib.format, version 1.0. */
#ifndef CLADE_OP_NPY_H
#define CLADE_OP_NPY_H

#include <clade/tensor.h>

/* A block of the tensor's shape; `wide`: of doubles, else as its dtype says. */
clade_status clade_npy_write(const char *path, const clade_tensor *shape, bool wide,
                             const void *block);
/* The way back, into memory of that size. Errors: EIO; EFORMAT where it holds something else. */
clade_status clade_npy_read(const char *path, const clade_tensor *shape, bool wide, void *block);

#endif
