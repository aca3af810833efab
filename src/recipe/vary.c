/* A recipe with other values of its search parameters. */
#include "recipe/recipe.h"
#include "recipe/tune.h"

#include "base/file.h"
#include "base/locale.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns the order of edits: an optimizer before its options, and its rate last. */
static int order_of(const char *name)
{
    int depth = 0;
    if (!strcmp(name, "lr") || !strcmp(name, "train.lr")) return 1000;
    for (; *name; name++) depth += *name == '.';
    return depth;
}

static char *edit_of(const clade_tunable *p, double value)
{
    CLADE_PLAIN_NUMBERS;
    char number[40];
    const char *text = number;
    if (p->kind == CLADE_TUNABLE_CHOICE)
        text = p->choices[(size_t)value];
    else if (p->kind == CLADE_TUNABLE_INTEGER)
        snprintf(number, sizeof number, "%" PRId64, (int64_t)value);
    else
        snprintf(number, sizeof number, "%.9g", value);
    char *start = clade_string_join(p->name, "=");
    char *edit = start ? clade_string_join(start, text) : NULL;
    free(start);
    return edit;
}

clade_status clade_recipe_vary(const clade_recipe *recipe, const double *values,
                               const char *const *sets, size_t set_count, clade_recipe **out)
{
    *out = NULL;
    const clade_tuning *tuning = &recipe->tuning;
    char *own[CLADE_MAX_TUNABLES];
    size_t count = 0;
    const char **edits = calloc(tuning->count + set_count + 1, sizeof *edits);
    clade_status status = edits ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    for (int order = 0; order <= 1000 && !status; order++)
        for (size_t i = 0; i < tuning->count && !status; i++) {
            const clade_tunable *p = &tuning->parameter[i];
            if (order_of(p->name) != order || isnan(values[i])) continue;
            own[count] = edit_of(p, values[i]);
            if (!own[count]) status = clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
            edits[count] = own[count];
            if (!status) count++;
        }
    for (size_t i = 0; i < set_count && !status; i++) edits[count + i] = sets[i];
    if (!status)
        status =
            clade_recipe_parse_edited(recipe->source, recipe->name, edits, count + set_count, out);
    for (size_t i = 0; i < count; i++) free(own[i]);
    free(edits);
    return status;
}

clade_status clade_recipe_check_tunables(const clade_recipe *recipe)
{
    const clade_tuning *tuning = &recipe->tuning;
    double values[CLADE_MAX_TUNABLES];
    for (size_t i = 0; i < tuning->count; i++) {
        const clade_tunable *p = &tuning->parameter[i];
        bool choice = p->kind == CLADE_TUNABLE_CHOICE, good = false;
        size_t tries = choice ? p->choice_count : 2;
        for (size_t k = 0; k < tries && !good; k++) {
            clade_recipe *made;
            for (size_t j = 0; j < tuning->count; j++) values[j] = NAN;
            values[i] = choice ? (double)k : k == 0 ? p->low : p->high;
            good = !clade_recipe_vary(recipe, values, NULL, 0, &made);
            if (good) clade_recipe_destroy(&made);
        }
        if (good) continue;
        if (strlen(clade_error()) == 0) return CLADE_EINVAL;
        return clade_yaml_fail(clade_yaml_item(tuning->node, i), CLADE_EINVAL,
                               "tune: no value of '%s' gives a valid recipe: %s", p->name,
                               clade_error());
    }
    return CLADE_OK;
}
