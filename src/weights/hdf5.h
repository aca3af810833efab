/* Arrays of floats in an HDF5 file as h5py writes it for Keras.
 *
 * Supported (HDF5 File Format Specification 3.0): superblocks 0 and 1, groups of version 1 (B-tree,
 * local heap), object headers of version 1, float32 and float64 in one contiguous or compact block;
 * also as model.weights.h5 in the zip archive that a .keras file is. External links and compressed
 * or chunked data are not. Nothing in the file can make the reader read outside it, use more memory
 * than a small multiple of its size, or take long. */
#ifndef CLADE_WEIGHTS_HDF5_H
#define CLADE_WEIGHTS_HDF5_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { clade_hdf5_max_rank = 8 };

/* An array; everything in it belongs to the file. */
typedef struct clade_hdf5_array {
    const char *name; /* its path: "conv1/conv1/kernel:0". Keras 3 numbers layers: then it has the
                       * layer's own name, "conv1/vars/0" */
    int32_t rank;
    int64_t shape[clade_hdf5_max_rank];
    size_t count;        /* of elements */
    bool wide;           /* float64; else float32 */
    const uint8_t *data; /* little-endian, at any alignment */
} clade_hdf5_array;

typedef struct clade_hdf5 clade_hdf5;

extern const char clade_hdf5_in_zip[]; /* the name of its file in a .keras file */

/* Errors: EIO; EFORMAT (not HDF5, truncated, damaged); EUNSUPPORTED (a form of HDF5 that is not
 * supported; the text says which); ENOMEM. Skips arrays of other types, and anything that is not an
 * array. */
clade_status clade_hdf5_open(const char *path, clade_hdf5 **out);
/* Does the same from memory, which is copied; `name` stands for it in error texts. */
clade_status clade_hdf5_open_memory(const void *bytes, size_t size, const char *name,
                                    clade_hdf5 **out);
void clade_hdf5_destroy(clade_hdf5 **file);

size_t clade_hdf5_count(const clade_hdf5 *file);
const clade_hdf5_array *clade_hdf5_at(const clade_hdf5 *file, size_t i);
/* Converts the `count` values to float32. */
void clade_hdf5_floats(const clade_hdf5_array *array, float *out);

#endif
