/* The YAML tree: its nodes, creating and editing them. */
#include "recipe/yaml.h"
#include "base/file.h"
#include "recipe/yaml_node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- nodes --- */

clade_yaml *clade_yaml_create(clade_yaml_kind kind)
{
    clade_yaml *node = calloc(1, sizeof *node);
    if (node) node->kind = kind;
    return node;
}

static void release_source(clade_yaml *node)
{
    if (node->source && atomic_fetch_sub(&node->source->users, 1) == 1) free(node->source);
    node->source = NULL;
}

void clade_yaml_share_source(clade_yaml *node, yaml_source *source)
{
    node->source = source;
    if (source) atomic_fetch_add(&source->users, 1);
}

/* Clears the node except its position. */
static void clear(clade_yaml *node)
{
    for (size_t i = 0; i < node->count; i++) {
        free(node->member[i].key);
        clade_yaml_destroy(&node->member[i].value);
    }
    free(node->member);
    free(node->text);
    node->member = NULL;
    node->text = NULL;
    node->count = node->room = 0;
    node->quoted = node->flow = false;
    node->kind = CLADE_YAML_NULL;
}

void clade_yaml_destroy(clade_yaml **handle)
{
    clade_yaml *node = *handle;
    if (!node) return;
    clear(node);
    release_source(node);
    free(node);
    *handle = NULL;
}

clade_status clade_yaml_add_member(clade_yaml *node, yaml_member member)
{
    if (node->count == node->room) {
        size_t room = node->room ? 2 * node->room : 4;
        yaml_member *grown = realloc(node->member, room * sizeof *grown);
        if (!grown) {
            free(member.key);
            clade_yaml_destroy(&member.value);
            return clade_fail(CLADE_ENOMEM, "yaml: out of memory");
        }
        node->member = grown;
        node->room = room;
    }
    node->member[node->count++] = member;
    return CLADE_OK;
}

clade_status clade_yaml_copy(const clade_yaml *node, clade_yaml **out)
{
    assert(node && out);
    *out = NULL;
    clade_yaml *copy = clade_yaml_create(node->kind);
    if (!copy) goto fail;
    clade_yaml_share_source(copy, node->source);
    copy->quoted = node->quoted;
    copy->flow = node->flow;
    copy->line = node->line;
    copy->column = node->column;
    if (node->text && !(copy->text = clade_string_join(node->text, ""))) goto fail;
    for (size_t i = 0; i < node->count; i++) {
        yaml_member member = node->member[i];
        if (member.key && !(member.key = clade_string_join(member.key, ""))) goto fail;
        if (clade_yaml_copy(node->member[i].value, &member.value)) {
            free(member.key);
            goto fail;
        }
        if (clade_yaml_add_member(copy, member)) goto fail;
    }
    *out = copy;
    return CLADE_OK;
fail:
    clade_yaml_destroy(&copy);
    return clade_fail(CLADE_ENOMEM, "yaml: out of memory");
}

bool clade_yaml_equal(const clade_yaml *a, const clade_yaml *b)
{
    if (a->kind != b->kind || a->quoted != b->quoted || a->count != b->count) return false;
    if (a->kind == CLADE_YAML_SCALAR && strcmp(a->text, b->text)) return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->kind == CLADE_YAML_MAP && strcmp(a->member[i].key, b->member[i].key)) return false;
        if (!clade_yaml_equal(a->member[i].value, b->member[i].value)) return false;
    }
    return true;
}

clade_yaml_kind clade_yaml_kind_of(const clade_yaml *node) { return node->kind; }
uint32_t clade_yaml_line(const clade_yaml *node) { return node->line; }
uint32_t clade_yaml_column(const clade_yaml *node) { return node->column; }
size_t clade_yaml_count(const clade_yaml *node) { return node->count; }
const char *clade_yaml_text(const clade_yaml *node) { return node->text; }

clade_yaml *clade_yaml_item(const clade_yaml *node, size_t i)
{
    assert(i < node->count);
    return node->member[i].value;
}

const char *clade_yaml_key(const clade_yaml *map, size_t i)
{
    assert(i < map->count && map->kind == CLADE_YAML_MAP);
    return map->member[i].key;
}

static yaml_member *find_member(const clade_yaml *map, const char *key, size_t length)
{
    if (map->kind != CLADE_YAML_MAP) return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (!strncmp(map->member[i].key, key, length) && !map->member[i].key[length])
            return &map->member[i];
    return NULL;
}

clade_yaml *clade_yaml_find(const clade_yaml *map, const char *key)
{
    yaml_member *member = find_member(map, key, strlen(key));
    return member ? member->value : NULL;
}

/* --- editing --- */

static clade_status put(clade_yaml *map, const char *key, size_t length, clade_yaml *value)
{
    if (!value) return clade_fail(CLADE_ENOMEM, "yaml: out of memory");
    yaml_member *old = find_member(map, key, length);
    if (old) {
        clade_yaml_destroy(&old->value);
        old->value = value;
        return CLADE_OK;
    }
    char *copy = malloc(length + 1);
    if (!copy) {
        clade_yaml_destroy(&value);
        return clade_fail(CLADE_ENOMEM, "yaml: out of memory");
    }
    memcpy(copy, key, length);
    copy[length] = 0;
    return clade_yaml_add_member(map, (yaml_member){.key = copy, .value = value});
}

clade_status clade_yaml_put(clade_yaml *map, const char *key, clade_yaml *value)
{
    assert(map->kind == CLADE_YAML_MAP);
    return put(map, key, strlen(key), value);
}

clade_status clade_yaml_append(clade_yaml *list, clade_yaml *value)
{
    assert(list->kind == CLADE_YAML_LIST);
    if (!value) return clade_fail(CLADE_ENOMEM, "yaml: out of memory");
    return clade_yaml_add_member(list, (yaml_member){.value = value});
}

static int depth_of(const clade_yaml *node)
{
    int deepest = 0;
    for (size_t i = 0; i < node->count; i++) {
        int depth = depth_of(node->member[i].value);
        if (depth > deepest) deepest = depth;
    }
    return deepest + 1;
}

/* Returns the list position named by a path's part of `length` characters, or the list's count. */
static size_t list_position(const clade_yaml *list, const char *part, size_t length)
{
    size_t position = 0;
    for (size_t i = 0; i < length; i++) {
        if (part[i] < '0' || part[i] > '9') return list->count;
        position = 10 * position + (size_t)(part[i] - '0');
        if (position >= list->count) return list->count;
    }
    return position;
}

/* Follows the existing parts of the path. *at is the last node found; *rest the first missing part,
 * or the last part. Fails if the path is impossible. */
static clade_status walk(clade_yaml *root, const char *path, clade_yaml **at, const char **rest)
{
    clade_yaml *node = root;
    const char *part = path;
    for (;;) {
        size_t length = strcspn(part, ".");
        int before = part > path ? (int)(part - path - 1) : 0;
        if (length == 0)
            return clade_fail(CLADE_EINVAL,
                              "'%s': expected keys and positions with a dot between them", path);
        clade_yaml *below = NULL;
        if (node->kind == CLADE_YAML_LIST) {
            size_t position = list_position(node, part, length);
            if (position == node->count)
                return clade_fail(
                    CLADE_EINVAL,
                    "'%.*s' is a list of %zu: expected a position from 0 below that, found '%.*s'",
                    before, path, node->count, (int)length, part);
            below = node->member[position].value;
        } else if (node->kind == CLADE_YAML_MAP) {
            yaml_member *member = find_member(node, part, length);
            below = member ? member->value : NULL;
        } else if (node->kind == CLADE_YAML_SCALAR) {
            return clade_fail(CLADE_EINVAL, "'%.*s' is the value '%s', which has no '%.*s'", before,
                              path, clade_yaml_quote(node->text).text, (int)length, part);
        }
        if (!below || !part[length]) break;
        node = below;
        part += length + 1;
    }
    *at = node;
    *rest = part;
    return CLADE_OK;
}

clade_status clade_yaml_set(clade_yaml *root, const char *path, clade_yaml *value)
{
    assert(root && path);
    if (!value) return clade_fail(CLADE_ENOMEM, "yaml: out of memory");
    clade_yaml *node = root;
    const char *part = path;
    int depth = depth_of(value);
    for (const char *p = path; *p && depth <= clade_yaml_max_depth; p++) depth += *p == '.';
    if (depth >= clade_yaml_max_depth) {
        clade_yaml_destroy(&value);
        return clade_fail(CLADE_EINVAL, "'%s': more than 64 levels deep",
                          clade_yaml_quote(path).text);
    }
    clade_status status = walk(root, path, &node, &part);
    /* check that every missing level has a name, then create them from the last one backwards */
    size_t first = status ? 0 : strcspn(part, ".");
    for (const char *p = path; !status && *p; p++)
        if (*p == '.' && (p[1] == '.' || !p[1]))
            status = clade_fail(CLADE_EINVAL,
                                "'%s': expected keys and positions with a dot between them", path);
    if (status) {
        clade_yaml_destroy(&value);
        return status;
    }
    const char *end = part + strlen(part);
    while (end > part + first) {
        const char *start = end;
        while (start[-1] != '.') start--;
        clade_yaml *map = clade_yaml_create(CLADE_YAML_MAP);
        if (!map) {
            clade_yaml_destroy(&value);
            return clade_fail(CLADE_ENOMEM, "yaml: out of memory");
        }
        clade_yaml_share_source(map, value->source);
        if ((status = put(map, start, (size_t)(end - start), value))) {
            clade_yaml_destroy(&map);
            return status;
        }
        value = map;
        end = start - 1;
    }
    if (node->kind == CLADE_YAML_LIST) {
        clade_yaml **slot = &node->member[list_position(node, part, first)].value;
        clade_yaml_destroy(slot);
        *slot = value;
        return CLADE_OK;
    }
    if (node->kind == CLADE_YAML_NULL) node->kind = CLADE_YAML_MAP;
    return put(node, part, first, value);
}
