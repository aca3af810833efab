/* Writing a net in 8 bits as C: what is rounded lies in bytes. Convolutions, dense layers, maximum
 * pools, sums and activations work on these; other layers get real numbers and give them. */
#include "nn/layer.h"
#include "weights/c_writer.h"

#include <math.h>
#include <stdio.h>

static const char common[] =
    "/* Integers for real numbers: value = scale (q - zero), q from low to high. */\n"
    "typedef struct {\n    float scale;\n    int zero, low, high;\n} rounding;\n\n"
    "static uint8_t integer(float x, rounding r)\n"
    "{\n"
    "    const float q = rintf(x) + (float)r.zero;\n"
    "    return (uint8_t)(q < (float)r.low ? r.low : q > (float)r.high ? r.high : (int)q);\n"
    "}\n\n"
    "static void to_integers(const float *x, int count, rounding r, uint8_t *y)\n"
    "{\n"
    "    for (int k = 0; k < count; k++) y[k] = integer(x[k] / r.scale, r);\n"
    "}\n\n"
    "static void to_real(const uint8_t *x, int count, rounding r, float *y)\n"
    "{\n"
    "    for (int k = 0; k < count; k++) y[k] = r.scale * (float)(x[k] - r.zero);\n"
    "}\n\n";

/* Kernels are as those of real numbers; scale has what a sum of each filter is multiplied by. */
static const char conv2d[] =
    "static void conv2d_int8(const uint8_t *x, shape in, int zero, const int8_t *kernel,\n"
    "                        const int32_t *bias, const float *scale, window v, int groups,\n"
    "                        uint8_t *y, shape out, rounding to)\n"
    "{\n"
    "    const int c = in.c / groups, m = out.c / groups;\n"
    "    for (int i = 0; i < out.h; i++)\n"
    "        for (int j = 0; j < out.w; j++)\n"
    "            for (int f = 0; f < out.c; f++) {\n"
    "                int32_t sum = bias ? bias[f] : 0;\n"
    "                for (int r = 0; r < v.size[0]; r++)\n"
    "                    for (int s = 0; s < v.size[1]; s++) {\n"
    "                        const int row = i * v.stride[0] + r * v.dilation[0] - v.pad[0];\n"
    "                        const int column = j * v.stride[1] + s * v.dilation[1] - v.pad[1];\n"
    "                        if (row < 0 || row >= in.h || column < 0 || column >= in.w) "
    "continue;\n"
    "                        const uint8_t *from = x + (row * in.w + column) * in.c + f / m * c;\n"
    "                        const int8_t *k = kernel + (r * v.size[1] + s) * c * out.c + f;\n"
    "                        for (int n = 0; n < c; n++) sum += (from[n] - zero) * k[n * out.c];\n"
    "                    }\n"
    "                *y++ = integer((float)sum * scale[f], to);\n"
    "            }\n"
    "}\n\n";
static const char depthwise[] =
    "static void depthwise_conv2d_int8(const uint8_t *x, shape in, int zero, const int8_t "
    "*kernel,\n"
    "                                  const int32_t *bias, const float *scale, window v,\n"
    "                                  uint8_t *y, shape out, rounding to)\n"
    "{\n"
    "    const int multiplier = out.c / in.c;\n"
    "    for (int i = 0; i < out.h; i++)\n"
    "        for (int j = 0; j < out.w; j++)\n"
    "            for (int f = 0; f < out.c; f++) {\n"
    "                int32_t sum = bias ? bias[f] : 0;\n"
    "                for (int r = 0; r < v.size[0]; r++)\n"
    "                    for (int s = 0; s < v.size[1]; s++) {\n"
    "                        const int row = i * v.stride[0] + r * v.dilation[0] - v.pad[0];\n"
    "                        const int column = j * v.stride[1] + s * v.dilation[1] - v.pad[1];\n"
    "                        if (row < 0 || row >= in.h || column < 0 || column >= in.w) "
    "continue;\n"
    "                        sum += (x[(row * in.w + column) * in.c + f / multiplier] - zero) *\n"
    "                               kernel[(r * v.size[1] + s) * out.c + f];\n"
    "                    }\n"
    "                *y++ = integer((float)sum * scale[f], to);\n"
    "            }\n"
    "}\n\n";
static const char dense[] =
    "static void dense_int8(const uint8_t *x, int rows, int inputs, int zero, const int8_t "
    "*kernel,\n"
    "                       const int32_t *bias, const float *scale, uint8_t *y, int units,\n"
    "                       rounding to)\n"
    "{\n"
    "    for (int i = 0; i < rows; i++, x += inputs)\n"
    "        for (int u = 0; u < units; u++) {\n"
    "            int32_t sum = bias ? bias[u] : 0;\n"
    "            for (int k = 0; k < inputs; k++) sum += (x[k] - zero) * kernel[k * units + u];\n"
    "            *y++ = integer((float)sum * scale[u], to);\n"
    "        }\n"
    "}\n\n";
static const char maxpool2d[] =
    "static void maxpool2d_int8(const uint8_t *x, shape in, window v, uint8_t *y, shape out)\n"
    "{\n"
    "    for (int i = 0; i < out.h; i++)\n"
    "        for (int j = 0; j < out.w; j++)\n"
    "            for (int n = 0; n < out.c; n++) {\n"
    "                uint8_t most = 0;\n"
    "                for (int r = 0; r < v.size[0]; r++)\n"
    "                    for (int s = 0; s < v.size[1]; s++) {\n"
    "                        const int row = i * v.stride[0] + r - v.pad[0];\n"
    "                        const int column = j * v.stride[1] + s - v.pad[1];\n"
    "                        if (row < 0 || row >= in.h || column < 0 || column >= in.w) "
    "continue;\n"
    "                        const uint8_t value = x[(row * in.w + column) * in.c + n];\n"
    "                        if (value > most) most = value;\n"
    "                    }\n"
    "                *y++ = most;\n"
    "            }\n"
    "}\n\n";
static const char add[] =
    "static void add_int8(const uint8_t *a, rounding of_a, const uint8_t *b, rounding of_b,\n"
    "                     int count, uint8_t *y, rounding to)\n"
    "{\n"
    "    for (int k = 0; k < count; k++) {\n"
    "        const float left = of_a.scale * (float)(a[k] - of_a.zero);\n"
    "        const float right = of_b.scale * (float)(b[k] - of_b.zero);\n"
    "        y[k] = integer((left + right) / to.scale, to);\n"
    "    }\n"
    "}\n\n";

/* --- asking --- */

static const clade_node *node_of(const clade_c_writer *w, int32_t number)
{
    return &w->network->graph->node[number];
}

static bool is_relu(const clade_layer *layer)
{
    const clade_activation act = layer->as.activation.activation;
    return layer->kind == CLADE_LAYER_ACTIVATION && (act == CLADE_RELU || act == CLADE_RELU6);
}

int32_t clade_c_rounds(const clade_network *n, int32_t number)
{
    if (!n->quantization) return -1;
    const clade_layer *layer = &n->graph->node[number].layer;
    if (clade_c_is_view(layer)) return clade_c_rounds(n, layer->input[0]);
    if (n->quantization[number].scale > 0) return number;
    if (!clade_quantize_has_kernel(n, number)) return -1;
    int32_t reader = -1, reads = 0;
    for (int32_t i = number + 1; i < n->graph->count; i++)
        for (int32_t k = 0; k < n->graph->node[i].layer.input_count; k++)
            if (n->graph->node[i].layer.input[k] == number) {
                reader = i;
                reads++;
            }
    const bool cut = reads == 1 && is_relu(&n->graph->node[reader].layer);
    return cut && n->quantization[reader].scale > 0 ? reader : -1;
}

bool clade_c_is_cut(const clade_network *n, int32_t number)
{
    const int32_t input = n->graph->node[number].layer.input[0];
    return number > 0 && n->quantization && !(n->quantization[input].scale > 0) &&
           clade_c_rounds(n, input) == number;
}

typedef enum c_form { ON_BYTES, BY_TABLE, ON_REAL } c_form;

static c_form form_of(const clade_network *n, int32_t number)
{
    const clade_node *node = &n->graph->node[number];
    const clade_layer_kind kind = node->layer.kind;
    bool all = clade_c_rounds(n, number) >= 0;
    for (int32_t k = 0; k < node->layer.input_count; k++)
        all = all && clade_c_rounds(n, node->layer.input[k]) >= 0;
    if (!all) return ON_REAL;
    if (kind == CLADE_LAYER_ACTIVATION) return BY_TABLE;
    if (kind == CLADE_LAYER_MAXPOOL2D || clade_quantize_has_kernel(n, number)) return ON_BYTES;
    if (kind != CLADE_LAYER_ADD) return ON_REAL;
    for (int32_t k = 0; k < 2; k++)
        if (clade_c_elements(clade_node_input(n->graph, node, k)) != clade_c_elements(node))
            return ON_REAL;
    return ON_BYTES;
}

uint64_t clade_c_workspace(const clade_network *n, int32_t number)
{
    const clade_node *node = &n->graph->node[number];
    uint64_t floats = 0;
    if (!n->quantization || clade_c_is_view(&node->layer) || form_of(n, number) != ON_REAL)
        return 0;
    for (int32_t k = 0; k < node->layer.input_count; k++)
        if (clade_c_rounds(n, node->layer.input[k]) >= 0)
            floats += (uint64_t)clade_c_elements(clade_node_input(n->graph, node, k));
    if (clade_c_rounds(n, number) >= 0) floats += (uint64_t)clade_c_elements(node);
    return 4 * floats;
}

/* --- writing --- */

void clade_c_put_int8_functions(clade_c_writer *w)
{
    static const struct {
        clade_layer_kind kind;
        const char *text;
    } functions[] = {{CLADE_LAYER_CONV2D, conv2d},
                     {CLADE_LAYER_DEPTHWISE_CONV2D, depthwise},
                     {CLADE_LAYER_DENSE, dense},
                     {CLADE_LAYER_MAXPOOL2D, maxpool2d},
                     {CLADE_LAYER_ADD, add}};
    clade_c_put(w, "%s", common);
    for (size_t k = 0; k < sizeof functions / sizeof *functions; k++) {
        bool used = false;
        for (int32_t i = 1; i < w->network->graph->count && !used; i++)
            used = node_of(w, i)->layer.kind == functions[k].kind &&
                   form_of(w->network, i) == ON_BYTES;
        if (used) clade_c_put(w, "%s", functions[k].text);
    }
}

bool clade_c_calls_real(const clade_network *n, int32_t number)
{
    return !n->quantization || (form_of(n, number) != ON_BYTES && !clade_c_is_cut(n, number));
}

bool clade_c_lacks_integers(const clade_network *n, int32_t number)
{
    return clade_quantize_has_kernel(n, number) && form_of(n, number) != ON_BYTES;
}

/* How layer `number` is rounded; a relu cuts what is below 0, and relu6 what is above 6. */
static void put_rounding(clade_c_writer *w, int32_t number)
{
    const int32_t by = clade_c_rounds(w->network, number);
    const clade_quantization *q = &w->network->quantization[by];
    int32_t low = 0, high = 255;
    const clade_layer *layer = &node_of(w, by)->layer;
    if (is_relu(layer)) low = q->zero;
    if (is_relu(layer) && layer->as.activation.activation == CLADE_RELU6) {
        const double six = (double)q->zero + rint(6 / (double)q->scale);
        if (six < high) high = (int32_t)six;
    }
    clade_c_put(w, "(rounding){%.9gF, %d, %d, %d}", (double)q->scale, q->zero, low, high);
}

static int32_t zero_of(const clade_c_writer *w, int32_t number)
{
    return w->network->quantization[clade_c_rounds(w->network, number)].zero;
}

static void put_bytes(clade_c_writer *w, int32_t number)
{
    const clade_node *node = node_of(w, number);
    const clade_layer_kind kind = node->layer.kind;
    const int32_t input = node->layer.input[0];
    const char *x = w->at[input], *y = w->at[number];
    const bool bias = node->weight_count == 2;
    char weights[96];
    snprintf(weights, sizeof weights,
             bias ? "kernel_%d, bias_%d, scale_%d" : "kernel_%d, 0, scale_%d", number, number,
             number);
    if (kind == CLADE_LAYER_ADD) {
        clade_c_put(w, "    add_int8(%s, ", x);
        put_rounding(w, input);
        clade_c_put(w, ", %s, ", w->at[node->layer.input[1]]);
        put_rounding(w, node->layer.input[1]);
        clade_c_put(w, ", %d, %s, ", clade_c_elements(node), y);
    } else if (kind == CLADE_LAYER_DENSE) {
        const int32_t units = node->dim[node->rank - 1], rows = clade_c_elements(node) / units;
        clade_c_put(w, "    dense_int8(%s, %d, %d, %d, %s, %s, %d, ", x, rows,
                    clade_c_elements(node_of(w, input)) / rows, zero_of(w, input), weights, y,
                    units);
    } else if (kind == CLADE_LAYER_MAXPOOL2D) {
        const clade_window v = clade_pool_window(w->network->graph, node);
        clade_c_put(w, "    maxpool2d_int8(%s, ", x);
        clade_c_put_shape(w, node_of(w, input));
        clade_c_put(w, ", ");
        clade_c_put_window(w, &v);
        clade_c_put(w, ", %s, ", y);
        clade_c_put_shape(w, node);
        clade_c_put(w, ");\n");
        return;
    } else {
        const clade_window v = clade_conv_window(w->network->graph, node);
        const bool deep = kind == CLADE_LAYER_DEPTHWISE_CONV2D;
        const int32_t groups = node->layer.as.conv2d.groups;
        clade_c_put(w, "    %sconv2d_int8(%s, ", deep ? "depthwise_" : "", x);
        clade_c_put_shape(w, node_of(w, input));
        clade_c_put(w, ", %d,\n           %s,\n           ", zero_of(w, input), weights);
        clade_c_put_window(w, &v);
        if (!deep) clade_c_put(w, ", %d", groups ? groups : 1);
        clade_c_put(w, ", %s, ", y);
        clade_c_put_shape(w, node);
        clade_c_put(w, ", ");
    }
    put_rounding(w, number);
    clade_c_put(w, ");\n");
}

/* What an activation makes of each of the 256 integers. */
static void put_table(clade_c_writer *w, int32_t number)
{
    const int32_t input = node_of(w, number)->layer.input[0];
    const char *x = w->at[input], *y = w->at[number];
    clade_c_put(w, "    {\n        uint8_t table[256];\n        float value[256];\n"
                   "        for (int q = 0; q < 256; q++) table[q] = (uint8_t)q;\n"
                   "        to_real(table, 256, ");
    put_rounding(w, input);
    clade_c_put(w, ", value);\n        ");
    clade_c_put_activation(w, number, "value", 256, "value");
    clade_c_put(w, "        to_integers(value, 256, ");
    put_rounding(w, number);
    clade_c_put(
        w, ", table);\n        for (int k = 0; k < %d; k++) (%s)[k] = table[(%s)[k]];\n    }\n",
        clade_c_elements(node_of(w, number)), y, x);
}

void clade_c_put_int8_layer(clade_c_writer *w, int32_t number)
{
    const clade_node *node = node_of(w, number);
    if (clade_c_is_cut(w->network, number)) return; /* its input is cut as it is made */
    const c_form form = form_of(w->network, number);
    if (form == ON_BYTES) put_bytes(w, number);
    if (form == BY_TABLE) put_table(w, number);
    if (form != ON_REAL) return;
    char text[CLADE_MAX_INPUTS + 1][32];
    const char *kept[CLADE_MAX_INPUTS + 1];
    const int32_t inputs = node->layer.input_count;
    uint64_t at = w->workspace[number] / 4;
    for (int32_t k = 0; k < inputs; k++) {
        const int32_t input = node->layer.input[k];
        kept[k] = w->at[input];
        bool again = false;
        for (int32_t j = 0; j < k; j++) again = again || node->layer.input[j] == input;
        if (clade_c_rounds(w->network, input) < 0 || again) continue;
        snprintf(text[k], sizeof text[k], "values.real + %llu", (unsigned long long)at);
        at += (uint64_t)clade_c_elements(node_of(w, input));
        clade_c_put(w, "    to_real(%s, %d, ", w->at[input], clade_c_elements(node_of(w, input)));
        put_rounding(w, input);
        clade_c_put(w, ", %s);\n", text[k]);
        w->at[input] = text[k];
    }
    const bool rounds = clade_c_rounds(w->network, number) >= 0;
    kept[inputs] = w->at[number];
    if (rounds) {
        snprintf(text[inputs], sizeof text[inputs], "values.real + %llu", (unsigned long long)at);
        w->at[number] = text[inputs];
    }
    clade_c_put_layer(w, number);
    if (rounds) {
        clade_c_put(w, "    to_integers(%s, %d, ", text[inputs], clade_c_elements(node));
        put_rounding(w, number);
        clade_c_put(w, ", %s);\n", kept[inputs]);
    }
    w->at[number] = kept[inputs];
    for (int32_t k = inputs - 1; k >= 0; k--) w->at[node->layer.input[k]] = kept[k];
}

void clade_c_put_ends(clade_c_writer *w, bool last)
{
    const int32_t number = last ? w->network->graph->count - 1 : 0;
    if (clade_c_rounds(w->network, number) < 0) return;
    clade_c_put(w, last ? "    to_real(%s, %d, " : "    to_integers(%s, %d, ",
                last ? w->at[number] : "image", clade_c_elements(node_of(w, number)));
    put_rounding(w, number);
    clade_c_put(w, ", %s);\n", last ? "scores" : w->at[number]);
}
