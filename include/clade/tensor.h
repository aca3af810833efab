/* Tensors: where an op's operands lie and what shape they have. */
#ifndef CLADE_TENSOR_H
#define CLADE_TENSOR_H

#include <clade/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLADE_MAX_RANK 4

typedef enum clade_dtype {
    CLADE_NONE = 0, /* an absent tensor */
    CLADE_F32,
    CLADE_U8,
    CLADE_I32,
    CLADE_BF16, /* bfloat16: the upper half of a float32 */
    CLADE_F16   /* IEEE 754's binary16 */
} clade_dtype;

/* Memory of one device, created by clade_buffer_create. */
typedef struct clade_buffer clade_buffer;

/* A dense block of a buffer, last dimension fastest: NHWC for activations, HWIO for convolution
 * weights, [in, out] for dense weights. A plain description that owns nothing. All zero: absent. */
typedef struct clade_tensor {
    clade_buffer *buffer;
    uint64_t offset; /* of the first element, in elements */
    clade_dtype dtype;
    int32_t rank;
    int32_t dim[CLADE_MAX_RANK];
} clade_tensor;

static inline bool clade_tensor_present(const clade_tensor *t) { return t->dtype != CLADE_NONE; }

/* Returns the number of elements of a tensor with valid dimensions; 1 for rank 0. */
static inline size_t clade_tensor_count(const clade_tensor *t)
{
    size_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= (size_t)t->dim[i];
    return n;
}

/* Returns whether a dtype is bfloat16 or float16. */
static inline bool clade_dtype_is_half(clade_dtype dtype)
{
    return dtype == CLADE_BF16 || dtype == CLADE_F16;
}
static inline bool clade_dtype_is_float(clade_dtype dtype)
{
    return dtype == CLADE_F32 || clade_dtype_is_half(dtype);
}

static inline size_t clade_dtype_size(clade_dtype dtype)
{
    return dtype == CLADE_NONE ? 0 : dtype == CLADE_U8 ? 1 : clade_dtype_is_half(dtype) ? 2 : 4;
}

/* Returns a float32 tensor without memory: clade_shape(4, n, h, w, c). */
CLADE_API clade_tensor clade_shape(int rank, ...);

/* Writes the shape into `text` and returns it: "[32, 28, 28, 16]". */
CLADE_API const char *clade_shape_text(const clade_tensor *t, char text[64]);

#ifdef __cplusplus
}
#endif
#endif
