/* Layers and their records: every setting of every layer goes through a recipe and back, and what
 * is out of its range is refused under its name, in recipes and in code. */
#include "../test.h"
#include "../layers.h"

#include "nn/layer.h"
#include "recipe/recipe.h"

#include <stdlib.h>

/* The layer's options as a recipe has them, without the name and inputs. */
static clade_yaml *options_of(const clade_layer *sample)
{
    clade_graph *graph = NULL;
    clade_yaml *list = clade_yaml_create(CLADE_YAML_LIST), *options = NULL;
    CHECK_OK(layer_graph(sample, &graph));
    CHECK_OK(clade_recipe_write_layers(graph, list));
    const clade_yaml *entry = clade_yaml_item(list, clade_yaml_count(list) - 1);
    const char *word = clade_layer_record_of(sample->kind)->key;
    CHECK(!strcmp(clade_yaml_key(entry, 0), word));
    CHECK_OK(clade_yaml_copy(clade_yaml_item(entry, 0), &options));
    clade_yaml_destroy(&list);
    clade_graph_destroy(&graph);
    return options;
}

/* Reads a layer with the options, of which the value of `field` (NULL: of none) goes by the key
 * `as`, if not NULL, and is `value`, if not NULL. */
static clade_status read_with(const clade_layer *sample, const clade_yaml *options,
                              const clade_layer_field *field, const char *as, clade_yaml *value,
                              clade_layer *out)
{
    clade_graph *graph = NULL;
    clade_yaml *entry = clade_yaml_create(CLADE_YAML_MAP), *map = clade_yaml_create(CLADE_YAML_MAP);
    const clade_layer_group *group;
    CHECK_OK(clade_graph_create(12, 12, 4, &graph));
    clade_graph_add(graph, &(clade_layer){.kind = CLADE_LAYER_FLATTEN, .name = "flatten"}, NULL);
    for (size_t i = 0; i < clade_yaml_count(options); i++) {
        const char *key = clade_yaml_key(options, i);
        clade_yaml *copy = NULL;
        if (field && !strcmp(key, field->key)) {
            if (!as || value) continue;
            key = as;
        }
        CHECK_OK(clade_yaml_copy(clade_yaml_item(options, i), &copy));
        CHECK_OK(clade_yaml_put(map, key, copy));
    }
    if (value) CHECK_OK(clade_yaml_put(map, as, value));
    CHECK_OK(clade_yaml_put(entry, clade_layer_record_of(sample->kind)->key, map));
    clade_status status = clade_recipe_read_layer(entry, 0, graph, out, &group);
    clade_yaml_destroy(&entry);
    clade_graph_destroy(&graph);
    return status;
}

/* All settings are written, and read back. */
static void test_round_trip(void)
{
    bool seen[CLADE_LAYER_KINDS] = {[CLADE_LAYER_INPUT] = true};
    for (int i = 0; i < LAYER_SAMPLES; i++) {
        for (int frozen = 0; frozen < 2; frozen++) {
            clade_layer sample = layer_samples[i];
            sample.frozen = frozen;
            seen[sample.kind] = true;
            clade_graph *graph = NULL, *again = NULL;
            clade_yaml *list = clade_yaml_create(CLADE_YAML_LIST);
            CHECK_OK(layer_graph(&sample, &graph));
            CHECK_OK(clade_recipe_write_layers(graph, list));
            CHECK_OK(clade_graph_create(12, 12, 4, &again));
            CHECK_OK(clade_recipe_add_layers(list, 0, again));
            int32_t last = clade_graph_layers(graph) - 1;
            bool same = clade_graph_layers(again) == last + 1 &&
                        !memcmp(clade_graph_layer(graph, last), clade_graph_layer(again, last),
                                sizeof(clade_layer));
            CHECK(same);
            if (!same) printf("    sample %d: %s\n", i, clade_layer_type(sample.kind));
            clade_yaml_destroy(&list);
            clade_graph_destroy(&graph);
            clade_graph_destroy(&again);
        }
    }
    for (int k = 0; k < CLADE_LAYER_KINDS; k++) CHECK(seen[k]);
}

static clade_yaml *bad_value(const clade_layer_field *f)
{
    switch (f->type) {
    case CLADE_FIELD_INT:
    case CLADE_FIELD_PAIR: return clade_yaml_create_int(0);
    case CLADE_FIELD_INDEX:
    case CLADE_FIELD_SIDES:
    case CLADE_FIELD_PADDING: return clade_yaml_create_int(-1);
    case CLADE_FIELD_LIST: return clade_yaml_create_int(-2);
    case CLADE_FIELD_REAL:
        return clade_yaml_create_number(f->range == CLADE_RANGE_RATE       ? 1
                                        : f->range == CLADE_RANGE_POSITIVE ? 0
                                                                           : -1);
    default: return clade_yaml_create_text("nonsense");
    }
}

/* Keys, their aliases, and what is refused. */
static void test_keys(const clade_layer *sample, const clade_layer_field *f)
{
    clade_yaml *options = options_of(sample), *copy = NULL;
    clade_layer plain, other;
    CHECK_OK(read_with(sample, options, NULL, NULL, NULL, &plain));
    char text[160];
    snprintf(text, sizeof text, "%s: expected ", f->key);
    CHECK_FAILS(read_with(sample, options, f, f->key, bad_value(f), &other), CLADE_EINVAL, text);
    if (f->alias) {
        CHECK_FAILS(read_with(sample, options, f, f->alias, bad_value(f), &other), CLADE_EINVAL,
                    text);
        CHECK_OK(read_with(sample, options, f, f->alias, NULL, &other));
        CHECK(!memcmp(&plain, &other, sizeof plain));
        CHECK_OK(clade_yaml_copy(options, &copy));
        CHECK_OK(clade_yaml_put(copy, f->alias, clade_yaml_create_int(1)));
        CHECK_OK(clade_yaml_put(copy, f->key, clade_yaml_create_int(1)));
        snprintf(text, sizeof text, "%s: '%s' and '%s' are the same",
                 clade_layer_record_of(sample->kind)->key, f->key, f->alias);
        CHECK_FAILS(read_with(sample, copy, NULL, NULL, NULL, &other), CLADE_EINVAL, text);
        clade_yaml_destroy(&copy);
    }
    if (f->required) {
        snprintf(text, sizeof text, "the key '%s' is missing", f->key);
        CHECK_FAILS(read_with(sample, options, f, NULL, NULL, &other), CLADE_EINVAL, text);
    } else {
        CHECK_OK(read_with(sample, options, f, NULL, NULL, &other));
    }
    clade_yaml_destroy(&options);
}

/* The same in code: a setting out of its range is refused, one that is zero is the default. */
static void test_settings(const clade_layer *sample, const clade_layer_field *f)
{
    clade_layer layer = *sample;
    clade_graph *graph = NULL;
    const char *part = f->key;
    if (f->type == CLADE_FIELD_ON || f->type == CLADE_FIELD_OFF) return;
    int32_t *whole = clade_layer_at(&layer, f->at);
    float *real = clade_layer_at(&layer, f->at);
    switch (f->type) {
    case CLADE_FIELD_INT:
    case CLADE_FIELD_INDEX:
    case CLADE_FIELD_PAIR:
    case CLADE_FIELD_SIDES: *whole = -2; break;
    case CLADE_FIELD_REAL: *real = f->range == CLADE_RANGE_RATE ? 1 : -1; break;
    case CLADE_FIELD_LIST:
        *whole = 9;
        part = "9 dimensions";
        break;
    case CLADE_FIELD_PADDING:
        *whole = 77;
        part = "no padding 77";
        break;
    case CLADE_FIELD_ACTIVATION:
    case CLADE_FIELD_FUNCTION:
        *whole = 77;
        part = "no activation 77";
        break;
    case CLADE_FIELD_WORD: *whole = 77; break;
    default: break;
    }
    CHECK_FAILS(layer_graph(&layer, &graph), CLADE_EINVAL, part);
    clade_graph_destroy(&graph);
    if (f->standard != 0) {
        layer = *sample;
        *whole = 0;
        layer = clade_layer_complete(&layer);
        CHECK(f->type == CLADE_FIELD_REAL ? *real == f->standard : *whole == (int32_t)f->standard);
        CHECK_OK(clade_layer_check(&layer));
    }
    bool number = f->type == CLADE_FIELD_INT || f->type == CLADE_FIELD_PAIR;
    if (f->required && number) {
        layer = *sample;
        *whole = 0;
        CHECK_FAILS(layer_graph(&layer, &graph), CLADE_EINVAL, f->key);
        clade_graph_destroy(&graph);
    }
}

/* No two layers go by one word, and every record is whole. */
static void test_words(void)
{
    const char *word[3 * CLADE_LAYER_KINDS];
    size_t count = 0;
    for (int k = CLADE_LAYER_INPUT + 1; k < CLADE_LAYER_KINDS; k++) {
        const clade_layer_record *r = clade_layer_record_of((clade_layer_kind)k);
        CHECK(r->key && r->name && r->type && r->about && r->shape && r->forward && r->backward);
        size_t before = count;
        const char *own[] = {r->key, r->name, r->alias};
        for (int j = 0; j < 3 && own[j]; j++) {
            for (size_t i = 0; i < before; i++) CHECK(strcmp(word[i], own[j]) != 0);
            word[count++] = own[j];
        }
        bool main = !r->main || !strcmp(r->main, "inputs");
        for (const clade_layer_field *f = r->field; f && f->key; f++) {
            CHECK(f->about);
            main = main || !strcmp(r->main, f->key);
        }
        CHECK(main);
    }
}

int main(void)
{
    test_round_trip();
    for (int i = 0; i < LAYER_SAMPLES; i++)
        for (const clade_layer_field *f = clade_layer_record_of(layer_samples[i].kind)->field;
             f && f->key; f++) {
            test_keys(&layer_samples[i], f);
            test_settings(&layer_samples[i], f);
        }
    test_words();
    return TEST_END();
}
