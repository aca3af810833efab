/* Constants in another shape or order: Reshape to Concat. */
#include "onnx/fold.h"

#include <string.h>

static clade_status copy_as(clade_onnx_reader *r, const clade_onnx_constant *x, int32_t rank,
                            const int64_t *dim, clade_onnx_constant *y)
{
    clade_status status = clade_onnx_constant_make(&r->file, x->real, rank, dim, y);
    if (status) return status;
    if (y->count != x->count) return clade_fail(CLADE_EFORMAT, "a different number of elements");
    if (x->real)
        memcpy(y->f, x->f, x->count * sizeof *x->f);
    else
        memcpy(y->i, x->i, x->count * sizeof *x->i);
    return CLADE_OK;
}

clade_status clade_onnx_fold_same(clade_onnx_reader *r, const Onnx__Node *node,
                                  const clade_onnx_constant *const *x, size_t count,
                                  clade_onnx_constant *y)
{
    (void)node, (void)count;
    return copy_as(r, x[0], x[0]->rank, x[0]->dim, y);
}

clade_status clade_onnx_fold_reshape(clade_onnx_reader *r, const Onnx__Node *node,
                                     const clade_onnx_constant *const *x, size_t count,
                                     clade_onnx_constant *y)
{
    int64_t to[clade_onnx_max_rank];
    size_t rank = 0, known = 1, total = x[0]->count;
    const Onnx__Attribute *a = clade_onnx_attribute(node, "shape");
    clade_status status =
        clade_onnx_fold_expect(a || (count == 2 && !x[1]->real && x[1]->rank == 1), "the shape");
    if (status) return status;
    rank = a ? a->n_ints : x[1]->count;
    status = clade_onnx_fold_expect(rank <= clade_onnx_max_rank, "more than 8 dimensions");
    int open = -1;
    for (size_t k = 0; k < rank && !status; k++) {
        to[k] = a ? a->ints[k] : x[1]->i[k];
        if (to[k] == 0 && (int32_t)k < x[0]->rank) to[k] = x[0]->dim[k];
        if (to[k] == -1 && open < 0)
            open = (int)k;
        else if (to[k] < 1 || known > total / (size_t)to[k])
            status = clade_fail(CLADE_EFORMAT, "its shape does not fit");
        else
            known *= (size_t)to[k];
    }
    if (status) return status;
    if (open >= 0) to[open] = (int64_t)(total / known);
    return copy_as(r, x[0], (int32_t)rank, to, y);
}

clade_status clade_onnx_fold_squeeze(clade_onnx_reader *r, const Onnx__Node *node,
                                     const clade_onnx_constant *const *x, size_t count,
                                     clade_onnx_constant *y)
{
    int64_t axis[clade_onnx_max_rank], to[2 * clade_onnx_max_rank];
    const Onnx__Attribute *a = clade_onnx_attribute(node, "axes");
    bool in = !strcmp(node->op_type, "Unsqueeze"), named[2 * clade_onnx_max_rank] = {false};
    size_t n = a ? a->n_ints : count > 1 ? x[1]->count : 0;
    clade_status status =
        clade_onnx_fold_expect(n <= clade_onnx_max_rank && !(count > 1 && x[1]->real), "axes");
    if (status) return status;
    int32_t whole = x[0]->rank + (in ? (int32_t)n : 0), rank = 0, next = 0;
    for (size_t k = 0; k < n; k++) {
        axis[k] = a ? a->ints[k] : x[1]->i[k];
        if (axis[k] < 0) axis[k] += whole;
        if (axis[k] < 0 || axis[k] >= whole || named[axis[k]])
            return clade_fail(CLADE_EFORMAT, "axes out of range");
        named[axis[k]] = true;
    }
    for (int32_t k = 0; k < whole; k++) {
        if (in)
            to[rank++] = named[k] ? 1 : x[0]->dim[next++];
        else if (!named[k] && !(n == 0 && x[0]->dim[k] == 1))
            to[rank++] = x[0]->dim[k];
    }
    return copy_as(r, x[0], rank, to, y);
}

clade_status clade_onnx_fold_transpose(clade_onnx_reader *r, const Onnx__Node *node,
                                       const clade_onnx_constant *const *x, size_t count,
                                       clade_onnx_constant *y)
{
    (void)count;
    const Onnx__Attribute *a = clade_onnx_attribute(node, "perm");
    int32_t rank = x[0]->rank;
    int64_t dim[clade_onnx_max_rank], step[clade_onnx_max_rank], from[clade_onnx_max_rank],
        size = 1;
    bool seen[clade_onnx_max_rank] = {false};
    if (a && a->n_ints != (size_t)rank) return clade_fail(CLADE_EFORMAT, "perm does not fit");
    for (int32_t k = rank - 1; k >= 0; k--) {
        step[k] = size;
        size *= x[0]->dim[k];
    }
    for (int32_t k = 0; k < rank; k++) {
        int64_t p = a ? a->ints[k] : rank - 1 - k;
        if (p < 0 || p >= rank || seen[p]) return clade_fail(CLADE_EFORMAT, "perm does not fit");
        seen[p] = true;
        dim[k] = x[0]->dim[p];
        from[k] = step[p];
    }
    clade_status status = clade_onnx_constant_make(&r->file, x[0]->real, rank, dim, y);
    for (size_t i = 0; i < y->count && !status; i++) {
        size_t rest = i, at = 0;
        for (int32_t k = rank - 1; k >= 0; k--) {
            at += rest % (size_t)dim[k] * (size_t)from[k];
            rest /= (size_t)dim[k];
        }
        if (y->real)
            y->f[i] = x[0]->f[at];
        else
            y->i[i] = x[0]->i[at];
    }
    return status;
}

/* Takes slices of x along an axis: y's slice k is x's slice from[k]. */
static clade_status take_slices(clade_onnx_reader *r, const clade_onnx_constant *x, int64_t axis,
                                const int64_t *from, int64_t n, int32_t rank, const int64_t *dim,
                                clade_onnx_constant *y)
{
    size_t inner = 1, outer = 1, whole = (size_t)x->dim[axis];
    for (int32_t k = 0; k < x->rank; k++)
        if (k < axis)
            outer *= (size_t)x->dim[k];
        else if (k > axis)
            inner *= (size_t)x->dim[k];
    clade_status status = clade_onnx_constant_make(&r->file, x->real, rank, dim, y);
    for (size_t o = 0; o < outer && !status; o++)
        for (size_t k = 0; k < (size_t)n; k++)
            for (size_t i = 0; i < inner; i++) {
                size_t at = (o * whole + (size_t)from[k]) * inner + i;
                size_t to = (o * (size_t)n + k) * inner + i;
                if (y->real)
                    y->f[to] = x->f[at];
                else
                    y->i[to] = x->i[at];
            }
    return status;
}

clade_status clade_onnx_fold_gather(clade_onnx_reader *r, const Onnx__Node *node,
                                    const clade_onnx_constant *const *x, size_t count,
                                    clade_onnx_constant *y)
{
    int64_t axis = clade_onnx_int(node, "axis", 0), dim[2 * clade_onnx_max_rank], rank = 0;
    clade_status status =
        clade_onnx_fold_expect(count == 2 && !x[1]->real && x[0]->rank > 0, "indices");
    if (status) return status;
    if (axis < 0) axis += x[0]->rank;
    if (axis < 0 || axis >= x[0]->rank) return clade_fail(CLADE_EFORMAT, "axis out of range");
    for (int32_t k = 0; k < x[0]->rank; k++) {
        if (k != axis) {
            dim[rank++] = x[0]->dim[k];
            continue;
        }
        for (int32_t j = 0; j < x[1]->rank; j++) dim[rank++] = x[1]->dim[j];
    }
    size_t n = x[1]->count;
    int64_t *from = clade_onnx_take(&r->file, n ? n : 1, sizeof *from);
    if (!from) return CLADE_ENOMEM;
    for (size_t k = 0; k < n && !status; k++) {
        from[k] = x[1]->i[k] < 0 ? x[1]->i[k] + x[0]->dim[axis] : x[1]->i[k];
        if (from[k] < 0 || from[k] >= x[0]->dim[axis])
            status = clade_fail(CLADE_EFORMAT, "indices out of range");
    }
    if (!status) status = take_slices(r, x[0], axis, from, (int64_t)n, (int32_t)rank, dim, y);
    clade_onnx_give(&r->file, from);
    return status;
}

/* Numbers of Slice: from an attribute, or later from an input. *count −1: not given. */
static clade_status slice_numbers(const Onnx__Node *node, const char *name,
                                  const clade_onnx_constant *const *x, size_t count, size_t input,
                                  int64_t out[clade_onnx_max_rank], int32_t *given)
{
    const Onnx__Attribute *a = clade_onnx_attribute(node, name);
    const clade_onnx_constant *c = !a && count > input ? x[input] : NULL;
    *given = -1;
    if (!a && !c) return CLADE_OK;
    size_t n = a ? a->n_ints : c->count;
    if (n > clade_onnx_max_rank || (c && c->real)) return clade_onnx_fold_expect(false, name);
    for (size_t k = 0; k < n; k++) out[k] = a ? a->ints[k] : c->i[k];
    *given = (int32_t)n;
    return CLADE_OK;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* A negative place counts from the end; −1: before the beginning. */
static int64_t from_end(int64_t v, int64_t size) { return v >= 0 ? v : v < -size ? -1 : v + size; }

static clade_status slice_axis(clade_onnx_reader *r, const clade_onnx_constant *x, int64_t axis,
                               int64_t start, int64_t end, int64_t step, clade_onnx_constant *y)
{
    int64_t dim[clade_onnx_max_rank], n = 0;
    if (axis < 0) axis += x->rank;
    if (axis < 0 || axis >= x->rank) return clade_fail(CLADE_EFORMAT, "axis out of range");
    int64_t size = x->dim[axis];
    if (step == 0 || step < -size - 1)
        return clade_onnx_fold_expect(false, "a step that is 0 or beyond the ends");
    start = clamp(from_end(start, size), -1, size);
    end = clamp(from_end(end, size), -1, size);
    if (step > 0) {
        start = clamp(start, 0, size);
        end = clamp(end, 0, size);
        step = clamp(step, 1, size + 1);
        if (end > start) n = (end - start + step - 1) / step;
    } else {
        start = clamp(start, -1, size - 1);
        if (start > end) n = (start - end - step - 1) / -step;
    }
    memcpy(dim, x->dim, sizeof dim);
    dim[axis] = n;
    int64_t *from = clade_onnx_take(&r->file, (uint64_t)n + 1, sizeof *from);
    if (!from) return CLADE_ENOMEM;
    for (int64_t k = 0; k < n; k++) from[k] = start + k * step;
    clade_status status = take_slices(r, x, axis, from, n, x->rank, dim, y);
    clade_onnx_give(&r->file, from);
    return status;
}

clade_status clade_onnx_fold_slice(clade_onnx_reader *r, const Onnx__Node *node,
                                   const clade_onnx_constant *const *x, size_t count,
                                   clade_onnx_constant *y)
{
    int64_t start[clade_onnx_max_rank], end[clade_onnx_max_rank], axis[clade_onnx_max_rank];
    int64_t step[clade_onnx_max_rank];
    int32_t starts, ends, axes, steps;
    clade_status status = slice_numbers(node, "starts", x, count, 1, start, &starts);
    if (!status) status = slice_numbers(node, "ends", x, count, 2, end, &ends);
    if (!status) status = slice_numbers(node, "axes", x, count, 3, axis, &axes);
    if (!status) status = slice_numbers(node, "steps", x, count, 4, step, &steps);
    if (status) return status;
    if (starts < 1 || ends != starts || (axes >= 0 && axes != starts) ||
        (steps >= 0 && steps != starts))
        return clade_fail(CLADE_EFORMAT, "starts, ends, axes and steps do not agree");
    for (int32_t k = 0; k < starts && !status; k++) {
        clade_onnx_constant before = *y;
        *y = (clade_onnx_constant){0};
        status = slice_axis(r, k ? &before : x[0], axes < 0 ? k : axis[k], start[k], end[k],
                            steps < 0 ? 1 : step[k], y);
        clade_onnx_constant_clear(&r->file, &before);
    }
    return status;
}

clade_status clade_onnx_fold_concat(clade_onnx_reader *r, const Onnx__Node *node,
                                    const clade_onnx_constant *const *x, size_t count,
                                    clade_onnx_constant *y)
{
    int64_t axis = clade_onnx_int(node, "axis", 0), dim[clade_onnx_max_rank];
    int32_t rank = x[0]->rank;
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return clade_fail(CLADE_EFORMAT, "axis out of range");
    memcpy(dim, x[0]->dim, sizeof dim);
    for (size_t i = 1; i < count; i++) {
        if (x[i]->rank != rank || x[i]->real != x[0]->real)
            return clade_fail(CLADE_EFORMAT, "inputs that do not fit together");
        for (int32_t k = 0; k < rank; k++)
            if (k != axis && x[i]->dim[k] != dim[k])
                return clade_fail(CLADE_EFORMAT, "inputs that do not fit together");
        dim[axis] += x[i]->dim[axis];
    }
    clade_status status = clade_onnx_constant_make(&r->file, x[0]->real, rank, dim, y);
    if (status) return status;
    size_t inner = 1, outer = 1, start = 0;
    for (int32_t k = 0; k < rank; k++)
        if (k < axis)
            outer *= (size_t)dim[k];
        else if (k > axis)
            inner *= (size_t)dim[k];
    for (size_t i = 0; i < count; i++) {
        size_t part = (size_t)x[i]->dim[axis] * inner;
        for (size_t o = 0; o < outer; o++)
            for (size_t k = 0; k < part; k++) {
                size_t to = o * (size_t)dim[axis] * inner + start + k;
                if (y->real)
                    y->f[to] = x[i]->f[o * part + k];
                else
                    y->i[to] = x[i]->i[o * part + k];
            }
        start += part;
    }
    return CLADE_OK;
}
