/* The safetensors container: named tensors and a map of strings in one file.
 *
 * Layout (https://huggingface.co/docs/safetensors): a 64-bit little-endian header length, that many
 * bytes of JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {…}},
 * then the data, little-endian, row-major. Error texts name the file and the tensor. */
#ifndef CLADE_WEIGHTS_SAFETENSORS_H
#define CLADE_WEIGHTS_SAFETENSORS_H

#include "weights/dtype.h"

#include <clade/status.h>

#include <stddef.h>
#include <stdint.h>

enum { clade_safetensors_max_rank = 8 };

/* A tensor. If a file was opened, everything in it belongs to the file. */
typedef struct clade_safetensors_tensor {
    const char *name;
    clade_safetensors_dtype dtype;
    int32_t rank;
    int64_t shape[clade_safetensors_max_rank];
    const void *data; /* little-endian; aligned as in the file, which may not suit the dtype */
    size_t bytes;     /* number of elements times their size; the writer computes it, and ignores
                       * this */
} clade_safetensors_tensor;

typedef struct clade_safetensors_pair {
    const char *key, *value;
} clade_safetensors_pair;

typedef struct clade_safetensors clade_safetensors;

/* Reads the file into memory and checks all of it: every tensor lies inside the data, with the size
 * of its shape and dtype; none overlap and there are no gaps. Errors: EIO, EFORMAT, EUNSUPPORTED
 * (rank above 8, an unknown dtype), ENOMEM. */
clade_status clade_safetensors_open(const char *path, clade_safetensors **out);
/* Does the same from memory, which is copied; `name` stands for it in error texts. */
clade_status clade_safetensors_open_memory(const void *bytes, size_t size, const char *name,
                                           clade_safetensors **out);
void clade_safetensors_destroy(clade_safetensors **file);

size_t clade_safetensors_count(const clade_safetensors *file);
/* In the order of the header. */
const clade_safetensors_tensor *clade_safetensors_at(const clade_safetensors *file, size_t i);
const clade_safetensors_tensor *clade_safetensors_find(const clade_safetensors *file,
                                                       const char *name); /* NULL: none */
size_t clade_safetensors_metadata_count(const clade_safetensors *file);
clade_safetensors_pair clade_safetensors_metadata_at(const clade_safetensors *file, size_t i);
const char *clade_safetensors_metadata(const clade_safetensors *file,
                                       const char *key); /* NULL: none */

/* Converts a tensor of any floating-point dtype to float32; F64 is rounded to nearest even. `count`
 * must be its number of elements. Errors: EFORMAT (not a floating-point dtype), EINVAL (another
 * count). */
clade_status clade_safetensors_floats(const clade_safetensors *file,
                                      const clade_safetensors_tensor *tensor, size_t count,
                                      float *out);

/* Writes tensors in the given order, with the data starting at a multiple of 64 bytes, and replaces
 * `path` atomically. The same arguments give the same bytes. Errors: EINVAL (a repeated name, a
 * name that is not UTF-8, a negative size), EIO, ENOMEM. */
clade_status clade_safetensors_write(const char *path, const clade_safetensors_tensor *tensors,
                                     size_t count, const clade_safetensors_pair *metadata,
                                     size_t metadata_count);

#endif
