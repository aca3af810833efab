/* Typed values of YAML nodes, and the error texts that say what was expected. */
#define _XOPEN_SOURCE 700
#include "recipe/yaml.h"
#include "recipe/yaml_node.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- messages --- */

/* Begins the error text with "file:line: ", or with as much as is known. */
static clade_status fail_at(const clade_yaml *node, uint32_t line, clade_status status,
                            const char *text)
{
    if (!node->source) return clade_fail(status, "%s", text);
    if (!node->source->lines || line == 0)
        return clade_fail(status, "%s: %s", node->source->name, text);
    return clade_fail(status, "%s:%u: %s", node->source->name, (unsigned)line, text);
}

clade_status clade_yaml_fail(const clade_yaml *node, clade_status status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail_at(node, node->line, status, text);
}

/* Fails with "file:line: what: expected …, found …". */
static clade_status fail_expected(const clade_yaml *node, const char *what, const char *expected)
{
    char found[96];
    switch (node->kind) {
    case CLADE_YAML_NULL: snprintf(found, sizeof found, "nothing"); break;
    case CLADE_YAML_LIST: snprintf(found, sizeof found, "a list"); break;
    case CLADE_YAML_MAP: snprintf(found, sizeof found, "a map"); break;
    case CLADE_YAML_SCALAR:
        snprintf(found, sizeof found, "%s'%s'", node->quoted ? "the quoted text " : "",
                 clade_yaml_quote(node->text).text);
        break;
    }
    return clade_yaml_fail(node, CLADE_EINVAL, "%s: expected %s, found %s", what, expected, found);
}

/* --- the nearest word --- */

enum { word_max = 47 };

static int lower(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; }

/* Returns the number of edits (insertion, deletion, change, swap of neighbours) from a to b,
 * ignoring case: the optimal string alignment distance. Both have at most word_max characters. */
static int edit_distance(const char *a, const char *b)
{
    int row[3][word_max + 1]; /* of rows i - 2, i - 1 and i, in turn */
    int n = (int)strlen(a), m = (int)strlen(b);
    for (int j = 0; j <= m; j++) row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int same = lower(a[i - 1]) == lower(b[j - 1]);
            int best = last[j - 1] + !same;
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

/* Returns whether `end` is the part of the word after an underscore. */
static bool ends_with(const char *word, const char *end)
{
    const size_t length = strlen(word), part = strlen(end);
    return part > 0 && part < length && word[length - part - 1] == '_' &&
           !strcmp(word + length - part, end);
}

const char *clade_yaml_nearest(const char *word, const char *const *words, size_t count)
{
    size_t length = strlen(word);
    if (length > word_max) return NULL;
    const char *nearest = NULL;
    int least = 1 + (int)length / 2; /* half of it may be wrong */
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i]) > word_max) continue;
        /* the end of a word, such as float16 of mixed_float16, counts as one edit */
        int distance = ends_with(words[i], word) ? 1 : edit_distance(word, words[i]);
        if (distance < least) {
            least = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

/* Appends "a, b, c" to the text of that size. */
static void list_words(char *text, size_t size, const char *const *words, size_t count)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < count && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s", i ? ", " : "", words[i]);
}

clade_status clade_yaml_check_keys(const clade_yaml *map, const char *what,
                                   const char *const *known, size_t count)
{
    if (map->kind == CLADE_YAML_NULL) return CLADE_OK;
    if (map->kind != CLADE_YAML_MAP) return fail_expected(map, what, "a map");
    for (size_t i = 0; i < map->count; i++) {
        const yaml_member *member = &map->member[i];
        bool found = false;
        for (size_t j = 0; j < count && !found; j++) found = !strcmp(member->key, known[j]);
        if (found) continue;
        char text[1024];
        int n = snprintf(text, sizeof text, "unknown key '%s'", clade_yaml_quote(member->key).text);
        const char *nearest = clade_yaml_nearest(member->key, known, count);
        if (nearest) {
            snprintf(text + n, sizeof text - (size_t)n, "; did you mean '%s'?", nearest);
        } else {
            snprintf(text + n, sizeof text - (size_t)n, " in %s; expected ", what);
            list_words(text, sizeof text, known, count);
        }
        /* the key's line, and the source of its value: the map may have been edited */
        return fail_at(member->value, member->line, CLADE_EINVAL, text);
    }
    return CLADE_OK;
}

/* --- values --- */

clade_status clade_yaml_as_number(const clade_yaml *node, const char *what, double *out)
{
    return clade_yaml_in_range(node, what, CLADE_YAML_ANY, out);
}

clade_status clade_yaml_in_range(const clade_yaml *node, const char *what, clade_yaml_range range,
                                 double *out)
{
    static const char *const expected[] = {
        [CLADE_YAML_ANY] = "a number",
        [CLADE_YAML_POSITIVE] = "a positive number",
        [CLADE_YAML_NOT_NEGATIVE] = "a number that is 0 or more",
        [CLADE_YAML_FRACTION] = "a number from 0 to 1",
        [CLADE_YAML_RATE] = "a number from 0 to less than 1",
    };
    double x;
    bool good = node->kind == CLADE_YAML_SCALAR && !node->quoted &&
                clade_yaml_text_is_number(node->text, &x) &&
                (isfinite(x) || !strchr(node->text, '/'));         /* 1/0 is not a number */
    if (good && range == CLADE_YAML_POSITIVE) good = (float)x > 0; /* 0 stands for a default */
    if (good && range != CLADE_YAML_ANY) good = x >= 0;
    if (good && range == CLADE_YAML_FRACTION) good = x <= 1;
    if (good && range == CLADE_YAML_RATE) good = x < 1;
    if (!good) return fail_expected(node, what, expected[range]);
    if (fabs(x) > FLT_MAX) return fail_expected(node, what, "a number up to 3.4e38");
    *out = x;
    return CLADE_OK;
}

/* Reads a decimal integer that fits 64 bits. */
static bool read_int(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    if (!*text || text[strspn(text, "0123456789")]) return false;
    int64_t value = 0;
    for (; *text; text++) { /* negative: that range is larger */
        int digit = *text - '0';
        if (value < (INT64_MIN + digit) / 10) return false;
        value = 10 * value - digit;
    }
    if (!negative && value == INT64_MIN) return false;
    *out = negative ? value : -value;
    return true;
}

clade_status clade_yaml_as_int(const clade_yaml *node, const char *what, int64_t low, int64_t high,
                               int64_t *out)
{
    int64_t value;
    if (node->kind == CLADE_YAML_SCALAR && !node->quoted && read_int(node->text, &value) &&
        value >= low && value <= high) {
        *out = value;
        return CLADE_OK;
    }
    char expected[96];
    if (high == INT64_MAX && low == INT64_MIN)
        snprintf(expected, sizeof expected, "a whole number");
    else if (high == INT64_MAX)
        snprintf(expected, sizeof expected, "a whole number, %lld or more", (long long)low);
    else
        snprintf(expected, sizeof expected, "a whole number from %lld to %lld", (long long)low,
                 (long long)high);
    return fail_expected(node, what, expected);
}

clade_status clade_yaml_as_bool(const clade_yaml *node, const char *what, bool *out)
{
    bool value;
    if (node->kind != CLADE_YAML_SCALAR || node->quoted ||
        !clade_yaml_text_is_bool(node->text, &value))
        return fail_expected(node, what, "true or false");
    *out = value;
    return CLADE_OK;
}

clade_status clade_yaml_as_text(const clade_yaml *node, const char *what, const char **out)
{
    if (node->kind != CLADE_YAML_SCALAR) return fail_expected(node, what, "text");
    *out = node->text;
    return CLADE_OK;
}

clade_status clade_yaml_as_word(const clade_yaml *node, const char *what, const char *const *words,
                                size_t count, size_t *out)
{
    const char *nearest = NULL;
    if (node->kind == CLADE_YAML_SCALAR) {
        for (size_t i = 0; i < count; i++)
            if (!strcmp(node->text, words[i])) {
                *out = i;
                return CLADE_OK;
            }
        nearest = clade_yaml_nearest(node->text, words, count);
    }
    char expected[768] = "one of ";
    if (count == 1) expected[0] = 0;
    list_words(expected, sizeof expected, words, count);
    if (!nearest) return fail_expected(node, what, expected);
    return clade_yaml_fail(node, CLADE_EINVAL, "%s: expected %s, found '%s'; did you mean '%s'?",
                           what, expected, clade_yaml_quote(node->text).text, nearest);
}

clade_status clade_yaml_expect(const clade_yaml *node, const char *what, clade_yaml_kind kind)
{
    static const char *const expected[] = {"nothing", "a single value", "a list", "a map"};
    return node->kind == kind ? CLADE_OK : fail_expected(node, what, expected[kind]);
}

/* --- values of keys --- */

static const clade_yaml *find_set(const clade_yaml *map, const char *key)
{
    const clade_yaml *node = clade_yaml_find(map, key);
    return node && node->kind != CLADE_YAML_NULL ? node : NULL;
}

clade_status clade_yaml_get_number(const clade_yaml *map, const char *key, clade_yaml_range range,
                                   double *out)
{
    const clade_yaml *node = find_set(map, key);
    return node ? clade_yaml_in_range(node, key, range, out) : CLADE_OK;
}

clade_status clade_yaml_get_int(const clade_yaml *map, const char *key, int64_t low, int64_t high,
                                int64_t *out)
{
    const clade_yaml *node = find_set(map, key);
    return node ? clade_yaml_as_int(node, key, low, high, out) : CLADE_OK;
}

clade_status clade_yaml_get_bool(const clade_yaml *map, const char *key, bool *out)
{
    const clade_yaml *node = find_set(map, key);
    return node ? clade_yaml_as_bool(node, key, out) : CLADE_OK;
}

clade_status clade_yaml_get_text(const clade_yaml *map, const char *key, const char **out)
{
    const clade_yaml *node = find_set(map, key);
    return node ? clade_yaml_as_text(node, key, out) : CLADE_OK;
}

clade_status clade_yaml_get_word(const clade_yaml *map, const char *key, const char *const *words,
                                 size_t count, size_t *out)
{
    const clade_yaml *node = find_set(map, key);
    return node ? clade_yaml_as_word(node, key, words, count, out) : CLADE_OK;
}

clade_status clade_yaml_get_node(const clade_yaml *map, const char *key, clade_yaml_kind kind,
                                 const clade_yaml **out)
{
    *out = find_set(map, key);
    if (!*out) return CLADE_OK;
    clade_status status = clade_yaml_expect(*out, key, kind);
    if (status) *out = NULL;
    return status;
}

clade_status clade_yaml_require(const clade_yaml *map, const char *key, const clade_yaml **out)
{
    *out = find_set(map, key);
    if (*out) return CLADE_OK;
    if (map->kind != CLADE_YAML_MAP && map->kind != CLADE_YAML_NULL)
        return clade_yaml_fail(map, CLADE_EINVAL, "expected a map with the key '%s'", key);
    return clade_yaml_fail(map, CLADE_EINVAL, "the key '%s' is missing", key);
}
