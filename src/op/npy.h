/* Arrays in files, in NumPy's format. Source: numpy.lib.format, version 1.0. */
#ifndef CLADE_OP_NPY_H
#define CLADE_OP_NPY_H

#include <clade/tensor.h>

/* Writes a block of the tensor's shape; `wide`: of doubles, else of its dtype. */
clade_status clade_npy_write(const char *path, const clade_tensor *shape, bool wide,
                             const void *block);
/* Reads it into memory of that size. Errors: EIO; EFORMAT if it holds something else. */
clade_status clade_npy_read(const char *path, const clade_tensor *shape, bool wide, void *block);

#endif
