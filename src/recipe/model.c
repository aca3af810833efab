/* The model of a recipe: a list of layers, read into a graph. */
#include "recipe/recipe.h"
#include "nn/loss.h"
#include "nn/layer_group.h"

#include <stdio.h>
#include <string.h>

/* Checks that the loss and the last activation fit the task. */
static clade_status check_task(const clade_recipe *recipe, const clade_graph *graph,
                               const clade_yaml *node)
{
    const clade_training *t = &recipe->training;
    const clade_task task = recipe->data.task;
    const clade_layer *last = clade_graph_layer(graph, clade_graph_layers(graph) - 1);
    const char *activation = clade_layer_last_activation(last), *expected = NULL;
    const char *word = clade_task_words()[task];
    if (t->loss == CLADE_LOSS_NONE) return CLADE_OK;
    if (task == CLADE_TASK_REGRESSION && !clade_loss_takes_numbers(t->loss))
        expected = "mse, mae or huber";
    else if (task == CLADE_TASK_ORDINAL && t->loss != CLADE_LOSS_ORDINAL)
        expected = "ordinal_crossentropy";
    if (expected)
        return clade_yaml_fail(clade_recipe_find(clade_recipe_find(recipe->root, "train"), "loss"),
                               CLADE_EINVAL, "loss: %s is not for data.task: %s, expected %s",
                               clade_loss_rules[t->loss].word[0], word, expected);
    if (task != CLADE_TASK_ORDINAL && t->loss == CLADE_LOSS_ORDINAL)
        return clade_yaml_fail(
            clade_recipe_find(clade_recipe_find(recipe->root, "train"), "loss"), CLADE_EINVAL,
            "loss: ordinal_crossentropy is for data.task: ordinal, not %s", word);
    if (task != CLADE_TASK_REGRESSION) return CLADE_OK;
    const bool sums = !strcmp(activation, "softmax") || !strcmp(activation, "log_softmax");
    if (!sums && (t->raw_targets || strcmp(activation, "sigmoid") != 0)) return CLADE_OK;
    return clade_yaml_fail(node, CLADE_EINVAL,
                           "%s: %s cannot output every number; data.task: regression expects no "
                           "activation in the last layer, dense: {units: classes}%s",
                           last->name, activation,
                           sums ? "" : ", or train.normalize_targets: false");
}

/* Checks that the outputs fit the loss and the classes. */
static clade_status check_outputs(const clade_recipe *recipe, const clade_graph *graph,
                                  int32_t classes)
{
    int32_t number = clade_graph_layers(graph) - 1, dim[3];
    const clade_layer *last = clade_graph_layer(graph, number);
    const clade_yaml *node = clade_yaml_item(recipe->model, clade_yaml_count(recipe->model) - 1);
    if (clade_graph_shape(graph, number, dim) != 1)
        return clade_yaml_fail(
            node, CLADE_EINVAL,
            "%s: the last layer outputs an image; expected a vector, such as that of dense",
            last->name);
    const clade_task task = recipe->data.task;
    const bool several = task == CLADE_TASK_MULTI_LABEL;
    clade_status status = check_task(recipe, graph, node);
    if (status) return status;
    status = clade_loss_check(graph, recipe->training.loss, several);
    if (status) return clade_yaml_fail(node, status, "%s", clade_error());
    if (several && classes > 0 && dim[0] != classes)
        return clade_yaml_fail(
            node, CLADE_EINVAL,
            "%s: the last layer has %d outputs, but the data has %d classes, any "
            "of which an image may show; expected 'units: classes'",
            last->name, dim[0], classes);
    if (task == CLADE_TASK_REGRESSION && classes > 0 && dim[0] != classes)
        return clade_yaml_fail(node, CLADE_EINVAL,
                               "%s: the last layer has %d outputs, but the data has %d targets; "
                               "expected 'units: classes'",
                               last->name, dim[0], classes);
    if (task == CLADE_TASK_ORDINAL && classes > 0 && dim[0] != classes - 1)
        return clade_yaml_fail(
            node, CLADE_EINVAL,
            "%s: the last layer has %d outputs, but from the first of the data's "
            "%d classes to the last there are %d steps; expected 'units: steps'",
            last->name, dim[0], classes, classes - 1);
    if (task == CLADE_TASK_REGRESSION || task == CLADE_TASK_ORDINAL) return CLADE_OK;
    bool fits = classes == 0 || dim[0] == classes || (dim[0] == 1 && classes == 2);
    if (fits) return CLADE_OK;
    return clade_yaml_fail(
        node, CLADE_EINVAL,
        "%s: the last layer has %d %s, but the data has %d classes; expected %d%s", last->name,
        dim[0], dim[0] == 1 ? "output" : "outputs", classes, classes,
        classes == 2 ? ", or 1 with sigmoid" : ", or 'units: classes'");
}

static bool is_name(const clade_graph *graph, const char *name)
{
    for (int32_t i = 1; i < clade_graph_layers(graph); i++)
        if (!strcmp(clade_graph_layer(graph, i)->name, name)) return true;
    return false;
}

/* Returns an option of a layer's entry in the list; NULL: not given. */
static const clade_yaml *find_option(const clade_yaml *node, const char *key)
{
    if (clade_yaml_kind_of(node) != CLADE_YAML_MAP) return NULL;
    const clade_yaml *options = clade_yaml_item(node, 0);
    return clade_yaml_kind_of(options) == CLADE_YAML_MAP ? clade_recipe_find(options, key) : NULL;
}

/* Adds the layers of a group; `read` has its settings, and those common to all layers. */
static clade_status add_group(const clade_yaml *node, const clade_layer_group *group,
                              const clade_layer *read, clade_graph *graph)
{
    const int32_t from = read->input_count ? read->input[0] : clade_graph_layers(graph) - 1;
    const char *key = group->record->key;
    const clade_yaml *ratio = find_option(node, "ratio"); /* an option of squeeze_excite */
    char name[CLADE_NAME_SIZE];
    clade_layer layer[CLADE_MOST_GROUP_LAYERS];
    if (ratio && read->as.squeeze_excite.units)
        return clade_yaml_fail(ratio, CLADE_EINVAL, "%s: has units and ratio; expected one of them",
                               key);
    if (read->input_count > 1)
        return clade_yaml_fail(node, CLADE_EINVAL, "%s: expected 1 input, found %d", key,
                               read->input_count);
    snprintf(name, sizeof name, "%s", *read->name ? read->name : key);
    for (int i = 1; !*read->name && is_name(graph, name); i++)
        snprintf(name, sizeof name, "%s_%d", key, i);
    clade_status status = group->layers(graph, from, name, read, layer);
    for (int i = 0; i < group->count && !status; i++) {
        layer[i].frozen = read->frozen;
        status = clade_graph_add(graph, &layer[i], NULL);
    }
    return status ? clade_yaml_fail(node, status, "%s: %s", key, clade_error()) : status;
}

clade_status clade_recipe_add_layers(const clade_yaml *list, int32_t classes, clade_graph *graph)
{
    for (size_t i = 0; i < clade_yaml_count(list); i++) {
        const clade_yaml *node = clade_yaml_item(list, i);
        const clade_layer_group *group;
        clade_layer layer;
        clade_status status = clade_recipe_read_layer(node, classes, graph, &layer, &group);
        if (status) return status;
        if (group) {
            status = add_group(node, group, &layer, graph);
            if (status) return status;
            continue;
        }
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
