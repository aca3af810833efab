/* Fuzz target: YAML parsing, editing and the round trip through text. */
#include "recipe/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition, const char *what, const char *text)
{
    if (condition) return;
    fprintf(stderr, "%s: %s\n%s\n", what, clade_error(), text);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clade_yaml *tree, *again;
    char *text;
    size_t length;
    if (clade_yaml_parse(data, size, "fuzz", &tree)) return 0;

    /* a tree that was read can be written, and reads as the same */
    expect(!clade_yaml_emit(tree, &text, &length), "emit", "");
    expect(!clade_yaml_parse(text, length, "again", &again), "parse again", text);
    expect(clade_yaml_equal(tree, again), "differs", text);
    clade_yaml_destroy(&again);
    free(text);

    /* every getter on every member of the root, and the start of the input as an assignment */
    static const char *const words[] = {"relu", "optimizer", "epochs"};
    double number;
    int64_t whole;
    bool truth;
    const char *string;
    size_t word;
    for (size_t i = 0; i < clade_yaml_count(tree); i++) {
        const clade_yaml *item = clade_yaml_item(tree, i);
        clade_yaml_as_number(item, "x", &number);
        clade_yaml_as_int(item, "x", -5, 5, &whole);
        clade_yaml_as_bool(item, "x", &truth);
        clade_yaml_as_text(item, "x", &string);
        clade_yaml_as_word(item, "x", words, 3, &word);
    }
    clade_yaml_check_keys(tree, "root", words, 3);
    char assignment[128];
    size_t n = size < sizeof assignment - 1 ? size : sizeof assignment - 1;
    memcpy(assignment, data, n);
    assignment[n] = 0;
    clade_yaml_assign(tree, assignment);
    clade_yaml_destroy(&tree);
    return 0;
}
