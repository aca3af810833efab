/* The section of a recipe that lists backbones to compare. */
#include "recipe/recipe.h"

size_t clade_recipe_alternatives(const clade_recipe *recipe)
{
    return clade_recipe_count(clade_recipe_find(recipe->root, "compare"));
}

clade_status clade_recipe_check_compare(const clade_recipe *recipe)
{
    const clade_yaml *list = clade_recipe_find(recipe->root, "compare");
    clade_status status = list ? clade_yaml_expect(list, "compare", CLADE_YAML_LIST) : CLADE_OK;
    for (size_t i = 0; i < clade_recipe_count(list) && !status; i++) {
        const clade_yaml *entry = clade_yaml_item(list, i);
        if (!clade_yaml_text(entry) && clade_yaml_kind_of(entry) != CLADE_YAML_MAP)
            status = clade_yaml_fail(entry, CLADE_EINVAL,
                                     "compare: expected the name of a backbone, or a map of "
                                     "backbone's keys");
    }
    return status;
}
