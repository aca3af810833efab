/* The record that a family file in src/op provides for each of its ops. Each file is compiled
 * twice. With REAL float it is the reference, by which every backend is judged; with REAL double
 * (CLADE_ORACLE) it is the oracle, by which the reference is judged. All functions of a family file
 * are static; OP_IMPL exports one record. */
#ifndef CLADE_OP_OP_H
#define CLADE_OP_OP_H

#include <clade/backend.h>

#include <math.h>

#ifdef CLADE_ORACLE
typedef double REAL;
#define OP_NAME(id) clade_##id##_oracle
#define REAL_FMA(a, b, c) fma(a, b, c)
#else
typedef float REAL;
#define OP_NAME(id) clade_##id##_reference
#define REAL_FMA(a, b, c) __builtin_fmaf(a, b, c)
#endif

/* The distribution from which a slot's values are drawn when a case is judged. */
typedef enum clade_domain {
    CLADE_DOMAIN_NORMAL = 0, /* mean 0, deviation 1 */
    CLADE_DOMAIN_POSITIVE,   /* 0.25 … 2 */
    CLADE_DOMAIN_LABEL,      /* classes below the scores' last dimension; or rows that sum to 1 */
    CLADE_DOMAIN_PIXEL,      /* 0 … 255 */
    CLADE_DOMAIN_AFFINE,     /* rows of a mild affine matrix, gain and offset */
    CLADE_DOMAIN_INDEX,      /* an image of slot x */
    CLADE_DOMAIN_ADJUST,     /* steps of image_adjust */
    CLADE_DOMAIN_CAST        /* 2^-30 … 2^18, many of them halfway between two 16-bit numbers */
} clade_domain;

/* The purpose of a case. */
typedef enum clade_case_kind {
    CASE_QUICK, /* judged in every run */
    CASE_FULL,  /* left out of quick runs */
    CASE_TIMED  /* a size that training uses: timed by `clade bench`, never judged */
} clade_case_kind;

/* A case: the words of a call after the op's name, as clade_call_parse() reads them: shapes of
 * inputs, and parameters. Outputs follow from the shape rule. Cases of gradient ops follow from the
 * forward op's, so that only ops without a forward list any. Names are lower case with dashes; a
 * case's name seeds its data. */
typedef struct clade_case {
    clade_case_kind kind;
    const char *name, *text;
} clade_case;

typedef struct clade_op_impl {
    clade_status (*shape)(clade_args *args);
    /* Computes the op on tensors whose buffers have `host` set, with elements of type REAL for
     * dtype F32. */
    void (*run)(const clade_args *args);
    const clade_case *cases; /* reference only */
    size_t case_count;
    unsigned char domain[CLADE_MOST_SLOTS]; /* clade_domain of each slot */
    /* Returns whether sums of products go through a transform (Winograd's), so that small integers
     * do not stay exact, and NaN and infinities reach the whole tile. NULL: never. */
    bool (*transforms)(const clade_args *args);
    /* INTEGER ops: returns whether output `slot` of small integers may round, as a mean does. NULL:
     * only if a float parameter is not a multiple of 1/16. */
    bool (*inexact)(const clade_args *args, size_t slot);
    /* PRODUCT ops: returns the number of multiplications and additions. */
    double (*flops)(const clade_args *args);

    /* Give the bound on the distance of a float32 result from the oracle's. One of the two is set.
     * terms: each element of output `slot` is a sum of products (or a plain sum), and this is the
     * largest number of roundings that its terms go through; the bound is then gamma(terms) times
     * the oracle run on absolute values. bound: writes the absolute bound of each element of output
     * `slot`; args are the oracle's, inputs and outputs, doubles. The family's comments have
     * derivations, in units of CLADE_UNIT. */
    int64_t (*terms)(const clade_args *args, size_t slot);
    void (*bound)(const clade_args *args, size_t slot, double *bound);
} clade_op_impl;

/* Half the distance from 1 to the next float32: the relative error of one rounding. */
#define CLADE_UNIT 0x1p-24

/* Returns the relative error of a chain of k roundings: at worst k u / (1 − k u) (Higham 2002,
 * lemma 3.1); for long chains the probabilistic 8 sqrt(k) u (Higham and Mary 2019, violated with
 * probability below 1e-13). */
double clade_gamma(int64_t k);
/* Returns the relative error of a product of two rounded factors, to be added to that of their
 * sums; 0 for float32. With u half the distance from 1 to the next number of the format: 2 u + u^2.
 * Below 2^-14, float16 has an error of u times 2^-14, for which clade_impl_bound takes absolute
 * values of factors to be at least 2^-14. */
double clade_products_error(clade_products products);
/* Returns the number of roundings that a term goes through in a tree over the rows of an [m, c]
 * matrix (clade/ops.h): those in a block, plus one per level. */
int64_t clade_tree_roundings(int64_t m, int32_t c);
/* Returns the same for a sum along a row of c. */
int64_t clade_row_roundings(int64_t c);

/* Returns whether a slot may hold a tensor of this dtype. */
bool clade_slot_takes(clade_slot_dtype wanted, clade_dtype given);
/* Returns a slot's default dtype. */
clade_dtype clade_slot_usual(clade_slot_dtype wanted);
/* Return the index of a slot or a parameter by name, or -1. */
int clade_slot_find(const clade_op_info *info, const char *name);
int clade_param_find(const clade_op_info *info, const char *name);

/* Returns whether a slot's tensor has one row for each of n images. */
bool clade_slot_has_images(const clade_slot_info *slot, const clade_tensor *t, int32_t n);
/* Returns the number of images into which the call's batch may be cut: each tensor with images has
 * one row per image, and everything else that the call reads is the same for all. 0: it may not be
 * cut. A gradient's batch may be cut if its forward op's may, unless the gradient sums over
 * images. */
int32_t clade_args_images(const clade_op_info *info, const clade_args *args);

const clade_op_impl *clade_op_reference(clade_op op);
const clade_op_impl *clade_op_oracle(clade_op op);

#define OP_IMPL(id, ...)                                                                           \
    extern const clade_op_impl OP_NAME(id);                                                        \
    const clade_op_impl OP_NAME(id) = {.shape = shape_##id, .run = run_##id, __VA_ARGS__}
/* Cases belong to the op, not to a precision. */
#ifdef CLADE_ORACLE
#define OP_CASES(table) .cases = NULL
#else
#define OP_CASES(table) .cases = table, .case_count = sizeof table / sizeof *table
#endif

/* ---- helpers for shape rules ---- */

/* Checks the rank of slot `t`; the text names op and slot. */
clade_status clade_expect_rank(clade_op op, const char *slot, const clade_tensor *t, int rank);
/* Checks dimensions and dtype. */
clade_status clade_expect_shape(clade_op op, const char *slot, const clade_tensor *t,
                                clade_dtype dtype, int rank, const int32_t *dim);
/* For an output: checks the same, or fills it in if its dtype is CLADE_NONE. */
clade_status clade_infer_shape(clade_op op, const char *slot, clade_tensor *t, clade_dtype dtype,
                               int rank, const int32_t *dim);
/* Computes a dimension of a windowed output: floor((size + pads − (dilation (window − 1) + 1)) /
 * stride) + 1. EINVAL naming op and axis if the window does not fit, or if the padded size, the
 * stride or the dilation is over 2^30. All arguments are sums of two int32_t at most, and none is
 * negative. */
clade_status clade_window_size(clade_op op, const char *axis, int64_t size, int64_t pads,
                               int64_t window, int64_t stride, int64_t dilation, int32_t *out);

/* ---- helpers for references ---- */

/* Another op, in the precision being compiled. */
static inline const clade_op_impl *impl_of(clade_op op)
{
#ifdef CLADE_ORACLE
    return clade_op_oracle(op);
#else
    return clade_op_reference(op);
#endif
}
static inline REAL *real_of(const clade_tensor *t) { return (REAL *)t->buffer->host + t->offset; }
/* The same for bounds, whose tensors are the oracle's. */
static inline const double *doubles_of(const clade_tensor *t)
{
    return (const double *)t->buffer->host + t->offset;
}
static inline int32_t *i32_of(const clade_tensor *t)
{
    return (int32_t *)t->buffer->host + t->offset;
}
static inline uint8_t *u8_of(const clade_tensor *t)
{
    return (uint8_t *)t->buffer->host + t->offset;
}
/* Writes or adds, depending on the parameter `accumulate` of gradient ops. */
static inline void put(REAL *target, REAL value, int32_t accumulate)
{
    *target = accumulate ? *target + value : value;
}
/* Multiplications and additions of a product with weights […, k] that gives outputs […, k]. */
static inline double product_flops(const clade_tensor *weights, const clade_tensor *outputs)
{
    double k = outputs->dim[outputs->rank - 1];
    return 2 * (double)clade_tensor_count(weights) * ((double)clade_tensor_count(outputs) / k);
}
static inline bool is_power_of_two(int64_t v) { return v > 0 && !(v & (v - 1)); }
/* For parameters whose 0 means 1. */
static inline int32_t or_one(int32_t v) { return v ? v : 1; }

#endif
