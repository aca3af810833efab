/* clade calibrate: the temperature with which a classifier is as sure as it is right. */
#include "interrupt.h"
#include "json_print.h"
#include "session.h"
#include "shown.h"
#include "status_line.h"

#include <clade/scores.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct calibrate_request {
    session_place place;
    session_source source;
    const char *cache;
    uint64_t cache_bytes;
    bool undo, json;
    char *path; /* of the model's file */
} calibrate_request;

/* What probabilities are worth. */
typedef struct calibrated {
    double temperature, loss, error;
} calibrated;

static clade_status open_data(const calibrate_request *r, const clade_classifier *classifier,
                              clade_dataset **out)
{
    char *shapes = NULL;
    const char **names = NULL;
    clade_data_options o = session_data(clade_classifier_recipe(classifier), &r->source, &shapes);
    o.cache_bytes = r->cache_bytes;
    o.threads = (int)r->place.threads;
    clade_status status = CLADE_OK;
    if (!session_expect_classes(classifier, &o, &names))
        status = clade_fail(CLADE_ENOMEM, "out of memory");
    else
        status = session_open_data(&o, NULL, out);
    free(names);
    free(shapes);
    if (!status) session_print_skipped(stderr, *out, 0);
    if (!status && clade_dataset_count(*out, CLADE_VALIDATION) == 0)
        status = clade_fail(CLADE_EINVAL, "the data has no validation split; expected --validation "
                                          "PATH");
    return status;
}

static calibrated measure(const float *p, const int32_t *label, size_t n, int32_t classes,
                          double temperature)
{
    return (calibrated){.temperature = temperature,
                        .loss = clade_log_loss(p, label, n, classes),
                        .error = clade_calibration_measure(p, label, n, classes).error};
}

/* Finds the temperature on the validation split. */
static clade_status fit(clade_classifier *classifier, const clade_dataset *dataset, calibrated *old,
                        calibrated *new)
{
    const size_t n = clade_dataset_count(dataset, CLADE_VALIDATION);
    const int32_t classes = clade_classifier_classes(classifier);
    clade_metrics metrics;
    clade_status status = clade_classifier_set_temperature(classifier, 1);
    if (status) return status;
    status_line_wait("Evaluating", 0, 0, NULL);
    status = clade_classifier_evaluate(classifier, dataset, CLADE_VALIDATION, NULL, &metrics);
    status_line_clear();
    if (status) return status;
    float *p = malloc(n * (size_t)classes * sizeof *p);
    int32_t *label = malloc(n * sizeof *label);
    if (!p || !label) status = clade_fail(CLADE_ENOMEM, "out of memory for %zu predictions", n);
    for (size_t i = 0; i < n && !status; i++)
        label[i] = clade_dataset_label(dataset, CLADE_VALIDATION, i);
    if (!status) {
        memcpy(p, clade_classifier_evaluated(classifier), n * (size_t)classes * sizeof *p);
        *old = measure(p, label, n, classes, 1);
        status = clade_temperature_fit(p, label, n, classes, &new->temperature);
    }
    if (!status) {
        clade_temperature_apply(p, n, classes, new->temperature);
        *new = measure(p, label, n, classes, new->temperature);
        status = clade_classifier_set_temperature(classifier, new->temperature);
    }
    free(p);
    free(label);
    return status;
}

static void add_json(cJSON *root, const char *key, const calibrated *c)
{
    cJSON *object = cJSON_AddObjectToObject(root, key);
    cJSON_AddNumberToObject(object, "temperature", c->temperature);
    cJSON_AddNumberToObject(object, "log_loss", c->loss);
    cJSON_AddNumberToObject(object, "ece", c->error);
}

static void tell(const calibrate_request *r, size_t images, const calibrated *old,
                 const calibrated *new)
{
    if (r->json) {
        cJSON *root = cJSON_CreateObject();
        cJSON_AddStringToObject(root, "file", r->path);
        cJSON_AddNumberToObject(root, "images", (double)images);
        add_json(root, "before", old);
        add_json(root, "after", new);
        json_print(root, false);
        return;
    }
    printf("%zu validation images\n", images);
    printf("%-12s %8s %8s\n", "", "before", "after");
    printf("%-12s %8.4f %8.4f\n", "temperature", old->temperature, new->temperature);
    printf("%-12s %8.4f %8.4f\n", "log loss", old->loss, new->loss);
    printf("%-12s %8.4f %8.4f\n", "ece", old->error, new->error);
    printf("Saved in %s\n", shown(r->path));
}

static clade_status undo(const calibrate_request *r, clade_classifier *classifier)
{
    if (clade_classifier_temperature(classifier) == 1)
        return clade_fail(CLADE_EINVAL, "%s: not calibrated, nothing to undo", r->path);
    clade_status status = clade_classifier_set_temperature(classifier, 1);
    if (!status) status = clade_classifier_save(classifier, r->path);
    if (!status) printf("%s: calibration removed\n", shown(r->path));
    return status;
}

static int run(calibrate_request *r, const char *path)
{
    clade_device *device = NULL;
    clade_classifier *classifier = NULL;
    clade_dataset *dataset = NULL;
    calibrated old, new;
    int hold;
    interrupt_watch();
    clade_status status = session_hold_model(path, &r->path, &hold);
    if (!status) status = session_open_device(&r->place, &device);
    if (!status) status = clade_classifier_open(r->path, device, &classifier);
    if (!status && r->undo) {
        status = undo(r, classifier);
    } else if (!status) {
        status = open_data(r, classifier, &dataset);
        if (!status) status = fit(classifier, dataset, &old, &new);
        if (!status) status = clade_classifier_save(classifier, r->path);
        if (!status) tell(r, clade_dataset_count(dataset, CLADE_VALIDATION), &old, &new);
    }
    clade_dataset_destroy(&dataset);
    clade_classifier_destroy(&classifier);
    clade_device_close(&device);
    if (hold >= 0) close(hold);
    free(r->path);
    return status ? command_fail("calibrate") : COMMAND_OK;
}

int command_calibrate(int argc, char **argv)
{
    calibrate_request r = {.place = {.math = session_math_default}};
    const command_option options[] = {
        SESSION_SOURCE_OPTIONS(&r.source),
        OPTION_FLAG("undo", &r.undo, "remove the temperature from the model"),
        SESSION_PLACE_OPTIONS(&r.place),
        OPTION_TEXT("cache", "SIZE", &r.cache,
                    "memory for decoded images, such as 4G; default: half the memory"),
        OPTION_FLAG("json", &r.json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "calibrate",
        .arguments = "MODEL",
        .least = 1,
        .most = 1,
        .about =
            "Finds the temperature by which to divide a classifier's logits so that its\n"
            "confidence matches its accuracy: the one with the least log loss on the validation\n"
            "images. Stores it in the model's file (for a run folder, the file of the best\n"
            "weights); predict, evaluate and export apply it. The predicted classes stay the\n"
            "same.",
        .example = "clade calibrate runs/first\n"
                   "  clade calibrate runs/first --undo",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    if (r.cache && !session_parse_bytes(r.cache, &r.cache_bytes))
        return command_misuse("calibrate", "--cache %s: expected a size, such as 512M or 4G",
                              r.cache);
    if (r.undo && r.json)
        return command_misuse("calibrate", "--json cannot be combined with --undo");
    return run(&r, argv[1]);
}
