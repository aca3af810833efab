/* Models on the CPU: parameters, passes over fewer images, what training and inference differ in,
 * losses, errors, and plain gradient descent on a toy problem. */
#include "../test.h"
#include "base/random.h"
#include "dev/device.h"
#include "nets.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 1 << 16 };

static clade_device *device;
static float first[MOST], second[MOST], third[MOST];

static clade_model *make(clade_graph *graph, clade_loss loss, int32_t batch)
{
    clade_model *model = NULL;
    clade_model_options options = {.batch = batch, .seed = 21, .loss = loss};
    CHECK(graph != NULL);
    if (graph) CHECK_OK(clade_model_create(graph, device, &options, &model));
    clade_graph_destroy(&graph);
    return model;
}

static void read_all(const clade_tensor *t, float *out)
{
    CHECK(clade_tensor_present(t) && clade_tensor_count(t) <= MOST);
    if (clade_tensor_present(t) && clade_tensor_count(t) <= MOST)
        CHECK_OK(clade_tensor_read(t, out));
}

/* The same images and labels for any batch: image i depends on the seed and i. */
static void write_images(clade_model *model, int32_t classes, uint64_t seed)
{
    const clade_tensor *x = clade_model_input(model);
    size_t each = clade_tensor_count(x) / (size_t)x->dim[0];
    int32_t label[64];
    for (int32_t i = 0; i < x->dim[0]; i++) {
        clade_random r = clade_random_start(seed, CLADE_STREAM_CONFORM, (uint64_t)i);
        label[i] = (int32_t)clade_random_below(&r, (uint32_t)classes);
        for (size_t k = 0; k < each; k++)
            third[(size_t)i * each + k] = clade_random_uniform(&r, -1, 1);
    }
    CHECK_OK(clade_tensor_write(x, third));
    if (clade_tensor_present(clade_model_label(model)))
        CHECK_OK(clade_tensor_write(clade_model_label(model), label));
}

static void write_weights(clade_model *model, int32_t n)
{
    float weight[64];
    for (int i = 0; i < 64; i++) weight[i] = 1 / (float)n;
    CHECK_OK(clade_tensor_write(clade_model_weight(model), weight));
}

/* ---- parameters ---- */

static clade_graph *small_net(bool dropout, bool norm)
{
    clade_graph *g;
    if (clade_graph_create(6, 6, 2, &g)) return NULL;
    int32_t at = net_conv(g, 0, 4, 3, CLADE_PADDING_SAME, norm ? CLADE_LINEAR : CLADE_RELU);
    if (norm) at = net_activation(g, net_batchnorm(g, at, false), CLADE_SILU);
    at = net_maxpool(g, at, 2);
    at = net_plain(g, at, CLADE_LAYER_FLATTEN);
    if (dropout) at = net_dropout(g, at, 0.5F);
    at = net_dense(g, at, 8, CLADE_TANH);
    net_softmax_dense(g, at, 3);
    return g;
}

static void test_parameters(void)
{
    static const char *const names[] = {"conv2d/kernel",
                                        "conv2d/bias",
                                        "batch_normalization/gamma",
                                        "batch_normalization/beta",
                                        "batch_normalization/moving_mean",
                                        "batch_normalization/moving_variance",
                                        "dense/kernel",
                                        "dense/bias",
                                        "dense_1/kernel",
                                        "dense_1/bias"};
    clade_model *a = make(small_net(false, true), CLADE_LOSS_CATEGORICAL_CROSSENTROPY, 2);
    clade_model *b = make(small_net(true, false), CLADE_LOSS_NONE, 3);
    if (!a || !b) return;
    CHECK(clade_model_parameters(a) == 10 && clade_model_parameters(b) == 6);
    size_t trained = 0;
    for (size_t i = 0; i < 10; i++) {
        const clade_parameter *p = clade_model_parameter(a, i);
        bool fixed = i == 4 || i == 5;
        CHECK(!strcmp(p->name, names[i]));
        CHECK(clade_tensor_present(&p->gradient) == !fixed);
        if (fixed) continue;
        CHECK(p->value.offset == trained && p->gradient.offset == trained); /* without gaps */
        trained += clade_tensor_count(&p->value);
    }
    CHECK(clade_tensor_count(clade_model_trained(a)) == trained);
    CHECK(clade_tensor_count(clade_model_gradients(a)) == trained);
    CHECK(!clade_tensor_present(clade_model_gradients(b)));
    CHECK(!clade_tensor_present(clade_model_label(b)));
    /* other layers around, no loss, another batch: the same initial weights */
    for (size_t i = 0; i < 6; i++) {
        const clade_parameter *q = clade_model_parameter(b, i);
        for (size_t k = 0; k < 10; k++) {
            const clade_parameter *p = clade_model_parameter(a, k);
            if (strcmp(p->name, q->name)) continue;
            read_all(&p->value, first);
            read_all(&q->value, second);
            CHECK(!memcmp(first, second, clade_tensor_count(&p->value) * sizeof *first));
        }
        CHECK(!clade_tensor_present(&q->gradient));
    }
    /* what is written through a parameter is what the flat tensor holds */
    const clade_parameter *p = clade_model_parameter(a, 6);
    size_t n = clade_tensor_count(&p->value);
    for (size_t i = 0; i < n; i++) first[i] = (float)i;
    CHECK_OK(clade_tensor_write(&p->value, first));
    read_all(clade_model_trained(a), second);
    CHECK(!memcmp(first, second + p->value.offset, n * sizeof *first));
    clade_model_destroy(&a);
    clade_model_destroy(&b);
    CHECK(a == NULL);
    clade_model_destroy(&a);
}

/* ---- fewer images than the batch ---- */

static void check_same(clade_model *a, clade_model *b, int32_t n)
{
    const clade_tensor *pairs[3][2] = {{clade_model_gradients(a), clade_model_gradients(b)},
                                       {clade_model_output(a), clade_model_output(b)},
                                       {clade_model_losses(a), clade_model_losses(b)}};
    for (int i = 0; i < 3; i++) {
        size_t count = clade_tensor_count(pairs[i][0]);
        if (i) count = count / (size_t)pairs[i][0]->dim[0] * (size_t)n;
        read_all(pairs[i][0], first);
        read_all(pairs[i][1], second);
        CHECK(!memcmp(first, second, count * sizeof *first));
    }
}

/* A step on n of 7 images gives the bits of a model made for n, also after schedules for many
 * other numbers have come and gone. */
static void test_fewer(void)
{
    static const int32_t sizes[] = {5, 7, 1, 2, 3, 4, 6, 5, 7, 1, 5};
    clade_loss losses[] = {CLADE_LOSS_CATEGORICAL_CROSSENTROPY, CLADE_LOSS_MSE};
    for (int l = 0; l < 2; l++) {
        for (uint64_t seed = 1; seed < 4; seed++) {
            clade_model *large = make(net_random(seed, 9, 3), losses[l], 7);
            if (!large) return;
            write_images(large, 3, seed);
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                int32_t n = sizes[i];
                clade_model *exact = make(net_random(seed, 9, 3), losses[l], n);
                if (!exact) return;
                write_images(exact, 3, seed);
                write_weights(large, n);
                CHECK_OK(clade_model_gradient(large, n, (uint32_t)i, 0));
                CHECK_OK(clade_model_gradient(exact, n, (uint32_t)i, 0));
                check_same(large, exact, n);
                if (i == 0) { /* the losses of inference too; statistics differ after more steps */
                    CHECK_OK(clade_model_infer(large, n, true));
                    CHECK_OK(clade_model_infer(exact, n, true));
                    check_same(large, exact, n);
                }
                clade_model_destroy(&exact);
            }
            clade_model_destroy(&large);
        }
    }
}

/* ---- training and inference ---- */

static void test_passes(void)
{
    clade_model *m = make(small_net(false, false), CLADE_LOSS_CATEGORICAL_CROSSENTROPY, 4);
    if (!m) return;
    write_images(m, 3, 1);
    float losses[2][4];
    CHECK_OK(clade_model_gradient(m, 4, 0, 0));
    read_all(clade_model_output(m), first);
    CHECK_OK(clade_tensor_read(clade_model_losses(m), losses[0]));
    CHECK_OK(clade_model_infer(m, 4, true));
    read_all(clade_model_output(m), second);
    CHECK_OK(clade_tensor_read(clade_model_losses(m), losses[1]));
    CHECK(!memcmp(first, second, 12 * sizeof *first));
    CHECK(!memcmp(losses[0], losses[1], sizeof losses[0]));
    CHECK_OK(clade_model_infer(m, 4, false));
    read_all(clade_model_output(m), second);
    CHECK(!memcmp(first, second, 12 * sizeof *first));
    for (int i = 0; i < 4; i++)
        CHECK(fabsf(first[3 * i] + first[3 * i + 1] + first[3 * i + 2] - 1) < 1e-6F);
    clade_model_destroy(&m);
}

static double sum_of_losses(clade_model *m, uint32_t step)
{
    float losses[4];
    double sum = 0;
    CHECK_OK(clade_model_gradient(m, 4, step, 0));
    CHECK_OK(clade_tensor_read(clade_model_losses(m), losses));
    for (int i = 0; i < 4; i++) sum += losses[i];
    return sum;
}

static void test_dropout(void)
{
    clade_model *m = make(small_net(true, false), CLADE_LOSS_CATEGORICAL_CROSSENTROPY, 4);
    clade_model *plain = make(small_net(false, false), CLADE_LOSS_CATEGORICAL_CROSSENTROPY, 4);
    if (!m || !plain) return;
    write_images(m, 3, 1);
    write_images(plain, 3, 1);
    double a = sum_of_losses(m, 1), b = sum_of_losses(m, 2);
    CHECK(a != b);
    CHECK(sum_of_losses(m, 1) == a && sum_of_losses(m, 2) == b);
    CHECK_OK(clade_model_infer(m, 4, false));
    CHECK_OK(clade_model_infer(plain, 4, false));
    read_all(clade_model_output(m), first);
    read_all(clade_model_output(plain), second);
    CHECK(!memcmp(first, second, 12 * sizeof *first));
    clade_model_destroy(&m);
    clade_model_destroy(&plain);
}

/* One training step moves the statistics by a hundredth of the way to the batch's, the variance
 * being the unbiased one; nothing else does, and frozen ones stay. */
static void test_statistics(void)
{
    for (int frozen = 0; frozen < 3; frozen++) {
        clade_graph *g;
        CHECK_OK(clade_graph_create(3, 2, 2, &g));
        int32_t at = net_layer(g, 0,
                               (clade_layer){.kind = CLADE_LAYER_BATCHNORM,
                                             .frozen = frozen == 2,
                                             .as.batchnorm = {.frozen = frozen == 1}});
        at = net_plain(g, at, CLADE_LAYER_GLOBAL_AVGPOOL2D);
        net_dense(g, at, 1, CLADE_SIGMOID);
        clade_model *m = make(g, CLADE_LOSS_BINARY_CROSSENTROPY, 5);
        if (!m) return;
        write_images(m, 2, 3);
        read_all(clade_model_input(m), first);
        double mean[2] = {0}, variance[2] = {0};
        for (int i = 0; i < 60; i++) mean[i % 2] += first[i] / 30.0;
        for (int i = 0; i < 60; i++) variance[i % 2] += pow(first[i] - mean[i % 2], 2) / 29.0;
        CHECK_OK(clade_model_infer(m, 5, true));
        CHECK_OK(clade_model_infer(m, 3, false));
        CHECK_OK(clade_model_gradient(m, 5, 0, 0));
        float running[2][2];
        CHECK(clade_tensor_present(&clade_model_parameter(m, 0)->gradient) == (frozen < 2));
        CHECK_OK(clade_tensor_read(&clade_model_parameter(m, 2)->value, running[0]));
        CHECK_OK(clade_tensor_read(&clade_model_parameter(m, 3)->value, running[1]));
        double rate = frozen ? 0 : 0.01;
        for (int c = 0; c < 2; c++) {
            CHECK(fabs(running[0][c] - rate * mean[c]) < 1e-7);
            CHECK(fabs(running[1][c] - (1 - rate + rate * variance[c])) < 3e-7);
        }
        clade_model_destroy(&m);
    }
}

/* ---- losses and outputs ---- */

/* The losses against their formulas in double, from the outputs. */
static void test_losses(void)
{
    static const clade_loss losses[] = {CLADE_LOSS_BINARY_CROSSENTROPY,
                                        CLADE_LOSS_CATEGORICAL_CROSSENTROPY, CLADE_LOSS_MSE,
                                        CLADE_LOSS_MSE};
    for (int l = 0; l < 4; l++) {
        int32_t classes = l == 0 || l == 3 ? 1 : 3;
        const double s = 0.1; /* label smoothing */
        clade_model *m = NULL;
        clade_graph *g = net_random(2, 5, classes);
        clade_model_options options = {
            .batch = 6, .seed = 4, .loss = losses[l], .label_smoothing = (float)s};
        CHECK_OK(clade_model_create(g, device, &options, &m));
        clade_graph_destroy(&g);
        if (!m) return;
        write_images(m, classes == 1 ? 2 : classes, 8);
        int32_t label[6];
        float y[18], loss[6];
        CHECK_OK(clade_model_infer(m, 6, true));
        CHECK_OK(clade_tensor_read(clade_model_label(m), label));
        CHECK_OK(clade_tensor_read(clade_model_output(m), y));
        CHECK_OK(clade_tensor_read(clade_model_losses(m), loss));
        for (int i = 0; i < 6; i++) {
            double expected = 0;
            for (int32_t c = 0; c < classes; c++) {
                double p = y[i * classes + c], t = classes == 1 ? label[i] : label[i] == c;
                t = (1 - s) * t + s / (classes == 1 ? 2 : classes);
                if (losses[l] == CLADE_LOSS_MSE)
                    expected += (p - t) * (p - t) / classes;
                else
                    expected -= t * log(p) + (classes == 1 ? (1 - t) * log(1 - p) : 0);
            }
            CHECK(fabs(loss[i] - expected) < 1e-5 * (1 + expected));
        }
        clade_model_destroy(&m);
    }
}

/* Without a loss the output may be anything: an image, a view, the input itself. */
static void test_outputs(void)
{
    clade_graph *g;
    CHECK_OK(clade_graph_create(4, 3, 2, &g));
    net_dropout(g, net_plain(g, 0, CLADE_LAYER_FLATTEN), 0.5F);
    clade_model *m = make(g, CLADE_LOSS_NONE, 3);
    if (!m) return;
    write_images(m, 2, 1);
    read_all(clade_model_input(m), first);
    CHECK_OK(clade_model_infer(m, 3, false));
    CHECK(clade_model_output(m)->rank == 2 && clade_model_output(m)->dim[1] == 24);
    read_all(clade_model_output(m), second);
    CHECK(!memcmp(first, second, 72 * sizeof *first));
    CHECK_FAILS(clade_model_infer(m, 3, true), CLADE_EINVAL, "without a loss");
    CHECK_FAILS(clade_model_gradient(m, 3, 0, 0), CLADE_EINVAL, "without a loss");
    clade_model_destroy(&m);
    CHECK_OK(clade_graph_create(4, 3, 2, &g));
    net_activation(g, net_conv(g, 0, 5, 3, CLADE_PADDING_SAME, CLADE_LINEAR), CLADE_RELU);
    m = make(g, CLADE_LOSS_NONE, 3);
    if (!m) return;
    write_images(m, 2, 1);
    CHECK_OK(clade_model_infer(m, 2, false));
    CHECK(clade_model_output(m)->rank == 4 && clade_model_output(m)->dim[3] == 5);
    read_all(clade_model_output(m), second);
    double sum = 0;
    for (int i = 0; i < 2 * 60; i++) {
        CHECK(second[i] >= 0);
        sum += second[i];
    }
    CHECK(sum > 0);
    clade_model_destroy(&m);
}

/* With 'same' the odd zero goes to the bottom and right: a window of ones over ones counts pixels.
 */
static void test_same_padding(void)
{
    clade_graph *g;
    CHECK_OK(clade_graph_create(4, 4, 1, &g));
    net_layer(g, 0,
              (clade_layer){.kind = CLADE_LAYER_CONV2D,
                            .as.conv2d = {.filters = 1,
                                          .kernel = {3, 3},
                                          .stride = {2, 2},
                                          .padding = CLADE_PADDING_SAME,
                                          .init = CLADE_INIT_ONES}});
    clade_model *m = make(g, CLADE_LOSS_NONE, 1);
    if (!m) return;
    for (int i = 0; i < 16; i++) first[i] = 1;
    CHECK_OK(clade_tensor_write(clade_model_input(m), first));
    CHECK_OK(clade_model_infer(m, 1, false));
    read_all(clade_model_output(m), second);
    CHECK(second[0] == 9 && second[1] == 6 && second[2] == 6 && second[3] == 4);
    clade_model_destroy(&m);
}

/* ---- errors ---- */

static void expect(clade_graph *g, clade_loss loss, clade_status status, const char *part)
{
    clade_model *m;
    clade_model_options options = {.batch = 4, .loss = loss};
    CHECK_FAILS(clade_model_create(g, device, &options, &m), status, part);
    CHECK(m == NULL);
    clade_graph_destroy(&g);
}

static clade_graph *flat(void)
{
    clade_graph *g = NULL;
    CHECK_OK(clade_graph_create(4, 4, 1, &g));
    net_plain(g, 0, CLADE_LAYER_FLATTEN);
    return g;
}

static void test_errors(void)
{
    clade_graph *g = flat();
    net_dense(g, 1, 2, CLADE_SIGMOID);
    expect(g, CLADE_LOSS_BINARY_CROSSENTROPY, CLADE_EINVAL,
           "dense gives [2], sigmoid: binary_crossentropy expects one sigmoid output");
    g = flat();
    net_dense(g, 1, 1, CLADE_RELU);
    expect(g, CLADE_LOSS_BINARY_CROSSENTROPY, CLADE_EINVAL, "dense gives [1], relu");
    g = flat();
    net_dense(g, 1, 3, CLADE_LINEAR);
    expect(g, CLADE_LOSS_CATEGORICAL_CROSSENTROPY, CLADE_EINVAL,
           "dense gives [3], linear: categorical_crossentropy expects a softmax");
    g = flat();
    net_softmax_dense(g, 1, 1);
    expect(g, CLADE_LOSS_CATEGORICAL_CROSSENTROPY, CLADE_EINVAL, "two or more classes");
    CHECK_OK(clade_graph_create(4, 4, 1, &g));
    net_conv(g, 0, 3, 3, CLADE_PADDING_SAME, CLADE_RELU);
    expect(g, CLADE_LOSS_MSE, CLADE_EINVAL, "mse expects a flat output");
    g = flat();
    net_dense(g, 1, 3, CLADE_LINEAR);
    net_dense(g, 1, 3, CLADE_LINEAR);
    expect(g, CLADE_LOSS_NONE, CLADE_EINVAL, "dense: no layer reads its output");
    CHECK_OK(clade_graph_create(4, 4, 1, &g));
    expect(g, CLADE_LOSS_NONE, CLADE_EINVAL, "has no layers");
    expect(flat(), (clade_loss)9, CLADE_EINVAL, "no loss 9");

    clade_model *m;
    g = flat();
    net_dense(g, 1, 1, CLADE_SIGMOID);
    clade_model_options options = {.batch = -1};
    CHECK_FAILS(clade_model_create(g, device, &options, &m), CLADE_EINVAL, "batch is -1");
    options = (clade_model_options){.label_smoothing = 2};
    CHECK_FAILS(clade_model_create(g, device, &options, &m), CLADE_EINVAL, "label_smoothing is 2");
    options = (clade_model_options){.batch = 1000};
    device->info.max_alloc_bytes = 60000;
    CHECK_FAILS(clade_model_create(g, device, &options, &m), CLADE_ENOMEM,
                "the input for 1000 images at a time (0.1 MiB): cpu: 64000 bytes asked for in one "
                "buffer; it allows 60000");
    device->info.max_alloc_bytes = 0;
    m = make(g, CLADE_LOSS_BINARY_CROSSENTROPY, 4);
    if (!m) return;
    CHECK_FAILS(clade_model_infer(m, 5, false), CLADE_EINVAL, "5 images: the model takes 1 to 4");
    CHECK_FAILS(clade_model_gradient(m, 0, 0, 0), CLADE_EINVAL, "0 images");
    clade_model_destroy(&m);

    g = flat();
    net_layer(g, 1,
              (clade_layer){.kind = CLADE_LAYER_DENSE,
                            .frozen = true,
                            .as.dense = {.units = 1, .activation = CLADE_SIGMOID}});
    m = make(g, CLADE_LOSS_BINARY_CROSSENTROPY, 4);
    if (!m) return;
    CHECK(!clade_tensor_present(clade_model_trained(m)));
    CHECK_FAILS(clade_model_gradient(m, 4, 0, 0), CLADE_EINVAL, "nothing to train");
    CHECK_OK(clade_model_infer(m, 4, true));
    clade_model_destroy(&m);
}

/* ---- training ---- */

/* Three classes by the corner that is bright: plain gradient descent must learn them, by each loss.
 */
static void test_training(void)
{
    enum { BATCH = 12, SIDE = 6 };
    clade_loss losses[] = {CLADE_LOSS_CATEGORICAL_CROSSENTROPY, CLADE_LOSS_MSE};
    for (int l = 0; l < 2; l++) {
        clade_model *m = make(small_net(true, true), losses[l], BATCH);
        if (!m) return;
        const clade_tensor *w = clade_model_trained(m);
        size_t n = clade_tensor_count(w);
        double start = 0, end = 0;
        for (uint32_t step = 0; step < 300; step++) {
            clade_random r = clade_random_start(6, CLADE_STREAM_CONFORM, step);
            static float x[BATCH][SIDE][SIDE][2];
            int32_t label[BATCH];
            float loss[BATCH];
            for (int i = 0; i < BATCH; i++) {
                label[i] = (int32_t)clade_random_below(&r, 3);
                int top = label[i] == 0 ? 0 : 3, left = label[i] == 1 ? 0 : 3;
                for (int k = 0; k < SIDE * SIDE * 2; k++)
                    (&x[i][0][0][0])[k] = clade_random_uniform(&r, 0, 0.5F);
                for (int k = 0; k < 9; k++) x[i][top + k / 3][left + k % 3][k % 2] += 0.5F;
            }
            CHECK_OK(clade_tensor_write(clade_model_input(m), x));
            CHECK_OK(clade_tensor_write(clade_model_label(m), label));
            CHECK_OK(clade_model_gradient(m, BATCH, step, 0));
            read_all(clade_model_gradients(m), first);
            read_all(w, second);
            for (size_t i = 0; i < n; i++) second[i] -= 0.3F * first[i];
            CHECK_OK(clade_tensor_write(w, second));
            CHECK_OK(clade_tensor_read(clade_model_losses(m), loss));
            for (int i = 0; i < BATCH; i++) {
                if (step < 10) start += loss[i] / (10 * BATCH);
                if (step >= 290) end += loss[i] / (10 * BATCH);
            }
        }
        printf("toy problem: loss from %.3f to %.3f\n", start, end);
        CHECK(end < start / 5);
        clade_model_destroy(&m);
    }
}

int main(void)
{
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    if (!device) return TEST_END();
    test_parameters();
    test_fewer();
    test_passes();
    test_dropout();
    test_statistics();
    test_losses();
    test_outputs();
    test_same_padding();
    test_errors();
    test_training();
    uint64_t now, peak;
    clade_device_memory(device, &now, &peak);
    CHECK(now == (device->workspace ? device->workspace->bytes : 0)); /* which stays the device's */
    clade_device_close(&device);
    return TEST_END();
}
