/* Broadcast for references: every index written out. */
#ifndef CLADE_OP_STRETCH_H
#define CLADE_OP_STRETCH_H

#include "op/op.h"

#include "../../kernels/math.clh"

/* The reciprocal of a number of elements. */
#ifdef CLADE_ORACLE
static inline REAL reciprocal(int64_t count) { return 1.0 / (double)count; }
#else
static inline REAL reciprocal(int64_t count) { return math_rcp((float)count); }
#endif

/* Sizes as four, with 1 in front. */
static inline void sizes_of(const clade_tensor *t, int32_t size[4])
{
    for (int i = 0; i < 4; i++) size[i] = i < 4 - t->rank ? 1 : t->dim[i - (4 - t->rank)];
}

/* Where a tensor of these sizes has what belongs to an index; sizes of 1 are stretched. */
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

/* target = scale Σ x, or with b scale Σ x b without the terms whose b is above `most`, over the
 * dimensions in which the target is 1 and x is not. */
static inline void sum_stretched(const clade_tensor *x, const clade_tensor *b, REAL most,
                                 const clade_tensor *target, REAL scale, int32_t accumulate)
{
    static const int32_t zero[4] = {0};
    int32_t in[4], other[4] = {1, 1, 1, 1}, to[4], t[4], i[4];
    sizes_of(x, in);
    sizes_of(target, to);
    if (b) sizes_of(b, other);
    const REAL *v = real_of(x), *w = b ? real_of(b) : NULL;
    REAL *out = real_of(target);
    FOR_EACH_INDEX(to, zero, t)
    {
        int32_t end[4];
        for (int d = 0; d < 4; d++) end[d] = to[d] == 1 ? in[d] : t[d] + 1;
        REAL sum = 0, chunk = 0;
        int64_t taken = 0;
        FOR_EACH_INDEX(end, t, i)
        {
            REAL e = v[stretched_at(in, i)], factor = w ? w[stretched_at(other, i)] : 0;
            if (!w)
                chunk += e;
            else if (!(factor > most))
                chunk = REAL_FMA(e, factor, chunk);
            if (++taken % CLADE_REDUCE_CHUNK) continue;
            sum += chunk;
            chunk = 0;
        }
        if (taken % CLADE_REDUCE_CHUNK) sum += chunk;
        put(&out[stretched_at(to, t)], scale * sum, accumulate);
    }
}

/* How many roundings a term of such a sum of `x` to `target` goes through: in its chunk and in the
 * sum of chunks. */
static inline int64_t roundings_of_sum(const clade_tensor *x, const clade_tensor *target)
{
    int64_t terms = (int64_t)(clade_tensor_count(x) / clade_tensor_count(target));
    int64_t chunks = (terms + CLADE_REDUCE_CHUNK - 1) / CLADE_REDUCE_CHUNK;
    return (terms < CLADE_REDUCE_CHUNK ? terms : CLADE_REDUCE_CHUNK) + chunks;
}

/* EINVAL unless each size of `t` is that of `whole` or 1, at the same rank. */
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
