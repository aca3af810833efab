/* Written to ONNX: attention, class_token, position_embedding. */
#include "onnx/export.h"

#include <math.h>

/* Heads first to first + heads of x, [n, heads, d, t]. */
static char *put_heads(clade_onnx_exporter *e, int32_t number, char *x, int32_t first,
                       int32_t heads)
{
    const int64_t start = first, end = (int64_t)first + heads, axis = 1;
    char *out = clade_onnx_export_part(e, number);
    char *inputs[] = {x, clade_onnx_export_numbers(e, number, 1, &start),
                      clade_onnx_export_numbers(e, number, 1, &end),
                      clade_onnx_export_numbers(e, number, 1, &axis)};
    clade_onnx_put_node(&e->w, "Slice", NULL, out, 4, inputs);
    return out;
}

static char *put_reshape(clade_onnx_exporter *e, int32_t number, char *x, size_t rank,
                         const int64_t *to)
{
    return clade_onnx_export_put(e, number, "Reshape", x,
                                 clade_onnx_export_numbers(e, number, rank, to));
}

/* Channels come before places: qᵀ, kᵀ and vᵀ are [n, heads, d, t], and yᵀ is vᵀ times the
 * transposed weights. */
void clade_onnx_write_attention(clade_onnx_exporter *e, int32_t number)
{
    static const int32_t last_two[] = {0, 1, 3, 2}, channels_second[] = {0, 2, 1};
    const clade_node *node = clade_onnx_export_node(e, number);
    const int32_t rank = node->rank, c = node->dim[rank - 1];
    const int32_t heads = node->layer.as.attention.heads, d = c / heads;
    const int64_t split[] = {0, 3 * heads, d, -1};
    const int64_t join[] = {0, c, rank == 3 ? node->dim[0] : -1, node->dim[1]};
    char *x = clade_onnx_export_input(e, number);
    if (rank == 2)
        x = clade_onnx_export_transpose(e, x, clade_onnx_export_part(e, number), channels_second,
                                        3);
    x = put_reshape(e, number, x, 4, split);
    char *q = put_heads(e, number, x, 0, heads), *k = put_heads(e, number, x, heads, heads);
    char *v = put_heads(e, number, x, 2 * heads, heads);
    q = clade_onnx_export_transpose(e, q, clade_onnx_export_part(e, number), last_two, 4);
    char *p = clade_onnx_export_put(e, number, "MatMul", q, k);
    p = clade_onnx_export_put(e, number, "Mul", p,
                              clade_onnx_export_number(e, number, 1 / sqrtf((float)d)));
    p = clade_onnx_export_put(e, number, "Softmax", p, NULL);
    p = clade_onnx_export_transpose(e, p, clade_onnx_export_part(e, number), last_two, 4);
    char *y = clade_onnx_export_put(e, number, "MatMul", v, p);
    char *inputs[] = {y, clade_onnx_export_numbers(e, number, (size_t)rank + 1, join)};
    char *joined = rank == 3 ? e->value[number] : clade_onnx_export_part(e, number);
    clade_onnx_put_node(&e->w, "Reshape", node->layer.name, joined, 2, inputs);
    if (rank == 2) clade_onnx_export_transpose(e, joined, e->value[number], channels_second, 3);
}

/* Zeros go before the tokens, and the sum with the token there and zeros elsewhere. */
void clade_onnx_write_class_token(clade_onnx_exporter *e, int32_t number)
{
    const clade_node *node = clade_onnx_export_node(e, number);
    const clade_network_weight *weight = clade_onnx_export_find_weight(e, number, 0);
    const int32_t tokens = node->dim[1], c = node->dim[2];
    const int64_t row[] = {0, c, 1, -1}, pads[] = {0, 0, 0, 1, 0, 0, 0, 0},
                  dim[] = {1, c, 1, tokens};
    float *data = clade_onnx_keep(&e->w, (size_t)c * (size_t)tokens, sizeof *data);
    for (int32_t k = 0; data && k < c; k++) data[(size_t)k * (size_t)tokens] = weight->data[k];
    char *x = put_reshape(e, number, clade_onnx_export_input(e, number), 4, row);
    x = clade_onnx_export_put(e, number, "Pad", x, clade_onnx_export_numbers(e, number, 8, pads));
    char *inputs[] = {x, clade_onnx_put_floats(&e->w, (char *)weight->name, 4, dim, data)};
    clade_onnx_export_last(e, number, "Add", 2, inputs);
}

void clade_onnx_write_position_embedding(clade_onnx_exporter *e, int32_t number)
{
    const clade_network_weight *weight = clade_onnx_export_find_weight(e, number, 0);
    char *inputs[] = {clade_onnx_export_input(e, number), NULL};
    if (weight->rank < 3) {
        inputs[1] = clade_onnx_export_weight(e, number, 0);
    } else { /* channels first */
        const size_t c = (size_t)weight->dim[2], pixels = (size_t)weight->dim[0] * weight->dim[1];
        const int64_t dim[] = {weight->dim[2], weight->dim[0], weight->dim[1]};
        float *data = clade_onnx_keep(&e->w, c * pixels, sizeof *data);
        for (size_t i = 0; data && i < c * pixels; i++)
            data[i % c * pixels + i / c] = weight->data[i];
        inputs[1] = clade_onnx_put_floats(&e->w, (char *)weight->name, 3, dim, data);
    }
    clade_onnx_export_last(e, number, "Add", 2, inputs);
}
