/* Trains a small net, built in code, on a folder with one folder of images per class, and then
 * says what an image shows.
 *   cc example.c $(pkg-config --cflags --libs clade) -o example
 *   ./example FOLDER IMAGE */
#include <clade/clade.h>

#include <stdio.h>
#include <stdlib.h>

static void check(clade_status status)
{
    if (!status) return;
    fprintf(stderr, "%s: %s\n", clade_status_name(status), clade_error());
    exit(1);
}

static void show(void *user, const clade_epoch *e)
{
    (void)user;
    printf("epoch %d/%d: loss %.4f, accuracy %.4f, validation accuracy %.4f\n", e->epoch, e->epochs,
           e->train.loss, e->train.accuracy, e->validation.accuracy);
}

static void add_conv(clade_graph *graph, int filters)
{
    const clade_layer conv = {
        .kind = CLADE_LAYER_CONV2D,
        .as.conv2d = {.filters = filters, .kernel = {3, 3}, .activation = CLADE_RELU}};
    const clade_layer pool = {.kind = CLADE_LAYER_MAXPOOL2D, .as.pool2d = {.window = {2, 2}}};
    check(clade_graph_add(graph, &conv, NULL));
    check(clade_graph_add(graph, &pool, NULL));
}

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    clade_device *device;
    clade_dataset *data;
    clade_graph *graph;
    clade_recipe *recipe;
    clade_classifier *classifier;
    check(clade_device_open("cpu", NULL, &device));
    check(clade_dataset_open(&(clade_data_options){.path = argv[1], .height = 32, .width = 32},
                             &data));
    check(clade_dataset_load(data, NULL, NULL));
    int classes = (int)clade_dataset_classes(data);
    if (classes > 64) return 2;

    check(clade_graph_create(32, 32, 3, &graph));
    add_conv(graph, 16);
    add_conv(graph, 32);
    const clade_layer flatten = {.kind = CLADE_LAYER_FLATTEN};
    const clade_layer dense = {.kind = CLADE_LAYER_DENSE,
                               .as.dense = {.units = classes, .softmax = true}};
    check(clade_graph_add(graph, &flatten, NULL));
    check(clade_graph_add(graph, &dense, NULL));
    const clade_preprocessing pixels = {.scale = {1 / 255.f, 1 / 255.f, 1 / 255.f}};
    const clade_augment augment = {.rotation = 20, .horizontal_flip = true};
    const clade_training training = {.loss = CLADE_LOSS_CATEGORICAL_CROSSENTROPY,
                                     .optimizer = {.kind = CLADE_ADAM, .lr = 0.002f},
                                     .epochs = 5};
    const clade_recipe_parts parts = {"example", graph, &pixels, &augment, &training};
    check(clade_recipe_create(&parts, &recipe));
    const clade_train_options options = {.observer = {.epoch = show}};
    check(clade_train(recipe, data, device, &options, &classifier));

    const char *const image[] = {argv[2]};
    float p[64] = {0}; /* room for as many classes */
    check(clade_classifier_predict(classifier, image, 1, p));
    for (int i = 0; i < classes; i++)
        printf("%s %.3f\n", clade_classifier_class_name(classifier, i), (double)p[i]);
    check(clade_classifier_save(classifier, "example.safetensors"));
    clade_classifier_destroy(&classifier);
    clade_recipe_destroy(&recipe);
    clade_graph_destroy(&graph);
    clade_dataset_destroy(&data);
    clade_device_close(&device);
    return 0;
}
