/* The section tune of a recipe, and recipes with values of its parameters. */
#include "recipe/tune.h"
#include "recipe/yaml_node.h"

#include "base/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clade_status no_memory(void)
{
    return clade_fail(CLADE_ENOMEM, "out of memory for a recipe");
}

/* --- one entry --- */

/* Reads [low, high]. */
static clade_status read_bounds(const clade_yaml *list, const char *what, clade_tunable *p)
{
    clade_status status = clade_yaml_expect(list, what, CLADE_YAML_LIST);
    if (status) return status;
    if (clade_yaml_count(list) != 2)
        return clade_yaml_fail(list, CLADE_EINVAL, "%s: expected [low, high], found %zu values",
                               what, clade_yaml_count(list));
    status = clade_yaml_as_number(clade_yaml_item(list, 0), what, &p->low);
    return status ? status : clade_yaml_as_number(clade_yaml_item(list, 1), what, &p->high);
}

/* Gives a value as it would be written after `key=`. The caller frees the string. */
static clade_status flow_text(const clade_yaml *node, char **out)
{
    clade_yaml *copy;
    size_t size;
    clade_status status = clade_yaml_copy(node, &copy);
    if (status) return status;
    copy->flow = true;
    status = clade_yaml_emit(copy, out, &size);
    clade_yaml_destroy(&copy);
    while (!status && size > 0 && (*out)[size - 1] == '\n') (*out)[--size] = 0;
    return status;
}

static bool is_number(const clade_yaml *node, double *value)
{
    return clade_yaml_text(node) && !node->quoted &&
           clade_yaml_text_is_number(clade_yaml_text(node), value);
}

static clade_status read_choices(const clade_yaml *list, clade_tuning *tuning, clade_tunable *p)
{
    clade_status status = clade_yaml_expect(list, "choice", CLADE_YAML_LIST);
    size_t count = status ? 0 : clade_yaml_count(list);
    if (status) return status;
    if (count == 0) return clade_yaml_fail(list, CLADE_EINVAL, "choice: expected values");
    char **texts = calloc(count, sizeof *texts);
    if (!texts) return no_memory();
    tuning->choices[p - tuning->parameter] = texts;
    p->kind = CLADE_TUNABLE_CHOICE;
    p->choices = (const char *const *)texts;
    p->choice_count = count;
    p->ordered = true; /* choices that are numbers in ascending order */
    double before = -INFINITY;
    for (size_t i = 0; i < count && !status; i++) {
        double value = 0;
        const clade_yaml *item = clade_yaml_item(list, i);
        p->ordered = p->ordered && is_number(item, &value) && value > before;
        before = value;
        status = flow_text(item, &texts[i]);
        for (size_t k = 0; k < i && !status; k++)
            if (!strcmp(texts[k], texts[i]))
                status = clade_yaml_fail(item, CLADE_EINVAL, "choice: '%s' appears twice",
                                         clade_yaml_quote(texts[i]).text);
    }
    return status;
}

/* Gives the value of a parameter that a node means; false: none. */
static bool value_of(const clade_tunable *p, const clade_yaml *node, double *value)
{
    if (p->kind != CLADE_TUNABLE_CHOICE)
        return is_number(node, value) && *value >= p->low && *value <= p->high &&
               (p->kind != CLADE_TUNABLE_INTEGER || *value == floor(*value));
    char *text;
    bool found = false;
    if (clade_yaml_kind_of(node) == CLADE_YAML_MAP && clade_yaml_count(node) == 1)
        for (size_t i = 0; i < p->choice_count && !found; i++) { /* {adam: {…}} is `adam` */
            found = !strcmp(p->choices[i], clade_yaml_key(node, 0));
            *value = (double)i;
        }
    if (found) return true;
    if (flow_text(node, &text)) return false;
    for (size_t i = 0; i < p->choice_count && !found; i++) {
        found = !strcmp(p->choices[i], text);
        *value = (double)i;
    }
    free(text);
    return found;
}

/* Reads when: {NAME: value}, or a list of values. */
static clade_status read_when(const clade_yaml *when, clade_tuning *tuning, clade_tunable *p)
{
    clade_status status = clade_yaml_expect(when, "when", CLADE_YAML_MAP);
    if (status) return status;
    if (clade_yaml_count(when) != 1)
        return clade_yaml_fail(when, CLADE_EINVAL, "when: expected one name and its values");
    size_t own = (size_t)(p - tuning->parameter), parent = 0;
    while (parent < own && strcmp(tuning->parameter[parent].name, clade_yaml_key(when, 0)))
        parent++;
    if (parent == own)
        return clade_yaml_fail(when, CLADE_EINVAL, "when: nothing above is named '%s'",
                               clade_yaml_quote(clade_yaml_key(when, 0)).text);
    const clade_yaml *values = clade_yaml_item(when, 0);
    bool list = clade_yaml_kind_of(values) == CLADE_YAML_LIST;
    size_t count = list ? clade_yaml_count(values) : 1;
    double *numbers = calloc(count + 1, sizeof *numbers);
    if (!numbers) return no_memory();
    tuning->when[own] = numbers;
    for (size_t i = 0; i < count; i++) {
        const clade_yaml *item = list ? clade_yaml_item(values, i) : values;
        if (!value_of(&tuning->parameter[parent], item, &numbers[i]))
            return clade_yaml_fail(item, CLADE_EINVAL, "when: '%s' does not take this value",
                                   tuning->parameter[parent].name);
    }
    p->parent = parent + 1;
    p->when = numbers;
    p->when_count = count;
    return CLADE_OK;
}

static clade_status read_entry(const clade_yaml *entry, clade_tuning *tuning, clade_tunable *p)
{
    static const char *const keys[] = {"range", "log", "int", "choice", "step", "when"};
    clade_status status = clade_yaml_expect(entry, p->name, CLADE_YAML_MAP);
    if (!status) status = clade_yaml_check_keys(entry, p->name, keys, 6);
    if (status) return status;
    const clade_yaml *range = clade_recipe_find(entry, "range"),
                     *log = clade_recipe_find(entry, "log"),
                     *whole = clade_recipe_find(entry, "int"),
                     *choice = clade_recipe_find(entry, "choice"),
                     *when = clade_recipe_find(entry, "when");
    bool flag = log && clade_yaml_kind_of(log) == CLADE_YAML_SCALAR; /* log: true */
    if (!!range + !!whole + !!choice + (log && !flag) != 1 ||
        (choice && (log || clade_recipe_find(entry, "step"))))
        return clade_yaml_fail(entry, CLADE_EINVAL,
                               "%s: expected one of range: [low, high], log: [low, high], "
                               "int: [low, high] and choice: [values]",
                               p->name);
    if (flag)
        status = clade_yaml_as_bool(log, "log", &p->log);
    else
        p->log = log != NULL;
    if (status) return status;
    if (whole) p->kind = CLADE_TUNABLE_INTEGER;
    if (choice)
        status = read_choices(choice, tuning, p);
    else
        status = read_bounds(range   ? range
                             : whole ? whole
                                     : log,
                             range   ? "range"
                             : whole ? "int"
                                     : "log",
                             p);
    if (!status) status = clade_yaml_get_number(entry, "step", CLADE_YAML_POSITIVE, &p->step);
    if (!status && when) status = read_when(when, tuning, p);
    return status;
}

/* --- where a key's value stands --- */

static const clade_yaml *follow(const clade_yaml *node, const char *path)
{
    while (node && *path) {
        char part[128];
        size_t length = strcspn(path, "."), position = 0;
        if (length >= sizeof part) return NULL;
        memcpy(part, path, length);
        part[length] = 0;
        path += length + (path[length] == '.');
        if (clade_yaml_kind_of(node) == CLADE_YAML_LIST) {
            char *end;
            position = strtoul(part, &end, 10);
            node = *part && !*end && position < clade_yaml_count(node)
                       ? clade_yaml_item(node, position)
                       : NULL;
        } else {
            node = clade_yaml_find(node, part);
        }
    }
    return node;
}

static const clade_yaml *find_value(const clade_yaml *root, const char *path)
{
    const clade_yaml *vars = clade_recipe_find(root, "vars"),
                     *train = clade_recipe_find(root, "train");
    const clade_yaml *found = vars ? follow(vars, path) : NULL;
    if (!found && train && !strcmp(path, "lr")) {
        const clade_yaml *optimizer = clade_recipe_find(train, "optimizer");
        if (optimizer && clade_yaml_kind_of(optimizer) == CLADE_YAML_MAP &&
            clade_yaml_count(optimizer) == 1)
            found = follow(clade_yaml_item(optimizer, 0), "lr");
    }
    if (!found && train) found = follow(train, path);
    return found ? found : follow(root, path);
}

/* --- the section --- */

void clade_tuning_clear(clade_tuning *tuning)
{
    for (size_t i = 0; i < tuning->count; i++) {
        for (size_t k = 0; tuning->choices[i] && k < tuning->parameter[i].choice_count; k++)
            free(tuning->choices[i][k]);
        free(tuning->choices[i]);
        free(tuning->when[i]);
    }
    clade_yaml_destroy(&tuning->node);
    *tuning = (clade_tuning){0};
}

clade_status clade_recipe_read_tuning(clade_recipe *recipe)
{
    clade_tuning *tuning = &recipe->tuning;
    const clade_yaml *section = clade_recipe_find(recipe->root, "tune");
    if (!section) return CLADE_OK;
    clade_status status = clade_yaml_expect(section, "tune", CLADE_YAML_MAP);
    if (!status) status = clade_yaml_copy(section, &tuning->node);
    if (status) return status;
    size_t count = clade_yaml_count(tuning->node);
    if (count > CLADE_MAX_TUNABLES)
        return clade_yaml_fail(section, CLADE_EINVAL, "tune: expected at most %d keys, found %zu",
                               CLADE_MAX_TUNABLES, count);
    for (size_t i = 0; i < count && !status; i++) {
        clade_tunable *p = &tuning->parameter[i];
        const clade_yaml *entry = clade_yaml_item(tuning->node, i);
        p->name = clade_yaml_key(tuning->node, i);
        tuning->count = i + 1;
        status = read_entry(entry, tuning, p);
        if (status) return clade_context(status, "tune");
        const clade_search_options options = {.parameters = tuning->parameter, .count = i + 1};
        if (clade_search_check(&options))
            return clade_yaml_fail(entry, CLADE_EINVAL, "tune: %s", clade_error());
        const clade_yaml *now = find_value(recipe->root, p->name);
        p->has_start = now && value_of(p, now, &p->start);
    }
    return status;
}

size_t clade_recipe_tunables(const clade_recipe *recipe, const clade_tunable **out)
{
    *out = recipe->tuning.parameter;
    return recipe->tuning.count;
}

const char *clade_recipe_source(const clade_recipe *recipe) { return recipe->source; }
