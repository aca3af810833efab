/* copy: filling, copying, joining, splitting and padding tensors, and their gradients. */
#include "op/op.h"

/* ---- shapes ---- */

/* The caller gives the output's shape; there is nothing else to check. */
static clade_status shape_fill(clade_args *args)
{
    (void)args;
    return CLADE_OK;
}

static clade_status shape_copy(clade_args *args)
{
    clade_copy_args *a = &args->copy;
    if (!clade_tensor_present(&a->y))
        return clade_infer_shape(CLADE_OP_copy, "y", &a->y, CLADE_F32, a->x.rank, a->x.dim);
    char x[64], y[64];
    if (clade_tensor_count(&a->x) != clade_tensor_count(&a->y))
        return clade_fail(CLADE_EINVAL, "copy: y is %s, expected as many elements as x has, %s",
                          clade_shape_text(&a->y, y), clade_shape_text(&a->x, x));
    return CLADE_OK;
}

/* Checks that `part` lies within `whole`, from `start` on along the axis. */
static clade_status check_part(clade_op op, const clade_tensor *part, const char *part_name,
                               const clade_tensor *whole, const char *whole_name, int32_t axis,
                               int32_t start)
{
    const char *name = clade_op_describe(op)->name;
    if (axis < 0 || axis >= whole->rank)
        return clade_fail(CLADE_EINVAL, "%s: axis is %d, expected 0 to %d", name, axis,
                          whole->rank - 1);
    bool fits = part->rank == whole->rank;
    for (int i = 0; fits && i < part->rank; i++) fits = i == axis || part->dim[i] == whole->dim[i];
    char is[64], in[64];
    if (!fits)
        return clade_fail(
            CLADE_EINVAL, "%s: %s is %s, expected the shape of %s, %s, but for axis %d", name,
            part_name, clade_shape_text(part, is), whole_name, clade_shape_text(whole, in), axis);
    if (start < 0 || (int64_t)start + part->dim[axis] > whole->dim[axis])
        return clade_fail(CLADE_EINVAL, "%s: %s is %s at %d, which is outside of %s, %s", name,
                          part_name, clade_shape_text(part, is), start, whole_name,
                          clade_shape_text(whole, in));
    return CLADE_OK;
}

static clade_status shape_concat(clade_args *args)
{
    clade_concat_args *a = &args->concat;
    return check_part(CLADE_OP_concat, &a->x, "x", &a->y, "y", a->axis, a->start);
}

static clade_status shape_concat_dx(clade_args *args)
{
    clade_concat_dx_args *a = &args->concat_dx;
    if (!clade_tensor_present(&a->dx)) return CLADE_OK;
    return check_part(CLADE_OP_concat_dx, &a->dx, "dx", &a->dy, "dy", a->axis, a->start);
}

static clade_status shape_split(clade_args *args)
{
    clade_split_args *a = &args->split;
    if (!clade_tensor_present(&a->y)) return CLADE_OK;
    return check_part(CLADE_OP_split, &a->y, "y", &a->x, "x", a->axis, a->start);
}

static clade_status shape_split_dx(clade_args *args)
{
    clade_split_dx_args *a = &args->split_dx;
    if (!clade_tensor_present(&a->dx)) return CLADE_OK;
    return check_part(CLADE_OP_split_dx, &a->dy, "dy", &a->dx, "dx", a->axis, a->start);
}

/* Adds two paddings, which crop if negative, to a number of rows or columns. EINVAL if none are
 * left or a number is over 2^30, since kernels use 32-bit positions along an axis. */
static clade_status padded_size(clade_op op, const char *slot, const char *axis, int32_t size,
                                int64_t before, int64_t after, int32_t *out)
{
    const int64_t most = INT64_C(1) << 30;
    int64_t padded = before + size + after;
    if (before < -most || before > most || after < -most || after > most || padded < 1 ||
        padded > most)
        return clade_fail(CLADE_EINVAL,
                          "%s: pad: %lld and %lld around the %d %s of %s leave %lld, expected 1 to "
                          "%lld",
                          clade_op_describe(op)->name, (long long)before, (long long)after, size,
                          axis, slot, (long long)padded, (long long)most);
    *out = (int32_t)padded;
    return CLADE_OK;
}

/* Gives the padded shape of x; sign -1: the shape without the padding. */
static clade_status padded_shape(clade_op op, const char *slot, const clade_tensor *x,
                                 const int32_t pad[4], int64_t sign, int32_t y[4])
{
    clade_status status = clade_expect_rank(op, slot, x, 4);
    if (status) return status;
    y[0] = x->dim[0];
    y[3] = x->dim[3];
    status = padded_size(op, slot, "rows", x->dim[1], sign * pad[0], sign * pad[2], &y[1]);
    if (status) return status;
    return padded_size(op, slot, "columns", x->dim[2], sign * pad[1], sign * pad[3], &y[2]);
}

static clade_status shape_pad(clade_args *args)
{
    clade_pad_args *a = &args->pad;
    int32_t y[4];
    clade_status status = padded_shape(CLADE_OP_pad, "x", &a->x, a->pad, 1, y);
    return status ? status : clade_infer_shape(CLADE_OP_pad, "y", &a->y, CLADE_F32, 4, y);
}

/* dx is dy without the padding. */
static clade_status shape_pad_dx(clade_args *args)
{
    clade_pad_dx_args *a = &args->pad_dx;
    int32_t x[4];
    clade_status status = padded_shape(CLADE_OP_pad_dx, "dy", &a->dy, a->pad, -1, x);
    return status ? status : clade_infer_shape(CLADE_OP_pad_dx, "dx", &a->dx, CLADE_F32, 4, x);
}

/* ---- references ---- */

static void run_fill(const clade_args *args)
{
    const clade_fill_args *a = &args->fill;
    REAL *y = real_of(&a->y);
    size_t n = clade_tensor_count(&a->y);
    for (size_t i = 0; i < n; i++) y[i] = a->value;
}

static void run_copy(const clade_args *args)
{
    const clade_copy_args *a = &args->copy;
    const REAL *x = real_of(&a->x);
    REAL *y = real_of(&a->y);
    size_t n = clade_tensor_count(&a->x);
    for (size_t i = 0; i < n; i++) put(&y[i], x[i], a->accumulate);
}

/* Number of elements per step along the axis. */
static size_t inner_of(const clade_tensor *t, int32_t axis)
{
    size_t n = 1;
    for (int i = axis + 1; i < t->rank; i++) n *= (size_t)t->dim[i];
    return n;
}

/* Converts element i of a part to an element of the whole. */
static size_t place_in(size_t i, size_t inner, size_t part, size_t whole, size_t start)
{
    size_t after = i % inner, along = i / inner % part, before = i / inner / part;
    return (before * whole + start + along) * inner + after;
}

static void run_concat(const clade_args *args)
{
    const clade_concat_args *a = &args->concat;
    const REAL *x = real_of(&a->x);
    REAL *y = real_of(&a->y);
    size_t n = clade_tensor_count(&a->x), inner = inner_of(&a->x, a->axis);
    for (size_t i = 0; i < n; i++)
        y[place_in(i, inner, (size_t)a->x.dim[a->axis], (size_t)a->y.dim[a->axis],
                   (size_t)a->start)] = x[i];
}

/* Copies y, the part of x from `start` on. */
static void take_part(const clade_tensor *x, const clade_tensor *y, int32_t axis, int32_t start,
                      int32_t accumulate)
{
    size_t n = clade_tensor_count(y), inner = inner_of(y, axis);
    for (size_t i = 0; i < n; i++)
        put(&real_of(y)[i],
            real_of(
                x)[place_in(i, inner, (size_t)y->dim[axis], (size_t)x->dim[axis], (size_t)start)],
            accumulate);
}

static void run_concat_dx(const clade_args *args)
{
    const clade_concat_dx_args *a = &args->concat_dx;
    take_part(&a->dy, &a->dx, a->axis, a->start, a->accumulate);
}

static void run_split(const clade_args *args)
{
    const clade_split_args *a = &args->split;
    take_part(&a->x, &a->y, a->axis, a->start, 0);
}

static void run_split_dx(const clade_args *args)
{
    const clade_split_dx_args *a = &args->split_dx;
    const REAL *dy = real_of(&a->dy);
    REAL *dx = real_of(&a->dx);
    size_t n = clade_tensor_count(&a->dy), whole = clade_tensor_count(&a->dx);
    size_t inner = inner_of(&a->dy, a->axis);
    for (size_t i = 0; i < whole && !a->accumulate; i++) dx[i] = 0;
    for (size_t i = 0; i < n; i++)
        put(&dx[place_in(i, inner, (size_t)a->dy.dim[a->axis], (size_t)a->dx.dim[a->axis],
                         (size_t)a->start)],
            dy[i], a->accumulate);
}

/* Visits each element of `to`, [n, h, w, c]. `from` is shifted by top and left; `inside` tells
 * whether that position is in `other`. */
#define FOR_EACH_MOVED(to, other, top, left)                                                       \
    for (int64_t b = 0, at = 0; b < (to)->dim[0]; b++)                                             \
        for (int64_t i = 0; i < (to)->dim[1]; i++)                                                 \
            for (int64_t j = 0; j < (to)->dim[2]; j++)                                             \
                for (int64_t k = 0, row = i + (top), column = j + (left),                          \
                             inside = row >= 0 && row < (other)->dim[1] && column >= 0 &&          \
                                      column < (other)->dim[2],                                    \
                             from = ((b * (other)->dim[1] + row) * (other)->dim[2] + column) *     \
                                    (other)->dim[3];                                               \
                     k < (to)->dim[3]; k++, from++, at++)

static void run_pad(const clade_args *args)
{
    const clade_pad_args *a = &args->pad;
    const REAL *x = real_of(&a->x);
    REAL *y = real_of(&a->y);
    FOR_EACH_MOVED(&a->y, &a->x, -(int64_t)a->pad[0], -(int64_t)a->pad[1])
    {
        y[at] = inside ? x[from] : a->value;
    }
}

static void run_pad_dx(const clade_args *args)
{
    const clade_pad_dx_args *a = &args->pad_dx;
    const REAL *dy = real_of(&a->dy);
    REAL *dx = real_of(&a->dx);
    FOR_EACH_MOVED(&a->dx, &a->dy, (int64_t)a->pad[0], (int64_t)a->pad[1])
    {
        put(&dx[at], inside ? dy[from] : 0, a->accumulate);
    }
}

/* ---- ---- bounds: only the addition to the target rounds ---- ---- */

static int64_t terms_none(const clade_args *args, size_t slot)
{
    (void)args, (void)slot;
    return 0;
}

static int64_t terms_copy(const clade_args *args, size_t slot)
{
    (void)slot;
    return args->copy.accumulate != 0;
}

static int64_t terms_concat_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    return args->concat_dx.accumulate != 0;
}

static int64_t terms_split_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    return args->split_dx.accumulate != 0;
}

static int64_t terms_pad_dx(const clade_args *args, size_t slot)
{
    (void)slot;
    return args->pad_dx.accumulate != 0;
}

/* ---- cases ---- */

#ifndef CLADE_ORACLE
static const clade_case fill_cases[] = {
    {CASE_QUICK, "value", "y=2x3x5x7 value=1.5"},
    {CASE_FULL, "zero", "y=65"},
    {CASE_FULL, "one", "y=1 value=1"},
    {CASE_FULL, "long", "y=37x1021 value=-0.3"},
    {CASE_TIMED, "training", "y=2097152 value=1"},
};

static const clade_case copy_cases[] = {
    {CASE_QUICK, "same", "x=2x3x5x7"},
    {CASE_QUICK, "flatten", "x=3x4x5x16 y=3x320"},
    {CASE_FULL, "one", "x=1 y=1x1x1x1"},
    {CASE_FULL, "long", "x=37x1021"},
    {CASE_TIMED, "training", "x=2097152 y=2097152"},
};

static const clade_case concat_cases[] = {
    {CASE_QUICK, "channels", "x=2x3x5x16 y=2x3x5x40 axis=3 start=8"},
    {CASE_QUICK, "channels-first", "x=2x3x5x3 y=2x3x5x8 axis=3"},
    {CASE_FULL, "channels-last", "x=2x3x5x5 y=2x3x5x8 axis=3 start=3"},
    {CASE_FULL, "all", "x=5x7 y=5x7 axis=1"},
    {CASE_FULL, "rows", "x=5x7 y=12x7 start=4"},
    {CASE_FULL, "height", "x=3x2x5x17 y=3x7x5x17 axis=1 start=5"},
    {CASE_FULL, "width", "x=3x6x1x5 y=3x6x9x5 axis=2 start=1"},
    {CASE_FULL, "row", "x=300 y=1000 start=77"},
    {CASE_QUICK, "one", "x=1 y=2 start=1"},
    {CASE_FULL, "layer", "x=2x17x17x64 y=2x17x17x128 axis=3 start=64"},
    {CASE_TIMED, "training", "x=32x37x37x32 y=32x37x37x64 axis=3 start=32"},
};

static const clade_case split_cases[] = {
    {CASE_QUICK, "channels", "x=2x3x5x40 y=2x3x5x16 axis=3 start=8"},
    {CASE_QUICK, "channels-amid", "x=2x3x5x40 y=2x3x5x16 axis=3 start=6"},
    {CASE_QUICK, "channels-first", "x=2x3x5x8 y=2x3x5x3 axis=3"},
    {CASE_FULL, "channels-last", "x=2x3x5x8 y=2x3x5x5 axis=3 start=3"},
    {CASE_FULL, "one-channel", "x=1x4x3x3 y=1x4x3x1 axis=3 start=1"},
    {CASE_FULL, "all", "x=5x7 y=5x7 axis=1"},
    {CASE_FULL, "rows", "x=12x7 y=5x7 start=4"},
    {CASE_FULL, "height", "x=3x7x5x17 y=3x2x5x17 axis=1 start=5"},
    {CASE_FULL, "width", "x=3x6x9x5 y=3x6x1x5 axis=2 start=1"},
    {CASE_FULL, "row", "x=1000 y=300 start=77"},
    {CASE_FULL, "row-long", "x=70000 y=40000 start=20000"},
    {CASE_QUICK, "one", "x=4 y=1 start=2"},
    {CASE_FULL, "layer", "x=2x17x17x128 y=2x17x17x64 axis=3 start=64"},
    {CASE_TIMED, "training", "x=32x37x37x64 y=32x37x37x32 axis=3 start=32"},
};

static const clade_case pad_cases[] = {
    {CASE_QUICK, "around", "x=2x5x6x3 pad=1,1,1,1"},
    {CASE_QUICK, "uneven", "x=1x4x3x16 pad=0,2,3,1 value=-1.5"},
    {CASE_QUICK, "crop", "x=2x7x8x5 pad=-1,-2,-3,-1"},
    {CASE_FULL, "none", "x=2x3x4x5"},
    {CASE_FULL, "one", "x=1x1x1x1 pad=0,1,0,0 value=7"},
    {CASE_FULL, "shift", "x=2x9x7x17 pad=3,-2,-3,2 value=0.5"},
    {CASE_FULL, "outside", "x=2x2x3x3 pad=-3,1,4,-2 value=2"},
    {CASE_FULL, "layer", "x=2x33x31x32 pad=1,2,2,1"},
    {CASE_TIMED, "training", "x=32x37x37x64 pad=1,1,1,1"},
};
#endif

OP_IMPL(fill, OP_CASES(fill_cases), .terms = terms_none);
OP_IMPL(copy, OP_CASES(copy_cases), .terms = terms_copy);
OP_IMPL(concat, OP_CASES(concat_cases), .terms = terms_none);
OP_IMPL(concat_dx, .terms = terms_concat_dx);
OP_IMPL(split, OP_CASES(split_cases), .terms = terms_none);
OP_IMPL(split_dx, .terms = terms_split_dx);
OP_IMPL(pad, OP_CASES(pad_cases), .terms = terms_none);
OP_IMPL(pad_dx, .terms = terms_pad_dx);
