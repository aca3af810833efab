/* Parsing YAML with libyaml's events. */
#include "base/content.h"
#include "base/file.h"
#include "recipe/yaml_node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

typedef struct yaml_reader {
    yaml_parser_t parser;
    yaml_source *source;
    size_t nodes;
    int depth;
} yaml_reader;

/* Sets the error text for a position in the document; line from 1, 0: none. */
static clade_status fail_at(const yaml_reader *r, size_t line, const char *text)
{
    if (line == 0 || !r->source->lines)
        return clade_fail(CLADE_EFORMAT, "%s: %s", r->source->name, text);
    return clade_fail(CLADE_EFORMAT, "%s:%zu: %s", r->source->name, line, text);
}

/* Converts libyaml's error to one line. */
static clade_status fail_syntax(const yaml_reader *r)
{
    const yaml_parser_t *p = &r->parser;
    char text[256];
    if (p->error == YAML_MEMORY_ERROR)
        return clade_fail(CLADE_ENOMEM, "%s: out of memory", r->source->name);
    if (p->error == YAML_READER_ERROR) {
        snprintf(text, sizeof text, "not UTF-8 text at byte %zu: %s", p->problem_offset,
                 p->problem);
        return fail_at(r, 0, text);
    }
    const char *problem = p->problem ? p->problem : "not YAML";
    if (!strcmp(problem, "found character that cannot start any token"))
        problem = "found a character that cannot begin anything here (a tab? indent with spaces)";
    if (p->context && p->context_mark.line != p->problem_mark.line)
        snprintf(text, sizeof text, "%s (%s that began on line %zu)", problem, p->context,
                 p->context_mark.line + 1);
    else
        snprintf(text, sizeof text, "%s", problem);
    return fail_at(r, p->problem_mark.line + 1, text);
}

static clade_status next_event(yaml_reader *r, yaml_event_t *event)
{
    if (!yaml_parser_parse(&r->parser, event)) return fail_syntax(r);
    const char *refused = NULL;
    if (event->type == YAML_ALIAS_EVENT)
        refused = "aliases (*name) are not supported; write the value out";
    else if ((event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor) ||
             (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.anchor) ||
             (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.anchor))
        refused = "anchors (&name) are not supported; write the value out where it is needed";
    else if ((event->type == YAML_SCALAR_EVENT && event->data.scalar.tag) ||
             (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.tag) ||
             (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.tag))
        refused = "tags (!name) are not supported";
    else if (event->type == YAML_SCALAR_EVENT &&
             memchr(event->data.scalar.value, 0, event->data.scalar.length))
        refused = "text with a zero byte";
    if (!refused) return CLADE_OK;
    size_t line = event->start_mark.line + 1;
    yaml_event_delete(event);
    return fail_at(r, line, refused);
}

static int by_key_then_place(const void *left, const void *right)
{
    const yaml_member *a = *(const yaml_member *const *)left,
                      *b = *(const yaml_member *const *)right;
    int order = strcmp(a->key, b->key);
    if (order) return order;
    return a < b ? -1 : a > b;
}

/* Fails on the first key that repeats an earlier one. */
static clade_status check_unique(const yaml_reader *r, const clade_yaml *map)
{
    if (map->count < 2) return CLADE_OK;
    const yaml_member **sorted = malloc(map->count * sizeof(const yaml_member *));
    if (!sorted) return clade_fail(CLADE_ENOMEM, "%s: out of memory", r->source->name);
    for (size_t i = 0; i < map->count; i++) sorted[i] = &map->member[i];
    qsort(sorted, map->count, sizeof *sorted, by_key_then_place);
    const yaml_member *first = NULL, *again = NULL;
    for (size_t i = 1; i < map->count; i++)
        if (!strcmp(sorted[i - 1]->key, sorted[i]->key) && (!again || sorted[i] < again)) {
            first = sorted[i - 1];
            again = sorted[i];
        }
    free(sorted);
    if (!again) return CLADE_OK;
    char text[128];
    snprintf(text, sizeof text, "duplicate key '%s' (first on line %u)",
             clade_yaml_quote(again->key).text, (unsigned)first->line);
    return fail_at(r, again->line, text);
}

static clade_status parse_node(yaml_reader *r, yaml_event_t *event, clade_yaml **out);

static clade_status parse_members(yaml_reader *r, clade_yaml *node)
{
    yaml_event_type_t end =
        node->kind == CLADE_YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    for (;;) {
        yaml_event_t event;
        yaml_member member = {0};
        clade_status status = next_event(r, &event);
        if (status) return status;
        if (event.type == end) {
            yaml_event_delete(&event);
            return node->kind == CLADE_YAML_MAP ? check_unique(r, node) : CLADE_OK;
        }
        if (node->kind == CLADE_YAML_MAP) {
            member.line = (uint32_t)event.start_mark.line + 1;
            member.column = (uint32_t)event.start_mark.column + 1;
            if (event.type != YAML_SCALAR_EVENT) {
                yaml_event_delete(&event);
                return fail_at(r, member.line, "a key must be plain text, not a list or map");
            }
            member.key = clade_string_join((const char *)event.data.scalar.value, "");
            yaml_event_delete(&event);
            if (!member.key) return clade_fail(CLADE_ENOMEM, "%s: out of memory", r->source->name);
            status = next_event(r, &event);
        }
        if (!status) status = parse_node(r, &event, &member.value);
        if (status) {
            free(member.key);
            return status;
        }
        if ((status = clade_yaml_add_member(node, member))) return status;
    }
}

static bool is_ambiguous(const char *text)
{
    bool truth;
    double number;
    return clade_yaml_text_is_null(text) || clade_yaml_text_is_bool(text, &truth) ||
           clade_yaml_text_is_number(text, &number);
}

/* Parses the node that begins with `event`, which is released. */
static clade_status parse_node(yaml_reader *r, yaml_event_t *event, clade_yaml **out)
{
    size_t line = event->start_mark.line + 1;
    *out = NULL;
    clade_yaml *node = clade_yaml_create(CLADE_YAML_NULL);
    clade_status status = CLADE_OK;
    if (!node) status = clade_fail(CLADE_ENOMEM, "%s: out of memory", r->source->name);
    if (!status && ++r->nodes > clade_yaml_max_nodes)
        status = fail_at(r, line, "more than 100,000 values");
    if (!status && r->depth >= clade_yaml_max_depth)
        status = fail_at(r, line, "nested more than 64 levels deep");
    if (status) {
        yaml_event_delete(event);
        clade_yaml_destroy(&node);
        return status;
    }
    clade_yaml_share_source(node, r->source);
    node->line = (uint32_t)line;
    node->column = (uint32_t)event->start_mark.column + 1;
    yaml_event_type_t type = event->type;
    if (type == YAML_SCALAR_EVENT) {
        const char *text = (const char *)event->data.scalar.value;
        bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        if (!plain || !clade_yaml_text_is_null(text)) {
            node->kind = CLADE_YAML_SCALAR;
            node->quoted = !plain && is_ambiguous(text);
            node->text = clade_string_join(text, "");
            if (!node->text)
                status = clade_fail(CLADE_ENOMEM, "%s: out of memory", r->source->name);
        }
    } else if (type == YAML_SEQUENCE_START_EVENT) {
        node->kind = CLADE_YAML_LIST;
        node->flow = event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    } else {
        assert(type == YAML_MAPPING_START_EVENT);
        node->kind = CLADE_YAML_MAP;
        node->flow = event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    }
    yaml_event_delete(event);
    if (!status && type != YAML_SCALAR_EVENT) {
        r->depth++;
        status = parse_members(r, node);
        r->depth--;
    }
    if (status)
        clade_yaml_destroy(&node);
    else
        *out = node;
    return status;
}

/* Parses stream start, at most one document, stream end. */
static clade_status parse_document(yaml_reader *r, clade_yaml **out)
{
    for (;;) {
        yaml_event_t event;
        clade_status status = next_event(r, &event);
        if (status) return status;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && *out)
            status = fail_at(r, event.start_mark.line + 1, "a second document; expected one");
        if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT ||
            type == YAML_MAPPING_START_EVENT)
            status = parse_node(r, &event, out);
        else
            yaml_event_delete(&event);
        if (status || type == YAML_STREAM_END_EVENT) return status;
    }
}

static clade_status parse(const void *text, size_t size, const char *name, bool lines,
                          clade_yaml **out)
{
    *out = NULL;
    if (size > clade_yaml_max_bytes)
        return clade_fail(CLADE_EFORMAT, "%s: %zu bytes of YAML, more than 4 MiB", name, size);
    yaml_reader r = {.source = malloc(sizeof *r.source + strlen(name) + 1)};
    if (!r.source) return clade_fail(CLADE_ENOMEM, "%s: out of memory", name);
    atomic_init(&r.source->users, 1);
    r.source->lines = lines;
    memcpy(r.source->name, name, strlen(name) + 1);
    clade_yaml *root = NULL;
    clade_status status = CLADE_OK;
    if (yaml_parser_initialize(&r.parser)) {
        yaml_parser_set_input_string(&r.parser, text ? text : (const void *)"", size);
        status = parse_document(&r, &root);
        yaml_parser_delete(&r.parser);
    } else {
        status = clade_fail(CLADE_ENOMEM, "%s: out of memory", name);
    }
    if (!status && !root) { /* an empty document */
        root = clade_yaml_create(CLADE_YAML_NULL);
        if (root) {
            clade_yaml_share_source(root, r.source);
            root->line = root->column = 1;
        } else {
            status = clade_fail(CLADE_ENOMEM, "%s: out of memory", name);
        }
    }
    if (status) clade_yaml_destroy(&root);
    if (atomic_fetch_sub(&r.source->users, 1) == 1) free(r.source);
    *out = root;
    return status;
}

clade_status clade_yaml_parse(const void *text, size_t size, const char *name, clade_yaml **out)
{
    assert((text || size == 0) && name && out);
    return parse(text, size, name, true, out);
}

clade_status clade_yaml_read(const char *path, clade_yaml **out)
{
    assert(path && out);
    void *text;
    size_t size;
    *out = NULL;
    clade_status status = clade_file_read(path, clade_yaml_max_bytes, &text, &size);
    if (status) return status;
    status = clade_yaml_parse(text, size, path, out);
    const char *hint = clade_content_hint(text, size);
    if (status == CLADE_EFORMAT && *hint) clade_fail(status, "%s: not YAML%s", path, hint);
    free(text);
    return status;
}

clade_status clade_yaml_assign(clade_yaml *root, const char *assignment)
{
    assert(root && assignment);
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return clade_fail(CLADE_EINVAL, "--set %s: expected key=value", assignment);
    char *name = clade_string_join("--set ", assignment), *path = clade_string_join(assignment, "");
    clade_yaml *value = NULL;
    clade_status status = CLADE_ENOMEM;
    if (name && path) {
        path[equals - assignment] = 0;
        status = parse(equals + 1, strlen(equals + 1), name, false, &value);
        if (status == CLADE_EFORMAT) status = CLADE_EINVAL;
        if (!status) status = clade_context(clade_yaml_set(root, path, value), "%s", name);
    } else {
        clade_fail(status, "--set: out of memory");
    }
    free(name);
    free(path);
    return status;
}
