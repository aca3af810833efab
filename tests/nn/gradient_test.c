/* Gradients of whole small models against differences of their loss, on the CPU.
 *
 * Along a direction d of length 1, D(h) = (L(w + hd) − L(w − hd)) / 2h, and Richardson's
 * R(h) = (4 D(h) − D(2h)) / 3 is compared with g · d. Its error is of the fourth order, so about a
 * fifteenth of R(2h) − R(h); rounding adds a few times eps L / h. */
#include "../test.h"
#include "../layers.h"
#include "base/random.h"
#include "nets.h"
#include "nn/layer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { BATCH = 4, STEP = 3 };

static clade_device *device;
static int compared, telling;

/* Images and labels that depend on the seed alone. */
static void write_batch(clade_model *model, int32_t n, int32_t classes, uint64_t seed)
{
    const clade_tensor *x = clade_model_input(model);
    size_t count = clade_tensor_count(x);
    float *pixels = malloc(count * sizeof *pixels);
    int32_t label[64] = {0};
    float weight[64] = {0};
    clade_random r = clade_random_start(seed, CLADE_STREAM_CONFORM, 2);
    CHECK(pixels != NULL && n <= 64);
    if (!pixels) return;
    for (size_t i = 0; i < count; i++) pixels[i] = clade_random_uniform(&r, -1, 1);
    for (int32_t i = 0; i < n; i++) {
        label[i] = (int32_t)clade_random_below(&r, classes == 1 ? 2 : (uint32_t)classes);
        weight[i] = (0.5F + clade_random_unit(&r)) / (float)n; /* as with class weights */
    }
    CHECK_OK(clade_tensor_write(x, pixels));
    CHECK_OK(clade_tensor_write(clade_model_label(model), label));
    CHECK_OK(clade_tensor_write(clade_model_weight(model), weight));
    free(pixels);
}

/* The weighted sum of the losses of a training step. */
static double loss_of(clade_model *model)
{
    float losses[BATCH], weight[BATCH];
    double sum = 0;
    CHECK_OK(clade_model_gradient(model, BATCH, STEP, 0));
    CHECK_OK(clade_tensor_read(clade_model_losses(model), losses));
    CHECK_OK(clade_tensor_read(clade_model_weight(model), weight));
    for (int i = 0; i < BATCH; i++) sum += (double)losses[i] * weight[i];
    return sum;
}

static double loss_along(clade_model *model, const clade_tensor *value, const float *w,
                         const float *d, float *moved, double h)
{
    size_t n = clade_tensor_count(value);
    for (size_t i = 0; i < n; i++) moved[i] = (float)(w[i] + h * d[i]);
    CHECK_OK(clade_tensor_write(value, moved));
    return loss_of(model);
}

/* One direction in the space of one parameter. */
static void check_direction(clade_model *model, const clade_parameter *p, const float *w,
                            const float *g, const float *d, float *moved)
{
    const double h = 1.0 / 64;
    size_t n = clade_tensor_count(&p->value);
    double slope = 0, largest = 0, centre[3];
    for (size_t i = 0; i < n; i++) slope += (double)g[i] * d[i];
    for (int k = 0; k < 3; k++) {
        double up = loss_along(model, &p->value, w, d, moved, h * (1 << k));
        double down = loss_along(model, &p->value, w, d, moved, -h * (1 << k));
        centre[k] = (up - down) / (2 * h * (1 << k));
        if (up > largest) largest = up;
        if (down > largest) largest = down;
    }
    CHECK_OK(clade_tensor_write(&p->value, w));
    double measured = (4 * centre[0] - centre[1]) / 3, coarse = (4 * centre[1] - centre[2]) / 3;
    double tolerance = 16 * FLT_EPSILON * largest / h + fabs(coarse - measured) / 4;
    bool close = fabs(measured - slope) <= tolerance; /* false for NaN */
    compared++;
    if (fabs(measured) > 4 * tolerance) telling++;
    if (!close)
        printf("%s: gradient %.9g, measured %.9g, tolerance %.3g\n", p->name, slope, measured,
               tolerance);
    CHECK(close);
}

/* Random directions, and the gradient's own, which tells most. */
static void check_parameter(clade_model *model, const clade_parameter *p, clade_random *r)
{
    size_t n = clade_tensor_count(&p->value);
    float *w = malloc(4 * n * sizeof *w), *g = w + n, *d = w + 2 * n, *moved = w + 3 * n;
    CHECK(w != NULL);
    if (!w) return;
    loss_of(model);
    CHECK_OK(clade_tensor_read(&p->value, w));
    CHECK_OK(clade_tensor_read(&p->gradient, g));
    for (int k = 0; k < 3; k++) {
        double length = 0;
        for (size_t i = 0; i < n; i++) {
            d[i] = k == 2 ? g[i] : clade_random_normal(r);
            length += (double)d[i] * d[i];
        }
        if (length == 0) continue;
        for (size_t i = 0; i < n; i++) d[i] = (float)(d[i] / sqrt(length));
        check_direction(model, p, w, g, d, moved);
    }
    free(w);
}

static void check_model(const char *name, clade_graph *graph, clade_loss loss, float smoothing)
{
    clade_model *model = NULL;
    clade_model_options options = {
        .batch = BATCH, .seed = 11, .loss = loss, .label_smoothing = smoothing};
    CHECK_OK(clade_model_create(graph, device, &options, &model));
    clade_graph_destroy(&graph);
    if (!model) return;
    int before = test_failures;
    int32_t dim[3];
    const clade_graph *g = clade_model_graph(model);
    clade_graph_shape(g, clade_graph_layers(g) - 1, dim);
    write_batch(model, BATCH, dim[0], 5);
    clade_random r = clade_random_start(1, CLADE_STREAM_CONFORM, 3);
    for (size_t i = 0; i < clade_model_parameters(model); i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        if (clade_tensor_present(&p->gradient)) check_parameter(model, p, &r);
    }
    if (test_failures > before) printf("%s: failed\n", name);
    clade_model_destroy(&model);
}

/* A chain: strides, pooling, activations that keep x and that keep y, dropout. */
static clade_graph *chain(void)
{
    clade_graph *g;
    if (clade_graph_create(9, 8, 3, &g)) return NULL;
    int32_t at = net_conv(g, 0, 5, 3, CLADE_PADDING_SAME, CLADE_TANH);
    at = net_layer(g, at,
                   (clade_layer){.kind = CLADE_LAYER_CONV2D,
                                 .as.conv2d = {.filters = 6,
                                               .kernel = {3, 2},
                                               .stride = {2, 1},
                                               .groups = 1,
                                               .activation = CLADE_SILU}});
    at = net_maxpool(g, at, 2);
    at = net_depthwise(g, at, 3, CLADE_SIGMOID);
    at = net_plain(g, at, CLADE_LAYER_FLATTEN);
    at = net_dense(g, at, 7, CLADE_GELU);
    at = net_dropout(g, at, 0.4F);
    net_softmax_dense(g, at, 4);
    return g;
}

/* Branches: every merging layer, values with several readers, squeeze and excite. */
static clade_graph *branches(void)
{
    clade_graph *g;
    if (clade_graph_create(6, 7, 2, &g)) return NULL;
    int32_t a = net_conv(g, 0, 4, 3, CLADE_PADDING_SAME, CLADE_TANH);
    int32_t b = net_conv(g, a, 4, 1, CLADE_PADDING_SAME, CLADE_LINEAR);
    int32_t sum = net_join(g, CLADE_LAYER_ADD, 3, (int32_t[]){a, b, a});
    int32_t product = net_join(g, CLADE_LAYER_MULTIPLY, 3, (int32_t[]){sum, b, sum});
    int32_t square = net_join(g, CLADE_LAYER_MULTIPLY, 2, (int32_t[]){a, a});
    int32_t twice = net_join(g, CLADE_LAYER_ADD, 2, (int32_t[]){square, square});
    int32_t all = net_join(g, CLADE_LAYER_CONCAT, 4, (int32_t[]){twice, product, sum, sum});
    int32_t squeeze = net_plain(g, all, CLADE_LAYER_GLOBAL_AVGPOOL2D);
    squeeze = net_dense(g, squeeze, 3, CLADE_TANH);
    squeeze = net_dense(g, squeeze, 16, CLADE_SIGMOID);
    int32_t excited = net_join(g, CLADE_LAYER_MULTIPLY, 2, (int32_t[]){all, squeeze});
    int32_t shifted = net_join(g, CLADE_LAYER_ADD, 3, (int32_t[]){squeeze, excited, all});
    int32_t at = net_activation(g, shifted, CLADE_TANH);
    clade_layer pool = {
        .kind = CLADE_LAYER_AVGPOOL2D,
        .as.pool2d = {
            .window = {3, 3}, .stride = {2, 2}, .padding = CLADE_PADDING_SAME, .count_pad = true}};
    at = net_layer(g, at, pool);
    at = net_plain(g, at, CLADE_LAYER_FLATTEN);
    int32_t back = net_layer(
        g, at,
        (clade_layer){.kind = CLADE_LAYER_RESHAPE, .as.reshape = {.rank = 3, .dim = {3, -1, 16}}});
    back = net_plain(g, back, CLADE_LAYER_LRN);
    back = net_plain(g, back, CLADE_LAYER_FLATTEN);
    at = net_join(g, CLADE_LAYER_ADD, 2, (int32_t[]){at, back});
    net_dense(g, at, 1, CLADE_SIGMOID);
    return g;
}

/* Batch normalisation over the input and in branches, where dx is added to; padding; softmax
 * inside. */
static clade_graph *normalised(bool frozen)
{
    clade_graph *g;
    if (clade_graph_create(6, 5, 3, &g)) return NULL;
    int32_t x = net_batchnorm(g, 0, frozen);
    x = net_layer(
        g, x, (clade_layer){.kind = CLADE_LAYER_ZERO_PADDING2D, .as.pad2d = {.pad = {1, 0, 2, 1}}});
    x = net_conv(g, x, 4, 3, CLADE_PADDING_VALID, CLADE_LINEAR);
    int32_t y = net_batchnorm(g, x, frozen);
    y = net_activation(g, y, CLADE_HARD_SWISH);
    int32_t z = net_dropout(g, net_batchnorm(g, x, frozen), 0.3F);
    int32_t s = net_plain(g, x, CLADE_LAYER_SOFTMAX);
    x = net_join(g, CLADE_LAYER_ADD, 4, (int32_t[]){s, y, z, x});
    x = net_plain(g, x, CLADE_LAYER_FLATTEN);
    x = net_dropout(g, net_softmax_dense(g, x, 6), 0.2F);
    net_dense(g, x, 3, CLADE_TANH);
    return g;
}

/* Some layers frozen: below the lowest trained one nothing is computed, in between dx goes through.
 */
static clade_graph *partly_frozen(void)
{
    clade_graph *g;
    if (clade_graph_create(7, 7, 2, &g)) return NULL;
    clade_layer conv = {.kind = CLADE_LAYER_CONV2D,
                        .frozen = true,
                        .as.conv2d = {.filters = 4, .kernel = {3, 3}, .activation = CLADE_SILU}};
    int32_t low = net_layer(g, 0, conv);
    int32_t x = net_conv(g, low, 4, 3, CLADE_PADDING_SAME, CLADE_TANH);
    conv.as.conv2d.padding = CLADE_PADDING_SAME;
    int32_t y = net_layer(g, x, conv);
    y = net_layer(g, y, (clade_layer){.kind = CLADE_LAYER_BATCHNORM, .frozen = true});
    y = net_join(g, CLADE_LAYER_MULTIPLY, 3, (int32_t[]){low, y, x});
    y = net_join(g, CLADE_LAYER_ADD, 3, (int32_t[]){y, low, x});
    y = net_plain(g, y, CLADE_LAYER_GLOBAL_AVGPOOL2D);
    y = net_layer(g, y,
                  (clade_layer){.kind = CLADE_LAYER_DENSE,
                                .frozen = true,
                                .as.dense = {.units = 5, .activation = CLADE_GELU}});
    y = net_dense(g, y, 3, CLADE_LINEAR);
    net_plain(g, y, CLADE_LAYER_SOFTMAX);
    return g;
}

/* Ranges of channels, whose gradients add up in one; alphas where dx is added to; log-probabilities
 * inside and at the end. */
static clade_graph *parts(void)
{
    clade_graph *g;
    if (clade_graph_create(6, 5, 3, &g)) return NULL;
    int32_t x = net_conv(g, 0, 6, 3, CLADE_PADDING_SAME, CLADE_TANH), part[3];
    for (int i = 0; i < 3; i++)
        part[i] = net_layer(g, x,
                            (clade_layer){.kind = CLADE_LAYER_SPLIT,
                                          .as.split = {.start = i, .channels = i < 2 ? 2 + i : 0}});
    clade_layer prelu = {.kind = CLADE_LAYER_PRELU, .as.prelu = {.alpha = 1}}; /* not bent there */
    int32_t own = net_layer(g, part[2], prelu);
    prelu.as.prelu = (clade_prelu_layer){.shared = 3, .shared_axis = {1, 2, -1}, .alpha = 1};
    int32_t one = net_layer(g, part[0], prelu);
    int32_t all = net_join(g, CLADE_LAYER_CONCAT, 4, (int32_t[]){one, part[1], own, part[2]});
    x = net_dense(g, net_plain(g, all, CLADE_LAYER_FLATTEN), 5, CLADE_TANH);
    x = net_dense(g, net_plain(g, x, CLADE_LAYER_LOG_SOFTMAX), 4, CLADE_LINEAR);
    net_plain(g, x, CLADE_LAYER_LOG_SOFTMAX);
    return g;
}

/* One layer between others that train, with a smooth activation in place of a bent one. */
static clade_graph *around(const clade_layer *sample)
{
    clade_graph *g;
    clade_layer layer = *sample;
    for (const clade_layer_field *f = clade_layer_record_of(layer.kind)->field; f && f->key; f++) {
        clade_activation *act = clade_layer_at(&layer, f->at);
        bool activation = f->type == CLADE_FIELD_ACTIVATION || f->type == CLADE_FIELD_FUNCTION;
        /* elu is bent where its alpha is not 1 */
        if (activation && (*act == CLADE_LEAKY_RELU || *act == CLADE_ELU)) *act = CLADE_TANH;
    }
    if (clade_graph_create(12, 12, 3, &g)) return NULL;
    int32_t at = net_conv(g, 0, 4, 1, CLADE_PADDING_SAME, CLADE_TANH);
    CHECK_OK(layer_add(g, &layer, at));
    at = net_plain(g, clade_graph_layers(g) - 1, CLADE_LAYER_FLATTEN);
    net_dense(g, at, 3, CLADE_LINEAR);
    return g;
}

int main(void)
{
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    if (!device) return TEST_END();
    for (int i = 0; i < LAYER_SAMPLES; i++)
        if (layer_samples[i].kind != CLADE_LAYER_MAXPOOL2D) /* bent too: in the chain */
            check_model(clade_layer_type(layer_samples[i].kind), around(&layer_samples[i]),
                        CLADE_LOSS_MSE, 0);
    check_model("chain", chain(), CLADE_LOSS_CATEGORICAL_CROSSENTROPY, 0.1F);
    check_model("chain", chain(), CLADE_LOSS_MSE, 0);
    check_model("branches", branches(), CLADE_LOSS_BINARY_CROSSENTROPY, 0.05F);
    check_model("branches", branches(), CLADE_LOSS_MSE, 0.05F);
    check_model("normalised", normalised(false), CLADE_LOSS_MSE, 0.1F);
    check_model("normalised, fixed", normalised(true), CLADE_LOSS_MSE, 0);
    check_model("parts", parts(), CLADE_LOSS_CATEGORICAL_CROSSENTROPY, 0.1F);
    check_model("parts", parts(), CLADE_LOSS_MSE, 0);
    check_model("partly frozen", partly_frozen(), CLADE_LOSS_CATEGORICAL_CROSSENTROPY, 0);
    clade_device_close(&device);
    printf("%d slopes compared, %d of them well above their tolerance\n", compared, telling);
    CHECK(telling * 10 > compared * 8);
    return TEST_END();
}
