/* What the layers' shape rules share: shapes of nodes, their weights, windows. */
#include "nn/layer.h"

#include <stdio.h>

clade_tensor clade_node_tensor(const clade_node *node, int32_t n)
{
    clade_tensor t = {.dtype = CLADE_F32, .rank = node->rank + 1, .dim = {n}};
    for (int32_t i = 0; i < node->rank; i++) t.dim[i + 1] = node->dim[i];
    return t;
}

const char *clade_node_text(const clade_node *node, char text[64])
{
    clade_tensor t = {.rank = node->rank, .dim = {node->dim[0], node->dim[1], node->dim[2]}};
    return clade_shape_text(&t, text);
}

void clade_node_set_shape(clade_node *node, const clade_tensor *y)
{
    node->rank = y->rank - 1;
    for (int32_t i = 0; i < node->rank; i++) node->dim[i] = y->dim[i + 1];
}

clade_weight *clade_node_add_weight(clade_node *node, const char *name, clade_tensor shape,
                                    clade_initializer init)
{
    clade_weight *weight = &node->weight[node->weight_count++];
    *weight = (clade_weight){.name = name,
                             .shape = shape,
                             .init = init ? init : CLADE_INIT_GLOROT_UNIFORM,
                             .scale = 1,
                             .trained = !node->layer.frozen};
    return weight;
}

clade_status clade_expect_image(const clade_node *input)
{
    char text[64];
    if (input->rank == 3) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "needs an image [height, width, channels], got %s",
                      clade_node_text(input, text));
}

clade_status clade_window_set_pad(clade_window *window, clade_padding padding,
                                  const int32_t given[4], const clade_node *input)
{
    for (int i = 0; i < 2; i++) {
        if (padding == CLADE_PADDING_EXPLICIT) {
            window->pad[i] = given[i];
            window->pad[i + 2] = given[i + 2];
            continue;
        }
        if (given[i] || given[i + 2])
            return clade_fail(CLADE_EINVAL, "zeros to add are given, but padding is '%s'",
                              padding == CLADE_PADDING_SAME ? "same" : "valid");
        if (padding == CLADE_PADDING_VALID) continue;
        int64_t stride = window->stride[i], size = input->dim[i];
        int64_t extent = (int64_t)window->dilation[i] * (window->size[i] - 1) + 1;
        int64_t total = ((size + stride - 1) / stride - 1) * stride + extent - size;
        if (total > INT32_MAX)
            return clade_fail(CLADE_EINVAL, "a window of %lld is too large", (long long)extent);
        if (total < 0) total = 0;
        window->pad[i] = (int32_t)(total / 2);
        window->pad[i + 2] = (int32_t)(total - total / 2);
    }
    return CLADE_OK;
}
