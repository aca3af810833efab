/* The reference page of recipe keys, made from the records of layers and losses.
 *
 *   recipe_keys PAGE           is the page what it should be? Exits with 1 if not.
 *   recipe_keys --write PAGE   writes it */
#define _XOPEN_SOURCE 700
#include "base/file.h"
#include "nn/loss.h"
#include "nn/layer_group.h"
#include "recipe/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_words(FILE *page, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) fprintf(page, "%s`%s`", i ? ", " : "", words[i]);
}

static void put_activations(FILE *page)
{
    for (int a = 0; a < CLADE_ACTIVATIONS; a++)
        fprintf(page, "%s`%s`", a ? ", " : "", clade_activation_name((clade_activation)a));
}

static void put_value(FILE *page, const clade_layer_field *f)
{
    static const char *const ranges[] = {
        [CLADE_RANGE_NOT_NEGATIVE] = "0 or more",
        [CLADE_RANGE_POSITIVE] = "more than 0",
        [CLADE_RANGE_RATE] = "0 to less than 1",
    };
    switch (f->type) {
    case CLADE_FIELD_INT:
        fprintf(page, "whole number, 1 or more%s%s",
                f->classes ? "; `classes`: as many as the data have; `steps`: one less" : "",
                f->all ? "; −1: all" : "");
        break;
    case CLADE_FIELD_INDEX: fprintf(page, "whole number, 0 or more"); break;
    case CLADE_FIELD_PAIR: fprintf(page, "n or [rows, columns], 1 or more"); break;
    case CLADE_FIELD_SIDES:
        fprintf(page, "n, [rows, columns] or [top, left, bottom, right]");
        break;
    case CLADE_FIELD_LIST: fprintf(page, "1 to 3 whole numbers, −1 or more"); break;
    case CLADE_FIELD_REAL:
        if (f->within) fprintf(page, "`{%s: …}`, a ", f->within);
        fprintf(page, "number, %s", ranges[f->range]);
        break;
    case CLADE_FIELD_ON:
    case CLADE_FIELD_OFF: fprintf(page, "`true` or `false`"); break;
    case CLADE_FIELD_PADDING:
        put_words(page, clade_recipe_paddings, clade_recipe_count_words(clade_recipe_paddings));
        fprintf(page, ", n, [rows, columns] or [top, left, bottom, right]");
        break;
    case CLADE_FIELD_ACTIVATION:
    case CLADE_FIELD_FUNCTION:
        fprintf(page, "an activation%s",
                f->more || f->type == CLADE_FIELD_FUNCTION ? " or `softmax`" : "");
        break;
    case CLADE_FIELD_WORD: put_words(page, f->words, clade_recipe_count_words(f->words)); break;
    }
}

static void put_default(FILE *page, const clade_layer_field *f)
{
    if (f->required)
        fprintf(page, "required");
    else if (f->otherwise)
        fprintf(page, "%s", f->otherwise);
    else if (f->type == CLADE_FIELD_ON || f->type == CLADE_FIELD_OFF)
        fprintf(page, "%s", f->type == CLADE_FIELD_OFF ? "true" : "false");
    else if (f->type == CLADE_FIELD_WORD)
        fprintf(page, "%s", f->words[0]);
    else if (f->type == CLADE_FIELD_PADDING)
        fprintf(page, "%s", clade_recipe_paddings[CLADE_PADDING_VALID]);
    else
        fprintf(page, "%g", (double)f->standard);
}

static void put_layer(FILE *page, const clade_layer_record *r)
{
    fprintf(page, "\n### %s\n\n%s", r->key, r->about);
    if (r->type) fprintf(page, " Shown as `%s`.", r->type);
    const char *others[2];
    size_t count = 0;
    if (strcmp(r->name, r->key) != 0) others[count++] = r->name;
    if (r->alias) others[count++] = r->alias;
    if (count) {
        fprintf(page, " Also written ");
        put_words(page, others, count);
        fprintf(page, ".");
    }
    if (r->main) fprintf(page, " A plain value sets `%s`.", r->main);
    fprintf(page, "\n");
    if (!r->field) return;
    fprintf(page, "\n| key | value | default | meaning |\n|---|---|---|---|\n");
    for (const clade_layer_field *f = r->field; f->key; f++) {
        fprintf(page, "| `%s`", f->key);
        if (f->alias) fprintf(page, ", `%s`", f->alias);
        fprintf(page, " | ");
        put_value(page, f);
        fprintf(page, " | ");
        put_default(page, f);
        fprintf(page, " | %s |\n", f->about);
    }
}

static void put_losses(FILE *page)
{
    fprintf(page, "\n## Losses\n\nThe values of `train: {loss: …}`, and the last layer that each "
                  "one needs:\n\n"
                  "| loss | options | the last layer | with `data: {task: multi_label}` |\n"
                  "|---|---|---|---|\n");
    for (int l = 0; l < CLADE_LOSSES; l++) {
        const clade_loss_rule *rule = &clade_loss_rules[l];
        if (!rule->word[0]) continue;
        fprintf(page, "| ");
        size_t words = 0;
        while (words < CLADE_LOSS_WORDS && rule->word[words]) words++;
        put_words(page, rule->word, words);
        size_t options = 0;
        while (options < CLADE_LOSS_OPTIONS && rule->option[options]) options++;
        fprintf(page, " | ");
        put_words(page, rule->option, options);
        fprintf(page, " | %s | %s |\n", rule->last,
                rule->last_of_several ? rule->last_of_several : "");
    }
}

static void put_page(FILE *page)
{
    fprintf(page,
            "# Recipe keys: layers and losses\n\n"
            "Generated from the layers' records in `src/nn/layer_….c` by `ninja recipe-keys`.\n\n"
            "A layer in the list `model` is a word (`- flatten`), a word with a plain value\n"
            "(`- dropout: 0.5`), or a word with a map of keys (`- dense: {units: 10, activation: "
            "softmax}`).\n"
            "In addition to their own keys, all layers have `name`, `inputs` (the names of earlier "
            "layers, or `input`;\n"
            "default: the layer before) and `trainable` (default: true).\n\n"
            "Activations: ");
    put_activations(page);
    fprintf(page, "; `swish` is `silu`.\n\n## Layers\n");
    for (int k = CLADE_LAYER_INPUT + 1; k < CLADE_LAYER_KINDS; k++)
        put_layer(page, clade_layer_record_of((clade_layer_kind)k));
    for (const clade_layer_group *g = clade_layer_groups; g->record; g++)
        put_layer(page, g->record);
    put_losses(page);
}

int main(int argc, char **argv)
{
    bool write = argc == 3 && !strcmp(argv[1], "--write");
    if (argc != 2 && !write) {
        fprintf(stderr, "usage: recipe_keys [--write] PAGE\n");
        return 2;
    }
    const char *path = argv[argc - 1];
    char *text = NULL;
    size_t size;
    FILE *page = open_memstream(&text, &size);
    if (!page) return 2;
    put_page(page);
    fclose(page);
    void *found = NULL;
    size_t length = 0;
    clade_status status = write ? clade_file_write(path, text, size)
                                : clade_file_read(path, 1 << 20, &found, &length);
    bool same = write || (!status && length == size && !memcmp(found, text, size));
    if (status)
        fprintf(stderr, "%s\n", clade_error());
    else if (!same)
        fprintf(stderr, "%s differs from the records; `ninja recipe-keys` regenerates it\n", path);
    free(found);
    free(text);
    return status || !same;
}
