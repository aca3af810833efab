/* metrics.json with cJSON. A number that is not known (NaN) is null. */
#define _POSIX_C_SOURCE 200809L
#include "train/report.h"

#include "base/file.h"
#include "base/json.h"
#include "config.h"

#include <time.h>

/* Of several labels: for each class [[neither, told alone], [there alone, both]]. */
static cJSON *label_confusion_to_json(const clade_metrics *m)
{
    cJSON *list = cJSON_CreateArray();
    for (int32_t c = 0; c < m->classes; c++) {
        cJSON *matrix = cJSON_CreateArray();
        for (int32_t i = 0; i < 2; i++) {
            const uint64_t *row = m->confusion + 4 * c + 2 * i;
            const double values[] = {(double)row[0], (double)row[1]};
            clade_json_append(matrix, cJSON_CreateDoubleArray(values, 2));
        }
        clade_json_append(list, matrix);
    }
    return list;
}

static cJSON *confusion_to_json(const clade_metrics *m)
{
    cJSON *rows = cJSON_CreateArray();
    for (int32_t i = 0; i < m->classes; i++) {
        cJSON *row = cJSON_CreateArray();
        for (int32_t j = 0; j < m->classes; j++)
            clade_json_append(row, cJSON_CreateNumber((double)m->confusion[i * m->classes + j]));
        clade_json_append(rows, row);
    }
    return rows;
}

/* `measured`: not the running means of training. */
static void add_metrics(cJSON *root, const char *name, const clade_metrics *m, int32_t top_k,
                        bool measured)
{
    if (m->count == 0) return;
    cJSON *object = cJSON_AddObjectToObject(root, name);
    cJSON_AddNumberToObject(object, "images", (double)m->count);
    cJSON_AddNumberToObject(object, "loss", m->loss);
    if (m->task == CLADE_TASK_REGRESSION) {
        cJSON_AddNumberToObject(object, "mae", m->mae);
        if (!measured) return;
        cJSON_AddNumberToObject(object, "mse", m->mse);
        cJSON_AddNumberToObject(object, "r2", m->r2);
        return;
    }
    cJSON_AddNumberToObject(object, "accuracy", m->accuracy);
    if (top_k > 0) cJSON_AddNumberToObject(object, "top_k", m->top_k);
    if (!m->confusion) return;
    cJSON_AddNumberToObject(object, "precision", m->precision);
    cJSON_AddNumberToObject(object, "recall", m->recall);
    cJSON_AddNumberToObject(object, "f1", m->f1);
    cJSON_AddNumberToObject(object, "auc", m->auc);
    if (m->task == CLADE_TASK_MULTI_LABEL) {
        cJSON_AddNumberToObject(object, "micro_f1", m->micro_f1);
        cJSON_AddNumberToObject(object, "map", m->map);
        clade_json_put(object, "label_confusion", label_confusion_to_json(m));
        return;
    }
    if (m->task == CLADE_TASK_ORDINAL) cJSON_AddNumberToObject(object, "mae", m->mae);
    clade_json_put(object, "confusion", confusion_to_json(m));
}

/* Multiplications and additions of the products of a layer, for one image. */
static double layer_flop(const clade_graph *graph, int32_t number)
{
    const clade_layer *layer = clade_graph_layer(graph, number);
    int32_t dim[3], rank = clade_graph_shape(graph, number, dim);
    uint64_t trained, fixed;
    double places = 1;
    for (int32_t i = 0; i < rank - 1; i++) places *= dim[i];
    if (layer->kind == CLADE_LAYER_ATTENTION) return 4 * places * places * dim[rank - 1];
    bool no_bias =
        layer->kind == CLADE_LAYER_DENSE ? layer->as.dense.no_bias : layer->as.conv2d.no_bias;
    if (layer->kind != CLADE_LAYER_CONV2D && layer->kind != CLADE_LAYER_DEPTHWISE_CONV2D &&
        layer->kind != CLADE_LAYER_DENSE)
        return 0;
    clade_graph_parameters(graph, number, &trained, &fixed);
    double weights = (double)(trained + fixed) - (no_bias ? 0 : (double)dim[rank - 1]);
    return 2 * weights * places;
}

static void add_model(cJSON *root, const clade_model *model)
{
    const clade_graph *graph = clade_model_graph(model);
    const clade_device *device = clade_model_device(model);
    const clade_device_info *info = clade_device_describe(device);
    double trained = 0, fixed = 0, flop = 0;
    for (int32_t i = 0; i < clade_graph_layers(graph); i++) {
        uint64_t t, f;
        clade_graph_parameters(graph, i, &t, &f);
        trained += (double)t;
        fixed += (double)f;
        flop += layer_flop(graph, i);
    }
    cJSON *parameters = cJSON_AddObjectToObject(root, "parameters");
    cJSON_AddNumberToObject(parameters, "trained", trained);
    cJSON_AddNumberToObject(parameters, "fixed", fixed);
    cJSON_AddNumberToObject(root, "flop", flop);
    uint64_t arena, unshared, now, peak;
    clade_model_memory(model, &arena, &unshared);
    clade_device_memory(device, &now, &peak);
    cJSON *memory = cJSON_AddObjectToObject(root, "memory");
    cJSON_AddNumberToObject(memory, "arena_bytes", (double)arena);
    cJSON_AddNumberToObject(memory, "unshared_bytes", (double)unshared);
    cJSON_AddNumberToObject(memory, "device_peak_bytes", (double)peak);
    cJSON *object = cJSON_AddObjectToObject(root, "device");
    cJSON_AddStringToObject(object, "id", info->id);
    cJSON_AddStringToObject(object, "name", info->name);
    cJSON_AddStringToObject(object, "driver", info->driver);
    cJSON_AddStringToObject(object, "math",
                            clade_device_math(device) == CLADE_EXACT ? "exact" : "fast");
}

/* The time, UTC, as ISO 8601 has it. */
static void add_date(cJSON *root)
{
    char text[32] = "";
    struct tm utc;
    const time_t now = time(NULL);
    if (gmtime_r(&now, &utc)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cJSON_AddStringToObject(root, "date", text);
}

/* What the run was trained on: images of each split, and files that were left out. */
static void add_data(cJSON *root, const clade_recipe *recipe, const clade_dataset *dataset)
{
    static const char *const splits[CLADE_SPLITS] = {"train", "validation", "test"};
    const char *path = clade_recipe_data(recipe)->path;
    cJSON *object = cJSON_AddObjectToObject(root, "data");
    if (path) cJSON_AddStringToObject(object, "path", path);
    for (int i = 0; i < CLADE_SPLITS; i++) {
        size_t count = clade_dataset_count(dataset, (clade_split)i);
        if (count > 0) cJSON_AddNumberToObject(object, splits[i], (double)count);
    }
    cJSON_AddNumberToObject(object, "left_out", (double)clade_dataset_skipped(dataset));
}

clade_status clade_report_metrics(const clade_recipe *recipe, const clade_class_names *classes,
                                  const clade_dataset *dataset, const clade_model *model,
                                  const clade_progress *progress, const clade_epoch *epoch,
                                  char **text)
{
    const clade_training *t = clade_recipe_training(recipe);
    clade_json_begin();
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "recipe", clade_recipe_name(recipe));
    cJSON_AddStringToObject(root, "clade_version", CLADE_VERSION);
    add_date(root);
    clade_json_put(root, "classes",
                   cJSON_CreateStringArray((const char *const *)classes->name, classes->count));
    add_data(root, recipe, dataset);
    cJSON_AddNumberToObject(root, "epochs", epoch->epoch);
    cJSON_AddNumberToObject(root, "steps", (double)progress->step);
    cJSON_AddNumberToObject(root, "seed", (double)t->seed);
    cJSON_AddNumberToObject(root, "lr", epoch->lr);
    cJSON_AddNumberToObject(root, "images_per_second", epoch->images_per_second);
    add_metrics(root, "train", &epoch->train, t->top_k, false);
    add_metrics(root, "validation", &epoch->validation, t->top_k, true);
    cJSON *best = cJSON_AddObjectToObject(root, "best");
    cJSON_AddNumberToObject(best, "epoch", (double)progress->best_epoch);
    const bool several = epoch->validation.task == CLADE_TASK_MULTI_LABEL;
    if (epoch->train.task != CLADE_TASK_REGRESSION)
        cJSON_AddNumberToObject(best, several ? "map" : "accuracy", progress->best_accuracy);
    cJSON_AddNumberToObject(best, "loss", progress->best_loss);
    add_model(root, model);
    char *json = clade_json_end(root);
    cJSON_Delete(root);
    *text = json ? clade_string_join(json, "\n") : NULL;
    cJSON_free(json);
    return *text ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for metrics.json");
}
