/* Batch statistics of all shards of a batch: training is that of the whole batch but for rounding,
 * the same bits on any devices, also when one is lost in the middle of a step. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/divide.h"
#include "base/file.h"
#include "dev/device.h"
#include "train/meeting.h"

#include <clade/clade.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static const char recipe_text[] = "name: synced\n"
                                  "input: {size: 12, rescale: 1/255}\n"
                                  "augment: {rotation: 30, horizontal_flip: true}\n"
                                  "model:\n"
                                  "  - conv2d: {name: c, filters: 5, kernel: 3}\n"
                                  "  - batchnorm: {name: n, momentum: 0.7}\n"
                                  "  - activation: {name: a, function: relu}\n"
                                  "  - conv2d: {filters: 5, kernel: 3, padding: same}\n"
                                  "  - batchnorm: {name: m, momentum: 0.5}\n"
                                  "  - add: {inputs: [m, a]}\n" /* a gradient that is added to */
                                  "  - maxpool2d: 2\n"
                                  "  - flatten\n"
                                  "  - dropout: 0.5\n"
                                  "  - batchnorm\n"
                                  "  - dense: {units: classes, activation: softmax}\n"
                                  "train:\n"
                                  "  loss: sparse_categorical_crossentropy\n"
                                  "  optimizer: {sgd: {lr: 0.05, momentum: 0.9}}\n"
                                  "  class_weight: {circle: 2}\n"
                                  "  batch: 14\n"
                                  "  epochs: 2\n"
                                  "  seed: 5\n";
#define SYNCED "  sync_batchnorm: true\n"

typedef struct outcome {
    float *w; /* all parameters and statistics one after the other, to be freed */
    size_t count;
    double loss; /* of the last epoch */
    int notes;
} outcome;

static void see_note(void *user, const char *text)
{
    fprintf(stderr, "note: %s\n", text);
    ((outcome *)user)->notes++;
}

static void see_epoch(void *user, const clade_epoch *e) { ((outcome *)user)->loss = e->train.loss; }

/* `more` ends the recipe; the first of the devices holds the weights. */
static outcome train(const char *images, const char *more, clade_device **devices, size_t count)
{
    clade_recipe *recipe = NULL;
    clade_dataset *dataset = NULL;
    clade_classifier *classifier = NULL;
    outcome out = {0};
    char *text = clade_string_join(recipe_text, more);
    CHECK_OK(clade_recipe_parse(text, "synced.yaml", &recipe));
    clade_data_options data = recipe ? *clade_recipe_data(recipe) : (clade_data_options){0};
    data.path = images;
    CHECK_OK(clade_dataset_open(&data, &dataset));
    const clade_train_options options = {
        .threads = 1,
        .further = devices + 1,
        .further_count = count - 1,
        .observer = {.user = &out, .note = see_note, .epoch = see_epoch}};
    if (recipe && dataset)
        CHECK_OK(clade_train(recipe, dataset, devices[0], &options, &classifier));
    const clade_model *model = classifier ? clade_classifier_model(classifier) : NULL;
    for (size_t i = 0; model && i < clade_model_parameters(model); i++) {
        const clade_tensor *t = &clade_model_parameter(model, i)->value;
        out.w = realloc(out.w, (out.count + clade_tensor_count(t)) * sizeof *out.w);
        CHECK_OK(clade_tensor_read(t, out.w + out.count));
        out.count += clade_tensor_count(t);
    }
    clade_classifier_destroy(&classifier);
    clade_dataset_destroy(&dataset);
    clade_recipe_destroy(&recipe);
    free(text);
    return out;
}

static bool same(const outcome *a, const outcome *b)
{
    return a->w && b->w && a->count == b->count && a->loss == b->loss &&
           !memcmp(a->w, b->w, a->count * sizeof *a->w);
}

static double difference(const outcome *a, const outcome *b)
{
    double worst = a->count && a->count == b->count ? 0 : INFINITY;
    for (size_t i = 0; worst < INFINITY && i < a->count; i++)
        worst = fmax(worst, fabs((double)a->w[i] - (double)b->w[i]));
    return worst;
}

/* 40 images in batches of 14, 14 and 12. */
static void test_whole(const char *images, clade_device *device)
{
    static const char *const shards[] = {"  shard: 14\n" SYNCED, "  shard: 7\n" SYNCED,
                                         "  shard: 4\n" SYNCED, "  shard: 1\n" SYNCED,
                                         "  shard: 7\n"};
    outcome whole = train(images, "", &device, 1);
    for (int k = 0; k < 5; k++) {
        outcome parts = train(images, shards[k], &device, 1);
        double worst = difference(&whole, &parts);
        if (k == 0) CHECK(worst == 0);
        if (k > 0 && k < 4) CHECK(worst > 0 && worst < 2e-5);
        if (k == 4) CHECK(worst > 1e-2);
        free(parts.w);
    }
    free(whole.w);
}

/* 12 images in batches that are smaller than a shard: the statistics of one shard, bit for bit. */
static void test_one_shard(const char *images, clade_device *device)
{
    outcome plain = train(images, "  shard: 13\n", &device, 1);
    outcome synced = train(images, "  shard: 13\n" SYNCED, &device, 1);
    CHECK(same(&plain, &synced));
    free(plain.w);
    free(synced.w);
}

static void test_devices(const char *images, clade_device **devices, size_t count)
{
    static const char *const shards[] = {"  shard: 3\n" SYNCED, "  shard: 2\n" SYNCED};
    for (int k = 0; k < 2; k++) {
        outcome one = train(images, shards[k], devices, 1);
        outcome many = train(images, shards[k], devices, count);
        CHECK(same(&one, &many) && many.notes == 0);
        free(one.w);
        free(many.w);
    }
}

/* --- the order of sums --- */

enum { channels = 3, most_shards = 21 };

typedef struct visitor {
    clade_meeting *meeting;
    float (*sums)[channels]; /* [shards] */
    int32_t shards;
    float means[channels]; /* of the first stop */
} visitor;

/* A device with all shards. */
static void *visit(void *user)
{
    visitor *v = user;
    double waited = 0;
    for (int32_t s = 0; s < v->shards; s++)
        memcpy(clade_meeting_sums(v->meeting, 0, s), v->sums[s], sizeof v->sums[s]);
    const float *means = clade_meeting_wait(v->meeting, 0, &waited);
    if (means) memcpy(v->means, means, sizeof v->means);
    clade_meeting_leave(v->meeting);
    return NULL;
}

/* By the definition. */
static float sum_of(float (*x)[channels], int n, int k)
{
    int half = 1;
    if (n == 1) return x[0][k];
    while (2 * half < n) half *= 2;
    return sum_of(x, half, k) + sum_of(x + half, n - half, k);
}

static void test_tree(clade_device *device)
{
    static float sums[most_shards][channels];
    clade_graph *graph = NULL;
    clade_model *model = NULL;
    int other = 0;
    CHECK_OK(clade_graph_create(2, 2, channels, &graph));
    CHECK_OK(clade_graph_add(graph, &(clade_layer){.kind = CLADE_LAYER_BATCHNORM}, NULL));
    CHECK_OK(clade_graph_add(graph, &(clade_layer){.kind = CLADE_LAYER_FLATTEN}, NULL));
    CHECK_OK(clade_model_create_synced(
        graph, device, &(clade_model_options){.batch = 2, .loss = CLADE_LOSS_MSE}, &model));
    for (int s = 0; s < most_shards; s++)
        for (int k = 0; k < channels; k++)
            sums[s][k] = sinf((float)(s * channels + k)) / (float)(1 + s % 5);
    for (int32_t n = 1; n <= most_shards && model; n++) {
        visitor v = {.sums = sums, .shards = n};
        pthread_t thread;
        bool lost = false;
        CHECK_OK(clade_meeting_create(model, n, NULL, &v.meeting));
        clade_meeting_start(v.meeting, (clade_sharding){2 * n - 1, 2, n});
        clade_meeting_begin(v.meeting, 1);
        CHECK(!pthread_create(&thread, NULL, visit, &v));
        CHECK_OK(clade_meeting_hold(v.meeting, NULL, NULL, &lost));
        CHECK(lost && !pthread_join(thread, NULL));
        for (int k = 0; k < channels; k++) {
            float in_order = sums[0][k];
            for (int s = 1; s < n; s++) in_order += sums[s][k];
            CHECK(v.means[k] == clade_divide(sum_of(sums, n, k), (float)(4 * (2 * n - 1))));
            other += in_order != sum_of(sums, n, k);
        }
        clade_meeting_destroy(&v.meeting);
    }
    CHECK(other > 0); /* else the order would not have been tested */
    clade_model_destroy(&model);
    clade_graph_destroy(&graph);
}

/* --- a device that is lost --- */

static clade_op_slot sound;
static int calls_left;

static clade_status run_until_lost(void *context, const clade_args *args, const clade_plan *plan,
                                   void *workspace)
{
    if (calls_left-- == 0) return clade_fail(CLADE_EDEVICE, "the device is gone");
    return sound.run(context, args, plan, workspace);
}

/* In the forward pass, in the backward pass, and after the last stop. */
static void test_lost(const char *images, clade_device **devices)
{
    static const struct {
        clade_op op;
        int calls, device; /* 0: that holds the weights */
    } faults[] = {{CLADE_OP_batchnorm_sum, 0, 1},
                  {CLADE_OP_batchnorm_sum, 23, 1},
                  {CLADE_OP_batchnorm_sync_dx, 7, 1},
                  {CLADE_OP_conv2d_dw, 5, 1},
                  {CLADE_OP_batchnorm_sum, 23, 0}};
    static const char *const more = "  shard: 3\n" SYNCED;
    outcome one = train(images, more, devices, 1);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        clade_op_slot *slot = &devices[faults[i].device]->slot[faults[i].op];
        sound = *slot;
        slot->run = run_until_lost;
        calls_left = faults[i].calls;
        outcome left = train(images, more, devices, 2);
        CHECK(calls_left < 0 && left.notes == 1 && same(&one, &left));
        *slot = sound;
        free(left.w);
    }
    free(one.w);
}

int main(void)
{
    char folder[] = "/tmp/clade-sync-XXXXXX", few[] = "/tmp/clade-sync-XXXXXX";
    clade_device *devices[3] = {NULL};
    size_t count = 2;
    if (!mkdtemp(folder) || !mkdtemp(few)) return 1;
    CHECK_OK(clade_shapes_write(
        folder, &(clade_shapes_options){.classes = 4, .train = 10, .validation = 3, .size = 16}));
    CHECK_OK(clade_shapes_write(
        few, &(clade_shapes_options){.classes = 4, .train = 3, .validation = 1, .size = 16}));
    const clade_device_options exact = {.math = CLADE_EXACT, .threads = 1};
    CHECK_OK(clade_device_open("cpu", &exact, &devices[0]));
    CHECK_OK(clade_device_open("cpu", &exact, &devices[1]));
    if (!clade_device_open("opencl", &exact, &devices[2])) count = 3;
    if (devices[0] && devices[1]) {
        test_tree(devices[0]);
        test_whole(folder, devices[0]);
        test_one_shard(few, devices[0]);
        test_devices(folder, devices, count);
        test_lost(folder, devices);
    }
    if (count == 3) { /* the OpenCL device holds the weights */
        clade_device *turned[] = {devices[2], devices[0], devices[1]};
        test_one_shard(few, devices[2]);
        test_devices(folder, turned, count);
    }
    for (size_t i = 0; i < 3; i++) clade_device_close(&devices[i]);
    CHECK_OK(clade_folder_remove(folder));
    CHECK_OK(clade_folder_remove(few));
    return TEST_END();
}
