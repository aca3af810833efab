/* A split that lies on the device and one whose images come batch by batch give a model the same
 * input. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "train/feed.h"

#include <clade/clade.h>

#include <stdlib.h>

enum { batch = 16, side = 20, values = batch * side * side * 3 };

static void compare(const clade_dataset *dataset, const clade_model *model)
{
    static float a[values], b[values];
    static const float class_weight[] = {1, 2, 4, 8};
    const clade_preprocessing p = {.height = side,
                                   .width = side,
                                   .channels = 3,
                                   .scale = {0.5f, 0.25f, 1},
                                   .shift = {1, 0, -1}};
    const clade_augment augment = {.rotation = 90, .zoom = {0.5f, 1.5f}, .fill = CLADE_FILL_WRAP};
    clade_feed_options options = {.upload = {.dataset = dataset,
                                             .split = CLADE_TRAIN,
                                             .model = model,
                                             .preprocessing = &p,
                                             .augment = &augment,
                                             .class_weight = class_weight},
                                  .shuffle = true,
                                  .seed = 9};
    clade_feed *streamed = NULL, *resident = NULL;
    CHECK_OK(clade_feed_create(&options, &streamed));
    options.upload.resident = true;
    CHECK_OK(clade_feed_create(&options, &resident));
    if (!streamed || !resident) return;
    CHECK_OK(clade_feed_start(streamed, 1, 1));
    CHECK_OK(clade_feed_start(resident, 1, 1));
    int batches = 0;
    for (;; batches++) {
        clade_batch one, other;
        float w[2][batch];
        int32_t label[batch];
        CHECK_OK(clade_feed_next(streamed, &one));
        if (one.count == 0) break;
        CHECK_OK(clade_feed_load(streamed, &one, 0, one.count));
        CHECK_OK(clade_tensor_read(clade_model_input(model), a));
        CHECK_OK(clade_tensor_read(clade_model_weight(model), w[0]));
        CHECK_OK(clade_feed_next(resident, &other));
        CHECK_OK(clade_feed_load(resident, &other, 0, other.count));
        CHECK_OK(clade_tensor_read(clade_model_input(model), b));
        CHECK_OK(clade_tensor_read(clade_model_weight(model), w[1]));
        CHECK_OK(clade_tensor_read(clade_model_label(model), label));
        CHECK(one.count == other.count && one.pixels && !other.pixels);
        size_t n = (size_t)one.count;
        CHECK(!memcmp(a, b, n * (values / batch) * sizeof *a));
        CHECK(!memcmp(w[0], w[1], n * sizeof(float)));
        CHECK(!memcmp(label, other.label, n * sizeof *label));
        bool flat = true;
        for (int i = 1; i < values / batch; i++) flat &= a[i] == a[0];
        CHECK(!flat);
        for (size_t i = 0; i < n; i++) CHECK(w[0][i] == class_weight[label[i]] / (float)n);
    }
    CHECK(batches == 2); /* 40 images: 16, 16 and 8, without the first */
    clade_feed_destroy(&streamed);
    clade_feed_destroy(&resident);
}

int main(void)
{
    char folder[] = "/tmp/clade-feed-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    const clade_shapes_options shapes = {.classes = 4, .train = 10, .validation = 2, .size = 24};
    char *images = clade_string_join(folder, "/images");
    clade_device *device = NULL;
    clade_dataset *dataset = NULL;
    clade_recipe *recipe = NULL;
    clade_graph *graph = NULL;
    clade_model *model = NULL;
    CHECK_OK(clade_shapes_write(images, &shapes));
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    CHECK_OK(clade_dataset_open(
        &(clade_data_options){.path = images, .height = side, .width = side}, &dataset));
    CHECK_OK(clade_dataset_load(dataset, NULL, NULL));
    CHECK_OK(clade_recipe_parse("input: {size: 20}\nmodel:\n  - flatten\n"
                                "  - dense: {units: 4, activation: softmax}\n",
                                "feed", &recipe));
    CHECK_OK(clade_recipe_graph(recipe, 4, &graph));
    const clade_model_options options = {.batch = batch,
                                         .loss = CLADE_LOSS_CATEGORICAL_CROSSENTROPY};
    CHECK_OK(clade_model_create(graph, device, &options, &model));
    if (dataset && model) compare(dataset, model);
    clade_model_destroy(&model);
    clade_graph_destroy(&graph);
    clade_recipe_destroy(&recipe);
    clade_dataset_destroy(&dataset);
    clade_device_close(&device);
    CHECK_OK(clade_folder_remove(folder));
    free(images);
    return TEST_END();
}
