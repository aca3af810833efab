/* What reading a recipe's sections shares: keys, lists of integers, words. */
#include "recipe/recipe.h"

#include "base/file.h"

#include <string.h>

size_t clade_recipe_count_words(const char *const *words)
{
    size_t n = 0;
    while (words[n]) n++;
    return n;
}

clade_status clade_recipe_check_keys(const clade_yaml *map, const char *what,
                                     const char *const *keys)
{
    return clade_yaml_check_keys(map, what, keys, clade_recipe_count_words(keys));
}

const clade_yaml *clade_recipe_find(const clade_yaml *map, const char *key)
{
    const clade_yaml *node = map ? clade_yaml_find(map, key) : NULL;
    return node && clade_yaml_kind_of(node) != CLADE_YAML_NULL ? node : NULL;
}

clade_status clade_recipe_ints(const clade_yaml *node, const char *what, int64_t low, int64_t high,
                               size_t most, int32_t *out, size_t *count)
{
    int64_t value;
    if (clade_yaml_kind_of(node) != CLADE_YAML_LIST) {
        clade_status status = clade_yaml_as_int(node, what, low, high, &value);
        if (status) return status;
        out[0] = (int32_t)value;
        *count = 1;
        return CLADE_OK;
    }
    *count = clade_yaml_count(node);
    if (*count < 1 || *count > most)
        return clade_yaml_fail(node, CLADE_EINVAL,
                               "%s: expected a list of at most %zu numbers, found %zu", what, most,
                               *count);
    for (size_t i = 0; i < *count; i++) {
        clade_status status = clade_yaml_as_int(clade_yaml_item(node, i), what, low, high, &value);
        if (status) return status;
        out[i] = (int32_t)value;
    }
    return CLADE_OK;
}

char *clade_recipe_stem(const char *path)
{
    const char *base = strrchr(path, '/');
    char *name = clade_string_join(base ? base + 1 : path, "");
    char *dot = name ? strrchr(name, '.') : NULL;
    if (dot && dot > name) *dot = 0;
    return name;
}
