/* Whitening kernels: eigenvectors by their definition; what a net's first layer gives has the
 * identity as its covariance; the same bits on every device, however images were read, and to the
 * end of training; the recipe that begins with one; what such a layer must look like. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "train/copy.h"
#include "train/whitening.h"

#include <clade/clade.h>
#include <clade/lr_find.h>

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define RECIPE(layer)                                                                              \
    "name: white\n"                                                                                \
    "input: {size: 12, mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3], rescale: 1/255}\n"            \
    "augment: {pad_crop: 1, horizontal_flip: true}\n"                                              \
    "model:\n"                                                                                     \
    "  - " layer "\n"                                                                              \
    "  - activation: gelu\n"                                                                       \
    "  - global_avgpool2d\n"                                                                       \
    "  - dense: {units: classes, activation: softmax, init: zeros}\n"                              \
    "train:\n"                                                                                     \
    "  loss: sparse_categorical_crossentropy\n"                                                    \
    "  optimizer: {sgd: {lr: 0.01}}\n"                                                             \
    "  batch: 64\n"                                                                                \
    "  epochs: 2\n"

enum { SIDE = 2, N = SIDE * SIDE * 3, IMAGE = 12, KERNEL = N * 2 * N };

static const double eps = 5e-4;
static const char white[] =
    RECIPE("conv2d: {filters: 24, kernel: 2, kernel_initializer: whitening, name: white}");

/* --- eigenvectors --- */

/* A v = value v, vectors orthonormal, values falling, the largest element of each vector positive.
 */
static void check_eigen(size_t n, const double *matrix)
{
    double *a = malloc(3 * n * n * sizeof *a), *vector = a + n * n, *value = vector + n * n;
    double size = 0;
    for (size_t i = 0; i < n * n; i++) {
        a[i] = matrix[i];
        size = fmax(size, fabs(matrix[i]));
    }
    clade_whitening_eigen(n, a, value, vector);
    for (size_t i = 0; i < n; i++) {
        const double *v = vector + i * n;
        size_t largest = 0;
        CHECK(i == 0 || value[i] <= value[i - 1]);
        for (size_t k = 0; k < n; k++) {
            double product = 0, dot = 0;
            for (size_t j = 0; j < n; j++) {
                product += matrix[k * n + j] * v[j];
                dot += vector[k * n + j] * v[j];
            }
            CHECK(fabs(product - value[i] * v[k]) <= 1e-13 * (double)n * size);
            CHECK(fabs(dot - (k == i)) <= 1e-13 * (double)n);
            if (fabs(v[k]) > fabs(v[largest])) largest = k;
        }
        CHECK(v[largest] > 0);
    }
    free(a);
}

static void test_eigen(void)
{
    double a[27 * 27];
    for (size_t n = 1; n <= 27; n += 13) {
        uint32_t state = 5;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) {
                state = state * 1664525 + 1013904223;
                a[i * n + j] = a[j * n + i] = (double)state / 4294967296.0 - 0.5;
            }
        check_eigen(n, a);
    }
    memset(a, 0, sizeof a);
    check_eigen(4, a); /* nothing to turn */
    const double equal[] = {2, 0, 0, 0, 2, 0, 0, 0, 2}, pair[] = {0, 1, 1, 0};
    const double spread[] = {1e12, 1, 1, 1e-6};
    check_eigen(3, equal);
    check_eigen(2, pair);
    check_eigen(2, spread);
}

/* --- a net --- */

typedef struct trained {
    float kernel[KERNEL], bias[2 * N];
    double loss; /* of the first epoch, which is one batch */
} trained;

static void hear_epoch(void *user, const clade_epoch *e)
{
    trained *t = user;
    if (e->epoch == 1) t->loss = e->train.loss;
}

static void read_weights(const clade_classifier *classifier, trained *t)
{
    const clade_model *model = clade_classifier_model(classifier);
    CHECK_OK(clade_tensor_read(&clade_model_find(model, "white/kernel")->value, t->kernel));
    CHECK_OK(clade_tensor_read(&clade_model_find(model, "white/bias")->value, t->bias));
}

static clade_dataset *open_images(const char *folder, bool load)
{
    const clade_data_options options = {
        .path = folder, .height = IMAGE, .width = IMAGE, .interpolation = CLADE_BILINEAR};
    clade_dataset *dataset = NULL;
    CHECK_OK(clade_dataset_open(&options, &dataset));
    if (load) CHECK_OK(clade_dataset_load(dataset, NULL, NULL));
    return dataset;
}

/* Trains; `loaded`: the images are decoded before. The weights are left zero where there is no such
 * device. */
static void train(const char *folder, const char *device_name, bool loaded, trained *out)
{
    clade_recipe *recipe = NULL;
    clade_device *device = NULL;
    clade_classifier *classifier = NULL;
    *out = (trained){.loss = 0};
    if (clade_device_open(device_name, NULL, &device) == CLADE_ENODEVICE) return;
    clade_dataset *dataset = open_images(folder, loaded);
    CHECK_OK(clade_recipe_parse(white, "white.yaml", &recipe));
    const clade_train_options options = {.observer = {.user = out, .epoch = hear_epoch}};
    CHECK_OK(clade_train(recipe, dataset, device, &options, &classifier));
    if (classifier) read_weights(classifier, out);
    clade_classifier_destroy(&classifier);
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
    clade_device_close(&device);
}

/* The covariance of all patches of the training images, by definition. */
static void find_covariance(const char *folder, double *out)
{
    static const double mean[] = {0.4, 0.5, 0.6}, deviation[] = {0.2, 0.25, 0.3};
    clade_dataset *dataset = open_images(folder, true);
    const size_t count = clade_dataset_count(dataset, CLADE_TRAIN);
    const size_t patches = count * (IMAGE - 1) * (IMAGE - 1);
    double *x = malloc(patches * N * sizeof *x), sum[N] = {0}, *p = x;
    uint8_t pixels[IMAGE * IMAGE * 3];
    for (size_t i = 0; i < count; i++) {
        CHECK_OK(clade_dataset_pixels(dataset, CLADE_TRAIN, i, pixels));
        for (int place = 0; place < (IMAGE - 1) * (IMAGE - 1); place++)
            for (int k = 0; k < N; k++) {
                int row = place / (IMAGE - 1) + k / 6, column = place % (IMAGE - 1) + k / 3 % 2;
                int c = k % 3;
                *p++ = (pixels[(row * IMAGE + column) * 3 + c] / 255.0 - mean[c]) / deviation[c];
            }
    }
    for (size_t i = 0; i < patches * N; i++) sum[i % N] += x[i] / (double)patches;
    for (int i = 0; i < N * N; i++) {
        out[i] = 0;
        for (size_t k = 0; k < patches; k++)
            out[i] += (x[k * N + (size_t)(i / N)] - sum[i / N]) *
                      (x[k * N + (size_t)(i % N)] - sum[i % N]) / (double)patches;
    }
    free(x);
    clade_dataset_destroy(&dataset);
}

/* Kᵀ C K of the first half of the filters is the identity but for eps; the others are negatives. */
static void check_kernel(const trained *t, const double *covariance)
{
    double smallest = INFINITY;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double product = 0, size = 0;
            for (int k = 0; k < N; k++) {
                for (int l = 0; l < N; l++)
                    product += (double)t->kernel[k * 2 * N + i] * covariance[k * N + l] *
                               (double)t->kernel[l * 2 * N + j];
                size += (double)t->kernel[k * 2 * N + i] * (double)t->kernel[k * 2 * N + i];
            }
            /* a filter's square is 1 / (λ + eps), its output's variance λ / (λ + eps) */
            const double expected = i == j ? 1 - eps * size : 0;
            CHECK(fabs(product - expected) < 1e-4);
            if (i == j) smallest = fmin(smallest, product);
        }
    CHECK(smallest > 0.5); /* so that this says something of every filter */
    for (int i = 0; i < KERNEL; i++)
        if (i % (2 * N) < N) CHECK(t->kernel[i] == -t->kernel[i + N]);
}

static void test_net(const char *folder)
{
    double covariance[N * N];
    trained once, again;
    train(folder, "cpu", true, &once);
    find_covariance(folder, covariance);
    check_kernel(&once, covariance);
    CHECK(once.bias[0] != 0 && once.bias[2 * N - 1] != 0); /* which is trained */
    train(folder, "cpu", false, &again);
    CHECK(!memcmp(once.kernel, again.kernel, sizeof once.kernel));
    CHECK(!memcmp(once.bias, again.bias, sizeof once.bias));
    train(folder, "opencl", false, &again);
    CHECK(again.loss == 0 || !memcmp(once.kernel, again.kernel, sizeof once.kernel));
}

/* Looking for a rate begins with the same weights. */
static void test_lr_find(const char *folder)
{
    clade_recipe *recipe = NULL;
    clade_device *device = NULL;
    clade_lr_point points[10];
    size_t count = 0;
    double suggestion;
    trained t;
    static const char *const sets[] = {"model.3.dense.init=lecun_normal"};
    char *file = clade_path_join(folder, "white.yaml");
    CHECK_OK(clade_file_write(file, white, strlen(white)));
    CHECK_OK(clade_recipe_read(file, sets, 1, &recipe));
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    clade_dataset *dataset = open_images(folder, false);
    t.loss = 0;
    const clade_train_options options = {.observer = {.user = &t, .epoch = hear_epoch}};
    CHECK_OK(clade_train(recipe, dataset, device, &options, NULL));
    CHECK_OK(clade_lr_find(recipe, dataset, device, &(clade_lr_find_options){.steps = 10}, points,
                           &count, &suggestion));
    CHECK(count > 0 && points[0].loss == t.loss);
    clade_dataset_destroy(&dataset);
    clade_device_close(&device);
    clade_recipe_destroy(&recipe);
    free(file);
}

/* --- cifar10-94 --- */

/* Is every value of a parameter this one? */
static bool stays(const clade_model *model, const char *name, float value)
{
    const clade_parameter *p = clade_model_find(model, name);
    const size_t count = p ? clade_tensor_count(&p->value) : 0;
    float *values = malloc((count + 1) * sizeof *values);
    bool same = count > 0;
    if (p) CHECK_OK(clade_tensor_read(&p->value, values));
    for (size_t i = 0; i < count; i++) same = same && values[i] == value;
    free(values);
    return same;
}

/* An epoch of two steps on a few images changes all that is trained, and nothing else. */
static void test_recipe(const char *folder)
{
    static const char *const sets[] = {"model.4.dense.units=3", "batch=24", "epochs=1",
                                       "schedule=constant"};
    clade_recipe *recipe = NULL;
    clade_device *device = NULL;
    clade_classifier *classifier = NULL;
    clade_dataset *dataset = NULL;
    CHECK_OK(clade_recipe_read("cifar10-94", sets, sizeof sets / sizeof *sets, &recipe));
    clade_data_options data = *clade_recipe_data(recipe);
    data.path = folder;
    CHECK_OK(clade_dataset_open(&data, &dataset));
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    CHECK_OK(clade_train(recipe, dataset, device, NULL, &classifier));
    if (classifier) {
        const clade_model *model = clade_classifier_model(classifier);
        CHECK(stays(model, "batch_normalization/gamma", 1));
        CHECK(stays(model, "batch_normalization_5/gamma", 1));
        CHECK(stays(model, "layer_scale/scale", 0.111111F));
        CHECK(!stays(model, "batch_normalization/beta", 0));
        CHECK(!stays(model, "batch_normalization_5/beta", 0));
        CHECK(!stays(model, "conv2d/bias", 0));
        const clade_tensor *kernel = &clade_model_find(model, "conv2d/kernel")->value;
        float values[KERNEL];
        CHECK_OK(clade_tensor_read(kernel, values));
        for (int i = 0; i < KERNEL; i++)
            if (i % (2 * N) < N) CHECK(values[i] == -values[i + N]);
    }
    clade_classifier_destroy(&classifier);
    clade_dataset_destroy(&dataset);
    clade_device_close(&device);
    clade_recipe_destroy(&recipe);
}

/* --- what is refused --- */

static void refuse(const char *text, const char *part)
{
    clade_recipe *recipe = NULL;
    CHECK_FAILS(clade_recipe_parse(text, "white.yaml", &recipe), CLADE_EINVAL, part);
    clade_recipe_destroy(&recipe);
}

static void test_refused(void)
{
    refuse(RECIPE("conv2d: {filters: 16, kernel: 2, init: whitening}"),
           "white.yaml:5: conv2d: filters is 16: expected 24 with init: whitening");
    refuse(RECIPE("conv2d: {filters: 294, kernel: 7, init: whitening}"),
           "a patch of 7 × 7 with 3 channels: expected at most 128 values");
    refuse(RECIPE("conv2d: {filters: 24, kernel: 2, dilation: 2, init: whitening}"),
           "dilation: expected 1 with init: whitening");
    refuse(RECIPE("conv2d: {filters: 6, kernel: 2, groups: 3, init: whitening}"),
           "groups is 3: expected 1 with init: whitening");
    refuse(RECIPE("conv2d: {filters: 6, kernel: 2, groups: 3, init: dirac}"),
           "groups is 3: expected 1 with init: dirac");
    refuse(RECIPE("maxpool2d\n  - conv2d: {filters: 24, kernel: 2, init: whitening}"),
           "white.yaml:6: conv2d: init: whitening is for a layer that reads the input");
    refuse(RECIPE("depthwise_conv2d: {kernel: 2, init: dirac}"), "init: ");
    refuse(RECIPE("flatten\n  - dense: {units: 5, init: whitening}"), "init: ");
}

int main(void)
{
    char folder[] = "/tmp/clade-whitening-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    const clade_shapes_options shapes = {.classes = 3, .train = 15, .validation = 3, .size = 24};
    char *images = clade_path_join(folder, "images");
    CHECK_OK(clade_shapes_write(images, &shapes));
    test_eigen();
    test_net(images);
    test_lr_find(images);
    test_recipe(images);
    test_refused();
    CHECK_OK(clade_folder_remove(folder));
    free(images);
    return TEST_END();
}
