/* A recipe's backbone in a file of its own: its layers are spelled out in the recipe, its weights
 * read. */
#include "format/recipe.h"

#include <clade/interchange.h>

#include <string.h>

clade_status clade_recipe_spell_out(clade_recipe *recipe, clade_yaml *backbone, const char *file)
{
    (void)recipe;
    return clade_yaml_fail(backbone, CLADE_EUNSUPPORTED, "backbone: %s: nets in files cannot be read",
                           file);
}

/* Writes those weights that the model has. */
clade_status clade_recipe_load_weights(const clade_network_weight *weights, size_t count,
                                       clade_model *model)
{
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < clade_model_parameters(model); p++) {
            const clade_parameter *parameter = clade_model_parameter(model, p);
            if (strcmp(parameter->name, weights[i].name)) continue;
            clade_status status = clade_tensor_write(&parameter->value, weights[i].data);
            if (status) return clade_context(status, "%s", parameter->name);
        }
    return CLADE_OK;
}

clade_status clade_recipe_load_file(const clade_recipe *recipe, const char *file,
                                    clade_model *model)
{
    (void)model;
    return clade_yaml_fail(recipe->backbone, CLADE_EUNSUPPORTED,
                           "backbone: %s: nets in files cannot be read", file);
}
