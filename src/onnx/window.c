/* Reading ONNX: the attributes of windows that move over an image. */
#include "onnx/onnx.h"

#include <string.h>

clade_status clade_onnx_read_pair(clade_onnx_reader *r, const Onnx__Node *node, const char *name,
                                  int need, int64_t low, int64_t *out)
{
    int64_t value[clade_onnx_max_rank];
    int32_t count;
    clade_status status = clade_onnx_ints(r, node, name, SIZE_MAX, value, &count);
    if (status || count == 0) return status;
    if (count != need)
        return clade_fail(CLADE_EUNSUPPORTED,
                          "%s has %d numbers: expected %d, for rows and columns", name, count,
                          need);
    for (int k = 0; k < need; k++) {
        if (value[k] < low || value[k] > INT32_MAX)
            return clade_fail(CLADE_EUNSUPPORTED, "%s is %lld", name, (long long)value[k]);
        out[k] = value[k];
    }
    return CLADE_OK;
}

clade_status clade_onnx_read_window(clade_onnx_reader *r, const Onnx__Node *node,
                                    const clade_onnx_value *x, clade_onnx_window *w)
{
    char word[32];
    for (int k = 0; k < 2; k++) w->stride[k] = w->dilation[k] = 1;
    clade_status status = clade_onnx_read_pair(r, node, "strides", 2, 1, w->stride);
    if (!status) status = clade_onnx_read_pair(r, node, "dilations", 2, 1, w->dilation);
    if (!status) status = clade_onnx_read_pair(r, node, "pads", 4, 0, w->pad);
    if (status) return status;
    clade_onnx_text(node, "auto_pad", word);
    w->padding = CLADE_PADDING_EXPLICIT;
    if (!strcmp(word, "VALID") || !strcmp(word, "SAME_UPPER") || !strcmp(word, "SAME_LOWER")) {
        for (int k = 0; k < 4; k++) w->pad[k] = 0;
        w->padding = CLADE_PADDING_VALID;
    } else if (*word && strcmp(word, "NOTSET") != 0) {
        return clade_fail(CLADE_EFORMAT, "auto_pad is '%s'", word);
    }
    if (!strcmp(word, "SAME_UPPER")) w->padding = CLADE_PADDING_SAME;
    if (!strcmp(word, "SAME_LOWER")) { /* the odd zero at the top and left */
        w->padding = CLADE_PADDING_EXPLICIT;
        for (int k = 0; k < 2; k++) {
            int64_t size = x->dim[2 + k], out = (size + w->stride[k] - 1) / w->stride[k];
            int64_t need = (out - 1) * w->stride[k] + (w->size[k] - 1) * w->dilation[k] + 1 - size;
            if (need < 0) need = 0;
            if (need > INT32_MAX)
                return clade_fail(CLADE_EUNSUPPORTED,
                                  "auto_pad SAME_LOWER adds %lld for a window of %lld with strides "
                                  "%lld and dilations %lld",
                                  (long long)need, (long long)w->size[k], (long long)w->stride[k],
                                  (long long)w->dilation[k]);
            w->pad[k] = need - need / 2;
            w->pad[2 + k] = need / 2;
        }
    }
    if (w->padding == CLADE_PADDING_EXPLICIT && !w->pad[0] && !w->pad[1] && !w->pad[2] &&
        !w->pad[3])
        w->padding = CLADE_PADDING_VALID;
    return CLADE_OK;
}

void clade_onnx_set_ints(int32_t *to, const int64_t *from, int count)
{
    for (int k = 0; k < count; k++) to[k] = (int32_t)from[k];
}
