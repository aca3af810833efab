/* ResNet-50 as the table of github.com/kvark/inferena asks for it: batch 4 of 224×224, float32,
 * weights and images by formula, so that every framework's logits and loss can be compared. Prints
 * that project's JSON object.
 *
 *   inferena [--device NAME] [--math exact|fast] [--threads N] [--repeat N] [ResNet-50]
 *
 * compile_s is the time until a first training step is done; the others are medians of the repeats:
 * inference of the batch, latency of one image, training (forward, loss and backward; batch
 * normalisation by its statistics, which are 0 and 1, with no update of the weights). */
#include "base/clock.h"
#include "base/sha256.h"

#include <clade/clade.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 4, SIDE = 224, CHANNELS = 3, CLASSES = 1000, SAMPLE = 16, MOST_REPEATS = 1000 };

static const char recipe_text[] = "input: {size: 224}\n"
                                  "backbone: {name: resnet50, weights: random, freeze: none, "
                                  "pooling: avg, preprocessing: input}\n"
                                  "model:\n"
                                  "  - dense: {units: classes, activation: %s, name: fc}\n"
                                  "train: {loss: %s}\n";

typedef struct options {
    const char *device;
    clade_device_options settings;
    int repeat;
} options;

typedef struct result {
    double compile, inference, latency, training; /* seconds, milliseconds */
    float logits[BATCH * CLASSES], losses[BATCH];
} result;

/* ---- the weights and images of that project ---- */

/* A number of a parameter's name: its polynomial in 31, of 32 bits, without its upper digits. */
static float seed_of(const char *name)
{
    uint32_t h = 0;
    for (const char *c = name; *c; c++) h = h * 31 + (uint8_t)*c;
    return (float)(h % 10000);
}

static float weight_of(int64_t i, float seed) { return sinf((float)i * 0.01F + seed) * 0.01F; }

/* `out` as HWIO of a kernel that PyTorch has as OIHW. */
static void fill_kernel(float *out, const clade_tensor *t, float seed)
{
    const int64_t h = t->dim[0], w = t->dim[1], in = t->dim[2], count = t->dim[3];
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++)
            for (int64_t i = 0; i < in; i++)
                for (int64_t o = 0; o < count; o++)
                    *out++ = weight_of(((o * in + i) * h + y) * w + x, seed);
}

/* Batch normalisation does nothing, but for the stem's, whose name that project takes for a
 * layer's. */
static clade_status write_weight(const clade_parameter *p)
{
    static const struct {
        const char *ours, *torch;
    } words[] = {
        {"/kernel", ".weight"}, {"/bias", ".bias"}, {"/gamma", ".weight"}, {"/beta", ".bias"}};
    const size_t n = clade_tensor_count(&p->value),
                 stem = strlen(p->name) - strlen(strrchr(p->name, '/'));
    const char *word = p->name + stem;
    char name[CLADE_NAME_SIZE + 8] = "";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(word, words[i].ours))
            snprintf(name, sizeof name, "%.*s%s", (int)stem, p->name, words[i].torch);
    float *values = malloc(n * sizeof *values);
    if (!values) return CLADE_ENOMEM;
    if (p->value.rank == 4)
        fill_kernel(values, &p->value, seed_of(name));
    else if (!*name || strstr(name, ".bn") || strstr(name, ".downsample.1."))
        for (size_t i = 0; i < n; i++)
            values[i] = !strcmp(word, "/gamma") || !strcmp(word, "/moving_variance");
    else
        for (size_t i = 0; i < n; i++) values[i] = weight_of((int64_t)i, seed_of(name));
    clade_status status = clade_tensor_write(&p->value, values);
    free(values);
    return status;
}

static clade_status write_images(const clade_tensor *input)
{
    const size_t plane = (size_t)SIDE * SIDE, count = clade_tensor_count(input);
    float *values = malloc(count * sizeof *values);
    if (!values) return CLADE_ENOMEM;
    for (size_t i = 0; i < count; i++) { /* from NCHW */
        size_t image = i / (plane * CHANNELS), channel = i / plane % CHANNELS, pixel = i % plane;
        values[(image * plane + pixel) * CHANNELS + channel] = sinf((float)((double)i * 0.001));
    }
    clade_status status = clade_tensor_write(input, values);
    free(values);
    return status;
}

/* Without a loss: of logits. */
static clade_status make_model(clade_device *device, clade_loss loss, clade_model **out)
{
    const clade_model_options settings = {.batch = BATCH, .loss = loss};
    clade_recipe *recipe = NULL;
    clade_graph *graph = NULL;
    char text[512];
    snprintf(text, sizeof text, recipe_text, loss ? "softmax" : "linear",
             loss ? "categorical_crossentropy" : "mse"); /* a recipe has one, and logits fit this */
    clade_status status = clade_recipe_parse(text, "inferena", &recipe);
    if (!status) status = clade_recipe_graph(recipe, CLASSES, &graph);
    if (!status) status = clade_model_create(graph, device, &settings, out);
    for (size_t i = 0; !status && i < clade_model_parameters(*out); i++)
        status = write_weight(clade_model_parameter(*out, i));
    if (!status) status = write_images(clade_model_input(*out));
    clade_graph_destroy(&graph);
    clade_recipe_destroy(&recipe);
    return status;
}

/* ---- measuring ---- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median milliseconds of `repeat` runs on n images: training steps, or inference. */
static clade_status measure(clade_model *model, int32_t n, bool training, int repeat, double *ms)
{
    double spent[MOST_REPEATS];
    clade_device *device = clade_model_device(model);
    clade_status status = CLADE_OK;
    for (int i = -1; i < repeat && !status; i++) {
        const double start = clade_clock();
        status =
            training ? clade_model_gradient(model, n, 0, 0) : clade_model_infer(model, n, false);
        if (!status) status = clade_device_finish(device);
        if (i >= 0) spent[i] = 1000 * (clade_clock() - start);
    }
    qsort(spent, (size_t)repeat, sizeof *spent, compare);
    *ms = spent[repeat / 2];
    return status;
}

/* Both models are made before anything is measured: what is built while they are is part of it. */
static clade_status run(clade_device *device, int repeat, result *r)
{
    static const int32_t labels[BATCH] = {0, 1, 2, 3};
    clade_model *net = NULL, *logits = NULL;
    const double start = clade_clock();
    clade_status status = make_model(device, CLADE_LOSS_CATEGORICAL_CROSSENTROPY, &net);
    if (!status) status = clade_tensor_write(clade_model_label(net), labels);
    if (!status) status = clade_model_gradient(net, BATCH, 0, 0);
    if (!status) status = clade_device_finish(device);
    r->compile = clade_clock() - start;
    if (!status) status = clade_tensor_read(clade_model_losses(net), r->losses);
    if (!status) status = measure(net, BATCH, true, repeat, &r->training);
    clade_model_destroy(&net);
    if (!status) status = make_model(device, CLADE_LOSS_NONE, &logits);
    if (!status) status = measure(logits, BATCH, false, repeat, &r->inference);
    if (!status) status = clade_tensor_read(clade_model_output(logits), r->logits);
    if (!status) status = measure(logits, 1, false, repeat, &r->latency);
    clade_model_destroy(&logits);
    return status;
}

/* ---- the command ---- */

static void print(const clade_device_info *device, clade_math math, const result *r)
{
    clade_sha256 hash;
    char hex[65];
    double loss = 0;
    clade_sha256_start(&hash);
    clade_sha256_add(&hash, r->logits, sizeof r->logits);
    clade_sha256_end(&hash, hex);
    for (int i = 0; i < BATCH; i++) loss += (double)r->losses[i] / BATCH;
    printf("{\"framework\": \"clade\", \"model\": \"ResNet-50\", \"device\": \"%s\", \"gpu_name\": "
           "\"%s\", ",
           device->id, device->name);
    printf("\"math\": \"%s\", \"timings\": {\"compile_s\": %.2f, \"inference_ms\": %.3f, "
           "\"latency_ms\": %.3f, ",
           math == CLADE_EXACT ? "exact" : "fast", r->compile, r->inference, r->latency);
    printf("\"training_ms\": %.3f}, \"outputs\": {\"logits_hash\": \"sha256:%s\", "
           "\"logits_sample\": [",
           r->training, hex);
    for (int i = 0; i < SAMPLE; i++) printf("%s%.9g", i ? ", " : "", (double)r->logits[i]);
    printf("], \"loss\": %.6f}}\n", loss);
}

static int usage(void)
{
    fprintf(stderr, "usage: inferena [--device NAME] [--math exact|fast] [--threads N] [--repeat "
                    "N] [ResNet-50]\n");
    return 2;
}

static bool read_number(const char *text, int least, int most, int *out)
{
    char *end;
    long value = strtol(text, &end, 10);
    *out = (int)value;
    return end != text && !*end && value >= least && value <= most;
}

static bool read_options(int argc, char **argv, options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "ResNet-50")) continue;
        bool good = true;
        if (!strcmp(argv[i], "--device"))
            o->device = value;
        else if (!strcmp(argv[i], "--math"))
            o->settings.math = strcmp(value, "exact") ? CLADE_FAST : CLADE_EXACT,
            good = !strcmp(value, "exact") || !strcmp(value, "fast");
        else if (!strcmp(argv[i], "--threads"))
            good = read_number(value, 1, 1024, &o->settings.threads);
        else if (!strcmp(argv[i], "--repeat"))
            good = read_number(value, 1, MOST_REPEATS, &o->repeat);
        else
            good = false;
        if (!good) return false;
        i++;
    }
    return true;
}

int main(int argc, char **argv)
{
    options o = {.settings = {.math = CLADE_FAST}, .repeat = 5};
    static result r;
    clade_device *device = NULL;
    if (!read_options(argc, argv, &o)) return usage();
    clade_status status = clade_device_open(o.device, &o.settings, &device);
    if (!status) status = run(device, o.repeat, &r);
    if (status)
        fprintf(stderr, "inferena: %s\n", clade_error());
    else
        print(clade_device_describe(device), clade_device_math(device), &r);
    clade_device_close(&device);
    return status ? 1 : 0;
}
