/* Reading ONNX's QuantizeLinear and DequantizeLinear. Constants are worked out; the output of a
 * layer that goes through both is noted to be rounded, and stays what it is. */
#include "onnx/fold.h"

#include <math.h>

/* The format's type of the integers, which that of the zero point is. */
static int32_t type_of(const clade_onnx_constant *zero)
{
    return zero ? zero->type : CLADE_ONNX_UINT8;
}

/* --- constants --- */

/* How far apart the elements are that have the next scale, and how many scales there are. */
static clade_status find_axis(const Onnx__Node *node, const clade_onnx_constant *const *x,
                              size_t count, size_t *inner, size_t *scales)
{
    clade_status status = clade_onnx_fold_expect(count >= 2 && x[1]->real, "a real scale");
    if (status) return status;
    *inner = 1;
    *scales = x[1]->count;
    int64_t axis = clade_onnx_int(node, "axis", 1);
    if (axis < 0) axis += x[0]->rank;
    bool fits = *scales == 1 || (x[1]->rank == 1 && axis >= 0 && axis < x[0]->rank &&
                                 x[1]->dim[0] == x[0]->dim[axis]);
    if (count > 2) fits = fits && !x[2]->real && x[2]->count == *scales;
    for (int32_t d = (int32_t)axis + 1; fits && *scales > 1 && d < x[0]->rank; d++)
        *inner *= (size_t)x[0]->dim[d];
    return clade_onnx_fold_expect(fits,
                                  "a scale and a zero point for each channel, or one of each");
}

clade_status clade_onnx_fold_dequantize(clade_onnx_reader *r, const Onnx__Node *node,
                                        const clade_onnx_constant *const *x, size_t count,
                                        clade_onnx_constant *y)
{
    size_t inner, scales;
    clade_status status = clade_onnx_fold_expect(!x[0]->real, "integers");
    if (!status) status = find_axis(node, x, count, &inner, &scales);
    if (!status) status = clade_onnx_constant_make(&r->file, true, x[0]->rank, x[0]->dim, y);
    for (size_t k = 0; !status && k < y->count; k++) {
        const size_t c = k / inner % scales;
        const int64_t zero = count > 2 ? x[2]->i[c] : 0;
        y->f[k] = (float)((double)x[0]->i[k] - (double)zero) * x[1]->f[c];
    }
    return status;
}

clade_status clade_onnx_fold_quantize(clade_onnx_reader *r, const Onnx__Node *node,
                                      const clade_onnx_constant *const *x, size_t count,
                                      clade_onnx_constant *y)
{
    size_t inner, scales;
    const int32_t type = type_of(count > 2 ? x[2] : NULL);
    clade_status status =
        clade_onnx_fold_expect(type == CLADE_ONNX_UINT8 || type == CLADE_ONNX_INT8, "8 bits");
    const float low = type == CLADE_ONNX_INT8 ? -128 : 0;
    if (!status) status = clade_onnx_fold_expect(x[0]->real, "real numbers");
    if (!status) status = find_axis(node, x, count, &inner, &scales);
    if (!status) status = clade_onnx_constant_make(&r->file, false, x[0]->rank, x[0]->dim, y);
    for (size_t k = 0; !status && k < y->count; k++) {
        const size_t c = k / inner % scales;
        const float q = rintf(x[0]->f[k] / x[1]->f[c]) + (count > 2 ? (float)x[2]->i[c] : 0);
        clade_onnx_fold_put(y, k, (double)fminf(fmaxf(q, low), low + 255));
    }
    return status;
}

/* --- what layers give --- */

/* The scale and zero point of all values, those of int8 as if they were uint8's. */
static clade_status read_scale(clade_onnx_reader *r, const Onnx__Node *node,
                               clade_quantization *out)
{
    const clade_onnx_constant *scale, *zero;
    clade_status status = clade_onnx_input_constant(r, node, 1, &scale);
    if (!status) status = clade_onnx_input_constant(r, node, 2, &zero);
    if (status) return status;
    const int32_t type = type_of(zero);
    if (!scale || !scale->real || scale->count != 1 || (zero && (zero->real || zero->count != 1)))
        return clade_fail(CLADE_EUNSUPPORTED, "of values without one scale and zero point");
    if (type != CLADE_ONNX_UINT8 && type != CLADE_ONNX_INT8)
        return clade_fail(CLADE_EUNSUPPORTED, "to integers of other than 8 bits");
    const int64_t q = (zero ? zero->i[0] : 0) + (type == CLADE_ONNX_INT8 ? 128 : 0);
    if (!(scale->f[0] > 0) || !isfinite(scale->f[0]) || q < 0 || q > 255)
        return clade_fail(CLADE_EFORMAT, "its scale or zero point is out of range");
    *out = (clade_quantization){.scale = scale->f[0], .zero = (int32_t)q};
    return CLADE_OK;
}

static bool same(const clade_quantization *a, const clade_quantization *b)
{
    return a->scale == b->scale && a->zero == b->zero;
}

clade_status clade_onnx_read_quantize(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_quantization q;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = read_scale(r, node, &q);
    if (status) return status;
    clade_quantization *rounded = &r->layer[x.layer].rounded;
    if (rounded->scale > 0 && !same(rounded, &q))
        return clade_fail(CLADE_EUNSUPPORTED, "of a value that is also rounded in another way");
    *rounded = q;
    return clade_onnx_output(r, node, &x);
}

clade_status clade_onnx_read_dequantize(clade_onnx_reader *r, const Onnx__Node *node)
{
    clade_onnx_value x;
    clade_quantization q;
    clade_status status = clade_onnx_input(r, node, 0, &x);
    if (!status) status = read_scale(r, node, &q);
    if (!status && !same(&r->layer[x.layer].rounded, &q))
        status = clade_fail(CLADE_EUNSUPPORTED, "by a scale other than QuantizeLinear's");
    return status ? status : clade_onnx_output(r, node, &x);
}
