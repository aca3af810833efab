/* Broadcasting for references: every index written out. */
#ifndef CLADE_OP_STRETCH_H
#define CLADE_OP_STRETCH_H

#include "op/tree.h"

#include "../../kernels/math.clh"

/* The reciprocal of a number of elements. */
#ifdef CLADE_ORACLE
static inline REAL reciprocal(int64_t count) { return 1.0 / (double)count; }
#else
static inline REAL reciprocal(int64_t count) { return math_rcp((float)count); }
#endif

/* The sizes as four dimensions, padded with 1 in front. */
static inline void sizes_of(const clade_tensor *t, int32_t size[4])
{
    for (int i = 0; i < 4; i++) size[i] = i < 4 - t->rank ? 1 : t->dim[i - (4 - t->rank)];
}

/* The position, in a tensor of these sizes, of the element for an index; sizes of 1 are
 * broadcast. */
static inline size_t stretched_at(const int32_t size[4], const int32_t index[4])
{
    size_t at = 0;
    for (int i = 0; i < 4; i++) at = at * (size_t)size[i] + (size_t)(size[i] == 1 ? 0 : index[i]);
    return at;
}

/* Visits all indices of `size` from `first` on, row-major. */
#define FOR_EACH_INDEX(size, first, index)                                                         \
    for (index[0] = first[0]; index[0] < size[0]; index[0]++)                                      \
        for (index[1] = first[1]; index[1] < size[1]; index[1]++)                                  \
            for (index[2] = first[2]; index[2] < size[2]; index[2]++)                              \
                for (index[3] = first[3]; index[3] < size[3]; index[3]++)

/* The elements of x that are summed into one element of a target; `index` selects it in the
 * dimensions that are kept; b as below. */
typedef struct stretched_column {
    const REAL *x, *b;
    REAL most;
    int32_t in[4], of_b[4], to[4], index[4];
} stretched_column;

/* Adds term i, in the row-major order of the summed dimensions. */
static inline REAL add_stretched(const void *column, int64_t i, REAL sum)
{
    const stretched_column *k = column;
    int32_t at[4];
    for (int d = 3; d >= 0; d--) {
        at[d] = k->index[d];
        if (k->to[d] != 1) continue;
        at[d] = (int32_t)(i % k->in[d]);
        i /= k->in[d];
    }
    const REAL x = k->x[stretched_at(k->in, at)];
    if (!k->b) return sum + x;
    const REAL b = k->b[stretched_at(k->of_b, at)];
    return b > k->most ? sum : REAL_FMA(x, b, sum);
}

/* Gives the number of terms of a sum of x to `target`, and the columns of its tree; more than 64
 * columns all give the same tree. */
static inline int64_t stretched_terms(const clade_tensor *x, const clade_tensor *target)
{
    return (int64_t)(clade_tensor_count(x) / clade_tensor_count(target));
}
static inline int32_t stretched_columns(const clade_tensor *x, const clade_tensor *target)
{
    int64_t c = 1;
    for (int d = x->rank - 1; d >= 0 && c <= 64 && x->dim[d] == target->dim[d]; d--) c *= x->dim[d];
    return c <= 64 ? (int32_t)c : 65;
}

/* target = scale Σ x or, with b, scale Σ x b over terms whose b is not above `most`, summed over
 * the dimensions in which the target is 1 and x is not. */
static inline void sum_stretched(const clade_tensor *x, const clade_tensor *b, REAL most,
                                 const clade_tensor *target, REAL scale, int32_t accumulate)
{
    static const int32_t zero[4] = {0};
    const int64_t m = stretched_terms(x, target);
    const int32_t c = stretched_columns(x, target);
    stretched_column k = {.x = real_of(x), .b = b ? real_of(b) : NULL, .most = most};
    REAL *out = real_of(target);
    sizes_of(x, k.in);
    sizes_of(target, k.to);
    if (b) sizes_of(b, k.of_b);
    FOR_EACH_INDEX(k.to, zero, k.index)
    {
        REAL sum = tree_total(add_stretched, &k, m, c);
        put(&out[stretched_at(k.to, k.index)], scale * sum, accumulate);
    }
}

/* The number of roundings that a term of such a sum goes through. */
static inline int64_t roundings_of_sum(const clade_tensor *x, const clade_tensor *target)
{
    return clade_tree_roundings(stretched_terms(x, target), stretched_columns(x, target));
}

/* Fails with EINVAL unless `t` has the rank of `whole` and each of its sizes is that of `whole` or
 * 1. */
static inline clade_status check_stretched(clade_op op, const char *slot, const clade_tensor *t,
                                           const clade_tensor *whole)
{
    bool fits = t->rank == whole->rank;
    for (int i = 0; fits && i < t->rank; i++) fits = t->dim[i] == 1 || t->dim[i] == whole->dim[i];
    char is[64], of[64];
    if (!fits)
        return clade_fail(CLADE_EINVAL, "%s: %s is %s, expected %s with some sizes 1",
                          clade_op_describe(op)->name, slot, clade_shape_text(t, is),
                          clade_shape_text(whole, of));
    return CLADE_OK;
}

#endif
