/* Several devices: a batch's gradients are added as by one, and training gives the same bits. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "dev/device.h"
#include "dist/tree.h"

#include <clade/clade.h>

#include <math.h>
#include <stdlib.h>
#include <time.h>

/* By the definition. */
static float sum_of(const float *x, int n)
{
    int half = 1;
    if (n == 1) return x[0];
    while (2 * half < n) half *= 2;
    return sum_of(x, half) + sum_of(x + half, n - half);
}

/* Cuts n terms into aligned runs of at most 2^most, and adds them in an order made of `seed`: what
 * is lent, copied, or the tree's own. */
static void add_runs(clade_tree *tree, const float *x, int n, int most, unsigned seed)
{
    static float lent[65][2]; /* until the next start */
    int first[64], level[64], runs = 0;
    for (int at = 0; at < n; runs++) {
        int longest = clade_tree_level(at, n, n);
        first[runs] = at;
        level[runs] = longest < most ? longest : most;
        at += 1 << level[runs];
    }
    clade_tree_start(tree, n);
    while (runs) {
        seed = seed * 1103515245 + 12345;
        int i = (int)(seed >> 16) % runs, end = first[i] + (1 << level[i]);
        const float sum = sum_of(x + first[i], (end < n ? end : n) - first[i]);
        float *values = lent[runs], copied[2] = {sum, -sum};
        values[0] = sum;
        values[1] = -sum;
        if (seed >> 13 & 1) {
            CHECK_OK(clade_tree_lend(tree, first[i], level[i], values));
        } else if (seed >> 14 & 1) {
            CHECK_OK(clade_tree_add_copy(tree, first[i], level[i], copied));
            copied[0] = copied[1] = NAN; /* it is the caller's again */
        } else {
            float *buffer = clade_tree_take(tree);
            memcpy(buffer, values, 2 * sizeof *buffer);
            CHECK_OK(clade_tree_add(tree, first[i], level[i], buffer));
        }
        CHECK(values[0] == sum && values[1] == -sum);
        runs--;
        first[i] = first[runs];
        level[i] = level[runs];
    }
}

/* The last term goes to other memory, or to its own. */
static void check_finish(clade_tree *tree, const float *x, int n, bool in_place)
{
    const int last = n - 1;
    float values[2] = {x[last], -x[last]}, out[2], *to = in_place ? values : out;
    clade_tree_start(tree, n);
    for (int at = 0; at < last;) {
        const int level = clade_tree_level(at, last, n);
        float *buffer = clade_tree_take(tree);
        buffer[0] = sum_of(x + at, 1 << level);
        buffer[1] = -buffer[0];
        CHECK_OK(clade_tree_add(tree, at, level, buffer));
        at += 1 << level;
    }
    clade_tree_finish(tree, last, clade_tree_level(last, n, n), values, to);
    CHECK(to[0] == sum_of(x, n) && to[1] == -sum_of(x, n));
}

static void test_tree(void)
{
    enum { most = 37 };
    float x[most];
    clade_tree *tree = NULL;
    int other = 0;
    CHECK_OK(clade_tree_create(2, NULL, &tree));
    for (int i = 0; i < most; i++) x[i] = sinf((float)i) / (float)(1 + i % 7);
    for (int n = 1; n <= most; n++) {
        float in_order = x[0];
        for (int i = 1; i < n; i++) in_order += x[i];
        for (unsigned seed = 0; seed < 40; seed++) {
            size_t parts;
            add_runs(tree, x, n, (int)seed % 4, seed);
            const clade_tree_part *part = clade_tree_parts(tree, &parts);
            CHECK(parts == 1 && part->first == 0);
            CHECK(part->sum[0] == sum_of(x, n) && part->sum[1] == -sum_of(x, n));
        }
        other += in_order != sum_of(x, n);
        check_finish(tree, x, n, false);
        check_finish(tree, x, n, true);
    }
    CHECK(other > 0); /* else the order would not have been tested */
    clade_tree_destroy(&tree);
}

static const char recipe_text[] =
    "name: together\n"
    "input: {size: 12, rescale: 1/255}\n"
    "augment: {rotation: 30, horizontal_flip: true, random_erasing: {},\n"
    "  color_jitter: {contrast: 0.4, hue: 0.2}, mixup: {}, cutmix: {}}\n"
    "model:\n"
    "  - conv2d: {filters: 5, kernel: 3}\n"
    "  - batchnorm: {momentum: 0.7}\n"
    "  - activation: relu\n"
    "  - maxpool2d: 2\n"
    "  - flatten\n"
    "  - dense: {units: 4200, activation: relu}\n" /* gradients of more than one bucket */
    "  - dropout: 0.5\n"
    "  - dense: {units: classes, activation: softmax}\n"
    "train:\n"
    "  loss: sparse_categorical_crossentropy\n"
    "  optimizer: {adam: {lr: 0.01}}\n"
    "  class_weight: {circle: 2}\n"
    "  clip_norm: 0.5\n"
    "  batch: 14\n"
    "  shard: 3\n"
    "  epochs: 2\n"
    "  seed: 5\n";
static const char *precision = "float32";

typedef struct seen {
    clade_device_share share[3];
    size_t shares;
    int notes;
    double loss; /* of the last epoch */
} seen;

static void see_shares(void *user, const clade_device_share *shares, size_t count)
{
    seen *s = user;
    memcpy(s->share, shares, count * sizeof *shares);
    s->shares = count;
}

static void see_note(void *user, const char *text)
{
    seen *s = user;
    fprintf(stderr, "note: %s\n", text);
    s->notes++;
}

static void see_epoch(void *user, const clade_epoch *e) { ((seen *)user)->loss = e->train.loss; }

/* Trains on the devices, the first of which holds the weights; all parameters and statistics one
 * after the other, to be freed. */
static float *train(const char *images, clade_device **devices, size_t count, seen *s, size_t *size)
{
    clade_recipe *recipe = NULL;
    clade_dataset *dataset = NULL;
    clade_classifier *classifier = NULL;
    float *w = NULL;
    char text[sizeof recipe_text + 64];
    *s = (seen){0};
    *size = 0;
    snprintf(text, sizeof text, "%s  precision: %s\n", recipe_text, precision);
    CHECK_OK(clade_recipe_parse(text, "together.yaml", &recipe));
    clade_data_options data = recipe ? *clade_recipe_data(recipe) : (clade_data_options){0};
    data.path = images;
    CHECK_OK(clade_dataset_open(&data, &dataset));
    const clade_train_options options = {
        .threads = 1,
        .further = devices + 1,
        .further_count = count - 1,
        .observer = {.user = s, .shares = see_shares, .note = see_note, .epoch = see_epoch}};
    if (recipe && dataset)
        CHECK_OK(clade_train(recipe, dataset, devices[0], &options, &classifier));
    const clade_model *model = classifier ? clade_classifier_model(classifier) : NULL;
    for (size_t i = 0; model && i < clade_model_parameters(model); i++) {
        const clade_tensor *t = &clade_model_parameter(model, i)->value;
        w = realloc(w, (*size + clade_tensor_count(t)) * sizeof *w);
        CHECK_OK(clade_tensor_read(t, w + *size));
        *size += clade_tensor_count(t);
    }
    clade_classifier_destroy(&classifier);
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
    return w;
}

/* 40 images in batches of 14, 14 and 12: shards of 3, and a last one of 2. */
static void test_training(const char *images, clade_device **devices, size_t count)
{
    seen alone, all;
    size_t size, sizes;
    float *one = train(images, devices, 1, &alone, &size);
    float *many = train(images, devices, count, &all, &sizes);
    CHECK(one && many && size == sizes && !memcmp(one, many, size * sizeof *one));
    CHECK(alone.loss == all.loss && alone.shares == 0 && all.shares == count && all.notes == 0);
    uint64_t computed = 0;
    for (size_t i = 0; i < all.shares; i++) computed += all.share[i].images;
    CHECK(computed == 80);
    free(one);
    free(many);
}

static clade_status (*read_at)(void *context, void *point, void *handle, size_t offset,
                               void *target, size_t bytes);
static int reads_left;

static clade_status read_or_fail(void *context, void *point, void *handle, size_t offset,
                                 void *target, size_t bytes)
{
    const bool fails = target && --reads_left == 0;
    clade_status status = read_at(context, point, handle, offset, fails ? NULL : target, bytes);
    return fails ? clade_fail(CLADE_EDEVICE, "the device is lost") : status;
}

static clade_status (*write_now)(void *context, void *handle, size_t offset, const void *source,
                                 size_t bytes);

static clade_status write_late(void *context, void *handle, size_t offset, const void *source,
                               size_t bytes)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return write_now(context, handle, offset, source, bytes);
}

/* A device that is lost between the buckets of a run: what it has given is not added again. The
 * others are slow, so that it has much to do and is not the last one of a batch. */
static void test_lost(const char *images, clade_device **devices)
{
    seen alone, all;
    size_t size, sizes;
    static const int reads[] = {1, 2, 3, 5, 8, 11};
    int lost = 0;
    float *one = train(images, devices, 1, &alone, &size);
    read_at = devices[2]->table.read_at;
    devices[2]->table.read_at = read_or_fail;
    write_now = devices[0]->table.write;
    devices[0]->table.write = devices[1]->table.write = write_late;
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        reads_left = reads[i];
        float *many = train(images, devices, 3, &all, &sizes);
        CHECK(one && many && size == sizes && !memcmp(one, many, size * sizeof *one));
        CHECK(all.notes == (reads_left <= 0));
        lost += all.notes;
        free(many);
    }
    CHECK(lost > 4);
    devices[2]->table.read_at = read_at;
    devices[0]->table.write = devices[1]->table.write = write_now;
    free(one);
}

/* More devices than a batch has shards are told of. */
static void test_too_many(const char *images, clade_device *device)
{
    clade_recipe *recipe = NULL;
    clade_dataset *dataset = NULL;
    clade_device *same[5] = {device, device, device, device, device};
    CHECK_OK(clade_recipe_parse(recipe_text, "together.yaml", &recipe));
    clade_data_options data = recipe ? *clade_recipe_data(recipe) : (clade_data_options){0};
    data.path = images;
    CHECK_OK(clade_dataset_open(&data, &dataset));
    if (recipe && dataset)
        CHECK(clade_train(recipe, dataset, device,
                          &(clade_train_options){.further = same, .further_count = 5},
                          NULL) == CLADE_EINVAL &&
              strstr(clade_error(), "train.shard"));
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
}

int main(void)
{
    char folder[] = "/tmp/clade-team-XXXXXX";
    clade_device *devices[3] = {NULL};
    size_t count = 2;
    test_tree();
    if (!mkdtemp(folder)) return 1;
    CHECK_OK(clade_shapes_write(
        folder, &(clade_shapes_options){.classes = 4, .train = 10, .validation = 3, .size = 16}));
    const clade_device_options exact = {.math = CLADE_EXACT, .threads = 1};
    CHECK_OK(clade_device_open("cpu", &exact, &devices[0]));
    CHECK_OK(clade_device_open("cpu", &exact, &devices[1]));
    if (!clade_device_open("opencl", &exact, &devices[2])) count = 3;
    if (devices[0] && devices[1]) {
        test_training(folder, devices, count);
        precision = "mixed_float16"; /* whose first steps are skipped until its scale is smaller */
        test_training(folder, devices, count);
        precision = "float32";
        test_too_many(folder, devices[0]);
    }
    if (count == 3) { /* the OpenCL device holds the weights */
        clade_device *turned[] = {devices[2], devices[0], devices[1]};
        test_training(folder, turned, count);
        test_lost(folder, devices);
    }
    for (size_t i = 0; i < 3; i++) clade_device_close(&devices[i]);
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
