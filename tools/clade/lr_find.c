/* clade lr-find: which learning rate suits a recipe and its data. */
#define _XOPEN_SOURCE 700
#include "interrupt.h"
#include "json_print.h"
#include "output_file.h"
#include "session.h"
#include "shown.h"
#include "status_line.h"

#include <clade/lr_find.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct lr_search {
    session_place place;
    session_source source;
    session_training training;
    const char *recipe, *out;
    int64_t steps;
    double low, high;
    command_list set;
    bool json;
    char *edits[COMMAND_LIST_SIZE + session_source_most + session_training_most];
    size_t edit_count;
    char *csv, *svg; /* files to be written */
} lr_search;

static clade_status read_recipe(lr_search *s, clade_recipe **out)
{
    bool good = true;
    for (size_t i = 0; i < s->set.count && good; i++) {
        s->edits[s->edit_count] = strdup(s->set.item[i]);
        good = s->edits[s->edit_count++] != NULL;
    }
    good = good && session_source_edits(&s->source, s->edits, &s->edit_count);
    good = good && session_training_edits(&s->training, s->edits, &s->edit_count);
    if (!good) return clade_fail(CLADE_ENOMEM, "out of memory");
    return clade_recipe_read(s->recipe, (const char *const *)s->edits, s->edit_count, out);
}

/* The name of a file that is not there yet. */
static clade_status name_file(const lr_search *s, const char *ending, char **out)
{
    size_t size = strlen(s->out) + strlen(ending) + 1;
    *out = malloc(size);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory");
    snprintf(*out, size, "%s%s", s->out, ending);
    if (access(*out, F_OK)) return CLADE_OK;
    return clade_fail(CLADE_EINVAL, "%s: already exists; expected another --out", *out);
}

static clade_status write_csv(const char *path, const clade_lr_point *points, size_t count)
{
    output_file file;
    clade_status status = output_open(&file, path);
    if (status) return status;
    fprintf(file.to, "step,lr,loss,smoothed\n");
    for (size_t i = 0; i < count; i++)
        fprintf(file.to, "%zu,%.9g,%.9g,%.9g\n", i + 1, points[i].lr, points[i].loss,
                points[i].smoothed);
    return output_close(&file);
}

static bool watch(void *user, int32_t done, int32_t steps)
{
    (void)user;
    status_line_wait("Step", (size_t)done, (size_t)steps, NULL);
    return interrupt_asked();
}

static void print(const lr_search *s, size_t count, double suggestion)
{
    if (s->json) {
        cJSON *root = cJSON_CreateObject();
        if (suggestion > 0)
            cJSON_AddNumberToObject(root, "lr", suggestion);
        else
            cJSON_AddNullToObject(root, "lr");
        cJSON_AddNumberToObject(root, "steps", (double)count);
        cJSON_AddStringToObject(root, "csv", s->csv);
        cJSON_AddStringToObject(root, "svg", s->svg);
        json_print(root, false);
        return;
    }
    if (suggestion > 0)
        printf("Suggested learning rate: %.2g, where the loss falls fastest (--lr %.2g)\n",
               suggestion, suggestion);
    else
        printf("No suggestion: the loss did not fall at any rate\n");
    printf("%zu steps in %s and %s\n", count, shown(s->csv), shown(s->svg));
}

static clade_status search(lr_search *s, const clade_recipe *recipe, clade_device *device,
                           clade_dataset *dataset)
{
    const clade_lr_find_options options = {.low = s->low,
                                           .high = s->high,
                                           .steps = (int32_t)s->steps,
                                           .threads = (int)s->place.threads,
                                           .stop = watch};
    const size_t steps = (size_t)clade_lr_find_steps(&options);
    clade_lr_point *points = calloc(steps, sizeof *points);
    if (!points) return clade_fail(CLADE_ENOMEM, "out of memory for %zu steps", steps);
    size_t count;
    double suggestion;
    clade_status status =
        clade_lr_find(recipe, dataset, device, &options, points, &count, &suggestion);
    status_line_clear();
    if (!status) status = write_csv(s->csv, points, count);
    if (!status) {
        status = clade_lr_find_draw(points, count, suggestion, s->svg);
        if (status) remove(s->csv); /* both or none: what is there is not replaced */
    }
    if (!status) print(s, count, suggestion);
    free(points);
    return status;
}

static int run(lr_search *s)
{
    clade_recipe *recipe = NULL;
    clade_device *device = NULL;
    clade_dataset *dataset = NULL;
    char *shapes = NULL;
    interrupt_watch();
    clade_status status = name_file(s, ".csv", &s->csv);
    if (!status) status = name_file(s, ".svg", &s->svg);
    if (!status) status = read_recipe(s, &recipe);
    if (!status) status = session_open_device(&s->place, &device);
    if (!status)
        status = session_prepare_products(device, clade_recipe_training(recipe)->precision);
    if (!status) {
        clade_data_options options = session_data(recipe, &s->source, &shapes);
        options.threads = (int)s->place.threads;
        status = session_open_data(&options, interrupt_asked, &dataset);
    }
    if (!status) session_print_skipped(stderr, dataset, 0);
    if (!status) status = search(s, recipe, device, dataset);
    free(shapes);
    clade_dataset_destroy(&dataset);
    clade_device_close(&device);
    clade_recipe_destroy(&recipe);
    if (status == CLADE_ECANCELLED && interrupt_asked()) {
        fprintf(stderr, "clade lr-find: %s\n", shown(clade_error()));
        return interrupt_status();
    }
    return status ? command_fail("lr-find") : COMMAND_OK;
}

int command_lr_find(int argc, char **argv)
{
    lr_search s = {.place = {.math = session_math_default},
                   .training = session_training_none,
                   .out = "lr-find"};
    const command_option options[] = {
        SESSION_SOURCE_OPTIONS(&s.source),
        SESSION_PLACE_OPTIONS(&s.place),
        OPTION_REAL("from", "X", &s.low, 1e-30, 1e6, "the first rate; default: 1e-7"),
        OPTION_REAL("to", "X", &s.high, 1e-30, 1e6, "the last rate; default: 10"),
        OPTION_INTEGER("steps", "N", &s.steps, 10, 1000000, "number of steps; default: 200"),
        OPTION_INTEGER("batch", "N", &s.training.batch, 1, INT32_MAX, "images per step"),
        SESSION_PRECISION_OPTION(&s.training.precision, session_precision_help),
        OPTION_INTEGER("seed", "N", &s.training.seed, 0, 9007199254740992.0,
                       "seed of initial weights, shuffling, augmentation and dropout"),
        OPTION_LIST("set", "KEY=VALUE", &s.set, "change a key of the recipe; repeatable"),
        OPTION_TEXT("out", "NAME", &s.out, "write NAME.csv and NAME.svg; default: lr-find"),
        OPTION_FLAG("json", &s.json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "lr-find",
        .arguments = "RECIPE",
        .least = 1,
        .most = 1,
        .about =
            "Finds a learning rate: trains the recipe's model from its initial weights while\n"
            "the rate rises from step to step, until the loss explodes, and suggests the rate\n"
            "at which the smoothed loss falls fastest. Does not keep the model.",
        .example = "clade lr-find cats-dogs-64 --data photos.zip",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    s.recipe = argv[1];
    int result = run(&s);
    for (size_t i = 0; i < s.edit_count; i++) free(s.edits[i]);
    free(s.csv);
    free(s.svg);
    return result;
}
