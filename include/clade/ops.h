/* The ops as types: ids, arguments and what there is to know of each, generated from ops.def. */
#ifndef CLADE_OPS_H
#define CLADE_OPS_H

#include <clade/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Activations, with Keras' definitions. The derivative of the first group follows from y alone;
 * that of the second needs x. */
typedef enum clade_activation {
    CLADE_LINEAR,     /* x */
    CLADE_RELU,       /* max(x, 0) */
    CLADE_LEAKY_RELU, /* x ≥ 0 ? x : alpha x, alpha ≥ 0 */
    CLADE_RELU6,      /* min(max(x, 0), 6) */
    CLADE_SIGMOID,    /* 1 / (1 + exp(−x)) */
    CLADE_TANH,
    CLADE_HARD_SIGMOID, /* min(max(x / 6 + 0.5, 0), 1) */
    CLADE_SILU,         /* x sigmoid(x) */
    CLADE_HARD_SWISH,   /* x hard_sigmoid(x) */
    CLADE_GELU,         /* x (1 + erf(x / √2)) / 2 */
    CLADE_ACTIVATIONS
} clade_activation;

static inline bool clade_activation_reads_x(int32_t act) { return act >= CLADE_SILU; }
CLADE_API const char *clade_activation_name(clade_activation act);

/* What lies outside an image. */
typedef enum clade_fill_mode {
    CLADE_FILL_NEAREST, /* aaa|abc|ccc: Keras' default */
    CLADE_FILL_CONSTANT,
    CLADE_FILL_REFLECT, /* cba|abc|cba, as scipy.ndimage's "reflect" */
    CLADE_FILL_WRAP     /* abc|abc|abc */
} clade_fill_mode;

/* CLADE_OP_conv2d, … */
typedef enum clade_op {
#define CLADE_OP(id, family, forward, flags, doc) CLADE_OP_##id,
#include <clade/ops.def>
    CLADE_OPS,
    CLADE_OP_none = CLADE_OPS
} clade_op;

/* clade_conv2d_args, …: the slots in call order, then the parameters. Zero means absent or default.
 */
#define CLADE_OP(id, family, forward, flags, doc) typedef struct clade_##id##_args {
#define CLADE_SLOT(id, kind, name, type, doc) clade_tensor name;
#define CLADE_PARAM(id, type, name, doc) type name;
#define CLADE_PARAMS(id, type, name, count, doc) type name[count];
#define CLADE_OP_END(id)                                                                           \
    }                                                                                              \
    clade_##id##_args;
#include <clade/ops.def>

enum { CLADE_MOST_SLOTS = 9 }; /* of an op */

/* Arguments of any op; the member `slot` views the leading tensors of each. */
typedef union clade_args {
#define CLADE_OP(id, family, forward, flags, doc) clade_##id##_args id;
#include <clade/ops.def>
    clade_tensor slot[CLADE_MOST_SLOTS];
} clade_args;

/* One op with its arguments. */
typedef struct clade_call {
    clade_op op;
    clade_args args;
    struct clade_prepared *prepared; /* by clade_call_prepare; NULL before it */
} clade_call;

typedef enum clade_slot_kind {
    CLADE_SLOT_IN,
    CLADE_SLOT_OPT,
    CLADE_SLOT_OUT,
    CLADE_SLOT_OPTOUT,
    CLADE_SLOT_GRAD,
    CLADE_SLOT_OPTGRAD,
    CLADE_SLOT_STATE,
    CLADE_SLOT_OPTSTATE
} clade_slot_kind;

typedef enum clade_slot_dtype {
    CLADE_SLOT_F32 = CLADE_F32,
    CLADE_SLOT_U8 = CLADE_U8,
    CLADE_SLOT_I32 = CLADE_I32,
    CLADE_SLOT_LABEL
} clade_slot_dtype;

typedef struct clade_slot_info {
    clade_slot_kind kind;
    clade_slot_dtype dtype;
    const char *name, *doc;
} clade_slot_info;

typedef enum clade_param_type {
    CLADE_PARAM_int32_t,
    CLADE_PARAM_uint32_t,
    CLADE_PARAM_uint64_t,
    CLADE_PARAM_float
} clade_param_type;

typedef struct clade_param_info {
    clade_param_type type;
    const char *name, *doc;
    size_t offset, count; /* in the op's arguments; elements */
    bool per_run;         /* it may change from run to run of a prepared call */
} clade_param_info;

enum { CLADE_OP_INPLACE = 1 };

typedef struct clade_op_info {
    clade_op op;
    const char *name, *family, *doc;
    clade_op forward; /* the op whose gradient this is, or CLADE_OP_none */
    unsigned flags;
    const clade_slot_info *slots;
    size_t slot_count;
    const clade_param_info *params;
    size_t param_count;
    size_t args_size;
} clade_op_info;

/* What the table says of an op; never NULL for op < CLADE_OPS. */
CLADE_API const clade_op_info *clade_op_describe(clade_op op);
/* By name; CLADE_OP_none if there is no such op. */
CLADE_API clade_op clade_op_find(const char *name);

/* Applies the op's shape rule: checks shapes and parameters, and fills in rank, dimensions and
 * dtype of outputs whose dtype is CLADE_NONE (an optional output stays absent). Outputs whose shape
 * is the caller's to give (see the op's table) must be set. Buffers are not looked at. Errors:
 * EINVAL, naming op, slot and what was expected. */
CLADE_API clade_status clade_op_shape(clade_op op, clade_args *args);

/* In how many chunks conv2d_dw sums `rows` = n oh output rows for `outputs` = kh kw c/groups k
 * weights, and how many rows a chunk has (the last may have fewer). Part of the op's definition. */
CLADE_API int32_t clade_conv_chunks(int64_t rows, int64_t outputs, int64_t *rows_per_chunk);
/* The same where conv2d_dw is computed by Winograd's tiles: chunks of `tiles` for c channels and k
 * filters. */
CLADE_API int32_t clade_winograd_chunks(int64_t tiles, int32_t c, int32_t k,
                                        int64_t *tiles_per_chunk);
/* The same for reductions over the m rows of an [m, c] matrix to c columns (batchnorm). */
CLADE_API int32_t clade_row_chunks(int64_t m, int64_t *rows_per_chunk);
/* Elements per chunk in reduce and norm_clip. */
#define CLADE_REDUCE_CHUNK 4096

#ifdef __cplusplus
}
#endif
#endif
