/* Convolutions that are pooled at once: outputs, losses and gradients are, bit for bit, those of
 * the layers computed one by one, and only what may be fused is. A dropout of nothing between two
 * layers keeps them apart. */
#include "../test.h"
#include "base/random.h"
#include "nets.h"

#include <stdlib.h>

enum { BATCH = 3 };

static clade_device *device;

/* How a convolution and its pool are put together. */
typedef struct joint {
    const char *name;
    bool fused; /* is to be */
    int32_t filters, kernel;
    clade_padding padding;
    clade_activation activation, layer; /* its own, and that of a layer behind it */
    int32_t window, stride;
    clade_padding pool_padding;
    bool twice; /* read by another layer too */
    bool frozen, no_bias;
} joint;

static const joint joints[] = {
    {"relu", true, 8, 3, .activation = CLADE_RELU, .window = 2},
    {"linear", true, 5, 3, .window = 2, .no_bias = true},
    {"relu as a layer", true, 16, 3, .layer = CLADE_RELU, .window = 2, .stride = 2},
    {"same", true, 20, 5, CLADE_PADDING_SAME, CLADE_RELU, .window = 2},
    {"frozen", true, 7, 3, .activation = CLADE_RELU, .window = 2, .frozen = true},
    {"deep", true, 32, 3, .activation = CLADE_RELU, .window = 2,
     .pool_padding = CLADE_PADDING_SAME},
    {"tanh", false, 8, 3, .activation = CLADE_TANH, .window = 2},
    {"tanh as a layer", false, 8, 3, .layer = CLADE_TANH, .window = 2},
    {"relu twice", false, 8, 3, .activation = CLADE_RELU, .layer = CLADE_RELU, .window = 2},
    {"window of 3", false, 8, 3, .activation = CLADE_RELU, .window = 3, .stride = 2},
    {"overlapping", false, 8, 3, .activation = CLADE_RELU, .window = 2, .stride = 1},
    {"two readers", false, 8, 3, .activation = CLADE_RELU, .window = 2, .twice = true},
    {"pool over the edge", false, 8, 2, .activation = CLADE_RELU, .window = 2,
     .pool_padding = CLADE_PADDING_SAME},
};

/* Twice a convolution and a pool, the input read by a branch as well, so that gradients add up. */
static clade_graph *net_of(const joint *j, bool apart)
{
    clade_graph *g;
    if (clade_graph_create(14, 16, 3, &g)) return NULL;
    int32_t x = net_conv(g, 0, 16, 3, CLADE_PADDING_SAME, CLADE_TANH);
    int32_t at = net_layer(g, x,
                           (clade_layer){.kind = CLADE_LAYER_CONV2D,
                                         .frozen = j->frozen,
                                         .as.conv2d = {.filters = j->filters,
                                                       .kernel = {j->kernel, j->kernel},
                                                       .padding = j->padding,
                                                       .no_bias = j->no_bias,
                                                       .activation = j->activation}});
    int32_t conv = at;
    int32_t other = net_conv(g, x, 4, 3, CLADE_PADDING_SAME, CLADE_SIGMOID);
    int32_t more = net_conv(g, x, 4, 1, CLADE_PADDING_SAME, CLADE_LINEAR);
    if (j->layer) at = net_activation(g, at, j->layer);
    if (apart) at = net_dropout(g, at, 0);
    at = net_layer(g, at,
                   (clade_layer){.kind = CLADE_LAYER_MAXPOOL2D,
                                 .as.pool2d = {.window = {j->window, j->window},
                                               .stride = {j->stride, j->stride},
                                               .padding = j->pool_padding}});
    at = net_plain(g, at, CLADE_LAYER_GLOBAL_AVGPOOL2D);
    int32_t rest = net_join(g, CLADE_LAYER_MULTIPLY, 2, (int32_t[]){other, more});
    rest = net_plain(g, rest, CLADE_LAYER_GLOBAL_AVGPOOL2D);
    int32_t all[3] = {at, rest, 0};
    if (j->twice) all[2] = net_plain(g, conv, CLADE_LAYER_GLOBAL_AVGPOOL2D);
    at = net_join(g, CLADE_LAYER_CONCAT, j->twice ? 3 : 2, all);
    net_softmax_dense(g, at, 3);
    return g;
}

static clade_model *model_of(clade_graph *graph)
{
    const clade_model_options options = {
        .batch = BATCH, .seed = 5, .loss = CLADE_LOSS_CATEGORICAL_CROSSENTROPY};
    clade_model *model = NULL;
    CHECK_OK(clade_model_create(graph, device, &options, &model));
    clade_graph_destroy(&graph);
    if (!model) return NULL;
    const clade_tensor *x = clade_model_input(model);
    size_t n = clade_tensor_count(x);
    float *pixels = malloc(n * sizeof *pixels);
    const int32_t label[BATCH] = {2, 0, 1};
    clade_random r = clade_random_start(3, CLADE_STREAM_CONFORM, 4);
    CHECK(pixels != NULL);
    for (size_t i = 0; pixels && i < n; i++) pixels[i] = clade_random_uniform(&r, -1, 1);
    if (pixels) CHECK_OK(clade_tensor_write(x, pixels));
    free(pixels);
    CHECK_OK(clade_tensor_write(clade_model_label(model), label));
    return model;
}

static void check_same(const char *name, const char *what, const clade_tensor *a,
                       const clade_tensor *b)
{
    size_t n = clade_tensor_count(a);
    float *u = malloc(n * sizeof *u), *v = malloc(n * sizeof *v);
    CHECK(n == clade_tensor_count(b) && u && v);
    if (u && v) {
        CHECK_OK(clade_tensor_read(a, u));
        CHECK_OK(clade_tensor_read(b, v));
        size_t zeros = 0;
        for (size_t i = 0; i < n; i++) zeros += u[i] == 0;
        CHECK(zeros * 2 < n);
        if (memcmp(u, v, n * sizeof *u)) printf("%s: %s differ\n", name, what);
        CHECK(!memcmp(u, v, n * sizeof *u));
    }
    free(u);
    free(v);
}

static void test_joint(const joint *j)
{
    clade_model *joined = model_of(net_of(j, false)), *apart = model_of(net_of(j, true));
    if (joined && apart) {
        uint64_t less, more, unshared;
        clade_model_memory(joined, &less, &unshared);
        clade_model_memory(apart, &more, &unshared);
        if (j->fused ? less >= more : less != more)
            printf("%s: %llu bytes joined, %llu apart\n", j->name, (unsigned long long)less,
                   (unsigned long long)more);
        CHECK(j->fused ? less < more : less == more);
        CHECK_OK(clade_model_infer(joined, BATCH, true));
        CHECK_OK(clade_model_infer(apart, BATCH, true));
        check_same(j->name, "outputs", clade_model_output(joined), clade_model_output(apart));
        check_same(j->name, "losses", clade_model_losses(joined), clade_model_losses(apart));
        CHECK_OK(clade_model_gradient(joined, BATCH, 1));
        CHECK_OK(clade_model_gradient(apart, BATCH, 1));
        check_same(j->name, "losses of training", clade_model_losses(joined),
                   clade_model_losses(apart));
        check_same(j->name, "gradients", clade_model_gradients(joined),
                   clade_model_gradients(apart));
    }
    clade_model_destroy(&joined);
    clade_model_destroy(&apart);
}

int main(void)
{
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    if (!device) return TEST_END();
    for (size_t i = 0; i < sizeof joints / sizeof *joints; i++) test_joint(&joints[i]);
    clade_device_close(&device);
    return TEST_END();
}
