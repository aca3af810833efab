/* Trains one net step by step for a test in another language, which gives it its weights and
 * batches.
 *
 *   net_runner [--math exact|fast] [--strict] [--threads N] [--batch N] [--classes N]
 *              [--set KEY=VALUE]… DEVICE RECIPE  < requests  > replies
 *   net_runner recipe RECIPE
 *
 * The latter prints the recipe with its variables and repeats resolved.
 *
 * A request is a line:
 *   write NAME         and the raw bytes of all of "input", "label", "weight" or a parameter
 *   gradient STEP N    forward and backward of training step STEP on the first N images
 *   infer N            inference, with losses
 *   optimizer YAML     begins anew with what the recipe's train.optimizer would be with this value
 *   update T SHARE     the optimizer's step T, from 1, at this share of its rate
 *   outputs | values | gradients | moments    what the reply is to carry: "output" and "loss",
 * every parameter or gradient by name, the optimizer's state as flat tensors A reply is the tensors
 * asked for, each "tensor NAME RANK DIMENSIONS…" and its raw bytes (host order, dense float32),
 * then "ok" or "error TEXT". Exit status: 0 at the end of input, 77 without the device, 2 when the
 * recipe cannot be built or the requests are malformed. */
#include "train/optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SETS = 32 };

typedef struct session {
    const char *file, *sets[MAX_SETS + 1]; /* one more for the optimizer */
    size_t set_count;
    clade_device *device;
    clade_model *model;
    clade_updater *updater; /* NULL: none was asked for yet */
    double rate;
} session;

/* Ends the program: the two sides no longer agree on where the stream is. */
static _Noreturn void malformed(const char *what, const char *line)
{
    fprintf(stderr, "net_runner: %s: %s\n", what, line);
    exit(2);
}

/* --- replies --- */

static clade_status send_tensor(const char *name, const clade_tensor *t)
{
    size_t bytes = clade_tensor_count(t) * clade_dtype_size(t->dtype);
    void *data = malloc(bytes);
    if (!data) return clade_fail(CLADE_ENOMEM, "%zu bytes for a reply", bytes);
    clade_status status = clade_tensor_read(t, data);
    if (!status) {
        printf("tensor %s %d", name, t->rank);
        for (int i = 0; i < t->rank; i++) printf(" %d", t->dim[i]);
        printf("\n");
        fwrite(data, 1, bytes, stdout);
    }
    free(data);
    return status;
}

static clade_status send_outputs(const session *s)
{
    clade_status status = send_tensor("output", clade_model_output(s->model));
    return status ? status : send_tensor("loss", clade_model_losses(s->model));
}

static clade_status send_parameters(const session *s, bool gradients)
{
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < clade_model_parameters(s->model) && !status; i++) {
        const clade_parameter *p = clade_model_parameter(s->model, i);
        const clade_tensor *t = gradients ? &p->gradient : &p->value;
        if (clade_tensor_present(t)) status = send_tensor(p->name, t);
    }
    return status;
}

static clade_status send_moments(const session *s)
{
    clade_tensor moment[CLADE_MOST_MOMENTS];
    const char *name[CLADE_MOST_MOMENTS];
    size_t count = clade_updater_moments(s->updater, moment, name);
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count && !status; i++) status = send_tensor(name[i], &moment[i]);
    return status;
}

/* --- requests --- */

static const clade_tensor *find_tensor(const session *s, const char *name)
{
    if (!strcmp(name, "input")) return clade_model_input(s->model);
    if (!strcmp(name, "label")) return clade_model_label(s->model);
    if (!strcmp(name, "weight")) return clade_model_weight(s->model);
    for (size_t i = 0; i < clade_model_parameters(s->model); i++) {
        const clade_parameter *p = clade_model_parameter(s->model, i);
        if (!strcmp(p->name, name)) return &p->value;
    }
    malformed("no such tensor", name);
}

static clade_status write_tensor(const session *s, const char *name)
{
    const clade_tensor *t = find_tensor(s, name);
    size_t bytes = clade_tensor_count(t) * clade_dtype_size(t->dtype);
    void *data = malloc(bytes);
    if (!data) malformed("no memory for a tensor", name);
    if (fread(data, 1, bytes, stdin) != bytes) malformed("input ends within a tensor", name);
    clade_status status = clade_tensor_write(t, data);
    free(data);
    return status;
}

/* The recipe with its edits and one more, or NULL. */
static clade_status read_recipe(session *s, const char *more, clade_recipe **out)
{
    s->sets[s->set_count] = more;
    return clade_recipe_read(s->file, s->sets, s->set_count + (more ? 1 : 0), out);
}

static clade_status make_optimizer(session *s, const char *yaml)
{
    char edit[512];
    clade_recipe *recipe = NULL;
    clade_updater_destroy(&s->updater);
    snprintf(edit, sizeof edit, "train.optimizer=%s", yaml);
    clade_status status = read_recipe(s, edit, &recipe);
    if (status) return status;
    const clade_optimizer *o = &clade_recipe_training(recipe)->optimizer;
    s->rate = (double)clade_optimizer_resolve(o).lr;
    status = clade_updater_create(o, s->device, clade_model_trained(s->model),
                                  clade_model_gradients(s->model), &s->updater);
    clade_recipe_destroy(&recipe);
    return status;
}

static clade_status answer(session *s, const char *line)
{
    char word[32], rest[480] = "";
    unsigned step, n;
    double share;
    if (sscanf(line, "%31s %479[^\n]", word, rest) < 1) malformed("empty line", line);
    if (!strcmp(word, "write")) return write_tensor(s, rest);
    if (sscanf(line, "gradient %u %u", &step, &n) == 2)
        return clade_model_gradient(s->model, (int32_t)n, step, 0);
    if (sscanf(line, "infer %u", &n) == 1) return clade_model_infer(s->model, (int32_t)n, true);
    if (!strcmp(word, "optimizer")) return make_optimizer(s, rest);
    if (!strcmp(word, "outputs")) return send_outputs(s);
    if (!strcmp(word, "values")) return send_parameters(s, false);
    if (!strcmp(word, "gradients")) return send_parameters(s, true);
    if (!s->updater) malformed("unknown request, or no optimizer yet", line);
    if (!strcmp(word, "moments")) return send_moments(s);
    if (sscanf(line, "update %u %lf", &step, &share) == 2)
        return clade_updater_step(s->updater, share * s->rate, step);
    malformed("unknown request", line);
}

/* Answers one request; false at the end of input. */
static bool serve(session *s)
{
    char line[512];
    if (!fgets(line, sizeof line, stdin)) return false;
    char *end = strchr(line, '\n');
    if (!end) malformed("line too long", line);
    *end = 0;
    clade_status status = answer(s, line);
    if (!status) status = clade_device_finish(s->device);
    if (status)
        printf("error %s: %s\n", clade_status_name(status), clade_error());
    else
        printf("ok\n");
    fflush(stdout);
    return true;
}

/* --- setting up --- */

static clade_status make_model(session *s, int32_t batch, int32_t classes)
{
    clade_recipe *recipe = NULL;
    clade_graph *graph = NULL;
    clade_status status = read_recipe(s, NULL, &recipe);
    if (status) return status;
    const clade_training *t = clade_recipe_training(recipe);
    const clade_model_options options = {
        .batch = batch, .seed = t->seed, .loss = t->loss, .label_smoothing = t->label_smoothing};
    status = clade_recipe_graph(recipe, classes, &graph);
    if (!status) status = clade_model_create(graph, s->device, &options, &s->model);
    if (!status) status = clade_recipe_load(recipe, s->model);
    clade_graph_destroy(&graph);
    clade_recipe_destroy(&recipe);
    return status;
}

static int print_recipe(const char *name)
{
    clade_recipe *recipe = NULL;
    if (clade_recipe_read(name, NULL, 0, &recipe)) malformed(name, clade_error());
    fputs(clade_recipe_text(recipe), stdout);
    clade_recipe_destroy(&recipe);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "recipe")) return print_recipe(argv[2]);
    session s = {0};
    clade_device_options options = {.math = CLADE_EXACT};
    const char *names[2] = {NULL, NULL};
    int32_t batch = 0, classes = 0;
    for (int i = 1, name = 0; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        bool flag = !strncmp(argv[i], "--", 2) && strcmp(argv[i], "--strict") != 0;
        if (!strcmp(argv[i], "--strict"))
            options.strict = true;
        else if (!strcmp(argv[i], "--math"))
            options.math = strcmp(value, "fast") ? CLADE_EXACT : CLADE_FAST;
        else if (!strcmp(argv[i], "--threads"))
            options.threads = atoi(value);
        else if (!strcmp(argv[i], "--batch"))
            batch = atoi(value);
        else if (!strcmp(argv[i], "--classes"))
            classes = atoi(value);
        else if (!strcmp(argv[i], "--set") && s.set_count < MAX_SETS)
            s.sets[s.set_count++] = value;
        else if (!flag && name < 2)
            names[name++] = argv[i];
        else
            malformed("unexpected argument", argv[i]);
        i += flag;
    }
    if (!names[1]) malformed("a device and a recipe expected", "");
    s.file = names[1];
    clade_status status = clade_device_open(names[0], &options, &s.device);
    bool absent = status == CLADE_ENODEVICE;
    if (!status) status = make_model(&s, batch, classes);
    if (status) {
        fprintf(stderr, "net_runner: %s: %s\n", clade_status_name(status), clade_error());
    } else {
        printf("ready %s: %s\n", clade_device_describe(s.device)->id,
               clade_device_describe(s.device)->name);
        fflush(stdout);
        while (serve(&s)) continue;
    }
    clade_updater_destroy(&s.updater);
    clade_model_destroy(&s.model);
    clade_device_close(&s.device);
    return absent ? 77 : status ? 2 : 0;
}
