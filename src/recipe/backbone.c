/* The section backbone: which backbone, what is trained of it, and its weights. */
#define _XOPEN_SOURCE 700
#include "weights/backbone.h"
#include "weights/file.h"
#include "recipe/recipe.h"
#include "recipe/yaml_node.h"
#include "nn/backbone.h"
#include "nn/graph.h"

#include <clade/pretrained.h>

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The section's values; texts belong to its nodes. */
typedef struct section {
    const char *name, *file, *weights, *output, *first, *from;
    const clade_yaml *first_node, *output_node, *from_node, *layers;
    bool all, average, top, train_norm, keras;
    int32_t unfreeze;
    float lr_scale, layer_decay, stochastic_depth;
} section;

static const char *const poolings[] = {"none", "avg", NULL};
static const char *const norms[] = {"frozen", "train", NULL};
static const char *const forms[] = {"torch", "keras", NULL};
enum { FROM_FILE, IMAGENET, FROM_INPUT = 4 };
static const char *const preprocessings[] = {"file", "imagenet", "caffe", "tf", "input", NULL};

/* --- reading --- */

/* Reads `all`, `none`, or `until LAYER`: the layers before that one. */
static clade_status read_freeze(const clade_yaml *map, section *s)
{
    static const char until[] = "until ";
    const clade_yaml *node = clade_recipe_find(map, "freeze");
    s->all = true;
    if (!node) return CLADE_OK;
    const char *text;
    clade_status status = clade_yaml_as_text(node, "freeze", &text);
    if (status || !strcmp(text, "all")) return status;
    s->all = false;
    if (!strcmp(text, "none")) return CLADE_OK;
    if (strncmp(text, until, sizeof until - 1) || !text[sizeof until - 1])
        return clade_yaml_fail(node, CLADE_EINVAL,
                               "freeze: expected all, none or 'until LAYER', found '%s'",
                               clade_yaml_quote(text).text);
    s->first = text + sizeof until - 1;
    s->first_node = node;
    return CLADE_OK;
}

/* Reads an epoch, or {epoch: N, from: LAYER}. */
static clade_status read_unfreeze(const clade_yaml *map, section *s)
{
    static const char *const keys[] = {"epoch", "from", NULL};
    const clade_yaml *node = clade_recipe_find(map, "unfreeze");
    if (!node) return CLADE_OK;
    s->from_node = node;
    clade_status status = CLADE_OK;
    const clade_yaml *epoch = node;
    if (clade_yaml_kind_of(node) == CLADE_YAML_MAP) {
        status = clade_recipe_check_keys(node, "unfreeze", keys);
        if (!status) status = clade_yaml_require(node, "epoch", &epoch);
        if (!status) status = clade_yaml_get_text(node, "from", &s->from);
    }
    int64_t value = 0;
    if (!status) status = clade_yaml_as_int(epoch, "epoch", 2, INT32_MAX, &value);
    s->unfreeze = (int32_t)value;
    return status;
}

static clade_status read_section(const clade_yaml *map, section *s)
{
    *s = (section){0};
    size_t pooling = 0, norm = 0, form = 0;
    double scale = 1, decay = 1, depth = 0;
    clade_status status = clade_yaml_get_text(map, "name", &s->name);
    if (!status) status = clade_yaml_get_text(map, "file", &s->file);
    if (!status) status = clade_yaml_get_text(map, "weights", &s->weights);
    if (!status) status = clade_yaml_get_text(map, "output", &s->output);
    if (!status) status = clade_yaml_get_node(map, "layers", CLADE_YAML_LIST, &s->layers);
    if (!status) status = clade_yaml_get_word(map, "pooling", poolings, 2, &pooling);
    if (!status) status = clade_yaml_get_word(map, "bn", norms, 2, &norm);
    if (!status) status = clade_yaml_get_word(map, "form", forms, 2, &form);
    if (!status) status = clade_yaml_get_bool(map, "include_top", &s->top);
    if (!status) status = clade_yaml_get_number(map, "lr_scale", CLADE_YAML_POSITIVE, &scale);
    if (!status) status = clade_yaml_get_number(map, "layer_decay", CLADE_YAML_FRACTION, &decay);
    if (!status) status = clade_yaml_get_number(map, "stochastic_depth", CLADE_YAML_RATE, &depth);
    if (!status) status = read_freeze(map, s);
    if (!status) status = read_unfreeze(map, s);
    s->output_node = clade_recipe_find(map, "output");
    s->average = pooling == 1;
    s->train_norm = norm == 1;
    s->keras = form == 1;
    s->lr_scale = (float)scale;
    s->layer_decay = (float)decay;
    s->stochastic_depth = (float)depth;
    return status;
}

/* Returns whether weights are to be found in the caches: Keras' word for that, and
 * torchvision's. */
static bool is_pretrained(const char *weights)
{
    return !strcmp(weights, "pretrained") || !strcmp(weights, "imagenet");
}

static bool is_random(const section *s) { return !s->weights || !strcmp(s->weights, "random"); }

/* --- the graph --- */

/* Returns whether the word names this layer, or a module that contains it ("layer4" of
 * "layer4.0.conv1"). */
static bool is_part(const char *name, const char *word)
{
    size_t n = strlen(word);
    return !strncmp(name, word, n) && (!name[n] || strchr("./_", name[n]));
}

/* Finds the first or the last layer that the word names. A layer of exactly that name wins, except
 * for the first layer of a module whose last layer has the module's name. */
static clade_status find_layer(const clade_graph *graph, const clade_yaml *node, const char *key,
                               const char *word, bool last, int32_t *out)
{
    int32_t found = 0;
    for (int32_t i = 1; i < graph->count; i++)
        if (is_part(graph->node[i].layer.name, word) && (last || !found)) found = i;
    for (int32_t i = 1; i < graph->count; i++)
        if (!strcmp(graph->node[i].layer.name, word) &&
            (last || graph->node[found].layer.name[strlen(word)] != '.'))
            found = i;
    *out = found;
    if (found) return CLADE_OK;
    const char **names = malloc((size_t)graph->count * sizeof *names);
    if (!names) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    for (int32_t i = 0; i < graph->count; i++) names[i] = graph->node[i].layer.name;
    const char *nearest = clade_yaml_nearest(word, names, (size_t)graph->count);
    clade_status status =
        clade_yaml_fail(node, CLADE_EINVAL, "%s: the backbone has no layer '%s'%s%s%s", key,
                        clade_yaml_quote(word).text, nearest ? "; did you mean '" : "",
                        nearest ? nearest : "", nearest ? "'?" : "");
    free(names);
    return status;
}

/* Builds the backbone's own graph, complete. */
static clade_status make_source(const clade_recipe *recipe, const section *s, clade_graph **out)
{
    enum { classes = 1000 };
    const clade_preprocessing *p = &recipe->preprocessing;
    clade_status status;
    if (s->layers) {
        status = clade_graph_create(p->height, p->width, p->channels, out);
        return status ? status : clade_recipe_add_layers(s->layers, 0, *out);
    }
    const clade_backbone_options options = {.height = p->height,
                                            .width = p->width,
                                            .channels = p->channels,
                                            .classes = s->top ? classes : 0,
                                            .keras = s->keras,
                                            .stochastic_depth = s->stochastic_depth};
    status = clade_backbone_create(s->name, &options, out);
    return status ? clade_yaml_fail(recipe->backbone, status, "backbone: %s", clade_error())
                  : status;
}

/* Marks the layers that lead to `last`. */
static void find_needed(const clade_graph *graph, int32_t last, bool *needed)
{
    needed[last] = true;
    for (int32_t i = last; i > 0; i--)
        for (int32_t k = 0; needed[i] && k < graph->node[i].layer.input_count; k++)
            needed[graph->node[i].layer.input[k]] = true;
}

/* Finds the layer with which training begins: layers before it are frozen. */
static clade_status find_first(const clade_graph *source, const section *s, bool unfrozen,
                               int32_t *first)
{
    clade_status status = CLADE_OK;
    *first = s->all ? source->count : 1;
    if (s->first) status = find_layer(source, s->first_node, "freeze", s->first, false, first);
    if (status || !unfrozen) return status;
    int32_t from = 1;
    if (s->from) status = find_layer(source, s->from_node, "unfreeze.from", s->from, false, &from);
    if (!status && from >= *first)
        status = clade_yaml_fail(s->from_node, CLADE_EINVAL,
                                 "unfreeze: no further layers to train from there on");
    *first = from;
    return status;
}

/* Copies the needed layers of the source into the graph, frozen as the section says. */
static clade_status copy_layers(const clade_graph *source, const section *s, int32_t last,
                                int32_t first, clade_graph *graph)
{
    int32_t *number = calloc((size_t)source->count, sizeof *number);
    bool *needed = calloc((size_t)source->count, sizeof *needed);
    clade_status status =
        number && needed ? CLADE_OK : clade_fail(CLADE_ENOMEM, "out of memory for a graph");
    if (!status) find_needed(source, last, needed);
    for (int32_t i = 1; i <= last && !status; i++) {
        if (!needed[i]) continue;
        clade_layer layer = source->node[i].layer;
        if (i < first) layer.frozen = true;
        if (i < first && layer.kind == CLADE_LAYER_STOCHASTIC_DEPTH) layer.as.dropout.rate = 0;
        if (layer.kind == CLADE_LAYER_BATCHNORM && !s->train_norm) layer.as.batchnorm.frozen = true;
        for (int32_t k = 0; k < layer.input_count; k++) layer.input[k] = number[layer.input[k]];
        status = clade_graph_add(graph, &layer, &number[i]);
    }
    free(number);
    free(needed);
    return status;
}

clade_status clade_recipe_add_backbone(const clade_recipe *recipe, bool unfrozen,
                                       clade_graph *graph)
{
    section s;
    clade_graph *source = NULL;
    int32_t last = 0, first = 0;
    clade_status status = read_section(recipe->backbone, &s);
    if (!status) status = make_source(recipe, &s, &source);
    if (!status) last = source->count - 1;
    if (!status && s.output)
        status = find_layer(source, s.output_node, "output", s.output, true, &last);
    if (!status) status = find_first(source, &s, unfrozen, &first);
    if (!status) status = copy_layers(source, &s, last, first, graph);
    if (!status && s.average && source->node[last].rank == 3) {
        const clade_layer average = {.kind = CLADE_LAYER_GLOBAL_AVGPOOL2D};
        status = clade_graph_add(graph, &average, NULL);
    }
    clade_graph_destroy(&source);
    return status;
}

/* --- preprocessing --- */

static clade_status read_preprocessing(clade_recipe *recipe, const section *s)
{
    const clade_yaml *node = clade_recipe_find(recipe->backbone, "preprocessing");
    const clade_yaml *input = clade_recipe_find(recipe->root, "input");
    bool said = clade_recipe_find(input, "rescale") || clade_recipe_find(input, "mean") ||
                clade_recipe_find(input, "std");
    size_t word = said ? FROM_INPUT : FROM_FILE;
    if (node) {
        clade_status status = clade_yaml_as_word(node, "preprocessing", preprocessings, 5, &word);
        if (status) return status;
        if (said && word != FROM_INPUT)
            return clade_yaml_fail(node, CLADE_EINVAL,
                                   "preprocessing: the section input also sets rescale, mean or "
                                   "std; expected only one");
    }
    if (word == FROM_FILE && recipe->preprocessing.channels != 3) word = FROM_INPUT;
    const char *name = word == FROM_FILE && s->name
                           ? clade_backbone_preprocessing(s->name, s->keras)
                           : preprocessings[word == FROM_FILE ? IMAGENET : word];
    if (word != FROM_INPUT && recipe->preprocessing.channels != 3)
        return clade_yaml_fail(node, CLADE_EINVAL, "preprocessing: %s is for 3 channels, not %d",
                               name, recipe->preprocessing.channels);
    if (word == FROM_INPUT) return CLADE_OK;
    return clade_preprocessing_choose(name, &recipe->preprocessing);
}

/* --- the section --- */

static clade_status fail_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
}

/* Makes the path under the key absolute, if the file exists: a run may continue in another
 * folder. */
static clade_status fix_path(const clade_recipe *recipe, clade_yaml *backbone, const char *key)
{
    if (recipe->saved) return CLADE_OK;
    const clade_yaml *node = clade_recipe_find(backbone, key);
    const char *text = node ? clade_yaml_text(node) : NULL;
    if (!text || !strcmp(text, "random")) return CLADE_OK;
    char *full = realpath(text, NULL);
    if (!full) return CLADE_OK;
    clade_status status = CLADE_OK;
    if (strcmp(full, text)) status = clade_yaml_put(backbone, key, clade_yaml_create_text(full));
    free(full);
    return status;
}

/* Replaces pretrained weights that are found by their path, as if it had been given. */
static clade_status find_pretrained(const clade_recipe *recipe, clade_yaml *backbone)
{
    if (recipe->saved) return CLADE_OK;
    const clade_yaml *weights = clade_recipe_find(backbone, "weights");
    const clade_yaml *name = clade_recipe_find(backbone, "name");
    const char *word = weights ? clade_yaml_text(weights) : NULL;
    char *path = NULL;
    if (!word || !is_pretrained(word) || !name || !clade_yaml_text(name)) return CLADE_OK;
    clade_status status = clade_pretrained_find_any(clade_yaml_text(name), &path);
    if (path) status = clade_yaml_put(backbone, "weights", clade_yaml_create_text(path));
    free(path);
    return status;
}

/* Builds the layers in the form of the weights they get: the file's form is stored under a key. A
 * saved recipe has the key, or is older than the key; it opens no file, whose name says enough. */
static clade_status find_form(const clade_recipe *recipe, clade_yaml *backbone)
{
    const clade_yaml *weights = clade_recipe_find(backbone, "weights");
    const char *path = weights ? clade_yaml_text(weights) : NULL;
    if (!path || clade_recipe_find(backbone, "form")) return CLADE_OK;
    const bool keras =
        recipe->saved ? clade_weight_file_is_named_keras(path) : clade_weight_file_is_keras(path);
    return keras ? clade_yaml_put(backbone, "form", clade_yaml_create_text("keras")) : CLADE_OK;
}

static clade_status check(const clade_recipe *recipe, const section *s)
{
    const clade_yaml *node = recipe->backbone;
    if (s->name && s->file)
        return clade_yaml_fail(node, CLADE_EINVAL,
                               "backbone: has both 'name' and 'file'; expected only one (the "
                               "weights of a named backbone go under 'weights')");
    if (s->file && s->weights)
        return clade_yaml_fail(
            node, CLADE_EINVAL,
            "backbone: 'weights' requires 'name'; a file contains its own weights");
    if (s->file && s->top)
        return clade_yaml_fail(node, CLADE_EINVAL, "backbone: 'include_top' requires 'name'");
    const char *named = s->stochastic_depth > 0 ? "stochastic_depth"
                        : s->layer_decay < 1    ? "layer_decay"
                                                : NULL;
    if (!s->name && named)
        return clade_yaml_fail(clade_yaml_find(node, named), CLADE_EINVAL,
                               "backbone: '%s' requires 'name'", named);
    if (recipe->saved && s->file && !s->layers)
        return clade_yaml_fail(clade_yaml_find(node, "file"), CLADE_EINVAL,
                               "backbone: file: '%s' is outside the model; expected the key "
                               "'layers', as a saved model contains all of its layers",
                               clade_yaml_quote(s->file).text);
    if (!s->name && !s->file && !s->layers)
        return clade_yaml_fail(node, CLADE_EINVAL, "backbone: the key 'name' or 'file' is missing");
    if (!s->name) return CLADE_OK;
    const char *const *names = clade_backbone_names();
    size_t word;
    clade_status status = clade_yaml_as_word(clade_yaml_find(node, "name"), "backbone", names,
                                             clade_recipe_count_words(names), &word);
    if (status || is_random(s) || recipe->preprocessing.channels == 3) return status;
    return clade_yaml_fail(clade_yaml_find(node, "weights"), CLADE_EINVAL,
                           "weights: those of %s take 3 channels, but the section input says %d",
                           s->name, recipe->preprocessing.channels);
}

bool clade_recipe_is_open(const clade_recipe *recipe)
{
    const clade_yaml *map = recipe->backbone;
    return clade_recipe_count(clade_recipe_find(recipe->root, "compare")) > 0 &&
           !clade_recipe_find(map, "name") && !clade_recipe_find(map, "file");
}

/* Computes the layers' factors on the rate; with a decay, smaller the farther they are from the
 * head. */
static clade_status find_rates(clade_recipe *recipe, const section *s, const clade_graph *graph)
{
    const size_t layers = (size_t)recipe->transfer.layers;
    float *rate = calloc(layers, sizeof *rate);
    int32_t *depth = calloc(layers, sizeof *depth);
    recipe->backbone_rate = rate;
    recipe->transfer.lr_scale = rate;
    if (!rate || !depth) {
        free(depth);
        return fail_memory();
    }
    const int32_t blocks =
        s->name ? clade_backbone_find_depths(s->name, graph, (int32_t)layers, depth) : 0;
    for (size_t i = 0; i < layers; i++)
        rate[i] = s->layer_decay < 1
                      ? (float)((double)s->lr_scale *
                                pow((double)s->layer_decay, (double)(blocks + 1 - depth[i])))
                      : s->lr_scale;
    free(depth);
    return CLADE_OK;
}

/* Finds how many layers of the graph are the backbone's, and their rates. */
static clade_status find_layers(clade_recipe *recipe, const section *s)
{
    const clade_preprocessing *p = &recipe->preprocessing;
    clade_graph *graph;
    clade_status status = clade_graph_create(p->height, p->width, p->channels, &graph);
    if (status) return status;
    status = clade_recipe_add_backbone(recipe, false, graph);
    recipe->transfer.layers = clade_graph_layers(graph) - 1;
    if (!status) status = find_rates(recipe, s, graph);
    clade_graph_destroy(&graph);
    return status;
}

clade_status clade_recipe_read_backbone(clade_recipe *recipe, clade_yaml *backbone)
{
    static const char *const keys[] = {"name",        "file",     "weights",          "form",
                                       "output",      "layers",   "pooling",          "include_top",
                                       "freeze",      "bn",       "preprocessing",    "lr_scale",
                                       "layer_decay", "unfreeze", "stochastic_depth", NULL};
    recipe->transfer = (clade_transfer){0};
    if (!backbone || clade_yaml_kind_of(backbone) == CLADE_YAML_NULL) return CLADE_OK;
    section s;
    clade_status status = CLADE_OK;
    const char *word = clade_yaml_text(backbone);
    if (word) { /* backbone: resnet18 */
        clade_yaml *map = clade_yaml_create(CLADE_YAML_MAP);
        clade_yaml *name = NULL;
        status = clade_yaml_copy(backbone, &name);
        if (!status) status = map ? clade_yaml_put(map, "name", name) : fail_memory();
        if (!status) status = clade_yaml_put(recipe->root, "backbone", map);
        if (status) return status;
        backbone = clade_yaml_find(recipe->root, "backbone");
    }
    recipe->backbone = backbone;
    status = clade_recipe_check_keys(backbone, "backbone", keys);
    if (!status) status = find_pretrained(recipe, backbone);
    if (!status) status = fix_path(recipe, backbone, "weights");
    if (!status) status = fix_path(recipe, backbone, "file");
    if (!status) status = find_form(recipe, backbone);
    if (!status) status = read_section(backbone, &s);
    if (status || clade_recipe_is_open(recipe)) return status;
    status = check(recipe, &s);
    if (!status && s.file && !s.layers) {
        status = clade_recipe_spell_out(recipe, backbone, s.file);
        if (!status) status = read_section(backbone, &s);
    }
    if (!status) status = read_preprocessing(recipe, &s);
    if (!status) status = find_layers(recipe, &s);
    recipe->transfer.name = s.name ? s.name : s.file;
    recipe->transfer.weights = s.file ? s.file : is_random(&s) ? NULL : s.weights;
    recipe->transfer.unfreeze = s.unfreeze;
    return status;
}

const clade_transfer *clade_recipe_transfer(const clade_recipe *recipe)
{
    return &recipe->transfer;
}

/* --- weights --- */

static clade_status load_named(const clade_recipe *recipe, const section *s, clade_model *model)
{
    enum { classes = 1000 };
    const clade_preprocessing *p = &recipe->preprocessing;
    const clade_backbone_options options = {.height = p->height,
                                            .width = p->width,
                                            .channels = p->channels,
                                            .classes = s->top ? classes : 0,
                                            .keras = s->keras};
    clade_backbone_weights weights;
    clade_status status = clade_backbone_read_weights(s->name, &options, s->weights, &weights);
    if (!status) status = clade_recipe_load_weights(recipe, weights.weight, weights.count, model);
    clade_backbone_weights_clear(&weights);
    return status;
}

clade_status clade_recipe_load(const clade_recipe *recipe, clade_model *model)
{
    section s;
    if (!recipe->backbone) return CLADE_OK;
    clade_status status = read_section(recipe->backbone, &s);
    if (status) return status;
    if (!s.weights && !s.file && (s.all || s.first))
        return clade_yaml_fail(
            recipe->backbone, CLADE_EINVAL,
            "backbone: frozen layers of %s need trained weights: expected "
            "'weights: FILE' (or --set backbone.weights=FILE), 'weights: pretrained', "
            "'weights: random', or 'freeze: none'",
            s.name ? s.name : "the backbone");
    if (s.weights && is_pretrained(s.weights))
        return clade_yaml_fail(clade_yaml_find(recipe->backbone, "weights"), CLADE_EINVAL,
                               "backbone: weights: this machine has no pretrained weights of %s; "
                               "`clade weights fetch %s` downloads them",
                               s.name, s.name);
    if (s.file) status = clade_recipe_load_file(recipe, s.file, model);
    if (!s.file && !is_random(&s)) status = load_named(recipe, &s, model);
    if (!status) return CLADE_OK;
    const clade_yaml *node = clade_yaml_find(recipe->backbone, s.file ? "file" : "weights");
    return clade_yaml_fail(node, status, "backbone: %s", clade_error());
}
