/* Types of the numbers in a file's tensors. */
#ifndef CLADE_WEIGHTS_DTYPE_H
#define CLADE_WEIGHTS_DTYPE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum clade_safetensors_dtype {
    CLADE_SAFETENSORS_F32,
    CLADE_SAFETENSORS_F16,
    CLADE_SAFETENSORS_BF16,
    CLADE_SAFETENSORS_F64,
    CLADE_SAFETENSORS_F8_E4M3,
    CLADE_SAFETENSORS_F8_E5M2,
    CLADE_SAFETENSORS_BOOL,
    CLADE_SAFETENSORS_U8,
    CLADE_SAFETENSORS_I8,
    CLADE_SAFETENSORS_U16,
    CLADE_SAFETENSORS_I16,
    CLADE_SAFETENSORS_U32,
    CLADE_SAFETENSORS_I32,
    CLADE_SAFETENSORS_U64,
    CLADE_SAFETENSORS_I64
} clade_safetensors_dtype;

/* Returns "F32" and so on, as in safetensors files. */
const char *clade_safetensors_dtype_name(clade_safetensors_dtype dtype);
size_t clade_safetensors_dtype_size(clade_safetensors_dtype dtype); /* bytes of an element */

/* Finds the type of this name; false: there is none. */
bool clade_safetensors_dtype_find(const char *name, clade_safetensors_dtype *out);

/* Converts `count` little-endian numbers of any floating-point dtype to float32; F64 is rounded to
 * nearest even. Returns false if the dtype is not a floating-point one. */
bool clade_dtype_floats(clade_safetensors_dtype dtype, const void *data, size_t count, float *out);

#endif
