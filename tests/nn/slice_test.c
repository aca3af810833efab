/* Slices of a batch: a net whose first layers take fewer images at a time than the batch has
 * gives each image, bit for bit, what it gives it alone, in less memory than one layer's batch
 * takes. */
#include "../test.h"
#include "base/random.h"
#include "nets.h"
#include "nn/build.h"

#include <stdlib.h>

enum { BATCH = 7, SIZE = 120, IMAGE = SIZE * SIZE * 3, CLASSES = 3, FILTERS = 64 };

static clade_device *device;
static float *pixels;

static int32_t frozen_conv(clade_graph *g, int32_t from, int32_t filters, int32_t kernel)
{
    return net_layer(g, from,
                     (clade_layer){.kind = CLADE_LAYER_CONV2D,
                                   .frozen = true,
                                   .as.conv2d = {.filters = filters,
                                                 .kernel = {kernel, kernel},
                                                 .padding = CLADE_PADDING_SAME}});
}

/* Images one by one up to the addition, three at a time up to the second pool, then together. */
static clade_graph *net(void)
{
    clade_graph *g;
    if (clade_graph_create(SIZE, SIZE, 3, &g)) return NULL;
    int32_t x = net_activation(g, frozen_conv(g, 0, FILTERS, 3), CLADE_RELU);
    int32_t a = net_layer(g, frozen_conv(g, x, 32, 1),
                          (clade_layer){.kind = CLADE_LAYER_BATCHNORM, .frozen = true});
    int32_t b = frozen_conv(g, x, 32, 3);
    int32_t at = net_join(g, CLADE_LAYER_ADD, 2, (int32_t[]){a, b});
    at = net_maxpool(g, net_activation(g, at, CLADE_TANH), 2);
    a = frozen_conv(g, at, 24, 1);
    at = net_join(g, CLADE_LAYER_CONCAT, 2, (int32_t[]){a, at});
    at = net_maxpool(g, frozen_conv(g, at, 16, 3), 2);
    net_softmax_dense(g, net_plain(g, at, CLADE_LAYER_GLOBAL_AVGPOOL2D), CLASSES);
    return g;
}

static clade_model *model_of(int32_t batch, clade_precision precision)
{
    const clade_model_options options = {.batch = batch,
                                         .seed = 5,
                                         .loss = CLADE_LOSS_CATEGORICAL_CROSSENTROPY,
                                         .precision = precision};
    clade_graph *g = net();
    clade_model *model = NULL;
    CHECK(g != NULL);
    if (g) CHECK_OK(clade_model_create(g, device, &options, &model));
    clade_graph_destroy(&g);
    return model;
}

static size_t count_calls(const clade_model *model, clade_pass pass)
{
    size_t count;
    clade_model_calls(model, pass, &count);
    return count;
}

/* What image i gives alone. */
static void run_alone(clade_model *alone, int32_t i, float *y, float *loss)
{
    const int32_t label = i % CLASSES;
    CHECK_OK(clade_tensor_write(clade_model_input(alone), pixels + (size_t)i * IMAGE));
    CHECK_OK(clade_tensor_write(clade_model_label(alone), &label));
    CHECK_OK(clade_model_infer(alone, 1, true));
    CHECK_OK(clade_tensor_read(clade_model_output(alone), y));
    CHECK_OK(clade_tensor_read(clade_model_losses(alone), loss));
}

static void check(clade_model *together, const float *y, const float *losses, int32_t n)
{
    float got[BATCH][CLASSES], loss[BATCH];
    CHECK_OK(clade_tensor_read(clade_model_output(together), got));
    CHECK_OK(clade_tensor_read(clade_model_losses(together), loss));
    CHECK(!memcmp(got, y, (size_t)n * sizeof *got));
    CHECK(!memcmp(loss, losses, (size_t)n * sizeof *loss));
}

static void test(clade_model *together, clade_model *alone)
{
    float y[BATCH][CLASSES], losses[BATCH];
    int32_t label[BATCH];
    uint64_t arena, unshared;
    for (int32_t i = 0; i < BATCH; i++) {
        run_alone(alone, i, y[i], &losses[i]);
        label[i] = i % CLASSES;
    }
    CHECK(memcmp(y[0], y[1], sizeof *y));
    CHECK_OK(clade_tensor_write(clade_model_input(together), pixels));
    CHECK_OK(clade_tensor_write(clade_model_label(together), label));
    for (int pass = 0; pass < CLADE_PASSES; pass++)
        CHECK(count_calls(together, pass) > count_calls(alone, pass) + BATCH);
    clade_model_memory(together, &arena, &unshared);
    CHECK(arena < (uint64_t)BATCH * SIZE * SIZE * FILTERS * sizeof(float));
    for (int32_t n = BATCH; n > 0; n -= 3) {
        CHECK_OK(clade_model_infer(together, n, true));
        check(together, y[0], losses, n);
    }
    CHECK_OK(clade_model_gradient(together, BATCH, 1, 0));
    float loss[BATCH];
    CHECK_OK(clade_tensor_read(clade_model_losses(together), loss));
    CHECK(!memcmp(loss, losses, sizeof loss));
}

int main(void)
{
    clade_random r = clade_random_start(3, CLADE_STREAM_CONFORM, 4);
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    pixels = malloc((size_t)BATCH * IMAGE * sizeof *pixels);
    CHECK(pixels != NULL);
    for (size_t i = 0; pixels && i < (size_t)BATCH * IMAGE; i++)
        pixels[i] = clade_random_uniform(&r, -1, 1);
    for (int p = 0; p < CLADE_PRECISIONS && device && pixels; p++) {
        clade_model *together = model_of(BATCH, (clade_precision)p);
        clade_model *alone = model_of(1, (clade_precision)p);
        if (together && alone) test(together, alone);
        clade_model_destroy(&together);
        clade_model_destroy(&alone);
    }
    clade_device_close(&device);
    free(pixels);
    return TEST_END();
}
