/* Constants as a file gives them, shapes, and other element types. */
#include "onnx/fold.h"

#include <string.h>

clade_status clade_onnx_fold_expect(bool right, const char *what)
{
    return right ? CLADE_OK : clade_fail(CLADE_EUNSUPPORTED, "on constants: %s", what);
}

/* NaN and what is too large become 0 and the ends. */
static int64_t to_whole(double v)
{
    return v >= 9.2e18 ? INT64_MAX : v <= -9.2e18 ? INT64_MIN : v == v ? (int64_t)v : 0;
}

void clade_onnx_fold_put(clade_onnx_constant *y, size_t k, double value)
{
    if (y->real)
        y->f[k] = (float)value;
    else
        y->i[k] = to_whole(value);
}

clade_status clade_onnx_fold_constant(clade_onnx_reader *r, const Onnx__Node *node,
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

clade_status clade_onnx_fold_fill(clade_onnx_reader *r, const Onnx__Node *node,
                                  const clade_onnx_constant *const *x, size_t count,
                                  clade_onnx_constant *y)
{
    const Onnx__Attribute *a = clade_onnx_attribute(node, "value");
    clade_onnx_constant value = {0};
    clade_status status = clade_onnx_fold_expect(
        count == 1 && !x[0]->real && x[0]->count <= clade_onnx_max_rank, "shape");
    if (!status && a && a->t) status = clade_onnx_tensor_read(&r->file, a->t, &value);
    bool real = value.count ? value.real : true;
    if (!status)
        status = clade_onnx_constant_make(&r->file, real, (int32_t)x[0]->count, x[0]->i, y);
    for (size_t k = 0; !status && value.count && k < y->count; k++)
        clade_onnx_fold_put(y, k, clade_onnx_number(&value, 0));
    clade_onnx_constant_clear(&r->file, &value);
    return status;
}

/* Of a layer's output too. */
clade_status clade_onnx_fold_shape(clade_onnx_reader *r, const Onnx__Node *node,
                                   clade_onnx_constant *y)
{
    const clade_onnx_value *v = clade_onnx_find(r, node->input[0]);
    const int64_t *dim = v->dim;
    int64_t rank = v->rank;
    if (v->kind == CLADE_ONNX_KNOWN) {
        dim = v->known.dim;
        rank = v->known.rank;
    } else if (v->kind == CLADE_ONNX_STORED) {
        if (v->stored->n_dims > clade_onnx_max_rank)
            return clade_onnx_fold_expect(false, "more than 8 dimensions");
        dim = v->stored->dims;
        rank = (int64_t)v->stored->n_dims;
    }
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

clade_status clade_onnx_fold_cast(clade_onnx_reader *r, const Onnx__Node *node,
                                  const clade_onnx_constant *const *x, size_t count,
                                  clade_onnx_constant *y)
{
    (void)count;
    int64_t to = clade_onnx_int(node, "to", CLADE_ONNX_FLOAT);
    bool real = to == 1 || to == 10 || to == 11 || to == 16;
    clade_status status =
        clade_onnx_fold_expect(real || to == 6 || to == 7 || to == 9, "to this element type");
    if (!status) status = clade_onnx_constant_make(&r->file, real, x[0]->rank, x[0]->dim, y);
    for (size_t k = 0; k < x[0]->count && !status; k++) {
        if (!real && !x[0]->real)
            y->i[k] = to == 9 ? x[0]->i[k] != 0 : x[0]->i[k];
        else
            clade_onnx_fold_put(y, k, clade_onnx_number(x[0], k));
    }
    return status;
}
