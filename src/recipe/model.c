/* The section of a recipe that is the model: a list of layers, read into a graph. */
#include "recipe/recipe.h"
#include "nn/loss.h"

/* Do the outputs fit the loss and the classes? */
static clade_status check_outputs(const clade_recipe *recipe, const clade_graph *graph,
                                  int32_t classes)
{
    int32_t number = clade_graph_layers(graph) - 1, dim[3];
    const clade_layer *last = clade_graph_layer(graph, number);
    const clade_yaml *node = clade_yaml_item(recipe->model, clade_yaml_count(recipe->model) - 1);
    if (clade_graph_shape(graph, number, dim) != 1)
        return clade_yaml_fail(
            node, CLADE_EINVAL,
            "%s: the last layer gives an image; expected a vector, as from dense", last->name);
    clade_status status = clade_loss_check(graph, recipe->training.loss);
    if (status) return clade_yaml_fail(node, status, "%s", clade_error());
    bool fits = classes == 0 || dim[0] == classes || (dim[0] == 1 && classes == 2);
    if (fits) return CLADE_OK;
    return clade_yaml_fail(
        node, CLADE_EINVAL,
        "%s: the last layer has %d %s, but the data has %d classes; expected %d%s", last->name,
        dim[0], dim[0] == 1 ? "output" : "outputs", classes, classes,
        classes == 2 ? ", or 1 with sigmoid" : ", or 'units: classes'");
}

clade_status clade_recipe_add_layers(const clade_yaml *list, int32_t classes, clade_graph *graph)
{
    for (size_t i = 0; i < clade_yaml_count(list); i++) {
        const clade_yaml *node = clade_yaml_item(list, i);
        clade_layer layer;
        clade_status status = clade_recipe_read_layer(node, classes, graph, &layer);
        if (status) return status;
        status = clade_graph_add(graph, &layer, NULL);
        if (status) return clade_yaml_fail(node, status, "%s", clade_error());
    }
    return CLADE_OK;
}

static clade_status make_graph(const clade_recipe *recipe, int32_t classes, bool unfrozen,
                               clade_graph **out)
{
    *out = NULL;
    if (classes < 0) return clade_fail(CLADE_EINVAL, "%d classes", classes);
    const clade_preprocessing *p = &recipe->preprocessing;
    if (clade_recipe_is_open(recipe))
        return clade_yaml_fail(clade_yaml_find(recipe->root, "compare"), CLADE_EINVAL,
                               "compare: several backbones; use `clade compare`, or choose one "
                               "with --set backbone.name=NAME");
    if (clade_yaml_count(recipe->model) == 0)
        return clade_yaml_fail(recipe->model, CLADE_EINVAL, "model: expected layers");
    clade_graph *graph;
    clade_status status = clade_graph_create(p->height, p->width, p->channels, &graph);
    if (status) return status;
    if (recipe->backbone) status = clade_recipe_add_backbone(recipe, unfrozen, graph);
    if (!status) status = clade_recipe_add_layers(recipe->model, classes, graph);
    if (!status) status = check_outputs(recipe, graph, classes);
    if (status)
        clade_graph_destroy(&graph);
    else
        *out = graph;
    return status;
}

clade_status clade_recipe_graph(const clade_recipe *recipe, int32_t classes, clade_graph **out)
{
    return make_graph(recipe, classes, false, out);
}

clade_status clade_recipe_unfrozen_graph(const clade_recipe *recipe, int32_t classes,
                                         clade_graph **out)
{
    return make_graph(recipe, classes, true, out);
}
