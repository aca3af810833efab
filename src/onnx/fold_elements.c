/* Arithmetic on constants, element by element. */
#include "onnx/fold.h"

#include <math.h>

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

clade_status clade_onnx_fold_elements(clade_onnx_reader *r, const Onnx__Node *node,
                                      const clade_onnx_constant *const *x, size_t count,
                                      clade_onnx_constant *y)
{
    const clade_onnx_constant *a = x[0], *b = count > 1 ? x[1] : x[0];
    int32_t rank = a->rank > b->rank ? a->rank : b->rank;
    int64_t dim[clade_onnx_max_rank], step_a[clade_onnx_max_rank], step_b[clade_onnx_max_rank];
    int64_t size_a = 1, size_b = 1;
    clade_status status =
        clade_onnx_fold_expect(count <= 2 && a->real == b->real, "inputs of two kinds");
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

clade_status clade_onnx_fold_product(clade_onnx_reader *r, const Onnx__Node *node,
                                     const clade_onnx_constant *const *x, size_t count,
                                     clade_onnx_constant *y)
{
    const int64_t ones[clade_onnx_max_rank] = {1, 1, 1, 1, 1, 1, 1, 1};
    int32_t rank = clade_onnx_int(node, "keepdims", 1) ? x[0]->rank : 0;
    clade_status status =
        clade_onnx_fold_expect(count == 1 && x[0]->rank == 1, "more than one dimension");
    if (!status) status = clade_onnx_constant_make(&r->file, x[0]->real, rank, ones, y);
    if (status) return status;
    clade_onnx_fold_put(y, 0, 1);
    for (size_t k = 0; k < x[0]->count && !status; k++)
        if (y->real)
            y->f[0] *= x[0]->f[k];
        else
            status = calculate_whole("Mul", y->i[0], x[0]->i[k], &y->i[0]);
    return status;
}
