/* The recipes that a section `compare` expands to: one for each backbone. */
#include "recipe/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clade_status put_copy(clade_yaml *map, const char *key, const clade_yaml *value)
{
    clade_yaml *copy;
    clade_status status = clade_yaml_copy(value, &copy);
    return status ? status : clade_yaml_put(map, key, copy);
}

/* Copies a map without some of its keys. */
static clade_status copy_without(const clade_yaml *map, const char *const *keys, clade_yaml **out)
{
    clade_status status = CLADE_OK;
    *out = clade_yaml_create(CLADE_YAML_MAP);
    if (!*out) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    for (size_t i = 0; i < clade_recipe_count(map) && !status; i++) {
        bool left_out = false;
        for (const char *const *key = keys; *key; key++)
            left_out = left_out || !strcmp(*key, clade_yaml_key(map, i));
        if (!left_out) status = put_copy(*out, clade_yaml_key(map, i), clade_yaml_item(map, i));
    }
    if (status) clade_yaml_destroy(out);
    return status;
}

/* Merges an entry's keys into the section backbone. An entry that names a backbone replaces the
 * section's, and other weights determine the form anew. */
static clade_status merge(const clade_yaml *section, const clade_yaml *entry, clade_yaml **out)
{
    static const char *const none[] = {NULL}, *const form[] = {"form", NULL};
    static const char *const which[] = {"name",   "file",   "weights", "form",
                                        "layers", "output", NULL};
    bool other = clade_yaml_text(entry) || clade_recipe_find(entry, "name") ||
                 clade_recipe_find(entry, "file");
    if (section && clade_yaml_kind_of(section) != CLADE_YAML_MAP) section = NULL;
    clade_status status = copy_without(section,
                                       other                                 ? which
                                       : clade_recipe_find(entry, "weights") ? form
                                                                             : none,
                                       out);
    if (!status && clade_yaml_text(entry)) status = put_copy(*out, "name", entry);
    for (size_t i = 0; i < clade_recipe_count(entry) && !status; i++)
        if (strcmp(clade_yaml_key(entry, i), "label") != 0)
            status = put_copy(*out, clade_yaml_key(entry, i), clade_yaml_item(entry, i));
    if (status) clade_yaml_destroy(out);
    return status;
}

void clade_recipe_label(const clade_recipe *recipe, size_t i, char *text, size_t size)
{
    const clade_yaml *entry = clade_yaml_item(clade_recipe_find(recipe->root, "compare"), i);
    const clade_yaml *node = clade_yaml_text(entry) ? entry : clade_recipe_find(entry, "label");
    if (!node) node = clade_recipe_find(entry, "name");
    const clade_yaml *file = node ? NULL : clade_recipe_find(entry, "file");
    if (!node && !file) node = clade_recipe_find(recipe->backbone, "name");
    char *stem = file && clade_yaml_text(file) ? clade_recipe_stem(clade_yaml_text(file)) : NULL;
    const char *label = stem ? stem : node ? clade_yaml_text(node) : NULL;
    snprintf(text, size, "%s", label && *label ? label : "backbone");
    free(stem);
}

clade_status clade_recipe_alternative(const clade_recipe *recipe, size_t i, clade_recipe **out)
{
    static const char *const left_out[] = {"compare", "backbone", "name", NULL};
    const clade_yaml *list = clade_recipe_find(recipe->root, "compare");
    if (!out || i >= clade_recipe_count(list))
        return clade_fail(CLADE_EINVAL, "the recipe has no backbone %zu to compare", i);
    const clade_yaml *entry = clade_yaml_item(list, i);
    clade_yaml *root = NULL, *backbone = NULL;
    char label[128];
    *out = NULL;
    clade_status status = merge(recipe->backbone, entry, &backbone);
    clade_recipe_label(recipe, i, label, sizeof label);
    if (!status) status = copy_without(recipe->root, left_out, &root);
    if (!status) status = clade_yaml_put(root, "name", clade_yaml_create_text(label));
    if (!status) {
        status = clade_yaml_put(root, "backbone", backbone);
        backbone = NULL;
    }
    if (!status) {
        status = clade_recipe_make(root, label, out);
        root = NULL;
    }
    clade_yaml_destroy(&backbone);
    clade_yaml_destroy(&root);
    return status;
}
