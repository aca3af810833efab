/* ONNX: nets of every kind of layer written and read again; what reading folds; files that lie. */
#define _XOPEN_SOURCE 700
#include <clade/clade.h>

#include "../test.h"
#include "base/file.h"
#include "base/random.h"
#include "weights/network.h"
#include "onnx_hand.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_NAME "onnx_test.onnx"
#define OTHER_NAME "onnx_test_2.onnx"

/* --- nets of ours --- */

static int32_t last_added;

static void add(clade_graph *graph, clade_layer layer)
{
    CHECK_OK(clade_graph_add(graph, &layer, &last_added));
}

#define ADD(graph, ...) add(graph, (clade_layer){__VA_ARGS__})

/* Every kind of layer and activation that ONNX can say. */
static clade_graph *make_graph(void)
{
    clade_graph *g;
    CHECK_OK(clade_graph_create(13, 11, 3, &g));
    ADD(g, .kind = CLADE_LAYER_CONV2D, .name = "first conv",
        .as.conv2d = {.filters = 8,
                      .kernel = {3, 2},
                      .padding = CLADE_PADDING_SAME,
                      .activation = CLADE_RELU6});
    ADD(g, .kind = CLADE_LAYER_BATCHNORM, .as.batchnorm = {.momentum = 0.9F, .eps = 1e-5F});
    ADD(g, .kind = CLADE_LAYER_ACTIVATION, .as.activation = {.activation = CLADE_SILU});
    int32_t skip = last_added;
    ADD(g, .kind = CLADE_LAYER_DEPTHWISE_CONV2D,
        .as.conv2d = {.filters = 2,
                      .kernel = {3, 3},
                      .padding = CLADE_PADDING_EXPLICIT,
                      .pad = {1, 1, 0, 1},
                      .activation = CLADE_HARD_SWISH,
                      .no_bias = true});
    ADD(g, .kind = CLADE_LAYER_CONV2D,
        .as.conv2d = {.filters = 8, .kernel = {1, 1}, .groups = 4, .activation = CLADE_GELU});
    ADD(g, .kind = CLADE_LAYER_ZERO_PADDING2D, .as.pad2d = {{1, 0, 0, 0}});
    int32_t wide = last_added;
    ADD(g, .kind = CLADE_LAYER_ADD, .input_count = 3, .input = {skip, wide, skip});
    int32_t sum = last_added;
    ADD(g, .kind = CLADE_LAYER_GLOBAL_AVGPOOL2D);
    ADD(g, .kind = CLADE_LAYER_DENSE, .as.dense = {.units = 8, .activation = CLADE_HARD_SIGMOID});
    ADD(g, .kind = CLADE_LAYER_MULTIPLY, .input_count = 2, .input = {sum, last_added});
    ADD(g, .kind = CLADE_LAYER_CONCAT, .input_count = 2, .input = {last_added, skip});
    ADD(g, .kind = CLADE_LAYER_LRN, .as.lrn = {.size = 3, .k = 2, .alpha = 0.1F, .beta = 0.5F});
    ADD(g, .kind = CLADE_LAYER_MAXPOOL2D,
        .as.pool2d = {.window = {3, 3}, .stride = {2, 2}, .padding = CLADE_PADDING_SAME});
    ADD(g, .kind = CLADE_LAYER_AVGPOOL2D,
        .as.pool2d = {.window = {2, 2},
                      .stride = {1, 1},
                      .padding = CLADE_PADDING_EXPLICIT,
                      .pad = {1, 0, 0, 1},
                      .count_pad = true});
    ADD(g, .kind = CLADE_LAYER_UPSAMPLE2D, .as.upsample2d = {.size = {1, 3}});
    ADD(g, .kind = CLADE_LAYER_UPSAMPLE2D, .as.upsample2d = {.interpolation = CLADE_BILINEAR});
    ADD(g, .kind = CLADE_LAYER_ACTIVATION,
        .as.activation = {.activation = CLADE_LEAKY_RELU, .alpha = 0.2F});
    ADD(g, .kind = CLADE_LAYER_ACTIVATION,
        .as.activation = {.activation = CLADE_ELU, .alpha = 0.5F});
    ADD(g, .kind = CLADE_LAYER_ACTIVATION, .as.activation = {.activation = CLADE_SOFTPLUS});
    ADD(g, .kind = CLADE_LAYER_ACTIVATION, .as.activation = {.activation = CLADE_MISH});
    ADD(g, .kind = CLADE_LAYER_CONV2D,
        .as.conv2d = {.filters = 4,
                      .kernel = {2, 2},
                      .stride = {2, 1},
                      .dilation = {1, 2},
                      .activation = CLADE_TANH});
    int32_t dim[3];
    clade_graph_shape(g, last_added, dim);
    ADD(g, .kind = CLADE_LAYER_RESHAPE,
        .as.reshape = {.rank = 3, .dim = {dim[1], dim[0] * 2, dim[2] / 2}});
    ADD(g, .kind = CLADE_LAYER_FLATTEN);
    ADD(g, .kind = CLADE_LAYER_DENSE, .as.dense = {.units = 6, .no_bias = true});
    ADD(g, .kind = CLADE_LAYER_BATCHNORM);
    ADD(g, .kind = CLADE_LAYER_ACTIVATION, .as.activation = {.activation = CLADE_SIGMOID});
    ADD(g, .kind = CLADE_LAYER_DROPOUT, .as.dropout = {.rate = 0.25F});
    ADD(g, .kind = CLADE_LAYER_DENSE, .name = "head", .as.dense = {.units = 3, .softmax = true});
    return g;
}

/* A net with random weights; variances are positive. */
static clade_network *make_network(void)
{
    static const char *const classes[] = {"cat", "dög", "\"bird\""};
    static const clade_preprocessing preprocessing = {
        .scale = {1 / 255.0F, 0.017F, 3}, .shift = {0.1F, -2, 0}, .interpolation = CLADE_BILINEAR};
    clade_graph *graph = make_graph();
    clade_device *device = NULL;
    clade_model *model = NULL;
    clade_network_weight weights[64];
    float *data[64];
    clade_network *network = NULL;
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    CHECK_OK(clade_model_create(graph, device, &(clade_model_options){.batch = 2}, &model));
    size_t count = clade_model_parameters(model);
    clade_random r = clade_random_start(5, CLADE_STREAM_INIT, 0);
    for (size_t i = 0; i < count; i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        size_t n = clade_tensor_count(&p->value);
        data[i] = malloc(n * sizeof(float));
        for (size_t k = 0; k < n; k++)
            data[i][k] = strstr(p->name, "variance") ? clade_random_uniform(&r, 0.5F, 2)
                                                     : clade_random_uniform(&r, -0.5F, 0.5F);
        weights[i] =
            (clade_network_weight){.name = p->name, .rank = p->value.rank, .data = data[i]};
        memcpy(weights[i].dim, p->value.dim, sizeof weights[i].dim);
    }
    clade_network_parts parts = {.name = "all",
                                 .graph = graph,
                                 .weights = weights,
                                 .weight_count = count,
                                 .preprocessing = &preprocessing,
                                 .classes = classes,
                                 .class_count = 3};
    CHECK_OK(clade_network_create(&parts, &network));
    parts.weight_count--;
    clade_network *none;
    CHECK_FAILS(clade_network_create(&parts, &none), CLADE_EINVAL, "is missing");
    weights[1] = weights[0];
    CHECK_FAILS(clade_network_create(&parts, &none), CLADE_EINVAL, "given twice");
    weights[0].name = "nobody/kernel";
    CHECK_FAILS(clade_network_create(&parts, &none), CLADE_EINVAL, "'nobody/kernel'");
    for (size_t i = 0; i < count; i++) free(data[i]);
    clade_model_destroy(&model);
    clade_device_close(&device);
    clade_graph_destroy(&graph);
    return network;
}

/* The net's outputs for two random images; `n` gets how many numbers. */
static float *outputs_of(const clade_network *network, size_t *n)
{
    clade_device *device = NULL;
    clade_model *model = NULL;
    size_t count;
    const clade_network_weight *weights = clade_network_weights(network, &count);
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    CHECK_OK(clade_model_create(clade_network_graph(network), device,
                                &(clade_model_options){.batch = 2}, &model));
    CHECK_OK(clade_model_load(model, weights, count, true));
    const clade_tensor *x = clade_model_input(model), *y = clade_model_output(model);
    size_t taken = clade_tensor_count(x);
    float *values = malloc(taken * sizeof *values);
    clade_random r = clade_random_start(6, CLADE_STREAM_INIT, 0);
    for (size_t i = 0; i < taken; i++) values[i] = clade_random_uniform(&r, -2, 2);
    CHECK_OK(clade_tensor_write(x, values));
    free(values);
    CHECK_OK(clade_model_infer(model, 2, false));
    *n = clade_tensor_count(y);
    values = malloc(*n * sizeof *values);
    CHECK_OK(clade_tensor_read(y, values));
    clade_model_destroy(&model);
    clade_device_close(&device);
    return values;
}

static void check_same(const clade_network *a, const clade_network *b)
{
    size_t na, nb;
    const clade_network_weight *wa = clade_network_weights(a, &na),
                               *wb = clade_network_weights(b, &nb);
    CHECK(na == nb);
    for (size_t i = 0; i < na && i < nb; i++) {
        size_t count = 1;
        CHECK(!strcmp(wa[i].name, wb[i].name));
        CHECK(wa[i].rank == wb[i].rank && !memcmp(wa[i].dim, wb[i].dim, sizeof wa[i].dim));
        for (int32_t d = 0; d < wa[i].rank; d++) count *= (size_t)wa[i].dim[d];
        CHECK(!memcmp(wa[i].data, wb[i].data, count * sizeof(float)));
    }
    float *ya = outputs_of(a, &na), *yb = outputs_of(b, &nb);
    CHECK(na == nb && !memcmp(ya, yb, na * sizeof *ya));
    free(ya);
    free(yb);
    const clade_preprocessing *pa = clade_network_preprocessing(a),
                              *pb = clade_network_preprocessing(b);
    CHECK(pa && pb && !memcmp(pa->scale, pb->scale, 3 * sizeof(float)) &&
          !memcmp(pa->shift, pb->shift, 3 * sizeof(float)) &&
          pa->interpolation == pb->interpolation);
    CHECK(clade_network_classes(a) == clade_network_classes(b));
    for (int32_t i = 0; i < clade_network_classes(a); i++)
        CHECK(!strcmp(clade_network_class_name(a, i), clade_network_class_name(b, i)));
}

static bool same_files(const char *a, const char *b)
{
    void *x, *y;
    size_t m, n;
    CHECK_OK(clade_file_read(a, 1 << 24, &x, &m));
    CHECK_OK(clade_file_read(b, 1 << 24, &y, &n));
    bool same = m == n && !memcmp(x, y, m);
    free(x);
    free(y);
    return same;
}

static void test_round_trip(void)
{
    clade_network *network = make_network(), *again = NULL, *model = NULL;
    for (int pixels = 0; pixels < 2; pixels++) {
        clade_onnx_options options = {.preprocessing = pixels != 0};
        CHECK_OK(clade_network_write_onnx(network, &options, FILE_NAME));
        CHECK_OK(clade_network_read(FILE_NAME, NULL, &again));
        if (!again) return;
        check_same(network, again);
        /* what was read says the same when it is written */
        CHECK_OK(clade_network_write_onnx(again, &options, FILE_NAME));
        clade_network_destroy(&again);
        CHECK_OK(clade_network_read(FILE_NAME, NULL, &again));
        CHECK_OK(clade_network_write_onnx(again, &options, OTHER_NAME));
        CHECK(same_files(FILE_NAME, OTHER_NAME));
        clade_network_destroy(&again);
    }
    CHECK_OK(clade_network_write(network, "onnx_test.safetensors"));
    CHECK_OK(clade_network_read("onnx_test.safetensors", NULL, &model));
    if (model) check_same(network, model);
    CHECK(model && clade_network_recipe(model) && !clade_network_recipe(network));
    clade_network_destroy(&model);
    clade_network_options size = {.height = 14};
    CHECK_FAILS(clade_network_read("onnx_test.safetensors", &size, &model), CLADE_EINVAL, "13×11");
    /* another size than the file's: the dense layer behind a Flatten no longer fits */
    CHECK_FAILS(
        clade_network_read(FILE_NAME, &(clade_network_options){.height = 40, .width = 40}, &again),
        CLADE_EINVAL, "a size other than its file's");
    clade_network_destroy(&network);
}

/* --- files made by hand --- */

static const float numbers[96] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static void floats(clade_onnx_writer *w, const char *name, int32_t rank, const int64_t *dim)
{
    clade_onnx_put_floats(w, hand_text(w, name), rank, dim, numbers);
}

/* The frame, with the input [n, 2, 4, 4]. */
static void start(clade_onnx_writer *w, int64_t opset)
{
    static const int64_t in[] = {-1, 2, 4, 4}, out[] = {-1, 3};
    hand_start(w, opset, in, out);
}

/* Saves and reads it; the status is that of reading. */
static clade_status read_back(clade_onnx_writer *w, clade_network **out)
{
    *out = NULL;
    CHECK_OK(clade_onnx_writer_save(w, FILE_NAME));
    clade_onnx_writer_clear(w);
    return clade_network_read(FILE_NAME, NULL, out);
}

static void expect_error(clade_onnx_writer *w, clade_status status, const char *part)
{
    clade_network *network;
    CHECK_FAILS(read_back(w, &network), status, part);
    clade_network_destroy(&network);
}

/* x, flattened by the shape arithmetic that PyTorch writes, times a kernel whose rows are then in
 * another order. */
static void test_folding(void)
{
    static const int64_t kernel[] = {32, 1}, zero[] = {0}, minus[] = {-1};
    clade_onnx_writer w;
    clade_network *network;
    start(&w, 13);
    clade_onnx_put_numbers(&w, hand_text(&w, "zero"), 1, zero);
    clade_onnx_put_numbers(&w, hand_text(&w, "minus"), 1, minus);
    hand_node(&w, "Shape", "s", "shape", "x", NULL, NULL);
    hand_node(&w, "Gather", "g", "n", "shape", "zero", NULL);
    Onnx__Node *concat = hand_node(&w, "Concat", "c", "to", "n", "minus", NULL);
    clade_onnx_put_int(&w, concat, "axis", 0);
    hand_node(&w, "Reshape", "r", "flat", "x", "to", NULL);
    floats(&w, "fc.weight", 2, kernel);
    hand_node(&w, "MatMul", "m", "y", "flat", "fc.weight", NULL);
    CHECK_OK(read_back(&w, &network));
    if (!network) return;
    size_t count;
    const clade_network_weight *weights = clade_network_weights(network, &count);
    CHECK(count == 1 && !strcmp(weights[0].name, "fc/kernel"));
    /* channel c, row h, column w: element 16 c + 4 h + w there, 2 (4 h + w) + c here */
    for (int i = 0; i < 32; i++) CHECK(weights[0].data[i % 16 * 2 + i / 16] == numbers[i]);
    CHECK(clade_network_notes(network) == 1);
    CHECK(strstr(clade_network_note(network, 0), "3 nodes"));
    clade_network_destroy(&network);
}

/* x normalised over channels, in pieces, times `gamma`, plus `beta`, each of which may be NULL. */
static void put_norm_in_parts(clade_onnx_writer *w, const char *gamma, const char *beta)
{
    static const int32_t channel[] = {1};
    static const int64_t one[] = {1}, kernel[] = {32, 3}, each[] = {2, 1, 1};
    static const float eps = 1e-5F, exponent = 2;
    const char *y = "normal";
    clade_onnx_put_floats(w, hand_text(w, "eps"), 1, one, &eps);
    clade_onnx_put_floats(w, hand_text(w, "two"), 1, one, &exponent);
    Onnx__Node *mean = hand_node(w, "ReduceMean", "n1", "mean", "x", NULL, NULL);
    hand_node(w, "Sub", "n2", "d", "x", "mean", NULL);
    hand_node(w, "Pow", "n3", "square", "d", "two", NULL);
    Onnx__Node *variance = hand_node(w, "ReduceMean", "n4", "variance", "square", NULL, NULL);
    clade_onnx_put_ints(w, mean, "axes", channel, 1);
    clade_onnx_put_ints(w, variance, "axes", channel, 1);
    hand_node(w, "Add", "n5", "positive", "variance", "eps", NULL);
    hand_node(w, "Sqrt", "n6", "deviation", "positive", NULL, NULL);
    hand_node(w, "Div", "n7", y, "d", "deviation", NULL);
    if (gamma) {
        floats(w, gamma, 3, each);
        hand_node(w, "Mul", "n8", "scaled", y, gamma, NULL);
        y = "scaled";
    }
    if (beta) {
        floats(w, beta, 3, each);
        hand_node(w, "Add", "n9", "shifted", y, beta, NULL);
        y = "shifted";
    }
    hand_node(w, "Flatten", "f", "flat", y, NULL, NULL);
    floats(w, "fc.weight", 2, kernel);
    hand_node(w, "MatMul", "m", "y", "flat", "fc.weight", NULL);
}

/* A layer that was several nodes is named by its gamma, too; without one, after its last node. */
static void test_names_of_parts(void)
{
    static const char *const forms[][3] = {{"a.weight", "b.weight", "a/gamma"},
                                           {"a.weight", NULL, "a/gamma"},
                                           {NULL, "b.weight", "n9/gamma"},
                                           {NULL, NULL, "n7/gamma"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        clade_onnx_writer w;
        clade_network *network;
        size_t count = 0;
        start(&w, 13);
        put_norm_in_parts(&w, forms[i][0], forms[i][1]);
        CHECK_OK(read_back(&w, &network));
        const clade_network_weight *weights =
            network ? clade_network_weights(network, &count) : NULL;
        CHECK(count && !strcmp(weights[0].name, forms[i][2]));
        CHECK(count && !strcmp(weights[count - 1].name, "fc/kernel"));
        clade_network_destroy(&network);
    }
}

/* Batch normalisation as programs export it that did not switch to inference: by an attribute, or
 * before opset 14 by further outputs. */
static void test_training_mode(void)
{
    static const int64_t two[] = {2}, kernel[] = {32, 3};
    for (int form = 0; form < 3; form++) {
        clade_onnx_writer w;
        clade_network *network;
        start(&w, form == 1 ? 14 : 9);
        char *inputs[5] = {hand_text(&w, "x")}, *names[] = {"scale", "bias", "mean", "variance"};
        for (int k = 0; k < 4; k++) {
            floats(&w, names[k], 1, two);
            inputs[k + 1] = hand_text(&w, names[k]);
        }
        Onnx__Node *node =
            clade_onnx_put_node(&w, "BatchNormalization", "bn", hand_text(&w, "b"), 5, inputs);
        char *outputs[] = {node->output[0], hand_text(&w, "new_mean"), hand_text(&w, "new_var")},
             **own = node->output;
        if (form == 1) clade_onnx_put_int(&w, node, "training_mode", 1);
        if (form == 2) {
            node->output = outputs;
            node->n_output = 3;
        }
        hand_node(&w, "Flatten", "f", "flat", "b", NULL, NULL);
        floats(&w, "fc.weight", 2, kernel);
        hand_node(&w, "MatMul", "m", "y", "flat", "fc.weight", NULL);
        CHECK_OK(clade_onnx_writer_save(&w, FILE_NAME));
        node->output = own;
        node->n_output = 1;
        clade_onnx_writer_clear(&w);
        CHECK_OK(clade_network_read(FILE_NAME, NULL, &network));
        CHECK(network && clade_network_notes(network) == (form > 0));
        if (network && form)
            CHECK(strstr(clade_network_note(network, 0), "1 batch normalization in training mode"));
        clade_network_destroy(&network);
    }
}

static void test_unsupported(void)
{
    clade_onnx_writer w;
    clade_network *network;
    start(&w, 13);
    hand_node(&w, "GRU", "recurrent", "a", "x", NULL, NULL);
    hand_node(&w, "Relu", "fine", "b", "a", NULL, NULL);
    hand_node(&w, "NonZero", "odd", "c", "b", NULL, NULL);
    hand_node(&w, "Einsum", "sums", "y", "x", NULL, NULL);
    clade_status status = read_back(&w, &network);
    CHECK(status == CLADE_EUNSUPPORTED && !network);
    CHECK(strstr(clade_error(), "3 nodes") && strstr(clade_error(), "GRU 'recurrent'") &&
          strstr(clade_error(), "NonZero 'odd'") && strstr(clade_error(), "Einsum 'sums'"));
    start(&w, 6);
    hand_node(&w, "Relu", "r", "y", "x", NULL, NULL);
    expect_error(&w, CLADE_EUNSUPPORTED, "opset 6");
    start(&w, 13);
    hand_node(&w, "Erf", "lone", "y", "x", NULL, NULL);
    expect_error(&w, CLADE_EUNSUPPORTED, "Erf 'lone'");
}

/* Padding that a window far larger than the image would need. */
static void test_large_padding(void)
{
    static const int64_t kernel[] = {1, 2, 5, 1};
    static const int32_t dilations[] = {INT32_MAX, 1};
    clade_onnx_writer w;
    start(&w, 13);
    floats(&w, "w", 4, kernel);
    Onnx__Node *conv = hand_node(&w, "Conv", "wide", "y", "x", "w", NULL);
    clade_onnx_put_ints(&w, conv, "dilations", dilations, 2);
    clade_onnx_put_text(&w, conv, "auto_pad", "SAME_LOWER");
    expect_error(&w, CLADE_EUNSUPPORTED, "SAME_LOWER adds 8589934588 for a window of 5");
}

/* Which forms of Resize are upsample2d; the others are refused with the reason. */
static void test_resize(void)
{
    static const struct {
        float scale;
        const char *mode, *coordinates, *rounding, *fault;
    } forms[] = {
        {2, "nearest", "asymmetric", "floor", NULL},
        {2, "nearest", "asymmetric", "round_prefer_floor", NULL},
        {3, "nearest", "asymmetric", "round_prefer_floor", "expected floor with asymmetric"},
        {2, "nearest", "asymmetric", "ceil", "expected floor with asymmetric"},
        {3, "nearest", "half_pixel", "round_prefer_floor", NULL},
        {3, "nearest", "pytorch_half_pixel", "round_prefer_ceil", NULL},
        {2, "nearest", "half_pixel", "floor", "nearest_mode 'floor'"},
        {2, "nearest", "tf_half_pixel_for_nn", "floor", NULL},
        {2, "nearest", "align_corners", "round_prefer_floor", "'align_corners'"},
        {2, "linear", "half_pixel", "floor", NULL},
        {2, "linear", "align_corners", "floor", NULL},
        {2, "linear", "asymmetric", "floor", "expected half_pixel"},
        {2, "linear", "tf_crop_and_resize", "floor", "'tf_crop_and_resize'"},
        {2, "cubic", "half_pixel", "floor", "mode 'cubic'"},
        {1.5F, "linear", "half_pixel", "floor", "by 1.5: expected whole factors"},
        {0.5F, "nearest", "asymmetric", "floor", "by 0.5"},
        {NAN, "nearest", "asymmetric", "floor", "whole factors"},
    };
    static const int64_t four[] = {4};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        clade_onnx_writer w;
        clade_network *network;
        const float scales[] = {1, 1, forms[i].scale, 1};
        start(&w, 13);
        clade_onnx_put_floats(&w, hand_text(&w, "scales"), 1, four, scales);
        Onnx__Node *node = hand_node(&w, "Resize", "up", "y", "x", "", "scales");
        clade_onnx_put_text(&w, node, "mode", forms[i].mode);
        clade_onnx_put_text(&w, node, "coordinate_transformation_mode", forms[i].coordinates);
        clade_onnx_put_text(&w, node, "nearest_mode", forms[i].rounding);
        if (forms[i].fault) {
            expect_error(&w, CLADE_EUNSUPPORTED, forms[i].fault);
            continue;
        }
        CHECK_OK(read_back(&w, &network));
        int32_t dim[3];
        const clade_graph *graph = clade_network_graph(network);
        clade_graph_shape(graph, clade_graph_layers(graph) - 1, dim);
        CHECK(dim[0] == 4 * (int32_t)forms[i].scale && dim[1] == 4);
        clade_network_destroy(&network);
    }
    clade_onnx_writer w;
    start(&w, 13);
    hand_node(&w, "Resize", "up", "y", "x", NULL, NULL);
    expect_error(&w, CLADE_EFORMAT, "no scales and no sizes");
}

static void test_structure(void)
{
    static const int64_t two[] = {2}, kernel[] = {3, 2, 1, 1};
    clade_onnx_writer w;
    start(&w, 13); /* a cycle */
    hand_node(&w, "Add", "one", "a", "x", "y", NULL);
    hand_node(&w, "Relu", "two", "y", "a", NULL, NULL);
    expect_error(&w, CLADE_EFORMAT, "takes 'y', which no node before it produces");
    start(&w, 13);
    hand_node(&w, "Relu", "one", "y", "x", NULL, NULL);
    hand_node(&w, "Relu", "two", "y", "x", NULL, NULL);
    expect_error(&w, CLADE_EFORMAT, "'y' is defined twice");
    start(&w, 13);
    hand_node(&w, "Relu", "one", "z", "x", NULL, NULL);
    expect_error(&w, CLADE_EFORMAT, "no node produces the output 'y'");
    start(&w, 13);
    expect_error(&w, CLADE_EFORMAT, "no graph with nodes");
    start(&w, 13);
    hand_node(&w, "Identity", "id", "y", "x", NULL, NULL);
    expect_error(&w, CLADE_EFORMAT, "no layers");
    start(&w, 13);
    floats(&w, "k", 4, kernel);
    floats(&w, "b", 1, two);
    hand_node(&w, "Conv", "conv", "y", "x", "k", "b");
    expect_error(&w, CLADE_EFORMAT, "Conv 'conv': 2 channels");
    start(&w, 13); /* a matrix, not an image */
    w.graph.input[0]->type->tensor_type->shape->n_dim = 2;
    hand_node(&w, "Relu", "one", "y", "x", NULL, NULL);
    expect_error(&w, CLADE_EUNSUPPORTED, "input 'x' has 2 dimensions; expected an image of 4");
    start(&w, 13); /* no kernel at all */
    hand_node(&w, "Conv", "conv", "y", "x", NULL, NULL);
    expect_error(&w, CLADE_EFORMAT, "its kernel");
}

/* Tensors whose shape, type or place is a lie. */
static void test_tensors(void)
{
    static const int64_t kernel[] = {3, 2, 1, 1};
    static const struct {
        int64_t dim0;
        int32_t type;
        size_t bytes;
        clade_status status;
        const char *part;
    } lies[] = {
        {3, 1, 20, CLADE_EFORMAT, "has 20 bytes, but its shape says 24"},
        {INT64_MAX, 1, 24, CLADE_EFORMAT, "dimension"},
        {INT64_C(1) << 39, 1, 24, CLADE_EFORMAT, "its shape says"},
        {-3, 1, 24, CLADE_EFORMAT, "dimension 0 is -3"},
        {3, 8, 24, CLADE_EUNSUPPORTED, "elements of type 8"},
        {3, 99, 24, CLADE_EUNSUPPORTED, "elements of type 99"},
        {3, -1, 24, CLADE_EUNSUPPORTED, "elements of type -1"},
        {3, 6, 24, CLADE_EUNSUPPORTED, "whole numbers"},
        {0, 1, 0, CLADE_EUNSUPPORTED, "Conv 'conv'"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        clade_onnx_writer w;
        start(&w, 13);
        floats(&w, "k", 4, kernel);
        w.graph.initializer[0]->dims[0] = lies[i].dim0;
        w.graph.initializer[0]->data_type = lies[i].type;
        w.graph.initializer[0]->raw_data.len = lies[i].bytes;
        hand_node(&w, "Conv", "conv", "y", "x", "k", NULL);
        expect_error(&w, lies[i].status, lies[i].part);
    }
    /* a shape asks for far more than the file could fill */
    static const int64_t huge[] = {1 << 20, 1 << 19};
    clade_onnx_writer w;
    start(&w, 13);
    clade_onnx_put_numbers(&w, hand_text(&w, "shape"), 2, huge);
    hand_node(&w, "ConstantOfShape", "fill", "big", "shape", NULL, NULL);
    hand_node(&w, "Add", "add", "y", "x", "big", NULL);
    expect_error(&w, CLADE_ENOMEM, "more memory than a file of its size");
    start(&w, 13);
    w.graph.input[0]->type->tensor_type->shape->dim[2]->value = INT64_C(1) << 40;
    hand_node(&w, "Relu", "r", "y", "x", NULL, NULL);
    expect_error(&w, CLADE_EINVAL, "height");
}

static void add_external(clade_onnx_writer *w, const char *location, const char *offset)
{
    static const int64_t kernel[] = {3, 2, 1, 1};
    floats(w, "k", 4, kernel);
    Onnx__Tensor *t = w->graph.initializer[0];
    static Onnx__Pair pairs[3], *list[3];
    const char *const entries[3][2] = {
        {"location", location}, {"offset", offset}, {"length", "24"}};
    for (int i = 0; i < 3; i++) {
        onnx__pair__init(&pairs[i]);
        pairs[i].key = hand_text(w, entries[i][0]);
        pairs[i].value = hand_text(w, entries[i][1]);
        list[i] = &pairs[i];
    }
    t->external_data = list;
    t->n_external_data = 3;
    t->has_data_location = true;
    t->data_location = 1;
    t->has_raw_data = false;
    hand_node(w, "Conv", "conv", "y", "x", "k", NULL);
}

static void test_external(void)
{
    clade_onnx_writer w;
    clade_network *network;
    CHECK_OK(clade_file_write("onnx_test.data", numbers, 9 * sizeof *numbers));
    start(&w, 13);
    add_external(&w, "onnx_test.data", "4");
    CHECK_OK(read_back(&w, &network));
    size_t count;
    const clade_network_weight *weights = network ? clade_network_weights(network, &count) : NULL;
    CHECK(weights && weights[0].data[0] == 2 && weights[0].data[1] == 4); /* [m, c] to [c, m] */
    clade_network_destroy(&network);
    static const struct {
        const char *location, *offset;
        clade_status status;
        const char *part;
    } lies[] = {
        {"onnx_test.data", "16", CLADE_EFORMAT, "which has only 36"},
        {"onnx_test.data", "18446744073709551615", CLADE_EFORMAT, "which has only 36"},
        {"onnx_test.data", "-4", CLADE_EFORMAT, "offset"},
        {"onnx_test.data", "4x", CLADE_EFORMAT, "offset"},
        {"/etc/passwd", "0", CLADE_EFORMAT, "outside the model's folder"},
        {"../onnx_test.none", "0", CLADE_EIO, "onnx_test.none"},
        {"onnx_test_link", "0", CLADE_EFORMAT, "outside the model's folder"},
        {"..", "0", CLADE_EFORMAT, "outside the model's folder"},
        {".", "0", CLADE_EFORMAT, "outside the model's folder"},
        {"", "0", CLADE_EFORMAT, "not named"},
    };
    CHECK(symlink("/etc/passwd", "onnx_test_link") == 0);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        start(&w, 13);
        add_external(&w, lies[i].location, lies[i].offset);
        expect_error(&w, lies[i].status, lies[i].part);
    }
    (void)unlink("onnx_test_link");
}

/* A whole file cut anywhere, and with any byte turned: never a crash; cut, never a net. */
static void test_damage(void)
{
    static const int64_t kernel[] = {3, 2, 1, 1};
    clade_onnx_writer w;
    clade_network *network;
    start(&w, 13);
    floats(&w, "k", 4, kernel);
    hand_node(&w, "Conv", "conv", "a", "x", "k", NULL);
    hand_node(&w, "GlobalAveragePool", "mean", "b", "a", NULL, NULL);
    hand_node(&w, "Flatten", "flat", "y", "b", NULL, NULL);
    CHECK_OK(read_back(&w, &network));
    clade_network_destroy(&network);
    unsigned char *bytes;
    size_t size;
    CHECK_OK(clade_file_read(FILE_NAME, 1 << 20, (void **)&bytes, &size));
    size_t nets = 0;
    for (size_t cut = 0; cut < size; cut++) {
        nets += clade_onnx_read(FILE_NAME, bytes, cut, NULL, &network) == CLADE_OK;
        clade_network_destroy(&network);
    }
    /* the list of opsets is last: without it the file says nothing of its version */
    CHECK(nets == 0);
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit += 3) {
            bytes[at] ^= (unsigned char)(1 << bit);
            (void)clade_onnx_read(FILE_NAME, bytes, size, NULL, &network);
            clade_network_destroy(&network);
            bytes[at] ^= (unsigned char)(1 << bit);
        }
    free(bytes);
    CHECK_FAILS(clade_network_read("onnx_test.none", NULL, &network), CLADE_EIO, "onnx_test.none");
    CHECK_OK(clade_file_write(OTHER_NAME, "not ONNX at all", 15));
    CHECK_FAILS(clade_network_read(OTHER_NAME, NULL, &network), CLADE_EFORMAT, "not an ONNX file");
}

int main(void)
{
    char folder[] = "/tmp/clade-onnx-XXXXXX";
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    test_round_trip();
    test_folding();
    test_names_of_parts();
    test_training_mode();
    test_unsupported();
    test_large_padding();
    test_resize();
    test_structure();
    test_tensors();
    test_external();
    test_damage();
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
