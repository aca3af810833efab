/* Reads one layer of a recipe by its record. */
#include "recipe/recipe.h"
#include "recipe/yaml_node.h"
#include "nn/layer_group.h"

#include <assert.h>
#include <float.h>
#include <stdio.h>
#include <string.h>

const char *const clade_recipe_paddings[] = {"valid", "same", NULL};

/* An entry of the list while it is read. */
typedef struct item {
    const clade_yaml *node;    /* for positions in error texts */
    const clade_yaml *options; /* a map, or a plain value for `main`; NULL: none */
    const clade_layer_record *record;
    int32_t classes;
} item;

/* Returns the value of an option under either of its names (`alias` may be NULL); NULL: not
 * given. */
static const clade_yaml *option(const item *it, const char *key, const char *alias)
{
    if (!it->options) return NULL;
    if (clade_yaml_kind_of(it->options) != CLADE_YAML_MAP)
        return it->record->main && !strcmp(it->record->main, key) ? it->options : NULL;
    const clade_yaml *found = clade_recipe_find(it->options, key);
    return found || !alias ? found : clade_recipe_find(it->options, alias);
}

/* --- values --- */

static clade_status read_int(const item *it, const clade_layer_field *f, const clade_yaml *node,
                             int32_t *out)
{
    const char *text = clade_yaml_text(node);
    if (f->classes && text && !strcmp(text, "classes")) {
        *out = it->classes > 0 ? it->classes : 2;
        return CLADE_OK;
    }
    if (f->classes && text && !strcmp(text, "steps")) {
        *out = it->classes > 1 ? it->classes - 1 : 1;
        return CLADE_OK;
    }
    int64_t value = 0;
    clade_status status = clade_yaml_as_int(node, f->key, f->all ? -1 : 1, INT32_MAX, &value);
    *out = (int32_t)value;
    if (!status && value == 0)
        return clade_yaml_fail(node, CLADE_EINVAL, "%s: expected 1 or more, or -1 for all, found 0",
                               f->key);
    return status;
}

static clade_status read_index(const clade_layer_field *f, const clade_yaml *node, int32_t *out)
{
    int64_t value = 0;
    clade_status status = clade_yaml_as_int(node, f->key, 0, INT32_MAX, &value);
    *out = (int32_t)value;
    return status;
}

static clade_status read_pair(const clade_layer_field *f, const clade_yaml *node, int32_t out[2])
{
    size_t count = 0;
    clade_status status = clade_recipe_ints(node, f->key, 1, INT32_MAX, 2, out, &count);
    if (count == 1) out[1] = out[0];
    return status;
}

/* Reads n, [rows, columns] or [top, left, bottom, right]. */
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

static clade_status read_list(const clade_layer_field *f, const clade_yaml *node, int32_t *list)
{
    size_t count = 0;
    clade_status status = clade_recipe_ints(node, f->key, -1, INT32_MAX, 3, list + 1, &count);
    *list = (int32_t)count;
    return status;
}

static clade_status read_real(const clade_layer_field *f, const clade_yaml *node, float *out)
{
    static const clade_yaml_range ranges[] = {
        [CLADE_RANGE_NOT_NEGATIVE] = CLADE_YAML_NOT_NEGATIVE,
        [CLADE_RANGE_POSITIVE] = CLADE_YAML_POSITIVE,
        [CLADE_RANGE_RATE] = CLADE_YAML_RATE,
    };
    double value = 0;
    clade_status status = CLADE_OK;
    if (f->within) {
        status = clade_yaml_check_keys(node, f->key, &f->within, 1);
        if (!status) status = clade_yaml_require(node, f->within, &node);
    }
    if (!status)
        status =
            clade_yaml_in_range(node, f->within ? f->within : f->key, ranges[f->range], &value);
    *out = (float)value;
    /* 0 would mean the default; this is the nearest number to it */
    if (*out == 0 && (f->standard != 0 || f->otherwise)) *out = FLT_MIN;
    return status;
}

/* Reads a word, or the sides. */
static clade_status read_padding(const clade_layer_field *f, const clade_yaml *node,
                                 clade_padding *padding, int32_t pad[4])
{
    double number;
    bool sides =
        clade_yaml_kind_of(node) == CLADE_YAML_LIST ||
        (clade_yaml_text(node) && clade_yaml_text_is_number(clade_yaml_text(node), &number));
    if (sides) {
        *padding = CLADE_PADDING_EXPLICIT;
        return read_sides(node, f->key, pad);
    }
    size_t word = 0;
    clade_status status = clade_yaml_as_word(node, f->key, clade_recipe_paddings, 2, &word);
    *padding = (clade_padding)word;
    return status;
}

static clade_status read_activation(const clade_layer_field *f, const clade_yaml *node,
                                    clade_layer *layer)
{
    const char *words[CLADE_ACTIVATIONS + 2];
    size_t count = 0, word = 0;
    for (int a = 0; a < CLADE_ACTIVATIONS; a++)
        words[count++] = clade_activation_name((clade_activation)a);
    words[count++] = "swish"; /* Keras' word for silu */
    if (f->more || f->type == CLADE_FIELD_FUNCTION) words[count++] = "softmax";
    clade_status status = clade_yaml_as_word(node, f->key, words, count, &word);
    if (status) return status;
    if (word <= CLADE_ACTIVATIONS)
        *(clade_activation *)clade_layer_at(layer, f->at) =
            word < CLADE_ACTIVATIONS ? (clade_activation)word : CLADE_SILU;
    else if (f->type == CLADE_FIELD_FUNCTION)
        layer->kind = CLADE_LAYER_SOFTMAX;
    else
        *(bool *)clade_layer_at(layer, f->more) = true;
    return CLADE_OK;
}

static clade_status read_field(const item *it, const clade_layer_field *f, clade_layer *layer)
{
    const clade_yaml *node = option(it, f->key, f->alias);
    if (!node) return CLADE_OK;
    void *at = clade_layer_at(layer, f->at);
    size_t word = 0;
    bool on = true;
    clade_status status = CLADE_OK;
    switch (f->type) {
    case CLADE_FIELD_INT: return read_int(it, f, node, at);
    case CLADE_FIELD_INDEX: return read_index(f, node, at);
    case CLADE_FIELD_PAIR: return read_pair(f, node, at);
    case CLADE_FIELD_SIDES: return read_sides(node, f->key, at);
    case CLADE_FIELD_LIST: return read_list(f, node, at);
    case CLADE_FIELD_REAL: return read_real(f, node, at);
    case CLADE_FIELD_PADDING: return read_padding(f, node, at, clade_layer_at(layer, f->more));
    case CLADE_FIELD_ACTIVATION:
    case CLADE_FIELD_FUNCTION: return read_activation(f, node, layer);
    case CLADE_FIELD_ON: return clade_yaml_as_bool(node, f->key, at);
    case CLADE_FIELD_OFF:
        status = clade_yaml_as_bool(node, f->key, &on);
        *(bool *)at = !on;
        return status;
    case CLADE_FIELD_WORD:
        status =
            clade_yaml_as_word(node, f->key, f->words, clade_recipe_count_words(f->words), &word);
        *(int32_t *)at = (int32_t)word;
        return status;
    }
    return status;
}

static clade_status read_fields(const item *it, clade_layer *layer)
{
    const clade_layer_field *fields = it->record->field;
    for (const clade_layer_field *f = fields; f && f->key; f++)
        if (f->required && !option(it, f->key, f->alias))
            return clade_yaml_fail(it->node, CLADE_EINVAL, "%s: the key '%s' is missing",
                                   it->record->key, f->key);
    clade_status status = CLADE_OK;
    clade_layer_kind kind = layer->kind;
    for (const clade_layer_field *f = fields; f && f->key && !status; f++)
        status = read_field(it, f, layer);
    if (layer->kind != kind) memset(&layer->as, 0, sizeof layer->as);
    return status;
}

/* --- words and keys --- */

/* Finds the record for a name; a group's has no kind. */
static clade_status find_record(const clade_yaml *node, const char *text, clade_layer_kind *kind,
                                const clade_layer_record **out, const clade_layer_group **group)
{
    const char *words[3 * (CLADE_LAYER_KINDS + 8)];
    size_t count = 0;
    for (int k = CLADE_LAYER_INPUT + 1;; k++) {
        const bool own_kind = k < CLADE_LAYER_KINDS;
        *group = own_kind ? NULL : &clade_layer_groups[k - CLADE_LAYER_KINDS];
        const clade_layer_record *r =
            own_kind ? clade_layer_record_of((clade_layer_kind)k) : (*group)->record;
        if (!r) break;
        assert(count + 3 <= sizeof words / sizeof *words);
        const char *own[] = {r->key, r->name, r->alias};
        *kind = own_kind ? (clade_layer_kind)k : CLADE_LAYER_INPUT;
        *out = r;
        for (int j = 0; j < 3 && own[j]; j++) {
            if (!strcmp(text, own[j])) return CLADE_OK;
            words[count++] = own[j];
        }
    }
    const char *nearest = clade_yaml_nearest(text, words, count);
    return clade_yaml_fail(node, CLADE_EINVAL, "unknown layer '%s'%s%s%s",
                           clade_yaml_quote(text).text, nearest ? "; did you mean '" : "",
                           nearest ? nearest : "", nearest ? "'?" : "");
}

/* Checks the keys of the layer and those common to all layers, and that no key is given together
 * with its alias. */
static clade_status check_options(const item *it)
{
    const char *known[48];
    size_t count = 0;
    for (const clade_layer_field *f = it->record->field; f && f->key; f++) {
        assert(count + 5 <= sizeof known / sizeof *known);
        known[count++] = f->key;
        if (f->alias) known[count++] = f->alias;
        if (f->alias && clade_yaml_find(it->options, f->key) &&
            clade_yaml_find(it->options, f->alias))
            return clade_yaml_fail(clade_yaml_find(it->options, f->alias), CLADE_EINVAL,
                                   "%s: '%s' and '%s' are the same; expected one of them",
                                   it->record->key, f->key, f->alias);
    }
    known[count++] = "name";
    known[count++] = "inputs";
    known[count++] = "trainable";
    return clade_yaml_check_keys(it->options, it->record->key, known, count);
}

/* --- what all layers have --- */

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
    const clade_yaml *inputs = option(it, "inputs", NULL);
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
    const clade_yaml *name = option(it, "name", NULL);
    const clade_yaml *trained = option(it, "trainable", NULL);
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
    if (!status && trained) status = clade_yaml_as_bool(trained, "trainable", &trainable);
    layer->frozen = !trainable;
    return status ? status : read_inputs(it, graph, layer);
}

clade_status clade_recipe_read_layer(const clade_yaml *node, int32_t classes,
                                     const clade_graph *graph, clade_layer *layer,
                                     const clade_layer_group **group)
{
    item it = {.node = node, .classes = classes};
    const char *text = clade_yaml_text(node);
    *layer = (clade_layer){0};
    if (!text && (clade_yaml_kind_of(node) != CLADE_YAML_MAP || clade_yaml_count(node) != 1))
        return clade_yaml_fail(
            node, CLADE_EINVAL,
            "model: expected a layer, as in '- flatten' or '- dense: {units: 10}'");
    clade_status status =
        find_record(node, text ? text : clade_yaml_key(node, 0), &layer->kind, &it.record, group);
    if (status) return status;
    if (!text && clade_yaml_kind_of(clade_yaml_item(node, 0)) != CLADE_YAML_NULL)
        it.options = clade_yaml_item(node, 0);
    if (it.options && (!it.record->main || clade_yaml_kind_of(it.options) == CLADE_YAML_MAP))
        status = check_options(&it);
    if (!status) status = read_fields(&it, layer);
    return status ? status : read_common(&it, graph, layer);
}
