/* Working out what is known before anything runs: constants, and the arithmetic on shapes that
 * exporters leave around Reshape. */
#include "format/onnx.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef clade_status (*folder)(clade_onnx_reader *r, const Onnx__Node *node,
                               const clade_onnx_constant *const *x, size_t count,
                               clade_onnx_constant *y);

static clade_status expect(bool right, const char *what)
{
    return right ? CLADE_OK : clade_fail(CLADE_EUNSUPPORTED, "on constants: %s", what);
}

static clade_status copy_as(clade_onnx_reader *r, const clade_onnx_constant *x, int32_t rank,
                            const int64_t *dim, clade_onnx_constant *y)
{
    clade_status status = clade_onnx_constant_make(&r->file, x->real, rank, dim, y);
    if (status) return status;
    if (y->count != x->count) return clade_fail(CLADE_EFORMAT, "another number of elements");
    if (x->real)
        memcpy(y->f, x->f, x->count * sizeof *x->f);
    else
        memcpy(y->i, x->i, x->count * sizeof *x->i);
    return CLADE_OK;
}

/* NaN and what is too large become 0 and the ends. */
static int64_t to_whole(double v)
{
    return v >= 9.2e18 ? INT64_MAX : v <= -9.2e18 ? INT64_MIN : v == v ? (int64_t)v : 0;
}

static void put(clade_onnx_constant *y, size_t k, double value)
{
    if (y->real)
        y->f[k] = (float)value;
    else
        y->i[k] = to_whole(value);
}

/* --- Constant, ConstantOfShape, Shape, Size --- */

static clade_status fold_constant(clade_onnx_reader *r, const Onnx__Node *node,
                                  const clade_onnx_constant *const *x, size_t count,
                                  clade_onnx_constant *y)
{
    (void)x, (void)count;
    const Onnx__Attribute *a = clade_onnx_attribute(node, "value");
    if (a && a->t) return clade_onnx_tensor_read(&r->file, a->t, y);
    bool f = (a = clade_onnx_attribute(node, "value_float")) != NULL && a->has_f;
    bool fs = !f && (a = clade_onnx_attribute(node, "value_floats")) != NULL;
    bool i = !f && !fs && (a = clade_onnx_attribute(node, "value_int")) != NULL && a->has_i;
    bool is = !f && !fs && !i && (a = clade_onnx_attribute(node, "value_ints")) != NULL;
    if (!f && !fs && !i && !is)
        return clade_fail(CLADE_EUNSUPPORTED, "a constant that is not numbers");
    int64_t dim[1] = {(int64_t)(fs ? a->n_floats : is ? a->n_ints : 1)};
    clade_status status = clade_onnx_constant_make(&r->file, f || fs, fs || is, dim, y);
    for (size_t k = 0; k < y->count && !status; k++)
        if (y->real)
            y->f[k] = fs ? a->floats[k] : a->f;
        else
            y->i[k] = is ? a->ints[k] : a->i;
    return status;
}

static clade_status fold_fill(clade_onnx_reader *r, const Onnx__Node *node,
                              const clade_onnx_constant *const *x, size_t count,
                              clade_onnx_constant *y)
{
    const Onnx__Attribute *a = clade_onnx_attribute(node, "value");
    clade_onnx_constant value = {0};
    clade_status status =
        expect(count == 1 && !x[0]->real && x[0]->count <= clade_onnx_max_rank, "shape");
    if (!status && a && a->t) status = clade_onnx_tensor_read(&r->file, a->t, &value);
    bool real = value.count ? value.real : true;
    if (!status)
        status = clade_onnx_constant_make(&r->file, real, (int32_t)x[0]->count, x[0]->i, y);
    for (size_t k = 0; !status && value.count && k < y->count; k++)
        put(y, k, clade_onnx_number(&value, 0));
    clade_onnx_constant_clear(&r->file, &value);
    return status;
}

/* Of a layer's output too. */
static clade_status fold_shape(clade_onnx_reader *r, const Onnx__Node *node, clade_onnx_constant *y)
{
    const clade_onnx_value *v = clade_onnx_find(r, node->input[0]);
    const int64_t *dim = v->dim;
    int64_t rank = v->rank;
    clade_onnx_constant stored = {0};
    if (v->kind == CLADE_ONNX_KNOWN) {
        dim = v->known.dim;
        rank = v->known.rank;
    } else if (v->kind == CLADE_ONNX_STORED) {
        if (v->stored->n_dims > clade_onnx_max_rank) return expect(false, "more than 8 dimensions");
        dim = v->stored->dims;
        rank = (int64_t)v->stored->n_dims;
    }
    (void)stored;
    if (!strcmp(node->op_type, "Size")) {
        clade_status status = clade_onnx_constant_make(&r->file, false, 0, NULL, y);
        int64_t n = 1;
        for (int64_t k = 0; k < rank && !status; k++) {
            if (dim[k] < 0 || (dim[k] > 0 && n > INT64_MAX / dim[k]))
                return clade_fail(CLADE_EFORMAT, "too large");
            n *= dim[k];
        }
        if (!status) y->i[0] = n;
        return status;
    }
    int64_t start = clade_onnx_int(node, "start", 0), end = clade_onnx_int(node, "end", rank);
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end < start ? start : end > rank ? rank : end;
    int64_t n = end - start;
    clade_status status = clade_onnx_constant_make(&r->file, false, 1, &n, y);
    for (int64_t k = 0; k < n && !status; k++) y->i[k] = dim[start + k];
    return status;
}

/* --- element by element --- */

static double calculate(const char *op, double a, double b)
{
    switch (op[0]) {
    case 'A': return op[1] == 'b' ? fabs(a) : a + b; /* Abs, Add */
    case 'S': return op[1] == 'q' ? sqrt(a) : a - b; /* Sqrt, Sub */
    case 'M': return op[1] == 'u' ? a * b : op[1] == 'a' ? fmax(a, b) : fmin(a, b);
    case 'D': return a / b;
    case 'P': return pow(a, b);
    case 'N': return -a;
    case 'R': return 1 / a; /* Reciprocal */
    case 'F': return floor(a);
    case 'C': return ceil(a);
    default: return exp(a);
    }
}

/* As calculate, where whole numbers need more digits than a double has. */
static clade_status calculate_whole(const char *op, int64_t a, int64_t b, int64_t *out)
{
    bool over = false;
    switch (op[0]) {
    case 'A': over = op[1] == 'b' || __builtin_add_overflow(a, b, out); break;
    case 'S': over = op[1] == 'q' || __builtin_sub_overflow(a, b, out); break;
    case 'M':
        if (op[1] == 'u')
            over = __builtin_mul_overflow(a, b, out);
        else
            *out = (op[1] == 'a') == (a > b) ? a : b;
        break;
    case 'D':
        over = b == 0 || (a == INT64_MIN && b == -1);
        if (!over) *out = a / b;
        break;
    case 'N': over = __builtin_sub_overflow(0, a, out); break;
    default: over = true;
    }
    return over ? clade_fail(CLADE_EUNSUPPORTED, "on whole constants it overflows, or is not known")
                : CLADE_OK;
}

static clade_status fold_elements(clade_onnx_reader *r, const Onnx__Node *node,
                                  const clade_onnx_constant *const *x, size_t count,
                                  clade_onnx_constant *y)
{
    const clade_onnx_constant *a = x[0], *b = count > 1 ? x[1] : x[0];
    int32_t rank = a->rank > b->rank ? a->rank : b->rank;
    int64_t dim[clade_onnx_max_rank], step_a[clade_onnx_max_rank], step_b[clade_onnx_max_rank];
    int64_t size_a = 1, size_b = 1;
    clade_status status = expect(count <= 2 && a->real == b->real, "inputs of two kinds");
    if (status) return status;
    for (int32_t k = rank - 1; k >= 0; k--) {
        int32_t ka = k - (rank - a->rank), kb = k - (rank - b->rank);
        int64_t da = ka < 0 ? 1 : a->dim[ka], db = kb < 0 ? 1 : b->dim[kb];
        if (da != db && da != 1 && db != 1)
            return clade_fail(CLADE_EFORMAT, "shapes that do not agree");
        dim[k] = da == 1 ? db : da;
        step_a[k] = da == 1 ? 0 : size_a;
        step_b[k] = db == 1 ? 0 : size_b;
        size_a *= da;
        size_b *= db;
    }
    status = clade_onnx_constant_make(&r->file, a->real, rank, dim, y);
    for (size_t i = 0; i < y->count && !status; i++) {
        size_t rest = i, ia = 0, ib = 0;
        for (int32_t k = rank - 1; k >= 0; k--) {
            size_t at = rest % (size_t)dim[k];
            rest /= (size_t)dim[k];
            ia += at * (size_t)step_a[k];
            ib += at * (size_t)step_b[k];
        }
        if (a->real)
            y->f[i] = (float)calculate(node->op_type, (double)a->f[ia], (double)b->f[ib]);
        else
            status = calculate_whole(node->op_type, a->i[ia], b->i[ib], &y->i[i]);
    }
    return status;
}

static clade_status fold_cast(clade_onnx_reader *r, const Onnx__Node *node,
                              const clade_onnx_constant *const *x, size_t count,
                              clade_onnx_constant *y)
{
    (void)count;
    int64_t to = clade_onnx_int(node, "to", CLADE_ONNX_FLOAT);
    bool real = to == 1 || to == 10 || to == 11 || to == 16;
    clade_status status = expect(real || to == 6 || to == 7 || to == 9, "to this element type");
    if (!status) status = clade_onnx_constant_make(&r->file, real, x[0]->rank, x[0]->dim, y);
    for (size_t k = 0; k < x[0]->count && !status; k++) {
        if (!real && !x[0]->real)
            y->i[k] = to == 9 ? x[0]->i[k] != 0 : x[0]->i[k];
        else
            put(y, k, clade_onnx_number(x[0], k));
    }
    return status;
}

/* --- moving --- */

static clade_status fold_same(clade_onnx_reader *r, const Onnx__Node *node,
                              const clade_onnx_constant *const *x, size_t count,
                              clade_onnx_constant *y)
{
    (void)node, (void)count;
    return copy_as(r, x[0], x[0]->rank, x[0]->dim, y);
}

static clade_status fold_reshape(clade_onnx_reader *r, const Onnx__Node *node,
                                 const clade_onnx_constant *const *x, size_t count,
                                 clade_onnx_constant *y)
{
    int64_t to[clade_onnx_max_rank];
    size_t rank = 0, known = 1, total = x[0]->count;
    const Onnx__Attribute *a = clade_onnx_attribute(node, "shape");
    clade_status status = expect(a || (count == 2 && !x[1]->real && x[1]->rank == 1), "the shape");
    if (status) return status;
    rank = a ? a->n_ints : x[1]->count;
    status = expect(rank <= clade_onnx_max_rank, "more than 8 dimensions");
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

static clade_status fold_squeeze(clade_onnx_reader *r, const Onnx__Node *node,
                                 const clade_onnx_constant *const *x, size_t count,
                                 clade_onnx_constant *y)
{
    int64_t axis[clade_onnx_max_rank], to[2 * clade_onnx_max_rank];
    const Onnx__Attribute *a = clade_onnx_attribute(node, "axes");
    bool in = !strcmp(node->op_type, "Unsqueeze"), named[2 * clade_onnx_max_rank] = {false};
    size_t n = a ? a->n_ints : count > 1 ? x[1]->count : 0;
    clade_status status = expect(n <= clade_onnx_max_rank && !(count > 1 && x[1]->real), "axes");
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

static clade_status fold_transpose(clade_onnx_reader *r, const Onnx__Node *node,
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

static clade_status fold_gather(clade_onnx_reader *r, const Onnx__Node *node,
                                const clade_onnx_constant *const *x, size_t count,
                                clade_onnx_constant *y)
{
    int64_t axis = clade_onnx_int(node, "axis", 0), dim[2 * clade_onnx_max_rank], rank = 0;
    clade_status status = expect(count == 2 && !x[1]->real && x[0]->rank > 0, "indices");
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
    if (n > clade_onnx_max_rank || (c && c->real)) return expect(false, name);
    for (size_t k = 0; k < n; k++) out[k] = a ? a->ints[k] : c->i[k];
    *given = (int32_t)n;
    return CLADE_OK;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static clade_status slice_axis(clade_onnx_reader *r, const clade_onnx_constant *x, int64_t axis,
                               int64_t start, int64_t end, int64_t step, clade_onnx_constant *y)
{
    int64_t dim[clade_onnx_max_rank], n = 0;
    if (axis < 0) axis += x->rank;
    if (axis < 0 || axis >= x->rank) return clade_fail(CLADE_EFORMAT, "axis out of range");
    int64_t size = x->dim[axis];
    if (step == 0 || step < -size - 1) return expect(false, "a step that is 0 or beyond the ends");
    start = clamp(start < 0 ? start + (start < -size ? -start - 1 : size) : start, -1, size);
    end = clamp(end < 0 ? end + (end < -size ? -end - 1 : size) : end, -1, size);
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

static clade_status fold_slice(clade_onnx_reader *r, const Onnx__Node *node,
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

static clade_status fold_concat(clade_onnx_reader *r, const Onnx__Node *node,
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

static clade_status fold_product(clade_onnx_reader *r, const Onnx__Node *node,
                                 const clade_onnx_constant *const *x, size_t count,
                                 clade_onnx_constant *y)
{
    const int64_t ones[clade_onnx_max_rank] = {1, 1, 1, 1, 1, 1, 1, 1};
    int32_t rank = clade_onnx_int(node, "keepdims", 1) ? x[0]->rank : 0;
    clade_status status = expect(count == 1 && x[0]->rank == 1, "more than one dimension");
    if (!status) status = clade_onnx_constant_make(&r->file, x[0]->real, rank, ones, y);
    if (status) return status;
    put(y, 0, 1);
    for (size_t k = 0; k < x[0]->count && !status; k++)
        if (y->real)
            y->f[0] *= x[0]->f[k];
        else
            status = calculate_whole("Mul", y->i[0], x[0]->i[k], &y->i[0]);
    return status;
}

/* --- the table --- */

static const struct {
    const char *op;
    folder fold;
} folders[] = {
    {"Constant", fold_constant},   {"ConstantOfShape", fold_fill}, {"Cast", fold_cast},
    {"Identity", fold_same},       {"Dropout", fold_same},         {"Reshape", fold_reshape},
    {"Squeeze", fold_squeeze},     {"Unsqueeze", fold_squeeze},    {"Transpose", fold_transpose},
    {"Gather", fold_gather},       {"Slice", fold_slice},          {"Concat", fold_concat},
    {"ReduceProd", fold_product},  {"Add", fold_elements},         {"Sub", fold_elements},
    {"Mul", fold_elements},        {"Div", fold_elements},         {"Pow", fold_elements},
    {"Min", fold_elements},        {"Max", fold_elements},         {"Neg", fold_elements},
    {"Floor", fold_elements},      {"Ceil", fold_elements},        {"Sqrt", fold_elements},
    {"Reciprocal", fold_elements}, {"Exp", fold_elements},         {"Abs", fold_elements}};

static bool all_known(const clade_onnx_reader *r, const Onnx__Node *node)
{
    for (size_t i = 0; i < node->n_input; i++) {
        const char *name = clade_onnx_string(node->input[i]);
        if (*name && clade_onnx_find(r, name)->kind == CLADE_ONNX_LAYER) return false;
    }
    return true;
}

/* The inputs, of which one that is left out is NULL; the first is there. */
static clade_status fold_with(clade_onnx_reader *r, const Onnx__Node *node, folder fold,
                              clade_onnx_constant *y)
{
    const clade_onnx_constant *x[8];
    size_t count = node->n_input;
    clade_status status =
        expect(count <= 8 && (count || fold == fold_constant), "this number of inputs");
    for (size_t i = 0; i < count && !status; i++) {
        status = clade_onnx_input_constant(r, node, i, &x[i]);
        if (!status && !x[i] && i == 0) status = clade_fail(CLADE_EFORMAT, "input 0 is missing");
        if (!status && !x[i] && fold != fold_slice) count = i; /* only Slice has gaps */
    }
    return status ? status : fold(r, node, x, count, y);
}

bool clade_onnx_folds(const char *op)
{
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (!strcmp(folders[i].op, op)) return true;
    return !strcmp(op, "Shape") || !strcmp(op, "Size");
}

clade_status clade_onnx_fold(clade_onnx_reader *r, const Onnx__Node *node, bool *done)
{
    clade_onnx_value v = {.kind = CLADE_ONNX_KNOWN};
    clade_status status = CLADE_OK;
    const char *op = clade_onnx_string(node->op_type);
    bool shape = !strcmp(op, "Shape") || !strcmp(op, "Size");
    *done = false;
    if (shape && node->n_input == 1 && *clade_onnx_string(node->input[0])) {
        *done = true;
        status = fold_shape(r, node, &v.known);
    } else if (all_known(r, node)) {
        for (size_t i = 0; i < sizeof folders / sizeof *folders && !*done; i++) {
            if (strcmp(folders[i].op, op) != 0) continue;
            *done = true;
            status = fold_with(r, node, folders[i].fold, &v.known);
        }
    }
    if (!*done) return CLADE_OK;
    if (!status) status = clade_onnx_output(r, node, &v);
    if (status) clade_onnx_constant_clear(&r->file, &v.known);
    if (!status && strcmp(op, "Constant") != 0) r->folded++;
    return status;
}
