/* Substitutes variables and expands repeats of a recipe before it is interpreted.
 *
 *     vars: {kernel: 3, blocks: 2, rate: 0.5}
 *     model:
 *       - repeat:
 *           times: $blocks
 *           with: {filters: [32, 64, 128]}
 *           layers:
 *             - conv2d: {filters: $filters, kernel: $kernel, activation: relu}
 *             - maxpool2d: 2
 *       - dropout: $rate
 *
 * $name stands for a variable's value, also as a key. Each name under a repeat's `with` takes the
 * next value of its list each time, and keeps the last one. */
#include "recipe/recipe.h"
#include "recipe/yaml_node.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

/* The names in scope, the innermost first. */
typedef struct scope {
    const clade_yaml *map; /* NULL: no names here */
    size_t turn;           /* iteration of a repeat, from 0 */
    bool lists;            /* values are lists, one element per iteration */
    const struct scope *outer;
    size_t *left; /* number of nodes that may still be created: nested repeats multiply */
} scope;

static size_t count_nodes(const clade_yaml *node)
{
    size_t count = 1;
    for (size_t i = 0; i < node->count; i++) count += count_nodes(node->member[i].value);
    return count;
}

static clade_status copy_node(const clade_yaml *node, const scope *s, clade_yaml **out)
{
    size_t count = count_nodes(node);
    if (count > *s->left)
        return clade_yaml_fail(node, CLADE_EINVAL,
                               "repeats and variables expand to more than %d values",
                               clade_yaml_max_nodes);
    *s->left -= count;
    return clade_yaml_copy(node, out);
}

static const clade_yaml *find_name(const scope *s, const char *name)
{
    for (; s; s = s->outer) {
        const clade_yaml *value = s->map ? clade_yaml_find(s->map, name) : NULL;
        if (!value) continue;
        if (!s->lists || clade_yaml_kind_of(value) != CLADE_YAML_LIST) return value;
        size_t count = clade_yaml_count(value);
        return clade_yaml_item(value, s->turn < count ? s->turn : count - 1);
    }
    return NULL;
}

static clade_status fail_unknown(const clade_yaml *node, const scope *s, const char *name)
{
    const char *names[64];
    size_t count = 0;
    for (; s; s = s->outer)
        for (size_t i = 0; s->map && i < clade_yaml_count(s->map) && count < 64; i++)
            names[count++] = clade_yaml_key(s->map, i);
    const char *nearest = clade_yaml_nearest(name, names, count);
    return clade_yaml_fail(node, CLADE_EINVAL,
                           "unknown variable '$%s'%s%s%s; variables are defined under 'vars'",
                           clade_yaml_quote(name).text, nearest ? "; did you mean '$" : "",
                           nearest ? nearest : "", nearest ? "'?" : "");
}

static clade_status expand(clade_yaml **node, const scope *s, int depth);

static clade_status expand_key(yaml_member *member, const scope *s)
{
    if (!member->key || member->key[0] != '$') return CLADE_OK;
    const clade_yaml *value = find_name(s, member->key + 1);
    if (!value) return fail_unknown(member->value, s, member->key + 1);
    const char *text;
    clade_status status = clade_yaml_as_text(value, member->key, &text);
    if (status) return status;
    char *key = clade_string_join(text, "");
    if (!key) return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
    free(member->key);
    member->key = key;
    return CLADE_OK;
}

static const clade_yaml *as_repeat(const clade_yaml *node)
{
    return clade_yaml_kind_of(node) == CLADE_YAML_MAP && clade_yaml_count(node) == 1 &&
                   !strcmp(clade_yaml_key(node, 0), "repeat")
               ? clade_yaml_item(node, 0)
               : NULL;
}

static clade_status check_with(const clade_yaml *with)
{
    for (size_t i = 0; with && i < clade_yaml_count(with); i++) {
        const clade_yaml *list = clade_yaml_item(with, i);
        if (clade_yaml_kind_of(list) == CLADE_YAML_LIST && clade_yaml_count(list) == 0)
            return clade_yaml_fail(list, CLADE_EINVAL, "with: '%s': expected at least one value",
                                   clade_yaml_key(with, i));
    }
    return CLADE_OK;
}

/* Appends the layers of a repeat to the list, as often as it says. */
static clade_status expand_repeat(clade_yaml *repeat, const scope *s, clade_yaml *list, int depth)
{
    enum { most = 1000 };
    static const char *const keys[] = {"times", "with", "layers"};
    const clade_yaml *times_node, *layers, *with;
    int64_t times;
    clade_status status = clade_yaml_expect(repeat, "repeat", CLADE_YAML_MAP);
    if (!status) status = clade_yaml_check_keys(repeat, "repeat", keys, 3);
    for (size_t i = 0; i < repeat->count && !status; i++) /* where its own names are not in scope */
        if (strcmp(repeat->member[i].key, "layers"))
            status = expand(&repeat->member[i].value, s, depth + 1);
    if (!status) status = clade_yaml_require(repeat, "times", &times_node);
    if (!status) status = clade_yaml_as_int(times_node, "times", 0, most, &times);
    if (!status) status = clade_yaml_require(repeat, "layers", &layers);
    if (!status) status = clade_yaml_expect(layers, "layers", CLADE_YAML_LIST);
    if (!status) status = clade_yaml_get_node(repeat, "with", CLADE_YAML_MAP, &with);
    if (!status) status = check_with(with);
    for (int64_t turn = 0; !status && turn < times; turn++) {
        const scope inner = {with, (size_t)turn, true, s, s->left};
        clade_yaml *copy = NULL;
        status = copy_node(layers, s, &copy);
        if (!status) status = expand(&copy, &inner, depth + 1);
        while (!status && copy->count > 0) {
            status = clade_yaml_append(list, copy->member[0].value);
            memmove(copy->member, copy->member + 1, --copy->count * sizeof *copy->member);
        }
        if (copy) clade_yaml_destroy(&copy);
    }
    return status;
}

/* Returns the list with its repeats expanded. */
static clade_status expand_list(clade_yaml *node, const scope *s, int depth)
{
    yaml_member *member = node->member;
    size_t count = node->count;
    node->member = NULL;
    node->count = node->room = 0;
    clade_status status = CLADE_OK;
    for (size_t i = 0; i < count; i++) {
        clade_yaml *value = member[i].value;
        if (!status && as_repeat(value)) {
            status = expand_repeat(value->member[0].value, s, node, depth);
        } else if (!status) {
            status = expand(&value, s, depth + 1);
            if (!status) {
                status = clade_yaml_append(node, value);
                value = NULL; /* taken over in any case */
            }
        }
        clade_yaml_destroy(&value);
    }
    free(member);
    return status;
}

static clade_status expand(clade_yaml **node, const scope *s, int depth)
{
    clade_yaml *n = *node;
    if (depth > clade_yaml_max_depth)
        return clade_yaml_fail(n, CLADE_EINVAL, "more than %d levels deep", clade_yaml_max_depth);
    if (n->kind == CLADE_YAML_LIST) return expand_list(n, s, depth);
    clade_status status = CLADE_OK;
    if (n->kind == CLADE_YAML_MAP) {
        for (size_t i = 0; i < n->count && !status; i++) {
            status = expand_key(&n->member[i], s);
            if (!status) status = expand(&n->member[i].value, s, depth + 1);
        }
        return status;
    }
    if (n->kind != CLADE_YAML_SCALAR || n->text[0] != '$' || !n->text[1]) return CLADE_OK;
    const clade_yaml *value = find_name(s, n->text + 1);
    if (!value) return fail_unknown(n, s, n->text + 1);
    clade_yaml *copy;
    status = copy_node(value, s, &copy);
    if (status) return status;
    clade_yaml_destroy(node);
    *node = copy;
    return CLADE_OK;
}

static void drop(clade_yaml *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->member[i].key, key)) continue;
        free(map->member[i].key);
        clade_yaml_destroy(&map->member[i].value);
        memmove(map->member + i, map->member + i + 1, (--map->count - i) * sizeof *map->member);
        return;
    }
}

clade_status clade_recipe_expand(clade_yaml *root)
{
    static const char *const sections[] = {"input",   "augment", "backbone",
                                           "compare", "model",   "train"};
    const clade_yaml *vars;
    clade_status status = clade_yaml_get_node(root, "vars", CLADE_YAML_MAP, &vars);
    size_t left = clade_yaml_max_nodes;
    const scope s = {vars, 0, false, NULL, &left};
    for (size_t i = 0; i < root->count && !status; i++)
        for (size_t k = 0; k < sizeof sections / sizeof *sections && !status; k++)
            if (!strcmp(root->member[i].key, sections[k]))
                status = expand(&root->member[i].value, &s, 0);
    if (status) return status;
    drop(root, "vars");
    drop(root, "tune");
    return CLADE_OK;
}
