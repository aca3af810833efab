/* Fuzz target: model files and the state of a run. The input is a safetensors header up to the
 * first line's end, and the tensors' data; the header's length is put before it, and it is opened
 * as a model, looked at as a state, and gone on from. */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "data/dataset.h"
#include "recipe/modelfile.h"
#include "train/run.h"

#include "temporary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char recipe_text[] = "input: {size: 4}\n"
                                  "model:\n"
                                  "  - flatten\n"
                                  "  - dense: {units: classes, activation: softmax}\n"
                                  "train: {loss: sparse_categorical_crossentropy, epochs: 3}\n";

/* What is trained, made once. */
static clade_model *model;
static clade_updater *updater;

static void make_model(void)
{
    clade_recipe *recipe;
    clade_graph *graph;
    clade_device *device = NULL;
    if (model) return;
    if (clade_recipe_parse(recipe_text, "fuzz", &recipe) ||
        clade_device_open("cpu", &(clade_device_options){.threads = 1}, &device) ||
        clade_recipe_graph(recipe, 2, &graph))
        abort();
    const clade_training *t = clade_recipe_training(recipe);
    if (clade_model_create(graph, device, &(clade_model_options){.loss = t->loss}, &model) ||
        clade_updater_create(&t->optimizer, device, clade_model_trained(model),
                             clade_model_gradients(model), &updater))
        abort();
    clade_graph_destroy(&graph);
    clade_recipe_destroy(&recipe);
}

static void write_state(const char *path, const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    const size_t header = end ? (size_t)(end - data) : size, rest = end ? size - header - 1 : 0;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)header >> 8 * i);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(length, 1, 8, file) != 8 || fwrite(data, 1, header, file) != header ||
        (rest && fwrite(end + 1, 1, rest, file) != rest) || fclose(file))
        abort();
}

/* A model file's weights fit its own recipe, or are refused. */
static void load(const clade_modelfile *file)
{
    clade_graph *graph;
    clade_model *other;
    const clade_preprocessing *p = clade_recipe_preprocessing(file->recipe);
    if ((int64_t)p->height * p->width > 1 << 12) return;
    if (clade_recipe_graph(file->recipe, file->classes.count, &graph)) return;
    uint64_t trained = 0, all = 0;
    for (int32_t i = 0; i < clade_graph_layers(graph); i++) {
        uint64_t fixed;
        clade_graph_parameters(graph, i, &trained, &fixed);
        all += trained + fixed;
    }
    if (all < 1 << 16 && !clade_model_create(graph, clade_model_device(model),
                                             &(clade_model_options){.batch = 1}, &other)) {
        (void)clade_modelfile_load(file, other);
        clade_model_destroy(&other);
    }
    clade_graph_destroy(&graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clade_modelfile file;
    clade_progress progress = {0};
    char folder[64], path[128];
    fuzz_temporary("state", folder);
    snprintf(path, sizeof path, "%s/state", folder);
    make_model();
    if (clade_folder_create(folder)) abort();
    write_state(path, data, size);
    atomic_uint_least64_t digest[24] = {0}; /* of images that are not there any more */
    const clade_dataset dataset = {
        .identity = "data",
        .split = {[CLADE_TRAIN] = {.listed = 16, .digest = digest},
                  [CLADE_VALIDATION] = {.listed = 8, .digest = digest + 16}}};
    clade_run run = {.folder = folder, .lock = -1, .dataset = &dataset};
    if (!clade_modelfile_open(path, &file)) {
        if (file.classes.count < 2 || !clade_recipe_text(file.recipe)) abort();
        load(&file);
        clade_modelfile_close(&file);
        if (!clade_run_peek(&run, &progress)) {
            if (progress.epoch < 0 || progress.step < 0 ||
                progress.tally.loss != progress.tally.loss)
                abort();
            const clade_training settings = {.loss = CLADE_LOSS_CATEGORICAL_CROSSENTROPY};
            (void)clade_run_restore(&run, &settings, model, updater, &progress);
        }
    }
    free(run.history);
    unlink(path);
    rmdir(folder);
    return 0;
}
