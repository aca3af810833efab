/* Recipes: reading them from files, text and the built-in table, edits, and checks of the whole. */

#include "recipe/recipe.h"
#include "recipe/tune.h"
#include "recipe/yaml_node.h"

#include "base/file.h"
#include "nn/layer.h"

#include <clade/backbone.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const sections[] = {"name", "input", "augment", "backbone", "vars", "model",
                                       "data", "train", "tune",    "compare",  NULL};

/* --- edits --- */

/* Turns `optimizer: adam` into `optimizer: {adam: {}}`, so that an edit can reach into it; with
 * `make`, a missing optimizer becomes Keras' default. Unknown names are left for the reader to
 * report. */
static clade_status open_optimizer(clade_yaml *root, bool make)
{
    clade_yaml *train = clade_yaml_find(root, "train");
    if (!train || clade_yaml_kind_of(train) != CLADE_YAML_MAP) return CLADE_OK;
    const clade_yaml *optimizer = clade_recipe_find(train, "optimizer");
    if (!optimizer && !make) return CLADE_OK;
    const char *word =
        optimizer ? clade_yaml_text(optimizer) : clade_recipe_optimizers[CLADE_RMSPROP];
    size_t kind = 0;
    while (word && clade_recipe_optimizers[kind] && strcmp(word, clade_recipe_optimizers[kind]))
        kind++;
    if (!word || !clade_recipe_optimizers[kind]) return CLADE_OK;
    clade_yaml *map = clade_yaml_create(CLADE_YAML_MAP);
    if (!map) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    clade_status status =
        clade_yaml_put(map, clade_recipe_optimizers[kind], clade_yaml_create(CLADE_YAML_MAP));
    if (!status) return clade_yaml_put(train, "optimizer", map);
    clade_yaml_destroy(&map);
    return status;
}

/* Applies an edit with `prefix` before its path. */
static clade_status assign_below(clade_yaml *root, const char *prefix, const char *edit)
{
    char *full = clade_string_join(prefix, edit);
    if (!full) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    clade_status status = clade_yaml_assign(root, full);
    free(full);
    return status;
}

static bool is_variable(const clade_yaml *root, const char *edit, size_t length)
{
    const clade_yaml *vars = clade_recipe_find(root, "vars");
    for (size_t i = 0; vars && i < clade_yaml_count(vars); i++)
        if (strlen(clade_yaml_key(vars, i)) == length &&
            !strncmp(clade_yaml_key(vars, i), edit, length))
            return true;
    return false;
}

/* Returns whether an edit is "early_stopping=5" on a recipe that has other options of it, which
 * must stay. */
static bool is_patience(const clade_yaml *root, const char *edit)
{
    static const char key[] = "early_stopping=";
    const clade_yaml *train = clade_recipe_find(root, "train");
    const clade_yaml *node = train ? clade_recipe_find(train, "early_stopping") : NULL;
    return node && clade_yaml_kind_of(node) == CLADE_YAML_MAP &&
           !strncmp(edit, key, sizeof key - 1) && !strchr(edit, '{');
}

/* Applies an edit: "lr=0.1" → "train.optimizer.adam.lr=0.1", "epochs=3" → "train.epochs=3", a
 * variable's name → "vars.name", others unchanged. */
static clade_status assign(clade_yaml *root, const char *edit)
{
    size_t length = strcspn(edit, ".="), size = strlen(edit) + 128;
    bool rate = length == 2 && !strncmp(edit, "lr=", 3), training = false;
    if (is_variable(root, edit, length)) return assign_below(root, "vars.", edit);
    clade_status status = open_optimizer(root, rate);
    if (status) return status;
    const clade_yaml *optimizer = clade_recipe_find(clade_recipe_find(root, "train"), "optimizer");
    if (rate && clade_yaml_kind_of(optimizer) == CLADE_YAML_MAP &&
        clade_yaml_count(optimizer) == 1) {
        char *full = malloc(size + strlen(clade_yaml_key(optimizer, 0)));
        if (!full) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
        sprintf(full, "train.optimizer.%s.%s", clade_yaml_key(optimizer, 0), edit);
        status = clade_yaml_assign(root, full);
        free(full);
        return status;
    }
    const char *below = strncmp(edit, "train.", 6) ? edit : edit + 6;
    if (is_patience(root, below))
        return assign_below(root, "train.early_stopping.patience=", strchr(below, '=') + 1);
    for (const char *const *key = clade_recipe_training_keys; *key && !training; key++)
        training = strlen(*key) == length && !strncmp(*key, edit, length);
    return training ? assign_below(root, "train.", edit) : clade_yaml_assign(root, edit);
}

/* --- the whole --- */

static clade_status read_name(clade_recipe *recipe, const char *source)
{
    const char *name = NULL;
    clade_status status = clade_yaml_get_text(recipe->root, "name", &name);
    if (status) return status;
    recipe->name = name ? clade_string_join(name, "") : clade_recipe_stem(source);
    if (!recipe->name) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    return name ? CLADE_OK
                : clade_yaml_put(recipe->root, "name", clade_yaml_create_text(recipe->name));
}

/* Writes the default interpolation into the recipe, so that the saved text keeps its meaning
 * whatever the default becomes. A stored recipe without it is from before bilinear existed:
 * nearest. */
static clade_status settle_interpolation(clade_yaml *root, bool stored)
{
    clade_yaml *input = clade_yaml_find(root, "input");
    if (!input || clade_yaml_kind_of(input) != CLADE_YAML_MAP ||
        clade_yaml_find(input, "interpolation"))
        return CLADE_OK;
    clade_interpolation missing = stored ? CLADE_NEAREST : CLADE_BILINEAR;
    return clade_yaml_put(input, "interpolation",
                          clade_yaml_create_text(clade_interpolation_words[missing]));
}

/* Likewise for the operations that a policy draws: all; in a `stored` recipe without them, all
 * those that existed then, without sharpness and equalize. */
static clade_status settle_policy(clade_yaml *root, bool stored)
{
    clade_yaml *augment = clade_yaml_find(root, "augment");
    if (!augment || clade_yaml_kind_of(augment) != CLADE_YAML_MAP ||
        clade_yaml_find(augment, "policy_ops") ||
        (!clade_recipe_find(augment, "rand_augment") &&
         !clade_recipe_find(augment, "trivial_augment")))
        return CLADE_OK;
    if (!stored) return clade_yaml_put(augment, "policy_ops", clade_yaml_create_text("all"));
    clade_yaml *list = clade_yaml_create(CLADE_YAML_LIST);
    clade_status status = list ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    for (int i = 0; i < CLADE_POLICY_OPS && !status; i++)
        if (i != CLADE_POLICY_SHARPNESS && i != CLADE_POLICY_EQUALIZE)
            status = clade_yaml_append(
                list, clade_yaml_create_text(clade_policy_op_name((clade_policy_op)i)));
    if (!status) return clade_yaml_put(augment, "policy_ops", list);
    clade_yaml_destroy(&list);
    return status;
}

static clade_status understand(clade_recipe *recipe, const char *source)
{
    clade_yaml *root = recipe->root;
    size_t size;
    clade_status status = clade_recipe_check_keys(root, "a recipe", sections);
    if (!status) status = read_name(recipe, source);
    if (!status) status = settle_interpolation(root, false);
    if (!status) status = settle_policy(root, false);
    if (!status) status = clade_recipe_read_tuning(recipe);
    if (!status) status = clade_yaml_emit(root, &recipe->source, &size);
    if (!status) status = clade_recipe_expand(root);
    if (!status) status = clade_yaml_require(root, "model", &recipe->model);
    if (!status) status = clade_yaml_expect(recipe->model, "model", CLADE_YAML_LIST);
    if (!status) status = clade_recipe_read_input(recipe, clade_recipe_find(root, "input"));
    if (!status) status = clade_recipe_check_compare(recipe);
    if (!status) status = clade_recipe_read_backbone(recipe, clade_yaml_find(root, "backbone"));
    if (!status) status = clade_recipe_read_augment(recipe, clade_recipe_find(root, "augment"));
    if (!status) status = clade_recipe_read_data(recipe, clade_recipe_find(root, "data"));
    if (!status) status = clade_recipe_read_training(recipe, clade_recipe_find(root, "train"));
    if (status) return status;
    if (!clade_recipe_is_open(recipe)) {
        clade_graph *graph; /* so that a mistake in a layer is found now */
        status = clade_recipe_graph(recipe, 0, &graph);
        if (status) return status;
        if (!recipe->written_before) status = clade_recipe_check_parameter_names(recipe, graph);
        clade_graph_destroy(&graph);
        if (status) return status;
        if (recipe->transfer.unfreeze) status = clade_recipe_unfrozen_graph(recipe, 0, &graph);
        if (status) return status;
        clade_graph_destroy(&graph);
    }
    return clade_yaml_emit(root, &recipe->text, &size);
}

/* The origin of a recipe. */
typedef enum clade_recipe_origin {
    CLADE_RECIPE_NEW,  /* text of a user */
    CLADE_RECIPE_RUN,  /* a run folder or a study */
    CLADE_RECIPE_MODEL /* a model */
} clade_recipe_origin;

/* Applies the edits and makes the recipe; takes over the tree. */
static clade_status edit_and_make(clade_yaml *root, const char *source, const char *const *sets,
                                  size_t set_count, clade_recipe_origin origin, clade_recipe **out)
{
    clade_recipe *recipe = calloc(1, sizeof *recipe);
    if (!recipe) {
        clade_yaml_destroy(&root);
        return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    }
    recipe->root = root;
    recipe->saved = origin == CLADE_RECIPE_MODEL;
    recipe->written_before = origin != CLADE_RECIPE_NEW;
    clade_status status = CLADE_OK;
    if (clade_yaml_kind_of(root) != CLADE_YAML_MAP)
        status = clade_fail(CLADE_EINVAL,
                            "%s: expected a recipe, with the keys input, model and train", source);
    else if (recipe->written_before) { /* before the edits, which follow today's defaults */
        status = settle_interpolation(root, true);
        if (!status) status = settle_policy(root, true);
    }
    for (size_t i = 0; i < set_count && !status; i++) status = assign(root, sets[i]);
    if (!status) status = understand(recipe, source);
    if (status)
        clade_recipe_destroy(&recipe);
    else
        *out = recipe;
    return status;
}

clade_status clade_recipe_make(clade_yaml *root, const char *source, clade_recipe **out)
{
    return edit_and_make(root, source, NULL, 0, CLADE_RECIPE_NEW, out);
}

clade_status clade_recipe_parse_edited(const char *text, const char *name, const char *const *sets,
                                       size_t set_count, clade_recipe **out)
{
    clade_yaml *root;
    clade_status status = clade_yaml_parse(text, strlen(text), name, &root);
    return status ? status : edit_and_make(root, name, sets, set_count, CLADE_RECIPE_NEW, out);
}

clade_status clade_recipe_parse(const char *text, const char *name, clade_recipe **out)
{
    if (!text || !out) return clade_fail(CLADE_EINVAL, "no text of a recipe");
    *out = NULL;
    return clade_recipe_parse_edited(text, name ? name : "recipe", NULL, 0, out);
}

clade_status clade_recipe_parse_saved(const char *text, const char *name, clade_recipe **out)
{
    *out = NULL;
    clade_yaml *root;
    clade_status status = clade_yaml_parse(text, strlen(text), name, &root);
    return status ? status : edit_and_make(root, name, NULL, 0, CLADE_RECIPE_MODEL, out);
}

static clade_status read_built_in(const clade_built_in_recipe *built_in, const char *const *sets,
                                  size_t set_count, clade_recipe **out)
{
    size_t size = 1;
    for (const char *const *line = built_in->lines; *line; line++) size += strlen(*line);
    char *text = malloc(size), *end = text;
    if (!text) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    for (const char *const *line = built_in->lines; *line; line++) {
        size_t n = strlen(*line);
        memcpy(end, *line, n);
        end += n;
    }
    *end = 0;
    clade_status status = clade_recipe_parse_edited(text, built_in->name, sets, set_count, out);
    free(text);
    return status;
}

const char *const *clade_recipe_lines(const char *name)
{
    const clade_built_in_recipe *r = clade_built_in_recipes;
    while (r->name && strcmp(r->name, name)) r++;
    return r->name ? r->lines : NULL;
}

static bool looks_like_file(const char *name)
{
    const char *dot = strrchr(name, '.');
    return strchr(name, '/') || (dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml")));
}

static clade_status fail_unknown(const char *name)
{
    char list[512] = "";
    for (const char *const *backbone = clade_backbone_names(); *backbone; backbone++)
        if (!strcmp(*backbone, name))
            return clade_fail(
                CLADE_EIO, "%s: a backbone, not a recipe; use `clade train --data DIR --model %s`",
                name, name);
    const char *const *names = clade_recipe_names();
    size_t count = clade_recipe_count_words(names), n = 0;
    for (size_t i = 0; i < count && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", names[i]);
    const char *nearest = clade_yaml_nearest(name, names, count);
    return clade_fail(
        CLADE_EIO, "%s: no such file, and no recipe of that name%s%s%s; the recipes are: %s", name,
        nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "", list);
}

clade_status clade_recipe_read(const char *file_or_name, const char *const *sets, size_t set_count,
                               clade_recipe **out)
{
    if (!file_or_name || !out || (set_count && !sets))
        return clade_fail(CLADE_EINVAL, "no name of a recipe");
    *out = NULL;
    for (const clade_built_in_recipe *r = clade_built_in_recipes;
         r->name && !looks_like_file(file_or_name); r++)
        if (!strcmp(r->name, file_or_name)) return read_built_in(r, sets, set_count, out);
    clade_yaml *root;
    bool there;
    clade_status status = clade_file_exists(file_or_name, &there);
    if (status) return status;
    if (!there && !looks_like_file(file_or_name)) return fail_unknown(file_or_name);
    status = clade_yaml_read(file_or_name, &root);
    return status ? status
                  : edit_and_make(root, file_or_name, sets, set_count, CLADE_RECIPE_NEW, out);
}

clade_status clade_recipe_read_again(const char *file, const char *const *sets, size_t set_count,
                                     clade_recipe **out)
{
    if (!file || !out || (set_count && !sets))
        return clade_fail(CLADE_EINVAL, "no name of a recipe");
    *out = NULL;
    clade_yaml *root;
    clade_status status = clade_yaml_read(file, &root);
    return status ? status : edit_and_make(root, file, sets, set_count, CLADE_RECIPE_RUN, out);
}

void clade_recipe_destroy(clade_recipe **handle)
{
    clade_recipe *recipe = *handle;
    if (!recipe) return;
    clade_yaml_destroy(&recipe->root);
    free(recipe->name);
    free(recipe->text);
    free(recipe->source);
    clade_tuning_clear(&recipe->tuning);
    free(recipe->class_weight);
    free(recipe->decay_exclude);
    free(recipe->no_muon);
    free(recipe->lr_scale);
    free(recipe->backbone_rate);
    free(recipe);
    *handle = NULL;
}

const char *clade_recipe_name(const clade_recipe *recipe) { return recipe->name; }
const char *clade_recipe_text(const clade_recipe *recipe) { return recipe->text; }

const clade_preprocessing *clade_recipe_preprocessing(const clade_recipe *recipe)
{
    return &recipe->preprocessing;
}

const clade_augment *clade_recipe_augment(const clade_recipe *recipe) { return &recipe->augment; }
const clade_training *clade_recipe_training(const clade_recipe *recipe)
{
    return &recipe->training;
}
const clade_data_options *clade_recipe_data(const clade_recipe *recipe) { return &recipe->data; }
