/* Writing a net as C: the functions that layers are calls of. Images are [h][w][c]. */
#include "nn/layer.h"
#include "weights/c_writer.h"

#include <string.h>

/* What each kind of layer calls, and what it is in C. Later ones may call earlier ones. */
static const struct {
    clade_layer_kind kind;
    const char *text;
} functions[] = {
    {CLADE_LAYER_CONV2D,
     "/* kernel [rows][columns][channels of a group][filters] */\n"
     "static void conv2d(const float *x, shape in, const float *kernel, const float *bias, window "
     "v,\n"
     "                   int groups, float *y, shape out)\n"
     "{\n"
     "    const int c = in.c / groups, m = out.c / groups;\n"
     "    for (int i = 0; i < out.h; i++)\n"
     "        for (int j = 0; j < out.w; j++)\n"
     "            for (int f = 0; f < out.c; f++) {\n"
     "                float sum = bias ? bias[f] : 0;\n"
     "                for (int r = 0; r < v.size[0]; r++)\n"
     "                    for (int s = 0; s < v.size[1]; s++) {\n"
     "                        const int row = i * v.stride[0] + r * v.dilation[0] - v.pad[0];\n"
     "                        const int column = j * v.stride[1] + s * v.dilation[1] - v.pad[1];\n"
     "                        if (row < 0 || row >= in.h || column < 0 || column >= in.w) "
     "continue;\n"
     "                        const float *from = x + (row * in.w + column) * in.c + f / m * c;\n"
     "                        const float *k = kernel + (r * v.size[1] + s) * c * out.c + f;\n"
     "                        for (int n = 0; n < c; n++) sum += from[n] * k[n * out.c];\n"
     "                    }\n"
     "                *y++ = sum;\n"
     "            }\n"
     "}\n"},
    {CLADE_LAYER_DEPTHWISE_CONV2D,
     "/* kernel [rows][columns][channels][multiplier] */\n"
     "static void depthwise_conv2d(const float *x, shape in, const float *kernel, const float "
     "*bias,\n"
     "                             window v, float *y, shape out)\n"
     "{\n"
     "    const int multiplier = out.c / in.c;\n"
     "    for (int i = 0; i < out.h; i++)\n"
     "        for (int j = 0; j < out.w; j++)\n"
     "            for (int f = 0; f < out.c; f++) {\n"
     "                float sum = bias ? bias[f] : 0;\n"
     "                for (int r = 0; r < v.size[0]; r++)\n"
     "                    for (int s = 0; s < v.size[1]; s++) {\n"
     "                        const int row = i * v.stride[0] + r * v.dilation[0] - v.pad[0];\n"
     "                        const int column = j * v.stride[1] + s * v.dilation[1] - v.pad[1];\n"
     "                        if (row < 0 || row >= in.h || column < 0 || column >= in.w) "
     "continue;\n"
     "                        sum += x[(row * in.w + column) * in.c + f / multiplier] *\n"
     "                               kernel[(r * v.size[1] + s) * out.c + f];\n"
     "                    }\n"
     "                *y++ = sum;\n"
     "            }\n"
     "}\n"},
    {CLADE_LAYER_DENSE,
     "/* kernel [inputs][units]; x is `rows` rows of inputs */\n"
     "static void dense(const float *x, int rows, int inputs, const float *kernel, const float "
     "*bias,\n"
     "                  float *y, int units)\n"
     "{\n"
     "    for (int i = 0; i < rows; i++, x += inputs)\n"
     "        for (int u = 0; u < units; u++) {\n"
     "            float sum = bias ? bias[u] : 0;\n"
     "            for (int k = 0; k < inputs; k++) sum += x[k] * kernel[k * units + u];\n"
     "            *y++ = sum;\n"
     "        }\n"
     "}\n"},
    {CLADE_LAYER_MAXPOOL2D,
     "static void maxpool2d(const float *x, shape in, window v, float *y, shape out)\n"
     "{\n"
     "    for (int i = 0; i < out.h; i++)\n"
     "        for (int j = 0; j < out.w; j++)\n"
     "            for (int n = 0; n < out.c; n++) {\n"
     "                float most = -INFINITY;\n"
     "                for (int r = 0; r < v.size[0]; r++)\n"
     "                    for (int s = 0; s < v.size[1]; s++) {\n"
     "                        const int row = i * v.stride[0] + r - v.pad[0];\n"
     "                        const int column = j * v.stride[1] + s - v.pad[1];\n"
     "                        if (row < 0 || row >= in.h || column < 0 || column >= in.w) "
     "continue;\n"
     "                        const float value = x[(row * in.w + column) * in.c + n];\n"
     "                        if (value > most) most = value;\n"
     "                    }\n"
     "                *y++ = most;\n"
     "            }\n"
     "}\n"},
    {CLADE_LAYER_AVGPOOL2D,
     "/* the mean of the values inside the image, or, if `padded`, of the zeros around it as well "
     "*/\n"
     "static void avgpool2d(const float *x, shape in, window v, int padded, float *y, shape out)\n"
     "{\n"
     "    for (int i = 0; i < out.h; i++)\n"
     "        for (int j = 0; j < out.w; j++)\n"
     "            for (int n = 0; n < out.c; n++) {\n"
     "                float sum = 0;\n"
     "                int count = 0;\n"
     "                for (int r = 0; r < v.size[0]; r++)\n"
     "                    for (int s = 0; s < v.size[1]; s++) {\n"
     "                        const int row = i * v.stride[0] + r - v.pad[0];\n"
     "                        const int column = j * v.stride[1] + s - v.pad[1];\n"
     "                        if (row < 0 || row >= in.h || column < 0 || column >= in.w) "
     "continue;\n"
     "                        sum += x[(row * in.w + column) * in.c + n];\n"
     "                        count++;\n"
     "                    }\n"
     "                *y++ = sum / (float)(padded ? v.size[0] * v.size[1] : count);\n"
     "            }\n"
     "}\n"},
    {CLADE_LAYER_GLOBAL_AVGPOOL2D,
     "static void global_avgpool2d(const float *x, shape in, float *y)\n"
     "{\n"
     "    for (int n = 0; n < in.c; n++) {\n"
     "        float sum = 0;\n"
     "        for (int k = 0; k < in.h * in.w; k++) sum += x[k * in.c + n];\n"
     "        y[n] = sum / (float)(in.h * in.w);\n"
     "    }\n"
     "}\n"},
    {CLADE_LAYER_GLOBAL_MAXPOOL2D,
     "static void global_maxpool2d(const float *x, shape in, float *y)\n"
     "{\n"
     "    for (int n = 0; n < in.c; n++) {\n"
     "        y[n] = x[n];\n"
     "        for (int k = 1; k < in.h * in.w; k++)\n"
     "            if (x[k * in.c + n] > y[n]) y[n] = x[k * in.c + n];\n"
     "    }\n"
     "}\n"},
    {CLADE_LAYER_BATCHNORM,
     "static void batchnorm(const float *x, int count, const float *scale, const float *shift, int "
     "c,\n"
     "                      float *y)\n"
     "{\n"
     "    for (int k = 0; k < count; k++) y[k] = x[k] * scale[k % c] + shift[k % c];\n"
     "}\n"},
    {CLADE_LAYER_LAYER_SCALE,
     "static void layer_scale(const float *x, int count, const float *scale, int c, float *y)\n"
     "{\n"
     "    for (int k = 0; k < count; k++) y[k] = x[k] * scale[k % c];\n"
     "}\n"},
    {CLADE_LAYER_SOFTMAX,
     "/* of each of `rows` rows of c numbers, divided by the temperature */\n"
     "static void softmax(const float *x, int rows, int c, float temperature, float *y)\n"
     "{\n"
     "    for (int i = 0; i < rows; i++, x += c, y += c) {\n"
     "        float most = x[0], sum = 0;\n"
     "        for (int k = 1; k < c; k++)\n"
     "            if (x[k] > most) most = x[k];\n"
     "        for (int k = 0; k < c; k++) sum += y[k] = expf((x[k] - most) / temperature);\n"
     "        for (int k = 0; k < c; k++) y[k] /= sum;\n"
     "    }\n"
     "}\n"},
    {CLADE_LAYER_ADD,
     "/* b has `count` elements, or one for each channel */\n"
     "static void add(const float *a, const float *b, int count, int of_b, float *y)\n"
     "{\n"
     "    for (int k = 0; k < count; k++) y[k] = a[k] + b[k % of_b];\n"
     "}\n"},
    {CLADE_LAYER_MULTIPLY,
     "/* b has `count` elements, or one for each channel */\n"
     "static void multiply(const float *a, const float *b, int count, int of_b, float *y)\n"
     "{\n"
     "    for (int k = 0; k < count; k++) y[k] = a[k] * b[k % of_b];\n"
     "}\n"},
    {CLADE_LAYER_CONCAT,
     "/* copies x to the channels of y from `first` on */\n"
     "static void put_channels(const float *x, int places, int c, float *y, int first, int "
     "channels)\n"
     "{\n"
     "    for (int k = 0; k < places * c; k++) y[k / c * channels + first + k % c] = x[k];\n"
     "}\n"},
    {CLADE_LAYER_ZERO_PADDING2D,
     "static void zero_padding2d(const float *x, shape in, int top, int left, float *y, shape "
     "out)\n"
     "{\n"
     "    for (int i = 0; i < out.h; i++)\n"
     "        for (int j = 0; j < out.w; j++)\n"
     "            for (int n = 0; n < out.c; n++) {\n"
     "                const int row = i - top, column = j - left;\n"
     "                const int in_it = row >= 0 && row < in.h && column >= 0 && column < in.w;\n"
     "                *y++ = in_it ? x[(row * in.w + column) * in.c + n] : 0;\n"
     "            }\n"
     "}\n"}};
enum { function_count = sizeof functions / sizeof *functions };

/* What each activation makes of x; alpha is its parameter. */
static const char *const expressions[CLADE_ACTIVATIONS] = {
    [CLADE_RELU] = "x > 0 ? x : 0",
    [CLADE_LEAKY_RELU] = "x > 0 ? x : alpha * x",
    [CLADE_RELU6] = "x < 0 ? 0 : x > 6 ? 6 : x",
    [CLADE_SIGMOID] = "1 / (1 + expf(-x / alpha))",
    [CLADE_TANH] = "tanhf(x)",
    [CLADE_HARD_SIGMOID] = "x < -3 ? 0 : x > 3 ? 1 : x / 6 + 0.5f",
    [CLADE_SILU] = "x / (1 + expf(-x))",
    [CLADE_HARD_SWISH] = "x < -3 ? 0 : x > 3 ? x : x * (x / 6 + 0.5f)",
    [CLADE_GELU] = "x * (1 + erff(x * 0.70710678f)) / 2",
    [CLADE_ELU] = "x > 0 ? x : alpha * expm1f(x)",
    [CLADE_SOFTPLUS] = "(x > 0 ? x : 0) + log1pf(expf(-fabsf(x)))",
    [CLADE_MISH] = "x * tanhf((x > 0 ? x : 0) + log1pf(expf(-fabsf(x))))",
};

static const clade_layer *layer_of(const clade_c_writer *w, int32_t number)
{
    return &w->network->graph->node[number].layer;
}

/* Is there such a layer; with `calls`, one that works on real numbers? */
static bool uses(const clade_c_writer *w, clade_layer_kind kind, clade_activation activation,
                 bool calls)
{
    for (int32_t i = 1; i < w->network->graph->count; i++) {
        const clade_layer *layer = layer_of(w, i);
        if (layer->kind != kind || (calls && !clade_c_calls_real(w->network, i))) continue;
        if (kind != CLADE_LAYER_ACTIVATION || layer->as.activation.activation == activation)
            return true;
    }
    return false;
}

bool clade_c_has_alpha(clade_activation a) { return strstr(expressions[a], "alpha") != NULL; }

bool clade_c_has_function(clade_layer_kind kind)
{
    for (size_t k = 0; k < function_count; k++)
        if (functions[k].kind == kind) return true;
    return kind == CLADE_LAYER_ACTIVATION;
}

void clade_c_put_functions(clade_c_writer *w)
{
    static const clade_layer_kind windows[] = {CLADE_LAYER_CONV2D, CLADE_LAYER_DEPTHWISE_CONV2D,
                                               CLADE_LAYER_MAXPOOL2D, CLADE_LAYER_AVGPOOL2D};
    static const clade_layer_kind shapes[] = {
        CLADE_LAYER_GLOBAL_AVGPOOL2D, CLADE_LAYER_GLOBAL_MAXPOOL2D, CLADE_LAYER_ZERO_PADDING2D};
    bool windowed = false, shaped = false;
    for (size_t k = 0; k < sizeof windows / sizeof *windows; k++)
        windowed = windowed || uses(w, windows[k], CLADE_LINEAR, false);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        shaped = shaped || uses(w, shapes[k], CLADE_LINEAR, false);
    if (windowed || shaped) clade_c_put(w, "typedef struct {\n    int h, w, c;\n} shape;\n\n");
    if (windowed)
        clade_c_put(w, "/* rows and columns of each; pad is the padding above and on the left */\n"
                       "typedef struct {\n    int size[2], stride[2], dilation[2], pad[2];\n"
                       "} window;\n\n");
    if (w->network->quantization) clade_c_put_int8_functions(w);
    for (size_t k = 0; k < function_count; k++)
        if (uses(w, functions[k].kind, CLADE_LINEAR, true))
            clade_c_put(w, "%s\n", functions[k].text);
    for (int a = 0; a < CLADE_ACTIVATIONS; a++) {
        if (!uses(w, CLADE_LAYER_ACTIVATION, (clade_activation)a, true)) continue;
        const char *name = clade_activation_describe(a)->name;
        const bool alpha = clade_c_has_alpha((clade_activation)a);
        clade_c_put(w,
                    "static void apply_%s(const float *from, int count, %sfloat *y)\n{\n"
                    "    for (int k = 0; k < count; k++) {\n        const float x = from[k];\n"
                    "        y[k] = %s;\n    }\n}\n\n",
                    name, alpha ? "float alpha, " : "", expressions[a]);
    }
}
