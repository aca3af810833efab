/* The augmented images of an inspection's page are those that training gets, also where images
 * that cannot be read move the others up. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "report/inspect_augment.h"

#include <clade/clade.h>

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { side = 20, channels = 3, size = side * side * channels, epochs = 3 };

#define RECIPE(augment)                                                                            \
    "name: turned\n"                                                                               \
    "input: {size: 20, rescale: 1/255}\n"                                                          \
    "augment: {" augment "rotation: 40, zoom: 0.3, width_shift: 0.2, horizontal_flip: true,\n"     \
    "  fill: constant, fill_value: 9, color_jitter: {contrast: 0.5, hue: 0.3}, cutout: 5,\n"       \
    "  random_erasing: {value: 0.5}}\n"                                                            \
    "model:\n"                                                                                     \
    "  - flatten\n"                                                                                \
    "  - dense: {units: classes, activation: softmax}\n"                                           \
    "train: {loss: sparse_categorical_crossentropy, optimizer: adam, seed: 11}\n"

static const char *const recipe_texts[] = {RECIPE(""), RECIPE("augmix: {severity: 9}, ")};

/* What image_adjust makes of y, with the steps and rectangles of image k of a batch. */
static void adjust(clade_device *device, const clade_augment *augment, const clade_batch *batch,
                   size_t k, const clade_tensor *y)
{
    clade_args args = {
        .image_adjust = {
            .x = *y,
            .steps = clade_shape(3, 1, CLADE_ADJUST_STEPS, 2),
            .erase = {.dtype = CLADE_I32, .rank = 3, .dim = {1, CLADE_ERASE_RECTANGLES, 4}},
            .y = *y,
            .value = augment->erasing.value * 255,
            .scale = {1, 1, 1, 1}}};
    clade_image_adjust_args *a = &args.image_adjust;
    const size_t steps = 2 * CLADE_ADJUST_STEPS, erase = 4 * CLADE_ERASE_RECTANGLES;
    CHECK_OK(clade_buffer_create(device, steps * sizeof(float), &a->steps.buffer));
    CHECK_OK(clade_buffer_create(device, erase * sizeof(int32_t), &a->erase.buffer));
    CHECK_OK(clade_tensor_write(&a->steps, batch->steps + steps * k));
    CHECK_OK(clade_tensor_write(&a->erase, batch->erase + erase * k));
    CHECK_OK(clade_op_run(device, CLADE_OP_image_adjust, &args));
    clade_buffer_destroy(&a->steps.buffer);
    clade_buffer_destroy(&a->erase.buffer);
}

/* The pixels by a matrix, or one of AugMix's images. */
static void sample_one(clade_device *device, clade_args *args, const float *matrix,
                       const clade_chain *chain, float *out)
{
    const clade_affine_sample_args *a = &args->affine_sample;
    clade_args adjusted = {.image_adjust = {.x = a->y,
                                            .steps = clade_shape(3, 1, CLADE_CHAIN_STEPS, 2),
                                            .y = a->y,
                                            .scale = {1, 1, 1, 1}}};
    clade_tensor *steps = &adjusted.image_adjust.steps;
    CHECK_OK(clade_buffer_write(a->matrix.buffer, 0, matrix, 8 * sizeof(float)));
    CHECK_OK(clade_op_run(device, CLADE_OP_affine_sample, args));
    if (chain) {
        CHECK_OK(clade_buffer_create(device, sizeof chain->steps, &steps->buffer));
        CHECK_OK(clade_tensor_write(steps, chain->steps));
        CHECK_OK(clade_op_run(device, CLADE_OP_image_adjust, &adjusted));
        clade_buffer_destroy(&steps->buffer);
    }
    CHECK_OK(clade_tensor_read(&a->y, out));
}

/* What training's ops make of image k of a batch that the loader gives. */
static void sample(clade_device *device, const clade_augment *augment, const uint8_t *pixels,
                   const clade_batch *batch, size_t k, float *out)
{
    const float *matrix = batch->matrix + 8 * k;
    clade_args args = {
        .affine_sample = {.x = {.dtype = CLADE_U8, .rank = 4, .dim = {1, side, side, channels}},
                          .matrix = {.dtype = CLADE_F32, .rank = 2, .dim = {1, 8}},
                          .y = {.dtype = CLADE_F32, .rank = 4, .dim = {1, side, side, channels}},
                          .fill = (int32_t)augment->fill,
                          .value = augment->fill_value,
                          .scale = {1, 1, 1, 1}}};
    clade_affine_sample_args *a = &args.affine_sample;
    CHECK_OK(clade_buffer_create(device, size, &a->x.buffer));
    CHECK_OK(clade_buffer_create(device, 8 * sizeof(float), &a->matrix.buffer));
    CHECK_OK(clade_buffer_create(device, size * sizeof(float), &a->y.buffer));
    CHECK_OK(clade_buffer_write(a->x.buffer, 0, pixels, size));
    sample_one(device, &args, matrix, NULL, out);
    const size_t chains = (size_t)clade_augment_chains(augment);
    float sum[size] = {0};
    for (size_t c = 0; c < chains; c++) {
        const clade_chain *chain = &batch->chains[k * chains + c];
        sample_one(device, &args, chain->matrix, chain, out);
        for (size_t e = 0; e < size; e++) sum[e] += chain->weight * out[e];
    }
    if (chains) CHECK_OK(clade_tensor_write(&a->y, sum));
    adjust(device, augment, batch, k, &a->y);
    CHECK_OK(clade_buffer_read(a->y.buffer, 0, out, size * sizeof(float)));
    clade_buffer_destroy(&a->x.buffer);
    clade_buffer_destroy(&a->matrix.buffer);
    clade_buffer_destroy(&a->y.buffer);
}

/* Holds every image of the inspection against what the loader brings in each epoch. */
static void compare(const clade_inspection *in, const clade_dataset *loaded,
                    const clade_recipe *recipe, clade_device *device)
{
    uint8_t shown[(epochs + 1) * size], *pixels = malloc(size);
    float *expected = malloc(size * sizeof *expected);
    clade_loader *loader = NULL;
    const clade_augment *augment = clade_recipe_augment(recipe);
    CHECK_OK(
        clade_loader_create(&(clade_loader_options){.dataset = loaded,
                                                    .split = CLADE_TRAIN,
                                                    .batch = 5,
                                                    .shuffle = true,
                                                    .seed = clade_recipe_training(recipe)->seed,
                                                    .augment = *augment,
                                                    .pixels = true},
                            &loader));
    size_t compared = 0, different = 0;
    for (uint64_t e = 0; e < epochs && loader; e++) {
        clade_batch batch;
        CHECK_OK(clade_loader_start(loader, e, 0));
        while (!clade_loader_next(loader, &batch) && batch.count)
            for (size_t k = 0; k < (size_t)batch.count; k++) {
                const char *name = clade_dataset_name(loaded, CLADE_TRAIN, (size_t)batch.index[k]);
                size_t i = 0;
                while (i < in->count && strcmp(in->images[i].name, name)) i++;
                CHECK_OK(clade_inspect_augment(in, recipe, device, i, epochs, shown));
                memcpy(pixels, batch.pixels[k], size);
                CHECK(!memcmp(shown, pixels, size));
                sample(device, augment, pixels, &batch, k, expected);
                for (size_t n = 0; n < size; n++)
                    different += fabsf((float)shown[(e + 1) * size + n] - expected[n]) > 0.501f;
                compared++;
            }
    }
    CHECK(compared == 2 * 8 * epochs - epochs && different == 0);
    clade_loader_destroy(&loader);
    free(pixels);
    free(expected);
}

int main(void)
{
    char folder[] = "/tmp/clade-test-XXXXXX", path[96];
    clade_device *device = NULL;
    clade_dataset *plain = NULL, *loaded = NULL;
    clade_inspection *in = NULL;
    if (!mkdtemp(folder)) return 1;
    CHECK_OK(clade_shapes_write(
        folder, &(clade_shapes_options){.classes = 2, .train = 8, .validation = 1, .size = 24}));
    snprintf(path, sizeof path, "%s/train/circle/0002.jpg", folder);
    CHECK_OK(clade_file_write(path, "\xff\xd8\xff\xe0 cut", 8));
    CHECK_OK(clade_device_open("cpu", NULL, &device));
    for (size_t i = 0; i < sizeof recipe_texts / sizeof *recipe_texts; i++) {
        clade_recipe *recipe = NULL;
        CHECK_OK(clade_recipe_parse(recipe_texts[i], "turned.yaml", &recipe));
        if (recipe) {
            clade_data_options options = *clade_recipe_data(recipe);
            options.path = folder;
            CHECK_OK(clade_dataset_open(&options, &plain));
            CHECK_OK(clade_dataset_open(&options, &loaded));
        }
        if (plain && loaded && device) {
            CHECK_OK(clade_dataset_load(loaded, NULL, NULL));
            CHECK_OK(clade_inspect(plain, NULL, &in));
            CHECK(in && in->unreadable == 1);
            if (in) compare(in, loaded, recipe, device);
        }
        clade_inspection_destroy(&in);
        clade_dataset_destroy(&plain);
        clade_dataset_destroy(&loaded);
        clade_recipe_destroy(&recipe);
    }
    clade_device_close(&device);
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
