/* What a plan says of a device's memory is what training takes of it: the peak and the largest
 * buffer, to the byte, without any of it being allocated. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "dev/device.h"

#include <clade/clade.h>

#include <inttypes.h>
#include <stdlib.h>

#define START "name: planned\ninput: {size: 16, rescale: 1/255}\n"
#define END(optimizer)                                                                             \
    "train:\n"                                                                                     \
    "  loss: sparse_categorical_crossentropy\n"                                                    \
    "  optimizer: " optimizer "\n"                                                                 \
    "  epochs: 2\n"                                                                                \
    "  batch: 14\n" /* 24 images: a batch and one of 10 */

static const char *const recipes[] = {
    START "augment: {rotation: 30}\n"
          "model:\n"
          "  - conv2d: {filters: 5, kernel: 3, activation: relu}\n"
          "  - maxpool2d: 2\n"
          "  - flatten\n"
          "  - dense: {units: classes, activation: softmax}\n" END("{sgd: {lr: 0.01}}"),
    START "model:\n"
          "  - conv2d: {filters: 7, kernel: 3, use_bias: false}\n"
          "  - batchnorm\n"
          "  - activation: relu\n"
          "  - conv2d: {filters: 9, kernel: 3, padding: same, strides: 2, activation: relu}\n"
          "  - global_avgpool2d\n"
          "  - dense: {units: classes, activation: softmax}\n" END("{adam: {lr: 0.001}}"),
    START "model:\n"
          "  - conv2d: {filters: 7, kernel: 3, use_bias: false}\n"
          "  - batchnorm\n"
          "  - activation: relu\n"
          "  - global_avgpool2d\n"
          "  - dense: {units: classes, activation: softmax}\n" END(
              "{adam: {lr: 0.001}}") "  sync_batchnorm: true\n",
    START "model:\n"
          "  - flatten\n"
          "  - dense: {units: 70, activation: relu}\n"
          "  - dropout: 0.5\n"
          "  - dense: {units: classes, activation: softmax}\n" END(
              "{rmsprop: {lr: 0.001, momentum: 0.9}}") "  clip_norm: 1\n",
    /* features of a frozen backbone, and more trained from the second epoch on */
    "name: planned\ninput: {size: 32, rescale: 1/255}\n"
    "backbone: {name: squeezenet1_1, weights: random, output: features.3, pooling: avg,\n"
    "           unfreeze: {epoch: 2, from: features.3}, lr_scale: 0.5}\n"
    "model:\n"
    "  - dense: {units: classes, activation: softmax}\n" END("{sgd: {lr: 0.01, momentum: 0.9}}"),
    /* images that are augmented have no features */
    "name: planned\ninput: {size: 32, rescale: 1/255}\n"
    "augment: {horizontal_flip: true}\n"
    "backbone: {name: squeezenet1_1, weights: random, output: features.3, pooling: avg,\n"
    "           unfreeze: {epoch: 2, from: features.0}}\n"
    "model:\n"
    "  - dense: {units: classes, activation: softmax}\n" END("{adamw: {lr: 0.01}}"),
};
enum { recipe_count = sizeof recipes / sizeof *recipes };

static bool open_data(const char *images, const clade_recipe *recipe, clade_dataset **dataset)
{
    clade_data_options data = *clade_recipe_data(recipe);
    data.path = images;
    CHECK_OK(clade_dataset_open(&data, dataset));
    return *dataset != NULL;
}

static clade_recipe *parse(const char *text, int32_t shard)
{
    char line[32], *whole;
    clade_recipe *recipe = NULL;
    snprintf(line, sizeof line, "  shard: %d\n", (int)shard);
    whole = clade_string_join(text, line);
    CHECK_OK(clade_recipe_parse(whole, "planned.yaml", &recipe));
    free(whole);
    return recipe;
}

/* As if the device had just been opened, but for the programs that it has built. */
static void forget_memory(clade_device *device)
{
    clade_buffer_destroy(&device->workspace);
    CHECK(device->bytes_now == 0);
    device->bytes_peak = device->bytes_largest = 0;
}

static void compare(const char *images, clade_device *device, int r, int32_t shard)
{
    clade_recipe *recipe = parse(recipes[r], shard);
    clade_dataset *dataset = NULL;
    clade_train_memory plan = {0};
    uint64_t now = 0, peak = 0;
    forget_memory(device);
    if (recipe && open_data(images, recipe, &dataset)) {
        CHECK_OK(clade_train_plan_memory(recipe, dataset, 0, device, NULL, shard, &plan));
        clade_device_memory(device, &now, &peak);
        CHECK(now == 0 && peak == 0); /* nothing of it was real */
        CHECK_OK(clade_train(recipe, dataset, device, &(clade_train_options){.threads = 1}, NULL));
        clade_device_memory(device, &now, &peak);
        CHECK(plan.shard == shard && plan.total == peak);
        CHECK(plan.largest == device->bytes_largest);
        CHECK(plan.parameters > 0 && plan.gradients > 0 && plan.activations > 0 && plan.other > 0);
        CHECK(plan.parameters + plan.gradients + plan.optimizer + plan.activations +
                  plan.workspace + plan.other ==
              plan.total);
        if (plan.total != peak || plan.largest != device->bytes_largest)
            printf("%s, recipe %d, shards of %d: %" PRIu64 " and %" PRIu64 " planned, %" PRIu64
                   " and %" PRIu64 " taken\n",
                   device->info.id, r, (int)shard, plan.total, plan.largest, peak,
                   device->bytes_largest);
    }
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
}

static void test_limits(const char *images)
{
    clade_recipe *recipe = parse(recipes[0], 14);
    clade_device *device = NULL;
    clade_dataset *dataset = NULL;
    clade_train_memory whole, half, bare;
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    if (!recipe || !device || !open_data(images, recipe, &dataset)) return;
    CHECK_OK(clade_train_plan_memory(recipe, dataset, 0, device, NULL, 14, &whole));
    CHECK_OK(clade_train_plan_memory(recipe, dataset, 0, device, NULL, 7, &half));
    CHECK(half.total < whole.total && half.largest < whole.largest);
    CHECK(clade_train_memory_fits(&half, device, half.total));
    CHECK(!clade_train_memory_fits(&half, device, half.total - 1));
    CHECK(clade_train_memory_fits(&whole, device, 0));
    device->info.memory_bytes = half.total;
    CHECK(clade_train_memory_fits(&half, device, 0) && !clade_train_memory_fits(&whole, device, 0));
    CHECK(clade_train_memory_fits(&whole, device, whole.total));
    device->info.max_alloc_bytes = half.largest;
    CHECK(!clade_train_memory_fits(&whole, device, whole.total));
    /* what no buffer may be is planned all the same */
    CHECK_OK(clade_train_plan_memory(recipe, dataset, 0, device, NULL, 14, &bare));
    CHECK(bare.total == whole.total && bare.largest == whole.largest);
    device->info.max_alloc_bytes = 0;

    CHECK_FAILS(clade_train_plan_memory(recipe, dataset, 0, device, NULL, 15, &bare), CLADE_EINVAL,
                "a shard of 15 images, expected 1 to 14");
    /* without a data set: the same but for the images */
    CHECK_OK(clade_train_plan_memory(recipe, NULL, 4, device, NULL, 7, &bare));
    CHECK(bare.total == half.total && bare.parameters == half.parameters);
    clade_dataset_destroy(&dataset);
    clade_device_close(&device);
    clade_recipe_destroy(&recipe);
}

/* Of several devices, each takes at most what is planned. */
static void test_team(const char *images)
{
    clade_recipe *recipe = parse(recipes[1], 7);
    clade_device *device[2] = {NULL, NULL};
    clade_dataset *dataset = NULL;
    clade_train_memory plan;
    for (int i = 0; i < 2; i++) CHECK_OK(clade_device_open("cpu", NULL, &device[i]));
    if (!recipe || !device[0] || !device[1] || !open_data(images, recipe, &dataset)) return;
    const clade_train_options options = {.threads = 1, .further = &device[1], .further_count = 1};
    CHECK_OK(clade_train_plan_memory(recipe, dataset, 0, device[0], &options, 7, &plan));
    CHECK_OK(clade_train(recipe, dataset, device[0], &options, NULL));
    for (int i = 0; i < 2; i++) {
        uint64_t now, peak;
        clade_device_memory(device[i], &now, &peak);
        CHECK(peak > 0 && peak <= plan.total);
        /* a shard for each: no device adds two, which one alone would */
        if (i == 0) CHECK(plan.total - peak == plan.gradients / 2);
        clade_device_close(&device[i]);
    }
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
}

/* Images stay on the device that holds the weights, as if these had memory of their own. */
static void test_images(const char *images)
{
    enum { training_split = 24 * 16 * 16 * 3 };
    clade_recipe *recipe = parse(recipes[1], 1);
    clade_device *device[2] = {NULL, NULL};
    clade_dataset *dataset = NULL;
    clade_train_memory plan[2];
    uint64_t now, peak[2];
    for (int i = 0; i < 2; i++) CHECK_OK(clade_device_open("cpu", NULL, &device[i]));
    if (!recipe || !device[0] || !device[1] || !open_data(images, recipe, &dataset)) return;
    const clade_train_options options = {.threads = 1, .further = &device[1], .further_count = 1};
    for (int i = 0; i < 2; i++) {
        device[i]->info.host_memory = false;
        CHECK_OK(clade_train_plan_memory(recipe, dataset, 0, device[i], &options, 1, &plan[i]));
    }
    CHECK_OK(clade_train(recipe, dataset, device[0], &options, NULL));
    for (int i = 0; i < 2; i++) {
        clade_device_memory(device[i], &now, &peak[i]);
        CHECK(peak[i] <= plan[i].total && peak[i] + training_split > plan[i].total);
    }
    CHECK(plan[1].total + training_split < plan[0].total);
    for (int i = 0; i < 2; i++) clade_device_close(&device[i]);
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
}

static void test_plans(const char *images, const char *name)
{
    clade_device *device;
    clade_status status = clade_device_open(name, NULL, &device);
    if (status == CLADE_ENODEVICE) return;
    CHECK_OK(status);
    if (status) return;
    for (int r = 0; r < recipe_count; r++) {
        compare(images, device, r, 14);
        compare(images, device, r, 4);
    }
    compare(images, device, 0, 1);
    if (strcmp(name, "cpu")) { /* as if it had memory of its own, where images stay */
        device->info.host_memory = false;
        compare(images, device, 0, 14);
        compare(images, device, 0, 4);
    }
    clade_device_close(&device);
}

int main(void)
{
    char folder[] = "/tmp/clade-memory-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    CHECK_OK(clade_shapes_write(
        folder, &(clade_shapes_options){.classes = 4, .train = 6, .validation = 3, .size = 16}));
    test_plans(folder, "cpu");
    test_plans(folder, "opencl");
    test_limits(folder);
    test_team(folder);
    test_images(folder);
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
