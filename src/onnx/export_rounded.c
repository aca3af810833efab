/* Writing ONNX: integers, as QuantizeLinear and DequantizeLinear around real arithmetic. */
#include "onnx/export.h"
#include "onnx/onnx.h"

#include <math.h>

bool clade_onnx_export_rounds(const clade_onnx_exporter *e, int32_t number)
{
    const clade_quantization *q = e->network->quantization;
    return q && q[number].scale > 0;
}

/* An integer tensor's real values; a channel of `axis`, or where it is -1 all, has a scale. */
static char *put_real(clade_onnx_exporter *e, char *integers, char *scale, char *zero, int32_t axis,
                      char *out)
{
    char *inputs[] = {integers, scale, zero};
    Onnx__Node *node =
        clade_onnx_put_node(&e->w, "DequantizeLinear", NULL, out, zero ? 3 : 2, inputs);
    if (axis >= 0) clade_onnx_put_int(&e->w, node, "axis", axis);
    return out;
}

void clade_onnx_export_round(clade_onnx_exporter *e, int32_t number, char *x, char *out)
{
    clade_onnx_writer *w = &e->w;
    const char *name = clade_onnx_export_node(e, number)->layer.name;
    const clade_quantization *q = &e->network->quantization[number];
    uint8_t *zero = clade_onnx_keep(w, 1, 1);
    if (zero) *zero = (uint8_t)q->zero;
    char *inputs[] = {
        x, clade_onnx_put_floats(w, clade_onnx_format(w, "%s:scale", name), 0, NULL, &q->scale),
        clade_onnx_put_tensor(w, clade_onnx_format(w, "%s:zero", name), CLADE_ONNX_UINT8, 0, NULL,
                              zero, 1)};
    char *integers = clade_onnx_format(w, "%s:integers", name);
    clade_onnx_put_node(w, "QuantizeLinear", NULL, integers, 3, inputs);
    put_real(e, integers, inputs[1], inputs[2], -1, out);
}

/* The scales of a layer's kernel, each times `factor`. */
static float *make_scales(clade_onnx_exporter *e, int32_t number, float factor)
{
    const size_t channels = clade_quantize_channels(e->network, number);
    float *scale = clade_onnx_keep(&e->w, channels, sizeof *scale);
    for (size_t c = 0; c < channels && scale; c++)
        scale[c] = clade_quantize_kernel_scale(e->network, number, channels, c) * factor;
    return scale;
}

static char *put_scales(clade_onnx_exporter *e, const char *of, int64_t channels,
                        const float *scale)
{
    return clade_onnx_put_floats(&e->w, clade_onnx_format(&e->w, "%s:scale", of), 1, &channels,
                                 scale);
}

char *clade_onnx_export_kernel(clade_onnx_exporter *e, int32_t number, int32_t rank,
                               const int64_t *dim, const float *data, int32_t axis)
{
    clade_onnx_writer *w = &e->w;
    char *name = (char *)clade_onnx_export_find_weight(e, number, 0)->name;
    if (!clade_quantize_has_kernel(e->network, number))
        return clade_onnx_put_floats(w, name, rank, dim, data);
    size_t count = 1, inner = 1;
    for (int32_t d = 0; d < rank; d++) count *= (size_t)dim[d];
    for (int32_t d = axis + 1; d < rank; d++) inner *= (size_t)dim[d];
    const float *scale = make_scales(e, number, 1);
    int8_t *integer = clade_onnx_keep(w, count, 1),
           *zero = clade_onnx_keep(w, (size_t)dim[axis], 1);
    for (size_t k = 0; k < count && integer && scale; k++)
        integer[k] = (int8_t)rintf(data[k] / scale[k / inner % (size_t)dim[axis]]);
    char *stored = clade_onnx_put_tensor(w, clade_onnx_format(w, "%s:integers", name),
                                         CLADE_ONNX_INT8, rank, dim, integer, 1);
    char *zeros = clade_onnx_put_tensor(w, clade_onnx_format(w, "%s:zero", name), CLADE_ONNX_INT8,
                                        1, &dim[axis], zero, 1);
    return put_real(e, stored, put_scales(e, name, dim[axis], scale), zeros, axis, name);
}

char *clade_onnx_export_bias(clade_onnx_exporter *e, int32_t number)
{
    clade_onnx_writer *w = &e->w;
    const clade_network_weight *bias = clade_onnx_export_find_weight(e, number, 1);
    if (!clade_quantize_has_kernel(e->network, number))
        return clade_onnx_export_weight(e, number, 1);
    const int32_t input = clade_onnx_export_node(e, number)->layer.input[0];
    const int64_t channels = bias->dim[0];
    const float *scale = make_scales(e, number, e->network->quantization[input].scale);
    int32_t *integer = clade_onnx_keep(w, (size_t)channels, sizeof *integer);
    for (int64_t c = 0; c < channels && integer && scale; c++)
        integer[c] = (int32_t)rintf(bias->data[c] / scale[c]);
    char *stored = clade_onnx_put_tensor(w, clade_onnx_format(w, "%s:integers", bias->name),
                                         CLADE_ONNX_INT32, 1, &channels, integer, sizeof *integer);
    return put_real(e, stored, put_scales(e, bias->name, channels, scale), NULL, 0,
                    (char *)bias->name);
}
