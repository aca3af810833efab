/* Shards: gradients are added as the definition says, and training by shards is training by whole
 * batches where no layer looks at several images at once. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "dist/sum.h"

#include <clade/clade.h>

#include <math.h>
#include <stdlib.h>

static const char recipe_text[] =
    "name: sharded\n"
    "input: {size: 12, rescale: 1/255}\n"
    "augment: {rotation: 30, horizontal_flip: true}\n"
    "model:\n"
    "  - conv2d: {filters: 5, kernel: 3, activation: relu}\n"
    "  - maxpool2d: 2\n"
    "  - flatten\n"
    "  - dropout: 0.5\n" /* 125 a row: masks begin within a call of Philox */
    "  - dense: {units: classes, activation: softmax}\n"
    "train:\n"
    "  loss: sparse_categorical_crossentropy\n"
    "  optimizer: {sgd: {lr: 0.1, momentum: 0.9}}\n"
    "  class_weight: {circle: 2}\n"
    "  batch: 14\n"
    "  epochs: 2\n"
    "  seed: 5\n";

/* By the definition. */
static float sum_of(const float *x, int n)
{
    int half = 1;
    if (n == 1) return x[0];
    while (2 * half < n) half *= 2;
    return sum_of(x, half) + sum_of(x + half, n - half);
}

static void test_sum(clade_device *device)
{
    enum { most = 21, length = 37 };
    clade_tensor g = {.dtype = CLADE_F32, .rank = 1, .dim = {length}, .offset = 3};
    CHECK_OK(clade_buffer_create(device, (length + 3) * sizeof(float), &g.buffer));
    float x[length][most], shard[length], got[length];
    for (int i = 0; i < length; i++)
        for (int s = 0; s < most; s++) x[i][s] = sinf((float)(i * most + s)) / (float)(1 + s % 5);
    int other = 0;
    for (int most_shards = 1; most_shards <= most; most_shards++) {
        clade_shard_sum *sum = NULL;
        CHECK_OK(clade_shard_sum_create(device, &g, most_shards, &sum));
        for (int n = most_shards; sum && n >= 1; n -= 3) { /* also fewer, as in an epoch's last */
            for (int s = 0; s < n; s++) {
                for (int i = 0; i < length; i++) shard[i] = x[i][s];
                CHECK_OK(clade_tensor_write(&g, shard));
                CHECK_OK(clade_shard_sum_add(sum, s, s == n - 1));
            }
            CHECK_OK(clade_tensor_read(&g, got));
            for (int i = 0; i < length; i++) {
                float in_order = x[i][0];
                for (int s = 1; s < n; s++) in_order += x[i][s];
                CHECK(got[i] == sum_of(x[i], n));
                other += got[i] != in_order;
            }
        }
        clade_shard_sum_destroy(&sum);
    }
    CHECK(other > 0); /* else the order would not have been tested */
    clade_buffer_destroy(&g.buffer);
}

/* Weights after training; `more` ends the recipe. To be freed. */
static float *train(const char *images, clade_device *device, const char *more, size_t *count)
{
    clade_recipe *recipe = NULL;
    clade_dataset *dataset = NULL;
    clade_classifier *classifier = NULL;
    float *w = NULL;
    char *text = clade_string_join(recipe_text, more);
    CHECK_OK(clade_recipe_parse(text, "sharded.yaml", &recipe));
    clade_data_options data = recipe ? *clade_recipe_data(recipe) : (clade_data_options){0};
    data.path = images;
    CHECK_OK(clade_dataset_open(&data, &dataset));
    if (recipe && dataset)
        CHECK_OK(clade_train(recipe, dataset, device, &(clade_train_options){.threads = 1},
                             &classifier));
    free(text);
    if (classifier) {
        const clade_tensor *t = clade_model_trained(clade_classifier_model(classifier));
        *count = clade_tensor_count(t);
        w = malloc(*count * sizeof *w);
        CHECK_OK(clade_tensor_read(t, w));
    }
    clade_classifier_destroy(&classifier);
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
    return w;
}

/* 40 images in batches of 14, 14 and 12: whole, by shards that divide a batch, and that do not. */
static void test_training(const char *images, clade_device *device)
{
    static const char *const more[] = {"", "  shard: 14\n", "  shard: 7\n", "  shard: 4\n",
                                       "  shard: 1\n"};
    float *whole = NULL;
    for (int k = 0; k < 5; k++) {
        size_t count = 0;
        float *w = train(images, device, more[k], &count);
        double worst = 0;
        for (size_t i = 0; whole && w && i < count; i++)
            worst = fmax(worst, fabs((double)w[i] - (double)whole[i]));
        CHECK(k < 2 ? worst == 0 : worst > 0 && worst < 2e-5);
        if (k)
            free(w);
        else
            whole = w;
    }
    free(whole);
}

int main(void)
{
    char folder[] = "/tmp/clade-shard-XXXXXX";
    clade_device *device = NULL;
    if (!mkdtemp(folder)) return 1;
    CHECK_OK(clade_shapes_write(
        folder, &(clade_shapes_options){.classes = 4, .train = 10, .validation = 3, .size = 16}));
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    if (device) {
        test_sum(device);
        test_training(folder, device);
    }
    clade_device_close(&device);
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
