/* clade summary: a model's layers, as Keras prints them. */
#include "summary.h"

#include "base/file.h"
#include "json_print.h"
#include "memory.h"
#include "session.h"
#include "shown.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *shape_text(const clade_graph *graph, int32_t number, char text[64])
{
    int32_t dim[3], rank = clade_graph_shape(graph, number, dim);
    int n = snprintf(text, 64, "(None");
    for (int32_t i = 0; i < rank; i++)
        n += snprintf(text + n, 64 - (size_t)n, ", %" PRId32, dim[i]);
    snprintf(text + n, 64 - (size_t)n, ")");
    return text;
}

/* Does every layer read the one before? Then there is no need to say so. */
static bool is_chain(const clade_graph *graph)
{
    for (int32_t i = 1; i < clade_graph_layers(graph); i++) {
        const clade_layer *layer = clade_graph_layer(graph, i);
        if (layer->input_count > 1 || (layer->input_count == 1 && layer->input[0] != i - 1))
            return false;
    }
    return true;
}

static void print_connections(const clade_graph *graph, const clade_layer *layer)
{
    for (int32_t i = 0; i < layer->input_count; i++)
        printf("%s%s", i ? ", " : " ",
               layer->input[i] ? shown(clade_graph_layer(graph, layer->input[i])->name) : "input");
}

static void rule(char c, int width)
{
    for (int i = 0; i < width; i++) putchar(c);
    putchar('\n');
}

void summary_print(const clade_graph *graph, const char *name)
{
    bool chain = is_chain(graph);
    char number[32], shape[64], heading[10 * CLADE_NAME_SIZE]; /* ten when written out */
    int column = 28;
    for (int32_t i = 1; i < clade_graph_layers(graph); i++) {
        int needed = 2 + snprintf(heading, sizeof heading, "%s (%s)",
                                  shown(clade_graph_layer(graph, i)->name),
                                  clade_layer_type(clade_graph_layer(graph, i)->kind));
        if (needed > column) column = needed;
    }
    int width = column + (chain ? 37 : 62);
    uint64_t trained = 0, fixed = 0;
    printf("Model: \"%s\"\n", shown(name));
    rule('_', width);
    printf(" %-*s%-26s%-10s%s\n", column, "Layer (type)", "Output Shape", "Param #",
           chain ? "" : " Connected to");
    rule('=', width);
    for (int32_t i = chain ? 1 : 0; i < clade_graph_layers(graph); i++) {
        const clade_layer *layer = clade_graph_layer(graph, i);
        uint64_t t, f;
        clade_graph_parameters(graph, i, &t, &f);
        snprintf(heading, sizeof heading, "%s (%s)", i ? shown(layer->name) : "input",
                 clade_layer_type(layer->kind));
        printf(" %-*s%-26s%-10" PRIu64, column, heading, shape_text(graph, i, shape), t + f);
        if (!chain) print_connections(graph, layer);
        printf("\n");
        trained += t;
        fixed += f;
    }
    rule('=', width);
    printf("Total params: %s\n", session_thousands(trained + fixed, number));
    printf("Trainable params: %s\n", session_thousands(trained, number));
    printf("Non-trainable params: %s\n", session_thousands(fixed, number));
    rule('_', width);
}

cJSON *summary_json(const clade_graph *graph, const char *name)
{
    uint64_t trained = 0, fixed = 0;
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "name", name);
    cJSON *list = cJSON_AddArrayToObject(root, "layers");
    for (int32_t i = 0; i < clade_graph_layers(graph); i++) {
        const clade_layer *layer = clade_graph_layer(graph, i);
        uint64_t t, f;
        int32_t dim[3], rank = clade_graph_shape(graph, i, dim);
        clade_graph_parameters(graph, i, &t, &f);
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "name", i ? layer->name : "input");
        cJSON_AddStringToObject(entry, "type", clade_layer_type(layer->kind));
        clade_json_put(entry, "output_shape", cJSON_CreateIntArray(dim, rank));
        cJSON_AddNumberToObject(entry, "trainable", (double)t);
        cJSON_AddNumberToObject(entry, "non_trainable", (double)f);
        cJSON *inputs = cJSON_AddArrayToObject(entry, "inputs");
        for (int32_t j = 0; j < layer->input_count; j++) {
            int32_t from = layer->input[j];
            clade_json_append(
                inputs, cJSON_CreateString(from ? clade_graph_layer(graph, from)->name : "input"));
        }
        clade_json_append(list, entry);
        trained += t;
        fixed += f;
    }
    cJSON_AddNumberToObject(root, "trainable", (double)trained);
    cJSON_AddNumberToObject(root, "non_trainable", (double)fixed);
    return root;
}

static void print_json(const clade_graph *graph, const char *name)
{
    json_print(summary_json(graph, name), false);
}

static clade_status is_model(const char *path, bool *model)
{
    const char *dot = strrchr(path, '.');
    *model = dot && !strcmp(dot, ".safetensors");
    return *model ? CLADE_OK : clade_folder_exists(path, model);
}

static clade_status show_model(const char *path, bool json)
{
    clade_device *device = NULL;
    clade_classifier *classifier = NULL;
    clade_status status = clade_device_open("cpu", NULL, &device);
    if (!status) status = clade_classifier_open(path, device, &classifier);
    if (!status)
        (json ? print_json : summary_print)(clade_model_graph(clade_classifier_model(classifier)),
                                            clade_recipe_name(clade_classifier_recipe(classifier)));
    clade_classifier_destroy(&classifier);
    clade_device_close(&device);
    return status;
}

typedef struct summary_request {
    session_place place;
    const char *data;
    command_list set;
    int64_t classes, batch;
    bool memory, json;
} summary_request;

static clade_status show_memory(const summary_request *r, const clade_recipe *recipe)
{
    clade_device *device = NULL;
    clade_dataset *dataset = NULL;
    char *rendered = NULL;
    clade_data_options options =
        session_data(recipe, &(session_source){.data = r->data}, &rendered);
    clade_status status = r->data ? clade_dataset_open(&options, &dataset) : CLADE_OK;
    if (!status) status = session_open_device(&r->place, &device);
    if (!status) status = memory_show(recipe, dataset, (int32_t)r->classes, device, r->json);
    clade_device_close(&device);
    clade_dataset_destroy(&dataset);
    free(rendered);
    return status;
}

static clade_status show_recipe(const char *name, const summary_request *r)
{
    clade_recipe *recipe = NULL;
    clade_graph *graph = NULL;
    char batch[48];
    const char *edits[COMMAND_LIST_SIZE + 1];
    size_t count = r->set.count;
    memcpy(edits, r->set.item, count * sizeof *edits);
    snprintf(batch, sizeof batch, "train.batch=%" PRId64, r->batch);
    if (r->batch) edits[count++] = batch;
    clade_status status = clade_recipe_read(name, edits, count, &recipe);
    if (!status && r->memory) {
        status = show_memory(r, recipe);
    } else if (!status) {
        status = clade_recipe_graph(recipe, (int32_t)r->classes, &graph);
        if (!status) (r->json ? print_json : summary_print)(graph, clade_recipe_name(recipe));
    }
    clade_graph_destroy(&graph);
    clade_recipe_destroy(&recipe);
    return status;
}

int command_summary(int argc, char **argv)
{
    summary_request r = {.place = {.math = session_math_default}};
    const command_option options[] = {
        OPTION_INTEGER("classes", "N", &r.classes, 2, 1e6,
                       "number of classes, if the recipe takes it from the data; default: 2"),
        OPTION_LIST("set", "KEY=VALUE", &r.set, "change a key of the recipe; repeatable"),
        OPTION_FLAG("memory", &r.memory,
                    "show instead how much device memory training takes, for each shard size"),
        OPTION_INTEGER("batch", "N", &r.batch, 1, INT32_MAX, "with --memory: images per step"),
        OPTION_TEXT("data", "PATH", &r.data,
                    "with --memory: images, for the number of classes and the images that stay on "
                    "the device"),
        SESSION_PLACE_OPTIONS(&r.place),
        OPTION_FLAG("json", &r.json, "print JSON"),
    };
    static const command_usage usage = {
        .name = "summary",
        .arguments = "RECIPE|MODEL",
        .least = 1,
        .most = 1,
        .about =
            "Shows the layers, output shapes and parameter counts of a recipe's model, or of a\n"
            "trained model (a run folder or a .safetensors file).",
        .example = "clade summary cifar10\n"
                   "  clade summary cifar10 --memory --batch 512 --device opencl",
    };
    int count;
    int done = COMMAND_PARSE(&usage, options, argc, argv, &count);
    if (done != COMMAND_GO) return done;
    const bool place = r.place.device || r.place.threads || r.place.math != session_math_default;
    if (!r.memory && (r.batch || r.data || place))
        return command_misuse("summary", "%s requires --memory",
                              r.batch  ? "--batch"
                              : r.data ? "--data"
                                       : "a device");
    bool model;
    clade_status status = is_model(argv[1], &model);
    if (status) return command_fail("summary");
    if (r.memory && model)
        return command_misuse("summary", "--memory requires a recipe, found the model %s", argv[1]);
    status = model ? show_model(argv[1], r.json) : show_recipe(argv[1], &r);
    return status ? command_fail("summary") : COMMAND_OK;
}
