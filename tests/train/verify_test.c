/* Verified training: which calls are drawn; wrong ones are found, training stops before them or
 * goes on without the algorithm, and the weights are those of a run that nothing disturbed. */
#define _XOPEN_SOURCE 700
#include "../test.h"

#include "base/file.h"
#include "base/random.h"
#include "conform/conform.h"
#include "dev/device.h"

#include <clade/clade.h>

#include <math.h>
#include <stdlib.h>

static const char recipe_text[] = "name: verified\n"
                                  "input: {size: 12, rescale: 1/255}\n"
                                  "augment: {rotation: 30, horizontal_flip: true}\n"
                                  "model:\n"
                                  "  - conv2d: {filters: 5, kernel: 3, use_bias: false}\n"
                                  "  - batchnorm: {momentum: 0.9}\n"
                                  "  - activation: relu\n"
                                  "  - maxpool2d: 2\n"
                                  "  - flatten\n"
                                  "  - dropout: 0.5\n"
                                  "  - dense: {units: classes, activation: softmax}\n"
                                  "train:\n"
                                  "  loss: sparse_categorical_crossentropy\n"
                                  "  optimizer: {sgd: {lr: 0.02, momentum: 0.9}}\n"
                                  "  seed: 5\n";
static const char few_steps[] = "  batch: 14\n  epochs: 2\n"; /* six an epoch */
static const char many_steps[] = "  batch: 1\n  epochs: 1\n"; /* 80 */

/* ---- a device that is wrong once ---- */

static struct {
    clade_op_slot real;
    clade_op op;
    int calls, due; /* due 0: never */
    bool excluded, alone;
    size_t at; /* the element, of n + 1 parts of the first output */
} fault;

static clade_status faulty_plan(void *context, const clade_args *args, clade_plan *plan)
{
    clade_status status = fault.real.plan ? fault.real.plan(context, args, plan) : CLADE_OK;
    plan->algorithm = fault.excluded ? "second" : "first";
    return status;
}

static clade_status faulty_run(void *context, const clade_args *args, const clade_plan *plan,
                               void *workspace)
{
    const clade_op_info *info = clade_op_describe(fault.op);
    clade_status status = fault.real.run(context, args, plan, workspace);
    if (++fault.calls != fault.due || fault.excluded || status) return status;
    size_t slot = 0;
    while (!clade_slot_writes(info->slots[slot].kind)) slot++;
    uint32_t *word = clade_tensor_host(&args->slot[slot]);
    word[fault.at] ^= UINT32_C(1) << 29;
    return CLADE_OK;
}

static bool exclude(void *context, const clade_call *call, const char *algorithm)
{
    (void)context;
    CHECK(call->op == fault.op && !strcmp(algorithm, "first"));
    fault.excluded = !fault.alone;
    return fault.excluded;
}

/* The device's op is wrong at its call `due`. */
static void plant(clade_device *device, const char *op, int due)
{
    if (fault.real.run) device->slot[fault.op] = fault.real;
    fault.op = clade_op_find(op);
    fault.real = device->slot[fault.op];
    fault.calls = 0;
    fault.due = due;
    fault.at = 0;
    fault.excluded = fault.alone = false;
    device->slot[fault.op] = (clade_op_slot){faulty_plan, faulty_run};
    device->table.exclude = exclude;
}

/* ---- training ---- */

static char told[4096]; /* the last note */

static void watch_note(void *user, const char *text)
{
    (void)user;
    snprintf(told, sizeof told, "%s", text);
}

/* Weights; to be freed; NULL where training failed, as `status` says. */
static float *train(const char *images, clade_device *device, const char *more,
                    const clade_train_options *o, size_t *count, clade_status *status)
{
    clade_recipe *recipe = NULL;
    clade_dataset *dataset = NULL;
    clade_classifier *classifier = NULL;
    clade_train_options options = *o;
    float *w = NULL;
    char *text = clade_string_join(recipe_text, more);
    told[0] = 0;
    options.threads = 1;
    options.observer.note = watch_note;
    CHECK_OK(clade_recipe_parse(text, "verified.yaml", &recipe));
    clade_data_options data = recipe ? *clade_recipe_data(recipe) : (clade_data_options){0};
    data.path = images;
    CHECK_OK(clade_dataset_open(&data, &dataset));
    *status = CLADE_EINVAL;
    if (recipe && dataset) *status = clade_train(recipe, dataset, device, &options, &classifier);
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

/* It must end well with these weights. */
static void expect_weights(const char *images, clade_device *device, const char *more,
                           const clade_train_options *o, const float *expected)
{
    size_t count = 0;
    clade_status status;
    float *w = train(images, device, more, o, &count, &status);
    CHECK_OK(status);
    CHECK(w && expected && !memcmp(w, expected, count * sizeof *w));
    free(w);
}

/* A wrong call of `op` stops training before batch `batch`; its resume ends as if nothing had
 * been. */
static void test_stop(const char *images, clade_device *device, const char *more, const char *op,
                      int due, const char *batch, const float *expected)
{
    char out[] = "/tmp/clade-verify-run-XXXXXX", text[64];
    clade_status status;
    size_t count;
    CHECK(mkdtemp(out) != NULL);
    plant(device, op, due);
    clade_train_options o = {.out = out, .verify = 1};
    CHECK(!train(images, device, more, &o, &count, &status));
    snprintf(text, sizeof text, "step %d: %s by algorithm first on cpu: ", due, op);
    CHECK_FAILS(status, CLADE_EWRONG, text);
    CHECK(strstr(clade_error(), batch) && strstr(clade_error(), "can be resumed"));
    char *folder = clade_path_join(out, "verify-failure");
    CHECK(strstr(clade_error(),
                 "repeat it with: clade conform --device cpu --math exact --repeat '"));
    CHECK_OK(clade_verify_repeat(device, folder));
    fault.calls = due - 1;
    CHECK_FAILS(clade_verify_repeat(device, folder), CLADE_EWRONG, op);
    o.resume = true;
    expect_weights(images, device, more, &o, expected);
    free(folder);
    CHECK_OK(clade_folder_remove(out));
}

static void test_quarantine(const char *images, clade_device *device, const char *op, int due,
                            const float *expected)
{
    clade_status status;
    size_t count;
    const clade_train_options o = {.verify = 1, .quarantine = true};
    plant(device, op, due);
    expect_weights(images, device, few_steps, &o, expected);
    CHECK(fault.excluded && strstr(told, "going on without first on cpu"));
    plant(device, op, due);
    fault.alone = true;
    CHECK(!train(images, device, few_steps, &o, &count, &status));
    CHECK_FAILS(status, CLADE_EWRONG, "there is no other algorithm");
}

static void test_training(const char *images, clade_device *device)
{
    size_t count;
    clade_status status;
    const clade_train_options none = {.out = NULL}, all = {.verify = 1}, some = {.verify = 0.3};
    float *w = train(images, device, few_steps, &none, &count, &status);
    float *many = train(images, device, many_steps, &none, &count, &status);
    expect_weights(images, device, few_steps, &all, w);
    expect_weights(images, device, few_steps, &some, w);
    test_stop(images, device, few_steps, "dense_dw", 8, "after batch 0 of 6", w);
    test_stop(images, device, few_steps, "sgd", 3, "after batch 0 of 6", w);
    test_stop(images, device, many_steps, "conv2d_dw", 75, "after batch 64 of 80", many);
    test_quarantine(images, device, "dense_dw", 8, w);
    plant(device, "fill", 0);
    free(w);
    free(many);
}

static void test_refusals(const char *images, clade_device *device)
{
    size_t count;
    clade_status status;
    clade_device *other = NULL;
    CHECK_OK(clade_device_open("cpu", NULL, &other));
    CHECK(
        !train(images, device, few_steps, &(clade_train_options){.verify = 1.5}, &count, &status));
    CHECK_FAILS(status, CLADE_EINVAL, "is 1.5, expected 0 to 1");
    const clade_train_options two = {.verify = 0.1, .further = &other, .further_count = 1};
    CHECK(!train(images, device, "  batch: 14\n  shard: 7\n", &two, &count, &status));
    CHECK_FAILS(status, CLADE_EINVAL, "found several devices");
    CHECK(!train(images, device, "  batch: 14\n  shard: 7\n  sync_batchnorm: true\n",
                 &(clade_train_options){.verify = 0.1}, &count, &status));
    CHECK_FAILS(status, CLADE_EINVAL, "sync_batchnorm");
    clade_device_close(&other);
}

/* ---- which calls ---- */

static void test_share(void)
{
    CHECK(clade_verify_share(0.001, 100) == 0.001);
    CHECK(clade_verify_share(0.001, 0x1p22) == 0.001);
    CHECK(clade_verify_share(1, 1e15) == 1);
    CHECK(fabs(clade_verify_share(0.001, 0x1p32) * 1024 / 0.001 - 1) < 0.01);
}

/* y = x for 8 images of 6 numbers. */
static clade_call make_call(clade_device *device)
{
    clade_call call = {.op = clade_op_find("dense")};
    clade_tensor x = {.dtype = CLADE_F32, .rank = 2, .dim = {8, 6}}, w = x, y = x;
    float values[48];
    w.dim[0] = 6;
    CHECK_OK(clade_buffer_create(device, 3 * sizeof values, &x.buffer));
    w.buffer = y.buffer = x.buffer;
    w.offset = 48;
    y.offset = 96;
    for (int i = 0; i < 48; i++) values[i] = (float)(1 + i);
    CHECK_OK(clade_tensor_write(&x, values));
    for (int i = 0; i < 48; i++) values[i] = i % 7 == 0;
    CHECK_OK(clade_tensor_write(&w, values));
    call.args.dense = (clade_dense_args){.x = x, .w = w, .y = y};
    CHECK_OK(clade_call_prepare(device, &call));
    return call;
}

static void test_drawn(clade_device *device)
{
    enum { steps = 100, calls = 20 };
    const double rate = 0.1;
    clade_call call = make_call(device);
    uint64_t expected = 0;
    CHECK_OK(clade_device_verify(device, &(clade_verify_options){.rate = rate, .seed = 7}));
    for (int i = 0; i < calls; i++) CHECK_OK(clade_call_run(&call)); /* of no step */
    CHECK(clade_device_verified(device) == 0);
    for (int s = 0; s < steps; s++) {
        clade_device_verify_step(device, s);
        for (int i = 0; i < calls; i++) {
            uint32_t word[4];
            CHECK_OK(clade_call_run(&call));
            clade_random_words(7, CLADE_STREAM_VERIFY, (uint64_t)s, (uint32_t)i, word);
            expected += (double)word[0] * 0x1p-32 < rate;
        }
    }
    CHECK(clade_device_verified(device) == expected);
    CHECK(expected > 140 && expected < 260);
    clade_device_verify(device, NULL);
    clade_call_release(&call);
    clade_buffer_destroy(&call.args.dense.x.buffer);
}

/* Below a rate of 1 one image of 8 is judged, and a fault is in one of them. */
static void test_image(clade_device *device)
{
    plant(device, "dense", 0);
    clade_call call = make_call(device);
    int found[2] = {0};
    for (int all = 0; all < 2; all++) {
        CHECK_OK(clade_device_verify(
            device, &(clade_verify_options){.rate = all ? 1 : 1 - 0x1p-40, .seed = 7}));
        for (int s = 0; s < 200; s++) {
            clade_device_verify_step(device, s);
            fault.due = fault.calls + 1;
            fault.at = 3 * 6 + 2;
            clade_status status = clade_call_run(&call);
            found[all] += status == CLADE_EWRONG;
            if (status) CHECK_FAILS(status, CLADE_EWRONG, "y[3, 2] (element 20)");
        }
    }
    CHECK(found[0] > 8 && found[0] < 50);
    CHECK(found[1] == 200);
    clade_device_verify(device, NULL);
    clade_call_release(&call);
    clade_buffer_destroy(&call.args.dense.x.buffer);
}

/* ---- all ops ---- */

/* A case's call in memory of its own; `memory` is the caller's to destroy. */
static clade_status place_case(clade_device *device, const conform_problem *p, clade_call *call,
                               clade_buffer *memory[CLADE_MOST_SLOTS])
{
    clade_status status = CLADE_OK;
    *call = (clade_call){.op = p->info->op, .args = p->args};
    for (size_t i = 0; i < p->info->slot_count && !status; i++) {
        clade_tensor *t = &call->args.slot[i];
        if (!p->initial[i]) continue;
        status = clade_buffer_create(device, p->count[i] * clade_dtype_size(t->dtype), &memory[i]);
        t->buffer = memory[i];
        if (!status) status = clade_tensor_write(t, p->initial[i]);
    }
    return status ? status : clade_call_prepare(device, call);
}

/* Nothing is wrong with any op, whole or by images. */
static void test_ops(clade_device *device)
{
    size_t judged = 0;
    for (int op = 0; op < CLADE_OPS; op++) {
        const clade_op_info *info = clade_op_describe((clade_op)op);
        const clade_case *test;
        for (size_t c = 0; (test = clade_case_quick(info, &c));) {
            conform_problem *p = NULL;
            clade_buffer *memory[CLADE_MOST_SLOTS] = {0};
            clade_call call = {.op = CLADE_OP_none};
            CHECK_OK(clade_problem_draw(info, test, CONFORM_RANDOM, 1, &p));
            if (p) CHECK_OK(place_case(device, p, &call, memory));
            for (int64_t step = 0; step < 3 && call.prepared; step++) {
                const double rate = step ? 1 - 0x1p-40 : 1;
                CHECK_OK(clade_device_verify(device, &(clade_verify_options){.rate = rate}));
                clade_device_verify_step(device, step);
                CHECK_OK(clade_call_run(&call));
                judged += clade_device_verified(device);
            }
            clade_device_verify(device, NULL);
            clade_call_release(&call);
            for (size_t i = 0; i < CLADE_MOST_SLOTS; i++) clade_buffer_destroy(&memory[i]);
            clade_problem_destroy(&p);
        }
    }
    CHECK(judged > 3 * 150);
}

/* A backend leaves out the algorithm that it is told to, while there is another. */
static void test_opencl_exclude(void)
{
    clade_device *device = NULL;
    if (clade_device_open("opencl", &(clade_device_options){.kernels = "gpu"}, &device)) return;
    clade_call call = make_call(device);
    void *context = device->table.exclude ? device->context : NULL;
    CHECK(context && !strcmp(clade_call_algorithm(&call), "implicit"));
    CHECK(context && device->table.exclude(context, &call, "implicit"));
    CHECK_OK(clade_call_prepare(device, &call));
    CHECK(!strcmp(clade_call_algorithm(&call), "direct"));
    CHECK(context && !device->table.exclude(context, &call, "direct"));
    CHECK_OK(clade_call_prepare(device, &call));
    clade_call_release(&call);
    clade_buffer_destroy(&call.args.dense.x.buffer);
    clade_device_close(&device);
}

int main(void)
{
    char images[] = "/tmp/clade-verify-XXXXXX";
    clade_device *device = NULL, *fast = NULL;
    if (!mkdtemp(images)) return 1;
    CHECK_OK(clade_shapes_write(
        images, &(clade_shapes_options){.classes = 4, .train = 20, .validation = 3, .size = 16}));
    CHECK_OK(clade_device_open("cpu", &(clade_device_options){.threads = 1}, &device));
    CHECK_OK(
        clade_device_open("cpu", &(clade_device_options){.threads = 1, .math = CLADE_FAST}, &fast));
    test_share();
    if (device && fast) {
        const clade_train_options all = {.verify = 1};
        size_t count;
        clade_status status;
        test_drawn(device);
        test_training(images, device);
        test_refusals(images, device);
        test_image(device);
        test_ops(device);
        test_ops(fast);
        free(train(images, fast, few_steps, &all, &count, &status));
        CHECK_OK(status);
    }
    test_opencl_exclude();
    clade_device_close(&device);
    clade_device_close(&fast);
    CHECK_OK(clade_folder_remove(images));
    return TEST_END();
}
