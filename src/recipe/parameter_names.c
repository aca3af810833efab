/* An optimizer's options that select parameters by parts of their names. */
#include "recipe/recipe.h"
#include "recipe/yaml_node.h"
#include "nn/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads a word or a list of words. Missing: none. */
static clade_status read_names(const clade_yaml *options, const char *key, const char ***out,
                               size_t *count)
{
    const clade_yaml *list = clade_recipe_find(options, key);
    if (!list) return CLADE_OK;
    const bool single = clade_yaml_kind_of(list) == CLADE_YAML_SCALAR;
    clade_status status = single ? CLADE_OK : clade_yaml_expect(list, key, CLADE_YAML_LIST);
    if (status) return status;
    *count = single ? 1 : clade_yaml_count(list);
    *out = calloc(*count + 1, sizeof **out);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    for (size_t i = 0; i < *count && !status; i++)
        status = clade_yaml_as_text(single ? list : clade_yaml_item(list, i), key, &(*out)[i]);
    return status;
}

/* Reads a map from words to factors. */
static clade_status read_scales(clade_recipe *recipe, const clade_yaml *options)
{
    clade_optimizer *o = &recipe->training.optimizer;
    const clade_yaml *map = NULL;
    clade_status status = clade_yaml_get_node(options, "lr_scale", CLADE_YAML_MAP, &map);
    if (status || !map) return status;
    recipe->lr_scale = calloc(clade_yaml_count(map) + 1, sizeof *recipe->lr_scale);
    if (!recipe->lr_scale) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    for (size_t i = 0; i < clade_yaml_count(map) && !status; i++) {
        double scale = 1;
        status = clade_yaml_in_range(clade_yaml_item(map, i), clade_yaml_key(map, i),
                                     CLADE_YAML_POSITIVE, &scale);
        recipe->lr_scale[i] = (clade_lr_scale){clade_yaml_key(map, i), (float)scale};
    }
    o->lr_scale = recipe->lr_scale;
    o->lr_scale_count = clade_yaml_count(map);
    return status;
}

clade_status clade_recipe_read_parameter_names(clade_recipe *recipe, const clade_yaml *options)
{
    clade_optimizer *o = &recipe->training.optimizer;
    clade_status status = read_names(options, "exclude", &recipe->decay_exclude, &o->exclude_count);
    if (!status)
        status = read_names(options, "exclude_layers", &recipe->no_muon, &o->no_muon_count);
    if (!status) status = read_scales(recipe, options);
    o->exclude = recipe->decay_exclude;
    o->no_muon = recipe->no_muon;
    return status;
}

static bool is_there(const clade_graph *graph, const char *word)
{
    char name[2 * CLADE_NAME_SIZE];
    for (int32_t i = 1; i < graph->count; i++) {
        const clade_node *node = &graph->node[i];
        for (int32_t k = 0; k < node->weight_count; k++) {
            snprintf(name, sizeof name, "%s/%s", node->layer.name, node->weight[k].name);
            if (strstr(name, word)) return true;
        }
    }
    return false;
}

clade_status clade_recipe_check_parameter_names(const clade_recipe *recipe,
                                                const clade_graph *graph)
{
    static const char *const keys[] = {"exclude_layers", "lr_scale"};
    const clade_yaml *train = clade_recipe_find(recipe->root, "train");
    const clade_yaml *optimizer = clade_recipe_find(train, "optimizer");
    if (!optimizer || clade_yaml_kind_of(optimizer) != CLADE_YAML_MAP) return CLADE_OK;
    const clade_yaml *options = clade_yaml_item(optimizer, 0);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const clade_yaml *list = clade_recipe_find(options, keys[k]);
        const bool single = list && clade_yaml_kind_of(list) == CLADE_YAML_SCALAR;
        const size_t count = single ? 1 : clade_recipe_count(list);
        for (size_t i = 0; i < count; i++) {
            const clade_yaml *node = single ? list : clade_yaml_item(list, i);
            const char *word = clade_yaml_kind_of(list) == CLADE_YAML_MAP ? clade_yaml_key(list, i)
                                                                          : clade_yaml_text(node);
            if (!is_there(graph, word))
                return clade_yaml_fail(node, CLADE_EINVAL,
                                       "%s: expected part of a parameter's name, such as 'conv/' "
                                       "or 'bias'; none contains '%s'",
                                       keys[k], clade_yaml_quote(word).text);
        }
    }
    return CLADE_OK;
}
