/* The ops as types: ids, arguments and descriptions of each, generated from ops.def. */
#ifndef CLADE_OPS_H
#define CLADE_OPS_H

#include <clade/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CLADE_LINEAR, CLADE_RELU, … */
typedef enum clade_activation {
#define CLADE_ACTIVATION(ID, name, size, derivative, alpha, slope, onnx, doc) CLADE_##ID,
#include <clade/activations.def>
    CLADE_ACTIVATIONS
} clade_activation;

/* What bounds an activation's rounding errors; see activations.def. */
typedef enum clade_activation_size {
    CLADE_ACTIVATION_EXACT,
    CLADE_ACTIVATION_SCALED,
    CLADE_ACTIVATION_BOUNDED,
    CLADE_ACTIVATION_GROWING
} clade_activation_size;

typedef struct clade_activation_info {
    const char *name, *doc;
    const char *onnx; /* the equivalent ONNX operator, or NULL */
    clade_activation_size size;
    bool reads_x; /* its derivative needs x; otherwise it follows from y */
    float alpha;  /* the default of a layer's alpha; 0: it has no alpha */
    double slope; /* the largest derivative, or |alpha| if that is larger */
} clade_activation_info;

/* Returns the table's entry for an activation, which must be valid. */
CLADE_API const clade_activation_info *clade_activation_describe(int32_t act);
static inline bool clade_activation_reads_x(int32_t act)
{
    return clade_activation_describe(act)->reads_x;
}
/* Returns its name; "?" if there is no such activation. */
CLADE_API const char *clade_activation_name(clade_activation act);

/* How an image is resampled to another size. */
typedef enum clade_interpolation {
    CLADE_NEAREST,
    CLADE_BILINEAR,
    CLADE_BILINEAR_ANTIALIAS /* for image files: when reducing, the pixels in between count too */
} clade_interpolation;

/* How pixels outside an image are filled in. */
typedef enum clade_fill_mode {
    CLADE_FILL_NEAREST, /* aaa|abc|ccc: Keras' default */
    CLADE_FILL_CONSTANT,
    CLADE_FILL_REFLECT, /* cba|abc|cba, as scipy.ndimage's "reflect" */
    CLADE_FILL_WRAP,    /* abc|abc|abc */
    CLADE_FILL_MODES
} clade_fill_mode;

/* Returns "nearest", …; "?" if there is no such mode. */
CLADE_API const char *clade_fill_mode_name(clade_fill_mode mode);

/* The operation of one step of image_adjust. */
typedef enum clade_adjustment {
    CLADE_ADJUST_NONE,
    CLADE_ADJUST_BRIGHTNESS,
    CLADE_ADJUST_CONTRAST,
    CLADE_ADJUST_SATURATION,
    CLADE_ADJUST_HUE,
    CLADE_ADJUST_GREY,
    CLADE_ADJUST_POSTERIZE,
    CLADE_ADJUST_SOLARIZE,
    CLADE_ADJUST_AUTOCONTRAST,
    CLADE_ADJUST_SHARPNESS,
    CLADE_ADJUST_EQUALIZE,
    CLADE_ADJUSTMENTS
} clade_adjustment;

/* The format to which factors of products may be rounded, and its significant digits. */
typedef enum clade_factors {
    CLADE_FACTORS_FLOAT32,  /* 24: no rounding */
    CLADE_FACTORS_TF32,     /* 11, with float32's exponents */
    CLADE_FACTORS_BFLOAT16, /* 8, with float32's exponents */
    CLADE_FACTORS_FLOAT16,  /* 11, from 2^-14 to 65504 */
    CLADE_FACTORS
} clade_factors;

/* Returns "float32", "tf32", "bfloat16", "float16"; "?" if there are no such. */
CLADE_API const char *clade_factors_name(clade_factors factors);

/* Types of op parameters that hold a clade_activation, a clade_fill_mode or a clade_factors; their
 * values are validated. */
typedef int32_t clade_act, clade_fill, clade_products;

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

/* Its size in bytes is the largest number of slots of any op. */
union clade_slot_count {
#define CLADE_OP(id, family, forward, flags, doc) struct {
#define CLADE_SLOT(id, kind, name, type, doc) char name;
#define CLADE_OP_END(id)                                                                           \
    }                                                                                              \
    id;
#include <clade/ops.def>
};
enum { CLADE_MOST_SLOTS = sizeof(union clade_slot_count) };

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
    struct clade_prepared *prepared; /* set by clade_call_prepare; NULL before */
} clade_call;

/* What an op does with a slot, as bits. */
enum {
    CLADE_SLOT_READ = 1,
    CLADE_SLOT_WRITTEN = 2,
    CLADE_SLOT_ADDED = 4, /* added to if the parameter `accumulate` is not 0 */
    CLADE_SLOT_OPTIONAL = 8,
    CLADE_SLOT_MODEL = 16 /* a model's parameter: the same for all images */
};

typedef enum clade_slot_kind {
    CLADE_SLOT_IN = CLADE_SLOT_READ,
    CLADE_SLOT_WEIGHT = CLADE_SLOT_READ | CLADE_SLOT_MODEL,
    CLADE_SLOT_OUT = CLADE_SLOT_WRITTEN,
    CLADE_SLOT_GRAD = CLADE_SLOT_WRITTEN | CLADE_SLOT_ADDED,
    CLADE_SLOT_WGRAD = CLADE_SLOT_WRITTEN | CLADE_SLOT_ADDED | CLADE_SLOT_MODEL,
    CLADE_SLOT_STATE = CLADE_SLOT_READ | CLADE_SLOT_WRITTEN,
    CLADE_SLOT_OPT = CLADE_SLOT_IN | CLADE_SLOT_OPTIONAL,
    CLADE_SLOT_OPTWEIGHT = CLADE_SLOT_WEIGHT | CLADE_SLOT_OPTIONAL,
    CLADE_SLOT_OPTOUT = CLADE_SLOT_OUT | CLADE_SLOT_OPTIONAL,
    CLADE_SLOT_OPTGRAD = CLADE_SLOT_GRAD | CLADE_SLOT_OPTIONAL,
    CLADE_SLOT_OPTWGRAD = CLADE_SLOT_WGRAD | CLADE_SLOT_OPTIONAL,
    CLADE_SLOT_OPTSTATE = CLADE_SLOT_STATE | CLADE_SLOT_OPTIONAL
} clade_slot_kind;

static inline bool clade_slot_reads(clade_slot_kind kind) { return kind & CLADE_SLOT_READ; }
static inline bool clade_slot_writes(clade_slot_kind kind) { return kind & CLADE_SLOT_WRITTEN; }
static inline bool clade_slot_accumulates(clade_slot_kind kind) { return kind & CLADE_SLOT_ADDED; }
static inline bool clade_slot_is_optional(clade_slot_kind kind)
{
    return kind & CLADE_SLOT_OPTIONAL;
}
static inline bool clade_slot_is_weight(clade_slot_kind kind) { return kind & CLADE_SLOT_MODEL; }
/* Returns whether the slot's result depends on the call alone, not on its previous contents. */
static inline bool clade_slot_is_result(clade_slot_kind kind)
{
    return clade_slot_writes(kind) && !clade_slot_reads(kind) && !clade_slot_accumulates(kind);
}

typedef enum clade_slot_dtype {
    CLADE_SLOT_F32 = CLADE_F32,
    CLADE_SLOT_U8 = CLADE_U8,
    CLADE_SLOT_I32 = CLADE_I32,
    CLADE_SLOT_LABEL = 16,
    CLADE_SLOT_FLOAT,
    CLADE_SLOT_FACTOR
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
    CLADE_PARAM_float,
    CLADE_PARAM_clade_act, /* an int32_t, as the next ones */
    CLADE_PARAM_clade_fill,
    CLADE_PARAM_clade_products
} clade_param_type;

typedef struct clade_param_info {
    clade_param_type type;
    const char *name, *doc;
    size_t offset, count; /* offset in the op's arguments; number of elements */
    bool per_run;         /* may change from one run of a prepared call to the next */
} clade_param_info;

/* The flags; see ops.def. */
enum { CLADE_OP_INPLACE = 1, CLADE_OP_PER_IMAGE = 2, CLADE_OP_PRODUCT = 4, CLADE_OP_INTEGER = 8 };

typedef struct clade_op_info {
    clade_op op;
    const char *name, *family, *doc;
    clade_op forward; /* the op whose gradient this is, or CLADE_OP_none */
    unsigned flags;
    const clade_slot_info *slots;
    size_t slot_count;
    const clade_param_info *params;
    size_t param_count;
} clade_op_info;

/* Returns the table's entry for an op; never NULL for op < CLADE_OPS. */
CLADE_API const clade_op_info *clade_op_describe(clade_op op);
/* Finds an op by name; CLADE_OP_none if there is none. */
CLADE_API clade_op clade_op_find(const char *name);

/* Returns whether a call with these arguments reads the slot's contents, if only to add to them. */
CLADE_API bool clade_op_reads(const clade_op_info *info, const clade_args *args, size_t slot);

/* Applies the op's shape rule: checks shapes and parameters, and fills in rank, dimensions and
 * dtype of outputs whose dtype is CLADE_NONE (an optional output stays absent). Outputs whose shape
 * the caller gives (see ops.def) must be set. Buffers are ignored. Errors: EINVAL, naming op, slot
 * and what was expected. */
CLADE_API clade_status clade_op_shape(clade_op op, clade_args *args);

/* ---- calls as text ----
 * A call without its memory is written as one line: the op's name, then words in any order:
 *     conv2d x=2x7x9x3 w=3x3x3x5 pad=1,1,1,1 act=leaky_relu alpha=0.3
 * Each word gives a slot its dimensions ("scalar": none) or a parameter its value. Commas separate
 * the elements of an array; activations and fill modes have names. A slot of dtype LABEL holds
 * classes, or probabilities if written label:f32=8x10; a slot of dtype FLOAT is float32 unless
 * written x:bf16= or x:f16=. Slots that are not named are absent, and such outputs take their shape
 * from the op's shape rule; parameters that are not named are 0. Conformance cases are such lines.
 */

enum { CLADE_CALL_TEXT_SIZE = 1024 };

/* Writes the present tensors and the non-zero parameters, in the table's order. */
CLADE_API const char *clade_call_text(clade_op op, const clade_args *args,
                                      char text[CLADE_CALL_TEXT_SIZE]);
/* Parses such a text. Buffers are not set. Errors: EFORMAT, naming the word; those of
 * clade_op_shape. */
CLADE_API clade_status clade_call_parse(const char *text, clade_call *call);

/* ---- parts of the ops' definitions ---- */

/* Returns the number of chunks in which conv2d_dw sums `rows` = n oh output rows for `outputs` = kh
 * kw c/groups k weights, and gives the rows per chunk (the last may have fewer). Part of the op's
 * definition. */
CLADE_API int32_t clade_conv_chunks(int64_t rows, int64_t outputs, int64_t *rows_per_chunk);
/* Does the same for conv2d_dw by Winograd's tiles: chunks of `tiles` for c channels and k
 * filters. */
CLADE_API int32_t clade_winograd_chunks(int64_t tiles, int32_t c, int32_t k,
                                        int64_t *tiles_per_chunk);
/* A sum over the m rows of an [m, c] matrix (batchnorm, reduce, …) is a tree whose shape depends
 * only on m and c. Narrow rows are laid side by side: clade_tree_lanes(c) rows, a power of two,
 * form one row of a matrix with lanes c columns, whose last row may be incomplete. Each of its
 * columns is summed in blocks of CLADE_TREE_ROWS rows, each a chain from 0 over ascending rows. The
 * blocks' sums are added as a binary tree: n of them are split into the first 2^k, the largest
 * power of two below n, and the rest, each summed in the same way, and the two results are added.
 * Then the lanes are added by halves: the first half to the second, until one is left, which is
 * added to 0. */
#define CLADE_TREE_ROWS 64
/* Returns the largest power of two with lanes c <= 64; 1 for a larger c. */
CLADE_API int32_t clade_tree_lanes(int32_t c);
/* A sum along a row of c numbers (softmax, losses): lane l of CLADE_ROW_LANES takes elements l, l +
 * CLADE_ROW_LANES, …, in a chain from 0. Then the lanes are added by halves, like those of a tree:
 * the first half to the second, until one is left, which is added to 0. */
#define CLADE_ROW_LANES 64

#ifdef __cplusplus
}
#endif
#endif
