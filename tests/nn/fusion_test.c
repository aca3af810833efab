/* Convolutions that are pooled, or normalised, at once: outputs, losses and gradients are, bit for
 * bit, those of the layers computed one by one, and only what may be fused is. A dropout of nothing
 * between two layers keeps them apart. */
#include "../test.h"
#include "base/random.h"
#include "nets.h"
#include "nn/build.h"

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

/* Inference and a step of training. */
static void check_models(const char *name, clade_model *joined, clade_model *apart)
{
    CHECK_OK(clade_model_infer(joined, BATCH, true));
    CHECK_OK(clade_model_infer(apart, BATCH, true));
    check_same(name, "outputs", clade_model_output(joined), clade_model_output(apart));
    check_same(name, "losses", clade_model_losses(joined), clade_model_losses(apart));
    CHECK_OK(clade_model_gradient(joined, BATCH, 1, 0));
    CHECK_OK(clade_model_gradient(apart, BATCH, 1, 0));
    check_same(name, "losses of training", clade_model_losses(joined), clade_model_losses(apart));
    check_same(name, "gradients", clade_model_gradients(joined), clade_model_gradients(apart));
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
        check_models(j->name, joined, apart);
    }
    clade_model_destroy(&joined);
    clade_model_destroy(&apart);
}

/* ---- batch normalisation ---- */

/* A convolution, batch normalisation, an addition and an activation. */
typedef struct chain {
    const char *name;
    size_t infer, train; /* convolutions that are normalised at once */
    size_t add, act;     /* of the inference: additions and activations left */
    bool frozen;         /* convolution and normalisation */
    bool still;          /* of the normalisation the statistics alone */
    bool before;         /* is trained before them? */
    bool adds, both;     /* their input; another such convolution */
    clade_activation layer;
    bool depthwise, bias, twice;
} chain;

static const chain chains[] = {
    {"frozen", 1, 1, .frozen = true, .layer = CLADE_RELU},
    {"trained", 1, 0, .before = true, .layer = CLADE_RELU6},
    {"statistics kept", 1, 0, .still = true, .layer = CLADE_RELU},
    {"gradient passes", 1, 0, .frozen = true, .before = true, .layer = CLADE_RELU},
    {"nothing behind", 1, 1, .frozen = true, .bias = true},
    {"depthwise", 1, 1, .frozen = true, .layer = CLADE_SILU, .depthwise = true},
    {"addition", 1, 1, .frozen = true, .adds = true, .layer = CLADE_RELU},
    {"addition alone", 1, 0, .before = true, .adds = true, .bias = true},
    {"both are normalised", 2, 2, .frozen = true, .adds = true, .both = true, .layer = CLADE_TANH},
    {"two readers", 1, 1, 1, 1, .frozen = true, .adds = true, .layer = CLADE_RELU, .twice = true},
};

static int32_t apart_from(clade_graph *g, int32_t at, bool apart)
{
    return apart ? net_dropout(g, at, 0) : at;
}

static int32_t normed(clade_graph *g, int32_t x, const chain *c, bool apart)
{
    int32_t at = net_layer(
        g, x,
        (clade_layer){.kind = c->depthwise ? CLADE_LAYER_DEPTHWISE_CONV2D : CLADE_LAYER_CONV2D,
                      .frozen = c->frozen,
                      .as.conv2d = {.filters = c->depthwise ? 1 : 20,
                                    .kernel = {3, 3},
                                    .padding = CLADE_PADDING_SAME,
                                    .no_bias = !c->bias}});
    return net_layer(g, apart_from(g, at, apart),
                     (clade_layer){.kind = CLADE_LAYER_BATCHNORM,
                                   .frozen = c->frozen,
                                   .as.batchnorm = {.eps = 0.01F, .frozen = c->still}});
}

static clade_graph *chain_of(const chain *c, bool apart)
{
    clade_graph *g;
    if (clade_graph_create(11, 9, 3, &g)) return NULL;
    int32_t x = net_layer(
        g, 0,
        (clade_layer){.kind = CLADE_LAYER_CONV2D,
                      .frozen = !c->before,
                      .as.conv2d = {.filters = 20, .kernel = {3, 3}, .activation = CLADE_TANH}});
    int32_t norm = normed(g, x, c, apart), at = apart_from(g, norm, apart);
    int32_t other = c->both ? apart_from(g, normed(g, x, c, apart), apart) : x;
    if (c->adds) at = net_join(g, CLADE_LAYER_ADD, 2, (int32_t[]){at, other});
    at = apart_from(g, at, apart);
    if (c->layer) at = net_activation(g, at, c->layer);
    if (c->twice) at = net_join(g, CLADE_LAYER_MULTIPLY, 2, (int32_t[]){at, norm});
    net_softmax_dense(g, net_plain(g, at, CLADE_LAYER_GLOBAL_AVGPOOL2D), 3);
    return g;
}

/* Statistics, scales and shifts as training might leave them. */
static void draw_norms(clade_model *model)
{
    for (size_t i = 0; i < clade_model_parameters(model); i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        float value[20];
        clade_random r = clade_random_start(7, CLADE_STREAM_CONFORM, i);
        if (!strstr(p->name, "batch_normalization")) continue;
        for (int k = 0; k < 20; k++) value[k] = clade_random_uniform(&r, 0.5F, 1.5F);
        CHECK_OK(clade_tensor_write(&p->value, value));
    }
}

static size_t count_calls(const clade_model *model, clade_pass pass, clade_op op)
{
    size_t count, found = 0;
    const clade_layer_call *calls = clade_model_calls(model, pass, &count);
    for (size_t i = 0; i < count; i++) found += calls[i].call.op == op;
    return found;
}

static void check_count(const char *name, size_t got, size_t expected)
{
    if (got != expected) printf("%s: %zu calls, expected %zu\n", name, got, expected);
    CHECK(got == expected);
}

static void test_chain(const chain *c)
{
    clade_model *joined = model_of(chain_of(c, false)), *apart = model_of(chain_of(c, true));
    if (joined && apart) {
        uint64_t less, more, unshared;
        clade_model_memory(joined, &less, &unshared);
        clade_model_memory(apart, &more, &unshared);
        CHECK(less <= more);
        check_count(c->name, count_calls(joined, CLADE_PASS_INFER, CLADE_OP_conv2d_norm), c->infer);
        check_count(c->name, count_calls(joined, CLADE_PASS_TRAIN, CLADE_OP_conv2d_norm), c->train);
        check_count(c->name, count_calls(joined, CLADE_PASS_INFER, CLADE_OP_add), c->add);
        check_count(c->name, count_calls(joined, CLADE_PASS_INFER, CLADE_OP_activation), c->act);
        check_count(c->name, count_calls(apart, CLADE_PASS_INFER, CLADE_OP_conv2d_norm), 0);
        draw_norms(joined);
        draw_norms(apart);
        check_models(c->name, joined, apart);
    }
    clade_model_destroy(&joined);
    clade_model_destroy(&apart);
}

int main(void)
{
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    if (!device) return TEST_END();
    for (size_t i = 0; i < sizeof joints / sizeof *joints; i++) test_joint(&joints[i]);
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) test_chain(&chains[i]);
    clade_device_close(&device);
    return TEST_END();
}
