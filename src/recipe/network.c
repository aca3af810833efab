/* Reading networks from files, and writing them as Clade models. */
#include <clade/interchange.h>

#include "base/file.h"
#include "weights/network.h"
#include "nn/layer.h"
#include "recipe/modelfile.h"
#include "recipe/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ONNX limits a file to 2 GiB (protobuf's limit). */
static const uint64_t max_onnx = UINT64_C(1) << 31;

/* NULL: there are none. */
static clade_status copy_numbers(const float *numbers, int32_t count, float **out)
{
    const size_t bytes = (size_t)count * sizeof *numbers;
    if (!numbers) return CLADE_OK;
    *out = malloc(bytes);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for %d numbers", count);
    memcpy(*out, numbers, bytes);
    return CLADE_OK;
}

/* Creates a network from an open model file. */
static clade_status from_modelfile(const clade_modelfile *file, clade_network **out)
{
    clade_graph *graph = NULL;
    clade_network *n = NULL;
    clade_status status = clade_recipe_graph(file->recipe, file->classes.count, &graph);
    if (!status) status = clade_network_start(clade_recipe_name(file->recipe), &graph, &n);
    for (size_t i = 0; !status && i < n->weight_count; i++) {
        clade_network_weight *w = &n->weights[i];
        float *data;
        clade_tensor shape = {.rank = w->rank};
        memcpy(shape.dim, w->dim, sizeof shape.dim);
        status = clade_modelfile_weight(file, w->name, &shape, &data);
        w->data = data;
    }
    if (!status)
        status = clade_network_set_preprocessing(n, clade_recipe_preprocessing(file->recipe));
    if (!status)
        status = clade_network_name_classes(n, (const char *const *)file->classes.name,
                                            file->classes.count);
    if (!status) {
        n->temperature = file->temperature;
        n->task = clade_recipe_data(file->recipe)->task;
        n->recipe = clade_string_join(clade_recipe_text(file->recipe), "");
        if (!n->recipe) status = clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    }
    if (!status) {
        float **const lists[] = {[CLADE_MODELFILE_THRESHOLDS] = &n->thresholds,
                                 [CLADE_MODELFILE_MEANS] = &n->means,
                                 [CLADE_MODELFILE_DEVIATIONS] = &n->deviations};
        for (int i = 0; i < CLADE_MODELFILE_LISTS && !status; i++)
            status = copy_numbers(file->numbers[i], file->classes.count, lists[i]);
    }
    clade_graph_destroy(&graph);
    if (status)
        clade_network_destroy(&n);
    else
        *out = n;
    return clade_context(status, "%s", file->path);
}

static clade_status read_ours(const char *path, const clade_network_options *options,
                              clade_network **out)
{
    clade_modelfile file;
    char *chosen;
    clade_status status = clade_modelfile_choose(path, &chosen);
    if (!status) status = clade_modelfile_open(chosen, &file);
    if (!status) {
        status = from_modelfile(&file, out);
        clade_modelfile_close(&file);
    }
    free(chosen);
    if (status || !options) return status;
    int32_t dim[3];
    clade_graph_shape((*out)->graph, 0, dim);
    if (options->preprocessing || options->interpolation || options->class_count) {
        clade_network_destroy(out);
        return clade_fail(CLADE_EINVAL,
                          "%s: a Clade model already has its classes and preprocessing", path);
    }
    if ((options->height && options->height != dim[0]) ||
        (options->width && options->width != dim[1])) {
        clade_network_destroy(out);
        status = clade_fail(CLADE_EINVAL, "%s: takes images of %d×%d", path, dim[0], dim[1]);
    }
    return status;
}

static bool has_end(const char *path, const char *end)
{
    size_t size = strlen(path), length = strlen(end);
    return size >= length && !strcmp(path + size - length, end);
}

/* Replaces what the file says by the options. */
static clade_status amend(clade_network *network, const clade_network_options *options)
{
    clade_status status = CLADE_OK;
    clade_preprocessing p = network->preprocessing;
    int32_t dim[3];
    if (options->interpolation && !options->preprocessing && !network->has_preprocessing)
        return clade_fail(CLADE_EINVAL, "the file does not say how pixels become the net's input: "
                                        "interpolation requires preprocessing");
    if (options->preprocessing) {
        if (clade_graph_shape(network->graph, 0, dim) != 3)
            return clade_fail(CLADE_EINVAL, "preprocessing: the net does not take images");
        p = (clade_preprocessing){.height = dim[0],
                                  .width = dim[1],
                                  .channels = dim[2],
                                  .interpolation = p.interpolation};
        status = clade_preprocessing_choose(options->preprocessing, &p);
    }
    if (!status && options->interpolation) {
        int i = 0;
        while (clade_interpolation_words[i] &&
               strcmp(clade_interpolation_words[i], options->interpolation))
            i++;
        if (!clade_interpolation_words[i])
            return clade_fail(CLADE_EINVAL, "interpolation '%s': expected nearest or bilinear",
                              options->interpolation);
        p.interpolation = (clade_interpolation)i;
    }
    if (!status && (options->preprocessing || options->interpolation))
        status = clade_network_set_preprocessing(network, &p);
    if (!status && options->class_count)
        status = clade_network_set_classes(network, options->classes, options->class_count);
    return status;
}

clade_status clade_network_read(const char *path, const clade_network_options *options,
                                clade_network **out)
{
    if (!path || !out) return clade_fail(CLADE_EINVAL, "a net needs a path");
    *out = NULL;
    if (options && (options->height < 0 || options->width < 0))
        return clade_fail(CLADE_EINVAL, "%s: images of %d×%d", path, options->height,
                          options->width);
    bool folder;
    clade_status status = clade_folder_exists(path, &folder);
    if (status) return status;
    if (folder || has_end(path, ".safetensors")) return read_ours(path, options, out);
    void *bytes;
    size_t size;
    status = clade_file_read(path, max_onnx, &bytes, &size);
    if (!status) status = clade_onnx_read(path, bytes, size, options, out);
    free(bytes);
    if (!status && options) status = clade_context(amend(*out, options), "%s", path);
    if (status) clade_network_destroy(out);
    return status;
}

/* --- writing --- */

/* Returns the network's recipe, or one made from its graph and its preprocessing. */
static clade_status make_recipe(const clade_network *network, clade_recipe **out)
{
    if (network->recipe) return clade_recipe_parse_saved(network->recipe, network->name, out);
    clade_recipe_parts parts = {.name = network->name, .graph = network->graph};
    if (network->has_preprocessing) parts.preprocessing = &network->preprocessing;
    return clade_recipe_create(&parts, out);
}

/* Makes names for the outputs of a net without class names. */
static clade_status make_classes(const clade_network *network, clade_class_names *out)
{
    int32_t dim[3];
    if (network->class_count) {
        *out = (clade_class_names){.name = network->classes, .count = network->class_count};
        return CLADE_OK;
    }
    if (clade_graph_shape(network->graph, clade_graph_layers(network->graph) - 1, dim) != 1)
        return clade_fail(CLADE_EINVAL,
                          "the net outputs an image; a model needs a vector of classes");
    int32_t count = dim[0] == 1 ? 2 : dim[0];
    *out = (clade_class_names){.name = calloc((size_t)count, sizeof *out->name), .count = count};
    bool good = out->name != NULL;
    for (int32_t i = 0; i < count && good; i++) {
        char name[24];
        snprintf(name, sizeof name, "class %d", i);
        out->name[i] = clade_string_join(name, "");
        good = out->name[i] != NULL;
    }
    return good ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for %d class names", count);
}

clade_status clade_network_write(const clade_network *network, const char *path)
{
    if (!network || !path) return clade_fail(CLADE_EINVAL, "no net or no path to write to");
    clade_recipe *recipe = NULL;
    clade_class_names classes = {0};
    char text[32], *lists[CLADE_MODELFILE_LISTS] = {NULL};
    clade_safetensors_pair pairs[1 + CLADE_MODELFILE_LISTS];
    clade_modelfile_extra extra = {.pairs = pairs};
    if (network->temperature != 1)
        pairs[extra.pair_count++] = clade_modelfile_temperature(network->temperature, text);
    clade_status status = make_classes(network, &classes);
    if (!status)
        status = clade_modelfile_add_numbers(
            (float *const[]){network->thresholds, network->means, network->deviations},
            classes.count, lists, pairs, &extra.pair_count);
    if (!status) status = make_recipe(network, &recipe);
    if (!status)
        status = clade_modelfile_write_weights(path, recipe, &classes, network->weights,
                                               network->weight_count, &extra);
    if (classes.name != network->classes) clade_class_names_clear(&classes);
    clade_recipe_destroy(&recipe);
    for (int i = 0; i < CLADE_MODELFILE_LISTS; i++) free(lists[i]);
    return status;
}
