/* YAML: reading, error texts with their places, editing, writing. */
#define _XOPEN_SOURCE 700
#include "recipe/yaml.h"
#include "../test.h"
#include "base/file.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static clade_yaml *parse(const char *text)
{
    clade_yaml *root = NULL;
    CHECK_OK(clade_yaml_parse(text, strlen(text), "r.yaml", &root));
    return root;
}

static void check_bad(const char *text, const char *part)
{
    clade_yaml *root;
    CHECK_FAILS(clade_yaml_parse(text, strlen(text), "r.yaml", &root), CLADE_EFORMAT, part);
    CHECK(root == NULL);
}

static const char recipe[] = "name: cats-dogs-64\n"
                             "input: {size: [64, 64], channels: 3, rescale: 1/255}\n"
                             "model:\n"
                             "  - conv2d: {filters: 32, kernel: 3, activation: relu}\n"
                             "  - maxpool2d: 2\n"
                             "  - flatten\n"
                             "  - dropout:\n"
                             "train:\n"
                             "  optimizer: {adam: {lr: 1e-3}}\n"
                             "  shuffle: yes\n"
                             "  note: '0.5'\n"
                             "  epochs: 25\n";

static void check_tree(void)
{
    clade_yaml *r = parse(recipe);
    CHECK(clade_yaml_kind_of(r) == CLADE_YAML_MAP && clade_yaml_count(r) == 4);
    CHECK(!strcmp(clade_yaml_key(r, 3), "train"));
    clade_yaml *model = clade_yaml_find(r, "model");
    CHECK(clade_yaml_kind_of(model) == CLADE_YAML_LIST && clade_yaml_count(model) == 4);
    clade_yaml *flatten = clade_yaml_item(model, 2);
    CHECK(!strcmp(clade_yaml_text(flatten), "flatten"));
    CHECK(clade_yaml_line(flatten) == 6 && clade_yaml_column(flatten) == 5);
    CHECK(clade_yaml_kind_of(clade_yaml_find(clade_yaml_item(model, 3), "dropout")) ==
          CLADE_YAML_NULL);
    CHECK(clade_yaml_find(r, "mode") == NULL && clade_yaml_find(model, "x") == NULL);
    CHECK(clade_yaml_find(r, "modell") == NULL);

    clade_yaml *copy;
    CHECK_OK(clade_yaml_copy(r, &copy));
    CHECK(clade_yaml_equal(r, copy));
    clade_yaml_destroy(&r);
    CHECK(r == NULL);
    CHECK_FAILS(clade_yaml_get_bool(clade_yaml_find(copy, "train"), "epochs", &(bool){0}),
                CLADE_EINVAL, "r.yaml:12: epochs: expected true or false, found '25'");
    clade_yaml_destroy(&copy);
}

static void check_limits(void)
{
    check_bad("a: 1\nb: 2\na: 3\nb: 4\n", "r.yaml:3: duplicate key 'a' (first on line 1)");
    check_bad("z: 1\nb: 2\nz: 3\nb: 4\n", "r.yaml:3: duplicate key 'z' (first on line 1)");
    check_bad("a: &x 1\n", "r.yaml:1: anchors");
    check_bad("a: 1\nb: *x\n", "r.yaml:2: aliases");
    check_bad("a: !!int 1\n", "r.yaml:1: tags");
    check_bad("a: 1\n---\nb: 2\n", "r.yaml:2: a second document");
    check_bad("? [a]\n: 2\n", "r.yaml:1: a key must be plain text");
    check_bad("a: \"x\\0y\"\n", "zero byte");
    check_bad("a: [1, 2\nb: 3\n",
              "r.yaml:2: did not find expected ',' or ']' (while parsing a flow sequence that "
              "began on line 1)");
    check_bad("a:\n\tb: 3\n",
              "r.yaml:2: found a character that cannot begin anything here (a tab?");
    check_bad("a: \xff\n", "r.yaml: not UTF-8");

    char deep[300] = "";
    for (int i = 0; i < 64; i++) strcat(deep, "[");
    for (int i = 0; i < 64; i++) strcat(deep, "]");
    clade_yaml *root = parse(deep);
    clade_yaml_destroy(&root);
    memset(deep, '[', 65);
    memset(deep + 65, ']', 65);
    check_bad(deep, "r.yaml:1: nested more than 64");

    size_t size = 0;
    char *many = malloc(clade_yaml_max_bytes + 2);
    CHECK(many != NULL);
    for (int i = 0; i < 99999; i++, size += 4) memcpy(many + size, "- 1\n", 4);
    CHECK_OK(clade_yaml_parse(many, size, "r.yaml", &root));
    CHECK(clade_yaml_count(root) == 99999);
    clade_yaml_destroy(&root);
    memcpy(many + size, "- 1\n", 4);
    CHECK_FAILS(clade_yaml_parse(many, size + 4, "r.yaml", &root), CLADE_EFORMAT,
                "r.yaml:100000: more than 100,000 values");
    memset(many, '#', clade_yaml_max_bytes + 1);
    CHECK_FAILS(clade_yaml_parse(many, clade_yaml_max_bytes + 1, "r.yaml", &root), CLADE_EFORMAT,
                "4 MiB");
    CHECK_OK(clade_yaml_parse(many, clade_yaml_max_bytes, "r.yaml", &root));
    CHECK(clade_yaml_kind_of(root) == CLADE_YAML_NULL && clade_yaml_line(root) == 1);
    clade_yaml_destroy(&root);
    free(many);
}

static void check_number(const char *text, double expected)
{
    char line[64];
    double x = -77;
    snprintf(line, sizeof line, "x: %s\n", text);
    clade_yaml *map = parse(line);
    CHECK_OK(clade_yaml_get_number(map, "x", CLADE_YAML_ANY, &x));
    CHECK(x == expected);
    clade_yaml_destroy(&map);
}

static void check_no_number(const char *text, clade_yaml_range range, const char *part)
{
    char line[64];
    double x = -77;
    snprintf(line, sizeof line, "\nx: %s\n", text);
    clade_yaml *map = parse(line);
    CHECK_FAILS(clade_yaml_get_number(map, "x", range, &x), CLADE_EINVAL, part);
    CHECK(x == -77);
    clade_yaml_destroy(&map);
}

static void check_numbers(void)
{
    check_number("1/255", 1.0 / 255);
    check_number("-1.5e3/2", -750);
    check_number("1e-4", 1e-4);
    check_number(".5", 0.5);
    check_number("+3.", 3);
}

static void check_ranges(void)
{
    check_no_number("abc", CLADE_YAML_POSITIVE,
                    "r.yaml:2: x: expected a positive number, found 'abc'");
    check_no_number("0", CLADE_YAML_POSITIVE, "positive number, found '0'");
    check_no_number("-1e-9", CLADE_YAML_NOT_NEGATIVE, "0 or more");
    check_no_number("1.01", CLADE_YAML_FRACTION, "from 0 to 1, found '1.01'");
    check_no_number("1", CLADE_YAML_RATE, "less than 1");
    check_no_number("'1'", CLADE_YAML_ANY, "found the quoted text '1'");
    check_no_number("1/0", CLADE_YAML_ANY, "a number, found '1/0'");
    check_no_number("1e999", CLADE_YAML_ANY, "a number");
    check_no_number(".nan", CLADE_YAML_ANY, "a number");
    check_no_number("0x10", CLADE_YAML_ANY, "a number");
    check_no_number("1/2/3", CLADE_YAML_ANY, "a number");
    check_no_number("1 /2", CLADE_YAML_ANY, "a number");
    check_no_number("1e", CLADE_YAML_ANY, "a number");
    check_no_number("[1]", CLADE_YAML_ANY, "found a list");
    check_no_number("{a: 1}", CLADE_YAML_ANY, "found a map");

    int64_t n = 5;
    clade_yaml *map = parse(
        "a: -9223372036854775808\nb: 9223372036854775808\nc: 3.0\nd: 007\ne: +9223372036854775807\n"
        "f: -9223372036854775809\ng:\n");
    CHECK_OK(clade_yaml_get_int(map, "a", INT64_MIN, INT64_MAX, &n));
    CHECK(n == INT64_MIN);
    CHECK_FAILS(clade_yaml_get_int(map, "b", INT64_MIN, INT64_MAX, &n), CLADE_EINVAL,
                "r.yaml:2: b: expected a whole number, found");
    CHECK_FAILS(clade_yaml_get_int(map, "f", INT64_MIN, INT64_MAX, &n), CLADE_EINVAL,
                "whole number");
    CHECK_FAILS(clade_yaml_get_int(map, "c", 0, INT64_MAX, &n), CLADE_EINVAL,
                "whole number, 0 or more");
    CHECK_OK(clade_yaml_get_int(map, "e", INT64_MIN, INT64_MAX, &n));
    CHECK(n == INT64_MAX);
    CHECK_FAILS(clade_yaml_get_int(map, "d", 8, 9, &n), CLADE_EINVAL,
                "whole number from 8 to 9, found '007'");
    CHECK_OK(clade_yaml_get_int(map, "d", 7, 7, &n));
    CHECK(n == 7);
    CHECK_OK(clade_yaml_get_int(map, "g", 0, 1, &n));
    CHECK_OK(clade_yaml_get_int(map, "zz", 0, 1, &n));
    CHECK(n == 7);
    clade_yaml_destroy(&map);
}

static void check_words(void)
{
    static const char *const words[] = {"relu", "sigmoid", "softmax"};
    static const char *const keys[] = {"optimizer", "loss", "epochs", "batch"};
    size_t i = 9;
    bool b = false;
    const char *text = NULL;
    const clade_yaml *node;
    clade_yaml *map = parse(
        "a: sigmoid\nb: rleu\nc: 12345\nd: [x]\noptimiser: adam\ny: ON\nn: \"no\"\nz: false\n");
    CHECK_OK(clade_yaml_get_word(map, "a", words, 3, &i));
    CHECK(i == 1);
    CHECK_FAILS(
        clade_yaml_get_word(map, "b", words, 3, &i), CLADE_EINVAL,
        "r.yaml:2: b: expected one of relu, sigmoid, softmax, found 'rleu'; did you mean 'relu'?");
    CHECK_FAILS(clade_yaml_get_word(map, "c", words, 3, &i), CLADE_EINVAL,
                "softmax, found '12345'");
    CHECK(!strstr(clade_error(), "did you mean"));
    CHECK_FAILS(clade_yaml_get_word(map, "d", words, 3, &i), CLADE_EINVAL, "found a list");
    CHECK_OK(clade_yaml_get_text(map, "c", &text));
    CHECK(text && !strcmp(text, "12345"));
    CHECK_FAILS(clade_yaml_get_text(map, "d", &text), CLADE_EINVAL,
                "d: expected text, found a list");
    CHECK_OK(clade_yaml_get_bool(map, "y", &b));
    CHECK(b);
    CHECK_OK(clade_yaml_get_bool(map, "z", &b));
    CHECK(!b);
    CHECK_FAILS(clade_yaml_get_bool(map, "n", &b), CLADE_EINVAL,
                "n: expected true or false, found the quoted text 'no'");
    CHECK_FAILS(clade_yaml_get_node(map, "a", CLADE_YAML_MAP, &node), CLADE_EINVAL,
                "expected a map, found 'sigmoid'");
    CHECK(node == NULL);
    CHECK_OK(clade_yaml_get_node(map, "d", CLADE_YAML_LIST, &node));
    CHECK(node && clade_yaml_count(node) == 1);
    CHECK_FAILS(clade_yaml_require(map, "loss", &node), CLADE_EINVAL,
                "r.yaml:1: the key 'loss' is missing");
    CHECK_OK(clade_yaml_require(map, "a", &node));
    CHECK_FAILS(clade_yaml_fail(node, CLADE_EMISMATCH, "%d of us", 3), CLADE_EMISMATCH,
                "r.yaml:1: 3 of us");
    clade_yaml_destroy(&map);

    map = parse("loss: mse\n\noptimiser:\n  adam\n");
    CHECK_FAILS(clade_yaml_check_keys(map, "train", keys, 4), CLADE_EINVAL,
                "r.yaml:3: unknown key 'optimiser'; did you mean 'optimizer'?");
    clade_yaml_destroy(&map);
    map = parse("Batch: 3\n");
    CHECK_FAILS(clade_yaml_check_keys(map, "train", keys, 4), CLADE_EINVAL,
                "did you mean 'batch'?");
    clade_yaml_destroy(&map);
    map = parse("bacth: 3\n");
    CHECK_FAILS(clade_yaml_check_keys(map, "train", keys, 4), CLADE_EINVAL,
                "did you mean 'batch'?");
    clade_yaml_destroy(&map);
    map = parse("form: 3\n"); /* swapped letters are nearer than two other changes */
    CHECK_FAILS(clade_yaml_check_keys(map, "x", (const char *const[]){"farms", "from"}, 2),
                CLADE_EINVAL, "did you mean 'from'?");
    clade_yaml_destroy(&map);
    map = parse("xyzzyqw: 3\n");
    CHECK_FAILS(clade_yaml_check_keys(map, "train", keys, 4), CLADE_EINVAL,
                "unknown key 'xyzzyqw' in train; expected optimizer, loss, epochs, batch");
    CHECK_OK(clade_yaml_check_keys(map, "train", (const char *const[]){"xyzzyqw"}, 1));
    clade_yaml_destroy(&map);
    map = parse("~");
    CHECK_OK(clade_yaml_check_keys(map, "train", keys, 4));
    clade_yaml_destroy(&map);
    map = parse("[1]");
    CHECK_FAILS(clade_yaml_check_keys(map, "train", keys, 4), CLADE_EINVAL,
                "train: expected a map, found a list");
    clade_yaml_destroy(&map);

    /* a text that is too long for a message is cut, not in the middle of a letter, without controls
     */
    char line[300] = "x: \"a\\n";
    for (int k = 0; k < 60; k++) strcat(line, "\xc3\xa9");
    strcat(line, "\"\n");
    map = parse(line);
    double x;
    CHECK_FAILS(clade_yaml_get_number(map, "x", CLADE_YAML_ANY, &x), CLADE_EINVAL, "\xc3\xa9...'");
    CHECK(!strchr(clade_error(), '\n') && strlen(clade_error()) < 120);
    clade_yaml_destroy(&map);
}

/* The value at a path of keys, for checking. */
static const char *text_of(const clade_yaml *node, const char *a, const char *b, const char *c)
{
    node = clade_yaml_find(node, a);
    if (node && b) node = clade_yaml_find(node, b);
    if (node && c) node = clade_yaml_find(node, c);
    const char *text = node ? clade_yaml_text(node) : NULL;
    return text ? text : "(none)";
}

static void check_set(void)
{
    clade_yaml *r = parse(recipe), *before = NULL;
    CHECK_OK(clade_yaml_assign(r, "train.epochs=3"));
    CHECK(!strcmp(text_of(r, "train", "epochs", NULL), "3"));
    CHECK_OK(clade_yaml_assign(r, "train.optimizer.adam.lr=1e-4"));
    CHECK(!strcmp(text_of(clade_yaml_find(r, "train"), "optimizer", "adam", "lr"), "1e-4"));
    CHECK_OK(clade_yaml_assign(r, "augment.fill.mode={a: [1, 2], b: 'x=y'}"));
    CHECK(!strcmp(
        text_of(clade_yaml_find(clade_yaml_find(r, "augment"), "fill"), "mode", "b", NULL), "x=y"));
    clade_yaml *model = clade_yaml_find(r, "model");
    CHECK_OK(clade_yaml_assign(r, "model.3.dropout=0.5"));
    CHECK(!strcmp(text_of(clade_yaml_item(model, 3), "dropout", NULL, NULL), "0.5"));
    CHECK_OK(clade_yaml_assign(r, "model.2={dense: 10}"));
    CHECK(!strcmp(text_of(clade_yaml_item(model, 2), "dense", NULL, NULL), "10"));
    CHECK_OK(clade_yaml_assign(r, "model.2.dense=[1]"));
    CHECK_OK(clade_yaml_assign(r, "train.note="));
    CHECK(clade_yaml_kind_of(clade_yaml_find(clade_yaml_find(r, "train"), "note")) ==
          CLADE_YAML_NULL);
    CHECK_OK(clade_yaml_assign(r, "train.note.deep.er=1")); /* null becomes a map */
    CHECK(!strcmp(text_of(clade_yaml_find(r, "train"), "note", "deep", "er"), "1"));

    CHECK_OK(clade_yaml_copy(r, &before));
    CHECK_FAILS(clade_yaml_assign(r, "name.x=3"), CLADE_EINVAL,
                "--set name.x=3: 'name' is the value 'cats-dogs-64', which has no 'x'");
    CHECK_FAILS(clade_yaml_assign(r, "model.4.x=3"), CLADE_EINVAL,
                "'model' is a list of 4: expected a position");
    CHECK_FAILS(clade_yaml_assign(r, "model.4=3"), CLADE_EINVAL, "found '4'");
    CHECK_FAILS(clade_yaml_assign(r, "model.18446744073709551616=3"), CLADE_EINVAL, "list of 4");
    CHECK_FAILS(clade_yaml_assign(r, "model.dropout=3"), CLADE_EINVAL, "found 'dropout'");
    CHECK_FAILS(clade_yaml_assign(r, "model.0.conv2d.kernel.0=3"), CLADE_EINVAL,
                "'model.0.conv2d.kernel' is the value '3'");
    CHECK_FAILS(clade_yaml_assign(r, "train"), CLADE_EINVAL, "--set train: expected key=value");
    CHECK_FAILS(clade_yaml_assign(r, "=3"), CLADE_EINVAL, "expected key=value");
    CHECK_FAILS(clade_yaml_assign(r, "new..x=3"), CLADE_EINVAL, "dot between");
    CHECK_FAILS(clade_yaml_assign(r, ".x=3"), CLADE_EINVAL, "dot between");
    CHECK_FAILS(clade_yaml_assign(r, "new.x.=3"), CLADE_EINVAL, "dot between");
    CHECK_FAILS(clade_yaml_assign(r, "new=[3"), CLADE_EINVAL, "--set new=[3: ");
    CHECK(!strstr(clade_error(), ":1:"));
    char deep[200] = "a";
    for (int i = 0; i < 64; i++) strcat(deep, ".a");
    strcat(deep, "=1");
    CHECK_FAILS(clade_yaml_assign(r, deep), CLADE_EINVAL, "64 levels");
    CHECK(clade_yaml_equal(r, before));
    clade_yaml_destroy(&before);

    CHECK_OK(clade_yaml_assign(r, "train.lr=abc"));
    double x;
    CHECK_FAILS(clade_yaml_get_number(clade_yaml_find(r, "train"), "lr", CLADE_YAML_POSITIVE, &x),
                CLADE_EINVAL, "--set train.lr=abc: lr: expected a positive number, found 'abc'");
    clade_yaml_destroy(&r);
    r = parse("");
    CHECK_OK(clade_yaml_assign(r, "a.b=1"));
    CHECK(!strcmp(text_of(r, "a", "b", NULL), "1"));
    clade_yaml_destroy(&r);
}

static void check_round_trip(const clade_yaml *tree)
{
    char *text = NULL;
    size_t size = 0;
    clade_yaml *again = NULL;
    CHECK_OK(clade_yaml_emit(tree, &text, &size));
    CHECK_OK(clade_yaml_parse(text, size, "emitted", &again));
    if (again) {
        CHECK(clade_yaml_equal(tree, again));
        if (!clade_yaml_equal(tree, again)) printf("%s\n", text);
    }
    clade_yaml_destroy(&again);
    free(text);
}

static void check_emit(void)
{
    static const char *const odd[] = {"",       "null",
                                      "~",      "true",
                                      "1/255",  " a ",
                                      "a: b",   "#",
                                      "- a",    "a\nb",
                                      "\n",     "[x",
                                      "'",      "\"",
                                      "\\",     "caf\xc3\xa9",
                                      "&a",     "*a",
                                      "!t",     "%d",
                                      "@",      "a #b",
                                      "---",    "...",
                                      "\t",     "a\t",
                                      "x\n ",   "\x01\x7f",
                                      "=",      "<<",
                                      "?",      ":",
                                      "1e5",    ",",
                                      "{}",     "no",
                                      "-",      "\xf0\x9f\x90\xb1",
                                      "a\r\nb", "\xc2\x85"};
    clade_yaml *r = parse(recipe), *map = clade_yaml_create(CLADE_YAML_MAP);
    char *text = NULL;
    size_t size;
    check_round_trip(r);
    CHECK_OK(clade_yaml_emit(r, &text, &size));
    CHECK(text && strstr(text, "- conv2d: {filters: 32, kernel: 3, activation: relu}\n"));
    CHECK(text && strstr(text, "input: {size: [64, 64], channels: 3, rescale: 1/255}\n"));
    free(text);

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        CHECK_OK(clade_yaml_put(map, odd[i], clade_yaml_create_text(odd[i])));
        check_round_trip(clade_yaml_item(map, clade_yaml_count(map) - 1));
    }
    CHECK(clade_yaml_count(map) == sizeof odd / sizeof *odd);
    clade_yaml *list = clade_yaml_create(CLADE_YAML_LIST);
    CHECK_OK(clade_yaml_append(list, clade_yaml_create_number(0.1)));
    CHECK_OK(clade_yaml_append(list, clade_yaml_create_number(1.0 / 3)));
    CHECK_OK(clade_yaml_append(list, clade_yaml_create_int(-7)));
    CHECK_OK(clade_yaml_append(list, clade_yaml_create_bool(true)));
    CHECK_OK(clade_yaml_append(list, clade_yaml_create(CLADE_YAML_NULL)));
    double x = 0;
    CHECK_OK(clade_yaml_as_number(clade_yaml_item(list, 1), "x", &x));
    CHECK(x == 1.0 / 3);
    CHECK_OK(clade_yaml_emit(list, &text, &size));
    CHECK(text && !strcmp(text, "[0.1, 0.3333333333333333, -7, true, null]\n"));
    free(text);
    CHECK_OK(clade_yaml_put(map, "list", list));
    CHECK_OK(clade_yaml_put(map, "empty", clade_yaml_create(CLADE_YAML_LIST)));
    CHECK_OK(clade_yaml_put(map, "none", clade_yaml_create(CLADE_YAML_MAP)));
    CHECK_OK(
        clade_yaml_put(map, "none", clade_yaml_create(CLADE_YAML_MAP))); /* replaced, not doubled */
    check_round_trip(map);
    CHECK_FAILS(clade_yaml_put(map, "x", NULL), CLADE_ENOMEM, "memory");

    CHECK_OK(clade_yaml_write(map, "out.yaml"));
    clade_yaml *again = NULL;
    CHECK_OK(clade_yaml_read("out.yaml", &again));
    CHECK(again && clade_yaml_equal(map, again));
    clade_yaml_destroy(&again);
    CHECK_FAILS(clade_yaml_read("none.yaml", &again), CLADE_EIO, "none.yaml");
    CHECK_OK(clade_yaml_put(map, "bad", clade_yaml_create_text("\xff")));
    CHECK_FAILS(clade_yaml_write(map, "out.yaml"), CLADE_EINVAL, "out.yaml");
    clade_yaml_destroy(&map);
    clade_yaml_destroy(&r);
}

int main(void)
{
    char folder[] = "/tmp/clade-yaml-XXXXXX";
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    check_tree();
    check_limits();
    check_numbers();
    /* numbers are read with a point also where the program has a comma */
    if (setlocale(LC_ALL, "de_DE.UTF-8")) check_numbers();
    setlocale(LC_ALL, "C");
    check_ranges();
    check_words();
    check_set();
    check_emit();
    CHECK_OK(clade_folder_remove(folder));
    return TEST_END();
}
