/* Grad-CAM against its formula: in nets whose score is linear in what the maximum takes of the
 * watched layer, the gradient by it is known from the weights. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include <clade/clade.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { side = 16, places = side - 2, windows = places / 2, filters = 3 };

static const char *const recipes[] = {
    "name: two\n"
    "input: {size: [16, 16], rescale: 1/255, mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3]}\n"
    "model:\n"
    "  - conv2d: {filters: 3, kernel: 3, activation: relu}\n"
    "  - maxpool2d: 2\n"
    "  - dropout: 0.5\n"
    "  - flatten\n"
    "  - dense: {units: classes, activation: softmax}\n"
    "train: {loss: sparse_categorical_crossentropy, epochs: 1, batch: 4}\n",
    "name: one\n"
    "input: {size: [16, 16], rescale: 1/255, mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3]}\n"
    "model:\n"
    "  - conv2d: {filters: 3, kernel: 3, activation: relu}\n"
    "  - maxpool2d: 2\n"
    "  - flatten\n"
    "  - dense: {units: 1, activation: sigmoid}\n"
    "train: {loss: binary_crossentropy, epochs: 1, batch: 4}\n"};

static float *read_parameter(const clade_model *model, const char *name)
{
    for (size_t i = 0; i < clade_model_parameters(model); i++) {
        const clade_parameter *p = clade_model_parameter(model, i);
        if (strcmp(p->name, name)) continue;
        float *values = malloc(clade_tensor_count(&p->value) * sizeof *values);
        CHECK(values && clade_tensor_read(&p->value, values) == CLADE_OK);
        return values;
    }
    CHECK(!"there is such a parameter");
    exit(1);
}

/* The map by hand, in double. */
static void expect_map(const clade_model *model, const uint8_t *pixels, int outputs,
                       int class_index, double map[places * places])
{
    float *w = read_parameter(model, "conv2d/kernel"), *b = read_parameter(model, "conv2d/bias");
    float *dense = read_parameter(model, "dense/kernel");
    double sign = outputs == 1 && class_index == 0 ? -1 : 1;
    static const double average[] = {0.4, 0.5, 0.6}, deviation[] = {0.2, 0.25, 0.3};
    for (int i = 0; i < places * places; i++) map[i] = 0;
    for (int k = 0; k < filters; k++) {
        /* every window hands its weight to one of its four places */
        double mean = 0;
        for (int i = 0; i < windows * windows; i++)
            mean += (double)dense[(i * filters + k) * outputs + (outputs == 1 ? 0 : class_index)];
        mean *= sign / (places * places);
        for (int i = 0; i < places; i++)
            for (int j = 0; j < places; j++) {
                double sum = (double)b[k];
                for (int t = 0; t < 27; t++) {
                    int at = ((i + t / 9) * side + j + t / 3 % 3) * 3 + t % 3;
                    sum += (double)w[t * filters + k] * (pixels[at] / 255.0 - average[t % 3]) /
                           deviation[t % 3];
                }
                map[i * places + j] += mean * (sum > 0 ? sum : 0);
            }
    }
    for (int i = 0; i < places * places; i++)
        if (map[i] < 0) map[i] = 0;
    free(w);
    free(b);
    free(dense);
}

static void check_maps(clade_classifier *classifier, const clade_dataset *dataset)
{
    clade_gradcam *g;
    int32_t rows, columns;
    uint8_t pixels[side * side * 3];
    float map[places * places];
    double expected[places * places];
    clade_model *model = clade_classifier_model(classifier);
    CHECK_OK(clade_gradcam_create(classifier, &g));
    clade_gradcam_size(g, &rows, &columns);
    CHECK(rows == places && columns == places && !strcmp(clade_gradcam_layer(g), "conv2d"));
    for (size_t i = 0; i < 3; i++)
        for (int c = 0; c < 2; c++) {
            double most = 0, error = 0;
            CHECK_OK(clade_dataset_pixels(dataset, CLADE_TRAIN, i, pixels));
            CHECK_OK(clade_gradcam_map(g, pixels, c, map));
            expect_map(model, pixels, clade_model_output(model)->dim[1], c, expected);
            for (int k = 0; k < places * places; k++) {
                double apart = fabs((double)map[k] - expected[k]);
                if (!(expected[k] <= most)) most = expected[k];
                if (!(apart <= error)) error = apart; /* also NaN */
            }
            CHECK(error <= 1e-6 + 1e-4 * most);
        }
    CHECK(clade_gradcam_map(g, pixels, 2, map) == CLADE_EINVAL);
    clade_gradcam_destroy(&g);
}

int main(void)
{
    char folder[] = "/tmp/clade-gradcam-XXXXXX", data[sizeof folder + 8];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(data, sizeof data, "%s/data", folder);
    const clade_shapes_options shapes = {.classes = 2, .train = 8, .validation = 2, .size = side};
    CHECK_OK(clade_shapes_write(data, &shapes));
    clade_device *device;
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        clade_recipe *recipe;
        clade_dataset *dataset;
        clade_classifier *classifier;
        CHECK_OK(clade_recipe_parse(recipes[i], "recipe", &recipe));
        clade_data_options options = *clade_recipe_data(recipe);
        options.path = data;
        CHECK_OK(clade_dataset_open(&options, &dataset));
        CHECK_OK(clade_dataset_load(dataset, NULL, NULL));
        CHECK_OK(clade_train(recipe, dataset, device, NULL, &classifier));
        check_maps(classifier, dataset);
        clade_classifier_destroy(&classifier);
        clade_dataset_destroy(&dataset);
        clade_recipe_destroy(&recipe);
    }
    clade_device_close(&device);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
    return TEST_END();
}
