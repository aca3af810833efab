/* Choosing by measurement: a child process tries every algorithm for every call of some models. */
#define _POSIX_C_SOURCE 200809L
#include "bench/candidate.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/locale.h"
#include "bench/matrix_unit.h"
#include "bench/model.h"
#include "dev/device.h"
#include "op/call_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    most_algorithms = CLADE_MOST_ALGORITHMS + CLADE_GEMM_SETS,
    list_bytes = 1 << 20,
    answer_bytes = CLADE_CHILD_ANSWER
};

/* ---- the child ---- */

/* Adds a line for each call of a pass that has several algorithms. */
static void list_pass(const clade_model *model, clade_pass pass, char *out, size_t *at)
{
    size_t count;
    const clade_layer_call *calls = clade_model_calls(model, pass, &count);
    for (size_t i = 0; i < count && *at < list_bytes - 1024; i++) {
        char text[CLADE_CALL_TEXT_SIZE];
        clade_algorithm_choice choice;
        if (!clade_device_choice(clade_model_device(model), &calls[i].call, &choice)) continue;
        for (size_t k = 0; k < choice.count; k++)
            *at += (size_t)sprintf(out + *at, "%s%s", k ? "," : "", choice.algorithms[k]);
        *at += (size_t)sprintf(out + *at, " %s\n",
                               clade_call_text(choice.call.op, &choice.call.args, text));
    }
}

/* Creates the recipe's model; unless a batch was requested, with the recipe's or as much of it as
 * fits the device's memory. */
static clade_status make_model(clade_device *device, const clade_recipe *recipe, int32_t batch,
                               bench_model **out)
{
    clade_status status = clade_bench_model_create(device, recipe, batch, out);
    int32_t part = batch ? 1 : clade_recipe_training(recipe)->batch;
    while (status == CLADE_ENOMEM && (part /= 2) > 0)
        status = clade_bench_model_create(device, recipe, part, out);
    return status;
}

/* Lists the calls of a recipe's training step and of its evaluation. */
static clade_status list_calls(const char *device, const char *recipe_name, int32_t batch,
                               char **out)
{
    const clade_device_options options = {.math = CLADE_FAST};
    clade_recipe *recipe = NULL;
    clade_device *d = NULL;
    bench_model *m = NULL;
    size_t at = 0;
    *out = malloc(list_bytes);
    clade_status status = *out ? clade_recipe_read(recipe_name, NULL, 0, &recipe)
                               : clade_fail(CLADE_ENOMEM, "out of memory");
    if (!status) status = clade_device_open(device, &options, &d);
    if (!status) status = make_model(d, recipe, batch, &m);
    if (!status) {
        list_pass(m->model, CLADE_PASS_TRAIN, *out, &at);
        list_pass(m->model, CLADE_PASS_LOSS, *out, &at);
    }
    if (*out) (*out)[at] = 0;
    if (m) clade_bench_model_release(m);
    clade_device_close(&d);
    clade_recipe_destroy(&recipe);
    return status;
}

clade_status clade_tune_device_child(int argc, const char *const *argv, char **out)
{
    *out = NULL;
    clade_status status;
    if (argc == 4 && !strcmp(argv[0], "list")) {
        status = list_calls(argv[1], argv[2], (int32_t)strtol(argv[3], NULL, 10), out);
    } else if (argc == 4 && !strcmp(argv[0], "try")) {
        CLADE_PLAIN_NUMBERS;
        clade_call call;
        double seconds;
        status = clade_call_parse(argv[3], &call);
        if (!status) status = clade_candidate_try(argv[1], argv[2], &call, 1, &seconds);
        if (!status) {
            *out = malloc(32);
            if (*out) snprintf(*out, 32, "%.9g\n", seconds);
        }
    } else if (argc == 4 && !strcmp(argv[0], "unit")) {
        status = clade_matrix_unit_try(argv[1], argv[2], argv[3]);
        if (!status) *out = clade_string_join("right\n", "");
    } else {
        return clade_fail(CLADE_EINVAL,
                          "expected list DEVICE RECIPE BATCH, try DEVICE ALGORITHM CALL or "
                          "unit DEVICE UNIT FACTORS");
    }
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- the parent ---- */

typedef struct wanted {
    char *text;
    clade_call call;
    char algorithms[64]; /* "direct,gemm" */
} wanted;

typedef struct tuner {
    const clade_tune_device_options *options;
    clade_device *device;
    const char *id;
    double until;
    wanted *call;
    size_t count;
    clade_tune_device_summary *summary;
} tuner;

/* Runs the program with four more arguments. */
static clade_status run_child(tuner *t, const char *const more[4], double limit, char *out,
                              size_t size, clade_process_end *end)
{
    const char *argv[32];
    size_t n = 0;
    double left = t->until - clade_clock();
    while (t->options->command[n] && n < 24) {
        argv[n] = t->options->command[n];
        n++;
    }
    for (int i = 0; i < 4; i++) argv[n++] = more[i];
    argv[n] = NULL;
    return clade_process_run(argv, limit < left ? limit : left, out, size, end);
}

static clade_status try_algorithm(tuner *t, const wanted *w, const char *algorithm,
                                  clade_algorithm_timing *timing, char answer[answer_bytes])
{
    CLADE_PLAIN_NUMBERS;
    const double limit = t->options->candidate_seconds;
    const char *more[4] = {"try", t->id, algorithm, w->text};
    clade_process_end end;
    clade_status status = run_child(t, more, limit, answer, answer_bytes, &end);
    if (status) return status;
    *timing = (clade_algorithm_timing){.algorithm = algorithm};
    char *rest;
    timing->seconds = strtod(answer, &rest);
    bool good = !end.hung && !end.signal && !end.exit && rest != answer && timing->seconds > 0;
    if (!good) timing->failure = clade_child_failure(&end, limit, answer);
    t->summary->tried++;
    t->summary->failed += timing->failure != NULL;
    if (t->options->timing)
        t->options->timing(t->options->user, w->text, algorithm, timing->seconds, timing->failure);
    return CLADE_OK;
}

/* Tries algorithms of a call, and stores the results: for the call, or (`in_general`) for all
 * matrix products. */
static clade_status try_algorithms(tuner *t, const wanted *w, const char *const *algorithms,
                                   size_t count, bool in_general)
{
    clade_algorithm_timing timing[most_algorithms];
    char answer[most_algorithms][answer_bytes];
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i++) {
        /* incomplete measurements are not stored */
        if (clade_clock() >= t->until) return CLADE_OK;
        status = try_algorithm(t, w, algorithms[i], &timing[i], answer[i]);
    }
    if (status) return status;
    if (!in_general) t->summary->calls++;
    return clade_device_choose(t->device, in_general ? NULL : &w->call, timing, count);
}

static clade_status add_call(tuner *t, const char *algorithms, const char *text)
{
    clade_call call;
    clade_status status = clade_call_parse(text, &call);
    if (status) return status;
    const uint64_t key = clade_call_hash(call.op, &call.args);
    for (size_t i = 0; i < t->count; i++)
        if (clade_call_hash(t->call[i].call.op, &t->call[i].call.args) == key) return CLADE_OK;
    wanted *grown = realloc(t->call, (t->count + 1) * sizeof *grown);
    char *copy = clade_string_join(text, "");
    if (grown) t->call = grown;
    if (!grown || !copy) {
        free(copy);
        return clade_fail(CLADE_ENOMEM, "out of memory for calls");
    }
    grown[t->count] = (wanted){.text = copy, .call = call};
    snprintf(grown[t->count++].algorithms, sizeof grown->algorithms, "%s", algorithms);
    return CLADE_OK;
}

/* Has a child run a step of a recipe's model, and adds the calls that occurred. */
static clade_status list_recipe(tuner *t, const char *recipe)
{
    char batch[16], *text = malloc(list_bytes), *line = text;
    snprintf(batch, sizeof batch, "%d", t->options->batch);
    const char *more[4] = {"list", t->id, recipe, batch};
    clade_process_end end;
    if (!text) return clade_fail(CLADE_ENOMEM, "out of memory for calls");
    clade_status status = run_child(t, more, t->options->total_seconds, text, list_bytes, &end);
    if (!status && (end.hung || end.signal))
        status = clade_fail(CLADE_EDEVICE, "%s: a training step on %s: %s", recipe, t->id,
                            clade_child_failure(&end, t->options->total_seconds, text));
    else if (!status && end.exit) /* the child's error names the recipe */
        status = clade_fail(CLADE_EDEVICE, "%s",
                            clade_child_failure(&end, t->options->total_seconds, text));
    while (!status && *line) {
        char *next = line + strcspn(line, "\n"), *call = line + strcspn(line, " ");
        if (*next) *next++ = 0;
        if (*call) *call++ = 0;
        if (strchr(line, ',')) status = add_call(t, line, call);
        line = next;
    }
    free(text);
    return status;
}

/* Tries CLBlast's parameters, on the largest call. */
static clade_status tune_products(tuner *t)
{
    static const char *const algorithms[] = {"gemm",   "gemm:1", "gemm:2", "gemm:3",
                                             "gemm:4", "gemm:5", "gemm:6"};
    _Static_assert(sizeof algorithms / sizeof *algorithms == 1 + CLADE_GEMM_SETS,
                   "a name for each set");
    const wanted *largest = NULL;
    double most = 0;
    for (size_t i = 0; i < t->count; i++) {
        double flops = clade_bench_call_cost(&t->call[i].call).flops;
        if (!strstr(t->call[i].algorithms, "gemm") || flops <= most) continue;
        most = flops;
        largest = &t->call[i];
    }
    return largest ? try_algorithms(t, largest, algorithms, 1 + CLADE_GEMM_SETS, true) : CLADE_OK;
}

static clade_status tune_call(tuner *t, const wanted *w)
{
    char copy[sizeof w->algorithms], *at = copy;
    const char *algorithms[CLADE_MOST_ALGORITHMS];
    size_t count = 0;
    memcpy(copy, w->algorithms, sizeof copy);
    while (*at && count < CLADE_MOST_ALGORITHMS) {
        algorithms[count++] = at;
        at += strcspn(at, ",");
        if (*at) *at++ = 0;
    }
    return try_algorithms(t, w, algorithms, count, false);
}

clade_status clade_tune_device(const clade_tune_device_options *options,
                               clade_tune_device_summary *summary)
{
    *summary = (clade_tune_device_summary){0};
    tuner t = {
        .options = options, .summary = summary, .until = clade_clock() + options->total_seconds};
    const clade_device_options fast = {.math = CLADE_FAST};
    clade_status status = clade_device_open(options->device, &fast, &t.device);
    if (status) return status;
    t.id = clade_device_describe(t.device)->id;
    summary->device = *clade_device_describe(t.device);
    if (!t.device->table.choose)
        status = clade_fail(CLADE_EUNSUPPORTED, "%s: there is nothing to choose", t.id);
    for (size_t i = 0; options->recipes[i] && !status; i++)
        status = list_recipe(&t, options->recipes[i]);
    summary->found = t.count;
    if (!status && options->products) status = tune_products(&t);
    for (size_t i = 0; i < t.count && !status; i++) status = tune_call(&t, &t.call[i]);
    for (size_t i = 0; i < t.count; i++) free(t.call[i].text);
    free(t.call);
    clade_device_close(&t.device);
    return status;
}
