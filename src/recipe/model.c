/* The section of a recipe that is the model: a list of layers, read into a graph. */
#include "recipe/recipe.h"
#include "recipe/yaml_node.h"

#include <stdio.h>
#include <string.h>

const char *const clade_recipe_initializers[] = {
    "default",       "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
    "lecun_uniform", "lecun_normal",   "zeros",         "ones",       NULL};
const char *const clade_recipe_paddings[] = {"valid", "same", NULL};

/* One entry of the list while it is read. */
typedef struct item {
    const clade_yaml *node;    /* for places in error texts */
    const clade_yaml *options; /* a map, or a plain value that stands for `main`; NULL: none */
    const struct layer_word *word;
    int32_t classes;
} item;

typedef struct layer_word {
    const char *word;
    clade_layer_kind kind;
    const char *main; /* the key that a plain value stands for, or NULL */
    clade_status (*read)(const item *it, clade_layer *layer); /* NULL: no options of its own */
    const char *keys[12];
    const char *alias[3]; /* Keras' other words for it */
} layer_word;

/* Keras' argument names that differ from ours. */
static const struct {
    const char *key, *alias;
} key_aliases[] = {
    {"kernel", "kernel_size"},      {"stride", "strides"},
    {"dilation", "dilation_rate"},  {"window", "pool_size"},
    {"init", "kernel_initializer"}, {"eps", "epsilon"},
    {"shape", "target_shape"},      {"multiplier", "depth_multiplier"},
};
enum { alias_count = sizeof key_aliases / sizeof *key_aliases };

static const char *alias_of(const char *key)
{
    for (int i = 0; i < alias_count; i++)
        if (!strcmp(key_aliases[i].key, key)) return key_aliases[i].alias;
    return NULL;
}

/* The value of an option under either of its names; NULL: not given. */
static const clade_yaml *option(const item *it, const char *key)
{
    if (!it->options) return NULL;
    if (clade_yaml_kind_of(it->options) != CLADE_YAML_MAP)
        return it->word->main && !strcmp(it->word->main, key) ? it->options : NULL;
    const clade_yaml *found = clade_recipe_find(it->options, key);
    const char *alias = alias_of(key);
    return found || !alias ? found : clade_recipe_find(it->options, alias);
}

static clade_status require(const item *it, const char *key, const clade_yaml **out)
{
    *out = option(it, key);
    if (*out) return CLADE_OK;
    return clade_yaml_fail(it->node, CLADE_EINVAL, "%s: the key '%s' is missing", it->word->word,
                           key);
}

static clade_status read_int(const item *it, const char *key, int64_t low, int32_t *out)
{
    const clade_yaml *node = option(it, key);
    int64_t value;
    if (!node) return CLADE_OK;
    clade_status status = clade_yaml_as_int(node, key, low, INT32_MAX, &value);
    if (!status) *out = (int32_t)value;
    return status;
}

static clade_status read_float(const item *it, const char *key, clade_yaml_range range, float *out)
{
    const clade_yaml *node = option(it, key);
    double value;
    if (!node) return CLADE_OK;
    clade_status status = clade_yaml_in_range(node, key, range, &value);
    if (!status) *out = (float)value;
    return status;
}

static clade_status read_bool(const item *it, const char *key, bool *out)
{
    const clade_yaml *node = option(it, key);
    return node ? clade_yaml_as_bool(node, key, out) : CLADE_OK;
}

/* One number for rows and columns, or [rows, columns]. */
static clade_status read_pair(const item *it, const char *key, int32_t out[2])
{
    const clade_yaml *node = option(it, key);
    size_t count;
    if (!node) return CLADE_OK;
    clade_status status = clade_recipe_ints(node, key, 1, INT32_MAX, 2, out, &count);
    if (!status && count == 1) out[1] = out[0];
    return status;
}

/* n, [rows, columns] or [top, left, bottom, right]. */
static clade_status read_sides(const clade_yaml *node, const char *key, int32_t out[4])
{
    size_t count;
    clade_status status = clade_recipe_ints(node, key, 0, INT32_MAX, 4, out, &count);
    if (status) return status;
    if (count == 3)
        return clade_yaml_fail(
            node, CLADE_EINVAL,
            "%s: expected one number, [rows, columns] or [top, left, bottom, right]", key);
    if (count == 1) out[1] = out[0];
    if (count <= 2) {
        out[2] = out[0];
        out[3] = out[1];
    }
    return CLADE_OK;
}

static clade_status read_padding(const item *it, clade_padding *padding, int32_t pad[4])
{
    const clade_yaml *node = option(it, "padding");
    if (!node) return CLADE_OK;
    double number;
    bool sides =
        clade_yaml_kind_of(node) == CLADE_YAML_LIST ||
        (clade_yaml_text(node) && clade_yaml_text_is_number(clade_yaml_text(node), &number));
    if (sides) {
        *padding = CLADE_PADDING_EXPLICIT;
        return read_sides(node, "padding", pad);
    }
    size_t word = 0;
    clade_status status = clade_yaml_as_word(node, "padding", clade_recipe_paddings, 2, &word);
    *padding = (clade_padding)word;
    return status;
}

/* `softmax` (may be NULL: not allowed here) is told apart from the others. */
static clade_status read_activation(const item *it, const char *key, clade_activation *out,
                                    bool *softmax)
{
    const clade_yaml *node = option(it, key);
    if (!node) return CLADE_OK;
    const char *words[CLADE_ACTIVATIONS + 2];
    size_t count = 0, word = 0;
    for (int a = 0; a < CLADE_ACTIVATIONS; a++)
        words[count++] = clade_activation_name((clade_activation)a);
    words[count++] = "swish";
    if (softmax) words[count++] = "softmax";
    clade_status status = clade_yaml_as_word(node, key, words, count, &word);
    if (status) return status;
    if (word < CLADE_ACTIVATIONS)
        *out = (clade_activation)word;
    else if (word == CLADE_ACTIVATIONS)
        *out = CLADE_SILU;
    else
        *softmax = true;
    return CLADE_OK;
}

static clade_status read_init(const item *it, clade_initializer *out)
{
    const clade_yaml *node = option(it, "init");
    size_t word = 0;
    if (!node) return CLADE_OK;
    clade_status status =
        clade_yaml_as_word(node, "init", clade_recipe_initializers,
                           clade_recipe_count_words(clade_recipe_initializers), &word);
    *out = (clade_initializer)word;
    return status;
}

/* --- the layers --- */

static clade_status read_conv2d(const item *it, clade_layer *layer)
{
    clade_conv2d_layer *l = &layer->as.conv2d;
    bool depthwise = layer->kind == CLADE_LAYER_DEPTHWISE_CONV2D, bias = true;
    const clade_yaml *needed;
    clade_status status = depthwise ? CLADE_OK : require(it, "filters", &needed);
    if (!status) status = require(it, "kernel", &needed);
    if (!status) status = read_int(it, depthwise ? "multiplier" : "filters", 1, &l->filters);
    if (!status) status = read_pair(it, "kernel", l->kernel);
    if (!status) status = read_pair(it, "stride", l->stride);
    if (!status) status = read_pair(it, "dilation", l->dilation);
    if (!status) status = read_padding(it, &l->padding, l->pad);
    if (!status) status = read_int(it, "groups", 1, &l->groups);
    if (!status) status = read_activation(it, "activation", &l->activation, NULL);
    if (!status) status = read_float(it, "alpha", CLADE_YAML_NOT_NEGATIVE, &l->alpha);
    if (!status) status = read_init(it, &l->init);
    if (!status) status = read_bool(it, "use_bias", &bias);
    l->no_bias = !bias;
    return status;
}

static clade_status read_dense(const item *it, clade_layer *layer)
{
    clade_dense_layer *l = &layer->as.dense;
    bool bias = true;
    const clade_yaml *units;
    clade_status status = require(it, "units", &units);
    if (status) return status;
    if (clade_yaml_text(units) && !strcmp(clade_yaml_text(units), "classes"))
        l->units = it->classes > 0 ? it->classes : 2;
    else
        status = read_int(it, "units", 1, &l->units);
    if (!status) status = read_activation(it, "activation", &l->activation, &l->softmax);
    if (!status) status = read_float(it, "alpha", CLADE_YAML_NOT_NEGATIVE, &l->alpha);
    if (!status) status = read_init(it, &l->init);
    if (!status) status = read_bool(it, "use_bias", &bias);
    l->no_bias = !bias;
    return status;
}

static clade_status read_pool2d(const item *it, clade_layer *layer)
{
    clade_pool2d_layer *l = &layer->as.pool2d;
    l->window[0] = l->window[1] = 2; /* Keras' default */
    clade_status status = read_pair(it, "window", l->window);
    if (!status) status = read_pair(it, "stride", l->stride);
    if (!status) status = read_padding(it, &l->padding, l->pad);
    if (!status) status = read_bool(it, "count_pad", &l->count_pad);
    return status;
}

static clade_status read_batchnorm(const item *it, clade_layer *layer)
{
    clade_batchnorm_layer *l = &layer->as.batchnorm;
    clade_status status = read_float(it, "momentum", CLADE_YAML_RATE, &l->momentum);
    if (!status) status = read_float(it, "eps", CLADE_YAML_POSITIVE, &l->eps);
    if (!status) status = read_bool(it, "frozen", &l->frozen);
    return status;
}

static clade_status read_activation_layer(const item *it, clade_layer *layer)
{
    const clade_yaml *function;
    bool softmax = false;
    clade_status status = require(it, "function", &function);
    if (!status)
        status = read_activation(it, "function", &layer->as.activation.activation, &softmax);
    if (!status)
        status = read_float(it, "alpha", CLADE_YAML_NOT_NEGATIVE, &layer->as.activation.alpha);
    if (softmax) {
        layer->kind = CLADE_LAYER_SOFTMAX;
        layer->as.activation = (clade_activation_layer){0};
    }
    return status;
}

static clade_status read_dropout(const item *it, clade_layer *layer)
{
    const clade_yaml *rate;
    clade_status status = require(it, "rate", &rate);
    return status ? status : read_float(it, "rate", CLADE_YAML_RATE, &layer->as.dropout.rate);
}

static clade_status read_reshape(const item *it, clade_layer *layer)
{
    const clade_yaml *shape;
    clade_status status = require(it, "shape", &shape);
    size_t rank = 0;
    if (!status)
        status = clade_recipe_ints(shape, "shape", -1, INT32_MAX, 3, layer->as.reshape.dim, &rank);
    layer->as.reshape.rank = (int32_t)rank;
    return status;
}

static clade_status read_zero_padding(const item *it, clade_layer *layer)
{
    const clade_yaml *padding;
    clade_status status = require(it, "padding", &padding);
    return status ? status : read_sides(padding, "padding", layer->as.pad2d.pad);
}

static clade_status read_lrn(const item *it, clade_layer *layer)
{
    clade_lrn_layer *l = &layer->as.lrn;
    *l = (clade_lrn_layer){.size = 5, .k = 1, .alpha = 1e-4f, .beta = 0.75f};
    clade_status status = read_int(it, "size", 1, &l->size);
    if (!status) status = read_float(it, "k", CLADE_YAML_POSITIVE, &l->k);
    if (!status) status = read_float(it, "alpha", CLADE_YAML_NOT_NEGATIVE, &l->alpha);
    if (!status) status = read_float(it, "beta", CLADE_YAML_NOT_NEGATIVE, &l->beta);
    return status;
}

static const layer_word layer_words[] = {
    {"conv2d",
     CLADE_LAYER_CONV2D,
     NULL,
     read_conv2d,
     {"filters", "kernel", "stride", "padding", "dilation", "groups", "activation", "alpha",
      "use_bias", "init"},
     {0}},
    {"depthwise_conv2d",
     CLADE_LAYER_DEPTHWISE_CONV2D,
     "kernel",
     read_conv2d,
     {"kernel", "multiplier", "stride", "padding", "dilation", "activation", "alpha", "use_bias",
      "init"},
     {0}},
    {"dense",
     CLADE_LAYER_DENSE,
     "units",
     read_dense,
     {"units", "activation", "alpha", "use_bias", "init"},
     {0}},
    {"maxpool2d",
     CLADE_LAYER_MAXPOOL2D,
     "window",
     read_pool2d,
     {"window", "stride", "padding"},
     {"max_pooling2d", "maxpooling2d"}},
    {"avgpool2d",
     CLADE_LAYER_AVGPOOL2D,
     "window",
     read_pool2d,
     {"window", "stride", "padding", "count_pad"},
     {"average_pooling2d", "averagepooling2d"}},
    {"global_avgpool2d",
     CLADE_LAYER_GLOBAL_AVGPOOL2D,
     NULL,
     NULL,
     {0},
     {"global_average_pooling2d", "globalaveragepooling2d"}},
    {"batchnorm",
     CLADE_LAYER_BATCHNORM,
     NULL,
     read_batchnorm,
     {"momentum", "eps", "frozen"},
     {"batch_normalization", "batchnormalization"}},
    {"activation",
     CLADE_LAYER_ACTIVATION,
     "function",
     read_activation_layer,
     {"function", "alpha"},
     {0}},
    {"softmax", CLADE_LAYER_SOFTMAX, NULL, NULL, {0}, {0}},
    {"dropout", CLADE_LAYER_DROPOUT, "rate", read_dropout, {"rate"}, {0}},
    {"flatten", CLADE_LAYER_FLATTEN, NULL, NULL, {0}, {0}},
    {"reshape", CLADE_LAYER_RESHAPE, "shape", read_reshape, {"shape"}, {0}},
    {"add", CLADE_LAYER_ADD, "inputs", NULL, {0}, {0}},
    {"multiply", CLADE_LAYER_MULTIPLY, "inputs", NULL, {0}, {0}},
    {"concat", CLADE_LAYER_CONCAT, "inputs", NULL, {0}, {"concatenate"}},
    {"zero_padding2d",
     CLADE_LAYER_ZERO_PADDING2D,
     "padding",
     read_zero_padding,
     {"padding"},
     {"zeropadding2d"}},
    {"lrn", CLADE_LAYER_LRN, "size", read_lrn, {"size", "k", "alpha", "beta"}, {0}},
};
enum { word_count = sizeof layer_words / sizeof *layer_words };

const char *clade_recipe_layer_word(clade_layer_kind kind)
{
    for (int i = 0; i < word_count; i++)
        if (layer_words[i].kind == kind) return layer_words[i].word;
    return NULL;
}

/* --- one entry of the list --- */

static clade_status find_word(const clade_yaml *node, const char *text, const layer_word **out)
{
    const char *words[4 * word_count];
    size_t count = 0;
    for (int i = 0; i < word_count; i++) {
        const layer_word *w = &layer_words[i];
        *out = w;
        words[count++] = w->word;
        if (!strcmp(text, w->word)) return CLADE_OK;
        for (int j = 0; j < 3 && w->alias[j]; j++) {
            words[count++] = w->alias[j];
            if (!strcmp(text, w->alias[j])) return CLADE_OK;
        }
    }
    const char *nearest = clade_yaml_nearest(text, words, count);
    return clade_yaml_fail(node, CLADE_EINVAL, "unknown layer '%s'%s%s%s",
                           clade_yaml_quote(text).text, nearest ? "; did you mean '" : "",
                           nearest ? nearest : "", nearest ? "'?" : "");
}

/* The keys of the layer and those that all have; not both a key and its alias. */
static clade_status check_options(const item *it)
{
    const char *known[32];
    size_t count = 0;
    for (const char *const *key = it->word->keys; *key; key++) {
        const char *alias = alias_of(*key);
        known[count++] = *key;
        if (alias) known[count++] = alias;
        if (alias && clade_yaml_find(it->options, *key) && clade_yaml_find(it->options, alias))
            return clade_yaml_fail(clade_yaml_find(it->options, alias), CLADE_EINVAL,
                                   "%s: '%s' and '%s' are the same; expected one of them",
                                   it->word->word, *key, alias);
    }
    known[count++] = "name";
    known[count++] = "inputs";
    known[count++] = "trainable";
    return clade_yaml_check_keys(it->options, it->word->word, known, count);
}

static clade_status find_input(const clade_graph *graph, const clade_yaml *node, int32_t *number)
{
    const char *name;
    clade_status status = clade_yaml_as_text(node, "inputs", &name);
    if (status) return status;
    int32_t layers = clade_graph_layers(graph);
    for (*number = 0; *number < layers; ++*number) {
        const char *given = clade_graph_layer(graph, *number)->name;
        if (!strcmp(*number == 0 ? "input" : given, name)) return CLADE_OK;
    }
    return clade_yaml_fail(
        node, CLADE_EINVAL,
        "inputs: no layer above is named '%s'; expected 'input' or a name that an "
        "earlier layer has",
        clade_yaml_quote(name).text);
}

static clade_status read_inputs(const item *it, const clade_graph *graph, clade_layer *layer)
{
    const clade_yaml *inputs = option(it, "inputs");
    if (!inputs) return CLADE_OK;
    if (clade_yaml_kind_of(inputs) != CLADE_YAML_LIST) {
        layer->input_count = 1;
        return find_input(graph, inputs, &layer->input[0]);
    }
    size_t count = clade_yaml_count(inputs);
    if (count < 1 || count > CLADE_MAX_INPUTS)
        return clade_yaml_fail(inputs, CLADE_EINVAL, "inputs: expected 1 to %d names, found %zu",
                               CLADE_MAX_INPUTS, count);
    for (size_t i = 0; i < count; i++) {
        clade_status status = find_input(graph, clade_yaml_item(inputs, i), &layer->input[i]);
        if (status) return status;
    }
    layer->input_count = (int32_t)count;
    return CLADE_OK;
}

static clade_status read_common(const item *it, const clade_graph *graph, clade_layer *layer)
{
    const clade_yaml *name = option(it, "name");
    bool trainable = true;
    clade_status status = CLADE_OK;
    if (name) {
        const char *text;
        status = clade_yaml_as_text(name, "name", &text);
        if (!status && (!*text || strlen(text) >= sizeof layer->name || !strcmp(text, "input")))
            status = clade_yaml_fail(name, CLADE_EINVAL,
                                     "name: expected 1 to %zu characters, not 'input', found '%s'",
                                     sizeof layer->name - 1, clade_yaml_quote(text).text);
        if (!status) snprintf(layer->name, sizeof layer->name, "%s", text);
    }
    if (!status) status = read_bool(it, "trainable", &trainable);
    layer->frozen = !trainable;
    return status ? status : read_inputs(it, graph, layer);
}

static clade_status read_layer(const clade_yaml *node, int32_t classes, const clade_graph *graph,
                               clade_layer *layer)
{
    item it = {.node = node, .classes = classes};
    const char *text = clade_yaml_text(node);
    if (!text && (clade_yaml_kind_of(node) != CLADE_YAML_MAP || clade_yaml_count(node) != 1))
        return clade_yaml_fail(
            node, CLADE_EINVAL,
            "model: expected a layer, as in '- flatten' or '- dense: {units: 10}'");
    clade_status status = find_word(node, text ? text : clade_yaml_key(node, 0), &it.word);
    if (status) return status;
    if (!text && clade_yaml_kind_of(clade_yaml_item(node, 0)) != CLADE_YAML_NULL)
        it.options = clade_yaml_item(node, 0);
    if (it.options && (!it.word->main || clade_yaml_kind_of(it.options) == CLADE_YAML_MAP))
        status = check_options(&it);
    layer->kind = it.word->kind;
    if (!status && it.word->read) status = it.word->read(&it, layer);
    return status ? status : read_common(&it, graph, layer);
}

/* --- the graph --- */

/* What the last layer ends with: an activation, or softmax. */
static clade_activation last_activation(const clade_layer *last, bool *softmax)
{
    *softmax = last->kind == CLADE_LAYER_SOFTMAX ||
               (last->kind == CLADE_LAYER_DENSE && last->as.dense.softmax);
    return last->kind == CLADE_LAYER_DENSE        ? last->as.dense.activation
           : last->kind == CLADE_LAYER_ACTIVATION ? last->as.activation.activation
                                                  : CLADE_LINEAR;
}

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
    bool softmax;
    clade_activation activation = last_activation(last, &softmax);
    if (recipe->training.loss == CLADE_LOSS_BINARY_CROSSENTROPY &&
        (dim[0] != 1 || activation != CLADE_SIGMOID))
        return clade_yaml_fail(
            node, CLADE_EINVAL,
            "%s: binary_crossentropy expects one output with sigmoid activation, found "
            "%d with %s",
            last->name, dim[0], softmax ? "softmax" : clade_activation_name(activation));
    if (recipe->training.loss == CLADE_LOSS_CATEGORICAL_CROSSENTROPY && (dim[0] < 2 || !softmax))
        return clade_yaml_fail(
            node, CLADE_EINVAL,
            "%s: categorical_crossentropy expects two or more outputs with softmax "
            "activation, found %d with %s",
            last->name, dim[0], softmax ? "softmax" : clade_activation_name(activation));
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
        clade_layer layer = {0};
        clade_status status = read_layer(node, classes, graph, &layer);
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
