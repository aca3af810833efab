/* Graphs: Keras' names, shapes and parameter counts, and what is said of layers that do not fit. */
#include "../test.h"
#include "nets.h"

static void count(const clade_graph *g, uint64_t *trained, uint64_t *fixed)
{
    *trained = *fixed = 0;
    for (int32_t i = 0; i < clade_graph_layers(g); i++) {
        uint64_t t, f;
        clade_graph_parameters(g, i, &t, &f);
        *trained += t;
        *fixed += f;
    }
}

static bool has_shape(const clade_graph *g, int32_t number, int32_t rank, int32_t a, int32_t b,
                      int32_t c)
{
    int32_t dim[3];
    return clade_graph_shape(g, number, dim) == rank && dim[0] == a && dim[1] == b && dim[2] == c;
}

/* Totals as Keras' summary() prints them. */
static void test_recipes(void)
{
    static const struct {
        const char *name;
        int32_t layers;
        uint64_t trained;
    } nets[] = {{"horses-or-humans", 14, 1704097},
                {"cats-dogs-64", 8, 813217},
                {"cifar10", 8, 3702186},
                {"cats-dogs-dropout", 13, 3453634}};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        clade_graph *g = net_recipe(nets[i].name);
        uint64_t trained, fixed;
        CHECK(g != NULL);
        if (!g) continue;
        count(g, &trained, &fixed);
        CHECK(trained == nets[i].trained);
        CHECK(fixed == 0);
        CHECK(clade_graph_layers(g) == nets[i].layers);
        clade_graph_destroy(&g);
        CHECK(g == NULL);
    }
}

static void test_names(void)
{
    clade_graph *g;
    CHECK_OK(clade_graph_create(8, 8, 3, &g));
    net_conv(g, 0, 4, 3, CLADE_PADDING_SAME, CLADE_RELU);
    int32_t own = net_layer(g, 1,
                            (clade_layer){.kind = CLADE_LAYER_CONV2D,
                                          .name = "conv2d_2",
                                          .as.conv2d = {.filters = 4, .kernel = {1, 1}}});
    for (int i = 0; i < 3; i++) net_conv(g, i, 4, 3, CLADE_PADDING_SAME, CLADE_RELU);
    static const char *const names[] = {"input",    "conv2d",   "conv2d_2",
                                        "conv2d_1", "conv2d_3", "conv2d_4"};
    for (int32_t i = 0; i < 6; i++) CHECK(!strcmp(clade_graph_layer(g, i)->name, names[i]));
    CHECK(own == 2);
    static const struct {
        clade_layer_kind kind;
        const char *name, *type;
    } kinds[] = {
        {CLADE_LAYER_FLATTEN, "flatten", "Flatten"},
        {CLADE_LAYER_SOFTMAX, "softmax", "Softmax"},
        {CLADE_LAYER_DROPOUT, "dropout", "Dropout"},
        {CLADE_LAYER_STOCHASTIC_DEPTH, "stochastic_depth", "StochasticDepth"},
        {CLADE_LAYER_LAYER_SCALE, "layer_scale", "LayerScale"},
        {CLADE_LAYER_BATCHNORM, "batch_normalization", "BatchNormalization"},
        {CLADE_LAYER_ACTIVATION, "activation", "Activation"},
        {CLADE_LAYER_GLOBAL_AVGPOOL2D, "global_average_pooling2d", "GlobalAveragePooling2D"},
        {CLADE_LAYER_ZERO_PADDING2D, "zero_padding2d", "ZeroPadding2D"},
        {CLADE_LAYER_CONCAT, "concatenate", "Concatenate"},
        {CLADE_LAYER_LRN, "lrn", "LRN"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int32_t n = net_plain(g, 1, kinds[i].kind);
        CHECK(n > 0 && !strcmp(clade_graph_layer(g, n)->name, kinds[i].name));
        CHECK(!strcmp(clade_layer_type(kinds[i].kind), kinds[i].type));
    }
    CHECK(!strcmp(clade_graph_layer(g, net_maxpool(g, 1, 2))->name, "max_pooling2d"));
    CHECK(!strcmp(clade_graph_layer(g, net_avgpool(g, 1, 2))->name, "average_pooling2d"));
    CHECK(!strcmp(clade_graph_layer(g, net_depthwise(g, 1, 3, 0))->name, "depthwise_conv2d"));
    clade_layer twice = {.kind = CLADE_LAYER_FLATTEN, .name = "flatten"};
    CHECK_FAILS(clade_graph_add(g, &twice, NULL), CLADE_EINVAL, "flatten: there is a layer");
    clade_layer unended = {.kind = CLADE_LAYER_FLATTEN};
    memset(unended.name, 'a', sizeof unended.name);
    CHECK_FAILS(clade_graph_add(g, &unended, NULL), CLADE_EINVAL, "more than 95 bytes");
    clade_graph_destroy(&g);
}

/* Output sizes and counts against tf.keras 2.15's. */
static void test_shapes(void)
{
    clade_graph *g;
    uint64_t trained, fixed;
    CHECK_OK(clade_graph_create(11, 8, 6, &g));
    clade_layer conv = {
        .kind = CLADE_LAYER_CONV2D,
        .as.conv2d = {
            .filters = 4, .kernel = {3, 5}, .stride = {2, 3}, .padding = CLADE_PADDING_SAME}};
    CHECK(has_shape(g, net_layer(g, 0, conv), 3, 6, 3, 4));
    conv.as.conv2d.padding = CLADE_PADDING_VALID;
    CHECK(has_shape(g, net_layer(g, 0, conv), 3, 5, 2, 4));
    conv.as.conv2d.stride[0] = conv.as.conv2d.stride[1] = 1;
    conv.as.conv2d.dilation[0] = 3;
    CHECK(has_shape(g, net_layer(g, 0, conv), 3, 5, 4, 4));
    conv.as.conv2d.groups = 2;
    conv.as.conv2d.no_bias = true;
    int32_t n = net_layer(g, 0, conv);
    clade_graph_parameters(g, n, &trained, &fixed);
    CHECK(trained == 3 * 5 * 3 * 4 && fixed == 0);
    conv.frozen = true;
    clade_graph_parameters(g, net_layer(g, 0, conv), &trained, &fixed);
    CHECK(trained == 0 && fixed == 3 * 5 * 3 * 4);
    clade_layer deep = {.kind = CLADE_LAYER_DEPTHWISE_CONV2D,
                        .as.conv2d = {.filters = 3, .kernel = {3, 3}, .stride = {2, 2}}};
    n = net_layer(g, 0, deep);
    clade_graph_parameters(g, n, &trained, &fixed);
    CHECK(has_shape(g, n, 3, 5, 3, 18) && trained == 3 * 3 * 6 * 3 + 18);
    clade_layer padded = {
        .kind = CLADE_LAYER_MAXPOOL2D,
        .as.pool2d = {.window = {3, 3}, .stride = {2, 2}, .padding = CLADE_PADDING_SAME}};
    CHECK(has_shape(g, net_layer(g, 0, padded), 3, 6, 4, 6));
    padded.as.pool2d.padding = CLADE_PADDING_EXPLICIT;
    padded.as.pool2d.pad[0] = padded.as.pool2d.pad[1] = 1;
    CHECK(has_shape(g, net_layer(g, 0, padded), 3, 5, 4, 6));
    CHECK(has_shape(g, net_avgpool(g, 0, 3), 3, 3, 2, 6));
    CHECK(has_shape(g, net_plain(g, 0, CLADE_LAYER_GLOBAL_AVGPOOL2D), 1, 6, 0, 0));
    n = net_batchnorm(g, 0, false);
    clade_graph_parameters(g, n, &trained, &fixed);
    CHECK(has_shape(g, n, 3, 11, 8, 6) && trained == 12 && fixed == 12);
    CHECK(has_shape(g,
                    net_layer(g, 0,
                              (clade_layer){.kind = CLADE_LAYER_ZERO_PADDING2D,
                                            .as.pad2d = {.pad = {1, 2, 3, 4}}}),
                    3, 15, 14, 6));
    CHECK(has_shape(g,
                    net_layer(g, 0,
                              (clade_layer){.kind = CLADE_LAYER_RESHAPE,
                                            .as.reshape = {.rank = 2, .dim = {-1, 24}}}),
                    2, 22, 24, 0));
    int32_t c = net_plain(g, 0, CLADE_LAYER_GLOBAL_AVGPOOL2D);
    CHECK(has_shape(g, net_join(g, CLADE_LAYER_MULTIPLY, 2, (int32_t[]){0, c}), 3, 11, 8, 6));
    CHECK(has_shape(g, net_join(g, CLADE_LAYER_ADD, 3, (int32_t[]){c, c, 0}), 3, 11, 8, 6));
    CHECK(has_shape(g, net_join(g, CLADE_LAYER_CONCAT, 3, (int32_t[]){0, 0, n}), 3, 11, 8, 18));
    CHECK(has_shape(g, net_plain(g, 0, CLADE_LAYER_FLATTEN), 1, 11 * 8 * 6, 0, 0));
    clade_graph_destroy(&g);
}

static void expect(clade_graph *g, clade_layer layer, const char *part)
{
    int32_t before = clade_graph_layers(g);
    CHECK_FAILS(clade_graph_add(g, &layer, NULL), CLADE_EINVAL, part);
    CHECK(clade_graph_layers(g) == before);
}

#define CONV(...)                                                                                  \
    (clade_layer)                                                                                  \
    {                                                                                              \
        .kind = CLADE_LAYER_CONV2D, .as.conv2d = { __VA_ARGS__ }                                   \
    }
#define POOL(...)                                                                                  \
    (clade_layer)                                                                                  \
    {                                                                                              \
        .kind = CLADE_LAYER_MAXPOOL2D, .as.pool2d = { __VA_ARGS__ }                                \
    }

static void test_errors(void)
{
    clade_graph *g;
    CHECK_FAILS(clade_graph_create(0, 8, 3, &g), CLADE_EINVAL, "0 × 8");
    CHECK_FAILS(clade_graph_create(1 << 20, 1 << 20, 3, &g), CLADE_EINVAL, "2^31");
    CHECK_OK(clade_graph_create(7, 7, 64, &g));
    expect(g, (clade_layer){.kind = CLADE_LAYER_DENSE, .as.dense = {.units = 4}},
           "dense: needs a flat input, got [7, 7, 64]; put a flatten before it");
    int32_t flat = net_plain(g, 0, CLADE_LAYER_FLATTEN);
    expect(g, CONV(.filters = 4, .kernel = {3, 3}), "conv2d: needs an image");
    clade_layer wide = CONV(.filters = 4, .kernel = {8, 8});
    wide.input_count = 1;
    expect(g, wide, "conv2d: input [7, 7, 64]: conv2d: ");
    clade_layer bad = CONV(.filters = 4);
    bad.input_count = 1;
    expect(g, bad, "conv2d: kernel is 0, expected 1 or more");
    bad = CONV(.kernel = {3, 3});
    bad.input_count = 1;
    expect(g, bad, "filters is 0, expected 1 or more");
    bad = CONV(.filters = 4, .kernel = {3, 3}, .groups = 3);
    bad.input_count = 1;
    expect(g, bad, "3 groups");
    bad = CONV(.filters = 4, .kernel = {3, 3}, .pad = {1, 1, 1, 1});
    bad.input_count = 1;
    expect(g, bad, "padding is 'valid'");
    bad = CONV(.filters = 4, .kernel = {3, 3}, .activation = (clade_activation)77);
    bad.input_count = 1;
    expect(g, bad, "no activation 77");
    bad = CONV(.filters = 4, .kernel = {3, 3}, .init = (clade_initializer)77);
    bad.input_count = 1;
    expect(g, bad, "init is 77");
    bad = CONV(.filters = 4, .kernel = {3, 3}, .stride = {-1, 1});
    bad.input_count = 1;
    expect(g, bad, "stride is -1");
    bad = CONV(.filters = 4, .kernel = {INT32_MAX, 3}, .dilation = {INT32_MAX, 1},
               .padding = CLADE_PADDING_SAME);
    bad.input_count = 1;
    expect(g, bad, "too large");
    bad = POOL(.window = {9, 9});
    bad.input_count = 1;
    expect(g, bad, "max_pooling2d: input [7, 7, 64]");
    bad = (clade_layer){.kind = CLADE_LAYER_DROPOUT, .as.dropout = {.rate = 1}};
    expect(g, bad, "dropout: rate is 1");
    bad = (clade_layer){.kind = CLADE_LAYER_RESHAPE, .as.reshape = {.rank = 2, .dim = {5, -1}}};
    expect(g, bad, "reshape: [3136] does not fit into [5, -1]");
    bad = (clade_layer){.kind = CLADE_LAYER_RESHAPE,
                        .as.reshape = {.rank = 3, .dim = {INT32_MAX, INT32_MAX, INT32_MAX}}};
    expect(g, bad, "dimension 2 is 2147483647, which makes too many elements");
    bad = (clade_layer){.kind = CLADE_LAYER_RESHAPE, .as.reshape = {.rank = 1, .dim = {3135}}};
    expect(g, bad, "does not fit");
    bad = (clade_layer){.kind = CLADE_LAYER_ADD};
    expect(g, bad, "add: has 1 input, expected 2 to 8");
    bad = (clade_layer){.kind = CLADE_LAYER_ADD, .input_count = 2, .input = {0, flat}};
    expect(g, bad, "input ([7, 7, 64]) and flatten ([3136]) differ");
    bad.kind = CLADE_LAYER_CONCAT;
    expect(g, bad, "differ in more than channels");
    bad = (clade_layer){.kind = CLADE_LAYER_FLATTEN, .input_count = 1, .input = {2}};
    expect(g, bad, "input 0 is layer 2, but there are only 0 to 1");
    bad = (clade_layer){.kind = CLADE_LAYER_FLATTEN, .input_count = 2};
    expect(g, bad, "has 2 inputs, expected 1");
    bad = (clade_layer){.kind = CLADE_LAYER_BATCHNORM, .as.batchnorm = {.momentum = 1}};
    expect(g, bad, "momentum is 1");
    bad = (clade_layer){.kind = CLADE_LAYER_DENSE,
                        .as.dense = {.units = 2, .softmax = true, .activation = CLADE_RELU}};
    expect(g, bad, "softmax and relu");
    bad = (clade_layer){.kind = CLADE_LAYER_PRELU, .as.prelu = {.shared = 1, .shared_axis = {2}}};
    expect(g, bad, "shared_axes: expected dimensions of [3136], 1 to 1 or -1");
    bad = (clade_layer){.kind = CLADE_LAYER_SPLIT, .as.split = {.start = 3136}};
    expect(g, bad, "takes channels 3136 to 3136 of [3136]");
    bad.as.split = (clade_split_layer){.start = 3000, .channels = 137};
    expect(g, bad, "takes channels 3000 to 3136 of [3136]");
    bad = (clade_layer){.kind = CLADE_LAYER_INPUT};
    expect(g, bad, "no kind of layer");
    clade_graph_destroy(&g);
    clade_graph_destroy(&g);
}

int main(void)
{
    test_recipes();
    test_names();
    test_shapes();
    test_errors();
    return TEST_END();
}
