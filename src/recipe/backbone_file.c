/* A backbone in a separate file: its layers are written out in the recipe, its weights loaded. */
#include "recipe/recipe.h"

#include <clade/interchange.h>

#include <stdlib.h>
#include <string.h>

clade_status clade_recipe_spell_out(clade_recipe *recipe, clade_yaml *backbone, const char *file)
{
    clade_preprocessing *p = &recipe->preprocessing;
    const clade_network_options options = {.height = p->height, .width = p->width};
    const clade_yaml *node = clade_recipe_find(backbone, "file");
    clade_network *network = NULL;
    clade_status status = clade_network_read(file, &options, &network);
    if (status) return clade_yaml_fail(node, status, "backbone: %s", clade_error());
    const clade_graph *graph = clade_network_graph(network);
    int32_t dim[3];
    clade_graph_shape(graph, 0, dim);
    if (dim[0] != p->height || dim[1] != p->width || dim[2] != p->channels)
        status = clade_yaml_fail(
            node, CLADE_EINVAL,
            "backbone: %s takes images of %d×%d×%d, but the section input says %d×%d×%d", file,
            dim[0], dim[1], dim[2], p->height, p->width, p->channels);
    clade_yaml *list = status ? NULL : clade_yaml_create(CLADE_YAML_LIST);
    if (!status && !list) status = clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    if (!status) status = clade_recipe_write_layers(graph, list);
    if (!status)
        status = clade_yaml_put(backbone, "layers", list);
    else
        clade_yaml_destroy(&list);
    const clade_preprocessing *own = clade_network_preprocessing(network);
    const clade_yaml *given = clade_recipe_find(backbone, "preprocessing");
    bool asked = !given || !strcmp(clade_yaml_text(given) ? clade_yaml_text(given) : "", "file");
    clade_yaml *input = clade_yaml_find(recipe->root, "input");
    if (!status && own && asked && !clade_recipe_find(input, "rescale") &&
        !clade_recipe_find(input, "mean") && !clade_recipe_find(input, "std")) {
        status = clade_recipe_write_scaling(own, input);
        if (!status)
            status = clade_yaml_put(backbone, "preprocessing", clade_yaml_create_text("input"));
        if (!status) status = clade_recipe_read_input(recipe, input);
    }
    clade_network_destroy(&network);
    return status;
}

static bool is_among(const clade_network_weight *weights, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(weights[i].name, name)) return true;
    return false;
}

clade_status clade_recipe_load_weights(const clade_recipe *recipe,
                                       const clade_network_weight *weights, size_t count,
                                       clade_model *model)
{
    clade_network_weight *used = malloc((count + 1) * sizeof *used);
    size_t kept = 0;
    if (!used) return clade_fail(CLADE_ENOMEM, "out of memory for %zu weights", count);
    clade_status status = CLADE_OK;
    for (size_t p = 0; p < clade_model_parameters(model) && !status; p++) {
        const clade_parameter *parameter = clade_model_parameter(model, p);
        if (parameter->layer <= recipe->transfer.layers &&
            !is_among(weights, count, parameter->name))
            status = clade_fail(CLADE_EFORMAT, "'%s' is not in it", parameter->name);
        for (size_t i = 0; i < count && kept < count; i++)
            if (!strcmp(weights[i].name, parameter->name)) used[kept++] = weights[i];
    }
    if (!status) status = clade_model_load(model, used, kept, false);
    free(used);
    return status;
}

clade_status clade_recipe_load_file(const clade_recipe *recipe, const char *file,
                                    clade_model *model)
{
    const clade_preprocessing *p = &recipe->preprocessing;
    const clade_network_options options = {.height = p->height, .width = p->width};
    clade_network *network = NULL;
    size_t count;
    clade_status status = clade_network_read(file, &options, &network);
    if (status) return status;
    const clade_network_weight *weights = clade_network_weights(network, &count);
    status = clade_recipe_load_weights(recipe, weights, count, model);
    clade_network_destroy(&network);
    return status;
}
