/* clade bench: how long ops and models take. */
#include "bench_earlier.h"
#include "bench_format.h"
#include "bench_profile.h"
#include "bench_training.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

typedef struct bench_request {
    session_place place;
    command_list models;
    const char *op, *compare, *trace, *data;
    int64_t batch, repeat, epochs;
    int precision; /* -1: the recipes' */
    bool roofline, profile, force, json;
    clade_recipe *recipe[COMMAND_LIST_SIZE];
} bench_request;

/* With the device ready for its precision. */
static clade_status read_recipe(bench_request *r, clade_device *device, size_t i)
{
    char *edit = r->precision < 0 ? NULL : session_precision_edit(r->precision);
    if (r->precision >= 0 && !edit) return clade_fail(CLADE_ENOMEM, "out of memory");
    const char *const edits[] = {edit};
    clade_status status = clade_recipe_read(r->models.item[i], edits, edit ? 1 : 0, &r->recipe[i]);
    free(edit);
    if (status) return status;
    return session_prepare_products(device, clade_recipe_training(r->recipe[i])->precision);
}

static clade_status add_models(bench_request *r, clade_device *device, clade_bench *bench)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < r->models.count && !status; i++) {
        status = read_recipe(r, device, i);
        if (!status) status = clade_bench_add_model(bench, r->recipe[i], (int32_t)r->batch);
    }
    return status;
}

/* Where the time goes in each of the models. */
static int profile(bench_request *r)
{
    clade_device *device = NULL;
    cJSON *root = cJSON_CreateObject(), *profiles = cJSON_AddArrayToObject(root, "profiles");
    r->place.profile = true;
    clade_status status = r->trace ? session_check_new(r->trace, r->force) : CLADE_OK;
    if (!status) status = session_open_device(&r->place, &device);
    for (size_t i = 0; i < r->models.count && !status; i++) {
        const char *name = r->models.item[i];
        clade_profile *p = NULL;
        status = read_recipe(r, device, i);
        if (!status)
            status =
                clade_bench_profile(device, r->recipe[i], (int32_t)r->batch, (int)r->repeat, &p);
        if (!status)
            status = r->json ? profile_add_json(p, name, profiles) : profile_print_table(p, name);
        if (!status && r->trace) status = profile_write_trace(p, name, r->trace);
        clade_profile_destroy(&p);
        clade_recipe_destroy(&r->recipe[i]);
    }
    if (!status && r->json)
        status = bench_print_tree(root);
    else
        cJSON_Delete(root);
    clade_device_close(&device);
    return status ? command_fail("bench") : COMMAND_OK;
}

static int train(const bench_request *r)
{
    const bench_training training = {.place = &r->place,
                                     .recipe = r->models.item[0],
                                     .data = r->data,
                                     .batch = r->batch,
                                     .epochs = r->epochs,
                                     .json = r->json};
    return bench_train(&training) ? command_fail("bench") : COMMAND_OK;
}

static int run(bench_request *r)
{
    clade_device *device = NULL;
    clade_bench *bench = NULL;
    cJSON *earlier = NULL;
    bench_report report = {.rounds = (int)r->repeat};
    clade_status status = r->compare ? bench_earlier_read(r->compare, &earlier) : CLADE_OK;
    if (!status) status = session_open_device(&r->place, &device);
    if (!status && r->roofline) status = clade_device_peak(device, &report.flops, &report.bytes);
    if (!status) status = clade_bench_create(device, &bench);
    if (!status) status = add_models(r, device, bench);
    if (!status && r->op) status = clade_bench_add_ops(bench, r->op);
    if (!status) status = clade_bench_run(bench, (int)r->repeat);
    if (!status) {
        report.bench = bench;
        report.device = device;
        report.earlier = earlier;
        if (r->json)
            status = bench_print_json(&report);
        else
            bench_print_table(&report);
    }
    clade_bench_destroy(&bench);
    clade_device_close(&device);
    for (size_t i = 0; i < r->models.count; i++) clade_recipe_destroy(&r->recipe[i]);
    cJSON_Delete(earlier);
    return status ? command_fail("bench") : COMMAND_OK;
}

int command_bench(int argc, char **argv)
{
    bench_request r = {.place = {.math = session_math_default}, .repeat = 10, .precision = -1};
    const command_option options[] = {
        OPTION_LIST("model", "RECIPE", &r.models, "a built-in recipe or a file; repeatable"),
        OPTION_TEXT("op", "PATTERN", &r.op,
                    "only these ops, or this family; * and ? are wildcards"),
        SESSION_PLACE_OPTIONS(&r.place),
        OPTION_INTEGER("batch", "N", &r.batch, 1, 1 << 20,
                       "batch size of models; default: the recipe's"),
        SESSION_PRECISION_OPTION(&r.precision, "precision of models; default: the recipe's"),
        OPTION_INTEGER("repeat", "N", &r.repeat, 1, 100000, "number of rounds; default: 10"),
        OPTION_FLAG("roofline", &r.roofline,
                    "first measure the device's peak, then show what share of it each op reaches"),
        OPTION_FLAG("profile", &r.profile, "show where a model's training step spends its time"),
        OPTION_TEXT("trace", "FILE", &r.trace,
                    "with --profile: write a trace for about:tracing or ui.perfetto.dev"),
        SESSION_FORCE_OPTION(&r.force),
        OPTION_TEXT("data", "PATH", &r.data,
                    "train one --model on these images; show when the first step started and "
                    "ended, and compare epochs with the step alone"),
        OPTION_INTEGER("epochs", "N", &r.epochs, 1, 1000, "with --data; default: 3"),
        OPTION_FLAG("json", &r.json, "print JSON"),
        OPTION_TEXT("compare", "FILE", &r.compare, "show the ratios to an earlier run's JSON"),
    };
    static const command_usage usage = {
        .name = "bench",
        .about =
            "Times ops at sizes that training uses, and models: forward, backward, the whole\n"
            "training step with its optimizer, and the same step from uint8 images (bytes),\n"
            "which it first augments and scales as the recipe says. Each round times everything\n"
            "in turn; the output shows the median and the minimum of the rounds. Without\n"
            "--model and --op, it times the built-in recipes and all ops. With --data, the step\n"
            "alone is the one from bytes, and an epoch's time is that of its training steps.",
        .example = "clade bench --model horses-or-humans --device cpu --json",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (r.profile && (r.op || r.compare || r.roofline))
        return command_misuse(
            "bench",
            "--profile is for models: it cannot be combined with --op, --compare or --roofline");
    if (r.trace && (!r.profile || r.models.count != 1))
        return command_misuse("bench", "--trace requires --profile and one --model");
    if (r.force && !r.trace) return command_misuse("bench", "--force requires --trace");
    if (r.data && (r.profile || r.op || r.compare || r.roofline || r.models.count != 1))
        return command_misuse("bench", "--data requires one --model and cannot be combined with "
                                       "--op, --compare, --profile or --roofline");
    if (r.data && r.precision >= 0)
        return command_misuse(
            "bench",
            "--precision cannot be combined with --data: the recipe's train.precision applies");
    if (r.epochs && !r.data) return command_misuse("bench", "--epochs requires --data");
    if (!r.epochs) r.epochs = 3;
    if (r.data) return train(&r);
    if (!r.models.count && !r.op) {
        const char *const *names = clade_recipe_names();
        while (*names && r.models.count < COMMAND_LIST_SIZE)
            r.models.item[r.models.count++] = *names++;
        r.op = "*";
    }
    return r.profile ? profile(&r) : run(&r);
}
