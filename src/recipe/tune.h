/* The section `tune` after reading; part of a recipe. */
#ifndef CLADE_RECIPE_TUNE_H
#define CLADE_RECIPE_TUNE_H

#include "recipe/recipe.h"

/* Reads the section `tune` of the tree, if there is one. EINVAL with file, line and key. */
clade_status clade_recipe_read_tuning(clade_recipe *recipe);
void clade_tuning_clear(clade_tuning *tuning);

/* Parses a recipe with edits, like clade_recipe_read. */
clade_status clade_recipe_parse_edited(const char *text, const char *name, const char *const *sets,
                                       size_t set_count, clade_recipe **out);

#endif
