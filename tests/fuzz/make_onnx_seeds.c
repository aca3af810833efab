/* Makes the seeds of the ONNX target: make_onnx_seeds FOLDER. */
#include "../onnx/onnx_hand.h"

#include <stdio.h>
#include <stdlib.h>

static float values[2048];

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, clade_error());
    exit(1);
}

static Onnx__Node *node(clade_onnx_writer *w, const char *op, const char *out, const char *a,
                        const char *b, const char *c)
{
    return hand_node(w, op, out, out, a, b, c);
}

static void start(clade_onnx_writer *w, int64_t opset)
{
    static const int64_t in[] = {-1, 3, 8, 8}, out[] = {-1, 4};
    hand_start(w, opset, in, out);
}

static void save(clade_onnx_writer *w, const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (clade_onnx_writer_save(w, path)) fail(path);
    clade_onnx_writer_clear(w);
}

static const clade_layer many_kinds[] = {
    {.kind = CLADE_LAYER_CONV2D,
     .as.conv2d = {.filters = 4, .kernel = {3, 3}, .activation = CLADE_GELU}},
    {.kind = CLADE_LAYER_BATCHNORM},
    {.kind = CLADE_LAYER_ACTIVATION, .as.activation = {.activation = CLADE_HARD_SWISH}},
    {.kind = CLADE_LAYER_DEPTHWISE_CONV2D,
     .as.conv2d = {.kernel = {3, 3}, .padding = CLADE_PADDING_SAME, .no_bias = true}},
    {.kind = CLADE_LAYER_ADD, .input_count = 2, .input = {3, 4}},
    {.kind = CLADE_LAYER_LRN},
    {.kind = CLADE_LAYER_CONCAT, .input_count = 2, .input = {6, 5}},
    {.kind = CLADE_LAYER_MAXPOOL2D, .as.pool2d = {.window = {2, 2}}},
    {.kind = CLADE_LAYER_AVGPOOL2D, .as.pool2d = {.window = {2, 2}, .stride = {1, 1}}},
    {.kind = CLADE_LAYER_ZERO_PADDING2D, .as.pad2d = {{1, 0, 0, 1}}},
    {.kind = CLADE_LAYER_FLATTEN},
    {.kind = CLADE_LAYER_DROPOUT, .as.dropout = {.rate = 0.5F}},
    {.kind = CLADE_LAYER_DENSE, .as.dense = {.units = 4, .softmax = true}},
};

static const clade_layer transformer[] = {
    {.kind = CLADE_LAYER_CONV2D, .as.conv2d = {.filters = 6, .kernel = {4, 4}, .stride = {4, 4}}},
    {.kind = CLADE_LAYER_CLASS_TOKEN},
    {.kind = CLADE_LAYER_POSITION_EMBEDDING},
    {.kind = CLADE_LAYER_CONV2D, .as.conv2d = {.filters = 18, .kernel = {1, 1}}},
    {.kind = CLADE_LAYER_ATTENTION, .as.attention = {.heads = 2}},
    {.kind = CLADE_LAYER_FLATTEN},
    {.kind = CLADE_LAYER_DENSE, .as.dense = {.units = 4, .softmax = true}},
};

/* A net of ours, as it is exported. */
static void make_exported(const char *folder, const char *name, const clade_layer *layers,
                          size_t layer_count, bool pixels)
{
    static const char *const classes[] = {"a", "b", "c", "d"};
    static const clade_preprocessing preprocessing = {.scale = {0.5F, 0.25F, 2},
                                                      .shift = {1, 2, 3}};
    clade_graph *graph;
    clade_device *device = NULL;
    clade_model *model = NULL;
    clade_network *network;
    clade_network_weight weights[16] = {{0}};
    if (clade_graph_create(8, 8, 3, &graph)) fail("graph");
    for (size_t i = 0; i < layer_count; i++)
        if (clade_graph_add(graph, &layers[i], NULL)) fail("graph");
    if (clade_device_open("cpu", NULL, &device)) fail("cpu");
    if (clade_model_create(graph, device, &(clade_model_options){.batch = 1}, &model))
        fail("model");
    size_t count = clade_model_parameters(model);
    for (size_t i = 0; i < count; i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        weights[i].name = p->name;
        weights[i].rank = p->value.rank;
        weights[i].data = values;
        for (int32_t d = 0; d < p->value.rank; d++) weights[i].dim[d] = p->value.dim[d];
    }
    const clade_network_parts parts = {.graph = graph,
                                       .weights = weights,
                                       .weight_count = count,
                                       .preprocessing = &preprocessing,
                                       .classes = classes,
                                       .class_count = 4};
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (clade_network_create(&parts, &network)) fail("network");
    if (clade_network_write_onnx(network, &(clade_onnx_options){.preprocessing = pixels}, path))
        fail(path);
    clade_network_destroy(&network);
    clade_model_destroy(&model);
    clade_device_close(&device);
    clade_graph_destroy(&graph);
}

/* Arithmetic on shapes and constants. */
static void make_folded(const char *folder)
{
    static const int64_t zero[] = {0}, one[] = {1}, minus[] = {-1}, kernel[] = {192, 4},
                         two[] = {2};
    clade_onnx_writer w;
    start(&w, 13);
    clade_onnx_put_numbers(&w, hand_text(&w, "zero"), 1, zero);
    clade_onnx_put_numbers(&w, hand_text(&w, "one"), 1, one);
    clade_onnx_put_numbers(&w, hand_text(&w, "two"), 1, two);
    clade_onnx_put_numbers(&w, hand_text(&w, "minus"), 1, minus);
    clade_onnx_put_floats(&w, hand_text(&w, "k.weight"), 2, kernel, values);
    node(&w, "Shape", "shape", "x", NULL, NULL);
    node(&w, "Gather", "n", "shape", "zero", NULL);
    node(&w, "Slice", "tail", "shape", "one", "two");
    node(&w, "Cast", "real", "tail", NULL, NULL);
    node(&w, "Floor", "floor", "real", NULL, NULL);
    node(&w, "Sqrt", "root", "floor", NULL, NULL);
    node(&w, "Unsqueeze", "wide", "root", "zero", NULL);
    node(&w, "Squeeze", "narrow", "wide", "zero", NULL);
    node(&w, "Transpose", "turned", "narrow", NULL, NULL);
    clade_onnx_put_int(&w, node(&w, "Concat", "to", "n", "minus", NULL), "axis", 0);
    node(&w, "Reshape", "flat", "x", "to", NULL);
    node(&w, "Mul", "scaled", "flat", "narrow", NULL);
    node(&w, "MatMul", "y", "scaled", "k.weight", NULL);
    save(&w, folder, "folded");
}

/* Clips, means and squeezes of another exporter. */
static void make_gates(const char *folder)
{
    static const int64_t kernel[] = {4, 3, 1, 1}, four[] = {4};
    static const int32_t axes[] = {2, 3}, last[] = {0, 2, 3, 1}, second[] = {0, 3, 1, 2};
    clade_onnx_writer w;
    start(&w, 9);
    clade_onnx_put_floats(&w, hand_text(&w, "k"), 4, kernel, values);
    clade_onnx_put_floats(&w, hand_text(&w, "b"), 1, four, values);
    clade_onnx_put_ints(&w, node(&w, "Transpose", "t", "x", NULL, NULL), "perm", last, 4);
    clade_onnx_put_ints(&w, node(&w, "Transpose", "u", "t", NULL, NULL), "perm", second, 4);
    node(&w, "Conv", "conv", "u", "k", "b");
    Onnx__Node *clip = node(&w, "Clip", "clip", "conv", NULL, NULL);
    clade_onnx_put_float(&w, clip, "min", 0);
    clade_onnx_put_float(&w, clip, "max", 6);
    Onnx__Node *mean = node(&w, "ReduceMean", "mean", "clip", NULL, NULL);
    clade_onnx_put_ints(&w, mean, "axes", axes, 2);
    node(&w, "HardSigmoid", "gate", "mean", NULL, NULL);
    node(&w, "Mul", "gated", "clip", "gate", NULL);
    node(&w, "Sigmoid", "s", "gated", NULL, NULL);
    node(&w, "Mul", "silu", "gated", "s", NULL);
    Onnx__Node *pool = node(&w, "AveragePool", "pool", "silu", NULL, NULL);
    static const int32_t window[] = {3, 3}, stride[] = {2, 2}, pads[] = {1, 1, 0, 0};
    clade_onnx_put_ints(&w, pool, "kernel_shape", window, 2);
    clade_onnx_put_ints(&w, pool, "strides", stride, 2);
    clade_onnx_put_ints(&w, pool, "pads", pads, 4);
    clade_onnx_put_int(&w, pool, "ceil_mode", 1);
    node(&w, "GlobalAveragePool", "g", "pool", NULL, NULL);
    clade_onnx_put_ints(&w, node(&w, "Squeeze", "y", "g", NULL, NULL), "axes", axes, 2);
    save(&w, folder, "gates");
}

/* Images enlarged by scales, and by sizes that are worked out. */
static void make_resized(const char *folder)
{
    static const int64_t zero[] = {0}, two[] = {2}, four[] = {4}, factors[] = {2, 3};
    static const float scales[] = {1, 1, 2, 3};
    clade_onnx_writer w;
    start(&w, 13);
    clade_onnx_put_floats(&w, hand_text(&w, "scales"), 1, four, scales);
    clade_onnx_put_numbers(&w, hand_text(&w, "zero"), 1, zero);
    clade_onnx_put_numbers(&w, hand_text(&w, "two"), 1, two);
    clade_onnx_put_numbers(&w, hand_text(&w, "four"), 1, four);
    clade_onnx_put_numbers(&w, hand_text(&w, "factors"), 2, factors);
    node(&w, "Shape", "shape", "x", NULL, NULL);
    node(&w, "Slice", "images", "shape", "zero", "two");
    node(&w, "Slice", "small", "shape", "two", "four");
    node(&w, "Mul", "large", "small", "factors", NULL);
    clade_onnx_put_int(&w, node(&w, "Concat", "sizes", "images", "large", NULL), "axis", 0);
    Onnx__Node *linear = node(&w, "Resize", "linear", "x", "", "scales");
    clade_onnx_put_text(&w, linear, "mode", "linear");
    clade_onnx_put_text(&w, linear, "coordinate_transformation_mode", "align_corners");
    char *inputs[] = {hand_text(&w, "linear"), hand_text(&w, ""), hand_text(&w, ""),
                      hand_text(&w, "sizes")};
    Onnx__Node *nearest =
        clade_onnx_put_node(&w, "Resize", "nearest", hand_text(&w, "nearest"), 4, inputs);
    clade_onnx_put_text(&w, nearest, "nearest_mode", "round_prefer_ceil");
    node(&w, "GlobalMaxPool", "pool", "nearest", NULL, NULL);
    node(&w, "Flatten", "y", "pool", NULL, NULL);
    save(&w, folder, "resized");
}

/* A weight whose data lie in the file "w" beside it, behind its first number. */
static void make_external(const char *folder)
{
    static const int64_t kernel[] = {4, 3, 1, 1};
    static const char *const entries[][2] = {{"location", "w"}, {"offset", "4"}, {"length", "48"}};
    static Onnx__Pair pairs[3], *list[3];
    clade_onnx_writer w;
    start(&w, 13);
    clade_onnx_put_floats(&w, hand_text(&w, "k"), 4, kernel, values);
    Onnx__Tensor *t = w.graph.initializer[0];
    for (int i = 0; i < 3; i++) {
        onnx__pair__init(&pairs[i]);
        pairs[i].key = hand_text(&w, entries[i][0]);
        pairs[i].value = hand_text(&w, entries[i][1]);
        list[i] = &pairs[i];
    }
    t->external_data = list;
    t->n_external_data = 3;
    t->has_data_location = true;
    t->data_location = 1;
    t->has_raw_data = false;
    node(&w, "Conv", "conv", "x", "k", NULL);
    node(&w, "GlobalAveragePool", "g", "conv", NULL, NULL);
    node(&w, "Flatten", "y", "g", NULL, NULL);
    save(&w, folder, "external");
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) values[i] = (float)(i % 7) / 8;
    const size_t many = sizeof many_kinds / sizeof *many_kinds;
    make_exported(argv[1], "exported", many_kinds, many, false);
    make_exported(argv[1], "pixels", many_kinds, many, true);
    make_exported(argv[1], "tokens", transformer, sizeof transformer / sizeof *transformer, false);
    make_folded(argv[1]);
    make_gates(argv[1]);
    make_resized(argv[1]);
    make_external(argv[1]);
    return 0;
}
